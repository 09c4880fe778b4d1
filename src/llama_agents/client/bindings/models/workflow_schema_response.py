from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

if TYPE_CHECKING:
    from ..models.json_schema import JsonSchema


T = TypeVar("T", bound="WorkflowSchemaResponse")


@_attrs_define
class WorkflowSchemaResponse:
    """The schemas of the events that start and end a run of a workflow."""

    start: JsonSchema
    """ A JSON schema, as pydantic generates it for a class. """
    stop: JsonSchema
    """ A JSON schema, as pydantic generates it for a class. """
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        start = self.start.to_dict()

        stop = self.stop.to_dict()

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "start": start,
                "stop": stop,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.json_schema import JsonSchema  # noqa: PLC0415

        d = dict(src_dict)
        start = JsonSchema.from_dict(d.pop("start"))

        stop = JsonSchema.from_dict(d.pop("stop"))

        workflow_schema_response = cls(
            start=start,
            stop=stop,
        )

        workflow_schema_response.additional_properties = d
        return workflow_schema_response

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties

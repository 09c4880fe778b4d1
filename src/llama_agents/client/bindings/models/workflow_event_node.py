from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.workflow_event_node_node_type import (
    WorkflowEventNodeNodeType,
    check_workflow_event_node_node_type,
)

if TYPE_CHECKING:
    from ..models.json_schema import JsonSchema


T = TypeVar("T", bound="WorkflowEventNode")


@_attrs_define
class WorkflowEventNode:
    """An event class that steps accept or return."""

    id: str
    """ The ID of the node """
    label: str
    """ The display label. """
    node_type: WorkflowEventNodeNodeType
    """ The kind of node. """
    event_type: str
    """ The name of the event class. """
    event_types: list[str]
    """ The names of the class and its event superclasses, most derived first. """
    event_schema: JsonSchema | None
    """ The schema of the event class. """
    produced_by: list[str]
    """ The names of the steps that declare it as a return type. """
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        from ..models.json_schema import JsonSchema  # noqa: PLC0415

        id = self.id

        label = self.label

        node_type: str = self.node_type

        event_type = self.event_type

        event_types = self.event_types

        event_schema: dict[str, Any] | None
        if isinstance(self.event_schema, JsonSchema):
            event_schema = self.event_schema.to_dict()
        else:
            event_schema = self.event_schema

        produced_by = self.produced_by

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "id": id,
                "label": label,
                "node_type": node_type,
                "event_type": event_type,
                "event_types": event_types,
                "event_schema": event_schema,
                "produced_by": produced_by,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.json_schema import JsonSchema  # noqa: PLC0415

        d = dict(src_dict)
        id = d.pop("id")

        label = d.pop("label")

        node_type = check_workflow_event_node_node_type(d.pop("node_type"))

        event_type = d.pop("event_type")

        event_types = cast(list[str], d.pop("event_types"))

        def _parse_event_schema(data: object) -> JsonSchema | None:
            if data is None:
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                event_schema_type_0 = JsonSchema.from_dict(data)

                return event_schema_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(JsonSchema | None, data)

        event_schema = _parse_event_schema(d.pop("event_schema"))

        produced_by = cast(list[str], d.pop("produced_by"))

        workflow_event_node = cls(
            id=id,
            label=label,
            node_type=node_type,
            event_type=event_type,
            event_types=event_types,
            event_schema=event_schema,
            produced_by=produced_by,
        )

        workflow_event_node.additional_properties = d
        return workflow_event_node

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

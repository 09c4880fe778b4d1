from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

if TYPE_CHECKING:
    from ..models.json_object import JsonObject


T = TypeVar("T", bound="EventEnvelopeWithMetadata")


@_attrs_define
class EventEnvelopeWithMetadata:
    """An event as sent by the server."""

    value: JsonObject
    """ Any JSON object. """
    qualified_name: None | str
    """ The module and name of the event class, or null if the client opted out. """
    type_: str
    """ The name of the event class. """
    types: list[str] | None
    """ The names of the event superclasses, most derived first, or null if there are none. """
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        value = self.value.to_dict()

        qualified_name: None | str
        qualified_name = self.qualified_name

        type_ = self.type_

        types: list[str] | None
        if isinstance(self.types, list):
            types = self.types

        else:
            types = self.types

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "value": value,
                "qualified_name": qualified_name,
                "type": type_,
                "types": types,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.json_object import JsonObject  # noqa: PLC0415

        d = dict(src_dict)
        value = JsonObject.from_dict(d.pop("value"))

        def _parse_qualified_name(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        qualified_name = _parse_qualified_name(d.pop("qualified_name"))

        type_ = d.pop("type")

        def _parse_types(data: object) -> list[str] | None:
            if data is None:
                return data
            try:
                if not isinstance(data, list):
                    raise TypeError()
                types_type_0 = cast(list[str], data)

                return types_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(list[str] | None, data)

        types = _parse_types(d.pop("types"))

        event_envelope_with_metadata = cls(
            value=value,
            qualified_name=qualified_name,
            type_=type_,
            types=types,
        )

        event_envelope_with_metadata.additional_properties = d
        return event_envelope_with_metadata

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

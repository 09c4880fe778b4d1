from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

T = TypeVar("T", bound="LegacyEventEnvelope")


@_attrs_define
class LegacyEventEnvelope:
    """The `EventEnvelope` of older clients, with the event's fields under `data`."""

    data: Any
    """ The fields of the event. """
    type_: None | str | Unset = UNSET
    """ The name of the event class. """
    qualified_name: None | str | Unset = UNSET
    """ The module and name of the event class. """
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        data = self.data

        type_: None | str | Unset
        if isinstance(self.type_, Unset):
            type_ = UNSET
        else:
            type_ = self.type_

        qualified_name: None | str | Unset
        if isinstance(self.qualified_name, Unset):
            qualified_name = UNSET
        else:
            qualified_name = self.qualified_name

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "data": data,
            }
        )
        if type_ is not UNSET:
            field_dict["type"] = type_
        if qualified_name is not UNSET:
            field_dict["qualified_name"] = qualified_name

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        data = d.pop("data")

        def _parse_type_(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        type_ = _parse_type_(d.pop("type", UNSET))

        def _parse_qualified_name(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        qualified_name = _parse_qualified_name(d.pop("qualified_name", UNSET))

        legacy_event_envelope = cls(
            data=data,
            type_=type_,
            qualified_name=qualified_name,
        )

        legacy_event_envelope.additional_properties = d
        return legacy_event_envelope

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

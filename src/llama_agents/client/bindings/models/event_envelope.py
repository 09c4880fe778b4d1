from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

T = TypeVar("T", bound="EventEnvelope")


@_attrs_define
class EventEnvelope:
    """An event as sent by a client. The server looks up its class by `type` (older clients:
    `qualified_name`) among those that the workflow declares.

    """

    value: Any
    """ The fields of the event. """
    type_: None | str | Unset = UNSET
    """ The name of the event class. """
    qualified_name: None | str | Unset = UNSET
    """ The module and name of the event class. `type` is sufficient. """
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        value = self.value

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
                "value": value,
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
        value = d.pop("value")

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

        event_envelope = cls(
            value=value,
            type_=type_,
            qualified_name=qualified_name,
        )

        event_envelope.additional_properties = d
        return event_envelope

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

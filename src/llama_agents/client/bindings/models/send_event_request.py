from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.event_envelope import EventEnvelope
    from ..models.legacy_event_envelope import LegacyEventEnvelope


T = TypeVar("T", bound="SendEventRequest")


@_attrs_define
class SendEventRequest:
    """An event to send to a run."""

    event: EventEnvelope | LegacyEventEnvelope | str
    """ The event's envelope, as an object or as JSON text. The workflow must declare its class. """
    step: None | str | Unset = UNSET
    """ The name of the step to deliver the event to. If absent, every step that accepts its class receives it. """
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        from ..models.event_envelope import EventEnvelope  # noqa: PLC0415
        from ..models.legacy_event_envelope import LegacyEventEnvelope  # noqa: PLC0415

        event: dict[str, Any] | str
        if isinstance(self.event, EventEnvelope):
            event = self.event.to_dict()
        elif isinstance(self.event, LegacyEventEnvelope):
            event = self.event.to_dict()
        else:
            event = self.event

        step: None | str | Unset
        if isinstance(self.step, Unset):
            step = UNSET
        else:
            step = self.step

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "event": event,
            }
        )
        if step is not UNSET:
            field_dict["step"] = step

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.event_envelope import EventEnvelope  # noqa: PLC0415
        from ..models.legacy_event_envelope import LegacyEventEnvelope  # noqa: PLC0415

        d = dict(src_dict)

        def _parse_event(data: object) -> EventEnvelope | LegacyEventEnvelope | str:
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                event_type_0 = EventEnvelope.from_dict(data)

                return event_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                event_type_1 = LegacyEventEnvelope.from_dict(data)

                return event_type_1
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(EventEnvelope | LegacyEventEnvelope | str, data)

        event = _parse_event(d.pop("event"))

        def _parse_step(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        step = _parse_step(d.pop("step", UNSET))

        send_event_request = cls(
            event=event,
            step=step,
        )

        send_event_request.additional_properties = d
        return send_event_request

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

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.event_envelope import EventEnvelope
    from ..models.json_object import JsonObject


T = TypeVar("T", bound="RunWorkflowRequest")


@_attrs_define
class RunWorkflowRequest:
    """How to start a run. Every field is optional."""

    start_event: EventEnvelope | JsonObject | None | str | Unset = UNSET
    """ The start event: bare fields, an envelope, or either as JSON text. An object counts as an
    envelope if it has `value`, or both `type` and `qualified_name`; the workflow must then
    declare its class. If null, or absent without `kwargs`, the run starts with the defaults
    of the workflow's start event.
     """
    context: JsonObject | None | Unset = UNSET
    """ The state of an earlier run to start from, as returned by `Context.to_dict`. Rejected
    unless the server is configured to accept it.
     """
    handler_id: None | str | Unset = UNSET
    """ The ID for the run. If absent, null or empty, the server chooses one. """
    kwargs: JsonObject | None | Unset = UNSET
    """ The fields of the start event. Ignored if `start_event` is present. """
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        from ..models.event_envelope import EventEnvelope  # noqa: PLC0415
        from ..models.json_object import JsonObject  # noqa: PLC0415

        start_event: dict[str, Any] | None | str | Unset
        if isinstance(self.start_event, Unset):
            start_event = UNSET
        elif isinstance(self.start_event, EventEnvelope):
            start_event = self.start_event.to_dict()
        elif isinstance(self.start_event, JsonObject):
            start_event = self.start_event.to_dict()
        else:
            start_event = self.start_event

        context: dict[str, Any] | None | Unset
        if isinstance(self.context, Unset):
            context = UNSET
        elif isinstance(self.context, JsonObject):
            context = self.context.to_dict()
        else:
            context = self.context

        handler_id: None | str | Unset
        if isinstance(self.handler_id, Unset):
            handler_id = UNSET
        else:
            handler_id = self.handler_id

        kwargs: dict[str, Any] | None | Unset
        if isinstance(self.kwargs, Unset):
            kwargs = UNSET
        elif isinstance(self.kwargs, JsonObject):
            kwargs = self.kwargs.to_dict()
        else:
            kwargs = self.kwargs

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update({})
        if start_event is not UNSET:
            field_dict["start_event"] = start_event
        if context is not UNSET:
            field_dict["context"] = context
        if handler_id is not UNSET:
            field_dict["handler_id"] = handler_id
        if kwargs is not UNSET:
            field_dict["kwargs"] = kwargs

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.event_envelope import EventEnvelope  # noqa: PLC0415
        from ..models.json_object import JsonObject  # noqa: PLC0415

        d = dict(src_dict)

        def _parse_start_event(
            data: object,
        ) -> EventEnvelope | JsonObject | None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                start_event_type_0 = EventEnvelope.from_dict(data)

                return start_event_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                start_event_type_1 = JsonObject.from_dict(data)

                return start_event_type_1
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(EventEnvelope | JsonObject | None | str | Unset, data)

        start_event = _parse_start_event(d.pop("start_event", UNSET))

        def _parse_context(data: object) -> JsonObject | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                context_type_0 = JsonObject.from_dict(data)

                return context_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(JsonObject | None | Unset, data)

        context = _parse_context(d.pop("context", UNSET))

        def _parse_handler_id(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        handler_id = _parse_handler_id(d.pop("handler_id", UNSET))

        def _parse_kwargs(data: object) -> JsonObject | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                kwargs_type_0 = JsonObject.from_dict(data)

                return kwargs_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(JsonObject | None | Unset, data)

        kwargs = _parse_kwargs(d.pop("kwargs", UNSET))

        run_workflow_request = cls(
            start_event=start_event,
            context=context,
            handler_id=handler_id,
            kwargs=kwargs,
        )

        run_workflow_request.additional_properties = d
        return run_workflow_request

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

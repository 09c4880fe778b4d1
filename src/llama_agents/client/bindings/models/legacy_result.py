from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.status import Status, check_status

T = TypeVar("T", bound="LegacyResult")


@_attrs_define
class LegacyResult:
    """A run like `HandlerData`, but with its result unwrapped."""

    handler_id: str
    """ The ID of the run. """
    workflow_name: str
    """ The name of the workflow. """
    run_id: None | str
    """ The server's own ID of the run. """
    error: None | str
    """ Why the run failed. Null otherwise, including for cancelled runs. """
    result: Any
    """ The result of a plain stop event, of any JSON type; or the event's fields if the workflow
    has its own stop event class. Null until the run has completed.
     """
    status: Status
    """ Whether a run is still running, or how it ended. A run that timed out is `failed`. """
    started_at: datetime.datetime
    """ When the run started, in ISO 8601 with an offset. """
    updated_at: datetime.datetime | None
    """ When the run was last updated, in ISO 8601 with an offset. """
    completed_at: datetime.datetime | None
    """ When the run ended, in ISO 8601 with an offset. """
    result_unreadable: bool = False
    """ Always false, because an unreadable result leads to a 422 response. """
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        handler_id = self.handler_id

        workflow_name = self.workflow_name

        run_id: None | str
        run_id = self.run_id

        error: None | str
        error = self.error

        result = self.result

        result_unreadable = self.result_unreadable

        status: str = self.status

        started_at = self.started_at.isoformat()

        updated_at: None | str
        if isinstance(self.updated_at, datetime.datetime):
            updated_at = self.updated_at.isoformat()
        else:
            updated_at = self.updated_at

        completed_at: None | str
        if isinstance(self.completed_at, datetime.datetime):
            completed_at = self.completed_at.isoformat()
        else:
            completed_at = self.completed_at

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "handler_id": handler_id,
                "workflow_name": workflow_name,
                "run_id": run_id,
                "error": error,
                "result": result,
                "result_unreadable": result_unreadable,
                "status": status,
                "started_at": started_at,
                "updated_at": updated_at,
                "completed_at": completed_at,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        handler_id = d.pop("handler_id")

        workflow_name = d.pop("workflow_name")

        def _parse_run_id(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        run_id = _parse_run_id(d.pop("run_id"))

        def _parse_error(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        error = _parse_error(d.pop("error"))

        result = d.pop("result")

        result_unreadable = d.pop("result_unreadable")

        status = check_status(d.pop("status"))

        started_at = datetime.datetime.fromisoformat(d.pop("started_at"))

        def _parse_updated_at(data: object) -> datetime.datetime | None:
            if data is None:
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                updated_at_type_0 = datetime.datetime.fromisoformat(data)

                return updated_at_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(datetime.datetime | None, data)

        updated_at = _parse_updated_at(d.pop("updated_at"))

        def _parse_completed_at(data: object) -> datetime.datetime | None:
            if data is None:
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                completed_at_type_0 = datetime.datetime.fromisoformat(data)

                return completed_at_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(datetime.datetime | None, data)

        completed_at = _parse_completed_at(d.pop("completed_at"))

        legacy_result = cls(
            handler_id=handler_id,
            workflow_name=workflow_name,
            run_id=run_id,
            error=error,
            result=result,
            result_unreadable=result_unreadable,
            status=status,
            started_at=started_at,
            updated_at=updated_at,
            completed_at=completed_at,
        )

        legacy_result.additional_properties = d
        return legacy_result

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

from typing import Literal

CancelHandlerResponseStatus = Literal["cancelled", "deleted"]

CANCEL_HANDLER_RESPONSE_STATUS_VALUES: set[CancelHandlerResponseStatus] = {
    "cancelled",
    "deleted",
}


def check_cancel_handler_response_status(value: str) -> CancelHandlerResponseStatus:
    if value in CANCEL_HANDLER_RESPONSE_STATUS_VALUES:
        return value
    raise TypeError(
        f"Unexpected value {value!r}. Expected one of {CANCEL_HANDLER_RESPONSE_STATUS_VALUES!r}"
    )

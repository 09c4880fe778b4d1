from typing import Literal

SendEventResponseStatus = Literal["sent"]

SEND_EVENT_RESPONSE_STATUS_VALUES: set[SendEventResponseStatus] = {
    "sent",
}


def check_send_event_response_status(value: str) -> SendEventResponseStatus:
    if value in SEND_EVENT_RESPONSE_STATUS_VALUES:
        return value
    raise TypeError(
        f"Unexpected value {value!r}. Expected one of {SEND_EVENT_RESPONSE_STATUS_VALUES!r}"
    )

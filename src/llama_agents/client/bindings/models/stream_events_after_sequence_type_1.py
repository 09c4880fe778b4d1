from typing import Literal

StreamEventsAfterSequenceType1 = Literal["now"]

STREAM_EVENTS_AFTER_SEQUENCE_TYPE_1_VALUES: set[StreamEventsAfterSequenceType1] = {
    "now",
}


def check_stream_events_after_sequence_type_1(
    value: str,
) -> StreamEventsAfterSequenceType1:
    if value in STREAM_EVENTS_AFTER_SEQUENCE_TYPE_1_VALUES:
        return value
    raise TypeError(
        f"Unexpected value {value!r}. Expected one of {STREAM_EVENTS_AFTER_SEQUENCE_TYPE_1_VALUES!r}"
    )

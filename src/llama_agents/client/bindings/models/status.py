from typing import Literal

Status = Literal["cancelled", "completed", "failed", "running"]

STATUS_VALUES: set[Status] = {
    "cancelled",
    "completed",
    "failed",
    "running",
}


def check_status(value: str) -> Status:
    if value in STATUS_VALUES:
        return value
    raise TypeError(f"Unexpected value {value!r}. Expected one of {STATUS_VALUES!r}")

"""What classes check that only check: they must reject nothing that the server accepts.

A schema says less than the server's class. Where it leaves open what the server accepts, a checking
class accepts all of it, and the server decides.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from contextlib import suppress
from typing import Annotated, Any, Final

from pydantic import (
    AnyUrl,
    BeforeValidator,
    IPvAnyAddress,
    IPvAnyInterface,
    IPvAnyNetwork,
    Json,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)
from pydantic_core import PydanticCustomError

from .models import UNKNOWN

_FORMAT_TYPES: Final[Mapping[str, Any]] = {
    "ipv4": ipaddress.IPv4Address,
    "ipv4interface": ipaddress.IPv4Interface,
    "ipv4network": ipaddress.IPv4Network,
    "ipv6": ipaddress.IPv6Address,
    "ipv6interface": ipaddress.IPv6Interface,
    "ipv6network": ipaddress.IPv6Network,
    "ipvanyaddress": IPvAnyAddress,
    "ipvanyinterface": IPvAnyInterface,
    "ipvanynetwork": IPvAnyNetwork,
    "json": Annotated[Any, Json],
    "uri": AnyUrl,  # of which all other addresses are a part
}


def skip_unknown(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
    """Accept what stands for a value under an unknown name."""
    return value if value is UNKNOWN else handler(value)


def checked_type(schema: Mapping[str, Any], annotation: Any) -> Any:
    """Return the type that checks a value, given the one of built classes.

    Args:
        schema: The normalized type.
        annotation: The type of built classes.
    """
    if "x-format" in schema:
        return _FORMAT_TYPES[schema["x-format"]]
    if schema.get("type") == "string" and {"pattern", "minLength", "maxLength"} & schema.keys():
        return Annotated[annotation, WrapValidator(_tolerant)]
    return annotation


def tagged(annotation: Any, tag: str, known: frozenset[str]) -> Any:
    """Return a union of models that requires a tag, as the server's does.

    Args:
        annotation: The union.
        tag: The name of the tag.
        known: The fields of all members; an unknown one may be the tag under another name.
    """

    def require_tag(value: Any) -> Any:
        if isinstance(value, Mapping) and tag not in value and value.keys() <= known:
            raise PydanticCustomError(
                "union_tag_not_found",
                "Unable to extract tag using discriminator {tag}",
                {"tag": repr(tag)},
            )
        return value

    return Annotated[annotation, BeforeValidator(require_tag)]


def _tolerant(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
    """Accept text that the server may strip before it compares it with its limits."""
    try:
        return handler(value)
    except ValidationError:
        if isinstance(value, str):
            with suppress(ValidationError):
                return handler(value.strip())
        raise

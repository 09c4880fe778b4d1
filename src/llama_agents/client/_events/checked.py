"""What classes check that only check: they must reject nothing that the server accepts.

A schema says less than the server's class. Where it leaves open what the server accepts, a checking
class accepts all of it, and the server decides.
"""

from __future__ import annotations

import decimal
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Annotated, Any, Final

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)
from pydantic_core import PydanticCustomError

from .models import UNKNOWN

_VARIANTS: Final[tuple[Callable[[str], str], ...]] = (str.strip, str.lower, str.upper)


def skip_unknown(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
    """Accept what stands for a value under an unknown name."""
    return value if value is UNKNOWN else handler(value)


def checked_type(schema: Mapping[str, Any], annotation: Any) -> Any:
    """Return the type that checks a value, given the one of built classes.

    Args:
        schema: The normalized type.
        annotation: The type of built classes.
    """
    if "x-named-tuple" in schema:
        return Any  # the server accepts a list of any permitted length, and an object
    if "x-decimal" in schema:
        return Annotated[str, AfterValidator(_decimal)]
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
    """Accept text that the server may strip or convert before it compares it with its limits."""
    try:
        return handler(value)
    except ValidationError:
        if isinstance(value, str):
            for variant in _VARIANTS:
                for text in (variant(value), variant(value).strip()):
                    with suppress(ValidationError):
                        return handler(text)
        raise


def _decimal(value: str) -> str:
    try:
        decimal.Decimal(value)
    except decimal.InvalidOperation as error:
        raise PydanticCustomError("decimal_parsing", "Input should be a valid decimal") from error
    return value

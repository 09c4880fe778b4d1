"""Limits on what the schemas of one workflow may cost, whatever a server sends. Sans-I/O."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final

from pydantic_core import SchemaValidator, core_schema

# Types, enumeration values, superclasses and the values in defaults, those of all events together.
# References multiply: a few hundred bytes of schema can expand without end.
MAX_TYPES: Final = 20_000
CLASS_COST: Final = 10  # of a class, in types: about 1 ms and 10 kB
TEXT_PER_TYPE: Final = 100  # characters of text that cost as much as a type: they are copied, too
MAX_DEPTH: Final = 64  # of types within types, references followed, and of defaults
MAX_MODELS: Final = 200  # of one event
MAX_UNION: Final = 100  # members of one union
MAX_TUPLE_LENGTHS: Final = 11  # of one with optional items; one of more lengths becomes a list
# Types once each model is copied to where it is referred to, as pydantic does: about 15 us each.
MAX_COPIES: Final = 200_000
MAX_VALIDATIONS: Final = 50_000  # of defaults: about 15 us each; others are left to the server
MAX_BITS: Final = 4096  # of an integer; Python does not write one of more than 4300 digits
# About 1.5 us and 0.4 kB each, for all patterns together; a pattern over the limit is not compiled.
MAX_PATTERN_COST: Final = 100_000

# Python's `re` may take exponential time, so only pydantic's own engine, which is linear, ever sees
# a pattern. Yet counted repetitions are copies: \w{90}, 90 times a class of 140,000 characters.
_PATTERN_TOKEN: Final = re.compile(
    r"""
      (?P<repeat> \{ \s* \d* \s* (?: , \s* \d* \s* )? \} )
    | (?P<open> \( ) | (?P<close> \) )
    | (?P<item> \\[pP]\{[^}]*\} | \\. | \[ (?: \\. | [^\]\\] )* \] | . )
    """,
    re.VERBOSE | re.DOTALL,
)
_LARGE_CLASS: Final = re.compile(r"\\[wWbBpP]")
_CLASS: Final = re.compile(r"\\[dDsS]|\[\^|\.")
_VERBOSE_FLAG: Final = re.compile(r"\(\?[a-zA-Z-]*x")  # it changes what the tokens are


class SchemaError(ValueError):
    """A JSON schema from which no event class can be built."""


class SchemaBudget:
    """What the schemas of one workflow have cost so far."""

    def __init__(self) -> None:
        self._types = 0
        self._copies = 0
        self._validations = 0
        self._pattern_cost = 0

    def spend(self, number: int = 1) -> None:
        """Count types.

        Raises:
            SchemaError: There are more than `MAX_TYPES`.
        """
        self._types += number
        if self._types > MAX_TYPES:
            raise SchemaError(f"the schemas have more than {MAX_TYPES} types and values")

    def spend_text(self, *texts: Any) -> None:
        """Count the characters of what is text.

        Raises:
            SchemaError: There are more than `MAX_TYPES`.
        """
        for text in texts:
            if isinstance(text, str) and len(text) >= TEXT_PER_TYPE:
                self.spend(len(text) // TEXT_PER_TYPE)

    def spend_values(self, values: Collection[Any]) -> None:
        """Count values.

        Raises:
            SchemaError: There are more than `MAX_TYPES`, or one of them is too large.
        """
        self.spend(len(values))
        self.spend_text(*values)
        if any(isinstance(value, int) and value.bit_length() > MAX_BITS for value in values):
            raise SchemaError(f"an integer has more than {MAX_BITS} bits")

    def spend_default(self, value: Any) -> None:
        """Count a default, with the values in it.

        Raises:
            SchemaError: There are more than `MAX_TYPES`, or more than `MAX_DEPTH` within another.
        """
        level = [value]
        for _ in range(MAX_DEPTH):
            self.spend_values(level)
            level = [inner for outer in level for inner in _values_in(outer)]
            if not level:
                return
        raise SchemaError(f"a default has values nested more than {MAX_DEPTH} deep")

    def spend_validation(self) -> None:
        """Count the validation of a default, or of a value in one.

        Raises:
            SchemaError: There are more than `MAX_VALIDATIONS`.
        """
        self._validations += 1
        if self._validations > MAX_VALIDATIONS:
            raise SchemaError(f"the defaults take more than {MAX_VALIDATIONS} validations")

    def spend_copies(self, types: Mapping[str, int], refs: Mapping[str, Sequence[str]]) -> None:
        """Count the types of an event's classes, each with those that it refers to.

        Args:
            types: The number of types in each model.
            refs: The models that each model refers to, as often as it does.

        Raises:
            SchemaError: There are more than `MAX_COPIES`.
        """
        reachable = {key: _reachable(key, refs) for key in refs}
        recursive = {key for key in refs if key in reachable[key]}  # which are not copied
        sizes: dict[str, int] = {}

        def size(key: str) -> int:
            if key not in sizes:
                sizes[key] = types[key] + sum(size(to) for to in refs[key] if to not in recursive)
            return sizes[key]

        for key in refs:
            self._copies += size(key) + sum(map(size, reachable[key] & recursive))
        if self._copies > MAX_COPIES:
            raise SchemaError(f"the schemas expand to more than {MAX_COPIES} types")

    def admits_pattern(self, pattern: str) -> bool:
        """Return whether a pattern is cheap enough, and supported by pydantic's regex engine.

        The server may have used Python's.
        """
        cost = pattern_cost(pattern)
        if self._pattern_cost + cost > MAX_PATTERN_COST:
            return False
        self._pattern_cost += cost
        try:
            SchemaValidator(core_schema.str_schema(pattern=pattern))
        except Exception:
            return False
        return True


def _reachable(key: str, refs: Mapping[str, Sequence[str]]) -> set[str]:
    found: set[str] = set()
    pending = [*refs[key]]
    while pending:
        other = pending.pop()
        if other not in found:
            found.add(other)
            pending += refs[other]
    return found


def _values_in(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def pattern_cost(pattern: str) -> int:
    """Estimate what it costs to compile a pattern: its length, once repetitions are copied."""
    too_much = MAX_PATTERN_COST + 1
    if len(pattern) > MAX_PATTERN_COST or _VERBOSE_FLAG.search(pattern):
        return too_much
    sums = [0]  # the cost of each group that is open
    last = 0  # the cost of what a repetition would repeat
    for token in _PATTERN_TOKEN.finditer(pattern):
        match token.lastgroup:
            case "open":
                sums.append(0)
                last = 0
            case "close":
                last = sums.pop() + 1
                sums = sums or [0]
                sums[-1] += last
            case "repeat":
                numbers = re.findall(r"[1-9]\d*", token[0])
                copies = max((int(digits[:9]) for digits in numbers), default=0)
                sums[-1] += last * copies
                last = min(last + last * copies, too_much)
            case _:
                last = _item_cost(token[0])
                sums[-1] += last
    return sum(sums)


def _item_cost(item: str) -> int:
    large = len(_LARGE_CLASS.findall(item))
    return 100 * large + 10 * len(_CLASS.findall(item)) + len(item)

"""What it costs to validate the defaults in a schema, before any is validated. Sans-I/O.

A default that may be any of several models is tried with each of them, and so is what is in it: a
few hundred bytes can take exponential time. And a model takes the defaults of its fields, which may
be models, too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from .limits import MAX_VALIDATIONS, SchemaBudget, SchemaError
from .normalized import ref_name

Models = Mapping[str, dict[str, Any]]

# How many times a default that has itself as its default is followed. Pydantic ends after 255, and
# such a default is found to be invalid then; what branches at each turn is too costly after these.
MAX_TURNS: Final = MAX_VALIDATIONS.bit_length()


def leave_costly_defaults(models: Models, budget: SchemaBudget) -> None:
    """Remove the defaults that are too costly: the server knows them.

    Args:
        models: The normalized schemas of an event and its models, by the names in references.
        budget: What may be spent.
    """
    for model in models.values():
        for name, field in [*model.get("properties", {}).items()]:
            if isinstance(field.get("default"), (dict, list)):
                try:
                    _validate(field["default"], field, models, budget, ())
                except (SchemaError, RecursionError):
                    left = {key: value for key, value in field.items() if key != "default"}
                    model["properties"][name] = left


def _validate(
    value: Any,
    schema: Mapping[str, Any],
    models: Models,
    budget: SchemaBudget,
    defaults: tuple[int, ...],
) -> None:
    """Count each validation of a value; ``defaults`` are those that lead to it."""
    budget.spend_validation()
    pairs: Sequence[tuple[Any, Mapping[str, Any]]] = ()
    match schema:
        case {"$ref": ref} if isinstance(value, dict):
            fields = models[ref_name(ref)].get("properties", {})
            # A value under another name may be that of any field.
            pairs = [
                (inner, field)
                for key, inner in value.items()
                for field in ([fields[key]] if key in fields else fields.values())
            ]
            for name, field in fields.items():
                if name in value or not isinstance(field.get("default"), (dict, list)):
                    continue
                if defaults.count(id(field)) < MAX_TURNS:
                    _validate(field["default"], field, models, budget, (*defaults, id(field)))
        case {"anyOf": members}:
            pairs = [(value, member) for member in members]
        case {"prefixItems": items} if isinstance(value, list):
            pairs = [*zip(value, items, strict=False)]
        case {"items": items} if isinstance(value, list):
            pairs = [(inner, items) for inner in value]
        case {"additionalProperties": dict(values)} if isinstance(value, dict):
            pairs = [(inner, values) for inner in value.values()]
    for inner, type_of_inner in pairs:
        _validate(inner, type_of_inner, models, budget, defaults)

"""Base classes of built classes: under which names fields are read and written.

A schema names a field by its alias, if it has one. The server, however, writes every field under
its Python name, which no schema tells; it reads an event's field under the Python name, too, and
the field of a nested model under its alias. So built classes take a field under either name: the
same words in another spelling (``pageCount``, ``page_count``), or, in what the server wrote, the
unknown name at the field's position. Where a value may be of several classes, positions count only
for those that have the most of its names: another class would be right for any value.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping
from types import UnionType
from typing import Annotated, Any, ClassVar, Final, Union, get_args, get_origin

import attrs
from pydantic import (
    BaseModel,
    ConfigDict,
    PrivateAttr,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)

from ..protocol.event_classes import reading
from .names import is_field_name

# What an event that is nested in another one carries besides its fields; no schema mentions it.
_OF_EVENTS: Final = frozenset({"_data", "result"})


Mark = Callable[[Any], Any]


class Candidate(dict[str, Any]):
    """What a server wrote for a value that may be of several classes.

    Attributes:
        barred: The classes that have fewer of its names than another one.
    """

    barred: frozenset[type] = frozenset()


class Unknown:
    """Stands for the value of a required field that may be there under an unknown name."""


UNKNOWN: Final = Unknown()


@attrs.frozen
class MatchedNames:
    """The values that a model is given, by what they are for.

    Attributes:
        fields: The values of fields, by field name.
        keys: The key under which each of them was given.
        others: The values that belong to no field.
    """

    fields: dict[str, Any]
    keys: dict[str, str]
    others: dict[str, Any]

    def add(self, name: str, key: str) -> None:
        """Take a value that belonged to no field as that of a field."""
        self.fields[name] = self.others.pop(key)
        self.keys[name] = key


class _BuiltModel(BaseModel):
    model_config = ConfigDict(populate_by_name=True)

    _invalid_defaults: ClassVar[frozenset[str]]
    _marks: ClassVar[Mapping[str, Mark]]  # of the fields that may be of several classes
    _is_lenient: ClassVar[bool] = False  # whether an unknown name may be that of a required field

    @classmethod
    def _match(cls, given: Mapping[str, Any]) -> MatchedNames:
        matched = _match_names(cls, given)
        if reading.get():
            if cls not in getattr(given, "barred", ()):
                _match_positions(cls, [*given], matched)
            for name, mark in marks(cls).items():
                if name in matched.fields:
                    matched.fields[name] = mark(matched.fields[name])
            for name in invalid_defaults(cls):
                if (
                    name in matched.fields
                    and matched.fields[name] == cls.model_fields[name].default
                ):
                    del matched.fields[name], matched.keys[name]
        if cls._is_lenient:
            missing = [
                name
                for name, field in cls.model_fields.items()
                if field.is_required() and name not in matched.fields
            ]
            if len(missing) <= len(matched.others.keys() - _OF_EVENTS):
                matched.fields.update(dict.fromkeys(missing, UNKNOWN))
        return matched

    def _key_of(self, name: str, alias: str | None) -> str | None:
        """Return the key under which a field is sent, or None if its default is not sent."""
        raise NotImplementedError

    @model_serializer(mode="wrap")
    def custom_model_dump(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Serialize the model.

        The name is that of the framework's own event serializer, so that this one overrides it; an
        event's dynamic fields are then written by calling it.
        """
        unsent = invalid_defaults(type(self)) - self.model_fields_set
        model = self
        if unsent:  # pydantic would warn of values of the wrong types
            model = copy.copy(self)
            for name in unsent:
                vars(model).pop(name, None)
        inherited = getattr(super(), "custom_model_dump", None)
        written: dict[str, Any] = (
            handler(model) if inherited is None else inherited(lambda _: handler(model))
        )
        fields = type(self).model_fields
        sent: dict[str, Any] = {}
        for name, value in written.items():
            if name not in fields:
                sent[name] = value
            elif name in self.model_fields_set or value is not None:
                key = self._key_of(name, fields[name].alias)
                if key is not None:
                    sent[key] = value
        return sent


class SparseModel(_BuiltModel):
    """Base of event classes that leave what is not set to the server.

    A field whose default is None is omitted unless it was set: only the server knows its default. A
    field is sent under the name under which it was set.
    """

    _sent_as: dict[str, str] = PrivateAttr(default_factory=dict)
    _received: dict[str, Any] = PrivateAttr(default_factory=dict)

    def __init__(self, /, **given: Any) -> None:
        cls = type(self)
        is_plain = not (invalid_defaults(cls) or (reading.get() and marks(cls)))
        if is_plain and given.keys() <= cls.model_fields.keys():
            super().__init__(**given)
            return
        matched = self._match(given)
        received: dict[str, Any] = {}
        if reading.get():
            # The server writes dynamic fields below _data: these are computed fields.
            kept = _OF_EVENTS | self.__private_attributes__.keys()
            received = {key: value for key, value in matched.others.items() if key not in kept}
        dynamic = {
            key: value
            for key, value in matched.others.items()
            if key not in received and key not in SparseModel.__private_attributes__
        }
        super().__init__(**{**dynamic, **matched.fields})
        self._sent_as = {name: key for name, key in matched.keys.items() if key != name}
        self._received = received

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("_") and name in self._received:
            return self._received[name]
        return super().__getattr__(name)  # type: ignore[misc]  # defined at run time only

    def _key_of(self, name: str, alias: str | None) -> str | None:
        key = self._sent_as.get(name, name)
        if key != name:
            return key
        if alias is not None and is_field_name(alias):
            return alias  # renamed only because Python source cannot use the name here
        is_set = name in self.model_fields_set
        # Under a name that may be wrong, the server would read a default as a dynamic field.
        return name if is_set or (alias is None and name == name.lower()) else None


class NestedModel(_BuiltModel):
    """Base of nested models; fields are sent under the names of the schema.

    What is given under an unknown name is kept and sent: the server may know it.
    """

    model_config = ConfigDict(extra="allow")

    @model_validator(mode="before")
    @classmethod
    def _rename(cls, data: Any) -> Any:
        if not isinstance(data, Mapping):
            return data
        matched = cls._match(data)
        aliases = {name: field.alias or name for name, field in cls.model_fields.items()}
        values = {aliases[name]: value for name, value in matched.fields.items()}
        return values | cls._kept(matched)

    @classmethod
    def _kept(cls, matched: MatchedNames) -> dict[str, Any]:
        """Return the values that belong to no field and are kept."""
        if not reading.get():
            return matched.others
        # What else the server writes are computed fields.
        return {key: matched.others[key] for key in _OF_EVENTS & matched.others.keys()}

    def __getattr__(self, name: str) -> Any:
        dynamic = None if name.startswith("_") else (self.model_extra or {}).get("_data")
        if isinstance(dynamic, Mapping) and name in dynamic:
            return dynamic[name]
        return super().__getattr__(name)  # type: ignore[misc]  # defined at run time only

    def _key_of(self, name: str, alias: str | None) -> str | None:
        # What was given under an unknown name may be this field.
        unknown = (self.model_extra or {}).keys() - _OF_EVENTS
        return None if unknown and name not in self.model_fields_set else alias or name


class OpenModel(NestedModel):
    """Base of nested models that keep any other field, too."""

    @classmethod
    def _kept(cls, matched: MatchedNames) -> dict[str, Any]:
        return matched.others


class ClosedModel(NestedModel):
    """Base of nested models that forbid other fields."""

    model_config = ConfigDict(extra="forbid")

    @classmethod
    def _kept(cls, matched: MatchedNames) -> dict[str, Any]:
        may_be_names = len(matched.others) <= len(cls.model_fields) - len(matched.keys)
        if reading.get() or (cls._is_lenient and may_be_names):
            return {}
        return matched.others


def invalid_defaults(cls: type[BaseModel]) -> frozenset[str]:
    """Return the fields whose defaults are not values of their types.

    The server does not validate its defaults; it would reject them if they were sent.
    """
    known: frozenset[str] | None = vars(cls).get("_invalid_defaults")
    if known is not None:
        return known
    defaults = {name: f.default for name, f in cls.model_fields.items() if not f.is_required()}
    names = {field.alias or name: name for name, field in cls.model_fields.items()}
    wrong: Iterable[str] = ()
    cls._invalid_defaults = frozenset()  # type: ignore[attr-defined]  # while they are compared
    token = reading.set(False)
    try:
        values = vars(cls(**defaults))
    except ValidationError as error:
        at_fault = [at["loc"][0] for at in error.errors() if at["loc"] and at["type"] != "missing"]
        wrong = (names.get(str(key), str(key)) for key in at_fault)
    except RecursionError:  # a default has itself as its default, as in `next: Node = {}`
        wrong = (name for name, default in defaults.items() if isinstance(default, dict | list))
    else:
        unvalidated = {
            n: v for n, v in defaults.items() if not cls.model_fields[n].validate_default
        }
        wrong = (name for name, default in unvalidated.items() if values[name] != default)
    finally:
        reading.reset(token)
    cls._invalid_defaults = frozenset(wrong)  # type: ignore[attr-defined]
    return cls._invalid_defaults  # type: ignore[attr-defined,no-any-return]


def _match_names(cls: type[BaseModel], given: Mapping[str, Any]) -> MatchedNames:
    names = {field.alias or name: name for name, field in cls.model_fields.items()}
    matched = MatchedNames({}, {}, {})
    for key, value in given.items():
        if key in names:
            matched.fields[names[key]] = value
            matched.keys[names[key]] = key
        else:
            matched.others[key] = value
    if matched.others and len(matched.fields) < len(names):
        _match_spellings(names, matched)
    return matched


def _match_spellings(names: Mapping[str, str], matched: MatchedNames) -> None:
    by_spelling: dict[str, list[str]] = {}
    for alias, name in names.items():
        by_spelling.setdefault(_spelling(alias), []).append(name)
    for key in [*matched.others]:
        if key in names.values() and key not in matched.fields:
            matched.add(key, key)
            continue
        candidates = by_spelling.get(_spelling(key), []) if key not in _OF_EVENTS else []
        if len(candidates) == 1 and candidates[0] not in matched.fields:
            matched.add(candidates[0], key)


def _spelling(name: str) -> str:
    return "".join(filter(str.isalnum, name)).lower()


def _match_positions(cls: type[BaseModel], keys: list[str], matched: MatchedNames) -> None:
    """Match the unknown names by position: the server writes all fields, in the schema's order."""
    names = [*cls.model_fields]
    if not matched.others or len(matched.fields) == len(names):
        return
    places = {key: names.index(name) for name, key in matched.keys.items()}
    if len(keys) < len(names) or any(keys.index(key) != at for key, at in places.items()):
        return
    for name, key in zip(names, keys, strict=False):
        if name not in matched.fields and key in matched.others and key not in _OF_EVENTS:
            matched.add(name, key)


def marks(cls: type[BaseModel]) -> Mapping[str, Mark]:
    """Return, for each field that may be of several classes, what marks its values as such."""
    known: Mapping[str, Mark] | None = vars(cls).get("_marks")
    if known is None:
        found = {name: _mark_of(field.annotation) for name, field in cls.model_fields.items()}
        known = {name: mark for name, mark in found.items() if mark is not None}
        cls._marks = known  # type: ignore[attr-defined]
    return known


def _mark_of(annotation: Any) -> Mark | None:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _mark_of(arguments[0])
    if origin in (Union, UnionType):
        inner = [_mark_of(argument) for argument in arguments]
        classes = [c for c in arguments if isinstance(c, type) and issubclass(c, NestedModel)]
        if len(classes) > 1:
            return lambda value: _candidate(value, classes)
        return next((mark for mark in inner if mark is not None), None)
    mark = _mark_of(arguments[-1]) if arguments else None
    if mark is None:
        return None
    if origin is dict:
        return lambda value: (
            {k: mark(v) for k, v in value.items()} if isinstance(value, Mapping) else value
        )
    return lambda value: [*map(mark, value)] if isinstance(value, list) else value


def _candidate(value: Any, classes: Iterable[type[NestedModel]]) -> Any:
    if not isinstance(value, Mapping):
        return value
    counts = {cls: len(_match_names(cls, value).fields) for cls in classes}
    candidate = Candidate(value)
    most = max(counts.values())
    candidate.barred = frozenset(cls for cls, count in counts.items() if count < most)
    return candidate

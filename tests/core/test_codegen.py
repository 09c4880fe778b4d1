"""The source generated from a workflow's events, and the command that writes it."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, Final, Literal

import pytest
from llama_agents.client import SyncWorkflowClient
from llama_agents.client._events import builder
from llama_agents.client._events.schema import EventDeclaration
from llama_agents.client._events.source import write_source
from llama_agents.client._events.source_check import CodegenError, reject_code
from llama_agents.client.testing import serve
from pydantic import ValidationError
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from ..support import orders
from ..support.ports import free_port

COMMITTED: Final = Path(__file__).parents[1] / "typing" / "order_events.py"
MODULE: Final = (sys.executable, "-m", "llama_agents.client.codegen")


def run(*arguments: str, command: tuple[str, ...] = MODULE) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*command, *arguments], capture_output=True, text=True, check=False, timeout=120
    )


def source_of(*events: tuple[str, tuple[str, ...], Any]) -> str:
    types = builder.event_types([EventDeclaration(*event) for event in events])
    return write_source(types, "# generated\n")


def imported(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module  # where pydantic looks the names of annotations up
    spec.loader.exec_module(module)
    return module


def written(name: str, folder: Path, *events: tuple[str, Any]) -> Any:
    """Import the source of events; a schema without properties is that of the properties."""
    path = folder / f"{name}.py"
    schemas = [(cls, of if "properties" in of else {"properties": of}) for cls, of in events]
    path.write_text(source_of(*((cls, (), schema) for cls, schema in schemas)), encoding="utf-8")
    try:
        return imported(path)
    finally:
        del sys.modules[name]


@pytest.fixture(scope="module")
def generated(order_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The generated source of the order workflow."""
    path = tmp_path_factory.mktemp("generated") / "generated_orders.py"
    done = run(order_url, "order", "-o", str(path))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    yield path
    sys.modules.pop(path.stem, None)


def test_source_is_the_committed_one(generated: Path) -> None:
    """Mypy and pyright check the committed copy in strict mode."""
    text = re.sub(r"http://\S+", "http://127.0.0.1:8080", generated.read_text())
    assert text == COMMITTED.read_text(), "regenerate it: its first lines have the command"


def test_source_is_reproducible(order_url: str, generated: Path) -> None:
    assert run(order_url, "order").stdout == generated.read_text()
    command = f"\n#     llama-agents-client --url {order_url} codegen order\n"
    assert command in generated.read_text()


def test_run_needs_only_generated_classes(order_url: str, generated: Path) -> None:
    events: Any = imported(generated)
    with SyncWorkflowClient(base_url=order_url) as client:
        strict = events.Strict(kind_of="a", from_="b")
        start = events.OrderStart(
            customer="Ada", address=events.Address(street="Here"), strict=strict, tags=["x"]
        )
        done = client.start("order", start, validate=True)
        seen = []
        for envelope in done.events():
            event = envelope.load_event(events.EVENTS)
            seen.append(type(event))
            if isinstance(event, events.Approval):
                color = events.Color.DARK_BLUE
                done.send(events.Decision(approved=True, color=color, address=event.address))
        result = done.result(events.OrderDone)
    assert seen == [
        *(events.Progress, events.PartDone, events.PaidPart, events.Extra),
        *(events.Approval, events.OrderDone),
    ]
    assert result.color is events.Color.DARK_BLUE
    order = orders.OrderStart.model_validate(result.order)
    assert order.strict == orders.Strict.model_validate({"kind-of": "a", "from": "b"})
    assert (order.tags, order.pair) == (["x"], (1, "one"))


def test_generated_classes_equal_built_ones(order_url: str, generated: Path) -> None:
    events: Any = imported(generated)
    with SyncWorkflowClient(base_url=order_url) as client:
        types = client.get_event_types("order")
    assert {cls.__name__ for cls in events.EVENTS} == {*types.names}
    for cls in events.EVENTS:
        theirs = types[cls.__name__]
        assert [base.__name__ for base in cls.__mro__] == [base.__name__ for base in theirs.__mro__]
        assert cls.model_fields.keys() == theirs.model_fields.keys()
        assert cls.__doc__.strip() == theirs.__doc__


TEXT: Final[dict[str, Any]] = {"type": "string"}
INTEGER: Final[dict[str, Any]] = {"type": "integer"}
PAIR: Final = {"type": "array", "prefixItems": [TEXT, INTEGER], "minItems": 2, "maxItems": 2}
CLASHING: Final[dict[str, Any]] = {
    "items": {"type": "array", "items": INTEGER},
    "copy": {"type": "boolean", "default": True},
    "json": TEXT,
    "date": {"type": "string", "format": "date"},
    "pairs": {"type": "array", "items": PAIR},
    "many": {"type": "array", "items": {**TEXT, "minLength": 1}, "minItems": 1},
    "some": {"anyOf": [{**TEXT, "minLength": 1}, {"type": "integer", "minimum": 1}]},
    "of": {"type": "object", "additionalProperties": {"enum": ["a", "b"]}},
    "a-b": TEXT,
    "nested": {"$ref": "#/$defs/Nested"},
    "open": {},
}
NESTED: Final = {"Nested": {"properties": {"copy": TEXT, "class": TEXT, "json": TEXT}}}
FIELDS: Final[dict[str, Any]] = {
    "list": {"type": "array", "items": TEXT},
    "more": {"type": "array", "items": INTEGER},
    "dict": {"type": "object", "default": {}},
    "Field": {**INTEGER, "minimum": 1},
    "Status": {"$ref": "#/$defs/Status", "default": "on"},
    "status": {"$ref": "#/$defs/Status"},
    "keys": {"type": "object", "propertyNames": {"$ref": "#/$defs/Status"}, "default": {"on": 1}},
    "ratio": {"$ref": "#/$defs/Ratio", "default": 0.5},
    "pair": {**PAIR, "minItems": 1, "default": ["a"]},
    **dict.fromkeys(["Any", "Event", "tuple", "type", "match", "case", "EVENTS"], TEXT),
    **dict.fromkeys(["copy", "json", "items", "mro", "model_dump_x", "named_as_it_is__"], TEXT),
}
STATUS: Final = {"Status": {"enum": ["on", "off"]}, "Ratio": {"enum": [0.5, 1.0]}}
HOSTILE: Final = [
    '"""\nimport os; os.environ["GENERATED"] = "1"\n"""',
    "\\",
    "'''",
    "{{ 1/0 }}",
    '"""\\',
    "a\nb\r\u2028c",
    '__import__("os").abort()',
]


def test_hostile_schema_becomes_only_text(tmp_path: Path) -> None:
    schema = {"$defs": NESTED, "properties": CLASHING, "required": [*CLASHING]}
    kinds = {"kind": {"const": "a", "default": "a"}, "more": TEXT}
    texts = {f"f{at}": {**TEXT, "description": text, "default": text, "pattern": text}
             for at, text in enumerate(HOSTILE)}  # fmt: skip
    nested = {
        "Evil": {"enum": HOSTILE, "description": HOSTILE[0], "title": HOSTILE[0]},
        "Worse": {"properties": dict.fromkeys(HOSTILE, TEXT), "description": HOSTILE[0]},
    }
    refs = {name.lower(): {"$ref": f"#/$defs/{name}"} for name in nested}
    elsewhere = {
        "customBasePath": "os.PathLike",
        "customTypePath": "os.PathLike",
        "x-python-type": "os.PathLike",
        "x-python-import": {"module": "os", "name": "PathLike"},
    }
    text = source_of(
        ("Clashing", (), schema),
        ("Base", (), {"properties": {"kind": TEXT, "items": TEXT}, "required": ["kind"]}),
        ("Child", ("Base", "StopEvent"), {"properties": {**kinds, "items": {}}}),
        ("Hostile", (), {"properties": texts, "description": HOSTILE[0], **elsewhere}),
        ("Nested", (), {"$defs": nested, "properties": refs, "required": [*refs]}),
        ("Typed", (), {"properties": {"f": {**TEXT, **elsewhere}}}),
    )
    (tmp_path / "hostile_events.py").write_text(text, encoding="utf-8")
    events: Any = imported(tmp_path / "hostile_events.py")
    assert "PathLike" not in text
    assert "GENERATED" not in __import__("os").environ
    fields = set(CLASHING) - {"a-b"} | {"a_b"}
    assert events.Clashing.model_fields.keys() == fields
    assert issubclass(events.Child, events.Base)
    assert [member.value for member in events.Evil] == HOSTILE
    assert [field.default for field in events.Hostile.model_fields.values()] == HOSTILE
    value = dict.fromkeys(HOSTILE, "x")
    assert events.Worse.model_validate(value).model_dump() == value
    fields_path = tmp_path / "fields.py"
    fields_path.write_text(source_of(("E", (), {"$defs": STATUS, "properties": FIELDS})))
    command = (sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path / "cache"))
    checked = run(str(tmp_path / "hostile_events.py"), str(fields_path), command=command)
    assert checked.returncode == 0, checked.stdout + checked.stderr


IMPORTS: Final = """
from __future__ import annotations
from enum import StrEnum
from typing import Annotated, Any, Literal
from warnings import catch_warnings, simplefilter
from pydantic import ConfigDict, Field
from workflows.events import Event
"""
IN_A_CLASS: Final = IMPORTS + "class E(Event):\n    "


@pytest.mark.parametrize(
    "text",
    [
        "import os",
        "from os import path",
        "from builtins import exec as Field",
        "from workflows.events import import_module_from_qualified_name",
        "from .events import Event",
        "print()",
        "x = 1",
        "class E(print()): pass",
        "class E(print): pass",
        "class E(metaclass=type): pass",
        "@print\nclass E: pass",
        "class E: pass\nclass E: pass",
        "def f(): pass",
        "class __builtins__: pass",
        "class E:\n    def f(self): ...",
        "class E:\n    x: int = (lambda: 1)()",
        IMPORTS + "class Field(Event): pass",
        IMPORTS
        + "with simplefilter():\n    simplefilter('ignore', UserWarning)\n    class E(Event): pass",
        IMPORTS
        + "with catch_warnings():\n    print('ignore', UserWarning)\n    class E(Event): pass",
        IMPORTS
        + "with catch_warnings() as a:\n    simplefilter('ignore', UserWarning)\n    class E: pass",
        IMPORTS + "EVENTS: tuple[type[Event], ...] = (print(),)",
        IMPORTS + "EVENTS: tuple[print(), ...] = ()",
        IN_A_CLASS + "Field: int = 1; x: int = Field(default=1)",
        IN_A_CLASS + "x: int = Field(1)",
        IN_A_CLASS + "x: int = Field(default=print)",
        IN_A_CLASS + "x: int = Field(**{'default_factory': 1})",
        IN_A_CLASS + "x: int = Field(default_factory=Event)",
        IN_A_CLASS + "x: int = ConfigDict(x=1)",
        IN_A_CLASS + "x: int = Field.__init__",
        IN_A_CLASS + "x: int = f'{print()}'",
        IN_A_CLASS + "x: int = [y for y in 'ab']",
        IN_A_CLASS + "x: int = {**Field()}",
        IN_A_CLASS + "x: int = -print()",
        IN_A_CLASS + "x: int = E.__class__",
        IN_A_CLASS + "x: 'print()'",
        IN_A_CLASS + "x: list['print()']",
        IN_A_CLASS + "x: list[print()]",
        IN_A_CLASS + "x: Literal[print()]",
        IN_A_CLASS + "x: Annotated[int, print()]",
        IN_A_CLASS + "x: Annotated[int, Field(ge=print())]",
        IN_A_CLASS + "x: Any[Field()]",
        IN_A_CLASS + "x: print",
        IN_A_CLASS + "x: int | (yield)",
        IN_A_CLASS + "__slots__ = []",
        IN_A_CLASS + "__class__: int = 1",
        IN_A_CLASS + "x.y: int = 1",
        IN_A_CLASS + "1 + 1",
        IN_A_CLASS + "x: int\n    'not a docstring'",
        IN_A_CLASS + "x: bytes = b''",
    ],
)
def test_source_with_anything_else_is_rejected(text: str) -> None:
    with pytest.raises(CodegenError, match="the source has a forbidden"):
        reject_code(text)


@pytest.mark.parametrize("text", ["class", "x = \0", "(" * 5_000, "-" * 100_000 + "1"])
def test_invalid_source_is_rejected(text: str) -> None:
    with pytest.raises(CodegenError, match="the source is invalid"):
        reject_code(text)


def test_text_that_ends_a_literal_stays_text(tmp_path: Path) -> None:
    """Also if a name is part of the text that a generator would remove from its output."""
    ending = "\named_as_it_is__"
    code = "]; from builtins import exec as Field; Field('1/0'); Field: int = (  #"
    events = written("ending", tmp_path, ("E", {"a": {"enum": [ending, code]}}))
    annotation = events.E.model_fields["a"].annotation
    assert annotation == Literal[ending, code] | None  # type: ignore[valid-type]


def test_field_may_have_any_name_that_is_one_on_the_server(tmp_path: Path) -> None:
    """Names of builtins, of what the source imports, of methods, and soft keywords."""
    schema = {"$defs": STATUS, "properties": FIELDS, "required": ["copy", "match"]}
    events = written("fields", tmp_path, ("E", schema), ("match", schema), ("Field", schema))
    status = events.Status
    for cls in events.EVENTS:
        assert cls.model_fields.keys() == FIELDS.keys()
        event = cls(copy="c", match="m", list=["a"], more=[1], dict={"k": 1}, Field=1, status="off")
        assert (event.copy, event.list, event.more, event.dict) == ("c", ["a"], [1], {"k": 1})
        assert (event.Status, event.status) == (status.ON, status.OFF)
        for wrong in ({"copy": "c"}, {"match": "m"}, {"copy": "c", "match": "m", "Field": 0}):
            with pytest.raises(ValidationError):
                cls(**wrong)


@pytest.mark.parametrize(
    "name",
    # Python reads these names as class, __slots__ and fi.
    ["\uff43lass", "\uff3f\uff3fslots\uff3f\uff3f", "\ufb01", "__doc__", "class", "a b", "_x"],
)
def test_name_that_python_would_change_gets_another(name: str, tmp_path: Path) -> None:
    nested = {"N": {"properties": {name: TEXT}, "title": name}}
    schema = {"$defs": nested, "properties": {name: INTEGER, "n": {"$ref": "#/$defs/N"}}}
    events = written("changed", tmp_path, ("E", schema))
    value = {name: 1, "n": {name: "text"}}
    read = events.E.model_validate(value)
    assert (read.model_dump(by_alias=True), type(read.n).__name__) == (value, "N")
    (built,) = builder.event_types([EventDeclaration("E", (), schema)])
    assert built.model_fields.keys() == events.E.model_fields.keys()


def test_field_may_have_the_name_of_its_class_or_superclass() -> None:
    named = {"properties": {"A": TEXT, "B": TEXT}}
    text = source_of(("A", (), named), ("B", ("A",), {"properties": {"A": INTEGER, "B": TEXT}}))
    assert "class B(A):" in text


def test_event_named_as_the_registry_is_rejected() -> None:
    with pytest.raises(CodegenError, match="cannot define a class named 'EVENTS'"):
        source_of(("EVENTS", (), {}))


@pytest.mark.parametrize("name", ["__builtins__", "__getattr__", "\uff43lass", "class", "a b"])
def test_event_whose_name_is_not_a_class_name_is_omitted(name: str) -> None:
    types = builder.event_types([EventDeclaration(name, (), {}), EventDeclaration("E", (), {})])
    assert types.names == ("E",)
    assert [*types.omitted] == [name]


def test_workflow_of_framework_events_has_empty_registry(server_url: str) -> None:
    done = run(server_url, "greet")
    assert done.stdout.endswith(
        "from workflows.events import Event\n\n\nEVENTS: tuple[type[Event], ...] = ()\n"
    )


# ------------------------------------------------------------------- the command


def failed(done: subprocess.CompletedProcess[str], status: int = 1) -> str:
    """Return the one line of a failed command."""
    assert (done.returncode, done.stdout) == (status, "")
    lines = done.stderr.splitlines()
    assert "Traceback" not in done.stderr
    assert status == 2 or len(lines) == 1  # argparse prints the usage first
    return lines[-1]


def test_failure_is_one_line(order_url: str, tmp_path: Path) -> None:
    assert failed(run(order_url, "nobody")).startswith("error: Workflow 'nobody' not found (404)")
    nowhere = f"http://127.0.0.1:{free_port()}"
    assert failed(run(nowhere, "order")).startswith("error: ")
    assert "base_url" in failed(run("no url", "order"))
    assert "expected 'NAME: VALUE'" in failed(run(order_url, "order", "--header", "nothing"), 2)
    unwritable = str(tmp_path / "no" / "folder.py")
    assert "No such file" in failed(run(order_url, "order", "-o", unwritable))
    assert "required: WORKFLOW" in failed(run(order_url), 2)


class Token(BaseHTTPMiddleware):
    """Rejects requests without the token."""

    async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
        if request.headers.get("authorization") != "Bearer secret":
            return PlainTextResponse("no", status_code=401)
        return await call_next(request)


def test_headers_are_sent_but_not_written() -> None:
    with serve(orders.order_server(middleware=[Middleware(Token)])) as url:
        assert "401" in failed(run(url, "order"))
        done = run(url, "order", "--header", "Authorization: Bearer secret")
        url_with_user = url.replace("http://", "http://user:password@")
        named = run(url_with_user, "order", "--header", "Authorization: Bearer secret")
    assert done.returncode == 0
    assert "secret" not in done.stdout
    assert "password" not in named.stdout + named.stderr

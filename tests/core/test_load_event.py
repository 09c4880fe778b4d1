"""Loading an envelope as its typed event, and what is never imported for it."""

from __future__ import annotations

import importlib
import json
import sys
import types
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from llama_agents.client import EventEnvelopeWithMetadata, EventValidationError
from llama_agents.client.protocol import event_classes
from llama_agents.client.protocol.serializable_events import EventEnvelope
from pydantic import computed_field
from workflows.context.serializers import JsonSerializer
from workflows.events import (
    Event,
    StartEvent,
    StepFailedEvent,
    StopEvent,
    UnreconstructedException,
    WorkflowFailedEvent,
)

from ..support.workflows import OutEvent, RequestEvent, Tick

TICK = f"{Tick.__module__}.Tick"
NOT_AN_EVENT = 5


class Outer:
    class Inner(Event):
        n: int


class First:
    class Done(Event):
        """One of two classes with the same name in one module."""


class Second:
    class Done(Event):
        """The other."""


class Boom(Exception):
    """An exception inside an event."""


def envelope(
    type_: str, qualified_name: str | None = None, **value: Any
) -> EventEnvelopeWithMetadata:
    return EventEnvelopeWithMetadata(value=value, type=type_, qualified_name=qualified_name)


def event_class(name: str, module: str = "elsewhere") -> type[Event]:
    """Make an event class of that name that claims to be from a module."""
    return type(name, (Event,), {"__module__": module})


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An importable folder; modules imported during the test are forgotten afterwards."""
    known = set(sys.modules)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for name in set(sys.modules) - known:
        del sys.modules[name]


def write_event(path: Path, name: str) -> None:
    """Write a module that defines one event class."""
    path.write_text(f"from workflows.events import Event\nclass {name}(Event):\n    n: int = 0\n")


# ------------------------------------------------------------------- a registry


@pytest.mark.parametrize("name", ["server_only.Tick", None, TICK, "antigravity.Tick"])
@pytest.mark.parametrize("registry", [[Tick], [Tick, Tick, OutEvent], [Tick, *[First.Done] * 2]])
def test_registry_finds_class_by_name(name: str | None, registry: list[type[Event]]) -> None:
    loaded = envelope("Tick", name, n=1).load_event(iter(registry), allow_import=False)
    assert loaded == Tick(n=1)


def test_registry_prefers_qualified_name() -> None:
    mine = event_class("Tick", "mine")
    assert type(envelope("Tick", "mine.Tick").load_event([Tick, mine])) is mine


def test_registry_rejects_ambiguous_name() -> None:
    with pytest.raises(EventValidationError, match=r"ambiguous.*Tick and elsewhere\.Tick"):
        envelope("Tick", "server_only.Tick", n=1).load_event([Tick, event_class("Tick")])


def test_registry_resolves_nested_classes_by_python_qualified_name() -> None:
    for cls in (First.Done, Second.Done):
        name = f"{__name__}.{cls.__qualname__}"
        assert type(envelope("Done", name).load_event([First.Done, Second.Done])) is cls


def test_registry_with_ambiguous_classes_loads_others() -> None:
    registry: list[type[Event]] = [Tick, First.Done, Second.Done]
    assert envelope("Tick", None, n=1).load_event(registry) == Tick(n=1)


@pytest.mark.parametrize("registry", [[Tick], [event_class("Tick"), event_class("Tick")]])
def test_registry_is_an_allow_list(modules: Path, registry: list[type[Event]]) -> None:
    (modules / "not_allowed.py").write_text("raise AssertionError('imported')")
    for name in (f"{OutEvent.__module__}.OutEvent", "not_allowed.OutEvent"):
        with pytest.raises(EventValidationError, match="not in the registry, which has: Tick"):
            envelope("OutEvent", name, output="x").load_event(registry)
    assert "not_allowed" not in sys.modules


@pytest.mark.parametrize("element", ["Tick", int, 5, []])
def test_registry_rejects_what_is_not_an_event_class(element: Any) -> None:
    with pytest.raises(EventValidationError, match=r"is not an Event class|unhashable"):
        envelope("int", "builtins.int").load_event([element])


def test_registry_loads_redefined_class() -> None:
    for cls in (event_class("Again", "notebook"), event_class("Again", "notebook")):
        assert type(envelope("Again", "notebook.Again").load_event([cls])) is cls


# ------------------------------------------------------------------- framework events


@pytest.mark.parametrize("registry", [(), (Tick,)])
@pytest.mark.parametrize("qualified_name", ["workflows.events.StopEvent", None])
def test_framework_event_loads_with_any_registry(registry: Any, qualified_name: str | None) -> None:
    event = envelope("StopEvent", qualified_name, result=5).load_event(registry)
    assert type(event) is StopEvent
    assert event.result == 5


def test_framework_name_in_another_module_is_another_class() -> None:
    with pytest.raises(EventValidationError):
        envelope("StopEvent", "elsewhere.StopEvent").load_event([Tick])


# ------------------------------------------------------------------- no registry


def test_class_of_loaded_module_is_found() -> None:
    assert envelope("Tick", TICK, n=1).load_event(allow_import=False) == Tick(n=1)


def test_nested_class_is_found_under_the_server_name() -> None:
    written = EventEnvelopeWithMetadata.from_event(Outer.Inner(n=1))
    assert written.qualified_name == f"{__name__}.Inner"
    assert written.load_event() == Outer.Inner(n=1)


def test_nested_class_with_two_paths_to_event_is_found_once() -> None:
    bases = (event_class("Left", __name__), event_class("Right", __name__))
    diamond = type("Diamond", bases, {"__module__": __name__})
    assert type(envelope("Diamond", f"{__name__}.Diamond").load_event()) is diamond


def test_nested_class_of_another_module_is_not_found() -> None:
    kept = event_class("Twin", "elsewhere")
    with pytest.raises(EventValidationError, match="not an Event class"):
        envelope("Twin", f"{__name__}.Twin").load_event()
    del kept


def test_name_of_classes_at_different_places_is_ambiguous() -> None:
    kept = [First.Done, Second.Done]
    with pytest.raises(EventValidationError, match=r"'Done' is ambiguous: .*First\.Done, "):
        envelope("Done", f"{__name__}.Done").load_event()
    del kept


CELL = """
from typing import Generic, TypeVar
from workflows.events import Event
T = TypeVar("T")
class Reply(Event, Generic[T]):
    answer: T
Numbers = Reply[int]
def define():
    class Local(Event):
        n: int = 0
    return Local
local = define()
"""


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The namespace of a module that is run cell by cell."""
    module = types.ModuleType("notebook_cells")
    monkeypatch.setitem(sys.modules, "notebook_cells", module)
    return vars(module)


@pytest.mark.parametrize("name", ["Numbers", "local"])
def test_newest_class_of_a_cell_is_found(notebook: dict[str, Any], name: str) -> None:
    kept = []
    for _ in range(3):
        exec(CELL, notebook)
        cls = notebook[name]
        kept.append(cls(answer=1) if name == "Numbers" else cls())  # which keeps its class
        written = EventEnvelopeWithMetadata.from_event(kept[-1])
        assert type(written.load_event()) is cls


def test_generic_class_is_that_of_its_newest_origin(notebook: dict[str, Any]) -> None:
    exec(CELL, notebook)
    event = notebook["Reply"][Outer.Inner](answer={"n": 1})
    written = EventEnvelopeWithMetadata.from_event(event)
    assert written.qualified_name is not None
    assert "." in written.qualified_name.partition("[")[2]
    exec(CELL, notebook)
    assert isinstance(written.load_event(), notebook["Reply"])


ITEM = "from pydantic import BaseModel\nclass Item(BaseModel):\n    n: int = 0\n"


@pytest.mark.parametrize(
    ("argument", "answer"),
    [
        ("Item", {}),
        ("list[Item]", [{}]),
        ("Item | None", None),
        ("Optional[Item]", None),
        ("dict[str, Annotated[Item, 1]]", {"a": {}}),
        ("Page[Item]", {}),
        ("int", 1),
    ],
)
@pytest.mark.parametrize("cells", [[ITEM], [CELL], [ITEM, CELL]], ids=len)
def test_generic_class_is_that_of_its_newest_arguments(
    notebook: dict[str, Any], argument: str, answer: object, cells: list[str]
) -> None:
    page = "from typing import *\nclass Page(BaseModel, Generic[T]):\n    items: list[T] = []\n"
    for cell in (ITEM, CELL, page):
        exec(cell, notebook)
    older = eval(f"Reply[{argument}]", notebook)
    name = f"{older.__module__}.{older.__name__}"
    for cell in cells:
        exec(cell, notebook)
    loaded = envelope(older.__name__, name, answer=answer).load_event()
    assert type(loaded) is eval(f"Reply[{argument}]", notebook)


def test_class_whose_bases_changed_is_found_unless_the_older_is_in_use(
    notebook: dict[str, Any],
) -> None:
    exec(CELL, notebook)
    exec(CELL.replace("Local(Event)", "Local(Reply)"), notebook)
    cls = notebook["local"]
    written = EventEnvelopeWithMetadata.from_event(cls(answer=1))
    assert type(written.load_event()) is cls


def test_redefined_class_of_module_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    notebook = types.ModuleType("notebook_cells")
    monkeypatch.setitem(sys.modules, "notebook_cells", notebook)
    for cell in [event_class("Cell", "notebook_cells") for _ in range(2)]:
        notebook.Cell = cell  # type: ignore[attr-defined]
        assert type(envelope("Cell", "notebook_cells.Cell").load_event()) is cell


def test_module_is_imported_unless_forbidden(modules: Path) -> None:
    write_event(modules / "fresh_events.py", "Fresh")
    fresh = envelope("Fresh", "fresh_events.Fresh", n=1)
    with pytest.raises(EventValidationError, match="allow_import is False"):
        fresh.load_event(allow_import=False)
    assert "fresh_events" not in sys.modules
    assert type(fresh.load_event()).__module__ == "fresh_events"


@pytest.mark.parametrize(
    "name",
    ["antigravity", "this", "turtledemo.clock", "test.support", "__phello__", "winreg", "msvcrt"],
)
def test_standard_library_is_never_imported(modules: Path, name: str) -> None:
    """Not even a module of that name which is found first, as of another platform's library."""
    (modules / "winreg.py").write_text("raise AssertionError('imported')")
    assert name not in sys.modules
    with pytest.raises(EventValidationError, match="standard library"):
        envelope("X", f"{name}.X").load_event()
    assert name not in sys.modules


@pytest.mark.parametrize(
    "body",
    ["raise RuntimeError('no')", "import sys; sys.exit(3)", "x = = 1", "import nothing_"],
)
def test_import_failure_is_a_validation_error(modules: Path, body: str) -> None:
    (modules / "broken_events.py").write_text(body)
    with pytest.raises(EventValidationError, match=r"broken_events\.X"):
        envelope("X", "broken_events.X").load_event()


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        (f"{__name__}.NOT_AN_EVENT", "not an Event class"),
        (f"{__name__}.Outer", "not an Event class"),
        ("os.system", "not an Event class"),
        (f"{__name__}.Outer[int]", "not parametrized yet: pass load_event a registry with it"),
        ("builtins.eval", "not an Event class"),
        ("no_such.X", "cannot be loaded: No module named 'no_such'"),
        (None, "has no qualified name"),
        ("X", "not a valid module name"),
        ("", "not a valid module name"),
        (" .X", "not a valid module name"),
        ("a b.X", "not a valid module name"),
        ("..X", "not a valid module name"),
        ("a..X", "not a valid module name"),
        ("a.b-c.X", "not a valid module name"),
    ],
)
def test_name_of_no_event_class_is_rejected(name: str | None, problem: str) -> None:
    with pytest.raises(EventValidationError, match=problem):
        envelope("X", name).load_event()


@pytest.mark.parametrize("own_environment", [False, True])
def test_installed_package_is_imported_though_below_the_library(
    modules: Path, monkeypatch: pytest.MonkeyPatch, own_environment: bool
) -> None:
    """site-packages is there without a virtual environment, or with system site packages."""
    library = modules / "lib"
    packages = library / "site-packages"
    packages.mkdir(parents=True)
    write_event(packages / "installed_events.py", "Installed")
    (library / "stowaway.py").write_text("")
    monkeypatch.syspath_prepend(library)
    monkeypatch.syspath_prepend(packages)
    platform = modules / "own" if own_environment else library
    paths = {"stdlib": str(library), "platstdlib": str(platform)}
    # Only for this module: the path of the real library must stay what it is for others.
    elsewhere = types.SimpleNamespace(get_paths=lambda: paths)
    monkeypatch.setattr(event_classes, "sysconfig", elsewhere)
    event = envelope("Installed", "installed_events.Installed").load_event()
    assert type(event).__module__ == "installed_events"
    with pytest.raises(EventValidationError, match="standard library"):
        envelope("X", "stowaway.X").load_event()


# ------------------------------------------------------------------- names inside an event


def workflow_failed(exception: str) -> EventEnvelopeWithMetadata:
    text = {"exception_type": exception, "exception_message": "no"}
    name = "workflows.events.WorkflowFailedEvent"
    return envelope("WorkflowFailedEvent", name, step_name="s", exception=text)


def step_failed(input_event: str) -> EventEnvelopeWithMetadata:
    return envelope(
        "StepFailedEvent",
        "workflows.events.StepFailedEvent",
        step_name="s",
        input_event={"__is_pydantic": True, "value": {"n": 1}, "qualified_name": input_event},
        exception={"exception_type": "builtins.ValueError", "exception_message": "no"},
        attempts=1,
        elapsed_seconds=0.1,
        failed_at="2026-01-01T00:00:00Z",
    )


def test_exception_of_loaded_module_is_found() -> None:
    event = workflow_failed(f"{__name__}.Boom").load_event()
    assert isinstance(event, WorkflowFailedEvent)
    assert isinstance(event.exception, Boom)


@pytest.mark.parametrize("registry", [(), (Tick,)])
def test_nested_event_is_found_if_loaded_or_registered(registry: Any) -> None:
    event = step_failed(TICK).load_event(registry)
    assert isinstance(event, StepFailedEvent)
    assert event.input_event == Tick(n=1)


@pytest.mark.parametrize("registry", [(), (Tick,)])
def test_names_inside_an_event_never_import(modules: Path, registry: Any) -> None:
    write_event(modules / "hidden.py", "Hidden")
    event = workflow_failed("hidden.Hidden").load_event(registry)
    assert isinstance(event, WorkflowFailedEvent)
    assert isinstance(event.exception, UnreconstructedException)
    with pytest.raises(EventValidationError):
        step_failed("hidden.Hidden").load_event(registry)
    assert "hidden" not in sys.modules


def test_lazy_attribute_of_loaded_module_is_not_evaluated(modules: Path) -> None:
    """A module's own ``__getattr__`` may import others."""
    (modules / "lazy_events.py").write_text("def __getattr__(name):\n    import hidden_lazy\n")
    (modules / "hidden_lazy.py").write_text("")
    importlib.import_module("lazy_events")
    with pytest.raises(EventValidationError):
        envelope("X", "lazy_events.X").load_event(allow_import=False)
    event = workflow_failed("lazy_events.X").load_event()
    assert isinstance(event, WorkflowFailedEvent)
    assert isinstance(event.exception, UnreconstructedException)
    assert "hidden_lazy" not in sys.modules


def test_serializer_replaces_the_rules_but_not_the_registry() -> None:
    nothing = JsonSerializer(allowed_types=[])
    assert envelope("Tick", TICK, n=1).load_event(serializer=JsonSerializer()) == Tick(n=1)
    assert envelope("Tick", None, n=1).load_event([Tick], serializer=nothing) == Tick(n=1)
    with pytest.raises(EventValidationError):
        envelope("Tick", TICK, n=1).load_event(serializer=nothing)


# ------------------------------------------------------------------- there and back


@pytest.mark.parametrize("value", [{}, {"n": "many"}])
def test_fields_that_do_not_fit_are_a_validation_error(value: dict[str, Any]) -> None:
    with pytest.raises(EventValidationError, match="Tick") as caught:
        envelope("Tick", None, **value).load_event([Tick])
    assert isinstance(caught.value, ValueError)
    assert caught.value.__cause__ is not None


@pytest.mark.parametrize(
    "event",
    [
        Tick(n=1, text="\u2028"),
        StartEvent(a=1, b=[{"c": None}]),  # type: ignore[call-arg]
        StopEvent(result={"x": [1]}),
        StopEvent(),
        OutEvent(output="x"),
        RequestEvent(prompt="?"),
    ],
)
@pytest.mark.parametrize("qualified", [True, False])
def test_event_survives_the_wire(event: Event, qualified: bool) -> None:
    text = EventEnvelopeWithMetadata.from_event(event, qualified).model_dump_json()
    loaded = EventEnvelopeWithMetadata.model_validate_json(text).load_event([type(event)])
    assert loaded == event
    assert type(loaded) is type(event)
    assert loaded.model_dump() == event.model_dump()


class Doubled(Event):
    n: int

    @computed_field  # type: ignore[prop-decorator]
    @property
    def double(self) -> int:
        return 2 * self.n


class Renamed(Event, serialize_by_alias=True):
    n: int

    @computed_field(alias="twice")  # type: ignore[prop-decorator]
    @property
    def double(self) -> int:
        return 2 * self.n


class Holder(Event):
    doubled: list[Doubled]
    renamed: list[Renamed]


@pytest.mark.parametrize(
    "event", [Doubled(n=2), Renamed(n=2), Holder(doubled=[Doubled(n=2)], renamed=[Renamed(n=3)])]
)
def test_computed_field_survives_the_wire_once(event: Event) -> None:
    for _ in range(2):
        written = EventEnvelopeWithMetadata.from_event(event)
        assert "_data" not in written.model_dump_json()
        for again in (written.load_event(), written.load_event([Doubled, Renamed, Holder])):
            assert again == event
            assert again.model_dump() == event.model_dump()
        sent = EventEnvelope.from_event(event).model_dump(exclude_none=True)
        registry = {"Doubled": Doubled, "Renamed": Renamed, "Holder": Holder}
        assert EventEnvelope.parse(sent, registry).model_dump() == event.model_dump()


def test_event_holding_event_and_exception_survives_the_wire() -> None:
    event = StepFailedEvent(
        step_name="s",
        input_event=Tick(n=1),
        exception=Boom("no"),
        attempts=1,
        elapsed_seconds=0.1,
        failed_at=datetime(2026, 1, 1, tzinfo=UTC),
    )
    text = EventEnvelopeWithMetadata.from_event(event).model_dump_json()
    loaded = EventEnvelopeWithMetadata.model_validate_json(text).load_event(allow_import=False)
    assert isinstance(loaded, StepFailedEvent)
    assert loaded.input_event == Tick(n=1)
    assert isinstance(loaded.exception, Boom)
    assert str(loaded.exception) == "no"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    type_=st.text(max_size=8) | st.sampled_from(["Tick", "StopEvent", "WorkflowFailedEvent"]),
    name=st.none() | st.text(max_size=12) | st.sampled_from(["workflows.events.StopEvent", "os.X"]),
    value=st.dictionaries(
        st.text(max_size=5) | st.sampled_from(["n", "result", "exception", "_data"]), json_values
    ),
)
def test_any_envelope_loads_or_is_rejected(
    type_: str, name: str | None, value: dict[str, Any]
) -> None:
    written = EventEnvelopeWithMetadata(value=value, type=type_, qualified_name=name)
    assert json.loads(written.model_dump_json())["value"] == value
    for registry in ((), (Tick,)):
        try:
            loaded = written.load_event(registry, allow_import=False)
        except EventValidationError:
            continue
        assert isinstance(loaded, Event)

"""How an envelope becomes its typed event again, and what is never loaded for it."""

from __future__ import annotations

import importlib
import json
import sys
import types
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llama_agents.client import EventEnvelopeWithMetadata, EventValidationError
from llama_agents.client.protocol import event_classes
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


class Outer:
    class Inner(Event):
        n: int


class Boom(Exception):
    """An exception that an event carries."""


NOT_AN_EVENT = 5


def envelope(
    type_: str, qualified_name: str | None = None, **value: Any
) -> EventEnvelopeWithMetadata:
    return EventEnvelopeWithMetadata(value=value, type=type_, qualified_name=qualified_name)


def other(name: str, module: str = "elsewhere", base: type[Event] = Event) -> type[Event]:
    """A class of that name in another module."""
    return type(name, (base,), {"__module__": module})


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of modules that can be imported; they are forgotten afterwards."""
    known = set(sys.modules)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path  # type: ignore[misc]
    for name in set(sys.modules) - known:
        del sys.modules[name]


# ------------------------------------------------------------------- a registry


def test_registry_is_searched_by_qualified_name_first() -> None:
    mine = other("Tick", "mine")
    assert type(envelope("Tick", "mine.Tick").load_event([Tick, mine])) is mine


def test_registry_is_searched_by_class_name_next() -> None:
    assert envelope("Tick", "server_only.Tick", n=1).load_event([Tick, OutEvent]) == Tick(n=1)


def test_class_name_alone_is_enough_with_a_registry() -> None:
    assert envelope("Tick", None, n=1).load_event(registry=[Tick]) == Tick(n=1)


def test_two_classes_of_one_name_are_an_error_that_says_so() -> None:
    with pytest.raises(EventValidationError, match=r"ambiguous.*Tick and elsewhere\.Tick"):
        envelope("Tick", "server_only.Tick", n=1).load_event([Tick, other("Tick")])


def test_same_class_twice_is_not_ambiguous() -> None:
    assert envelope("Tick", None, n=1).load_event([Tick, Tick]) == Tick(n=1)


def test_registry_is_an_allow_list(modules: Path) -> None:
    (modules / "not_allowed.py").write_text("raise AssertionError('imported')")
    for name in (f"{OutEvent.__module__}.OutEvent", "not_allowed.OutEvent"):
        with pytest.raises(EventValidationError, match="none of those allowed here: Tick"):
            envelope("OutEvent", name, output="x").load_event([Tick])
    assert "not_allowed" not in sys.modules


def test_registry_may_be_a_generator() -> None:
    assert envelope("Tick", None, n=1).load_event(cls for cls in (Tick,)) == Tick(n=1)


@pytest.mark.parametrize("registry", [["Tick"], [int], [5], [[]]])
def test_registry_of_other_things_is_refused(registry: Any) -> None:
    with pytest.raises(EventValidationError):
        envelope("Tick", None, n=1).load_event(registry)


def test_class_that_was_defined_anew_is_the_one_that_is_loaded() -> None:
    old, new = other("Again", "notebook"), other("Again", "notebook")
    assert type(envelope("Again", "notebook.Again").load_event([old])) is old
    assert type(envelope("Again", "notebook.Again").load_event([new])) is new


# ------------------------------------------------------------------- framework events


@pytest.mark.parametrize("registry", [(), (Tick,)])
@pytest.mark.parametrize("qualified_name", ["workflows.events.StopEvent", None])
def test_framework_events_are_always_loaded(registry: Any, qualified_name: str | None) -> None:
    event = envelope("StopEvent", qualified_name, result=5).load_event(registry)
    assert type(event) is StopEvent
    assert event.result == 5


def test_class_of_another_module_with_a_framework_name_is_not_the_frameworks() -> None:
    with pytest.raises(EventValidationError):
        envelope("StopEvent", "elsewhere.StopEvent").load_event([Tick])


# ------------------------------------------------------------------- no registry


def test_class_of_a_loaded_module_is_found() -> None:
    loaded = envelope("Tick", f"{Tick.__module__}.Tick", n=1).load_event(allow_import=False)
    assert loaded == Tick(n=1)


def test_nested_class_is_found_under_the_name_that_the_server_writes() -> None:
    written = EventEnvelopeWithMetadata.from_event(Outer.Inner(n=1))
    assert written.qualified_name == f"{__name__}.Inner"
    assert written.load_event() == Outer.Inner(n=1)


def test_two_nested_classes_of_one_name_are_not_guessed_between() -> None:
    kept = [other("Twin", __name__), other("Twin", __name__)]
    with pytest.raises(EventValidationError, match="not an Event class"):
        envelope("Twin", f"{__name__}.Twin").load_event()
    assert len(kept) == 2


def test_module_is_imported_for_its_class(modules: Path) -> None:
    (modules / "fresh_events.py").write_text(
        "from workflows.events import Event\nclass Fresh(Event):\n    n: int\n"
    )
    envelope_ = envelope("Fresh", "fresh_events.Fresh", n=1)
    with pytest.raises(EventValidationError, match="importing is off"):
        envelope_.load_event(allow_import=False)
    assert "fresh_events" not in sys.modules
    assert type(envelope_.load_event()).__module__ == "fresh_events"


@pytest.mark.parametrize(
    "name", ["antigravity", "this", "turtledemo.clock", "test.support", "__phello__", "idlelib"]
)
def test_standard_library_is_never_imported(name: str) -> None:
    assert name not in sys.modules
    with pytest.raises(EventValidationError, match="standard library"):
        envelope("X", f"{name}.X").load_event()
    assert name not in sys.modules


@pytest.mark.parametrize(
    "body",
    ["raise RuntimeError('no')", "import sys; sys.exit(3)", "x = = 1", "import nothing_"],
)
def test_module_that_cannot_be_imported_is_a_validation_error(modules: Path, body: str) -> None:
    (modules / "broken_events.py").write_text(body)
    with pytest.raises(EventValidationError, match=r"broken_events\.X"):
        envelope("X", "broken_events.X").load_event()


@pytest.mark.parametrize(
    "name",
    [f"{__name__}.NOT_AN_EVENT", f"{__name__}.Outer", "os.system", "builtins.eval", "no_such.X"],
)
def test_what_is_no_event_class_is_refused(name: str) -> None:
    with pytest.raises(EventValidationError):
        envelope("X", name).load_event()


@pytest.mark.parametrize("name", ["X", "", ".X", "a b.X", "..X", "a..X", None])
def test_name_without_a_module_is_refused(name: str | None) -> None:
    with pytest.raises(EventValidationError):
        envelope("X", name).load_event()


# ------------------------------------------------------------------- what stands inside


@pytest.mark.parametrize("value", [{}, {"n": "many"}])
def test_fields_that_do_not_fit_are_a_validation_error(value: dict[str, Any]) -> None:
    with pytest.raises(EventValidationError, match="Tick") as caught:
        envelope("Tick", None, **value).load_event([Tick])
    assert isinstance(caught.value, ValueError)
    assert caught.value.__cause__ is not None


def failed(exception: str) -> EventEnvelopeWithMetadata:
    text = {"exception_type": exception, "exception_message": "no"}
    return envelope(
        "WorkflowFailedEvent", "workflows.events.WorkflowFailedEvent", step_name="s", exception=text
    )


def test_type_of_an_exception_is_found_where_it_is_loaded() -> None:
    event = failed(f"{__name__}.Boom").load_event()
    assert isinstance(event, WorkflowFailedEvent)
    assert isinstance(event.exception, Boom)


@pytest.mark.parametrize("registry", [(), (Tick,)])
def test_type_of_an_exception_is_never_imported(modules: Path, registry: Any) -> None:
    (modules / "hidden_errors.py").write_text("class Hidden(Exception): ...")
    event = failed("hidden_errors.Hidden").load_event(registry)
    assert isinstance(event, WorkflowFailedEvent)
    assert isinstance(event.exception, UnreconstructedException)
    assert "hidden_errors" not in sys.modules


def step_failed(inner: str) -> EventEnvelopeWithMetadata:
    return envelope(
        "StepFailedEvent",
        "workflows.events.StepFailedEvent",
        step_name="s",
        input_event={"__is_pydantic": True, "value": {"n": 1}, "qualified_name": inner},
        exception={"exception_type": "builtins.ValueError", "exception_message": "no"},
        attempts=1,
        elapsed_seconds=0.1,
        failed_at="2026-01-01T00:00:00Z",
    )


def test_nested_event_is_found_where_it_is_loaded_or_registered() -> None:
    name = f"{Tick.__module__}.Tick"
    for registry in ((), (Tick,)):
        event = step_failed(name).load_event(registry)
        assert isinstance(event, StepFailedEvent)
        assert event.input_event == Tick(n=1)


def test_nested_event_is_never_imported(modules: Path) -> None:
    (modules / "hidden_events.py").write_text(
        "from workflows.events import Event\nclass Hidden(Event):\n    n: int\n"
    )
    with pytest.raises(EventValidationError):
        step_failed("hidden_events.Hidden").load_event()
    assert "hidden_events" not in sys.modules


def test_serializer_resolves_in_place_of_the_rules() -> None:
    name = f"{Tick.__module__}.Tick"
    assert envelope("Tick", name, n=1).load_event(serializer=JsonSerializer()) == Tick(n=1)
    with pytest.raises(EventValidationError):
        envelope("Tick", name, n=1).load_event(serializer=JsonSerializer(allowed_types=[]))


# ------------------------------------------------------------------- there and back


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


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


@given(
    type_=st.text(max_size=8) | st.sampled_from(["Tick", "StopEvent", "WorkflowFailedEvent"]),
    name=st.none() | st.text(max_size=12) | st.sampled_from(["workflows.events.StopEvent", "os.X"]),
    value=st.dictionaries(
        st.text(max_size=5) | st.sampled_from(["n", "result", "exception", "_data"]), json_values
    ),
)
def test_any_envelope_gives_an_event_or_a_validation_error(
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


# ------------------------------------------------------------------- what a look-up must not do

LAZY = (
    "import importlib\ndef __getattr__(name):\n    return importlib.import_module('hidden_lazy')\n"
)


def load_lazy_module(modules: Path) -> None:
    """Load a module whose attributes import another module when they are asked for."""
    (modules / "lazy_events.py").write_text(LAZY)
    (modules / "hidden_lazy.py").write_text("")
    importlib.import_module("lazy_events")


def test_lazy_attribute_of_a_loaded_module_imports_nothing(modules: Path) -> None:
    load_lazy_module(modules)
    with pytest.raises(EventValidationError):
        envelope("X", "lazy_events.X").load_event(allow_import=False)
    assert "hidden_lazy" not in sys.modules


def test_lazy_attribute_is_not_asked_for_the_type_of_an_exception(modules: Path) -> None:
    load_lazy_module(modules)
    event = failed("lazy_events.X").load_event()
    assert isinstance(event, WorkflowFailedEvent)
    assert isinstance(event.exception, UnreconstructedException)
    assert "hidden_lazy" not in sys.modules


def pretend(monkeypatch: pytest.MonkeyPatch, paths: dict[str, str]) -> None:
    """Have Python installed elsewhere, as far as this one module can see."""
    elsewhere = types.SimpleNamespace(get_paths=lambda: paths)
    monkeypatch.setattr(event_classes, "sysconfig", elsewhere)


def test_package_beside_the_standard_library_is_imported(
    modules: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In an environment with system site packages, purelib is the environment's own folder."""
    packages = modules / "lib" / "site-packages"
    packages.mkdir(parents=True)
    (packages / "shared_events.py").write_text(
        "from workflows.events import Event\nclass Shared(Event): ...\n"
    )
    monkeypatch.syspath_prepend(packages)
    own = str(modules / "own" / "site-packages")
    paths = {"stdlib": str(modules / "lib"), "platstdlib": str(modules / "own")}
    pretend(monkeypatch, {**paths, "purelib": own, "platlib": own})
    event = envelope("Shared", "shared_events.Shared").load_event()
    assert type(event).__module__ == "shared_events"


class First:
    class Done(Event):
        """One of two classes of one name in one module."""


class Second:
    class Done(Event):
        """The other."""


def test_ambiguous_names_do_not_hinder_other_events_of_the_registry() -> None:
    registry: list[type[Event]] = [Tick, First.Done, Second.Done]
    assert envelope("Tick", None, n=1).load_event(registry) == Tick(n=1)


def test_registry_of_ambiguous_classes_alone_is_an_allow_list_too(modules: Path) -> None:
    (modules / "not_allowed.py").write_text("raise AssertionError('imported')")
    twins = [other("Twin"), other("Twin")]
    with pytest.raises(EventValidationError, match="none of those allowed here: Twin"):
        envelope("X", "not_allowed.X").load_event(twins)
    assert "not_allowed" not in sys.modules


def test_qualified_name_picks_one_of_two_nested_classes_of_one_name() -> None:
    for cls in (First.Done, Second.Done):
        name = f"{__name__}.{cls.__qualname__}"
        assert type(envelope("Done", name).load_event([First.Done, Second.Done])) is cls


# ------------------------------------------------------------------- more of the rules


def test_class_that_replaced_another_in_its_module_is_the_one_that_is_loaded(
    modules: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notebook = types.ModuleType("notebook_cells")
    monkeypatch.setitem(sys.modules, "notebook_cells", notebook)
    cells = [other("Cell", "notebook_cells") for _ in range(2)]
    for cell in cells:
        notebook.Cell = cell  # type: ignore[attr-defined]
        assert type(envelope("Cell", "notebook_cells.Cell").load_event()) is cell


def test_event_with_an_event_and_an_exception_in_it_survives_the_wire() -> None:
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


@pytest.mark.parametrize("name", [f"{Tick.__module__}.Tick", "antigravity.Tick", "workflows.Tick"])
def test_module_that_an_envelope_names_does_not_hinder_the_registry(name: str) -> None:
    assert envelope("Tick", name, n=1).load_event([Tick], allow_import=False) == Tick(n=1)


def test_package_inside_the_standard_library_folder_is_imported(
    modules: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a virtual environment, purelib is below the folder of the standard library."""
    packages = modules / "lib" / "site-packages"
    packages.mkdir(parents=True)
    (packages / "global_events.py").write_text(
        "from workflows.events import Event\nclass Global(Event): ...\n"
    )
    (modules / "lib" / "stowaway.py").write_text("")
    monkeypatch.syspath_prepend(modules / "lib")
    monkeypatch.syspath_prepend(packages)
    installed, library = str(packages), str(modules / "lib")
    paths = {
        "stdlib": library,
        "platstdlib": library,
        "purelib": installed,
        "platlib": installed,
    }
    pretend(monkeypatch, paths)
    event = envelope("Global", "global_events.Global").load_event()
    assert type(event).__module__ == "global_events"
    with pytest.raises(EventValidationError, match="standard library"):
        envelope("X", "stowaway.X").load_event()


@pytest.mark.parametrize("name", ["winreg", "msvcrt"])
def test_standard_library_of_another_platform_is_not_looked_for(modules: Path, name: str) -> None:
    (modules / f"{name}.py").write_text("raise AssertionError('imported')")
    assert name not in sys.modules
    with pytest.raises(EventValidationError, match="standard library"):
        envelope("X", f"{name}.X").load_event()


@pytest.mark.parametrize("name", [" .X", "a b.X", "..X", "a..X", "a.b-c.X"])
def test_name_that_no_module_can_have_is_refused_as_such(name: str) -> None:
    with pytest.raises(EventValidationError, match="is not the name of a module"):
        envelope("X", name).load_event()


def test_registry_of_other_classes_says_so() -> None:
    with pytest.raises(EventValidationError, match="which is no Event class"):
        envelope("int", "builtins.int").load_event([int])  # type: ignore[list-item]


def test_class_with_two_ways_to_event_is_found_once() -> None:
    left, right = other("Left", __name__), other("Right", __name__)
    diamond = type("Diamond", (left, right), {"__module__": __name__})
    assert type(envelope("Diamond", f"{__name__}.Diamond").load_event()) is diamond


def test_nested_class_of_another_module_is_not_taken() -> None:
    elsewhere = other("OnlyElsewhere")
    with pytest.raises(EventValidationError, match="not an Event class"):
        envelope(elsewhere.__name__, f"{__name__}.OnlyElsewhere").load_event()


def test_registry_goes_before_the_names_of_a_serializer() -> None:
    nothing = JsonSerializer(allowed_types=[])
    loaded = envelope("Tick", None, n=1).load_event([Tick], serializer=nothing)
    assert loaded == Tick(n=1)

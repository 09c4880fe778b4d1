"""Which events answer which requests, as far as the graph of a workflow says so."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import attrs

EXTERNAL: Final = "external"  # the type of the node that stands for whoever answers
PLAIN_FIELD: Final = "response"  # of a HumanResponseEvent without declared fields, by convention


@attrs.frozen
class AnswerClasses:
    """The classes of events that come from outside a workflow.

    Attributes:
        by_request: For each class of request in the graph, the classes that may answer it.
        external: The classes that steps take and no step produces.
    """

    by_request: Mapping[str, frozenset[str]] = {}
    external: frozenset[str] | None = None

    def may_be_external(self, name: str) -> bool:
        """Return whether an event of this class may have been sent by a client."""
        return self.external is None or name in self.external

    def of(self, names: Iterable[str]) -> frozenset[str]:
        """Return the classes that may answer a request, given its class and superclasses.

        None are known for a request that a step writes to the stream by itself.
        """
        for name in names:
            if name in self.by_request:
                return self.by_request[name]
        return frozenset()

    def that_fit(self, names: Iterable[str]) -> list[str]:
        """Return the classes to suggest as an answer to a request."""
        return sorted(self.of(names) or self.external or ())


UNKNOWN: Final = AnswerClasses()


def read_answer_classes(graph: Any) -> AnswerClasses:
    """Read a `workflows.representation.WorkflowGraph`."""
    nodes = {node.id: node for node in graph.nodes}
    targets: dict[str, set[str]] = {}
    for edge in graph.edges:
        targets.setdefault(edge.source, set()).add(edge.target)
    outside = {node.id for node in graph.nodes if node.node_type == EXTERNAL}
    answers = frozenset(_names(nodes, set().union(*(targets.get(each, set()) for each in outside))))
    requests = _names(nodes, {source for source, to in targets.items() if to & outside})
    produced = set().union(*(to for source, to in targets.items() if source not in outside))
    taken = {source for source in targets if source in nodes and source not in produced}
    starts = {id_ for id_ in taken if "StartEvent" in (_types(nodes[id_]))}
    external = frozenset(_names(nodes, taken - starts - outside)) | answers
    return AnswerClasses(dict.fromkeys(requests, answers), external)


def _types(node: Any) -> Iterable[str]:
    return getattr(node, "event_types", None) or ()


def _names(nodes: Mapping[str, Any], ids: Iterable[str]) -> set[str]:
    events = (nodes[id_] for id_ in ids if id_ in nodes)
    return {node.event_type for node in events if node.node_type == "event"}

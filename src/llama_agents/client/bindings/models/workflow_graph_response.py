from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

if TYPE_CHECKING:
    from ..models.workflow_graph import WorkflowGraph


T = TypeVar("T", bound="WorkflowGraphResponse")


@_attrs_define
class WorkflowGraphResponse:
    """A workflow as a graph."""

    graph: WorkflowGraph
    """ A workflow's steps, events and resources, and the edges between them. """
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        graph = self.graph.to_dict()

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "graph": graph,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.workflow_graph import WorkflowGraph  # noqa: PLC0415

        d = dict(src_dict)
        graph = WorkflowGraph.from_dict(d.pop("graph"))

        workflow_graph_response = cls(
            graph=graph,
        )

        workflow_graph_response.additional_properties = d
        return workflow_graph_response

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties

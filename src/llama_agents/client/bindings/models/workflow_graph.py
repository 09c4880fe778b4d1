from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

if TYPE_CHECKING:
    from ..models.workflow_event_node import WorkflowEventNode
    from ..models.workflow_external_node import WorkflowExternalNode
    from ..models.workflow_generic_node import WorkflowGenericNode
    from ..models.workflow_graph_edge import WorkflowGraphEdge
    from ..models.workflow_resource_config_node import WorkflowResourceConfigNode
    from ..models.workflow_resource_node import WorkflowResourceNode
    from ..models.workflow_step_node import WorkflowStepNode


T = TypeVar("T", bound="WorkflowGraph")


@_attrs_define
class WorkflowGraph:
    """A workflow's steps, events and resources, and the edges between them."""

    name: str
    """ The name of the workflow class. """
    nodes: list[
        WorkflowEventNode
        | WorkflowExternalNode
        | WorkflowGenericNode
        | WorkflowResourceConfigNode
        | WorkflowResourceNode
        | WorkflowStepNode
    ]
    """ The nodes. """
    edges: list[WorkflowGraphEdge]
    """ The directed edges between nodes. """
    description: None | str
    """ The docstring of the workflow class. """
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        from ..models.workflow_event_node import WorkflowEventNode  # noqa: PLC0415
        from ..models.workflow_external_node import WorkflowExternalNode  # noqa: PLC0415
        from ..models.workflow_resource_config_node import WorkflowResourceConfigNode  # noqa: PLC0415
        from ..models.workflow_resource_node import WorkflowResourceNode  # noqa: PLC0415
        from ..models.workflow_step_node import WorkflowStepNode  # noqa: PLC0415

        name = self.name

        nodes = []
        for nodes_item_data in self.nodes:
            nodes_item: dict[str, Any]
            if isinstance(nodes_item_data, WorkflowStepNode):
                nodes_item = nodes_item_data.to_dict()
            elif isinstance(nodes_item_data, WorkflowEventNode):
                nodes_item = nodes_item_data.to_dict()
            elif isinstance(nodes_item_data, WorkflowExternalNode):
                nodes_item = nodes_item_data.to_dict()
            elif isinstance(nodes_item_data, WorkflowResourceNode):
                nodes_item = nodes_item_data.to_dict()
            elif isinstance(nodes_item_data, WorkflowResourceConfigNode):
                nodes_item = nodes_item_data.to_dict()
            else:
                nodes_item = nodes_item_data.to_dict()

            nodes.append(nodes_item)

        edges = []
        for edges_item_data in self.edges:
            edges_item = edges_item_data.to_dict()
            edges.append(edges_item)

        description: None | str
        description = self.description

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "name": name,
                "nodes": nodes,
                "edges": edges,
                "description": description,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.workflow_event_node import WorkflowEventNode  # noqa: PLC0415
        from ..models.workflow_external_node import WorkflowExternalNode  # noqa: PLC0415
        from ..models.workflow_generic_node import WorkflowGenericNode  # noqa: PLC0415
        from ..models.workflow_graph_edge import WorkflowGraphEdge  # noqa: PLC0415
        from ..models.workflow_resource_config_node import WorkflowResourceConfigNode  # noqa: PLC0415
        from ..models.workflow_resource_node import WorkflowResourceNode  # noqa: PLC0415
        from ..models.workflow_step_node import WorkflowStepNode  # noqa: PLC0415

        d = dict(src_dict)
        name = d.pop("name")

        nodes = []
        _nodes = d.pop("nodes")
        for nodes_item_data in _nodes:

            def _parse_nodes_item(
                data: object,
            ) -> (
                WorkflowEventNode
                | WorkflowExternalNode
                | WorkflowGenericNode
                | WorkflowResourceConfigNode
                | WorkflowResourceNode
                | WorkflowStepNode
            ):
                try:
                    if not isinstance(data, dict):
                        raise TypeError()
                    componentsschemas_workflow_graph_node_type_0 = (
                        WorkflowStepNode.from_dict(data)
                    )

                    return componentsschemas_workflow_graph_node_type_0
                except (TypeError, ValueError, AttributeError, KeyError):
                    pass
                try:
                    if not isinstance(data, dict):
                        raise TypeError()
                    componentsschemas_workflow_graph_node_type_1 = (
                        WorkflowEventNode.from_dict(data)
                    )

                    return componentsschemas_workflow_graph_node_type_1
                except (TypeError, ValueError, AttributeError, KeyError):
                    pass
                try:
                    if not isinstance(data, dict):
                        raise TypeError()
                    componentsschemas_workflow_graph_node_type_2 = (
                        WorkflowExternalNode.from_dict(data)
                    )

                    return componentsschemas_workflow_graph_node_type_2
                except (TypeError, ValueError, AttributeError, KeyError):
                    pass
                try:
                    if not isinstance(data, dict):
                        raise TypeError()
                    componentsschemas_workflow_graph_node_type_3 = (
                        WorkflowResourceNode.from_dict(data)
                    )

                    return componentsschemas_workflow_graph_node_type_3
                except (TypeError, ValueError, AttributeError, KeyError):
                    pass
                try:
                    if not isinstance(data, dict):
                        raise TypeError()
                    componentsschemas_workflow_graph_node_type_4 = (
                        WorkflowResourceConfigNode.from_dict(data)
                    )

                    return componentsschemas_workflow_graph_node_type_4
                except (TypeError, ValueError, AttributeError, KeyError):
                    pass
                if not isinstance(data, dict):
                    raise TypeError()
                componentsschemas_workflow_graph_node_type_5 = (
                    WorkflowGenericNode.from_dict(data)
                )

                return componentsschemas_workflow_graph_node_type_5

            nodes_item = _parse_nodes_item(nodes_item_data)

            nodes.append(nodes_item)

        edges = []
        _edges = d.pop("edges")
        for edges_item_data in _edges:
            edges_item = WorkflowGraphEdge.from_dict(edges_item_data)

            edges.append(edges_item)

        def _parse_description(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        description = _parse_description(d.pop("description"))

        workflow_graph = cls(
            name=name,
            nodes=nodes,
            edges=edges,
            description=description,
        )

        workflow_graph.additional_properties = d
        return workflow_graph

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

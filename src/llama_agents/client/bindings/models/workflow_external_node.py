from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.workflow_external_node_node_type import (
    WorkflowExternalNodeNodeType,
    check_workflow_external_node_node_type,
)

T = TypeVar("T", bound="WorkflowExternalNode")


@_attrs_define
class WorkflowExternalNode:
    """Something outside the workflow, such as a person who answers a request."""

    id: str
    """ The ID of the node """
    label: str
    """ The display label. """
    node_type: WorkflowExternalNodeNodeType
    """ The kind of node. """
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        id = self.id

        label = self.label

        node_type: str = self.node_type

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "id": id,
                "label": label,
                "node_type": node_type,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        id = d.pop("id")

        label = d.pop("label")

        node_type = check_workflow_external_node_node_type(d.pop("node_type"))

        workflow_external_node = cls(
            id=id,
            label=label,
            node_type=node_type,
        )

        workflow_external_node.additional_properties = d
        return workflow_external_node

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

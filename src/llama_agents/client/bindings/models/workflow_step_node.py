from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.workflow_step_node_node_type import (
    WorkflowStepNodeNodeType,
    check_workflow_step_node_node_type,
)

T = TypeVar("T", bound="WorkflowStepNode")


@_attrs_define
class WorkflowStepNode:
    """A step of the workflow."""

    id: str
    """ The ID of the node """
    label: str
    """ The display label. """
    node_type: WorkflowStepNodeNodeType
    """ The kind of node. """
    description: None | str
    """ The docstring of the step. """
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        id = self.id

        label = self.label

        node_type: str = self.node_type

        description: None | str
        description = self.description

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "id": id,
                "label": label,
                "node_type": node_type,
                "description": description,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        id = d.pop("id")

        label = d.pop("label")

        node_type = check_workflow_step_node_node_type(d.pop("node_type"))

        def _parse_description(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        description = _parse_description(d.pop("description"))

        workflow_step_node = cls(
            id=id,
            label=label,
            node_type=node_type,
            description=description,
        )

        workflow_step_node.additional_properties = d
        return workflow_step_node

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

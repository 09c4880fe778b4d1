from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.workflow_resource_node_node_type import (
    WorkflowResourceNodeNodeType,
    check_workflow_resource_node_node_type,
)

T = TypeVar("T", bound="WorkflowResourceNode")


@_attrs_define
class WorkflowResourceNode:
    """A dependency injected into steps, such as a database client."""

    id: str
    """ The ID of the node """
    label: str
    """ The display label. """
    node_type: WorkflowResourceNodeNodeType
    """ The kind of node. """
    type_name: None | str
    """ The annotated type of the resource. """
    getter_name: None | str
    """ The name of the function that creates the resource. """
    source_file: None | str
    """ The path on the server of the file that defines the function. """
    source_line: int | None
    """ The line on which the function starts, counting from 1. """
    description: None | str
    """ The docstring of the function. """
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        id = self.id

        label = self.label

        node_type: str = self.node_type

        type_name: None | str
        type_name = self.type_name

        getter_name: None | str
        getter_name = self.getter_name

        source_file: None | str
        source_file = self.source_file

        source_line: int | None
        source_line = self.source_line

        description: None | str
        description = self.description

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "id": id,
                "label": label,
                "node_type": node_type,
                "type_name": type_name,
                "getter_name": getter_name,
                "source_file": source_file,
                "source_line": source_line,
                "description": description,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        id = d.pop("id")

        label = d.pop("label")

        node_type = check_workflow_resource_node_node_type(d.pop("node_type"))

        def _parse_type_name(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        type_name = _parse_type_name(d.pop("type_name"))

        def _parse_getter_name(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        getter_name = _parse_getter_name(d.pop("getter_name"))

        def _parse_source_file(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        source_file = _parse_source_file(d.pop("source_file"))

        def _parse_source_line(data: object) -> int | None:
            if data is None:
                return data
            return cast(int | None, data)

        source_line = _parse_source_line(d.pop("source_line"))

        def _parse_description(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        description = _parse_description(d.pop("description"))

        workflow_resource_node = cls(
            id=id,
            label=label,
            node_type=node_type,
            type_name=type_name,
            getter_name=getter_name,
            source_file=source_file,
            source_line=source_line,
            description=description,
        )

        workflow_resource_node.additional_properties = d
        return workflow_resource_node

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

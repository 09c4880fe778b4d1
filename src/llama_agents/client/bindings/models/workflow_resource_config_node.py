from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.workflow_resource_config_node_node_type import (
    WorkflowResourceConfigNodeNodeType,
    check_workflow_resource_config_node_node_type,
)

if TYPE_CHECKING:
    from ..models.json_object import JsonObject
    from ..models.json_schema import JsonSchema


T = TypeVar("T", bound="WorkflowResourceConfigNode")


@_attrs_define
class WorkflowResourceConfigNode:
    """A configuration that is read from a JSON file and injected into steps."""

    id: str
    """ The ID of the node """
    label: str
    """ The display label. """
    node_type: WorkflowResourceConfigNodeNodeType
    """ The kind of node. """
    type_name: None | str
    """ The pydantic model of the configuration. """
    config_file: None | str
    """ The path of the JSON file. """
    path_selector: None | str
    """ The location of the configuration within the file, as dot-separated keys. """
    config_schema: JsonSchema | None
    """ The JSON schema of the model. """
    config_value: JsonObject | None
    """ The configuration, or null if the file could not be read. """
    description: None | str
    """ The purpose of the configuration. """
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        from ..models.json_object import JsonObject  # noqa: PLC0415
        from ..models.json_schema import JsonSchema  # noqa: PLC0415

        id = self.id

        label = self.label

        node_type: str = self.node_type

        type_name: None | str
        type_name = self.type_name

        config_file: None | str
        config_file = self.config_file

        path_selector: None | str
        path_selector = self.path_selector

        config_schema: dict[str, Any] | None
        if isinstance(self.config_schema, JsonSchema):
            config_schema = self.config_schema.to_dict()
        else:
            config_schema = self.config_schema

        config_value: dict[str, Any] | None
        if isinstance(self.config_value, JsonObject):
            config_value = self.config_value.to_dict()
        else:
            config_value = self.config_value

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
                "config_file": config_file,
                "path_selector": path_selector,
                "config_schema": config_schema,
                "config_value": config_value,
                "description": description,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.json_object import JsonObject  # noqa: PLC0415
        from ..models.json_schema import JsonSchema  # noqa: PLC0415

        d = dict(src_dict)
        id = d.pop("id")

        label = d.pop("label")

        node_type = check_workflow_resource_config_node_node_type(d.pop("node_type"))

        def _parse_type_name(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        type_name = _parse_type_name(d.pop("type_name"))

        def _parse_config_file(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        config_file = _parse_config_file(d.pop("config_file"))

        def _parse_path_selector(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        path_selector = _parse_path_selector(d.pop("path_selector"))

        def _parse_config_schema(data: object) -> JsonSchema | None:
            if data is None:
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                config_schema_type_0 = JsonSchema.from_dict(data)

                return config_schema_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(JsonSchema | None, data)

        config_schema = _parse_config_schema(d.pop("config_schema"))

        def _parse_config_value(data: object) -> JsonObject | None:
            if data is None:
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                config_value_type_0 = JsonObject.from_dict(data)

                return config_value_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(JsonObject | None, data)

        config_value = _parse_config_value(d.pop("config_value"))

        def _parse_description(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        description = _parse_description(d.pop("description"))

        workflow_resource_config_node = cls(
            id=id,
            label=label,
            node_type=node_type,
            type_name=type_name,
            config_file=config_file,
            path_selector=path_selector,
            config_schema=config_schema,
            config_value=config_value,
            description=description,
        )

        workflow_resource_config_node.additional_properties = d
        return workflow_resource_config_node

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

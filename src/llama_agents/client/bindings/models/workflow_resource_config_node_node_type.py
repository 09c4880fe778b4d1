from typing import Literal

WorkflowResourceConfigNodeNodeType = Literal["resource_config"]

WORKFLOW_RESOURCE_CONFIG_NODE_NODE_TYPE_VALUES: set[
    WorkflowResourceConfigNodeNodeType
] = {
    "resource_config",
}


def check_workflow_resource_config_node_node_type(
    value: str,
) -> WorkflowResourceConfigNodeNodeType:
    if value in WORKFLOW_RESOURCE_CONFIG_NODE_NODE_TYPE_VALUES:
        return value
    raise TypeError(
        f"Unexpected value {value!r}. Expected one of {WORKFLOW_RESOURCE_CONFIG_NODE_NODE_TYPE_VALUES!r}"
    )

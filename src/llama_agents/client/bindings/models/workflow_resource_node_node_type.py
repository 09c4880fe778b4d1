from typing import Literal

WorkflowResourceNodeNodeType = Literal["resource"]

WORKFLOW_RESOURCE_NODE_NODE_TYPE_VALUES: set[WorkflowResourceNodeNodeType] = {
    "resource",
}


def check_workflow_resource_node_node_type(value: str) -> WorkflowResourceNodeNodeType:
    if value in WORKFLOW_RESOURCE_NODE_NODE_TYPE_VALUES:
        return value
    raise TypeError(
        f"Unexpected value {value!r}. Expected one of {WORKFLOW_RESOURCE_NODE_NODE_TYPE_VALUES!r}"
    )

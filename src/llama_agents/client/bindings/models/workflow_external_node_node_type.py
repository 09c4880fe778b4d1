from typing import Literal

WorkflowExternalNodeNodeType = Literal["external"]

WORKFLOW_EXTERNAL_NODE_NODE_TYPE_VALUES: set[WorkflowExternalNodeNodeType] = {
    "external",
}


def check_workflow_external_node_node_type(value: str) -> WorkflowExternalNodeNodeType:
    if value in WORKFLOW_EXTERNAL_NODE_NODE_TYPE_VALUES:
        return value
    raise TypeError(
        f"Unexpected value {value!r}. Expected one of {WORKFLOW_EXTERNAL_NODE_NODE_TYPE_VALUES!r}"
    )

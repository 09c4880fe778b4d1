from typing import Literal

WorkflowStepNodeNodeType = Literal["step"]

WORKFLOW_STEP_NODE_NODE_TYPE_VALUES: set[WorkflowStepNodeNodeType] = {
    "step",
}


def check_workflow_step_node_node_type(value: str) -> WorkflowStepNodeNodeType:
    if value in WORKFLOW_STEP_NODE_NODE_TYPE_VALUES:
        return value
    raise TypeError(
        f"Unexpected value {value!r}. Expected one of {WORKFLOW_STEP_NODE_NODE_TYPE_VALUES!r}"
    )

from typing import Literal

WorkflowEventNodeNodeType = Literal["event"]

WORKFLOW_EVENT_NODE_NODE_TYPE_VALUES: set[WorkflowEventNodeNodeType] = {
    "event",
}


def check_workflow_event_node_node_type(value: str) -> WorkflowEventNodeNodeType:
    if value in WORKFLOW_EVENT_NODE_NODE_TYPE_VALUES:
        return value
    raise TypeError(
        f"Unexpected value {value!r}. Expected one of {WORKFLOW_EVENT_NODE_NODE_TYPE_VALUES!r}"
    )

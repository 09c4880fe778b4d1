"""Contains all the data models used in inputs/outputs"""

from .cancel_handler_response import CancelHandlerResponse
from .cancel_handler_response_status import CancelHandlerResponseStatus
from .empty_object import EmptyObject
from .error_detail import ErrorDetail
from .event_envelope import EventEnvelope
from .event_envelope_with_metadata import EventEnvelopeWithMetadata
from .handler_data import HandlerData
from .handlers_list_response import HandlersListResponse
from .health_response import HealthResponse
from .health_response_status import HealthResponseStatus
from .json_object import JsonObject
from .json_schema import JsonSchema
from .legacy_event_envelope import LegacyEventEnvelope
from .legacy_result import LegacyResult
from .run_workflow_request import RunWorkflowRequest
from .send_event_request import SendEventRequest
from .send_event_response import SendEventResponse
from .send_event_response_status import SendEventResponseStatus
from .status import Status
from .stream_events_after_sequence_type_1 import StreamEventsAfterSequenceType1
from .workflow_event_node import WorkflowEventNode
from .workflow_event_node_node_type import WorkflowEventNodeNodeType
from .workflow_events_list_response import WorkflowEventsListResponse
from .workflow_external_node import WorkflowExternalNode
from .workflow_external_node_node_type import WorkflowExternalNodeNodeType
from .workflow_generic_node import WorkflowGenericNode
from .workflow_graph import WorkflowGraph
from .workflow_graph_edge import WorkflowGraphEdge
from .workflow_graph_response import WorkflowGraphResponse
from .workflow_resource_config_node import WorkflowResourceConfigNode
from .workflow_resource_config_node_node_type import WorkflowResourceConfigNodeNodeType
from .workflow_resource_node import WorkflowResourceNode
from .workflow_resource_node_node_type import WorkflowResourceNodeNodeType
from .workflow_schema_response import WorkflowSchemaResponse
from .workflow_step_node import WorkflowStepNode
from .workflow_step_node_node_type import WorkflowStepNodeNodeType
from .workflows_list_response import WorkflowsListResponse

__all__ = (
    "CancelHandlerResponse",
    "CancelHandlerResponseStatus",
    "EmptyObject",
    "ErrorDetail",
    "EventEnvelope",
    "EventEnvelopeWithMetadata",
    "HandlerData",
    "HandlersListResponse",
    "HealthResponse",
    "HealthResponseStatus",
    "JsonObject",
    "JsonSchema",
    "LegacyEventEnvelope",
    "LegacyResult",
    "RunWorkflowRequest",
    "SendEventRequest",
    "SendEventResponse",
    "SendEventResponseStatus",
    "Status",
    "StreamEventsAfterSequenceType1",
    "WorkflowEventNode",
    "WorkflowEventNodeNodeType",
    "WorkflowEventsListResponse",
    "WorkflowExternalNode",
    "WorkflowExternalNodeNodeType",
    "WorkflowGenericNode",
    "WorkflowGraph",
    "WorkflowGraphEdge",
    "WorkflowGraphResponse",
    "WorkflowResourceConfigNode",
    "WorkflowResourceConfigNodeNodeType",
    "WorkflowResourceNode",
    "WorkflowResourceNodeNodeType",
    "WorkflowSchemaResponse",
    "WorkflowsListResponse",
    "WorkflowStepNode",
    "WorkflowStepNodeNodeType",
)

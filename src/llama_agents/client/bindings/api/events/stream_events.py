from http import HTTPStatus
from typing import Any, cast
from urllib.parse import quote

import httpx

from ... import errors
from ...client import AuthenticatedClient, Client
from ...models.error_detail import ErrorDetail
from ...models.stream_events_after_sequence_type_1 import (
    StreamEventsAfterSequenceType1,
)
from ...types import UNSET, Response, Unset


def _get_kwargs(
    handler_id: str,
    *,
    sse: bool | Unset = True,
    include_internal: bool | Unset = False,
    after_sequence: int | StreamEventsAfterSequenceType1 | Unset = "now",
    include_qualified_name: bool | Unset = True,
    last_event_id: str | Unset = UNSET,
) -> dict[str, Any]:
    headers: dict[str, Any] = {}
    if not isinstance(last_event_id, Unset):
        headers["Last-Event-ID"] = last_event_id

    params: dict[str, Any] = {}

    params["sse"] = sse

    params["include_internal"] = include_internal

    json_after_sequence: int | str | Unset
    if isinstance(after_sequence, Unset):
        json_after_sequence = UNSET
    elif isinstance(after_sequence, str):
        json_after_sequence = after_sequence
    else:
        json_after_sequence = after_sequence
    params["after_sequence"] = json_after_sequence

    params["include_qualified_name"] = include_qualified_name

    params = {k: v for k, v in params.items() if v is not UNSET and v is not None}

    _kwargs: dict[str, Any] = {
        "method": "get",
        "url": "/events/{handler_id}".format(
            handler_id=quote(str(handler_id), safe=""),
        ),
        "params": params,
    }

    _kwargs["headers"] = headers
    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Any | ErrorDetail | str | None:
    if response.status_code == 200:
        response_200 = response.text
        return response_200

    if response.status_code == 204:
        response_204 = cast(Any, None)
        return response_204

    if response.status_code == 400:
        response_400 = ErrorDetail.from_dict(response.json())

        return response_400

    if response.status_code == 404:
        response_404 = ErrorDetail.from_dict(response.json())

        return response_404

    if response.status_code == 422:
        response_422 = ErrorDetail.from_dict(response.json())

        return response_422

    if response.status_code == 500:
        response_500 = ErrorDetail.from_dict(response.json())

        return response_500

    if client.raise_on_unexpected_status:
        raise errors.UnexpectedStatus(response.status_code, response.content)
    else:
        return None


def _build_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Response[Any | ErrorDetail | str]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    handler_id: str,
    *,
    client: AuthenticatedClient | Client,
    sse: bool | Unset = True,
    include_internal: bool | Unset = False,
    after_sequence: int | StreamEventsAfterSequenceType1 | Unset = "now",
    include_qualified_name: bool | Unset = True,
    last_event_id: str | Unset = UNSET,
) -> Response[Any | ErrorDetail | str]:
    """Stream a run's events

     Sends the run's past events, then new ones as they are written, up to and including the
    terminal event: the one whose `type` or `types` names `StopEvent`. Any number of clients may
    stream the same run.

    As server-sent events, a frame consists of `id: N`, `data: <EventEnvelopeWithMetadata>` and a
    blank line. N is the event's sequence number. Numbers increase from 0, with gaps where
    internal events (the first event is one) are filtered out. A `: heartbeat` comment is sent
    after every 25 seconds without an event, unless the server is configured otherwise. With
    `sse=false` each line is one envelope, without sequence numbers or heartbeats.

    Args:
        handler_id (str):
        sse (bool | Unset):  Default: True.
        include_internal (bool | Unset):  Default: False.
        after_sequence (int | StreamEventsAfterSequenceType1 | Unset):  Default: 'now'.
        include_qualified_name (bool | Unset):  Default: True.
        last_event_id (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Any | ErrorDetail | str]
    """

    kwargs = _get_kwargs(
        handler_id=handler_id,
        sse=sse,
        include_internal=include_internal,
        after_sequence=after_sequence,
        include_qualified_name=include_qualified_name,
        last_event_id=last_event_id,
    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)


def sync(
    handler_id: str,
    *,
    client: AuthenticatedClient | Client,
    sse: bool | Unset = True,
    include_internal: bool | Unset = False,
    after_sequence: int | StreamEventsAfterSequenceType1 | Unset = "now",
    include_qualified_name: bool | Unset = True,
    last_event_id: str | Unset = UNSET,
) -> Any | ErrorDetail | str | None:
    """Stream a run's events

     Sends the run's past events, then new ones as they are written, up to and including the
    terminal event: the one whose `type` or `types` names `StopEvent`. Any number of clients may
    stream the same run.

    As server-sent events, a frame consists of `id: N`, `data: <EventEnvelopeWithMetadata>` and a
    blank line. N is the event's sequence number. Numbers increase from 0, with gaps where
    internal events (the first event is one) are filtered out. A `: heartbeat` comment is sent
    after every 25 seconds without an event, unless the server is configured otherwise. With
    `sse=false` each line is one envelope, without sequence numbers or heartbeats.

    Args:
        handler_id (str):
        sse (bool | Unset):  Default: True.
        include_internal (bool | Unset):  Default: False.
        after_sequence (int | StreamEventsAfterSequenceType1 | Unset):  Default: 'now'.
        include_qualified_name (bool | Unset):  Default: True.
        last_event_id (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Any | ErrorDetail | str
    """

    return sync_detailed(
        handler_id=handler_id,
        client=client,
        sse=sse,
        include_internal=include_internal,
        after_sequence=after_sequence,
        include_qualified_name=include_qualified_name,
        last_event_id=last_event_id,
    ).parsed


async def asyncio_detailed(
    handler_id: str,
    *,
    client: AuthenticatedClient | Client,
    sse: bool | Unset = True,
    include_internal: bool | Unset = False,
    after_sequence: int | StreamEventsAfterSequenceType1 | Unset = "now",
    include_qualified_name: bool | Unset = True,
    last_event_id: str | Unset = UNSET,
) -> Response[Any | ErrorDetail | str]:
    """Stream a run's events

     Sends the run's past events, then new ones as they are written, up to and including the
    terminal event: the one whose `type` or `types` names `StopEvent`. Any number of clients may
    stream the same run.

    As server-sent events, a frame consists of `id: N`, `data: <EventEnvelopeWithMetadata>` and a
    blank line. N is the event's sequence number. Numbers increase from 0, with gaps where
    internal events (the first event is one) are filtered out. A `: heartbeat` comment is sent
    after every 25 seconds without an event, unless the server is configured otherwise. With
    `sse=false` each line is one envelope, without sequence numbers or heartbeats.

    Args:
        handler_id (str):
        sse (bool | Unset):  Default: True.
        include_internal (bool | Unset):  Default: False.
        after_sequence (int | StreamEventsAfterSequenceType1 | Unset):  Default: 'now'.
        include_qualified_name (bool | Unset):  Default: True.
        last_event_id (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Any | ErrorDetail | str]
    """

    kwargs = _get_kwargs(
        handler_id=handler_id,
        sse=sse,
        include_internal=include_internal,
        after_sequence=after_sequence,
        include_qualified_name=include_qualified_name,
        last_event_id=last_event_id,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    handler_id: str,
    *,
    client: AuthenticatedClient | Client,
    sse: bool | Unset = True,
    include_internal: bool | Unset = False,
    after_sequence: int | StreamEventsAfterSequenceType1 | Unset = "now",
    include_qualified_name: bool | Unset = True,
    last_event_id: str | Unset = UNSET,
) -> Any | ErrorDetail | str | None:
    """Stream a run's events

     Sends the run's past events, then new ones as they are written, up to and including the
    terminal event: the one whose `type` or `types` names `StopEvent`. Any number of clients may
    stream the same run.

    As server-sent events, a frame consists of `id: N`, `data: <EventEnvelopeWithMetadata>` and a
    blank line. N is the event's sequence number. Numbers increase from 0, with gaps where
    internal events (the first event is one) are filtered out. A `: heartbeat` comment is sent
    after every 25 seconds without an event, unless the server is configured otherwise. With
    `sse=false` each line is one envelope, without sequence numbers or heartbeats.

    Args:
        handler_id (str):
        sse (bool | Unset):  Default: True.
        include_internal (bool | Unset):  Default: False.
        after_sequence (int | StreamEventsAfterSequenceType1 | Unset):  Default: 'now'.
        include_qualified_name (bool | Unset):  Default: True.
        last_event_id (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Any | ErrorDetail | str
    """

    return (
        await asyncio_detailed(
            handler_id=handler_id,
            client=client,
            sse=sse,
            include_internal=include_internal,
            after_sequence=after_sequence,
            include_qualified_name=include_qualified_name,
            last_event_id=last_event_id,
        )
    ).parsed

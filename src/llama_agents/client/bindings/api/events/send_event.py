from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import httpx

from ... import errors
from ...client import AuthenticatedClient, Client
from ...models.error_detail import ErrorDetail
from ...models.send_event_request import SendEventRequest
from ...models.send_event_response import SendEventResponse
from ...types import Response


def _get_kwargs(
    handler_id: str,
    *,
    body: SendEventRequest,
) -> dict[str, Any]:
    headers: dict[str, Any] = {}

    _kwargs: dict[str, Any] = {
        "method": "post",
        "url": "/events/{handler_id}".format(
            handler_id=quote(str(handler_id), safe=""),
        ),
    }

    _kwargs["json"] = body.to_dict()

    headers["Content-Type"] = "application/json"

    _kwargs["headers"] = headers
    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> ErrorDetail | SendEventResponse | None:
    if response.status_code == 200:
        response_200 = SendEventResponse.from_dict(response.json())

        return response_200

    if response.status_code == 400:
        response_400 = ErrorDetail.from_dict(response.json())

        return response_400

    if response.status_code == 404:
        response_404 = ErrorDetail.from_dict(response.json())

        return response_404

    if response.status_code == 409:
        response_409 = ErrorDetail.from_dict(response.json())

        return response_409

    if response.status_code == 500:
        response_500 = ErrorDetail.from_dict(response.json())

        return response_500

    if client.raise_on_unexpected_status:
        raise errors.UnexpectedStatus(response.status_code, response.content)
    else:
        return None


def _build_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Response[ErrorDetail | SendEventResponse]:
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
    body: SendEventRequest,
) -> Response[ErrorDetail | SendEventResponse]:
    """Send an event to a run

     Delivers an event to the steps that accept its class. Success means that the run accepted the
    event, not that a step has handled it.

    Args:
        handler_id (str):
        body (SendEventRequest): An event to send to a run.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[ErrorDetail | SendEventResponse]
    """

    kwargs = _get_kwargs(
        handler_id=handler_id,
        body=body,
    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)


def sync(
    handler_id: str,
    *,
    client: AuthenticatedClient | Client,
    body: SendEventRequest,
) -> ErrorDetail | SendEventResponse | None:
    """Send an event to a run

     Delivers an event to the steps that accept its class. Success means that the run accepted the
    event, not that a step has handled it.

    Args:
        handler_id (str):
        body (SendEventRequest): An event to send to a run.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        ErrorDetail | SendEventResponse
    """

    return sync_detailed(
        handler_id=handler_id,
        client=client,
        body=body,
    ).parsed


async def asyncio_detailed(
    handler_id: str,
    *,
    client: AuthenticatedClient | Client,
    body: SendEventRequest,
) -> Response[ErrorDetail | SendEventResponse]:
    """Send an event to a run

     Delivers an event to the steps that accept its class. Success means that the run accepted the
    event, not that a step has handled it.

    Args:
        handler_id (str):
        body (SendEventRequest): An event to send to a run.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[ErrorDetail | SendEventResponse]
    """

    kwargs = _get_kwargs(
        handler_id=handler_id,
        body=body,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    handler_id: str,
    *,
    client: AuthenticatedClient | Client,
    body: SendEventRequest,
) -> ErrorDetail | SendEventResponse | None:
    """Send an event to a run

     Delivers an event to the steps that accept its class. Success means that the run accepted the
    event, not that a step has handled it.

    Args:
        handler_id (str):
        body (SendEventRequest): An event to send to a run.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        ErrorDetail | SendEventResponse
    """

    return (
        await asyncio_detailed(
            handler_id=handler_id,
            client=client,
            body=body,
        )
    ).parsed

from http import HTTPStatus
from typing import Any

import httpx

from ... import errors
from ...client import AuthenticatedClient, Client
from ...models.error_detail import ErrorDetail
from ...models.handlers_list_response import HandlersListResponse
from ...models.status import Status
from ...types import UNSET, Response, Unset


def _get_kwargs(
    *,
    status: list[Status] | Unset = UNSET,
    workflow_name: list[str] | Unset = UNSET,
) -> dict[str, Any]:

    params: dict[str, Any] = {}

    json_status: list[str] | Unset = UNSET
    if not isinstance(status, Unset):
        json_status = []
        for status_item_data in status:
            status_item: str = status_item_data
            json_status.append(status_item)

    params["status"] = json_status

    json_workflow_name: list[str] | Unset = UNSET
    if not isinstance(workflow_name, Unset):
        json_workflow_name = workflow_name

    params["workflow_name"] = json_workflow_name

    params = {k: v for k, v in params.items() if v is not UNSET and v is not None}

    _kwargs: dict[str, Any] = {
        "method": "get",
        "url": "/handlers",
        "params": params,
    }

    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> ErrorDetail | HandlersListResponse | None:
    if response.status_code == 200:
        response_200 = HandlersListResponse.from_dict(response.json())

        return response_200

    if response.status_code == 500:
        response_500 = ErrorDetail.from_dict(response.json())

        return response_500

    if client.raise_on_unexpected_status:
        raise errors.UnexpectedStatus(response.status_code, response.content)
    else:
        return None


def _build_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Response[ErrorDetail | HandlersListResponse]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    *,
    client: AuthenticatedClient | Client,
    status: list[Status] | Unset = UNSET,
    workflow_name: list[str] | Unset = UNSET,
) -> Response[ErrorDetail | HandlersListResponse]:
    """List the runs

     Lists the runs known to the server, including those that have ended. A run must match both
    filters; to match a filter, it must match any of its values.

    Args:
        status (list[Status] | Unset):
        workflow_name (list[str] | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[ErrorDetail | HandlersListResponse]
    """

    kwargs = _get_kwargs(
        status=status,
        workflow_name=workflow_name,
    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)


def sync(
    *,
    client: AuthenticatedClient | Client,
    status: list[Status] | Unset = UNSET,
    workflow_name: list[str] | Unset = UNSET,
) -> ErrorDetail | HandlersListResponse | None:
    """List the runs

     Lists the runs known to the server, including those that have ended. A run must match both
    filters; to match a filter, it must match any of its values.

    Args:
        status (list[Status] | Unset):
        workflow_name (list[str] | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        ErrorDetail | HandlersListResponse
    """

    return sync_detailed(
        client=client,
        status=status,
        workflow_name=workflow_name,
    ).parsed


async def asyncio_detailed(
    *,
    client: AuthenticatedClient | Client,
    status: list[Status] | Unset = UNSET,
    workflow_name: list[str] | Unset = UNSET,
) -> Response[ErrorDetail | HandlersListResponse]:
    """List the runs

     Lists the runs known to the server, including those that have ended. A run must match both
    filters; to match a filter, it must match any of its values.

    Args:
        status (list[Status] | Unset):
        workflow_name (list[str] | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[ErrorDetail | HandlersListResponse]
    """

    kwargs = _get_kwargs(
        status=status,
        workflow_name=workflow_name,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    *,
    client: AuthenticatedClient | Client,
    status: list[Status] | Unset = UNSET,
    workflow_name: list[str] | Unset = UNSET,
) -> ErrorDetail | HandlersListResponse | None:
    """List the runs

     Lists the runs known to the server, including those that have ended. A run must match both
    filters; to match a filter, it must match any of its values.

    Args:
        status (list[Status] | Unset):
        workflow_name (list[str] | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        ErrorDetail | HandlersListResponse
    """

    return (
        await asyncio_detailed(
            client=client,
            status=status,
            workflow_name=workflow_name,
        )
    ).parsed

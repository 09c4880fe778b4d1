from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import httpx

from ... import errors
from ...client import AuthenticatedClient, Client
from ...models.cancel_handler_response import CancelHandlerResponse
from ...models.error_detail import ErrorDetail
from ...types import UNSET, Response, Unset


def _get_kwargs(
    handler_id: str,
    *,
    purge: bool | Unset = False,
) -> dict[str, Any]:

    params: dict[str, Any] = {}

    params["purge"] = purge

    params = {k: v for k, v in params.items() if v is not UNSET and v is not None}

    _kwargs: dict[str, Any] = {
        "method": "post",
        "url": "/handlers/{handler_id}/cancel".format(
            handler_id=quote(str(handler_id), safe=""),
        ),
        "params": params,
    }

    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> CancelHandlerResponse | ErrorDetail | None:
    if response.status_code == 200:
        response_200 = CancelHandlerResponse.from_dict(response.json())

        return response_200

    if response.status_code == 404:
        response_404 = ErrorDetail.from_dict(response.json())

        return response_404

    if response.status_code == 500:
        response_500 = ErrorDetail.from_dict(response.json())

        return response_500

    if client.raise_on_unexpected_status:
        raise errors.UnexpectedStatus(response.status_code, response.content)
    else:
        return None


def _build_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Response[CancelHandlerResponse | ErrorDetail]:
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
    purge: bool | Unset = False,
) -> Response[CancelHandlerResponse | ErrorDetail]:
    """Cancel a run

     Cancels a run that is still running, and optionally removes it from the store.

    Args:
        handler_id (str):
        purge (bool | Unset):  Default: False.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[CancelHandlerResponse | ErrorDetail]
    """

    kwargs = _get_kwargs(
        handler_id=handler_id,
        purge=purge,
    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)


def sync(
    handler_id: str,
    *,
    client: AuthenticatedClient | Client,
    purge: bool | Unset = False,
) -> CancelHandlerResponse | ErrorDetail | None:
    """Cancel a run

     Cancels a run that is still running, and optionally removes it from the store.

    Args:
        handler_id (str):
        purge (bool | Unset):  Default: False.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        CancelHandlerResponse | ErrorDetail
    """

    return sync_detailed(
        handler_id=handler_id,
        client=client,
        purge=purge,
    ).parsed


async def asyncio_detailed(
    handler_id: str,
    *,
    client: AuthenticatedClient | Client,
    purge: bool | Unset = False,
) -> Response[CancelHandlerResponse | ErrorDetail]:
    """Cancel a run

     Cancels a run that is still running, and optionally removes it from the store.

    Args:
        handler_id (str):
        purge (bool | Unset):  Default: False.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[CancelHandlerResponse | ErrorDetail]
    """

    kwargs = _get_kwargs(
        handler_id=handler_id,
        purge=purge,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    handler_id: str,
    *,
    client: AuthenticatedClient | Client,
    purge: bool | Unset = False,
) -> CancelHandlerResponse | ErrorDetail | None:
    """Cancel a run

     Cancels a run that is still running, and optionally removes it from the store.

    Args:
        handler_id (str):
        purge (bool | Unset):  Default: False.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        CancelHandlerResponse | ErrorDetail
    """

    return (
        await asyncio_detailed(
            handler_id=handler_id,
            client=client,
            purge=purge,
        )
    ).parsed

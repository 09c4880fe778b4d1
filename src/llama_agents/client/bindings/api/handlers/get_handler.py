from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import httpx

from ... import errors
from ...client import AuthenticatedClient, Client
from ...models.error_detail import ErrorDetail
from ...models.handler_data import HandlerData
from ...types import Response


def _get_kwargs(
    handler_id: str,
) -> dict[str, Any]:

    _kwargs: dict[str, Any] = {
        "method": "get",
        "url": "/handlers/{handler_id}".format(
            handler_id=quote(str(handler_id), safe=""),
        ),
    }

    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> ErrorDetail | ErrorDetail | HandlerData | HandlerData | None:
    if response.status_code == 200:
        response_200 = HandlerData.from_dict(response.json())

        return response_200

    if response.status_code == 202:
        response_202 = HandlerData.from_dict(response.json())

        return response_202

    if response.status_code == 404:
        response_404 = ErrorDetail.from_dict(response.json())

        return response_404

    if response.status_code == 422:
        response_422 = ErrorDetail.from_dict(response.json())

        return response_422

    if response.status_code == 500:

        def _parse_response_500(data: object) -> ErrorDetail | HandlerData:
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                response_500_type_0 = HandlerData.from_dict(data)

                return response_500_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            if not isinstance(data, dict):
                raise TypeError()
            response_500_type_1 = ErrorDetail.from_dict(data)

            return response_500_type_1

        response_500 = _parse_response_500(response.json())

        return response_500

    if client.raise_on_unexpected_status:
        raise errors.UnexpectedStatus(response.status_code, response.content)
    else:
        return None


def _build_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Response[ErrorDetail | ErrorDetail | HandlerData | HandlerData]:
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
) -> Response[ErrorDetail | ErrorDetail | HandlerData | HandlerData]:
    """Get a run

     Returns the run's status and, once it has ended, its result or error.

    Args:
        handler_id (str):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[ErrorDetail | ErrorDetail | HandlerData | HandlerData]
    """

    kwargs = _get_kwargs(
        handler_id=handler_id,
    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)


def sync(
    handler_id: str,
    *,
    client: AuthenticatedClient | Client,
) -> ErrorDetail | ErrorDetail | HandlerData | HandlerData | None:
    """Get a run

     Returns the run's status and, once it has ended, its result or error.

    Args:
        handler_id (str):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        ErrorDetail | ErrorDetail | HandlerData | HandlerData
    """

    return sync_detailed(
        handler_id=handler_id,
        client=client,
    ).parsed


async def asyncio_detailed(
    handler_id: str,
    *,
    client: AuthenticatedClient | Client,
) -> Response[ErrorDetail | ErrorDetail | HandlerData | HandlerData]:
    """Get a run

     Returns the run's status and, once it has ended, its result or error.

    Args:
        handler_id (str):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[ErrorDetail | ErrorDetail | HandlerData | HandlerData]
    """

    kwargs = _get_kwargs(
        handler_id=handler_id,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    handler_id: str,
    *,
    client: AuthenticatedClient | Client,
) -> ErrorDetail | ErrorDetail | HandlerData | HandlerData | None:
    """Get a run

     Returns the run's status and, once it has ended, its result or error.

    Args:
        handler_id (str):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        ErrorDetail | ErrorDetail | HandlerData | HandlerData
    """

    return (
        await asyncio_detailed(
            handler_id=handler_id,
            client=client,
        )
    ).parsed

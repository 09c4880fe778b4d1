from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import httpx

from ... import errors
from ...client import AuthenticatedClient, Client
from ...models.error_detail import ErrorDetail
from ...models.legacy_result import LegacyResult
from ...types import Response


def _get_kwargs(
    handler_id: str,
) -> dict[str, Any]:

    _kwargs: dict[str, Any] = {
        "method": "get",
        "url": "/results/{handler_id}".format(
            handler_id=quote(str(handler_id), safe=""),
        ),
    }

    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> ErrorDetail | ErrorDetail | LegacyResult | LegacyResult | None:
    if response.status_code == 200:
        response_200 = LegacyResult.from_dict(response.json())

        return response_200

    if response.status_code == 202:
        response_202 = LegacyResult.from_dict(response.json())

        return response_202

    if response.status_code == 404:
        response_404 = ErrorDetail.from_dict(response.json())

        return response_404

    if response.status_code == 422:
        response_422 = ErrorDetail.from_dict(response.json())

        return response_422

    if response.status_code == 500:

        def _parse_response_500(data: object) -> ErrorDetail | LegacyResult:
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                response_500_type_0 = LegacyResult.from_dict(data)

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
) -> Response[ErrorDetail | ErrorDetail | LegacyResult | LegacyResult]:
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
) -> Response[ErrorDetail | ErrorDetail | LegacyResult | LegacyResult]:
    """Get a run with its result unwrapped

     The older form of `get_handler`; returns the result without its envelope.

    Args:
        handler_id (str):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[ErrorDetail | ErrorDetail | LegacyResult | LegacyResult]
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
) -> ErrorDetail | ErrorDetail | LegacyResult | LegacyResult | None:
    """Get a run with its result unwrapped

     The older form of `get_handler`; returns the result without its envelope.

    Args:
        handler_id (str):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        ErrorDetail | ErrorDetail | LegacyResult | LegacyResult
    """

    return sync_detailed(
        handler_id=handler_id,
        client=client,
    ).parsed


async def asyncio_detailed(
    handler_id: str,
    *,
    client: AuthenticatedClient | Client,
) -> Response[ErrorDetail | ErrorDetail | LegacyResult | LegacyResult]:
    """Get a run with its result unwrapped

     The older form of `get_handler`; returns the result without its envelope.

    Args:
        handler_id (str):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[ErrorDetail | ErrorDetail | LegacyResult | LegacyResult]
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
) -> ErrorDetail | ErrorDetail | LegacyResult | LegacyResult | None:
    """Get a run with its result unwrapped

     The older form of `get_handler`; returns the result without its envelope.

    Args:
        handler_id (str):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        ErrorDetail | ErrorDetail | LegacyResult | LegacyResult
    """

    return (
        await asyncio_detailed(
            handler_id=handler_id,
            client=client,
        )
    ).parsed

from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import httpx

from ... import errors
from ...client import AuthenticatedClient, Client
from ...models.empty_object import EmptyObject
from ...models.error_detail import ErrorDetail
from ...models.handler_data import HandlerData
from ...models.run_workflow_request import RunWorkflowRequest
from ...types import Response


def _get_kwargs(
    name: str,
    *,
    body: RunWorkflowRequest,
) -> dict[str, Any]:
    headers: dict[str, Any] = {}

    _kwargs: dict[str, Any] = {
        "method": "post",
        "url": "/workflows/{name}/run".format(
            name=quote(str(name), safe=""),
        ),
    }

    _kwargs["json"] = body.to_dict()

    headers["Content-Type"] = "application/json"

    _kwargs["headers"] = headers
    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> EmptyObject | ErrorDetail | HandlerData | ErrorDetail | HandlerData | None:
    if response.status_code == 200:
        response_200 = HandlerData.from_dict(response.json())

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

        def _parse_response_500(
            data: object,
        ) -> EmptyObject | ErrorDetail | HandlerData:
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                response_500_type_0 = HandlerData.from_dict(data)

                return response_500_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                response_500_type_1 = ErrorDetail.from_dict(data)

                return response_500_type_1
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            if not isinstance(data, dict):
                raise TypeError()
            response_500_type_2 = EmptyObject.from_dict(data)

            return response_500_type_2

        response_500 = _parse_response_500(response.json())

        return response_500

    if client.raise_on_unexpected_status:
        raise errors.UnexpectedStatus(response.status_code, response.content)
    else:
        return None


def _build_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Response[EmptyObject | ErrorDetail | HandlerData | ErrorDetail | HandlerData]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    name: str,
    *,
    client: AuthenticatedClient | Client,
    body: RunWorkflowRequest,
) -> Response[EmptyObject | ErrorDetail | HandlerData | ErrorDetail | HandlerData]:
    """Run a workflow and wait for it to finish

     Starts a run and responds when it has finished, however long that takes. The run continues if
    the connection is lost; a caller that chose the `handler_id` can find it again.

    Args:
        name (str):
        body (RunWorkflowRequest): How to start a run. Every field is optional.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[EmptyObject | ErrorDetail | HandlerData | ErrorDetail | HandlerData]
    """

    kwargs = _get_kwargs(
        name=name,
        body=body,
    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)


def sync(
    name: str,
    *,
    client: AuthenticatedClient | Client,
    body: RunWorkflowRequest,
) -> EmptyObject | ErrorDetail | HandlerData | ErrorDetail | HandlerData | None:
    """Run a workflow and wait for it to finish

     Starts a run and responds when it has finished, however long that takes. The run continues if
    the connection is lost; a caller that chose the `handler_id` can find it again.

    Args:
        name (str):
        body (RunWorkflowRequest): How to start a run. Every field is optional.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        EmptyObject | ErrorDetail | HandlerData | ErrorDetail | HandlerData
    """

    return sync_detailed(
        name=name,
        client=client,
        body=body,
    ).parsed


async def asyncio_detailed(
    name: str,
    *,
    client: AuthenticatedClient | Client,
    body: RunWorkflowRequest,
) -> Response[EmptyObject | ErrorDetail | HandlerData | ErrorDetail | HandlerData]:
    """Run a workflow and wait for it to finish

     Starts a run and responds when it has finished, however long that takes. The run continues if
    the connection is lost; a caller that chose the `handler_id` can find it again.

    Args:
        name (str):
        body (RunWorkflowRequest): How to start a run. Every field is optional.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[EmptyObject | ErrorDetail | HandlerData | ErrorDetail | HandlerData]
    """

    kwargs = _get_kwargs(
        name=name,
        body=body,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    name: str,
    *,
    client: AuthenticatedClient | Client,
    body: RunWorkflowRequest,
) -> EmptyObject | ErrorDetail | HandlerData | ErrorDetail | HandlerData | None:
    """Run a workflow and wait for it to finish

     Starts a run and responds when it has finished, however long that takes. The run continues if
    the connection is lost; a caller that chose the `handler_id` can find it again.

    Args:
        name (str):
        body (RunWorkflowRequest): How to start a run. Every field is optional.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        EmptyObject | ErrorDetail | HandlerData | ErrorDetail | HandlerData
    """

    return (
        await asyncio_detailed(
            name=name,
            client=client,
            body=body,
        )
    ).parsed

"""What plugins are written against, as a type checker sees it. Read by mypy and pyright, never run."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_type

import hyperhttp
from hyperhttp import Auth, Client, Request, Response
from hyperhttp.plugins import ContentCoding, Decoder, DecoderRegistry, EventListener, Transport, hookimpl

if TYPE_CHECKING:
    from collections.abc import Generator


class Token(Auth):
    """A scheme."""

    def auth_flow(self, request: Request) -> Generator[Request, Response, None]:
        response = yield request
        assert_type(response, Response)


class Reverse:
    """A decoder by its shape."""

    def __init__(self) -> None:
        self.pending = False

    def decode(self, data: bytes, max_length: int) -> bytes:
        return data[:max_length][::-1]

    def finish(self) -> None:
        """Every end is a good end."""


class Tea:
    """A transport by its shape."""

    async def send(self, request: Request) -> Response:
        return Response(status_code=418, request=request)

    def close(self) -> None:
        """There is nothing to free."""


class Count(EventListener):
    """A listener."""

    def request(self, request: Request) -> None:
        assert_type(request.method, str)


@hookimpl
def hyperhttp_register_decoders(decoders: DecoderRegistry) -> None:
    decoders.add(ContentCoding("reverse", Reverse))


decoder: Decoder = Reverse()
transport: Transport = Tea()
client = Client(auth=Token())


def errors() -> None:
    try:
        hyperhttp.get("http://127.0.0.1/").raise_for_status()
    except hyperhttp.HTTPStatusError as error:
        assert_type(error.kind, str)
        assert_type(error.retryable, bool)
        assert_type(error.response, Response)
    except hyperhttp.TransportError as error:
        assert_type(error.request, Request | None)
        assert_type(error.host, str | None)
        assert_type(error.elapsed, float | None)


wrong: Decoder = Tea()  # type: ignore[assignment]

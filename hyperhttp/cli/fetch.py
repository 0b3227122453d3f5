"""``hyperhttp [METHOD] URL``: one request with the blocking client, and its response."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from hyperhttp.cli.arguments import parse_options
from hyperhttp.cli.exits import OK, CommandError
from hyperhttp.cli.outgoing import client_options, method_of, request_options, target_of
from hyperhttp.cli.output import Screen, deliver
from hyperhttp.cli.wire import Wire
from hyperhttp.client.blocking import SyncClient
from hyperhttp.exceptions import HyperHTTPError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hyperhttp.cli.arguments import Options
    from hyperhttp.client.options import ClientOptions, RequestOptions
    from hyperhttp.message.request import Request
    from hyperhttp.message.url import URL

__all__ = ["fetch"]


def fetch(arguments: Sequence[str]) -> int:
    """Send the request these arguments describe, and deliver its response.

    Returns:
        The exit code.

    Raises:
        CommandError: the arguments make no sense, or the output cannot be written.
        HyperHTTPError: the request failed.
    """
    options = parse_options(arguments)
    url, assumed = target_of(options.url)
    wire = Wire(sys.stderr) if options.verbose else None
    if wire is not None and assumed:
        wire.remark(f"{assumed}:// is taken, as no scheme was given")
    with _make_client(options, url, wire) as client:
        request = _make_request(client, options, url)
        try:
            _exchange(client, request, options, url, wire)
        finally:
            if wire is not None:
                wire.close(client.get_pool_stats())
    return OK


def _exchange(client: SyncClient, request: Request, options: Options, url: URL, wire: Wire | None) -> None:
    sending: RequestOptions = {"stream": True}
    if options.no_proxy:
        sending["proxy"] = None
    with client.send(request, **sending) as response:
        deliver(response, options, url, Screen(quiet=options.quiet))
        if wire is not None:
            wire.content(response)


def _make_client(options: Options, url: URL, wire: Wire | None) -> SyncClient:
    """The client for the options.

    Raises:
        CommandError: a value is out of range.
    """
    settings: ClientOptions = client_options(options, url)
    if wire is not None:
        settings["event_hooks"] = {"request": wire.request, "response": wire.response}
    try:
        return SyncClient(**settings)
    except HyperHTTPError:
        raise
    except (TypeError, ValueError) as error:
        raise CommandError(str(error)) from error


def _make_request(client: SyncClient, options: Options, url: URL) -> Request:
    """The request for the options, without the fields that they leave out."""
    request = client.build_request(method_of(options), url, **request_options(options))
    for name, value in options.header:
        if value is None:
            request.headers.pop(name, None)
    return request

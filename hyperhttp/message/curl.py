"""A request as a command line of curl, to try it again by hand or to show it to somebody."""

from __future__ import annotations

import base64
import shlex
from typing import TYPE_CHECKING, Final

from hyperhttp.message.redaction import shown_content, shown_value

if TYPE_CHECKING:
    from hyperhttp.message.request import Request

__all__ = ["curl_command"]

#: Bytes of content that are written into the command.
_LARGEST: Final = 65_536
#: What curl sends unasked.
_OWN_FIELDS: Final = ("User-Agent", "Accept")
#: Bytes of content from which on some versions of curl send Expect.
_EXPECTING: Final = 1024 * 1024


def curl_command(request: Request, *, secrets: bool = False) -> str:
    """The command that sends the same request.

    Args:
        request: what is sent.
        secrets: leave credentials, cookies and the like in; without them, ``[secret]`` stands in their place.
    """
    url = str(request.url.copy_with(fragment=None)) if secrets else request.url.copy_with(fragment=None).redacted
    words = [*_method(request), *_fields(request, secrets=secrets)]
    if set(url) & set("[]{}"):
        words.append("--globoff")
    before, content = _content(request, secrets=secrets)
    return " ".join([*before, "curl", *map(shlex.quote, words), *content, shlex.quote(url)])


def _method(request: Request) -> list[str]:
    implied = "GET" if request.content is None else "POST"
    if request.method == "HEAD" and request.content is None:
        return ["--head"]
    return [] if request.method == implied else ["--request", request.method]


def _fields(request: Request, *, secrets: bool) -> list[str]:
    headers = request.headers
    words: list[str] = []
    for name, value in headers.multi_items():
        lower = name.lower()
        if lower == "content-length" and request.content is not None:
            continue  # curl counts by itself
        if lower == "host" and value == request.url.host_header:
            continue
        shown = value if secrets else shown_value(name, value)
        words += ["--header", f"{name}: {shown}" if shown else f"{name};"]
    absent = [name for name in _OWN_FIELDS if name not in headers]
    content = request.content
    if content is not None:
        absent += [] if "content-type" in headers else ["Content-Type"]
        if "expect" not in headers and (content.length is None or content.length >= _EXPECTING):
            absent.append("Expect")
    for name in absent:
        words += ["--header", f"{name}:"]
    return [*words, "--compressed"] if "accept-encoding" in headers else words


def _content(request: Request, *, secrets: bool) -> tuple[list[str], list[str]]:
    """What comes before the command, and its options for the content; both are quoted already."""
    content = request.content
    if content is None:
        return [], []
    data = content.data
    if data is None or len(data) > _LARGEST:
        return [], ["--data-binary", "@-"]  # it is not here: whoever runs the command feeds it
    if not secrets:
        data = shown_content(data, request.headers.get("content-type", ""))
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = "\0"
    if "\0" not in text:
        return [], ["--data-raw", shlex.quote(text)]
    encoded = base64.b64encode(data).decode("ascii")
    return ["printf", "%s", shlex.quote(encoded), "|", "base64", "-d", "|"], ["--data-binary", "@-"]

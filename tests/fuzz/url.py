"""URLs: what is parsed is written back as the same URL, and nothing in it moves from one component to another."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING

from hyperhttp import URL, InvalidURL
from hyperhttp.message import url as urls
from hyperhttp.protocol.grammar import FIELD_VALUE, REQUEST_TARGET
from tests.fuzz.supply import Supply

if TYPE_CHECKING:
    from typing import Any

__all__ = ["url"]

_COMPONENTS = ["path", "query", "fragment", "userinfo", "username", "password", "host", "scheme", "params"]
_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}
_OTHERS = {
    "path": "path", "query": "query", "fragment": "fragment", "userinfo": "userinfo", "username": "userinfo",
    "password": "userinfo", "host": "host", "scheme": "scheme", "params": "query",
}  # fmt: skip


def url(data: bytes) -> None:
    """A URL, a reference, and a value for a component, separated by ``|``."""
    supply = Supply(data)
    parsed = _parse(supply.text())
    if parsed is None:
        return
    reference, component, value = supply.text(), supply.choice(_COMPONENTS), supply.text()
    try:
        joined = parsed.join(reference)
    except InvalidURL:
        pass
    else:
        _check(joined)
    try:
        changed = parsed.copy_with(**{component: value})
    except InvalidURL:
        return
    _check(changed)
    for name in {"scheme", "host", "userinfo", "path", "query", "fragment"} - {_OTHERS[component]}:
        # Another scheme spells hosts in another way; without a host, or with one, an empty path is another.
        if not (component in {"scheme", "host"} and name in {"host", "path"}):
            assert getattr(changed, name) == getattr(parsed, name), f"{component} changed {name}"


def _parse(text: str) -> URL | None:
    try:
        parsed = URL(text)
    except InvalidURL as error:
        assert 0 < len(str(error)) < 2000  # noqa: PT017
        return None
    _check(parsed)
    assert URL.parse_cached(text) == parsed
    assert len(urls._memo) <= urls._MEMO_ENTRIES
    return parsed


def _check(parsed: URL) -> None:
    text = str(parsed)
    again = URL(text)
    assert str(again) == text
    for name in ("scheme", "userinfo", "host", "port", "path", "query", "fragment", "target", "host_header", "origin"):
        assert getattr(again, name) == getattr(parsed, name), name
    assert again == parsed
    assert hash(again) == hash(parsed)
    assert pickle.loads(pickle.dumps(parsed)) == parsed
    assert text.isascii()
    assert text.isprintable()
    assert " " not in text
    assert parsed.port is None or parsed.port != _PORTS.get(parsed.scheme)
    _check_wire(parsed)
    _check_secrets(parsed)
    parsed.params, parsed.username, parsed.password  # noqa: B018 - they raise nothing


def _check_wire(parsed: URL) -> None:
    if parsed.host:
        assert REQUEST_TARGET.fullmatch(parsed.target.encode("ascii"))
        assert parsed.target.startswith("/")
        assert FIELD_VALUE.fullmatch(parsed.host_header.encode("ascii"))
        assert not set(parsed.host) & set("/?#@\\[] ")
        if parsed.scheme in {"http", "https"}:
            assert 0 <= parsed.effective_port <= 65535


def _check_secrets(parsed: URL) -> None:
    secret: Any = parsed.userinfo
    if len(secret) > 3 and str(parsed).count(secret) == 1:
        assert secret not in parsed.redacted or secret in "[secret]"
        assert secret not in repr(parsed) or secret in "[secret]"

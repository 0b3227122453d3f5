"""Header fields, and the grammars inside their values: Link, Retry-After, RateLimit, Content-Type, challenges."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from hyperhttp import URL, Headers, LocalProtocolError
from hyperhttp.auth.challenge import (
    MAX_CHALLENGES,
    MAX_PARAMETERS,
    Challenge,
    parse_challenges,
    parse_parameters,
)
from hyperhttp.auth.digest import DigestSession, choose_terms
from hyperhttp.errors.rate_fields import read_quota
from hyperhttp.errors.retry_after import parse_retry_after
from hyperhttp.message import headers as memos
from hyperhttp.message.disposition import download_name
from hyperhttp.message.links import parse_links
from hyperhttp.message.text import charset_of, parse_content_type
from hyperhttp.protocol.http1.writer import write_fields
from tests.fuzz.supply import Supply

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["challenges", "content_type", "headers", "links", "rates", "retry_after"]


# -- the mapping -------------------------------------------------------------------------------------------------------


class _Model:
    """What `Headers` does, in its plainest form: a list of pairs that is searched."""

    def __init__(self) -> None:
        self.pairs: list[tuple[str, str]] = []

    def values(self, name: str) -> list[str]:
        return [value for other, value in self.pairs if other.lower() == name.lower()]

    def remove(self, name: str) -> None:
        self.pairs = [pair for pair in self.pairs if pair[0].lower() != name.lower()]

    def set(self, name: str, value: str) -> None:
        place = next((at for at, pair in enumerate(self.pairs) if pair[0].lower() == name.lower()), None)
        others = [] if place is None else [pair for pair in self.pairs[:place] if pair[0].lower() != name.lower()]
        rest = self.pairs if place is None else self.pairs[place:]
        rest = [pair for pair in rest if pair[0].lower() != name.lower()]
        self.pairs = [*rest, (name, value)] if place is None else [*others, (name, value), *rest]


def headers(data: bytes) -> None:
    """Steps with a name and a value, separated by ``|``: what a plain list of pairs would do."""
    supply = Supply(data)
    found, model = Headers(), _Model()
    while supply:
        kind = supply.byte() % 6
        name, _, value = supply.line().decode("latin-1").partition(":")
        try:
            _change(found, model, kind, name, value)
        except LocalProtocolError as error:
            assert not value.strip(" \t") or len(value) < 4 or value not in str(error), "a value in a message"  # noqa: PT017
        except KeyError:
            assert not model.values(name)
        assert found.multi_items() == [(name, _shown(value)) for name, value in model.pairs]
        assert found.get_list(name) == [_shown(value) for value in model.values(name)]
        assert (name in found) == bool(model.values(name))
    assert Headers(found) == found == Headers(found.raw) == found.copy()
    assert sorted(found) == sorted({other.lower(): other for other, _ in reversed(model.pairs)}.values())
    block = write_fields(found.raw)
    assert block.count(b"\n") == block.count(b"\r") == len(model.pairs)
    assert len(repr(found)) < 200 + 12 * len(block)
    assert len(memos._checked_names) <= memos._MEMO_ENTRIES
    assert len(memos._lower_names) <= memos._MEMO_ENTRIES


def _change(found: Headers, model: _Model, kind: int, name: str, value: str) -> None:
    stripped = value.strip(" \t")
    if kind == 0:
        found.add(name, value)
        model.pairs.append((name, stripped))
    elif kind == 1:
        found[name] = value
        model.set(name, stripped)
    elif kind == 2:
        del found[name]
        model.remove(name)
    elif kind == 3:
        found.setdefault(name, value)
        if not model.values(name):
            model.pairs.append((name, stripped))
    elif kind == 4:
        found.update([(name, value), (name, "1")])
        model.remove(name)
        model.pairs += [(name, stripped), (name, "1")]
    else:
        joined = found.get(name)
        values = [_shown(each) for each in model.values(name)]
        assert joined == (None if not values else values[0] if name.lower() == "set-cookie" else ", ".join(values))


def _shown(value: str) -> str:
    """Latin-1, as the steps give it, read as UTF-8 where it is that."""
    try:
        return value.encode("latin-1").decode()
    except UnicodeDecodeError:
        return value


# -- values ------------------------------------------------------------------------------------------------------------


def _values(data: bytes) -> list[str]:
    return data.decode("latin-1").split("|")


def links(data: bytes) -> None:
    """Link fields; what is understood of them can be written so that it is understood again."""
    values = _values(data)
    found = parse_links(values)
    for key, link in found.items():
        assert any(link["url"] in value for value in values)
        assert key == link["url"] or key in link["rel"].split()
    for link in found.values():
        params = {name: text for name, text in link.items() if name != "url"}
        written = f"<{link['url']}>" + "".join(f'; {name}="{_quoted(text)}"' for name, text in params.items())
        again = parse_links([written])
        if "\n" not in written:
            assert link in again.values()


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def retry_after(data: bytes) -> None:
    """Retry-After: seconds or a date, never negative, never without end."""
    for value in _values(data):
        seconds = parse_retry_after(value, 1_700_000_000.0)
        assert seconds is None or (math.isfinite(seconds) and seconds >= 0.0)


def rates(data: bytes) -> None:
    """The fields of the RateLimit drafts."""
    names = ["RateLimit", "RateLimit-Policy", "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"]
    fields = Headers()
    for name, value in zip(names, _values(data), strict=False):
        try:
            fields.add(name, value)
        except LocalProtocolError:
            return
    quota = read_quota(fields)
    for number in quota or ():
        assert number is None or 0 <= number <= 10**15


def content_type(data: bytes) -> None:
    """Content-Type and Content-Disposition: a known charset, a plain file name."""
    for value in _values(data):
        media_type, parameters = parse_content_type(value)
        assert media_type == media_type.lower()
        assert all(name == name.lower() and name for name in parameters)
        "".encode(charset_of(value))
        _check_name(download_name(URL("http://a.example/x"), value))
        try:
            address = URL(f"http://a.example/{value}")
        except ValueError:
            continue
        _check_name(download_name(address))


def _check_name(name: str) -> None:
    assert name
    assert not set(name) & set('/\\\0\r\n<>:"|?*')
    assert name not in {".", ".."}
    assert name[0] not in ".-~"
    assert name[-1] not in ". "
    assert len(name.encode()) <= 200


# -- challenges --------------------------------------------------------------------------------------------------------


def challenges(data: bytes) -> None:
    """WWW-Authenticate fields; and the answer to Digest, of which nothing leaves its quotes."""
    values = _values(data)
    found = parse_challenges(values)
    assert len(found) <= MAX_CHALLENGES
    for challenge in found:
        assert challenge.scheme == challenge.scheme.lower()
        assert len(challenge.params) <= MAX_PARAMETERS
        assert challenge.token68 is None or not challenge.params
        assert _written(challenge) == [challenge], "written down, it is another challenge"
    assert len(parse_parameters(values)) <= MAX_PARAMETERS
    for challenge in found:
        if challenge.scheme == "digest":
            _answer(challenge)


def _written(challenge: Challenge) -> list[Challenge]:
    if challenge.token68 is not None:
        return parse_challenges([f"{challenge.scheme} {challenge.token68}"])
    params = ", ".join(f'{name}="{_quoted(value)}"' for name, value in challenge.params.items())
    return parse_challenges([f"{challenge.scheme} {params}"])


def _answer(challenge: Challenge) -> None:
    terms = choose_terms([challenge.params])
    if terms is None:
        return
    try:
        session = DigestSession(terms, "user", "password")
    except LocalProtocolError:
        return
    answer = session.authorization("GET", "/path?query", b"", "")
    (given,) = parse_challenges([answer])
    same: Callable[[str], bool] = lambda name: given.params[name] == challenge.params[name]
    assert given.scheme == "digest"
    assert same("realm")
    assert same("nonce")
    assert "opaque" not in challenge.params or same("opaque")
    assert given.params["uri"] == "/path?query"
    Headers([("Authorization", answer)])

"""A second opinion from llhttp, the parser of Node, by the package `httptools`: responses whole, and as h11 is asked.

`test_http1_differential.py` asks h11. llhttp is another tradition: it is lenient where interoperability wanted it, and
reads numbers and names in its own ways. Each response that only one of us accepts has a reason with a name here.
"""

from __future__ import annotations

import re
from random import Random
from typing import Any

import httptools
import pytest

from tests.fuzz.mutation import mutant
from tests.properties.test_http1_differential import BASES, BROKEN, VALID, Reading, mutants_of, our_reading

FRAMING = {b"content-length", b"transfer-encoding"}


class _Heard:
    """The callbacks of one response after another, as `Reading`."""

    def __init__(self) -> None:
        self.reading = Reading()
        self.parser: Any = None
        self.complete = False
        self._begin()

    def _begin(self) -> None:
        self.in_content = False
        self.fields: list[tuple[bytes, bytes]] = []
        self.trailers: list[tuple[bytes, bytes]] = []
        self.reason = b""

    def on_status(self, status: bytes) -> None:
        self.reason += status

    def on_header(self, name: bytes, value: bytes) -> None:
        (self.trailers if self.in_content else self.fields).append((name.lower(), value.rstrip(b" \t")))

    def on_headers_complete(self) -> None:
        self.in_content = True

    def on_body(self, data: bytes) -> None:
        if not self.complete:
            self.reading.content += data

    def on_message_complete(self) -> None:
        if self.parser.get_status_code() >= 200:
            self.finish()
        elif not self.complete:
            self.reading.interim.append(self.parser.get_status_code())
            self._begin()

    def finish(self) -> None:
        reading = self.reading
        if not self.complete:
            reading.status, reading.reason = self.parser.get_status_code(), self.reason
            reading.fields, reading.trailers = self.fields, self.trailers
            self.complete = True


def their_reading(data: bytes) -> Reading | None:
    """What llhttp reads in the answer to GET, None where it refuses or waits for more."""
    heard = _Heard()
    heard.parser = httptools.HttpResponseParser(heard)
    try:
        heard.parser.feed_data(data)
    except (httptools.HttpParserError, httptools.HttpParserUpgrade):
        # What follows a response that is complete belongs to no message; we do not read it either.
        return heard.reading if heard.complete else None
    if heard.in_content and not heard.complete and not {name for name, _ in heard.fields} & FRAMING:
        heard.finish()  # until the connection closes, of which this interface cannot be told
    return heard.reading if heard.complete else None


#: Why llhttp refuses what we accept, and how that is seen.
STRICTER_THAN_WE = {
    "a length is said once": rb"(?is)(?:content-length:.*content-length:)|content-length:[^\r\n]*,",
    "versions of HTTP/1 that do not exist yet are refused; RFC 9110 2.5 has them understood as 1.1": rb"HTTP/1\.[2-9]",
    "lines are not folded; RFC 9112 5.2 lets a client replace the fold by a blank": rb"\r\n[ \t]",
    "no blanks before a chunk extension; RFC 9112 7.1.1 allows them": rb"\n[0-9a-fA-F]+[ \t]+;",
    "extensions have names and values; we skip them without understanding": rb"\n[0-9a-fA-F]+;",
    "framing fields in trailers are refused; they mean nothing there (RFC 9110 6.5.1)":
        rb"(?is)chunked.*\n0+(?:;[^\n]*)?\r\n.*(?:content-length|transfer-encoding)",
    "close in an interim response ends everything; we keep to it when the final one is there":
        rb"(?is)HTTP/1\.[01] 1[0-9][0-9].*connection:[^\r\n]*close.*HTTP/1",
}  # fmt: skip
#: Why llhttp accepts what we refuse, and how that is seen.
LOOSER_THAN_WE = {
    "controls in the reason phrase": rb"HTTP/1\.[0-9] [0-9]{3}[^\r\n]*[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]",
    "empty lines before the status line": rb"\A[\r\n]",
    "Transfer-Encoding in HTTP/1.0 (RFC 9112 6.1)": rb"(?is)HTTP/1\.0.*transfer-encoding",
    "transfer codings that were not asked for, the last being chunked": rb"(?i)transfer-encoding:[^\r\n]*,",
    "several Transfer-Encoding fields": rb"(?is)transfer-encoding:.*transfer-encoding:",
    "chunk sizes of more than sixteen digits": rb"\n[0-9a-fA-F]{17,}",
    "status codes below 100": rb"HTTP/1\.[0-9] 0[0-9][0-9]",
    "any number of trailers": rb"(?s)chunked.*(?:[^\r\n]+\r\n){257}",
}


def reasons(data: bytes, rules: dict[str, bytes]) -> set[str]:
    return {reason for reason, sign in rules.items() if re.search(sign, data)}


def disagreement(data: bytes) -> set[str] | None:
    """Why we and llhttp read different things, None where we read the same; empty where it is not understood."""
    ours, theirs = our_reading(data), their_reading(data)
    if ours == theirs:
        return None
    if ours is not None and theirs is not None:
        return set()
    return reasons(data, STRICTER_THAN_WE if theirs is None else LOOSER_THAN_WE)


CASES = {
    case["name"]: case["data"].encode("latin-1") for case in [*VALID, *BROKEN] if case.get("method", "GET") == "GET"
}


@pytest.mark.parametrize("name", CASES)
def test_a_response_is_read_as_llhttp_reads_it_or_the_reason_is_known(name: str) -> None:
    found = disagreement(CASES[name])
    assert found is None or found, (our_reading(CASES[name]), their_reading(CASES[name]))


def test_damage_divides_the_readers_only_for_the_known_reasons() -> None:
    chance, seeds = Random(1), [data for data in CASES.values() if len(data) < 1000]
    damaged = [mutant(chance, seeds) for _ in range(5000)] + sorted(set().union(*map(mutants_of, BASES)))
    found = {data: why for data in damaged if (why := disagreement(data)) is not None}
    unexplained = [(data, our_reading(data), their_reading(data)) for data, why in found.items() if not why]
    assert unexplained == []


def test_every_reason_is_one() -> None:
    """A reason that explains nothing any more would hide the next disagreement."""
    chance, seeds = Random(1), [data for data in CASES.values() if len(data) < 1000]
    seen: set[str] = set()
    for data in [*CASES.values(), *(mutant(chance, seeds) for _ in range(2000))]:
        seen |= disagreement(data) or set()
    assert seen == {*STRICTER_THAN_WE, *LOOSER_THAN_WE}

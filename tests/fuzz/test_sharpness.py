"""The fuzz targets find what they are there for: each sees some small planted defects, by the run that CI does."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.fuzz.mutation import mutant
from tests.fuzz.planting import plant, remembered
from tests.fuzz.targets import TARGETS, corpus_of
from tests.fuzz.test_corpus import MUTANTS

if TYPE_CHECKING:
    from collections.abc import Iterator


class Defect(NamedTuple):
    """What is wrong, and how it comes about: see `plant`."""

    target: str
    what: str
    place: str
    right: str
    wrong: str

    def __str__(self) -> str:
        return f"{self.target}-{self.what}".replace(" ", "_")


HTTP1, HTTP2, MESSAGE = "protocol.http1", "protocol.http2", "message"
DEFECTS = [
    # HTTP/1.1
    Defect("http1", "a lone CR in a value", "protocol.grammar:FIELD_LINE", r"+:[\t", r"+:[\r\t"),
    Defect(
        "http1",
        "chunk sizes overflow",
        f"{HTTP1}.framing:ChunkedDecoder._start_chunk",
        "(digits, 16)",
        "(digits, 16) & 0xFFFFFFFF",
    ),
    Defect(
        "http1",
        "CVE-2025-43859",
        f"{HTTP1}.framing:ChunkedDecoder._take_data_end",
        'if not b"\\r\\n".startswith(partial)',
        "if False",
    ),
    Defect(
        "http1",
        "a chunk too short by one",
        f"{HTTP1}.framing:ChunkedDecoder._take_whole_chunks",
        "data[start:end]",
        "data[start:end - 1]",
    ),
    Defect("http1", "conflicting lengths", f"{HTTP1}.head:_with_repeats", "if len(lengths) > 1", "if False"),
    Defect("http1", "length and chunks", f"{HTTP1}.head:_check_chunked", "if length is not None", "if False"),
    Defect(
        "http1",
        "one byte too many",
        f"{HTTP1}.reader:ResponseReader._receive_length",
        "data = data[:left]",
        "data = data[:left + 1]",
    ),
    Defect("http1", "a mark lost between pieces", f"{HTTP1}.framing:take_until", "stored - len(mark) + 1", "stored"),
    Defect("http1_writer", "a space in a target", "protocol.grammar:REQUEST_TARGET", r"[\x21", r"[\x20\x21"),
    Defect("http1_writer", "a line break in a value", "protocol.grammar:FIELD_VALUE", r"[\t", r"[\r\n\t"),
    Defect("http1_writer", "a space in a name", "protocol.grammar:TOKEN", "[!#", "[ !#"),
    # HTTP/2
    Defect(
        "hpack_decoder",
        "indices off by one",
        f"{HTTP2}.hpack_decoder:Decoder._decode_fields",
        "append(table[index])",
        "append(table[index - 1])",
    ),
    Defect("hpack_decoder", "eviction stops early", f"{HTTP2}.hpack_decoder:Decoder._evict", "> room", "> room + 40"),
    Defect(
        "hpack_decoder",
        "a head that outlives its entries",
        f"{HTTP2}.hpack_decoder:Decoder._insert",
        "self.changes += 1\n        return",
        "return",
    ),
    Defect(
        "hpack_decoder",
        "integers cut short",
        f"{HTTP2}.hpack_decoder:decode_integer",
        "0x7F) << shift",
        "0x3F) << shift",
    ),
    Defect(
        "hpack_decoder", "any padding in Huffman's code", f"{HTTP2}.huffman:decode", "if not state.may_end", "if False"
    ),
    Defect(
        "hpack_encoder",
        "indices off by one",
        f"{HTTP2}.hpack_encoder:Encoder._encode_pair",
        "+ 1 + self._inserted",
        "+ self._inserted",
    ),
    Defect(
        "hpack_encoder",
        "a memo of what is inserted",
        f"{HTTP2}.hpack_encoder:Encoder._encode_field",
        "self._inserted == before and",
        "",
    ),
    Defect(
        "hpack_encoder", "a block given up half-way", f"{HTTP2}.hpack_encoder:Encoder._forget", "self._evict(0)", "pass"
    ),
    Defect(
        "http2",
        "a stream's window that never shuts",
        f"{HTTP2}.messages:MessageFrames._receive_data",
        "stream.receive_left -= size",
        "pass",
    ),
    Defect(
        "http2",
        "more than was announced",
        f"{HTTP2}.messages:MessageFrames._receive_data",
        "(left < 0 or end_stream)",
        "(left > 0 and end_stream)",
    ),
    Defect(
        "http2",
        "streams that hear of no end",
        f"{HTTP2}.state:ConnectionState._end_all",
        "if stream.phase == ENDED",
        "if True",
    ),
    Defect(
        "http2",
        "answers that pile up",
        f"{HTTP2}.state:ConnectionState._reply",
        "if self._replies >",
        "if False and self._replies >",
    ),
    Defect(
        "http2",
        "frames cut at their header",
        f"{HTTP2}.connection:H2Connection._complete_frame",
        "if len(tail) < size",
        "if len(tail) <= size",
    ),
    Defect(
        "http2",
        "content of a stream that ended",
        f"{HTTP2}.messages:MessageFrames._receive_data",
        "stream.phase != EXPECTS_CONTENT or",
        "",
    ),
    # messages
    Defect(
        "url",
        "a path becomes an authority",
        f"{MESSAGE}.url:_check_without_authority",
        'parts.path.startswith("//")',
        "False",
    ),
    Defect(
        "url", "a password is shown", f"{MESSAGE}.url:URL.redacted", 'parts.userinfo and "[secret]"', "parts.userinfo"
    ),
    Defect(
        "url",
        "a scheme's port is kept",
        f"{MESSAGE}.url:_assemble",
        "None if port == default else port",
        "port or None",
    ),
    Defect(
        "url",
        "a relative path that looks absolute",
        f"{MESSAGE}.url:_check_without_authority",
        'not parts.scheme and ":"',
        'False and ":"',
    ),
    Defect(
        "headers",
        "the first of several is left",
        f"{MESSAGE}.headers:Headers._replace",
        "not in names]",
        "not in names or field is self._fields[0]]",
    ),
    Defect("headers", "case counts", f"{MESSAGE}.headers:Headers._find", "name.lower()", "name"),
    Defect(
        "headers",
        "an index that is out of date",
        f"{MESSAGE}.headers:Headers._append",
        "len(self._fields)",
        "len(self._fields) - 1",
    ),
    Defect("cookies", "any host that ends like it", f"{MESSAGE}.set_cookie:domain_matches", 'f".{domain}"', "domain"),
    Defect(
        "cookies",
        "a cookie for a public suffix",
        f"{MESSAGE}.set_cookie:_domain_of",
        "if is_public_suffix(domain)",
        "if False",
    ),
    Defect(
        "cookies",
        "secure cookies in clear",
        f"{MESSAGE}.cookies:Cookies._make_plan",
        "(secure or not cookie.secure)",
        "True",
    ),
    Defect(
        "cookies", "cookies that never end", f"{MESSAGE}.set_cookie:_expiry", "min(moment, now + _MAX_AGE)", "moment"
    ),
    Defect("multipart", "quotes in a name", f"{MESSAGE}.multipart:_escape", "text.translate(_ESCAPES)", "text"),
    Defect(
        "multipart",
        "a length off by two",
        f"{MESSAGE}.multipart:MultipartEncoder.content_length",
        "return",
        "return 2 +",
    ),
    Defect(
        "coding",
        "content cut short passes",
        f"{MESSAGE}.coding:GzipDecoder.finish",
        "self._inflater is not None or not self._members",
        "False",
    ),
    Defect(
        "coding",
        "output that is forgotten",
        f"{MESSAGE}.coding:_Inflating._step",
        "self._full = len(output) == max_length",
        "self._full = False",
    ),
    Defect(
        "coding",
        "a byte alone is lost",
        f"{MESSAGE}.coding:DeflateDecoder._begin",
        "self._prefix = data",
        "self._prefix = b''",
    ),
    Defect(
        "sse",
        "two line ends of one",
        f"{MESSAGE}.sse:EventDecoder.feed",
        "if self._after_cr and data[0] == 0x0A",
        "if False",
    ),
    Defect(
        "sse",
        "all blanks are taken off",
        f"{MESSAGE}.sse:EventDecoder._take_line",
        'value.removeprefix(" ")',
        "value.lstrip()",
    ),
    Defect("sse", "an id with NUL", f"{MESSAGE}.sse:EventDecoder._take_field", 'if "\\0" not in value', "if True"),
    Defect(
        "lines", "two line ends of one", f"{MESSAGE}.text:LineSplitter.split", 'text[0] == "\\n"', 'text[0] == "\\r"'
    ),
    Defect(
        "lines",
        "the beginning of a line is lost",
        f"{MESSAGE}.text:LineSplitter.split",
        "[*self._held, lines[0]]",
        "[lines[0]]",
    ),
    Defect("links", "quoted pairs stay", f"{MESSAGE}.links:parse_links", r're.sub(r"\\(.)", r"\1", quoted)', "quoted"),
    Defect("links", "a bracket in a target", f"{MESSAGE}.links:_TARGET", "<([^>]*)", "(<[^>]*)"),
    Defect("content_type", "a file name with a folder", f"{MESSAGE}.disposition:_plain_name", r"[/\\]", "[/]"),
    Defect("content_type", "a hidden file", f"{MESSAGE}.disposition:_plain_name", 'lstrip(".-~ ")', 'lstrip("-~ ")'),
    Defect("content_type", "a long name", f"{MESSAGE}.disposition:_plain_name", "_LONGEST - len(suffix)", "_LONGEST"),
    # fields
    Defect("challenges", "a quote that gets out", "auth.digest:_quote", r'_escape(r"\\\1", text)', "text"),
    Defect(
        "challenges",
        "challenges without end",
        "auth.challenge:_read_challenges",
        "if len(found) >= MAX_CHALLENGES",
        "if False",
    ),
    Defect("challenges", "quoted pairs stay", "auth.challenge:_keep", r'_unquote(r"\1", quoted)', "quoted"),
    Defect("rates", "numbers without end", "errors.rate_fields:_NUMBER", "{1,15}", "+"),
    Defect("rates", "negative numbers", "errors.rate_fields:_NUMBER", "[0-9]", "-?[0-9]"),
    Defect("retry_after", "digits that are none", "errors.retry_after:parse_retry_after", "text.isascii() and", ""),
    Defect(
        "retry_after", "dates that are over", "errors.retry_after:parse_retry_after", "max(at - now, 0.0)", "at - now"
    ),
]


@pytest.fixture(autouse=True)
def forget() -> Iterator[None]:
    """Nothing of what defects leave in memos outlives them."""
    restore = remembered()
    yield
    restore()


@pytest.mark.parametrize("defect", DEFECTS, ids=str)
def test_a_planted_defect_is_found(monkeypatch: pytest.MonkeyPatch, defect: Defect) -> None:
    plant(monkeypatch, *defect[2:])
    runs = hunt(defect.target)
    assert runs is not None, f"nothing was found in the corpus and {MUTANTS} changes of it"


def hunt(name: str) -> int | None:
    """How many runs it takes until something fails, of those that CI does; None where nothing does."""
    seeds, chance = list(corpus_of(name).values()), Random(f"{name} 1")
    inputs = [*seeds, *(mutant(chance, seeds) for _ in range(MUTANTS))]
    for number, data in enumerate(inputs):
        try:
            TARGETS[name](data)
        except Exception:  # whatever the defect breaks
            return number
    return None


def test_each_target_has_defects() -> None:
    assert {defect.target for defect in DEFECTS} == set(TARGETS)
    assert len({str(defect) for defect in DEFECTS}) == len(DEFECTS)

"""A second opinion from the standard library: URLs, cookies, media types, dates, query strings and codings.

On the sane subset both must say the same. Where the standard library is asked about anything else, each disagreement
has a reason with a name; one that has none fails.
"""

from __future__ import annotations

import email.utils
import gzip
import http.cookiejar
import http.cookies
import re
import urllib.parse
import urllib.request
import zlib
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import HTTP
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from hyperhttp import URL, Cookies, DecodingError, InvalidURL
from hyperhttp.errors.retry_after import parse_retry_after
from hyperhttp.message.coding import DEFLATE, GZIP, CodingChain
from hyperhttp.message.cookie_date import parse_cookie_date
from hyperhttp.message.decoding import decode_all
from hyperhttp.message.query import encode_params, parse_params, percent_decode, percent_encode
from hyperhttp.message.text import parse_content_type
from tests.fuzz.mutation import mutant

often = settings(deadline=None, max_examples=200, database=None)

# -- URLs --------------------------------------------------------------------------------------------------------------

hosts = st.from_regex(r"[a-z]([a-z0-9-]{0,8}[a-z0-9])?(\.[a-z]([a-z0-9-]{0,8}[a-z0-9])?){0,3}", fullmatch=True)
ports = st.none() | st.integers(1, 65535)
paths = st.from_regex(r"(/([A-Za-z0-9_~!$&'()*+,;=:@-]|%[0-9A-F]{2}){0,6}){0,4}", fullmatch=True)
queries = st.none() | st.from_regex(r"([A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-F]{2}){0,10}", fullmatch=True)


@often
@given(hosts, ports, paths, queries, queries)
def test_sane_urls_have_the_components_urllib_sees(host, port, path, query, fragment):
    text = f"http://{host}{'' if port is None else f':{port}'}{path}"
    text += ("" if query is None else f"?{query}") + ("" if fragment is None else f"#{fragment}")
    try:
        url = URL(text)
    except InvalidURL:
        assert "xn--" in host  # an A-label that encodes nothing
        return
    split = urllib.parse.urlsplit(text)
    assert (url.scheme, url.host, url.query, url.fragment) == ("http", split.hostname, split.query, split.fragment)
    assert url.path == (split.path or "/")
    assert url.port == (None if split.port == 80 else split.port)
    assert url.effective_port == (split.port or 80)


segments = st.lists(st.sampled_from(["a", "b.c", ".", "..", "", "...", ".d"]), max_size=6)
references = st.builds(
    lambda start, parts, query: start + "/".join(parts) + query,
    st.sampled_from(["", "/", "//h2/", "?", "#f", "./", "../"]),
    segments,
    st.sampled_from(["", "?q", "#f", "?a=/../b"]),
)

EMPTY_QUERY = "an empty query or fragment is one (RFC 3986 5.3); urllib leaves it out"
DOTS_OF_THE_BASE = "dot segments of the base are removed first, as browsers do (RFC 3986 6.2.2.3); urllib keeps them"
NO_NAME = "a host that is no name is refused"
EMPTY_SEGMENTS = "empty segments count (RFC 3986 5.2.4); urllib joins some of them"


def join_reason(base: str, reference: str) -> str:
    try:
        joined = URL(base).join(reference)
    except InvalidURL:
        return NO_NAME if reference.startswith("//") else ""
    theirs = urllib.parse.urljoin(base, reference)
    if str(joined) == theirs or joined == theirs:
        return "the same"
    if re.search(r"[?#](?:$|#)", reference):
        return EMPTY_QUERY
    if "//" in base.partition("://")[2] or "//" in reference:
        return EMPTY_SEGMENTS
    if re.search(r"/\.\.?(?:/|$)", base):
        return DOTS_OF_THE_BASE
    return ""


@often
@given(segments, references)
def test_references_are_joined_as_urllib_joins_them_or_the_reason_is_known(base, reference):
    base = "http://h1/" + "/".join(base)
    assert join_reason(base, reference), (base, reference, urllib.parse.urljoin(base, reference))


@often
@given(st.text(max_size=20))
def test_percent_encoding_is_that_of_urllib(text):
    assert percent_encode(text) == urllib.parse.quote(text, safe="")
    assert percent_decode(urllib.parse.quote(text, safe="")) == text
    assert percent_decode(text) == urllib.parse.unquote(text)


@often
@given(st.lists(st.tuples(st.text(max_size=8), st.text(max_size=8)), max_size=5))
def test_parameters_are_those_of_urllib(pairs):
    encoded = encode_params(pairs)
    assert encoded == urllib.parse.urlencode(pairs)
    assert parse_params(encoded) == urllib.parse.parse_qsl(encoded, keep_blank_values=True)


@often
@given(st.text("a=&+%2;\u00e9", max_size=20))
def test_any_query_has_the_parameters_urllib_reads(query):
    assert parse_params(query) == urllib.parse.parse_qsl(query, keep_blank_values=True, max_num_fields=None)


BLANKS = "".join(map(chr, range(33)))
URL_SEEDS = [
    b"http://a.example/b?c#d", b"https://u:p@a.example:8443/x/../y?z=1#f", b"http://[::1]:80/", b"http://127.0.0.1/", b"//h/p",
    b"/p?q", b"?q", b"x:y",
]  # fmt: skip

STRICTER_URLS = {
    "two readers may find different hosts": r"^[^?#]*[\\@]|^[^/?#]*:[^/]|^[^:/?#]*:/{0,1}(?:[^/]|$)|^[^:/?#]*:///",
    "a colon ends a scheme, or stands behind a slash": r"^[^/?#]*[^A-Za-z0-9+.:/?#-][^/?#]*:|^[^A-Za-z/?#][^/?#]*:",
    "control characters": r"[\x00-\x1f\x7f-\x9f]",
    "a character that no encoding has": r"[\ud800-\udfff]",
    "a host is a name or an address, in characters that DNS has": r"//[^/?#]*[^A-Za-z0-9.:/@\[\]-]",
    "an address is four decimal numbers": r"//(?:[^/?#]*@)?[^/?#]*[0-9][^/?#]*",
    "there must be a host": r"//(?:[^/?#]*@)?(?::[0-9]*)?(?:[/?#]|$)|^//",
    "a name has labels that are not empty, of 63 characters at most": r"//[^/?#]*(?:\.\.|//\.|[^./]{64})|//\.",
    "a port is a number": r":[^/?#]*[^0-9/?#]",
    "a xn-- label must be the encoding of a name": r"xn--",
    "brackets hold IPv6": r"[\[\]]",
}


def why_another_host(url: URL, scheme: str, host: str, port: int | None) -> str:
    """Why host or port are not what urllib sees; empty where it is not understood."""
    if url.scheme != scheme or (url.port != port and url.effective_port != port):
        return ""
    if not host.isascii():
        return "a name in characters outside ASCII is mapped and encoded (IDNA 2008, UTS 46); urllib keeps them"
    if host.rstrip(BLANKS) == url.host:
        return "blanks and control characters behind the URL are dropped, as browsers do"
    if ":" in host:
        return "addresses of IPv6 have one spelling (RFC 5952)"
    return ""


def test_where_urllib_sees_a_host_we_see_the_same_or_refuse_for_a_known_reason():
    """Two readers that take one URL for two hosts are how filters are fooled (CVE-2023-24329, CVE-2024-11168)."""
    chance, unexplained = Random(3), []
    for _ in range(6000):
        text = mutant(chance, URL_SEEDS).decode("utf-8", "surrogateescape")
        try:
            split = urllib.parse.urlsplit(text)
            theirs = (split.scheme, split.hostname, split.port)
        except ValueError:
            continue
        try:
            url = URL(text)
        except InvalidURL:
            if not any(re.search(sign, text) for sign in STRICTER_URLS.values()):
                unexplained.append((text, "refused"))
            continue
        ours = (url.scheme, url.host, url.port)
        if theirs[1] and ours != theirs and not why_another_host(url, *theirs):
            unexplained.append((text, (ours, theirs)))
    assert unexplained == []


# -- cookies -----------------------------------------------------------------------------------------------------------

cookie_texts = st.from_regex(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,8}", fullmatch=True)
attributes = st.lists(
    st.sampled_from(["Path=/", "Path=/dir", "Domain=a.example", "Domain=.a.example", "Secure", "HttpOnly", "Max-Age=100",
                     "Max-Age=0", "Domain=b.example", "Expires=Wed, 21 Oct 2037 07:28:00 GMT",
                     "Expires=Thu, 01 Jan 1970 00:00:00 GMT", "SameSite=Lax"]),
    max_size=4, unique_by=lambda text: text.partition("=")[0],
)  # fmt: skip
origins = st.sampled_from(["https://www.a.example/dir/x", "http://www.a.example/", "https://a.example/dir"])


class _Answer:
    """What http.cookiejar wants of a response."""

    def __init__(self, line: str) -> None:
        self.message = EmailMessage(HTTP)
        self.message["Set-Cookie"] = line

    def info(self) -> EmailMessage:
        return self.message


def sent_by_cookiejar(line: str, origin: str, target: str) -> str | None:
    jar = http.cookiejar.CookieJar()
    jar.extract_cookies(_Answer(line), urllib.request.Request(origin))
    request = urllib.request.Request(target)
    jar.add_cookie_header(request)
    return request.get_header("Cookie")


SECURE_IN_CLEAR = "RFC 6265bis 5.7: a cookie that is to be secure may not be set in clear"
PATH_ABOVE = "RFC 6265bis 5.6: any path may be named; cookiejar wants it to be above the path that was asked for"
HOST_ONLY = "RFC 6265bis 5.6: without Domain a cookie is for its host alone; cookiejar sends it to names below as well"


def cookie_reason(line: str, origin: str, target: str) -> str:
    jar = Cookies()
    jar.extract(origin, [line])
    if jar.header_for(target) == sent_by_cookiejar(line, origin, target):
        return "the same"
    if "Secure" in line and origin.startswith("http:"):
        return SECURE_IN_CLEAR
    if "Path=/dir" in line and "/dir" not in origin:
        return PATH_ABOVE
    if "Domain" not in line and urllib.parse.urlsplit(target).hostname != urllib.parse.urlsplit(origin).hostname:
        return HOST_ONLY
    return ""


@often
@given(cookie_texts, cookie_texts, attributes, origins, origins)
def test_cookies_go_where_cookiejar_sends_them_or_the_reason_is_known(name, value, said, origin, target):
    line = "; ".join([f"{name}={value}", *said])
    assert cookie_reason(line, origin, target), (line, origin, target, sent_by_cookiejar(line, origin, target))


@often
@given(cookie_texts, cookie_texts)
def test_what_we_send_is_what_http_cookies_reads(name, value):
    line = Cookies({name: value}).header_for("http://a.example/")
    read = http.cookies.SimpleCookie(line)
    assert {key: morsel.value for key, morsel in read.items()} in ({name: value}, {})  # {}: names it reserves


dates = st.integers(86_400, 3_124_000_000).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))


@often
@given(dates, st.sampled_from(["%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %d %H:%M:%S %Y"]))
def test_dates_in_the_three_forms_are_those_of_the_standard_library(at, form):
    text = at.strftime(form)
    assert parse_cookie_date(text) == at.timestamp()
    assert parse_retry_after(text, 0.0) == at.timestamp()
    if "%y" not in form:
        assert email.utils.parsedate_to_datetime(text).replace(tzinfo=UTC) == at


# -- media types -------------------------------------------------------------------------------------------------------

tokens = st.from_regex(r"[A-Za-z0-9!#$%&^_`|~+.-]{1,8}", fullmatch=True)
quoted = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=8)


@often
@given(tokens, tokens, st.lists(st.tuples(tokens, quoted), max_size=4, unique_by=lambda pair: pair[0].lower()))
def test_media_types_are_read_as_the_email_package_reads_them(kind, subtype, parameters):
    value = f"{kind}/{subtype}"
    for name, text in parameters:
        escaped = text.replace("\\", "\\\\").replace('"', '\\"')
        value += f'; {name}="{escaped}"'
    read = parse_content_type(value)
    assert read == (f"{kind}/{subtype}".lower(), {name.lower(): text for name, text in parameters})
    message = EmailMessage()
    message["Content-Type"] = value
    plain = [(name, text) for name, text in parameters if re.fullmatch(r"[A-Za-z0-9-]+", name) and text.isalnum()]
    if re.fullmatch(r"[A-Za-z0-9-]+", kind + subtype) and len(plain) == len(parameters):
        assert message.get_content_type() == read[0]
        assert dict(message["Content-Type"].params) == read[1]


# -- codings -----------------------------------------------------------------------------------------------------------

CODED = [gzip.compress(b"content " * 20, mtime=0), gzip.compress(b"", mtime=0), gzip.compress(bytes(range(256)), 0, mtime=0),
         gzip.compress(b"a", mtime=0) + gzip.compress(b"b", mtime=0), gzip.compress(b"a", mtime=0) + bytes(5)]  # fmt: skip
FIELDS_OF_THE_HEAD = "zlib checks what gzip of the standard library skips: reserved flags, the checksum of the head"
NOTHING = "no content at all is complete (RFC 9110 8.6)"


def gzip_reason(data: bytes) -> str:
    """Why gzip of the standard library sees something else in it."""
    try:
        theirs: bytes | None = gzip.decompress(data)
    except (OSError, EOFError, zlib.error):
        theirs = None
    try:
        ours: bytes | None = decode_all(CodingChain([GZIP], max_ratio=None), data)
    except DecodingError:
        ours = None
    if ours == theirs:
        return "the same"
    if ours is None and len(data) > 3 and any(member[3:4] and member[3] & 0xE2 for member in _members(data)):
        return FIELDS_OF_THE_HEAD
    return ""


def _members(data: bytes) -> list[bytes]:
    return [data[found.start() :] for found in re.finditer(rb"\x1f\x8b\x08", data)]


def test_damaged_gzip_is_what_the_standard_library_says_or_the_reason_is_known():
    chance = Random(4)
    unexplained = [data for _ in range(4000) if not gzip_reason(data := mutant(chance, CODED))]
    assert unexplained == []


@often
@given(st.binary(max_size=300), st.integers(0, 9), st.sampled_from([-15, 15]))
def test_deflate_is_what_zlib_says(content, level, bits):
    packer = zlib.compressobj(level, wbits=bits)
    data = packer.compress(content) + packer.flush()
    assert decode_all(CodingChain([DEFLATE], max_ratio=None), data) == content == zlib.decompress(data, bits)

"""What cannot be sent is refused with a typed error before a byte leaves, wherever it comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import hyperhttp

if TYPE_CHECKING:
    from hyperhttp.testing.origin import Origin

#: Bytes that would end or break a line, and others a field may not carry (RFC 9110 section 5.5).
CONTROLS = ["\r\n", "\r", "\n", "\0", "\x01", "\x0b", "\x1f", "\x7f"]
LINES = CONTROLS[:4]
METHODS = ["", "G ET", "GET ", " GET", "GET\r\nX: y", "GET\n", "GET\0", "GÉT", "GET/", "GET:", "(GET)", "GET\t"]
NAMES = ["", " ", "a b", "a:", "a\r\n", "a\n", "a\0", "a\t", "é", "a(b)", "a/b", " a", "a ", "\x7f"]
URLS = [
    "http://{host}/a\r\nX: y", "http://{host}/a\nb", "http://{host}/a\0b", "http://{host}/a\tb",
    "http://exa mple/", "http://exa\r\nmple/", "http://exam\0ple/", "http://{host}\r\n.evil/", "http://us\r\ner@{host}/",
    "http:///path", "http://", "", "nonsense", "ftp://{host}/", "file:///etc/passwd", "mailto:a@b",
    "http://{host}:port/", "http://127.0.0.1:99999/", "http://127.0.0.1:-1/", "http://[::1/", "http://[::1]x/",
    "http://::1/", "http://[v1.x]/", "http://exa%2fmple/", "http://exa%00mple/", "http://a<b>/", "http://a^b/", "http://.../",
    "http://" + "a" * 64 + ".example/", "http://1.2.3.4.5/", "http://1.2.3.256/", "http://0x100000000/",
]  # fmt: skip


@pytest.fixture
async def refuse(face: Any, origin: Origin) -> Any:
    """Sends what must not be sent, and looks whether anything arrived."""

    async def attempt(method: str, path: Any, *, settings: Any = None, **options: Any) -> Exception:
        before = origin.connections.opened
        async with face.client(**(settings or {})) as client:
            url = origin.url + path if isinstance(path, str) and path.startswith("/") else path
            with pytest.raises((TypeError, ValueError)) as caught:
                await client.request(method, url, **options)
            assert client.raw.get_pool_stats() == {}
        assert str(caught.value)
        assert origin.connections.opened == before
        return caught.value

    return attempt


@pytest.mark.parametrize("method", METHODS)
async def test_a_method_that_is_no_token_is_refused(refuse: Any, method: str) -> None:
    assert isinstance(await refuse(method, "/get"), hyperhttp.LocalProtocolError)
    assert isinstance(await refuse(method, "/get", content=b"x"), hyperhttp.LocalProtocolError)


@pytest.mark.parametrize("method", [None, 1, b"GET"])
async def test_a_method_that_is_no_text_is_refused(refuse: Any, method: Any) -> None:
    await refuse(method, "/get")


@pytest.mark.parametrize("url", URLS)
async def test_a_url_that_cannot_be_requested_is_refused(refuse: Any, origin: Origin, url: str) -> None:
    wrong = url.replace("{host}", f"127.0.0.1:{origin.port}")
    assert isinstance(await refuse("GET", wrong), hyperhttp.InvalidURL)


async def test_blanks_and_line_ends_around_a_url_are_not_part_of_it(face: Any, origin: Origin) -> None:
    async with face.client() as client:
        await client.get(f" \t{origin.url}/get?a=b\r\n")
    (request,) = origin.requests
    assert request.target == "/get?a=b"
    assert request.headers["host"] == f"127.0.0.1:{origin.port}"


async def test_a_relative_url_without_base_url_is_refused(face: Any) -> None:
    async with face.client() as client:
        for url in ("/relative", "relative", "?a=b", ""):
            with pytest.raises(hyperhttp.InvalidURL):
                await client.get(url)


@pytest.mark.parametrize("url", [None, 1, b"http://127.0.0.1/", ["http://127.0.0.1/"]])
async def test_a_url_that_is_no_text_is_refused(refuse: Any, url: Any) -> None:
    await refuse("GET", url)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("where", ["call", "client"])
async def test_a_field_name_that_is_no_token_is_refused(refuse: Any, name: str, where: str) -> None:
    headers = {name: "value"}
    if where == "call":
        error = await refuse("GET", "/get", headers=headers)
    else:
        with pytest.raises(hyperhttp.LocalProtocolError) as caught:
            hyperhttp.Client(headers=headers)
        error = caught.value
    assert isinstance(error, hyperhttp.LocalProtocolError)


@pytest.mark.parametrize("control", CONTROLS)
@pytest.mark.parametrize("where", ["call", "client", "pairs", "bytes", "hook", "request", "user agent"])
async def test_a_field_value_with_controls_is_refused(refuse: Any, control: str, where: str) -> None:
    value = f"a{control}Evil: yes"
    if where == "call":
        error = await refuse("GET", "/get", headers={"X-A": value})
    elif where == "pairs":
        error = await refuse("GET", "/get", headers=[("X-A", value)])
    elif where == "bytes":
        error = await refuse("GET", "/get", headers=[(b"X-A", value.encode())])
    elif where == "hook":

        def hook(request: Any) -> None:
            request.headers["X-A"] = value

        error = await refuse("GET", "/get", event_hooks={"request": [hook]})
    else:
        make = {
            "client": lambda: hyperhttp.Client(headers={"X-A": value}),
            "user agent": lambda: hyperhttp.Client(user_agent=value),
            "request": lambda: hyperhttp.Request("GET", "http://example.com/", headers={"X-A": value}),
        }[where]
        with pytest.raises(hyperhttp.LocalProtocolError) as caught:
            make()
        error = caught.value
    assert isinstance(error, hyperhttp.LocalProtocolError)
    assert "Evil" not in str(error) or "\n" not in str(error)


@pytest.mark.parametrize("name", ["Host", "Content-Type", "Authorization", "Cookie"])
@pytest.mark.parametrize("control", LINES)
async def test_fields_with_a_meaning_are_no_exception(refuse: Any, name: str, control: str) -> None:
    error = await refuse("POST", "/post", headers={name: f"a{control}b: c"}, content=b"x")
    assert isinstance(error, hyperhttp.LocalProtocolError)


@pytest.mark.parametrize("control", LINES)
@pytest.mark.parametrize("part", ["name", "value"])
@pytest.mark.parametrize("where", ["call", "client", "jar"])
async def test_a_cookie_with_controls_is_refused(refuse: Any, control: str, part: str, where: str) -> None:
    cookie = {f"a{control}b": "c"} if part == "name" else {"a": f"b{control}c"}
    if where == "call":
        await refuse("GET", "/get", cookies=cookie)
        return
    ((name, value),) = cookie.items()
    with pytest.raises(ValueError) as caught:
        hyperhttp.Client(cookies=cookie) if where == "client" else hyperhttp.Cookies().set(name, value)
    assert isinstance(caught.value, hyperhttp.HyperHTTPError)


@pytest.mark.parametrize("cookie", [("", "a"), ("a;b", "c"), ("a=b", "c"), ("a", "b;c"), ("a b", "c"), ("a,b", "c")])
async def test_a_cookie_that_would_be_read_as_another_is_refused_or_sent_whole(
    face: Any, origin: Origin, cookie: tuple[str, str]
) -> None:
    async with face.client() as client:
        try:
            await client.get(origin.url + "/cookies", cookies=dict([cookie]))
        except ValueError:
            return
        (request,) = origin.requests
        assert request.headers.get("cookie", "") in ("", f"{cookie[0]}={cookie[1]}")
        assert ";" not in request.headers.get("cookie", "")


@pytest.mark.parametrize("control", LINES)
async def test_parameters_with_controls_are_encoded(face: Any, origin: Origin, control: str) -> None:
    async with face.client() as client:
        response = await client.get(origin.url + "/get", params={f"a{control}": f"b{control}c"})
        assert (await client.json(response))["args"] == {f"a{control}": f"b{control}c"}
    (request,) = origin.requests
    assert not set("\r\n\0") & set(request.target)


@pytest.mark.parametrize("control", LINES)
@pytest.mark.parametrize("part", ["name", "filename", "content type"])
async def test_a_multipart_part_cannot_smuggle_a_line(face: Any, origin: Origin, control: str, part: str) -> None:
    text = f"a{control}Evil: yes"
    files = {
        "name": {text: ("file", b"content")},
        "filename": {"name": (text, b"content")},
        "content type": {"name": ("file", b"content", text)},
    }[part]
    async with face.client() as client:
        try:
            await client.post(origin.url + "/post", files=files)
        except ValueError:
            assert origin.requests == []
            return
        (request,) = origin.requests
        head = bytes(request.body).split(b"content\r\n")[0]
        assert b"\nEvil" not in head
        assert b"\rEvil" not in head
        assert b"\0" not in head


@pytest.mark.parametrize(
    ("fields", "content"),
    [
        ({"Content-Length": "5"}, b"abc"),
        ({"Content-Length": "2"}, b"abc"),
        ({"Content-Length": "+3"}, b"abc"),
        ({"Content-Length": "3, 3"}, b"abc"),
        ({"Content-Length": "3"}, None),
        ({"Transfer-Encoding": "chunked"}, None),
        ({"Transfer-Encoding": "gzip, chunked"}, b"abc"),
        ({"Transfer-Encoding": "identity"}, b"abc"),
        ({"Transfer-Encoding": "chunked", "Content-Length": "3"}, b"abc"),
        ([("Content-Length", "3"), ("Content-Length", "3")], b"abc"),
        ([("Content-Length", "3"), ("content-length", "4")], b"abc"),
    ],
)
async def test_framing_fields_that_contradict_the_content_are_refused(
    refuse: Any, fields: Any, content: bytes | None
) -> None:
    assert isinstance(await refuse("POST", "/post", headers=fields, content=content), hyperhttp.LocalProtocolError)


@pytest.mark.parametrize(
    "options",
    [
        {"content": b"a", "data": {"b": "c"}},
        {"content": b"a", "json": {}},
        {"data": {"a": "b"}, "json": {}},
        {"content": b"a", "files": {"a": b"b"}},
        {"json": {}, "files": {"a": b"b"}},
    ],
)
async def test_two_bodies_are_a_type_error(refuse: Any, options: Any) -> None:
    assert isinstance(await refuse("POST", "/post", **options), TypeError)


@pytest.mark.parametrize("content", [1, 1.5, object(), ["text"], [1]])
async def test_content_of_the_wrong_type_is_a_type_error(face: Any, origin: Origin, content: Any) -> None:
    async with face.client(timeout=5) as client:
        with pytest.raises(TypeError):
            await client.post(origin.url + "/post", content=content)
        assert client.raw.get_pool_stats() == {}
        await client.get(origin.url + "/get")  # the origin has seen all of the broken request by now


@pytest.mark.parametrize(
    ("wrong", "right"),
    [("timout", "timeout"), ("header", "headers"), ("follow_redirect", "follow_redirects"), ("param", "params")],
)
async def test_an_unknown_option_names_the_nearest(refuse: Any, wrong: str, right: str) -> None:
    assert right in str(await refuse("GET", "/get", **{wrong: 1}))
    for kind in (hyperhttp.Client, hyperhttp.SyncClient):
        with pytest.raises(TypeError, match=right):
            kind(**{wrong: 1})


async def test_an_option_with_nothing_near_is_named_itself(refuse: Any) -> None:
    assert "xyzzy" in str(await refuse("GET", "/get", xyzzy=1))


@pytest.mark.parametrize(
    "options",
    [
        {"timeout": "5"}, {"timeout": -1}, {"timeout": float("nan")}, {"auth": "user:pass"}, {"auth": 1},
        {"follow_redirects": "yes"}, {"event_hooks": {"respnse": []}}, {"event_hooks": {"request": [1]}},
        {"headers": 1}, {"headers": "a: b"}, {"headers": {"a": None}}, {"headers": {"a": 1}}, {"http2": "h3"}, {"cookies": 1},
        {"proxy": 1},
    ],
)  # fmt: skip
async def test_an_option_of_the_wrong_kind_is_refused(refuse: Any, options: Any) -> None:
    await refuse("GET", "/get", **options)


@pytest.mark.parametrize(
    "options",
    [
        {"max_connections": 0}, {"max_connections": -1}, {"max_connections": "10"}, {"max_redirects": -1},
        {"keepalive_expiry": -1}, {"max_response_size": "1"}, {"happy_eyeballs_delay": -1}, {"happy_eyeballs_delay": "x"},
        {"base_url": "nonsense"}, {"base_url": "/x"}, {"verify": "/no/such/file.pem"}, {"verify": 3}, {"cert": "/no/such.pem"},
        {"ssl_context": 1}, {"proxies": 1}, {"proxies": {"http": "nonsense://"}}, {"plugins": ["no-such-plugin"]},
        {"resolver": "no-such"}, {"timeout": "x"}, {"headers": 1}, {"dns_ttl": -1},
    ],
)  # fmt: skip
async def test_a_client_option_of_the_wrong_kind_is_refused(face: Any, origin: Origin, options: Any) -> None:
    before = origin.connections.opened
    with pytest.raises((TypeError, ValueError, OSError, hyperhttp.HyperHTTPError)) as caught:
        async with face.client(**options) as client:
            await client.get(origin.url + "/get")
    assert not isinstance(caught.value, (AttributeError, KeyError))
    assert origin.connections.opened == before

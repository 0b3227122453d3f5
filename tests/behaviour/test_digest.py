"""Digest authentication end to end: challenged once, then without asking; stale nonces, content, redirects, hooks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import hyperhttp
from hyperhttp.auth.digest import DigestAuth
from hyperhttp.testing.digest import parse_credentials
from hyperhttp.testing.origin import Origin

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hyperhttp.testing.scripted import ScriptedServerFactory

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
PATH = "/digest-auth/auth/alice/s3cret"


@pytest.fixture
def auth() -> DigestAuth:
    return DigestAuth("alice", "s3cret")


@pytest.fixture(scope="module")
def other() -> Iterator[Origin]:
    """A second origin: same host, another port."""
    with Origin() as origin:
        yield origin


def credentials(origin: Origin) -> list[dict[str, str]]:
    """Those of each request the origin saw."""
    return [parse_credentials(request.headers.get("authorization", "")) for request in origin.requests]


def counts(origin: Origin) -> list[str]:
    return [each.get("nc", "") for each in credentials(origin)]


def demand(*challenges: str) -> bytes:
    fields = "".join(f"WWW-Authenticate: {each}\r\n" for each in challenges)
    return f"HTTP/1.1 401 Unauthorized\r\n{fields}Content-Length: 0\r\n\r\n".encode("latin-1")


@pytest.mark.parametrize("qop", ["none", "auth", "auth-int", "auth,auth-int"])
@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256", "SHA-512-256", "MD5-sess", "SHA-256-sess", "SHA-512-256-sess"])
async def test_a_challenge_is_answered_once_and_later_requests_need_none(
    face: Any, origin: Origin, auth: DigestAuth, algorithm: str, qop: str
) -> None:
    url = f"{origin.url}/digest-auth/{qop}/alice/s3cret/{algorithm}"
    async with face.client(auth=auth) as client:
        assert (await client.json(await client.get(url))) == {"authenticated": True, "user": "alice"}
        assert (await client.post(url, content=b"content")).status_code == 200
        assert (await client.head(url + "?a=%22b%22")).status_code == 200
    assert counts(origin) == ["", *([""] * 3 if qop == "none" else ["00000001", "00000002", "00000003"])]
    assert [bool(each) for each in credentials(origin)] == [False, True, True, True]
    assert len({request.connection_id for request in origin.requests}) == 1


@pytest.mark.parametrize("query", ["", "?userhash=1", "?realm=a%20%22b%22%20%5C"])
@pytest.mark.parametrize(("user", "password"), [("alice", "s3cret"), ("älice 日本", "pässwörd"), ('DOM\\"al"', 'p\\"')])
async def test_any_user_password_and_realm(face: Any, origin: Origin, user: str, password: str, query: str) -> None:
    from urllib.parse import quote

    url = f"{origin.url}/digest-auth/auth/{quote(user, safe='')}/{quote(password, safe='')}/SHA-256{query}"
    async with face.client() as client:
        response = await client.get(url, auth=DigestAuth(user, password))
        assert response.status_code == 200


async def test_a_wrong_password_gives_the_401(face: Any, origin: Origin) -> None:
    async with face.client(auth=DigestAuth("alice", "wrong"), max_connections=1, timeout=5) as client:
        for _ in range(2):
            response = await client.get(origin.url + PATH)
            assert response.status_code == 401
            assert (await client.json(response))["problem"] == "the response does not match"
            assert "digest" in response.headers["www-authenticate"].lower()
    assert [bool(each) for each in credentials(origin)] == [False, True, False, True]


async def test_a_stale_nonce_is_not_seen_by_the_caller(face: Any, origin: Origin, auth: DigestAuth) -> None:
    async with face.client(auth=auth) as client:
        for _ in range(4):
            response = await client.get(origin.url + PATH + "/SHA-256/2")
            assert response.status_code == 200
    assert counts(origin) == ["", "00000001", "00000002", "00000003", "00000001", "00000002"]
    nonces = [each["nonce"] for each in credentials(origin)[1:]]
    assert nonces[0] == nonces[2] != nonces[3] == nonces[4]


async def test_a_server_that_says_stale_for_ever_ends_in_its_401(face: Any, origin: Origin, auth: DigestAuth) -> None:
    async with face.client(auth=auth) as client:
        response = await client.get(origin.url + PATH + "/MD5/0")
        assert response.status_code == 401
    assert counts(origin) == ["", "00000001", "00000001", "00000001"]


async def test_hooks_see_each_round(face: Any, origin: Origin, auth: DigestAuth) -> None:
    seen: list[Any] = []
    hooks = {
        "request": [face.hook(lambda request: seen.append("authorization" in request.headers))],
        "response": [face.hook(lambda response: seen.append(response.status_code))],
    }
    async with face.client(auth=auth, event_hooks=hooks) as client:
        response = await client.get(origin.url + PATH)
        await client.get(origin.url + PATH)
        assert "authorization" in response.request.headers
    assert seen == [False, 401, True, 200, True, 200]


async def test_a_hook_that_adds_fields_adds_them_once_to_each_round(
    face: Any, origin: Origin, auth: DigestAuth
) -> None:
    hooks = {"request": [lambda request: request.headers.add("X-Trace", "1")]}
    async with face.client(auth=auth, event_hooks=hooks) as client:
        await client.get(origin.url + PATH)
    assert [request.headers.get_list("x-trace") for request in origin.requests] == [["1"], ["1"]]


async def test_cookies_of_the_challenge_come_with_the_answer(
    face: Any, scripted: ScriptedServerFactory, auth: DigestAuth
) -> None:
    challenge = demand("Digest realm=r, nonce=n").replace(b"\r\n\r\n", b"\r\nSet-Cookie: session=new\r\n\r\n")
    server = scripted([challenge, OK])
    async with face.client(auth=auth, cookies={"a": "b"}) as client:
        await client.get(server.url)
    assert b"\r\nCookie: a=b; session=new\r\n" in server.requests[1]
    assert server.requests[1].count(b"Cookie:") == 1


async def test_auth_belongs_to_the_call_or_the_client(face: Any, origin: Origin, auth: DigestAuth) -> None:
    async with face.client(auth=auth) as client:
        assert (await client.get(origin.url + PATH, auth=None)).status_code == 401
        assert (await client.get(origin.url + PATH)).status_code == 200
        assert (await client.get(origin.url + PATH, auth=("alice", "s3cret"))).status_code == 401
        assert (await client.get(origin.url + "/basic-auth/u/p", auth=("u", "p"))).status_code == 200


async def test_one_request_object_can_be_sent_again(face: Any, origin: Origin, auth: DigestAuth) -> None:
    async with face.client(auth=auth) as client:
        request = client.raw.build_request("GET", origin.url + PATH)
        for _ in range(2):
            assert (await client.send(request)).status_code == 200
    assert counts(origin) == ["", "00000001", "00000002"]


# -- content ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("qop", ["auth", "auth-int"])
async def test_content_in_memory_is_sent_again(face: Any, origin: Origin, auth: DigestAuth, qop: str) -> None:
    url = f"{origin.url}/digest-auth/{qop}/alice/s3cret"
    async with face.client(auth=auth) as client:
        assert (await client.post(url, json={"a": 1})).status_code == 200
        assert (await client.post(url, content=b"x" * 100_000)).status_code == 200
    assert [len(request.body) for request in origin.requests] == [7, 7, 100_000]


async def test_a_file_is_sent_again(face: Any, origin: Origin, auth: DigestAuth, tmp_path: Path) -> None:
    file = tmp_path / "content"
    file.write_bytes(b"content")
    async with face.client(auth=auth) as client:
        response = await client.post(origin.url + PATH, content=file)
        assert response.status_code == 200
    assert [bytes(request.body) for request in origin.requests] == [b"content", b"content"]


async def test_what_streams_once_is_an_error_at_the_challenge_and_passes_without_one(
    face: Any, origin: Origin, auth: DigestAuth
) -> None:
    async with face.client(auth=auth) as client:
        with pytest.raises(hyperhttp.StreamConsumed, match="Digest"):
            await client.post(origin.url + PATH, content=face.pieces(b"on", b"ce"))
        assert all(each["in_use"] == 0 for each in client.raw.get_pool_stats().values())
        response = await client.post(origin.url + PATH, content=face.pieces(b"ag", b"ain"))
        assert response.status_code == 200
    assert [bytes(request.body) for request in origin.requests] == [b"once", b"again"]


class Twice:
    """Content that can be produced again."""

    def __iter__(self) -> Iterator[bytes]:
        yield b"con"
        yield b"tent"


@pytest.mark.parametrize("size", [0, 7, 900_000])
async def test_streamed_content_that_can_be_read_twice_is_hashed(
    face: Any, origin: Origin, auth: DigestAuth, tmp_path: Path, size: int
) -> None:
    file = tmp_path / "content"
    file.write_bytes(bytes(range(256)) * (size // 256) + b"c" * (size % 256))
    url = f"{origin.url}/digest-auth/auth-int/alice/s3cret/SHA-256"
    async with face.client(auth=auth) as client:
        assert (await client.post(url, content=file)).status_code == 200
        with file.open("rb") as opened:
            assert (await client.post(url, content=opened)).status_code == 200
        assert (await client.post(url, content=Twice())).status_code == 200
    assert [len(request.body) for request in origin.requests] == [size, size, size, 7]
    assert [each.get("qop") for each in credentials(origin)] == [None, *["auth-int"] * 3]


async def test_content_that_can_be_read_once_is_not_hashed_unless_it_is_loaded_first(
    face: Any, origin: Origin, auth: DigestAuth
) -> None:
    url = f"{origin.url}/digest-auth/auth-int/alice/s3cret"
    async with face.client(auth=auth) as client:
        response = await client.post(url, content=face.pieces(b"con", b"tent"))
        assert response.status_code == 401
        assert len(origin.requests) == 1
        auth.requires_request_body = True
        response = await client.post(url, content=face.pieces(b"con", b"tent"))
        assert response.status_code == 200
    assert [bytes(request.body) for request in origin.requests] == [b"content"] * 3


async def test_content_that_cannot_be_read_for_its_hash_is_an_error_that_leaves_nothing(
    face: Any, origin: Origin, auth: DigestAuth, tmp_path: Path
) -> None:
    file = tmp_path / "content"
    file.write_bytes(b"content")
    url = f"{origin.url}/digest-auth/auth-int/alice/s3cret"
    async with face.client(auth=auth) as client:
        assert (await client.post(url, content=file)).status_code == 200
        request = client.raw.build_request("POST", url, content=file)
        file.unlink()
        with pytest.raises(FileNotFoundError):
            await client.send(request)
        assert all(row["in_use"] == 0 for row in client.raw.get_pool_stats().values())
    assert len(origin.requests) == 2


# -- origins ---------------------------------------------------------------------------------------------


async def test_a_redirect_within_the_origin_is_signed_anew(face: Any, origin: Origin, auth: DigestAuth) -> None:
    async with face.client(auth=auth, follow_redirects=True) as client:
        await client.get(origin.url + PATH)
        response = await client.get(f"{origin.url}/redirect-to?url={PATH}")
        assert response.status_code == 200
    assert counts(origin) == ["", "00000001", "00000002", "00000003"]
    assert [each.get("uri") for each in credentials(origin)][2:] == [f"/redirect-to?url={PATH}", PATH]


async def test_another_origin_gets_no_answer_by_redirect(
    face: Any, origin: Origin, other: Origin, auth: DigestAuth
) -> None:
    other.clear()
    async with face.client(auth=auth, follow_redirects=True) as client:
        await client.get(origin.url + PATH)
        response = await client.get(f"{origin.url}/redirect-to?url={other.url}{PATH}")
        assert response.status_code == 401
        assert str(response.url) == other.url + PATH
    assert credentials(other) == [{}]


async def test_another_origin_learns_nothing_of_the_first(
    face: Any, origin: Origin, other: Origin, auth: DigestAuth
) -> None:
    other.clear()
    async with face.client(auth=auth) as client:
        for each in (origin, other, origin):
            assert (await client.get(each.url + PATH)).status_code == 200
    assert counts(other) == ["", "00000001"]
    assert counts(origin) == ["", "00000001", "00000002"]
    assert {each.get("nonce") for each in credentials(other)}.isdisjoint(
        each["nonce"] for each in credentials(origin)[1:]
    )


async def test_a_hook_that_leads_elsewhere_leads_to_no_answer(
    face: Any, origin: Origin, other: Origin, auth: DigestAuth
) -> None:
    other.clear()

    def divert(request: Any) -> None:
        request.url = other.url + PATH

    async with face.client(auth=auth, event_hooks={"request": [divert]}) as client:
        assert (await client.get(origin.url + PATH)).status_code == 401
    assert credentials(other) == [{}]


# -- what servers send -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "challenges",
    [
        ('Basic realm="b", Digest realm="d", nonce=n, algorithm=MD5, Digest realm="d", nonce=n, algorithm=SHA-256',),
        ('Digest realm="d", nonce=n, algorithm=SHA-256', 'Digest realm="d", nonce=n', "Negotiate"),
        ("Negotiate", 'Digest realm="no nonce"', 'digest NONCE="n",REALM="d" , Algorithm=sha-256,qop="auth-int,auth"'),
    ],
)
async def test_of_several_challenges_the_strongest_is_answered(
    face: Any, scripted: ScriptedServerFactory, auth: DigestAuth, challenges: tuple[str, ...]
) -> None:
    server = scripted([demand(*challenges), OK])
    async with face.client(auth=auth) as client:
        assert (await client.get(server.url)).status_code == 200
    assert b"algorithm=sha-256" in server.requests[1].lower()


async def test_nextnonce_is_heeded(face: Any, scripted: ScriptedServerFactory, auth: DigestAuth) -> None:
    info = OK.replace(b"\r\n\r\n", b'\r\nAuthentication-Info: nextnonce="n2", qop=auth\r\n\r\n')
    server = scripted([demand('Digest realm="r", nonce="n1", qop="auth"'), info, OK])
    async with face.client(auth=auth) as client:
        for _ in range(2):
            await client.get(server.url)
    assert b'nonce="n1"' in server.requests[1]
    assert b'nonce="n2"' in server.requests[2]
    assert b"nc=00000001" in server.requests[2]


async def test_a_large_page_with_the_challenge_does_no_harm(
    face: Any, scripted: ScriptedServerFactory, auth: DigestAuth
) -> None:
    page = b"x" * 1_000_000
    challenge = demand("Digest realm=r, nonce=n").replace(b"Content-Length: 0", b"Content-Length: %d" % len(page))
    server = scripted([challenge + page, OK])
    async with face.client(auth=auth, max_connections=1, timeout=10) as client:
        assert (await client.get(server.url)).status_code == 200


@pytest.mark.parametrize(
    "value", [b"Digest", b'Digest realm="', b"\xff\xfe", b"Digest " + b'a="' * 9000, b"Digest realm=r"]
)
async def test_a_broken_challenge_is_an_ordinary_401(
    face: Any, scripted: ScriptedServerFactory, auth: DigestAuth, value: bytes
) -> None:
    server = scripted([b"HTTP/1.1 401 No\r\nWWW-Authenticate: %b\r\nContent-Length: 2\r\n\r\nno" % value])
    async with face.client(auth=auth) as client:
        response = await client.get(server.url)
        assert response.status_code == 401
        assert await client.read(response) == b"no"


# -- many at a time --------------------------------------------------------------------------------------


async def test_many_requests_share_one_object(face: Any, origin: Origin, auth: DigestAuth) -> None:
    async with face.client(auth=auth, max_connections=10) as client:

        async def get(number: int) -> int:
            response = await client.get(f"{origin.url}{PATH}/SHA-256?{number}")
            await client.read(response)
            return response.status_code

        assert await face.together(*(get(number) for number in range(30))) == [200] * 30
        assert await get(31) == 200
    used = [(each["nonce"], each["nc"]) for each in credentials(origin) if each]
    assert len(used) == len(set(used)) == 31


async def test_http2(face: Any, auth: DigestAuth) -> None:
    with Origin(http2=True) as origin:
        url = f"{origin.https_url}/digest-auth/auth-int/alice/s3cret"
        async with face.client(auth=auth, verify=origin.ca_pem) as client:
            for _ in range(2):
                response = await client.post(url, content=b"content")
                assert (response.status_code, response.http_version) == (200, "HTTP/2")
        assert counts(origin) == ["", "00000001", "00000002"]

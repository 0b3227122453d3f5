"""``auth="scheme credentials"`` on both faces, with the core's schemes and with a plugin's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from hyperhttp import Auth, DigestAuth
from hyperhttp.plugins import hookimpl
from hyperhttp.testing import Reply

if TYPE_CHECKING:
    from hyperhttp.testing import Exchange, Origin
    from hyperhttp.testing.scripted import ScriptedServerFactory

pytestmark = pytest.mark.usefixtures("no_leaks")

BOTH = b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=x\r\nWWW-Authenticate: Stamp seal=wax\r\n\
Content-Length: 0\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class StampAuth(Auth):
    def __init__(self, credentials: str, seal: str = "none") -> None:
        self.value = f"Stamp {credentials} {seal}"

    def auth_flow(self, request: Any) -> Any:
        request.headers["Authorization"] = self.value
        yield request


class Stamp:
    @hookimpl
    def hyperhttp_register_auth_schemes(self, auth_schemes: Any) -> None:
        auth_schemes.add(
            "Stamp", StampAuth, answer=lambda challenge, text: StampAuth(text, challenge.params["seal"]), strength=30
        )


def seen(origin: Origin) -> list[str]:
    return [request.headers.get("authorization", "").partition(" ")[0] for request in origin.requests]


@pytest.mark.parametrize("where", ["client", "call", "attribute"])
@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("basic alice:s3cret", "/basic-auth/alice/s3cret"),
        ("Bearer abc.def", "/bearer"),
        ("digest alice:s3cret", "/digest-auth/auth/alice/s3cret"),
        ("any alice:s3cret", "/digest-auth/auth/alice/s3cret"),
        ("any alice:s3cret", "/basic-auth/alice/s3cret"),
        ("any abc.def", "/bearer"),
    ],
)
async def test_schemes_of_the_core(face: Any, origin: Origin, where: str, text: str, path: str) -> None:
    async with face.client(**({"auth": text} if where == "client" else {})) as client:
        if where == "attribute":
            client.raw.auth = text
        options = {"auth": text} if where == "call" else {}
        response = await client.get(origin.url + path, **options)
        assert response.status_code == 200
        assert (await client.post(origin.url + "/anything", content=b"x")).status_code == 200


async def test_any_asks_once_for_each_origin(face: Any, origin: Origin) -> None:
    async with face.client(auth="any alice:s3cret") as client:
        for _ in range(3):
            response = await client.get(f"{origin.url}/digest-auth/auth/alice/s3cret")
            assert response.status_code == 200
    assert seen(origin) == ["", "Digest", "Digest", "Digest"]


async def test_wrong_credentials_end_in_the_401(face: Any, origin: Origin) -> None:
    async with face.client(auth="any alice:wrong") as client:
        for path in ("/basic-auth/alice/s3cret", "/digest-auth/auth/alice/s3cret"):
            response = await client.get(origin.url + path)
            assert response.status_code == 401
        assert all(row["in_use"] == 0 for row in client.raw.get_pool_stats().values())


async def test_a_scheme_of_a_plugin_by_name_and_by_challenge(face: Any, scripted: ScriptedServerFactory) -> None:
    server = scripted([OK, BOTH, OK, OK])
    async with face.client(plugins=[Stamp()]) as client:
        await client.read(await client.get(server.url, auth="stamp red"))
        client.raw.auth = "any alice:s3cret"
        for _ in range(2):
            response = await client.get(server.url)
            assert (response.status_code, await client.read(response)) == (200, b"ok")
    fields = [line for request in server.requests for line in request.split(b"\r\n") if line.startswith(b"Authoriz")]
    assert fields == [b"Authorization: Stamp red none", *[b"Authorization: Stamp alice:s3cret wax"] * 2]
    assert len(server.requests) == 4


async def test_without_the_plugin_there_is_no_such_scheme(face: Any, origin: Origin) -> None:
    with pytest.raises(ValueError, match="the names are any, basic, bearer, digest"):
        face.client(auth="stamp red", plugins=[])
    async with face.client(plugins=[]) as client:
        with pytest.raises(ValueError, match="the names are") as caught:
            await client.get(f"{origin.url}/get", auth="hunter2")
    assert "hunter2" not in str(caught.value)
    assert origin.requests == []


async def test_another_origin_gets_no_answer_by_redirect(face: Any, origin: Origin, scripted: Any) -> None:
    server = scripted([BOTH])
    async with face.client(auth="any alice:s3cret", plugins=[Stamp()], follow_redirects=True) as client:
        response = await client.get(f"{origin.url}/redirect-to", params={"url": server.url + "/"})
        assert response.status_code == 401
    assert b"authorization" not in server.requests[0].lower()


async def test_content_is_sent_again_with_the_answer(face: Any, origin: Origin) -> None:
    @origin.route("/guarded", methods=("POST",))
    def guarded(exchange: Exchange) -> Reply:
        if "authorization" not in exchange.headers:
            return Reply(401, [("WWW-Authenticate", 'Basic realm="x"')], b"who?")
        return Reply(200, [], exchange.body)

    async with face.client(auth="any alice:s3cret") as client:
        response = await client.post(f"{origin.url}/guarded", content=b"content")
        assert (response.status_code, await client.read(response)) == (200, b"content")


async def test_the_scheme_itself_may_be_given_still(face: Any, origin: Origin) -> None:
    async with face.client(auth=DigestAuth("alice", "s3cret")) as client:
        assert (await client.get(f"{origin.url}/digest-auth/auth/alice/s3cret")).status_code == 200

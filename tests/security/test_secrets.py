"""Secrets that travel too far."""

from __future__ import annotations

import base64
import logging
from typing import TYPE_CHECKING, Any

import pytest

import hyperhttp
from hyperhttp import DigestAuth
from hyperhttp.testing.scripted import Close
from hyperhttp.testing.tls import shared_authority
from tests.security.conftest import leading

if TYPE_CHECKING:
    from pathlib import Path

    from hyperhttp.testing.origin import Origin
    from hyperhttp.testing.scripted import ScriptedServerFactory

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
ESTABLISHED = b"HTTP/1.1 200 Connection Established\r\n\r\n"
SPELLINGS = [str.lower, str.title, str.upper]


def last(origin: Origin, name: str) -> str | None:
    """A field of the last request that came."""
    return origin.requests[-1].headers.get(name)


def basic(pair: str) -> str:
    return f"Basic {base64.b64encode(pair.encode()).decode()}"


@pytest.mark.parametrize("spell", SPELLINGS)
@pytest.mark.parametrize("by", ["call", "client"])
async def test_cve_2018_20060_authorization_is_not_sent_to_another_origin(
    make_client: Any, here: Origin, there: Origin, protocol: str, spell: Any, by: str
) -> None:
    fields = {spell("authorization"): "Bearer secret"}
    async with make_client(follow_redirects=True, headers=fields if by == "client" else None) as client:
        response = await client.get(leading(here, f"{there.url}/get"), headers=fields if by == "call" else None)
        assert (response.status_code, response.http_version) == (200, protocol)
    assert last(here, "authorization") == "Bearer secret"
    assert last(there, "authorization") is None


@pytest.mark.parametrize("kind", ["auth", "auth of the client", "userinfo"])
async def test_cve_2022_27774_credentials_of_every_kind_stay_with_host_and_port(
    make_client: Any, here: Origin, there: Origin, kind: str
) -> None:
    async with make_client(
        follow_redirects=True, auth=("user", "secret") if kind == "auth of the client" else None
    ) as client:
        url = leading(here, f"{there.url}/get")
        options: dict[str, Any] = {"auth": hyperhttp.BearerAuth("secret")} if kind == "auth" else {}
        await client.get(url.replace("//", "//user:secret@", 1) if kind == "userinfo" else url, **options)
        await client.get(leading(here, f"http://localhost:{here.port}/get"), **options)
    assert here.requests[0].headers["authorization"]
    assert last(there, "authorization") is None
    assert last(here, "authorization") is None


async def test_cve_2018_18074_authorization_does_not_go_on_in_clear(make_client: Any, here: Origin) -> None:
    url = leading(here, f"http://localhost:{here.port}/get").replace(here.url, here.https_url)
    secrets = {"Authorization": "Bearer secret", "Cookie": "a=secret"}
    async with make_client(ssl_context=here.ssl_context(), follow_redirects="downgrade") as client:
        assert (await client.get(url, headers=secrets)).status_code == 200
    assert here.requests[0].scheme == "https"
    assert here.requests[0].headers["authorization"] == "Bearer secret"
    assert here.requests[1].scheme == "http"
    assert "secret" not in str(here.requests[1].headers.raw)


@pytest.mark.parametrize("by", ["field", "client field", "cookies", "jar", "host field"])
async def test_cve_2023_43804_cookie_is_not_sent_to_another_origin(
    make_client: Any, here: Origin, there: Origin, by: str
) -> None:
    settings: dict[str, Any] = {"headers": {"cookie": "a=secret"}} if by == "client field" else {}
    options: dict[str, Any] = {
        "field": {"headers": {"COOKIE": "a=secret"}},
        "cookies": {"cookies": {"a": "secret"}},
        "host field": {"headers": {"Host": "bank.example", "Cookie": "a=secret"}},
    }.get(by, {})
    async with make_client(follow_redirects=True, **settings) as client:
        if by == "jar":
            client.raw.cookies.set("a", "secret", domain="127.0.0.1", host_only=True)
        await client.get(leading(here, f"http://localhost:{there.port}/get"), **options)
    assert "secret" in here.requests[0].headers["cookie"]
    assert "secret" not in str(there.requests[0].headers.raw)
    assert there.requests[0].headers["host"] == f"localhost:{there.port}"


@pytest.mark.parametrize("spell", SPELLINGS)
async def test_cve_2024_37891_proxy_authorization_is_not_sent_to_another_origin(
    make_client: Any, here: Origin, there: Origin, spell: Any
) -> None:
    async with make_client(follow_redirects=True) as client:
        fields = {spell("proxy-authorization"): "Basic secret"}
        await client.get(leading(here, f"{there.url}/get"), headers=fields)
    assert "secret" not in str(there.requests[0].headers.raw)


async def test_cve_2023_32681_proxy_credentials_do_not_enter_the_tunnel(
    face: Any, scripted: ScriptedServerFactory
) -> None:
    inside = []

    def proxies(connection: Any, _: int) -> None:
        head = connection.read_until(b"\r\n\r\n")
        if not head.startswith(b"CONNECT"):
            connection.sendall(b"HTTP/1.1 302 Found\r\nLocation: https://origin.test/\r\nContent-Length: 0\r\n\r\n")
            return
        connection.sendall(ESTABLISHED)
        connection.start_tls(shared_authority().server_context(names=["origin.test"]))
        inside.append(connection.read_until(b"\r\n\r\n"))
        connection.sendall(OK)

    proxy = scripted(proxies)
    url = proxy.url.replace("//", "//user:secret@")
    async with face.client(
        proxies=url, ssl_context=shared_authority().client_context(), follow_redirects=True, timeout=10
    ) as client:
        assert await client.read(await client.get("http://origin.test/")) == b"ok"
    secret = basic("user:secret").encode().lower()
    outside = [bytes(connection.received).lower() for connection in proxy.connections]
    assert secret in outside[0]
    assert b"proxy-authorization" not in inside[0].lower()
    assert secret not in inside[0].lower()


@pytest.mark.parametrize("name", ["Authorization", "Cookie", "Proxy-Authorization"])
async def test_cve_2024_45336_what_was_left_behind_does_not_come_back(
    make_client: Any, here: Origin, there: Origin, name: str
) -> None:
    chain = leading(here, leading(there, leading(here, f"{here.url}/get")))
    async with make_client(follow_redirects=True) as client:
        response = await client.get(chain, headers={name: "a=secret"})
        assert len(response.history) == 3
    assert "secret" not in str([request.headers.raw for request in [*here.requests[1:], *there.requests]])
    assert len(here.requests) == 3


async def test_cve_2023_45289_a_subdomain_is_another_origin(make_client: Any, here: Origin, names: Any) -> None:
    async with make_client(follow_redirects=True, resolver=names) as client:
        url = leading(here, f"http://sub.example.com:{here.port}/get").replace("127.0.0.1", "example.com", 1)
        await client.get(url, headers={"Authorization": "Bearer secret", "Cookie": "a=secret"})
    assert here.requests[0].headers["authorization"] == "Bearer secret"
    assert "secret" not in str(here.requests[1].headers.raw)


@pytest.mark.parametrize("how", ["user of the url", "redirect", "another host"])
async def test_cve_2024_47081_netrc_is_looked_up_for_the_host_that_is_asked(
    make_client: Any, here: Origin, there: Origin, names: Any, tmp_path: Path, monkeypatch: Any, how: str
) -> None:
    path = tmp_path / "netrc"
    path.write_text("machine trusted.test login user password secret\n")
    monkeypatch.setenv("NETRC", str(path))
    trusted, evil = f"http://trusted.test:{here.port}", f"http://evil.test:{there.port}"
    async with make_client(follow_redirects=True, resolver=names) as client:
        await client.get(f"{trusted}/get")
        assert last(here, "authorization") == basic("user:secret")
        url = {
            "user of the url": evil.replace("//", "//trusted.test:@") + "/get",
            "redirect": leading(here, f"{evil}/get").replace(here.url, trusted),
            "another host": f"{evil}/get",
        }[how]
        await client.get(url)
    assert basic("user:secret") not in str(there.requests[0].headers.raw)


@pytest.mark.parametrize("status", [301, 302, 303])
async def test_cve_2023_45803_content_and_its_fields_do_not_survive_a_change_to_get(
    make_client: Any, here: Origin, status: int
) -> None:
    fields = {"Content-Type": "text/secret", "Content-Language": "en", "Content-Encoding": "x", "Digest": "x"}
    async with make_client(follow_redirects=True) as client:
        await client.post(leading(here, "/get", status), content=b"secret", headers=fields)
        await client.put(f"{here.url}/put", content=b"put")
        await client.get(f"{here.url}/get")
    after = here.requests[1]
    assert (after.method, after.body) == ("GET", b"")
    assert not [name for name in after.headers if name.startswith("content-")]
    assert "transfer-encoding" not in after.headers
    assert [(request.method, request.body) for request in here.requests[2:]] == [("PUT", b"put"), ("GET", b"")]


async def test_cve_2021_22876_no_referer_is_invented(make_client: Any, here: Origin, there: Origin) -> None:
    async with make_client(follow_redirects=True) as client:
        await client.get(leading(here, f"{there.url}/get").replace("//", "//user:secret@", 1))
    assert last(there, "referer") is None


async def test_cve_2020_8169_a_password_is_no_part_of_a_name_that_is_looked_up(
    make_client: Any, here: Origin, there: Origin, names: Any
) -> None:
    async with make_client(follow_redirects=True, resolver=names) as client:
        location = f"http://user:p%40ss@there.test:{there.port}/get"
        await client.get(leading(here, location).replace("127.0.0.1", "user:s%40cret@here.test", 1))
        with pytest.raises(hyperhttp.InvalidURL):
            await client.get(f"http://user:p#ss@there.test:{there.port}/")
    assert set(names.asked) <= {"here.test", "there.test"}


async def test_secrets_are_shown_in_no_error_log_or_repr(
    make_client: Any, scripted: ScriptedServerFactory, caplog: Any
) -> None:
    caplog.set_level(logging.DEBUG)
    server = scripted([[Close()]])
    url = server.url.replace("//", "//user:hunter2@") + "/?token=hunter2&q=1"
    secrets = {"Authorization": "Bearer hunter2", "X-Api-Key": "hunter2", "Cookie": "a=hunter2"}
    async with make_client(headers=secrets, auth=("user", "hunter2"), cookies={"b": "hunter2"}) as client:
        with pytest.raises(hyperhttp.TransportError) as caught:
            await client.get(url)
        error = caught.value
        shown = [client.raw, error, error.request, error.request.headers, error.request.url, client.raw.cookies]
    texts = [str(error), *map(repr, shown), caplog.text]
    assert [text for text in texts if "hunter2" in text] == []


async def test_cve_2026_7168_digest_answers_stay_with_their_origin(
    make_client: Any, here: Origin, there: Origin
) -> None:
    path = "/digest-auth/auth/user/secret"
    async with make_client(auth=DigestAuth("user", "secret"), follow_redirects=True) as client:
        assert (await client.get(here.url + path)).status_code == 200
        response = await client.get(leading(here, there.url + path))
        assert response.status_code == 401
    assert here.requests[1].headers["authorization"].startswith("Digest ")
    assert [request.headers.get("authorization") for request in there.requests] == [None]


async def test_cve_2026_3784_credentials_of_a_proxy_go_to_it_alone(face: Any, scripted: ScriptedServerFactory) -> None:
    one, other = scripted([OK], repeat=True), scripted([OK], repeat=True)
    proxies = {"http://one.test": one.url.replace("//", "//user:secret@"), "http://two.test": other.url}
    async with face.client(proxies=proxies, timeout=10) as client:
        for name in ("one", "two", "one", "two"):
            assert await client.read(await client.get(f"http://{name}.test/")) == b"ok"
    assert [b"proxy-authorization" in request.lower() for request in one.requests] == [True, True]
    assert [b"proxy-authorization" in request.lower() for request in other.requests] == [False, False]


async def test_cve_2022_22576_a_tunnel_made_with_credentials_serves_nobody_without(
    face: Any, scripted: ScriptedServerFactory
) -> None:
    def proxies(connection: Any, _: int) -> None:
        heads.append(connection.read_until(b"\r\n\r\n").lower())
        connection.sendall(ESTABLISHED)
        connection.start_tls(shared_authority().server_context(names=["origin.test"]))
        while connection.read_request():
            connection.sendall(OK)

    heads: list[bytes] = []
    proxy = scripted(proxies)
    async with face.client(ssl_context=shared_authority().client_context(), timeout=10) as client:
        for user in ("user:secret@", "", "other:secret@", "user:secret@"):
            response = await client.get("https://origin.test/", proxy=proxy.url.replace("//", f"//{user}"))
            assert await client.read(response) == b"ok"
    asked = [
        basic(pair).lower().encode() in head
        for pair, head in zip(("user:secret", "other:secret"), heads[::2], strict=True)
    ]
    assert asked == [True, True]
    assert len(heads) == 3
    assert b"proxy-authorization" not in heads[1]

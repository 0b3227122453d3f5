"""Where a client may be sent, and what it may be made to write."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

import pytest

import hyperhttp
from hyperhttp import AddressPolicy
from hyperhttp.network.addresses import Address
from hyperhttp.testing.messages import Reply
from hyperhttp.testing.scripted import Expect, Stall
from tests.security.conftest import leading

if TYPE_CHECKING:
    from pathlib import Path

    from hyperhttp.testing.origin import Origin
    from hyperhttp.testing.scripted import ScriptedServerFactory

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@pytest.mark.parametrize("how", ["default", "client", "call", "max_redirects"])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_cve_2025_50181_redirects_that_are_switched_off_are_not_followed(
    make_client: Any, here: Origin, there: Origin, how: str, status: int
) -> None:
    settings: dict[str, Any] = {
        "client": {"follow_redirects": False},
        "call": {"follow_redirects": True},
        "max_redirects": {"follow_redirects": True, "max_redirects": 0},
    }.get(how, {})
    options = {"follow_redirects": False} if how == "call" else {}
    async with make_client(retry=3, **settings) as client:
        response = await client.get(leading(here, f"{there.url}/get", status), **options)
        assert response.status_code == status
    assert there.requests == []


@pytest.mark.parametrize(
    "location",
    [
        "file:///etc/passwd", "FILE:///etc/passwd", "ftp://127.0.0.1/", "gopher://127.0.0.1:25/_x", "unix:///run/x.sock",
        "http+unix://%2Frun%2Fx.sock/", "data:,x", "javascript:alert(1)", "ws://127.0.0.1/", "socks5://127.0.0.1/", "about:blank",
    ],
)  # fmt: skip
async def test_cve_2024_2004_a_redirect_leads_to_no_other_protocol(
    make_client: Any, here: Origin, location: str
) -> None:
    @here.route("/elsewhere")
    def moved(exchange: Any) -> Reply:
        return Reply(302, [("Location", location)])

    async with make_client(follow_redirects=True) as client:
        with pytest.raises(hyperhttp.RemoteProtocolError):
            await client.get(f"{here.url}/elsewhere")
    assert len(here.requests) == 1


INSIDE = [
    "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1", "198.18.0.1",
    "::1", "::", "fe80::1", "fc00::1", "fd00:ec2::254", "::ffff:127.0.0.1", "::ffff:a00:1", "64:ff9b::7f00:1", "2002:7f00:1::",
]  # fmt: skip


@pytest.mark.parametrize("address", INSIDE)
async def test_server_side_request_forgery_by_name_or_address_is_refused(
    make_client: Any, names: Any, address: str
) -> None:
    names.table["evil"] = address
    literal = f"[{address}]" if ":" in address else address
    async with make_client(resolver=names, address_policy=AddressPolicy.public_only()) as client:
        for url in ("http://evil.test/", f"http://{literal}/"):
            with pytest.raises(hyperhttp.AddressNotAllowed):
                await client.get(url)
        assert client.raw.get_pool_stats() == {}


async def test_server_side_request_forgery_by_redirect_is_refused(face: Any, scripted: ScriptedServerFactory) -> None:
    inside = scripted([OK])
    location = f"http://127.0.0.2:{inside.port}/latest/meta-data/".encode()
    outside = scripted([b"HTTP/1.1 302 Found\r\nLocation: %b\r\nContent-Length: 0\r\n\r\n" % location])
    policy = AddressPolicy.public_only(allow=["127.0.0.1/32"])
    async with face.client(address_policy=policy, follow_redirects=True, timeout=5) as client:
        with pytest.raises(hyperhttp.AddressNotAllowed):
            await client.get(outside.url)
    assert inside.connections == []


@pytest.mark.parametrize(
    "host",
    [
        "127.1", "0x7f.1", "0177.0.0.1", "2130706433", "0x7f000001", "[::ffff:127.0.0.1]", "127.0.0.1.",
        "0", "[::]", "017700000001", "１２７.0.0.1", "127。0。0。1",
    ],
)  # fmt: skip
async def test_cve_2026_54280_a_number_is_an_address_and_not_a_name(
    make_client: Any, here: Origin, names: Any, host: str
) -> None:
    opened = here.connections.opened
    async with make_client(address_policy=AddressPolicy.public_only(), resolver=names) as client:
        with pytest.raises((hyperhttp.AddressNotAllowed, hyperhttp.InvalidURL)):
            await client.get(f"http://{host}:{here.port}/get")
    assert (names.asked, here.connections.opened) == ([], opened)


async def test_dns_rebinding_between_check_and_connect_gains_nothing(make_client: Any, here: Origin) -> None:
    class Rebinding:
        asked = 0

        async def resolve(self, host: str, port: int) -> list[Address]:
            self.asked += 1
            found = "127.0.0.9" if self.asked == 1 else "127.0.0.1"
            return [Address(socket.AF_INET, found, port)]

    rebinding = Rebinding()
    policy = AddressPolicy.public_only(allow=["127.0.0.9/32"])
    opened = here.connections.opened
    async with make_client(address_policy=policy, resolver=rebinding) as client:
        with pytest.raises(hyperhttp.ConnectError) as caught:
            await client.get(f"http://evil.test:{here.port}/get")
        assert not isinstance(caught.value, hyperhttp.AddressNotAllowed), (
            "what was checked was connected to: nobody there"
        )
        with pytest.raises(hyperhttp.AddressNotAllowed):
            await client.get(f"http://evil.test:{here.port}/get")
    assert here.connections.opened == opened


@pytest.mark.parametrize("scheme", ["socks5h", "socks4a"])
@pytest.mark.parametrize("size", [250, 256, 300, 5000, 70_000])
async def test_cve_2023_38545_a_name_longer_than_its_field_is_never_sent_to_a_socks_proxy(
    face: Any, scripted: ScriptedServerFactory, scheme: str, size: int
) -> None:
    def serve(connection: Any, _: int) -> None:
        connection.recv()
        if scheme == "socks5h":
            connection.sendall(b"\x05\x00")
            connection.stall(1)

    proxy = scripted(serve)
    host = ("a" * 60 + ".") * (size // 61) + "a" * (size % 61 or 1)
    async with face.client(proxies=f"{scheme}://127.0.0.1:{proxy.port}", timeout=0.5) as client:
        with pytest.raises((hyperhttp.InvalidURL, hyperhttp.TransportError)):
            await client.get(f"http://{host}/")
    for connection in proxy.connections:
        received = bytes(connection.received)
        at = received.find(b"\x05\x01\x00\x03")
        if at >= 0:
            assert received[at + 4] == len(host) <= 255
        assert size <= 253 or b"aaaa" not in received


@pytest.mark.parametrize(
    ("disposition", "saved"),
    [
        ('attachment; filename="../../evil"', "evil"),
        ('attachment; filename="/etc/cron.d/evil"', "evil"),
        ("attachment; filename*=UTF-8''..%2f..%2fevil", "evil"),
        ('attachment; filename="C:\\\\evil"', "evil"),
        ('attachment; filename=".curlrc"', "curlrc"),
        ('attachment; filename=".."', "file"),
    ],
)
async def test_cve_2020_8177_a_server_does_not_choose_where_a_download_goes(
    make_client: Any, here: Origin, tmp_path: Path, disposition: str, saved: str
) -> None:
    @here.route("/a/file")
    def download(exchange: Any) -> Reply:
        return Reply(200, [("Content-Disposition", disposition)], b"content")

    folder = tmp_path / "folder"
    folder.mkdir()
    async with make_client() as client:
        result = await client.download(f"{here.url}/a/file", folder)
        assert result.path == folder / saved
        assert [path.name for path in tmp_path.iterdir()] == ["folder"]
        (folder / saved).write_bytes(b"mine")
        with pytest.raises(FileExistsError):
            await client.download(f"{here.url}/a/file", folder)
    assert (folder / saved).read_bytes() == b"mine"


async def test_cve_2022_27778_a_download_that_fails_leaves_what_was_there(
    face: Any, scripted: ScriptedServerFactory, tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(b"mine")
    server = scripted([b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"])
    async with face.client(timeout=5) as client:
        with pytest.raises(hyperhttp.HyperHTTPError):
            await client.download(f"{server.url}/file", tmp_path / "file", overwrite=True)
    assert (tmp_path / "file").read_bytes() == b"mine"


@pytest.mark.parametrize(
    ("no_proxy", "url", "by_proxy"),
    [
        ("*.example.com", "http://[::1%25.example.com]:{port}/", True),
        (".example.com", "http://[::1%25x.example.com]:{port}/", True),
        ("example.com", "http://notexample.com:{port}/", True),
        ("example.com", "http://example.com.evil.test:{port}/", True),
        ("example.com", "http://example.com:{port}/", False),
    ],
)
async def test_cve_2025_22870_no_proxy_is_not_fooled(
    face: Any,
    scripted: ScriptedServerFactory,
    names: Any,
    monkeypatch: pytest.MonkeyPatch,
    no_proxy: str,
    url: str,
    by_proxy: bool,
) -> None:
    proxy, direct = scripted([OK], repeat=True), scripted([OK], repeat=True)
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    monkeypatch.setenv("NO_PROXY", no_proxy)
    async with face.client(resolver=names, timeout=5) as client:
        try:
            await client.read(await client.get(url.format(port=direct.port)))
        except (hyperhttp.InvalidURL, hyperhttp.ConnectError):
            assert by_proxy
        else:
            assert len(proxy.requests) == by_proxy
    assert len(direct.requests) == (not by_proxy)


def test_cve_2022_27775_zones_are_not_one_host() -> None:
    one, other = hyperhttp.URL("http://[fe80::1%25lo]/"), hyperhttp.URL("http://[fe80::1%25eth0]/")
    assert one.host != other.host
    assert one.origin != other.origin
    assert one.host_header == other.host_header == "[fe80::1]", "a zone is nobody else's business (RFC 6874 section 1)"


@pytest.mark.parametrize(
    "status", [b"407 Proxy Authentication Required", b"403 Forbidden", b"502 Bad Gateway", b"302 Found", b"101 X"]
)
async def test_cve_2022_42915_a_proxy_that_refuses_the_tunnel_speaks_for_itself_alone(
    face: Any, scripted: ScriptedServerFactory, status: bytes
) -> None:
    answer = b"HTTP/1.1 " + status + b"\r\nLocation: https://evil.test/\r\nContent-Length: 6\r\n\r\npoison"
    proxy = scripted.by_connection([[Expect(b"\r\n\r\n"), answer, Stall(2)]], repeat=True)
    async with face.client(proxies=proxy.url, follow_redirects=True, timeout=5) as client:
        for _ in range(2):
            with pytest.raises(hyperhttp.ProxyError):
                await client.get("https://origin.test/")
        assert client.raw.get_pool_stats() == {}
    assert all(b"origin.test" in bytes(connection.received) for connection in proxy.connections)

"""TLS: nobody is trusted by accident, and no trust is shared."""

from __future__ import annotations

import gc
import re
import ssl
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import certifi
import pytest

import hyperhttp
from hyperhttp.network.aio import AioChannel
from hyperhttp.network.blocking import BlockingChannel
from hyperhttp.testing.tls import Authority, shared_authority
from tests.behaviour.proxies.conftest import relay

if TYPE_CHECKING:
    from hyperhttp.testing.origin import Origin
    from hyperhttp.testing.scripted import ScriptedServerFactory

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


async def test_cve_2024_35195_no_trust_is_inherited_through_a_connection_that_is_kept(
    make_client: Any, here: Origin, tmp_path: Path
) -> None:
    """A connection made with other trust, names or certificates is never taken, whoever opened it first."""
    other = Authority().write_pem(tmp_path / "other.pem")
    async with make_client(verify=False) as careless, make_client(verify=str(other)) as careful:
        assert (await careless.get(f"{here.https_url}/get")).status_code == 200
        for _ in range(2):
            with pytest.raises(hyperhttp.TLSError):
                await careful.get(f"{here.https_url}/get")
        assert (await careless.get(f"{here.https_url}/get")).status_code == 200


async def test_cve_2021_22924_a_connection_is_kept_for_its_own_settings(
    face: Any, scripted: ScriptedServerFactory, here: Origin
) -> None:
    """Other names (CVE-2026-54275) and ways (CVE-2021-22890, CVE-2022-27782) are other connections."""
    tunnels = scripted(lambda connection, _: relay_to(connection))
    async with face.client(verify=here.ca_pem, timeout=10) as client:
        for url in (f"https://localhost:{here.https_port}/get", f"https://127.0.0.1:{here.https_port}/get"):
            for options in ({}, {"http2": False}, {"proxy": tunnels.url}):
                assert (await client.get(url, **options)).status_code == 200
        stats = client.raw.get_pool_stats()
        assert sum(row["total"] for row in stats.values()) == 6
    assert len({request.connection_id for request in here.requests}) == 6


def relay_to(connection: Any) -> None:
    """A proxy for tunnels."""
    head = connection.read_until(b"\r\n\r\n")
    host, _, port = head.split(b" ")[1].decode().rpartition(":")
    relay(connection, host, int(port), b"HTTP/1.1 200 Connection Established\r\n\r\n")


async def test_cve_2025_68121_no_session_is_resumed_under_other_authorities(
    make_client: Any, here: Origin, tmp_path: Path
) -> None:
    """A session that was made when everybody was trusted must not stand for a certificate that is trusted."""
    other = str(Authority().write_pem(tmp_path / "other.pem"))
    for _ in range(3):
        async with make_client(verify=here.ca_pem) as client:
            assert (await client.get(f"{here.https_url}/get")).status_code == 200
        async with make_client(verify=other) as client:
            with pytest.raises(hyperhttp.TLSError):
                await client.get(f"{here.https_url}/get")


@pytest.mark.parametrize("wrong", ["name", "authority", "expired"])
async def test_cve_2021_28363_the_certificate_of_a_proxy_is_checked(
    face: Any, scripted: ScriptedServerFactory, wrong: str
) -> None:
    authority = Authority() if wrong == "authority" else shared_authority()
    context = authority.server_context(
        names=["other.test" if wrong == "name" else "localhost"], is_expired=wrong == "expired"
    )
    proxy = scripted([OK], tls=context, repeat=True)
    async with face.client(proxies=proxy.url, ssl_context=shared_authority().client_context(), timeout=5) as client:
        for url in ("http://origin.test/", "https://origin.test/"):
            with pytest.raises(hyperhttp.TLSError):
                await client.get(url)
    assert proxy.requests == []


@pytest.mark.parametrize("secure_proxy", [False, True])
@pytest.mark.parametrize("wrong", ["name", "authority", "expired"])
async def test_cve_2022_32210_the_certificate_of_the_origin_is_checked_inside_a_tunnel(
    face: Any, scripted: ScriptedServerFactory, wrong: str, secure_proxy: bool
) -> None:
    authority = Authority() if wrong == "authority" else shared_authority()
    context = authority.server_context(
        names=["other.test" if wrong == "name" else "localhost"], is_expired=wrong == "expired"
    )
    origin = scripted([OK], tls=context, repeat=True)
    proxy = scripted(lambda connection, _: relay_to(connection), tls=secure_proxy)
    async with face.client(proxies=proxy.url, ssl_context=shared_authority().client_context(), timeout=5) as client:
        with pytest.raises(hyperhttp.TLSError):
            await client.get(f"https://localhost:{origin.port}/")
    assert origin.requests == []


async def test_cve_2019_11324_authorities_that_are_given_are_the_only_ones(
    make_client: Any, here: Origin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", here.ca_pem)  # as the system's would be
    monkeypatch.setattr("hyperhttp.network.tls.usual_stores", lambda: (here.ca_pem,))
    for verify in (certifi.where(), str(Authority().write_pem(tmp_path / "other.pem"))):
        async with make_client(verify=verify) as client:
            with pytest.raises(hyperhttp.TLSError):
                await client.get(f"{here.https_url}/get")


def test_stale_authorities_are_not_trusted_by_default(pytestconfig: pytest.Config) -> None:
    """Authorities that lost their trust left certifi with 2024.7.4."""
    project = tomllib.loads((pytestconfig.rootpath / "pyproject.toml").read_text())["project"]
    (wanted,) = [each for each in project["dependencies"] if each.startswith("certifi")]
    least = re.search(r">=\s*([\d.]+)", wanted)
    assert least is not None
    assert tuple(map(int, least[1].split("."))) >= (2024, 7, 4)
    assert "GLOBALTRUST" not in Path(certifi.where()).read_text()


@pytest.mark.parametrize("secure", [True, False])
async def test_cve_2025_47279_failed_handshakes_hold_no_memory(
    make_client: Any, here: Origin, scripted: ScriptedServerFactory, secure: bool
) -> None:
    clear = scripted.by_connection([[OK]], repeat=True)
    url = here.https_url if secure else f"https://127.0.0.1:{clear.port}"
    kinds = (AioChannel, BlockingChannel, ssl.SSLObject, ssl.SSLSocket)
    async with make_client() as client:
        for number in range(13):
            with pytest.raises(hyperhttp.TLSError):
                await client.get(url)
            if number == 0:
                before = sum(isinstance(thing, kinds) for thing in gc.get_objects())
        gc.collect()
        assert sum(isinstance(thing, kinds) for thing in gc.get_objects()) - before < 8
        assert client.raw.get_pool_stats() == {}


@pytest.mark.parametrize(
    ("certified", "asked", "good"),
    [
        ("*.example.test", "a.example.test", True),
        ("*.example.test", "a.b.example.test", False),
        ("*.example.test", "example.test", False),
        ("*.test", "127.0.0.1", False),
        ("xn--bcher-kva.test", "bücher.test", True),
        ("*.xn--bcher-kva.test", "a.bücher.test", True),
        ("127.0.0.1", "127.0.0.1", True),
        ("127.0.0.2", "127.0.0.1", False),
        ("127.0.0.1", "2130706433", False),
        ("localhost", "127.0.0.1", False),
        ("127.0.0.1", "localhost", False),
    ],
)
async def test_cve_2023_28321_a_certificate_is_for_the_names_it_says(
    face: Any, scripted: ScriptedServerFactory, names: Any, certified: str, asked: str, good: bool
) -> None:
    """Wildcards, international names, and addresses (CVE-2024-2466), however they are spelled."""
    server = scripted([OK], tls=shared_authority().server_context(names=[certified]), repeat=True)
    async with face.client(ssl_context=shared_authority().client_context(), resolver=names, timeout=5) as client:
        if good:
            assert await client.read(await client.get(f"https://{asked}:{server.port}/")) == b"ok"
        else:
            with pytest.raises((hyperhttp.TLSError, hyperhttp.InvalidURL)):
                await client.get(f"https://{asked}:{server.port}/")
    assert bool(server.requests) is good

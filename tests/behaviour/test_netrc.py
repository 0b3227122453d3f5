"""netrc on both faces: only where nothing else is said, only for the host it names, never for a later hop."""

from __future__ import annotations

import base64
import os
from typing import TYPE_CHECKING, Any

import pytest

from hyperhttp import BearerAuth, NetrcAuth
from hyperhttp.testing import Origin

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def basic(pair: str) -> str:
    return f"Basic {base64.b64encode(pair.encode()).decode()}"


NETRC = basic("stray:netrc")


@pytest.fixture
def netrc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file with an entry for this host."""
    path = tmp_path / ".netrc"
    path.write_text("machine 127.0.0.1 login stray password netrc\n")
    monkeypatch.setenv("NETRC", str(path))
    return path


@pytest.fixture
def other() -> Iterator[Origin]:
    """Another origin on the same host."""
    with Origin() as origin:
        yield origin


def seen(origin: Origin) -> list[str | None]:
    return [request.headers.get("authorization") for request in origin.requests]


async def test_it_is_used_where_nothing_else_is_said(face: Any, origin: Origin, netrc: Path) -> None:
    async with face.client() as client:
        for _ in range(2):
            await client.get(f"{origin.url}/get")
        await client.post(f"{origin.url}/anything", content=b"x")
        await client.send(client.raw.build_request("GET", f"{origin.url}/get"))
    assert seen(origin) == [NETRC] * 4


async def test_whatever_is_explicit_beats_it(face: Any, origin: Origin, netrc: Path) -> None:
    with_user = origin.url.replace("//", "//alice:s3cret@")
    async with face.client() as client:
        await client.get(f"{origin.url}/get", headers={"authorization": "mine"})
        await client.get(f"{origin.url}/get", auth=("bob", "b"))
        await client.get(f"{origin.url}/get", auth=None)
        await client.get(f"{with_user}/get")
        await client.get(f"{origin.url.replace('//', '//alice@')}/get")
    async with face.client(auth=BearerAuth("token")) as client:
        await client.get(f"{origin.url}/get")
        await client.get(f"{origin.url}/get", auth=None)
    async with face.client(headers={"Authorization": "client"}) as client:
        await client.get(f"{origin.url}/get")
    assert seen(origin) == [
        "mine", basic("bob:b"), None, basic("alice:s3cret"), basic("alice:"), "Bearer token", None, "client",
    ]  # fmt: skip


async def test_an_environment_that_is_not_trusted_is_not_asked(face: Any, origin: Origin, netrc: Path) -> None:
    async with face.client(trust_env=False) as client:
        await client.get(f"{origin.url}/get")
        await client.get(f"{origin.url}/get", auth=NetrcAuth())
    assert seen(origin) == [None, NETRC]


@pytest.mark.parametrize(
    "text",
    ["machine localhost login a password b", "default login a password b", "machine 127.0.0.1:80 login a password b"],
)
async def test_other_hosts_and_the_default_mean_nothing(face: Any, origin: Origin, netrc: Path, text: str) -> None:
    netrc.write_text(text)
    async with face.client() as client:
        await client.get(f"{origin.url}/get")
    assert seen(origin) == [None]


async def test_a_user_in_the_url_is_not_taken_for_its_host(face: Any, origin: Origin, netrc: Path) -> None:
    netrc.write_text("machine trusted.example login stray password netrc\n")
    async with face.client() as client:
        await client.get(f"{origin.url.replace('//', '//trusted.example:@')}/get")
    assert seen(origin) == [basic("trusted.example:")]


@pytest.mark.parametrize("auth", [False, True], ids=["found", "asked for"])
async def test_a_redirect_to_another_origin_carries_nothing_and_finds_nothing(
    face: Any, origin: Origin, other: Origin, netrc: Path, auth: bool
) -> None:
    options = {"auth": NetrcAuth(netrc)} if auth else {}
    async with face.client(follow_redirects=True, **options) as client:
        await client.get(f"{origin.url}/redirect-to", params={"url": f"{other.url}/get"})
        await client.get(f"{origin.url}/redirect/1")
    assert seen(other) == [None]
    assert seen(origin) == [NETRC, NETRC, NETRC]


async def test_a_file_that_changes_counts_at_once(face: Any, origin: Origin, netrc: Path) -> None:
    async with face.client() as client:
        await client.get(f"{origin.url}/get")
        netrc.write_text("machine 127.0.0.1 login new password entry\n")
        os.utime(netrc, ns=(1, 1))
        await client.get(f"{origin.url}/get")
        netrc.write_text("machine 127.0.0.1 login broken passwort hunter2\n")
        await client.get(f"{origin.url}/get")
        netrc.unlink()
        await client.get(f"{origin.url}/get")
    assert seen(origin) == [NETRC, basic("new:entry"), None, None]


async def test_a_client_that_finds_none_does_not_look_again(face: Any, origin: Origin, netrc: Path) -> None:
    text = netrc.read_text()
    netrc.unlink()
    async with face.client() as client:
        await client.get(f"{origin.url}/get")
        netrc.write_text(text)
        await client.get(f"{origin.url}/get")
        assert client.raw._core._plain, "its requests go the short way"
    assert seen(origin) == [None, None]


async def test_a_broken_file_that_was_asked_for_is_an_error(face: Any, origin: Origin, netrc: Path) -> None:
    netrc.write_text("machine 127.0.0.1 login stray passwort hunter2\n")
    async with face.client() as client:
        with pytest.raises(ValueError, match="is malformed") as caught:
            await client.get(f"{origin.url}/get", auth=NetrcAuth(netrc))
        assert all(row["in_use"] == 0 for row in client.raw.get_pool_stats().values())
    assert "hunter2" not in str(caught.value)
    assert origin.requests == []

"""Cookies that go where they do not belong, or bring what they must not."""

from __future__ import annotations

import logging
import pickle
from typing import TYPE_CHECKING, Any

import pytest

import hyperhttp
from hyperhttp import Cookies
from hyperhttp.testing.messages import Reply

if TYPE_CHECKING:
    from pathlib import Path

    from hyperhttp.testing.origin import Origin


def set_by(origin: Origin, *values: str) -> None:
    """Let ``/set`` of the origin set these cookies."""

    @origin.route("/set")
    def answer(exchange: Any) -> Reply:
        return Reply(200, [("Set-Cookie", value) for value in values], b"ok")


def sent_to(origin: Origin) -> str | None:
    return origin.requests[-1].headers.get("cookie")


@pytest.mark.parametrize(
    "domain",
    ["com", ".com", "co.uk", "CO.UK", "co.uk.", "Co.Uk.", "github.io", "example.co.uk.", "shop.example.co.uk."],
)
async def test_cve_2022_27779_no_cookie_for_a_public_suffix_in_any_spelling(
    make_client: Any, here: Origin, names: Any, domain: str
) -> None:
    set_by(here, f"evil=1; Domain={domain}", "good=1; Domain=EXAMPLE.co.uk")
    async with make_client(resolver=names) as client:
        assert (await client.get(f"http://shop.example.co.uk:{here.port}/set")).status_code == 200
        await client.get(f"http://example.co.uk:{here.port}/get")
        assert sent_to(here) == "good=1"
        await client.get(f"http://victim.co.uk:{here.port}/get")
        assert sent_to(here) is None
        assert "evil" not in client.raw.cookies


@pytest.mark.parametrize(
    "host", ["evilexample.com", "example.com.evil.test", "other.example.com", "example.org", "xample.com"]
)
async def test_cve_2018_20852_no_cookie_for_a_look_alike(make_client: Any, here: Origin, names: Any, host: str) -> None:
    set_by(here, "host=1", "evil=1; Domain=other.example.com", "look=1; Domain=ple.com")
    async with make_client(resolver=names) as client:
        await client.get(f"http://example.com:{here.port}/set")
        await client.get(f"http://example.com:{here.port}/get")
        assert sent_to(here) == "host=1"
        await client.get(f"http://{host}:{here.port}/get")
        assert sent_to(here) is None


@pytest.mark.parametrize("control", ["\x01", "\x0b", "\x1f", "\x7f"])
async def test_cve_2022_35252_a_cookie_with_controls_is_neither_kept_nor_sent(
    face: Any, scripted: Any, control: str
) -> None:
    lines = f"Set-Cookie: a{control}b=c\r\nSet-Cookie: d=e{control}f\r\nSet-Cookie: g=h; Path=/{control}\r\n"
    server = scripted(
        [f"HTTP/1.1 200 OK\r\n{lines}Set-Cookie: good=1\r\nContent-Length: 0\r\n\r\n".encode()], repeat=True
    )
    async with face.client(timeout=10) as client:
        try:
            await client.get(server.url)
        except hyperhttp.RemoteProtocolError:
            pass  # the field is refused as a whole
        try:
            await client.get(server.url)
        except hyperhttp.RemoteProtocolError:
            pass
    assert control.encode() not in server.requests[-1]
    for name, value in ((f"a{control}b", "c"), ("a", f"b{control}c"), ("a\r\nEvil", "x"), ("a", "x\r\nEvil: y")):
        with pytest.raises(hyperhttp.LocalProtocolError):
            Cookies().set(name, value)


async def test_cve_2026_9679_a_cookie_is_not_percent_decoded_into_a_field(make_client: Any, here: Origin) -> None:
    set_by(here, "a=b%0d%0aEvil:%20yes%3b", "c%0d%0a=d")
    async with make_client() as client:
        await client.get(f"{here.url}/set")
        await client.get(f"{here.url}/get")
    assert "evil" not in here.requests[-1].headers
    assert set((sent_to(here) or "").split("; ")) <= {"a=b%0d%0aEvil:%20yes%3b", "c%0d%0a=d"}


async def test_cve_2022_32205_cookies_have_a_cap(make_client: Any, here: Origin) -> None:
    set_by(here, *[f"c{number}={'v' * 400}" for number in range(120)])
    async with make_client() as client:
        for _ in range(3):
            await client.get(f"{here.url}/set")
        for number in range(8):
            set_by(here, *[f"x{number}-{each}={'v' * 100}" for each in range(100)])
            await client.get(f"{here.url}/set")
        assert len(client.raw.cookies) < 300
        assert (await client.get(f"{here.url}/get")).status_code == 200
    assert len(sent_to(here) or "") <= 16 * 1024


async def test_cve_2025_9086_a_secure_cookie_is_not_replaced_in_clear(
    make_client: Any, here: Origin, names: Any
) -> None:
    secure, clear = f"https://shop.test:{here.https_port}", f"http://shop.test:{here.port}"
    async with make_client(verify=False, resolver=names) as client:
        set_by(here, "session=good; Secure; Path=/", "__Host-a=good; Secure; Path=/")
        await client.get(f"{secure}/set")
        set_by(here, "session=evil; Path=/", "session=evil; Path=/get", "__Host-a=evil; Path=/", "__Secure-b=evil")
        await client.get(f"{clear}/set")
        await client.get(f"{secure}/get")
        assert set((sent_to(here) or "").split("; ")) == {"session=good", "__Host-a=good"}
        await client.get(f"{clear}/get")
        assert sent_to(here) is None


class Code:
    """Something that runs when it is unpickled."""

    ran = False

    def __reduce__(self) -> Any:
        return exec, (f"from {__name__} import Code; Code.ran = True",)


def test_cve_2026_34993_a_saved_jar_holds_no_code(tmp_path: Path) -> None:
    path = tmp_path / "jar"
    path.write_bytes(pickle.dumps(Code()))
    with pytest.raises((ValueError, hyperhttp.HyperHTTPError)):
        Cookies.load(path)
    assert not Code.ran
    Cookies({"a": "1"}).save(path)
    assert b"pickle" not in path.read_bytes()
    assert path.read_bytes().lstrip()[:1] in (b"{", b"[")
    assert path.stat().st_mode & 0o077 == 0


async def test_cve_2026_54279_a_host_only_cookie_stays_one_when_it_is_saved(
    make_client: Any, here: Origin, names: Any, tmp_path: Path
) -> None:
    set_by(here, "host=1; Max-Age=100", "all=1; Domain=example.com; Max-Age=100")
    async with make_client(resolver=names) as client:
        await client.get(f"http://example.com:{here.port}/set")
        client.raw.cookies.save(tmp_path / "jar")
    async with make_client(resolver=names, cookies=Cookies.load(tmp_path / "jar")) as client:
        await client.get(f"http://example.com:{here.port}/get")
        assert set((sent_to(here) or "").split("; ")) == {"host=1", "all=1"}
        await client.get(f"http://sub.example.com:{here.port}/get")
        assert sent_to(here) == "all=1"


async def test_cve_2025_69230_bad_cookies_do_not_fill_the_log(
    make_client: Any, here: Origin, caplog: Any, recwarn: Any
) -> None:
    caplog.set_level(logging.DEBUG)
    set_by(here, *["=;;=; Domain=com; Expires=nonsense"] * 200)
    async with make_client() as client:
        await client.get(f"{here.url}/set")
    assert len([record for record in caplog.records if record.name.startswith("hyperhttp")]) < 20
    assert list(recwarn) == []

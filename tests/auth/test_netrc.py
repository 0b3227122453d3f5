"""netrc files: what is found, when it is read, and what becomes of a broken one."""

from __future__ import annotations

import logging
import os
import re
from base64 import b64decode
from typing import TYPE_CHECKING, Any

import pytest

from hyperhttp.auth.basic import BasicAuth
from hyperhttp.auth.netrc import NetrcAuth, NetrcFile, find_netrc
from hyperhttp.message.request import Request

if TYPE_CHECKING:
    from pathlib import Path

TEXT = """
# a comment
  # another
macdef init
cd /pub
# within a macro

machine example.com login alice password s3cret
machine Upper.Example login up password "with blank"
machine only.example account acc password pw
machine 192.0.2.7 login ip password four
default login anybody password d3fault
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "netrc"
    path.write_text(TEXT)
    return path


def sent(auth: Any, url: str) -> str | None:
    """The credentials a scheme sends to a URL."""
    if auth is None:
        return None
    value = next(auth.auth_flow(Request("GET", url))).headers.get("authorization")
    return b64decode(value.removeprefix("Basic ")).decode() if value else None


@pytest.mark.parametrize(
    ("host", "pair"),
    [
        ("example.com", "alice:s3cret"),
        ("upper.example", "up:with blank"),
        ("only.example", "acc:pw"),
        ("192.0.2.7", "ip:four"),
        ("sub.example.com", None),
        ("example.com.evil.test", None),
        ("", None),
    ],
)
def test_a_host_gets_what_its_own_entry_says(path: Path, host: str, pair: str | None) -> None:
    assert sent(NetrcFile(path).auth_for(host), "http://x/") == pair


@pytest.mark.parametrize(
    ("url", "pair"),
    [
        ("http://example.com/", "alice:s3cret"),
        ("https://EXAMPLE.com:8443/", "alice:s3cret"),
        ("http://192.0.2.7:81/", "ip:four"),
        ("http://elsewhere.test/", "anybody:d3fault"),
        ("http://example.com:@elsewhere.test/", "anybody:d3fault"),
    ],
)
def test_a_scheme_that_was_asked_for_knows_the_default(path: Path, url: str, pair: str) -> None:
    assert sent(NetrcAuth(path), url) == pair


def test_a_host_without_an_entry_gets_none(path: Path) -> None:
    path.write_text("machine example.com login a password b\n")
    flow = NetrcAuth(path).auth_flow(Request("GET", "http://other.example/"))
    assert "authorization" not in next(flow).headers
    assert next(flow, None) is None


def test_the_file_is_read_when_needed_and_again_when_it_has_changed(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    from hyperhttp.auth import netrc as module

    parse = module._parse
    monkeypatch.setattr(module, "_parse", lambda path, stamp: (read.append(str(path)), parse(path, stamp))[1])
    file = NetrcFile(path)
    assert read == []
    for _ in range(3):
        assert file.find("example.com") == ("alice", "s3cret")
    assert len(read) == 1
    path.write_text("machine example.com login alice password another\n")
    os.utime(path, ns=(1, 1))
    assert [file.find("example.com") for _ in range(2)] == [("alice", "another")] * 2
    assert len(read) == 2
    path.unlink()
    assert file.auth_for("example.com") is None


BROKEN = [
    pytest.param(b"machine example.com login alice passwort hunter2\n", "malformed", id="word"),
    pytest.param(b"hunter2\n", "malformed", id="no machine"),
    pytest.param(b"machine example.com login \xff\xfe password hunter2\n\x80", "is not text|is malformed", id="bytes"),
    pytest.param(b"# x\n" * 300_000, "larger than 1048576 bytes", id="large"),
]


@pytest.mark.parametrize(("content", "reason"), BROKEN)
def test_a_broken_file_nobody_named_is_left_out_with_one_warning(
    path: Path, content: bytes, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    path.write_bytes(content)
    file = NetrcFile(path)
    with caplog.at_level(logging.WARNING, "hyperhttp"):
        assert [file.auth_for("example.com") for _ in range(3)] == [None] * 3
    (record,) = caplog.records
    assert re.search(reason, record.getMessage())
    assert str(path) in record.getMessage()
    assert "hunter2" not in caplog.text


@pytest.mark.parametrize(("content", "reason"), BROKEN)
def test_a_broken_file_that_was_named_is_an_error(path: Path, content: bytes, reason: str) -> None:
    path.write_bytes(content)
    flow = NetrcAuth(path).auth_flow(Request("GET", "http://example.com/"))
    with pytest.raises(ValueError, match=reason) as caught:
        next(flow)
    assert str(path) in str(caught.value)
    assert "hunter2" not in f"{caught.value}{caught.value.__cause__}"


def test_a_file_that_was_named_and_is_not_there_is_an_error(path: Path) -> None:
    auth = NetrcAuth(path.with_name("missing"))
    with pytest.raises(ValueError, match="is not there"):
        next(auth.auth_flow(Request("GET", "http://example.com/")))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")
def test_a_pipe_is_no_file_and_blocks_nobody(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert NetrcFile(tmp_path / "pipe").auth_for("example.com") is None
    assert find_netrc({"NETRC": str(tmp_path / "pipe")}) is None


def test_credentials_that_basic_cannot_carry(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path.write_text('machine example.com login "a:b" password hunter2\n')
    assert NetrcFile(path).auth_for("example.com") is None
    assert "example.com" in caplog.text
    assert "hunter2" not in caplog.text
    with pytest.raises(ValueError, match="colon"):
        next(NetrcAuth(path).auth_flow(Request("GET", "http://example.com/")))


# -- where it is -------------------------------------------------------------------------------------------------


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("files", "environ", "found"),
    [
        ([], {}, None),
        ([".netrc"], {}, ".netrc"),
        (["_netrc"], {}, "_netrc"),
        ([".netrc", "_netrc"], {}, ".netrc"),
        ([".netrc", "mine"], {"NETRC": "mine"}, "mine"),
        ([".netrc"], {"NETRC": "missing"}, None),
        ([".netrc"], {"NETRC": ""}, ".netrc"),
    ],
)
def test_where_the_file_is(home: Path, files: list[str], environ: dict[str, str], found: str | None) -> None:
    for name in files:
        (home / name).write_text(TEXT)
    file = find_netrc({name: value and str(home / value) for name, value in environ.items()})
    assert (None if file is None else file.path) == (None if found is None else home / found)


@pytest.mark.parametrize("value", [os.devnull, "/", "nul\0"])
def test_what_is_no_file_means_none(home: Path, value: str) -> None:
    (home / ".netrc").write_text(TEXT)
    assert find_netrc({"NETRC": value}) is None


def test_without_a_path_it_is_the_one_of_the_environment(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NETRC", raising=False)
    with pytest.raises(ValueError, match="there is no netrc file"):
        NetrcAuth()
    (home / ".netrc").write_text(TEXT)
    assert sent(NetrcAuth(), "http://example.com/") == "alice:s3cret"


def test_one_whose_constructor_has_failed_can_be_shown() -> None:
    half = NetrcAuth.__new__(NetrcAuth)  # what a debugger finds in the frame of the error
    assert repr(half) == "NetrcAuth()"


def test_nothing_secret_is_shown(path: Path) -> None:
    file, auth = NetrcFile(path), NetrcAuth(path)
    assert isinstance(file.auth_for("example.com"), BasicAuth)
    sent(auth, "http://example.com/")
    assert (repr(file), repr(auth)) == (f"NetrcFile({str(path)!r})", f"NetrcAuth({str(path)!r})")

"""What `check_plugin` finds, and what it lets pass."""

from __future__ import annotations

import importlib
import sys
import types
from typing import TYPE_CHECKING, Any

import pytest

import hyperhttp_brotli
import hyperhttp_zstd
from hyperhttp.exceptions import DecodingError, PluginError
from hyperhttp.plugins import Auth, ContentCoding, hookimpl
from hyperhttp.plugins.compiled import EVENTS
from hyperhttp.testing import check_plugin, checks

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def plugin(registry: str, fill: Callable[[Any], None]) -> Any:
    """An object with one hook."""

    def hook(*arguments: Any) -> None:
        fill(arguments[-1])

    namespace: dict[str, Any] = {}
    exec(f"def hyperhttp_register_{registry}(self, {registry}): hook({registry})", {"hook": hook}, namespace)
    return type("Made", (), {name: hookimpl(made) for name, made in namespace.items()})()


def problems(made: Any) -> str:
    with pytest.raises(PluginError, match="is not well-formed:") as caught:
        check_plugin(made)
    return str(caught.value)


class Coding:
    """A decoder that passes everything through; cases break one thing each."""

    pending = False

    def decode(self, data: bytes, max_length: int) -> bytes:
        return data[:max_length]

    def finish(self) -> None:
        pass


class Greedy(Coding):
    def decode(self, data: bytes, max_length: int) -> bytes:
        return data


class Early(Coding):
    def decode(self, data: bytes, max_length: int) -> bytes:
        return b"x"


class Endless(Coding):
    pending = True

    def decode(self, data: bytes, max_length: int) -> bytes:
        return b""


class Failing(Coding):
    def decode(self, data: bytes, max_length: int) -> bytes:
        if data:
            raise KeyError("of the decoder")
        return b""


class Strict(Coding):
    def decode(self, data: bytes, max_length: int) -> bytes:
        if data:
            raise DecodingError("corrupt")
        return b""


class Connector:
    default_port = 7000
    tls = False
    resolves_locally = False
    forwards = False

    def handshake(self, proxy: Any, host: str, port: int) -> Any:
        yield b"open"
        return b""


class Plain(Connector):
    def handshake(self, proxy: Any, host: str, port: int) -> Any:
        return b""


class Silent(Connector):
    def handshake(self, proxy: Any, host: str, port: int) -> Any:
        return b""
        yield


class Text(Connector):
    def handshake(self, proxy: Any, host: str, port: int) -> Any:
        yield "open"
        return b""


class Portless(Connector):
    default_port = 0


class Codec:
    name = "made"

    def dumps(self, value: Any) -> bytes:
        return repr(value).encode()

    def loads(self, data: bytes) -> Any:
        return eval(data)


class TextCodec(Codec):
    def dumps(self, value: Any) -> Any:
        return repr(value)


class Forgetful(Codec):
    def loads(self, data: bytes) -> Any:
        return None


class Key(Auth):
    def __init__(self, credentials: str) -> None:
        self.key = credentials

    def auth_flow(self, request: Any) -> Any:
        yield request


def no_credentials(_: str) -> Any:
    raise ValueError("not of this form")


def listener(**methods: Any) -> Any:
    return types.SimpleNamespace(**methods)


GOOD = [
    plugin("decoders", lambda decoders: decoders.add(ContentCoding("made", Coding, aliases=("x-made",)))),
    plugin("decoders", lambda decoders: decoders.add(ContentCoding("made", Strict))),
    plugin("auth_schemes", lambda auth_schemes: auth_schemes.add("key", Key)),
    plugin("auth_schemes", lambda auth_schemes: auth_schemes.add("key", no_credentials)),
    plugin("proxies", lambda proxies: proxies.add("made", Connector())),
    plugin("proxies", lambda proxies: proxies.add("made", Silent())),
    plugin("proxies", lambda proxies: proxies.add_selector("made", lambda: listener(select=print))),
    plugin("resolvers", lambda resolvers: resolvers.add("made", print)),
    plugin("event_hooks", lambda event_hooks: event_hooks.add("made", lambda: listener(request=lambda request: None))),
    plugin("event_hooks", lambda event_hooks: event_hooks.add("made", lambda: listener(finish=lambda *all_: None))),
    plugin("event_hooks", lambda event_hooks: event_hooks.add("made", lambda: None)),
    plugin("transports", lambda transports: transports.add("a://", lambda: listener(send=print, close=print))),
    plugin("json_codecs", lambda json_codecs: json_codecs.add(Codec())),
    plugin("commands", lambda commands: commands.add("made", print, help="say so")),
]


@pytest.mark.parametrize("made", GOOD)
def test_a_well_formed_plugin_passes(made: Any) -> None:
    assert check_plugin(made).plugins == ("Made",)


BAD = [
    ("decoders", lambda r: r.add(ContentCoding("made", Greedy)), "'made' gives more bytes at a time than it is asked"),
    ("decoders", lambda r: r.add(ContentCoding("made", Early)), "'made' gives content before it has got any"),
    ("decoders", lambda r: r.add(ContentCoding("made", Endless)), "'made' stays pending for ever"),
    ("decoders", lambda r: r.add(ContentCoding("made", Failing)), "'made' raised KeyError: 'of the decoder'"),
    ("auth_schemes", lambda r: r.add("key", str), "auth scheme 'key' makes a str, which is no Auth"),
    ("proxies", lambda r: r.add("made", Plain()), "'made' has a handshake() that is no generator"),
    ("proxies", lambda r: r.add("made", Text()), "'made' sends str in its handshake"),
    ("proxies", lambda r: r.add("made", Portless()), "'made' has the default port 0"),
    ("proxies", lambda r: r.add_selector("made", dict), "proxy selector 'made' has no method select()"),
    (
        "event_hooks",
        lambda r: r.add("made", lambda: listener(error=lambda request: None)),
        "event listener 'made' has a method error() that does not take 2 arguments",
    ),
    ("transports", lambda r: r.add("a://", lambda: listener(send=print)), "transport 'a://' has no method close()"),
    ("transports", lambda r: r.add("a://", lambda: 1 / 0), "transport 'a://' raised ZeroDivisionError"),
    ("json_codecs", lambda r: r.add(TextCodec()), "JSON codec 'made' dumps str; bytes are sent"),
    ("json_codecs", lambda r: r.add(Forgetful()), "JSON codec 'made' does not load what it dumped: {'a'"),
    ("commands", lambda r: r.add("made", print, help=" "), "command 'made' has no help"),
]


@pytest.mark.parametrize(("registry", "fill", "problem"), BAD)
def test_what_is_wrong_is_said(registry: str, fill: Any, problem: str) -> None:
    assert problem in problems(plugin(registry, fill))


def test_all_that_is_wrong_is_said_at_once() -> None:
    def fill(decoders: Any) -> None:
        decoders.add(ContentCoding("one", Greedy))
        decoders.add(ContentCoding("two", Early))

    said = problems(plugin("decoders", fill))
    assert "'one'" in said
    assert "'two'" in said


def test_what_a_client_would_refuse_is_refused() -> None:
    with pytest.raises(PluginError, match="has no hooks"):
        check_plugin(object())


def test_every_event_of_a_listener_is_known() -> None:
    assert set(checks._ARGUMENTS) == set(EVENTS)


@pytest.mark.parametrize("module", [hyperhttp_brotli, hyperhttp_zstd])
def test_the_plugins_of_this_repository_are_well_formed(module: Any) -> None:
    assert check_plugin(module).content_codings


SOURCE = """
from __future__ import annotations
from typing import TYPE_CHECKING
from hyperhttp.plugins import hookimpl
import hyperhttp.errors
if TYPE_CHECKING:
    from hyperhttp.network.base import Network
{more}
@hookimpl
def hyperhttp_register_commands(commands):
    {inside}
    commands.add("made", print, help="say so")
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    def make(more: str = "HYPERHTTP_PLUGIN_API = 1", inside: str = "pass", *, package: bool = False) -> Any:
        path = tmp_path / "made_for_checks"
        if package:
            path.mkdir()
            (path / "below.py").write_text(inside)
            path, inside = path / "__init__", "pass"
        path.with_suffix(".py").write_text(SOURCE.format(more=more, inside=inside))
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.delitem(sys.modules, "made_for_checks", raising=False)
        importlib.invalidate_caches()
        return importlib.import_module("made_for_checks")

    return make


def test_a_module_that_uses_the_public_face_passes(module: Any) -> None:
    assert "made" in check_plugin(module()).commands


def test_a_module_says_for_which_version_it_was_written(module: Any) -> None:
    assert "HYPERHTTP_PLUGIN_API = 1" in problems(module(more=""))


@pytest.mark.parametrize("package", [True, False])
def test_a_module_imports_nothing_private(module: Any, package: bool) -> None:
    said = problems(module(inside="from hyperhttp.message.url import URL", package=package))
    assert "imports hyperhttp.message.url, which is not public" in said
    assert ("below.py" in said) is package

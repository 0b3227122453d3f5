"""Is a plugin well-formed? For its author's tests: what a client would find out later, and what it never would.

It runs the plugin's hooks as a client does, then tries what they registered, without a network: decoders get bytes,
codecs values, factories are called, methods are held against the arguments they will get.
"""

from __future__ import annotations

import ast
import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from hyperhttp.exceptions import DecodingError, PluginError
from hyperhttp.message.url import URL
from hyperhttp.plugins.interfaces import Auth
from hyperhttp.plugins.manager import PluginManager

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from hyperhttp.message.coding import ContentCoding
    from hyperhttp.message.content import JsonCodec
    from hyperhttp.plugins.compiled import AuthScheme, Compiled
    from hyperhttp.plugins.interfaces import ProxyConnector

__all__ = ["check_plugin"]

#: How many arguments each method of a listener gets.
_ARGUMENTS: Final = {
    "begin": 1, "request": 1, "unanswered": 4, "response": 1, "error": 2, "finish": 3, "retry": 4, "redirect": 2,
    "end": 3, "connection": 1, "idle": 1, "close": 0,
}  # fmt: skip

#: Packages below the public face, which may change with any version.
_PRIVATE: Final = frozenset({"client", "connection", "message", "network", "pipeline", "pool", "protocol"})

_VALUES: Final[tuple[Any, ...]] = ({"a": [1, None, True, "é", 1.5]}, [], "text", 0)


def check_plugin(plugin: object) -> Compiled:
    """Check that a plugin is well-formed.

    Args:
        plugin: a module or an object, as ``Client(plugins=[...])`` takes it.

    Returns:
        What the hooks registered, beside the core's own entries.

    Raises:
        PluginError: something is wrong with it; the message lists all that was found.
    """
    manager = PluginManager(entry_points=lambda: (), environ={})
    core = manager.compile([])
    compiled = manager.compile([plugin])
    manager.compile([plugin])  # each selection of plugins asks the hooks again
    problems = [*_check_module(plugin), *_check_registered(compiled, core)]
    if problems:
        lines = "".join(f"\n- {problem}" for problem in problems)
        raise PluginError(f"the plugin {compiled.plugins[0]!r} is not well-formed:{lines}")
    return compiled


def _check_module(plugin: object) -> Iterator[str]:
    """What a module should say and should not import; an object is somebody's experiment."""
    if not inspect.ismodule(plugin):
        return
    if not hasattr(plugin, "HYPERHTTP_PLUGIN_API"):
        yield "it does not say which version of the plugin API it was written for: HYPERHTTP_PLUGIN_API = 1"
    file = getattr(plugin, "__file__", None)
    if file is None:
        return
    paths = sorted(Path(file).parent.rglob("*.py")) if hasattr(plugin, "__path__") else [Path(file)]
    for path in paths:
        for name in _imports(ast.parse(path.read_text(encoding="utf-8"))):
            package, _, below = name.partition(".")
            if package == "hyperhttp" and below.partition(".")[0] in _PRIVATE:
                yield f"{path.name} imports {name}, which is not public: import from hyperhttp or hyperhttp.plugins"


def _imports(tree: ast.AST) -> Iterator[str]:
    """Names of imported modules, but for those that only type checkers import."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module or ""
        else:
            yield from _imports(node)


def _check_registered(compiled: Compiled, core: Compiled) -> Iterator[str]:
    codings = {id(coding): coding for coding in compiled.content_codings.values()}
    known = {id(coding) for coding in core.content_codings.values()}
    for coding in codings.values():
        if id(coding) not in known:
            yield from _about(f"content coding {coding.name!r}", _check_coding, coding)
    for name, scheme in compiled.auth_schemes.items():
        if name not in core.auth_schemes:
            yield from _about(f"auth scheme {name!r}", _check_scheme, scheme)
    for name, connector in compiled.proxy_connectors.items():
        if connector is not core.proxy_connectors.get(name):
            yield from _about(f"the connector for proxy scheme {name!r}", _check_connector, name, connector)
    yield from _each("proxy selector", compiled.proxy_selectors, "select")
    for source in compiled.listener_sources:
        yield from _about(f"event listener {source.name!r}", _check_listener, source.factory())
    mounts = {f"{mount.scheme}://{mount.host}": mount.factory for mount in compiled.transports}
    yield from _each("transport", mounts, "send", "close")
    for name, codec in compiled.json_codecs.items():
        if codec is not core.json_codecs.get(name):
            yield from _about(f"JSON codec {name!r}", _check_codec, codec)
    for name, command in compiled.commands.items():
        if name not in core.commands and not command.help.strip():
            yield f"command {name!r} has no help"


def _about(label: str, check: Callable[..., Iterator[str]], *arguments: Any) -> Iterator[str]:
    """The problems of one entry; an exception nobody expects is one."""
    try:
        yield from (f"{label} {problem}" for problem in check(*arguments))
    except Exception as error:  # noqa: BLE001 - whatever the plugin raises is what its author wants to know
        yield f"{label} raised {type(error).__name__}: {error}"


def _each(kind: str, factories: Mapping[str, Callable[[], Any]], *methods: str) -> Iterator[str]:
    """Make one with each factory and look for its methods."""

    def lacking(factory: Callable[[], Any]) -> Iterator[str]:
        made = factory()
        yield from (f"has no method {method}()" for method in methods if not callable(getattr(made, method, None)))

    for name, factory in factories.items():
        yield from _about(f"{kind} {name!r}", lacking, factory)


def _check_coding(coding: ContentCoding) -> Iterator[str]:
    decoder = coding.decoder()
    if decoder.pending or decoder.decode(b"", 16):
        yield "gives content before it has got any"
    try:
        pieces = [decoder.decode(b"\xff" * 1000, 16)]
        while decoder.pending and len(pieces) < 100_000:
            pieces.append(decoder.decode(b"", 16))
        if any(len(piece) > 16 for piece in pieces):
            yield "gives more bytes at a time than it is asked for"
        if decoder.pending:
            yield "stays pending for ever"
        decoder.finish()
    except DecodingError:
        pass  # a thousand times 0xff is no content of most codings


def _check_scheme(scheme: AuthScheme) -> Iterator[str]:
    for credentials in ("user:password", "token"):
        try:
            auth: object = scheme.factory(credentials)
        except ValueError:
            continue  # not of the form the scheme needs
        if not isinstance(auth, Auth):
            yield f"makes a {type(auth).__name__}, which is no Auth"
            return


def _check_connector(scheme: str, connector: ProxyConnector) -> Iterator[str]:
    if not 0 < connector.default_port < 65536:
        yield f"has the default port {connector.default_port}"
    handshake: Any = connector.handshake(URL(f"{scheme}://user:password@proxy.test"), "host.test", 443)
    if not inspect.isgenerator(handshake):
        yield "has a handshake() that is no generator: it must yield what it sends"
        return
    try:
        sent: object = next(handshake)
    except StopIteration:
        return  # nothing to say before the tunnel stands
    if not isinstance(sent, (bytes, bytearray, memoryview)):
        yield f"sends {type(sent).__name__} in its handshake; bytes are sent"
    handshake.close()


def _check_listener(listener: Any) -> Iterator[str]:
    for event, count in _ARGUMENTS.items():
        method = getattr(listener, event, None)
        if not callable(method):
            continue
        try:
            inspect.signature(method).bind(*range(count))
        except TypeError:
            yield f"has a method {event}() that does not take {count} arguments"


def _check_codec(codec: JsonCodec) -> Iterator[str]:
    for value in _VALUES:
        data: Any = codec.dumps(value)
        if not isinstance(data, bytes):
            yield f"dumps {type(data).__name__}; bytes are sent"
            return
        if codec.loads(data) != value:
            yield f"does not load what it dumped: {value!r}"

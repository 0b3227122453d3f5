"""The hooks: what HyperHTTP asks of a plugin. The docstring of each is its contract.

A hook is asked once for each selection of plugins, when the first client with that selection is made: never
on import, never on the way of a request. It gets one registry, fills it, and returns nothing. What must not
be shared between clients is registered as a factory.

A plugin states the version of this API that it was written for:

    HYPERHTTP_PLUGIN_API = 1

One that states nothing is taken to be written for version 1; any other version is refused with a
`PluginError`. Within a version, hooks may be added and may grow arguments: an implementation names only the
arguments it uses, so that it keeps working. A version goes up when an implementation would have to change.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pluggy

from hyperhttp.plugins.interfaces import HOOK_PREFIX, HYPERHTTP_PLUGIN_API, PROJECT

if TYPE_CHECKING:
    from hyperhttp.plugins.registry import (
        AuthSchemeRegistry,
        CommandRegistry,
        DecoderRegistry,
        EventHookRegistry,
        JsonCodecRegistry,
        ProxyRegistry,
        ResolverRegistry,
        TransportRegistry,
    )

__all__ = [
    "HOOK_PREFIX",
    "HYPERHTTP_PLUGIN_API",
    "PROJECT",
    "hookimpl",
    "hookspec",
    "hyperhttp_register_auth_schemes",
    "hyperhttp_register_commands",
    "hyperhttp_register_decoders",
    "hyperhttp_register_event_hooks",
    "hyperhttp_register_json_codecs",
    "hyperhttp_register_proxies",
    "hyperhttp_register_resolvers",
    "hyperhttp_register_transports",
]

hookspec: Final = pluggy.HookspecMarker(PROJECT)

hookimpl: Final = pluggy.HookimplMarker(PROJECT)
"""Marks a function as the implementation of the hook it is named after."""


@hookspec
def hyperhttp_register_decoders(decoders: DecoderRegistry) -> None:
    """Add content codings, which responses are decoded from (RFC 9110 8.4).

    A coding that is added is offered in Accept-Encoding. Its decoder is made when the first byte of a
    response with that coding arrives, one per response; it gives bounded pieces and raises `DecodingError`
    for content that is corrupt or cut short. See `Decoder`.

    Args:
        decoders: `add(coding)`; the core's ``gzip`` and ``deflate`` are there already.

    Example::

        from hyperhttp.plugins import ContentCoding, hookimpl

        class Rot13Decoder:
            TABLE = bytes.maketrans(b"abcdefghijklmnopqrstuvwxyz", b"nopqrstuvwxyzabcdefghijklm")

            def __init__(self):
                self.held = b""

            @property
            def pending(self):
                return bool(self.held)

            def decode(self, data, max_length):
                data = self.held + data
                data, self.held = data[:max_length], data[max_length:]
                return data.translate(self.TABLE)

            def finish(self):
                pass  # every end of such content is a good end

        @hookimpl
        def hyperhttp_register_decoders(decoders):
            decoders.add(ContentCoding("rot13", Rot13Decoder, aliases=("x-rot13",)))
    """


@hookspec
def hyperhttp_register_auth_schemes(auth_schemes: AuthSchemeRegistry) -> None:
    """Add authentication schemes by name (RFC 9110 11.1).

    A scheme is picked by name, with credentials as one types them, or because a server asks for it and the
    scheme can answer the challenge. Of several challenges the strongest that can be answered is taken.

    Args:
        auth_schemes: `add(name, factory, answer=None, strength=0)`; see `AuthScheme`.

    Example::

        from hyperhttp.plugins import Auth, hookimpl

        class ApiKeyAuth(Auth):
            def __init__(self, credentials):
                self.key = credentials

            def auth_flow(self, request):
                request.headers["Authorization"] = f"ApiKey {self.key}"
                yield request

        @hookimpl
        def hyperhttp_register_auth_schemes(auth_schemes):
            auth_schemes.add("ApiKey", ApiKeyAuth, answer=lambda challenge, key: ApiKeyAuth(key), strength=5)
    """


@hookspec
def hyperhttp_register_proxies(proxies: ProxyRegistry) -> None:
    r"""Add proxy URL schemes, and selectors that choose a proxy for a URL.

    A connector speaks to the proxy until the connection leads to the target; see `ProxyConnector`. A
    selector is asked where neither the call nor the client names a proxy, before the environment is.

    Args:
        proxies: `add(scheme, connector)` and `add_selector(name, factory)`.

    Example::

        from hyperhttp.plugins import DIRECT, ProxyError, hookimpl

        class LineProxy:  # one line to the proxy, one line back
            default_port = 7000
            tls = False
            resolves_locally = False
            forwards = False

            def handshake(self, proxy, host, port):
                data = yield f"OPEN {host} {port}\r\n".encode()
                while b"\n" not in data:
                    more = yield b""
                    if not more:
                        raise ProxyError("the proxy closed the connection")
                    data += more
                line, _, rest = data.partition(b"\n")
                if line.strip() != b"OK":
                    raise ProxyError("the proxy refused")
                return rest

        class OnlyForInternalNames:
            def select(self, url):
                return "line://proxy.internal" if url.host.endswith(".internal") else DIRECT

        @hookimpl
        def hyperhttp_register_proxies(proxies):
            proxies.add("line", LineProxy())
            proxies.add_selector("internal", OnlyForInternalNames)
    """


@hookspec
def hyperhttp_register_resolvers(resolvers: ResolverRegistry) -> None:
    """Add resolvers, which find the addresses of a host.

    ``Client(resolver="name")`` picks one; the one added with ``default=True`` serves clients that name none.
    Caching, the order of addresses and the address policy are the core's and stay in force.

    Args:
        resolvers: `add(name, factory, default=False)`; the core's ``system`` is there already.

    Example::

        import socket
        from hyperhttp.network.addresses import Address
        from hyperhttp.plugins import hookimpl

        class HostsResolver:
            def __init__(self, network):
                self.network = network  # network.call(function, ...) runs what blocks

            async def resolve(self, host, port):
                return [Address(socket.AF_INET, "127.0.0.1", port)]

        @hookimpl
        def hyperhttp_register_resolvers(resolvers):
            resolvers.add("hosts", HostsResolver)
    """


@hookspec
def hyperhttp_register_event_hooks(event_hooks: EventHookRegistry) -> None:
    """Add listeners for what happens inside a client: tracing, metrics, logging.

    Each event is a method of the listener, told in `EventListener`: from the begin of a call to its end, and
    what becomes of connections. An event that nobody listens to costs nothing.

    Args:
        event_hooks: `add(name, factory)`; the factory makes one listener per client.

    Example::

        from hyperhttp.plugins import EventListener, hookimpl

        class Counter(EventListener):
            def __init__(self):
                self.sent = 0

            def request(self, request):
                self.sent += 1

        @hookimpl
        def hyperhttp_register_event_hooks(event_hooks):
            event_hooks.add("counter", Counter)
    """


@hookspec
def hyperhttp_register_transports(transports: TransportRegistry) -> None:
    """Add transports, which serve whole URL schemes, or hosts and ports of any scheme, in their own way.

    Args:
        transports: `add(pattern, factory)`, with patterns such as ``memory://`` and ``all://*.test:8080``.

    Example::

        from hyperhttp.plugins import hookimpl

        class TeapotTransport:
            async def send(self, request):
                from hyperhttp import Response

                return Response(status_code=418, request=request)

            def close(self):
                pass

        @hookimpl
        def hyperhttp_register_transports(transports):
            transports.add("coffee://", TeapotTransport)
            transports.add("all://*.teapot.test", TeapotTransport)
    """


@hookspec
def hyperhttp_register_json_codecs(json_codecs: JsonCodecRegistry) -> None:
    """Add JSON codecs, which turn ``json=`` into bytes and content into values.

    The one added with ``default=True`` takes the place of the core's choice (orjson where it is installed).

    Args:
        json_codecs: `add(codec, default=False)`; see `JsonCodec`.

    Example::

        import json
        from hyperhttp.plugins import hookimpl

        class SortedCodec:
            name = "sorted"

            def dumps(self, obj):
                return json.dumps(obj, sort_keys=True, separators=(",", ":")).encode()

            def loads(self, data):
                return json.loads(data)

        @hookimpl
        def hyperhttp_register_json_codecs(json_codecs):
            json_codecs.add(SortedCodec(), default=True)
    """


@hookspec
def hyperhttp_register_commands(commands: CommandRegistry) -> None:
    """Add commands to the command line: ``hyperhttp NAME ...``.

    Args:
        commands: `add(name, run, help=...)`; `run` gets the arguments after the name, returns the exit code.

    Example::

        from hyperhttp.plugins import hookimpl

        def greet(arguments):
            print("hello", *arguments)
            return 0

        @hookimpl
        def hyperhttp_register_commands(commands):
            commands.add("greet", greet, help="say hello")
    """

"""The registries that hooks fill, one class per kind, and what they are compiled into.

A hook gets one registry and calls its ``add``. When every plugin has been asked, `Registries.compile`
closes them and gives a `Compiled`: read-only mappings and tuples. That is all a client sees of plugins;
this module and pluggy are not met again on the way of a request.

Two plugins that add the same name are an error that names both: which one wins would otherwise depend on
their names. Whoever means to replace an entry, a built-in one for instance, says ``replace=True``.
"""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from hyperhttp.auth.base import ANY
from hyperhttp.exceptions import PluginError
from hyperhttp.message.coding import ContentCoding, accept_encoding
from hyperhttp.plugins.compiled import AuthScheme, Command, Compiled, ListenerSource, Mount

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from hyperhttp.message.content import JsonCodec
    from hyperhttp.network.base import Network
    from hyperhttp.network.resolver import Resolver
    from hyperhttp.plugins.interfaces import (
        Auth,
        Challenge,
        ProxyConnector,
        ProxySelector,
        Transport,
    )

__all__ = [
    "BUILTIN",
    "AuthSchemeRegistry",
    "CommandRegistry",
    "DecoderRegistry",
    "EventHookRegistry",
    "JsonCodecRegistry",
    "ProxyRegistry",
    "Registries",
    "Registry",
    "ResolverRegistry",
    "TransportRegistry",
]

BUILTIN: Final = "the core"
"""How messages name the built-in plugin; what it marks as default gives way to a plugin's default."""

_CORE_COMMANDS: Final = frozenset({"demo", "help", "plugins", "version"})
"""Commands that no plugin may take."""

_TCHARS: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # RFC 9110 5.6.2
_SCHEME: Final = r"[A-Za-z][A-Za-z0-9+.-]*"  # RFC 3986 3.1
_COMMAND: Final = r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*"

T = TypeVar("T")


class Registry(Generic[T]):
    """Names and what was added under them, with who added it. Base of the registries.

    Attributes:
        kind: What an entry is called in messages.
    """

    kind = "entry"

    __slots__ = ("_closed", "_entries", "_owner", "_owners")

    def __init__(self) -> None:
        self._entries: dict[str, T] = {}
        self._owners: dict[str, str] = {}
        self._owner = BUILTIN
        self._closed = False

    def open_for(self, owner: str) -> None:
        """Entries that follow are `owner`'s. The manager says so before it calls a plugin."""
        self._owner = owner

    def close(self) -> None:
        """Refuse entries from now on: they would reach nobody."""
        self._closed = True

    def _put(self, name: str, entry: T, *, replace: bool) -> None:
        if self._closed:
            raise PluginError(f"{self.kind} {name!r} comes too late: a registry can be filled only while its hook runs")
        if name in self._entries and not replace:
            raise PluginError(
                f"{self.kind} {name!r} is already registered by {self._owners[name]};"
                " add(..., replace=True) would replace it"
            )
        self._entries[name] = entry
        self._owners[name] = self._owner

    def _name(self, name: object, pattern: str, form: str) -> str:
        if not isinstance(name, str) or re.fullmatch(pattern, name) is None:
            raise PluginError(f"{name!r} cannot name a {self.kind}: {form} is needed")
        return name.lower()

    def _callable(self, value: object, what: str) -> None:
        if not callable(value):
            raise PluginError(f"{what} of a {self.kind} must be callable, not {type(value).__name__}")


class _DefaultRegistry(Registry[T]):
    """A registry in which one entry may be the one that clients use unasked."""

    __slots__ = ("default",)

    def __init__(self) -> None:
        super().__init__()
        self.default: str | None = None

    def _put_default(self, name: str, *, default: bool, replace: bool) -> None:
        """Note who is the default. The core's gives way; two plugins that both want to be are an error."""
        if not default:
            return
        held = self.default
        if held is not None and held != name and self._owners[held] != BUILTIN and not replace:
            raise PluginError(
                f"{self.kind} {name!r} cannot be the default: {held!r} by {self._owners[held]} already is;"
                " choose one with Client(plugins=[...])"
            )
        self.default = name


class DecoderRegistry(Registry[ContentCoding]):
    """Content codings that responses are decoded from (RFC 9110 8.4)."""

    kind = "content coding"
    __slots__ = ()

    def add(self, coding: ContentCoding, *, replace: bool = False) -> None:
        """Decode content that names this coding, and offer it in Accept-Encoding if ``coding.accept``.

        Args:
            coding: Name, aliases and a function that makes a decoder. The function is called when the
                first byte of a response with that coding arrives: import a heavy package there.
            replace: Take the place of codings of the same name or alias, a built-in one for instance.

        Raises:
            PluginError: a name is taken, is not a token, or is ``identity``.
        """
        if not isinstance(coding, ContentCoding):
            raise PluginError(f"a ContentCoding is needed, not {type(coding).__name__}")
        self._callable(coding.decoder, "the decoder")
        names = [self._name(name, _TCHARS, "a token") for name in (coding.name, *coding.aliases)]
        if "identity" in names or "*" in names:
            raise PluginError("'identity' and '*' mean something else in Accept-Encoding")
        for name in names:
            self._put(name, coding, replace=replace)

    def compile(self) -> tuple[Mapping[str, ContentCoding], str]:
        """By name and alias; and the value of Accept-Encoding, in the order of adding."""
        return MappingProxyType(dict(self._entries)), accept_encoding(self._entries)


class AuthSchemeRegistry(Registry[AuthScheme]):
    """Authentication schemes by name (RFC 9110 11.1)."""

    kind = "auth scheme"
    __slots__ = ()

    def add(
        self,
        name: str,
        factory: Callable[[str], Auth],
        *,
        answer: Callable[[Challenge, str], Auth | None] | None = None,
        strength: int = 0,
        replace: bool = False,
    ) -> None:
        """Make a scheme known. The arguments are those of `AuthScheme`.

        Raises:
            PluginError: the name is taken, is not a token, or is ``any``, which stands for all.
        """
        name = self._name(name, _TCHARS, "a token")
        if name == ANY:
            raise PluginError(f"{ANY!r} cannot name an {self.kind}: it stands for whatever a server asks for")
        self._callable(factory, "the factory")
        if answer is not None:
            self._callable(answer, "the answer")
        self._put(name, AuthScheme(name, factory, answer, strength), replace=replace)

    def compile(self) -> Mapping[str, AuthScheme]:
        """By name, in lower case."""
        return MappingProxyType(dict(self._entries))


class ProxyRegistry(Registry["ProxyConnector"]):
    """Proxy URL schemes, and who chooses a proxy."""

    kind = "proxy scheme"
    __slots__ = ("_selectors",)

    def __init__(self) -> None:
        super().__init__()
        self._selectors = _SelectorRegistry()

    def open_for(self, owner: str) -> None:
        """Entries that follow are `owner`'s."""
        super().open_for(owner)
        self._selectors.open_for(owner)

    def close(self) -> None:
        """Refuse entries from now on."""
        super().close()
        self._selectors.close()

    def add(self, scheme: str, connector: ProxyConnector, *, replace: bool = False) -> None:
        """Serve proxy URLs of a scheme, such as ``socks5``.

        Args:
            scheme: Without ``://``.
            connector: Shared by all clients: it keeps no state between handshakes.
            replace: Take the place of the scheme's connector, a built-in one for instance.

        Raises:
            PluginError: the scheme is taken or malformed, or the connector lacks a member.
        """
        scheme = self._name(scheme, _SCHEME, "a URL scheme")
        lacking = [
            name
            for name in ("default_port", "tls", "resolves_locally", "forwards", "handshake")
            if not hasattr(connector, name)
        ]
        if lacking:
            raise PluginError(f"the connector for proxy scheme {scheme!r} lacks {', '.join(lacking)}")
        self._put(scheme, connector, replace=replace)

    def add_selector(self, name: str, factory: Callable[[], ProxySelector], *, replace: bool = False) -> None:
        """Ask a selector for the proxy of each URL that neither the call nor the client names one for.

        Args:
            name: Names the selector where a decision is explained.
            factory: Makes the selector; called once per client.
            replace: Take the place of the selector of that name.

        Raises:
            PluginError: the name is taken or is not a token.
        """
        self._selectors.add(name, factory, replace=replace)

    def compile(self) -> tuple[Mapping[str, ProxyConnector], Mapping[str, Callable[[], ProxySelector]]]:
        """Connectors by scheme; factories of selectors by name, in the order to ask them."""
        return MappingProxyType(dict(self._entries)), self._selectors.compile()


class _SelectorRegistry(Registry["Callable[[], ProxySelector]"]):
    """The second half of `ProxyRegistry`."""

    kind = "proxy selector"
    __slots__ = ()

    def add(self, name: str, factory: Callable[[], ProxySelector], *, replace: bool) -> None:
        name = self._name(name, _TCHARS, "a token")
        self._callable(factory, "the factory")
        self._put(name, factory, replace=replace)

    def compile(self) -> Mapping[str, Callable[[], ProxySelector]]:
        return MappingProxyType(dict(self._entries))


class ResolverRegistry(_DefaultRegistry["Callable[[Network], Resolver]"]):
    """DNS resolvers by name."""

    kind = "resolver"
    __slots__ = ()

    def add(
        self,
        name: str,
        factory: Callable[[Network], Resolver],
        *,
        default: bool = False,
        replace: bool = False,
    ) -> None:
        """Make a resolver known.

        Args:
            name: What ``Client(resolver="name")`` picks it by.
            factory: Makes the resolver from the client's `Network`, whose ``call`` runs what blocks; called
                once per event loop of a client that uses it.
            default: Whether clients use it unasked, in the place of the system's resolver.
            replace: Take the place of the resolver of that name.

        Raises:
            PluginError: the name is taken or is not a token, or there is a default already.
        """
        name = self._name(name, _TCHARS, "a token")
        self._callable(factory, "the factory")
        self._put(name, factory, replace=replace)
        self._put_default(name, default=default, replace=replace)

    def compile(self) -> Mapping[str, Callable[[Network], Resolver]]:
        """Factories by name."""
        return MappingProxyType(dict(self._entries))


class JsonCodecRegistry(_DefaultRegistry["JsonCodec"]):
    """What turns ``json=`` into bytes and a response's content into values."""

    kind = "JSON codec"
    __slots__ = ()

    def add(self, codec: JsonCodec, *, default: bool = False, replace: bool = False) -> None:
        """Make a codec known by its own name.

        Args:
            codec: Shared by all clients and threads: it keeps no state.
            default: Whether clients use it unasked, in the place of the core's.
            replace: Take the place of the codec of that name.

        Raises:
            PluginError: the name is taken or is not a token, or there is a default already, or the codec
                lacks a member.
        """
        lacking = [member for member in ("name", "dumps", "loads") if not hasattr(codec, member)]
        if lacking:
            raise PluginError(f"JSON codec {type(codec).__name__} lacks {', '.join(lacking)}")
        name = self._name(codec.name, _TCHARS, "a token")
        self._put(name, codec, replace=replace)
        self._put_default(name, default=default, replace=replace)

    def compile(self) -> tuple[Mapping[str, JsonCodec], JsonCodec | None]:
        """By name; and the default, if any."""
        return MappingProxyType(dict(self._entries)), self._entries[self.default] if self.default else None


class EventHookRegistry(Registry["Callable[[], object]"]):
    """Listeners for what happens inside a client."""

    kind = "event listener"
    __slots__ = ()

    def add(self, name: str, factory: Callable[[], object], *, replace: bool = False) -> None:
        """Tell each client's events to a listener of its own.

        Args:
            name: Names the listener in messages.
            factory: Makes the listener, an `EventListener` or an object with some of its methods; called
                once per client, so that listeners may keep state. None sits that client out.
            replace: Take the place of the listener of that name.

        Raises:
            PluginError: the name is taken or is not a token.
        """
        name = self._name(name, _TCHARS, "a token")
        self._callable(factory, "the factory")
        self._put(name, factory, replace=replace)

    def compile(self) -> tuple[ListenerSource, ...]:
        """In the order of adding."""
        return tuple(ListenerSource(name, self._owners[name], factory) for name, factory in self._entries.items())


class TransportRegistry(Registry[Mount]):
    """Transports for URL schemes, hosts and ports."""

    kind = "transport"
    __slots__ = ()

    def add(self, pattern: str, factory: Callable[[], Transport], *, replace: bool = False) -> None:
        """Send what goes to matching URLs through a transport of one's own.

        Args:
            pattern: ``scheme://``, ``scheme://host``, ``scheme://*.domain:port``; ``all`` is any scheme.
            factory: Makes the transport; called once per client that meets such a URL.
            replace: Take the place of the transport of that pattern. Needed for ``http://``, ``https://``
                and ``all://`` too, which would take every request from the core.

        Raises:
            PluginError: the pattern is taken or malformed.
        """
        from hyperhttp.message.pattern import URLPattern  # for those who mount something

        try:
            parsed = URLPattern.parse(pattern)
        except ValueError as error:
            raise PluginError(str(error)) from None
        if parsed in [(scheme, "", None) for scheme in ("http", "https", "all")] and not replace:
            raise PluginError(f"transport {pattern!r} would take every request: that needs add(..., replace=True)")
        self._callable(factory, "the factory")
        self._put(str(parsed), Mount(*parsed, factory), replace=replace)

    def compile(self) -> tuple[Mount, ...]:
        """The most precise first, so that the first that matches is the one."""
        return tuple(sorted(self._entries.values(), key=lambda mount: mount.precision, reverse=True))


class CommandRegistry(Registry[Command]):
    """Commands of the command line."""

    kind = "command"
    __slots__ = ()

    def add(
        self,
        name: str,
        run: Callable[[Sequence[str]], int],
        *,
        help: str,  # noqa: A002 - argparse's word
        replace: bool = False,
    ) -> None:
        """Add ``hyperhttp NAME``. The arguments are those of `Command`.

        Raises:
            PluginError: the name is taken, is a command of the core, or has other characters than
                lower-case letters, digits and hyphens.
        """
        name = self._name(name, _COMMAND, "a word of lower-case letters, digits and hyphens")
        if name in _CORE_COMMANDS:
            raise PluginError(f"command {name!r} belongs to the core")
        self._callable(run, "the function")
        self._put(name, Command(name, run, help), replace=replace)

    def compile(self) -> Mapping[str, Command]:
        """By name, sorted."""
        return MappingProxyType(dict(sorted(self._entries.items())))


class Registries:
    """One registry of each kind; each attribute is the argument of the hook named after it."""

    def __init__(self) -> None:
        self.decoders = DecoderRegistry()
        self.auth_schemes = AuthSchemeRegistry()
        self.proxies = ProxyRegistry()
        self.resolvers = ResolverRegistry()
        self.event_hooks = EventHookRegistry()
        self.transports = TransportRegistry()
        self.json_codecs = JsonCodecRegistry()
        self.commands = CommandRegistry()

    def by_argument(self) -> dict[str, Registry[Any]]:
        """The registries by the name of the hook's argument, in the order they are filled."""
        return dict(vars(self))

    def compile(self, plugins: Sequence[str]) -> Compiled:
        """Close the registries and give what they hold."""
        for registry in self.by_argument().values():
            registry.close()
        content_codings, accept_encoding = self.decoders.compile()
        proxy_connectors, proxy_selectors = self.proxies.compile()
        json_codecs, json_codec = self.json_codecs.compile()
        return Compiled(
            plugins=tuple(plugins),
            content_codings=content_codings,
            accept_encoding=accept_encoding,
            auth_schemes=self.auth_schemes.compile(),
            proxy_connectors=proxy_connectors,
            proxy_selectors=proxy_selectors,
            resolvers=self.resolvers.compile(),
            default_resolver=self.resolvers.default,
            listener_sources=self.event_hooks.compile(),
            transports=self.transports.compile(),
            json_codecs=json_codecs,
            json_codec=json_codec,
            commands=self.commands.compile(),
        )

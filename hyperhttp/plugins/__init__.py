"""Everything a plugin needs, and what the client asks of plugins.

A plugin is a module, or an object, whose functions carry `hookimpl` and are named as in
`hyperhttp.plugins.hookspecs`. It is found through an entry point of the group ``hyperhttp``:

    [project.entry-points.hyperhttp]
    brotli = "hyperhttp_brotli"

Importing this package loads nothing else: each name is fetched from its module when it is first used, so
`import hyperhttp` pays for no plugin, nor for pluggy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from hyperhttp.plugins.compiled import AuthScheme, Command, Compiled, Listeners, Mount
    from hyperhttp.plugins.hookspecs import hookimpl
    from hyperhttp.plugins.interfaces import (
        DIRECT,
        HYPERHTTP_PLUGIN_API,
        Address,
        Auth,
        Challenge,
        ConnectionEvent,
        ContentCoding,
        Decoder,
        DecodingError,
        EventListener,
        JsonCodec,
        Network,
        Onward,
        PluginError,
        ProxyConnector,
        ProxyError,
        ProxySelector,
        Resolver,
        Transport,
        UpgradedStream,
    )
    from hyperhttp.plugins.manager import PluginInfo, PluginManager, compile_plugins, installed_plugins
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
    "DIRECT",
    "HOOK_PREFIX",
    "HYPERHTTP_PLUGIN_API",
    "PROJECT",
    "Address",
    "Auth",
    "AuthScheme",
    "AuthSchemeRegistry",
    "Challenge",
    "Command",
    "CommandRegistry",
    "Compiled",
    "ConnectionEvent",
    "ContentCoding",
    "Decoder",
    "DecoderRegistry",
    "DecodingError",
    "EventHookRegistry",
    "EventListener",
    "JsonCodec",
    "JsonCodecRegistry",
    "Listeners",
    "Mount",
    "Network",
    "Onward",
    "PluginError",
    "PluginInfo",
    "PluginManager",
    "ProxyConnector",
    "ProxyError",
    "ProxyRegistry",
    "ProxySelector",
    "Resolver",
    "ResolverRegistry",
    "Transport",
    "TransportRegistry",
    "UpgradedStream",
    "compile_plugins",
    "hookimpl",
    "installed_plugins",
]

_NAMES: Final = {
    "compiled": ("AuthScheme", "Command", "Compiled", "Listeners", "Mount"),
    "hookspecs": ("hookimpl",),
    "manager": ("PluginInfo", "PluginManager", "compile_plugins", "installed_plugins"),
    "registry": tuple(name for name in __all__ if name.endswith("Registry")),
}
_MODULE_OF: Final = {name: module for module, names in _NAMES.items() for name in names}


def __getattr__(name: str) -> Any:
    """The public names, each from its module on first use."""
    if name not in __all__:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    value = getattr(import_module(f"{__name__}.{_MODULE_OF.get(name, 'interfaces')}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

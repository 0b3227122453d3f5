"""The package a request comes from: httpx, httpx2, or another one with their interface.

A transport has to answer with objects of the same package, raise its exceptions, and give it streams of its own classes.
All of them are found through the class of the request, so that nothing is imported that is not there already.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

import hyperhttp
from hyperhttp_httpx.streams import AsyncBody, SyncBody

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["Peer", "join_bases", "peer_of"]

#: Packages whose base classes a transport takes on where they are loaded.
_KNOWN: Final = ("httpx", "httpx2")

#: What becomes of our exceptions where the name is not the same; the nearest base class decides.
_NAMES: Final = {
    "AddressNotAllowed": "ConnectError",
    "CircuitBreakerOpen": "ConnectError",
    "DNSError": "ConnectError",
    "InvalidURL": "LocalProtocolError",
    "StreamError": "ReadError",
    "TLSError": "ConnectError",
    "TotalTimeout": "TimeoutException",
    "HyperHTTPError": "TransportError",
}


class Peer:
    """What the transports use of one package.

    Args:
        module: the package.

    Attributes:
        name: its name.
        response: its `Response`.
        byte_stream: its class for content in memory.
        async_body: its class for content on its way, with our methods.
        sync_body: the same, blocking.
    """

    def __init__(self, module: ModuleType) -> None:
        self._module = module
        self.name: str = module.__name__
        self.response: Any = module.Response
        self.byte_stream: Any = module.ByteStream
        self.async_body: Any = type("HyperStream", (AsyncBody, module.AsyncByteStream), {})
        self.sync_body: Any = type("SyncHyperStream", (SyncBody, module.SyncByteStream), {})
        self._errors: dict[type[Exception], type[Exception]] = {}

    def translate(self, error: hyperhttp.HyperHTTPError, request: Any) -> Exception:
        """The package's own exception for one of ours, with the request it is about.

        The last failure stands for all attempts of a retried request.
        """
        if isinstance(error, hyperhttp.RetryError) and isinstance(error.original_exception, hyperhttp.HyperHTTPError):
            return self.translate(error.original_exception, request)
        if isinstance(error, hyperhttp.ClientClosed):
            return RuntimeError("Cannot send a request, as the transport has been closed.")
        if isinstance(error, (hyperhttp.StreamClosed, hyperhttp.StreamConsumed)):
            kind: type[Exception] = getattr(self._module, type(error).__name__)
            return kind()
        kind = self._class_for(type(error))
        return kind(str(error), request=request)  # type: ignore[call-arg]  # all of them take it

    def unsupported(self, scheme: str, request: Any) -> Exception:
        """The exception for a URL whose scheme nobody serves, in the words of the packages."""
        said = (
            f"has an unsupported protocol '{scheme}://'" if scheme else "is missing an 'http://' or 'https://' protocol"
        )
        error: Exception = self._module.UnsupportedProtocol(f"Request URL {said}.", request=request)
        return error

    def _class_for(self, kind: type[Exception]) -> type[Exception]:
        found = self._errors.get(kind)
        if found is None:
            names = [_NAMES.get(base.__name__, base.__name__) for base in kind.__mro__]
            found = next(each for name in names if (each := getattr(self._module, name, None)) is not None)
            self._errors[kind] = found
        return found


_peers: dict[type[Any], Peer] = {}


def peer_of(request: Any) -> Peer:
    """The package a request comes from.

    Raises:
        TypeError: it is not a request of such a package.
    """
    peer = _peers.get(type(request))
    if peer is None:
        module = _module_of(type(request))
        # A user's own class of requests shares what was made for the class it extends.
        known = [each for each in _peers.values() if each._module is module]
        peer = _peers[type(request)] = known[0] if known else Peer(module)
    return peer


def _module_of(kind: type[Any]) -> ModuleType:
    for base in kind.__mro__:
        module = sys.modules.get(base.__module__.partition(".")[0])
        if base.__name__ == "Request" and hasattr(module, "AsyncByteStream") and module is not None:
            return module
    msg = f"the transport takes requests of httpx or httpx2, not {kind.__module__}.{kind.__qualname__}"
    raise TypeError(msg)


_joined: dict[tuple[type[Any], ...], type[Any]] = {}


def join_bases(kind: type[Any], name: str) -> type[Any]:
    """A class with the packages' own base classes under it, as far as they are loaded: `isinstance` is true of its objects.

    Args:
        kind: one of our transports.
        name: what the packages call the base class.
    """
    loaded = [getattr(sys.modules[package], name) for package in _KNOWN if hasattr(sys.modules.get(package), name)]
    bases = tuple(base for base in dict.fromkeys(loaded) if not issubclass(kind, base))
    if not bases:
        return kind
    key = (kind, *bases)
    if key not in _joined:
        facts = {"__module__": kind.__module__, "__qualname__": kind.__qualname__, "__doc__": kind.__doc__}
        _joined[key] = type(kind.__name__, key, facts)
    return _joined[key]

"""The handshakes of SOCKS4, SOCKS4a and SOCKS5 (RFC 1928, RFC 1929), as generators: bytes out, bytes in.

What is sent is made by ``socksio``, which also gives replies their meaning. Cutting replies out of what arrives is
done here, byte by byte as the protocol counts them, because ``socksio`` takes whole replies only: one may come in
pieces, and a refusal may stop after its code.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING, Final, TypeVar

from socksio import (
    SOCKS4ARequest,
    SOCKS4Command,
    SOCKS4Connection,
    SOCKS4ReplyCode,
    SOCKS4Request,
    SOCKS5AType,
    SOCKS5AuthMethod,
    SOCKS5AuthMethodsRequest,
    SOCKS5Command,
    SOCKS5CommandRequest,
    SOCKS5Connection,
    SOCKS5ReplyCode,
    SOCKS5UsernamePasswordRequest,
)
from socksio.socks5 import SOCKS5State

from hyperhttp.errors import ProxyError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from hyperhttp import URL

__all__ = ["connect_socks4", "connect_socks5"]

_Code = TypeVar("_Code")

#: Bytes a length field of one byte can count: names, user names, passwords (CVE-2023-38545 was a name beyond it).
_LONGEST: Final = 255

#: RFC 1928 section 6: what a reply says of the target.
_SOCKS5_REFUSALS: Final = {
    SOCKS5ReplyCode.GENERAL_SERVER_FAILURE: "general failure",
    SOCKS5ReplyCode.CONNECTION_NOT_ALLOWED_BY_RULESET: "its rules do not allow the connection",
    SOCKS5ReplyCode.NETWORK_UNREACHABLE: "network unreachable",
    SOCKS5ReplyCode.HOST_UNREACHABLE: "host unreachable",
    SOCKS5ReplyCode.CONNECTION_REFUSED: "connection refused",
    SOCKS5ReplyCode.TTL_EXPIRED: "TTL expired",
    SOCKS5ReplyCode.COMMAND_NOT_SUPPORTED: "it does not support CONNECT",
    SOCKS5ReplyCode.ADDRESS_TYPE_NOT_SUPPORTED: "it does not support this type of address",
}

#: What may be otherwise a moment later.
_SOCKS5_PASSING: Final = frozenset(
    {
        SOCKS5ReplyCode.GENERAL_SERVER_FAILURE,
        SOCKS5ReplyCode.NETWORK_UNREACHABLE,
        SOCKS5ReplyCode.HOST_UNREACHABLE,
        SOCKS5ReplyCode.CONNECTION_REFUSED,
        SOCKS5ReplyCode.TTL_EXPIRED,
    }
)

_SOCKS4_REFUSALS: Final = {
    SOCKS4ReplyCode.REQUEST_REJECTED_OR_FAILED: "rejected, or the target cannot be reached",
    SOCKS4ReplyCode.CONNECTION_FAILED: "it cannot reach the identd of this host",
    SOCKS4ReplyCode.AUTHENTICATION_FAILED: "the identd of this host names another user",
}

#: Bytes of an address in a reply, by its type.
_ADDRESS_SIZES: Final = {SOCKS5AType.IPV4_ADDRESS: 4, SOCKS5AType.IPV6_ADDRESS: 16}


class _Dialogue:
    """One handshake: what was received and not used yet, and the names for messages.

    Attributes:
        phase: ``"login"`` up to the request for the target, ``"tunnel"`` from there on.
    """

    def __init__(self, proxy: URL, host: str, port: int) -> None:
        self._host = proxy.host
        self._port = proxy.port or 1080
        self._target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self._received = bytearray()
        self.phase = "login"

    def ask(self, data: bytes, count: int) -> Generator[bytes, bytes, bytes]:
        """Send, and give the first bytes of the reply."""
        if self._received:
            raise self.failed("spoke out of turn")
        return (yield from self.read(count, data))

    def read(self, count: int, data: bytes = b"") -> Generator[bytes, bytes, bytes]:
        """So many bytes of the reply."""
        while data or len(self._received) < count:
            received = yield data
            data = b""
            if not received:
                raise self.failed("closed the connection")
            self._received += received
        taken = bytes(self._received[:count])
        del self._received[:count]
        return taken

    @property
    def rest(self) -> bytes:
        """What came after the last reply."""
        return bytes(self._received)

    def failed(self, what: str) -> ProxyError:
        """The proxy did something that ends the handshake."""
        return self._error(f"the SOCKS proxy {self._where} {what} during the handshake for {self._target}")

    def refused(self, why: str, *, retryable: bool = False) -> ProxyError:
        """The proxy said no."""
        error = self._error(f"the SOCKS proxy {self._where} refused the tunnel to {self._target}: {why}")
        error.retryable = retryable
        return error

    def impossible(self, why: str) -> ProxyError:
        """What is asked for cannot be said in the protocol."""
        error = self._error(f"no tunnel to {self._target} through the SOCKS proxy {self._where}: {why}")
        error.retryable = False
        return error

    @property
    def _where(self) -> str:
        return f"[{self._host}]:{self._port}" if ":" in self._host else f"{self._host}:{self._port}"

    def _error(self, message: str) -> ProxyError:
        return ProxyError(message, host=self._host, port=self._port, phase=self.phase)


def connect_socks5(proxy: URL, host: str, port: int) -> Generator[bytes, bytes, bytes]:
    """Ask a SOCKS5 proxy for a connection (RFC 1928).

    Returns:
        What came after the handshake.

    Raises:
        ProxyError: it refused, or does not speak the protocol. ``phase`` is ``"login"`` or ``"tunnel"``.
    """
    dialogue = _Dialogue(proxy, host, port)
    engine = SOCKS5Connection()
    yield from _log_in(dialogue, engine, proxy)
    dialogue.phase = "tunnel"
    engine.send(SOCKS5CommandRequest.from_address(SOCKS5Command.CONNECT, (_destination(dialogue, host), port)))
    version, code = yield from dialogue.ask(engine.data_to_send(), 2)
    if version != 5:
        raise dialogue.failed("did not answer in SOCKS5")
    meaning = _known(SOCKS5ReplyCode, code)
    if meaning != SOCKS5ReplyCode.SUCCEEDED:
        # Some send no more than this, although an address should follow.
        raise dialogue.refused(_reason(_SOCKS5_REFUSALS, meaning, code), retryable=meaning in _SOCKS5_PASSING)
    _reserved, kind = yield from dialogue.read(2)
    address_type = _known(SOCKS5AType, kind)
    if address_type is None:
        raise dialogue.failed("sent an address of an unknown type")
    if address_type == SOCKS5AType.DOMAIN_NAME:
        (size,) = yield from dialogue.read(1)
    else:
        size = _ADDRESS_SIZES[address_type]
    # Where the proxy's own end of the tunnel is; nobody asks for it.
    yield from dialogue.read(size + 2)
    return dialogue.rest


def _log_in(dialogue: _Dialogue, engine: SOCKS5Connection, proxy: URL) -> Generator[bytes, bytes, None]:
    """Agree on a method (RFC 1928 section 3) and follow it (RFC 1929)."""
    methods = [SOCKS5AuthMethod.NO_AUTH_REQUIRED]
    if proxy.userinfo:
        methods.append(SOCKS5AuthMethod.USERNAME_PASSWORD)
    username, password = _octets(dialogue, "user name", proxy.username), _octets(dialogue, "password", proxy.password)
    engine.send(SOCKS5AuthMethodsRequest(methods))
    reply = yield from dialogue.ask(engine.data_to_send(), 2)
    if reply[0] != 5:
        raise dialogue.failed("did not answer in SOCKS5")
    method = _known(SOCKS5AuthMethod, reply[1])
    if method == SOCKS5AuthMethod.NO_ACCEPTABLE_METHODS:
        has = "user name and password as a way to log in" if proxy.userinfo else "clients without credentials"
        raise dialogue.refused(f"it does not accept {has}")
    if method not in methods:
        raise dialogue.failed(f"chose a way to log in that was not offered ({reply[1]:#04x})")
    engine.receive_data(reply)
    if method == SOCKS5AuthMethod.USERNAME_PASSWORD:
        engine.send(SOCKS5UsernamePasswordRequest(username, password))
        reply = yield from dialogue.ask(engine.data_to_send(), 2)
        if reply[0] != 1:
            raise dialogue.failed("did not answer to user name and password as RFC 1929 says")
        engine.receive_data(reply)
        if engine.state != SOCKS5State.CLIENT_AUTHENTICATED:
            raise dialogue.refused("it does not accept this user name and password")


def connect_socks4(proxy: URL, host: str, port: int) -> Generator[bytes, bytes, bytes]:
    """Ask a SOCKS4 proxy for a connection; for a name in the form of SOCKS4a.

    Returns:
        What came after the handshake.

    Raises:
        ProxyError: it refused, or does not speak the protocol, which has no passwords and no IPv6.
    """
    dialogue = _Dialogue(proxy, host, port)
    if proxy.password:
        raise dialogue.impossible("SOCKS4 has no passwords; leave it out, or use socks5://")
    user = _octets(dialogue, "user name", proxy.username)
    if 0 in user:
        raise dialogue.impossible("the user name holds a NUL, which would end it")
    dialogue.phase = "tunnel"
    target = _destination(dialogue, host)
    address = _as_address(target)
    if isinstance(address, IPv6Address):
        raise dialogue.impossible("SOCKS4 has no IPv6 addresses; use socks5://")
    engine = SOCKS4Connection(user_id=user)
    kind = SOCKS4ARequest if address is None else SOCKS4Request
    # The user goes into the request as well, where socksio takes an empty one for one.
    engine.send(kind.from_address(SOCKS4Command.CONNECT, (target, port), user_id=user))
    version, code = yield from dialogue.ask(engine.data_to_send(), 2)
    if version != 0:
        raise dialogue.failed("did not answer in SOCKS4")
    meaning = _known(SOCKS4ReplyCode, code)
    if meaning != SOCKS4ReplyCode.REQUEST_GRANTED:
        raise dialogue.refused(_reason(_SOCKS4_REFUSALS, meaning, code), retryable=code == 0x5B)
    yield from dialogue.read(6)
    return dialogue.rest


def _known(kind: Callable[[bytes], _Code], code: int) -> _Code | None:
    """The member of an enumeration of single bytes, or None."""
    try:
        return kind(bytes([code]))
    except ValueError:
        return None


def _reason(reasons: Mapping[_Code, str], meaning: _Code | None, code: int) -> str:
    return f"reply code {code:#04x}" if meaning is None else reasons[meaning]


def _octets(dialogue: _Dialogue, what: str, text: str) -> bytes:
    data = text.encode()
    if len(data) > _LONGEST:
        raise dialogue.impossible(f"the {what} is longer than {_LONGEST} bytes")
    return data


def _destination(dialogue: _Dialogue, host: str) -> str:
    """The target as it can be said, in which a name is never cut and never taken for something else."""
    if "%" in host:
        raise dialogue.impossible("the zone of an address means nothing at the proxy")
    if "\0" in host or not host.isascii() or not 0 < len(host) <= _LONGEST:
        raise dialogue.impossible(f"the name is not of 1 to {_LONGEST} ASCII characters")
    return host


def _as_address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None

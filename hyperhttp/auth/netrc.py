"""Credentials from a netrc file, as ftp, curl and git read it.

Only the host decides: the one a request goes to, by its name in the URL, never the network location as a whole
(CVE-2024-47081), and never a later hop of a redirect. The file is read when it is needed, and again when it has changed.

There is no standard; the parser is the standard library's `netrc`. What it says of a malformed file may hold a password,
so it is never shown.
"""

from __future__ import annotations

import os
import stat
from io import StringIO
from typing import IO, TYPE_CHECKING, Any, Final, NamedTuple

from hyperhttp.auth.base import Auth
from hyperhttp.auth.basic import BasicAuth

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from pathlib import Path

    from hyperhttp.message.request import Request
    from hyperhttp.message.response import Response

__all__ = ["NetrcAuth", "NetrcFile", "find_netrc"]

_MAX_SIZE: Final = 1_048_576  # bytes; more are no netrc file
_NAMES: Final = (".netrc", "_netrc")


class _Entries(NamedTuple):
    """What a file said when it had this stamp.

    Attributes:
        stamp: changes with the file; None for one that is not there.
        hosts: user and password by host, in lower case.
        default: those for hosts without an entry of their own.
        error: why it could not be understood, without its content; empty where it could.
    """

    stamp: tuple[int, ...] | None = None
    hosts: Mapping[str, tuple[str, str]] = {}
    default: tuple[str, str] | None = None
    error: str = ""


class NetrcFile:
    """A netrc file, read when it is first needed and whenever it has changed. Safe to share between threads.

    Args:
        path: of the file.
    """

    __slots__ = ("_entries", "path")

    def __init__(self, path: str | os.PathLike[str]) -> None:
        from pathlib import Path  # there is a file, then

        self.path = Path(path)
        self._entries: _Entries | None = None

    def auth_for(self, host: str) -> BasicAuth | None:
        """Credentials for a host that has an entry of its own.

        A file that cannot be understood is left out, with a warning in the log: the caller has not named it.
        """
        entries = self._read()
        pair = entries.hosts.get(host)
        if pair is None:
            return None
        try:
            return BasicAuth(*pair)
        except ValueError:
            _warn(f"the entry for {host} in {self.path} is left out: it cannot be sent as Basic credentials")
            return None

    def find(self, host: str) -> tuple[str, str] | None:
        """User and password for a host, those of ``default`` where it has no entry of its own.

        Raises:
            ValueError: the file is not there, or cannot be understood.
        """
        entries = self._read()
        if entries.stamp is None or entries.error:
            raise ValueError(f"the netrc file {self.path} {entries.error or 'is not there'}")
        return entries.hosts.get(host, entries.default)

    def _read(self) -> _Entries:
        stamp = _stamp(self.path)
        entries = self._entries
        if entries is None or entries.stamp != stamp:
            entries = self._entries = _Entries() if stamp is None else _parse(self.path, stamp)
            if entries.error:
                _warn(f"{self.path} is left out: it {entries.error}")
        return entries

    def __repr__(self) -> str:
        return f"NetrcFile({str(self.path)!r})"


class NetrcAuth(Auth):
    """Basic credentials from a netrc file, by the host of the request; a host without an entry gets none.

    Unlike the file that a client finds by itself, this one is asked for, so its entry ``default`` counts, and a mistake in
    it is an error.

    Args:
        path: of the file; by default that of the environment variable ``NETRC``, else ``~/.netrc`` or ``~/_netrc``.

    Raises:
        ValueError: no path is given and there is no such file. A file that is not there or cannot be understood when a
            request needs it is one too, and so are credentials that Basic cannot carry.
    """

    def __init__(self, path: str | os.PathLike[str] | None = None) -> None:
        found = find_netrc() if path is None else NetrcFile(path)
        if found is None:
            raise ValueError("there is no netrc file: neither NETRC nor ~/.netrc nor ~/_netrc leads to one")
        self._file = found

    def auth_flow(self, request: Request) -> Generator[Request, Response, None]:
        """Add the Authorization field, where the file has credentials for the host."""
        pair = self._file.find(request.url.host)
        if pair is None:
            yield request
        else:
            yield from BasicAuth(*pair).auth_flow(request)

    def __repr__(self) -> str:
        file = getattr(self, "_file", None)  # none where the constructor has failed: a debugger shows it all the same
        return "NetrcAuth()" if file is None else f"NetrcAuth({str(file.path)!r})"


def find_netrc(environ: Mapping[str, str] | None = None) -> NetrcFile | None:
    """The netrc file of the environment: ``NETRC``, else ``~/.netrc`` or ``~/_netrc``; None where there is none.

    Args:
        environ: the environment; `os.environ` by default.
    """
    named = (os.environ if environ is None else environ).get("NETRC")
    folder = os.path.expanduser("~")  # noqa: PTH111 - Path.home() raises where there is no home
    for path in (named,) if named else [os.path.join(folder, name) for name in _NAMES]:  # noqa: PTH118 - a client is cheap
        if _stamp(path) is not None:
            return NetrcFile(path)
    return None


def _stamp(path: str | os.PathLike[str]) -> tuple[int, ...] | None:
    """Changes when the file does; None where there is no regular file: a pipe or a device would block who reads it."""
    try:
        status = os.stat(path)  # noqa: PTH116 - asked with each request of those who have such a file
    except (OSError, ValueError):
        return None
    if not stat.S_ISREG(status.st_mode):
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def _parse(path: Path, stamp: tuple[int, ...]) -> _Entries:
    import netrc  # for those who have such a file

    if stamp[1] > _MAX_SIZE:
        return _Entries(stamp, error=f"is larger than {_MAX_SIZE} bytes")

    class Parser(netrc.netrc):
        """The standard library's, which takes a comment that follows an empty line for an entry."""

        def _parse(self, file: str, fp: IO[str], *options: Any) -> None:
            lines = [line for line in fp if not line.lstrip().startswith("#")]
            super()._parse(file, StringIO("".join(lines)), *options)  # type: ignore[misc]  # if it goes, so does this

    try:
        hosts = Parser(str(path)).hosts
    except netrc.NetrcParseError:
        return _Entries(stamp, error="is malformed")  # what it was, and in which line, is not known with certainty
    except OSError as error:
        return _Entries(stamp, error=f"cannot be read: {error.strerror}")
    except ValueError:
        return _Entries(stamp, error="is not text")
    pairs = {name: (login or account or "", password or "") for name, (login, account, password) in hosts.items()}
    default = pairs.pop("default", None)
    return _Entries(stamp, {name.lower(): pair for name, pair in pairs.items()}, default)


def _warn(message: str) -> None:
    from logging import getLogger

    getLogger("hyperhttp").warning("netrc: %s", message)

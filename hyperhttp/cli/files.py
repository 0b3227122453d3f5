"""Downloads as files: a name the server has no power over, and a file that is there whole or not at all."""

from __future__ import annotations

import contextlib
import os
import re
import stat
import tempfile
import unicodedata
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from hyperhttp.cli.exits import NOT_WRITTEN, CommandError
from hyperhttp.message.query import percent_decode
from hyperhttp.message.text import find_charset, parse_content_type

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from hyperhttp.message.url import URL

__all__ = ["NewFile", "download_name"]

_NO_NAME: Final = "download"
#: Bytes: less than file systems take, so that there is room for the name of the temporary file.
_LONGEST: Final = 200
_SUFFIX: Final = re.compile(r"(?:\.[A-Za-z0-9]{1,10}){1,2}\Z")
#: What Windows allows in no name; a colon there also names a hidden stream.
_FORBIDDEN: Final = re.compile(r'[<>:"|?*]')
#: Categories of characters that are not seen: controls, formats, surrogates, unassigned, line separators.
_UNSEEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_DEVICE: Final = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\.|\Z)", re.IGNORECASE)


def download_name(url: URL, disposition: str | None = None) -> str:
    """The name for a download: what Content-Disposition suggests (RFC 6266), else the last part of the path.

    Either is a suggestion of a stranger. What is left of it is one plain name: no folder, not hidden, nothing
    that a shell takes for an option, nothing that a terminal obeys.
    """
    suggestions = [*_suggested(disposition or ""), percent_decode(url.path)]
    return next(filter(None, map(_plain_name, suggestions)), _NO_NAME)


def _suggested(disposition: str) -> list[str]:
    """``filename*`` and ``filename``, in the order they count (RFC 6266 section 4.3)."""
    _, parameters = parse_content_type(disposition)
    names = []
    charset, _, rest = parameters.get("filename*", "").partition("'")
    encoding = find_charset(charset) if charset else None
    if encoding in ("utf-8", "iso8859-1"):  # the two of RFC 8187 section 3.2.1
        encoded = rest.partition("'")[2]
        raw = re.sub(rb"%([0-9A-Fa-f]{2})", lambda match: bytes([int(match[1], 16)]), encoded.encode())
        names.append(raw.decode(encoding, "replace"))
    names.append(parameters.get("filename", ""))
    return names


def _plain_name(text: str) -> str:
    """What is left of a suggested name; empty where nothing is."""
    name = re.split(r"[/\\]", text)[-1]
    name = "".join(char for char in name if unicodedata.category(char) not in _UNSEEN)
    name = _FORBIDDEN.sub("_", name).lstrip(".-~ ").rstrip(". ")
    if _DEVICE.match(name):
        name = f"_{name}"
    encoded = name.encode("utf-8", "ignore")
    if len(encoded) <= _LONGEST:
        return encoded.decode()
    found = _SUFFIX.search(name)
    suffix = found[0] if found else ""
    return encoded[: _LONGEST - len(suffix)].decode("utf-8", "ignore") + suffix


class NewFile:
    """A file that appears under its name when it is complete; until then it is a temporary one beside it.

    A context manager: ``commit`` makes it appear, leaving the block without that removes it.

    Args:
        path: its name; a device or a pipe of that name is written to as it is.
        replace: whether a file of that name may be replaced.

    Raises:
        CommandError: it cannot be made, or there is one already.
    """

    def __init__(self, path: Path, *, replace: bool) -> None:
        self.path = path
        self._replace = replace
        self._temporary: Path | None = None
        if path.is_dir():
            raise self._failure("it is a folder")
        if path.exists() and not replace:
            raise self._failure("the file exists; --force overwrites it")
        if path.exists() and not os.access(path, os.W_OK):  # replacing it would not ask
            raise self._failure("it may not be written")
        try:
            self._file = self._open()
        except OSError as error:
            raise self._failure(error.strerror or str(error)) from error

    def write(self, data: bytes) -> None:
        """Write some more.

        Raises:
            CommandError: the disk is full, or the like.
        """
        try:
            self._file.write(data)
        except OSError as error:
            raise self._failure(error.strerror or str(error)) from error

    def commit(self) -> None:
        """Let the file appear under its name.

        Raises:
            CommandError: it cannot, or a file of that name has come into being.
        """
        try:
            self._file.close()
            if self._temporary is not None:
                self._move(self._temporary)
                self._temporary = None
        except FileExistsError as error:
            raise self._failure("the file exists; --force overwrites it") from error
        except OSError as error:
            raise self._failure(error.strerror or str(error)) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):
            self._file.close()
        if self._temporary is not None:
            self._temporary.unlink(missing_ok=True)

    def _open(self) -> IO[bytes]:
        path = self.path
        if path.exists() and not stat.S_ISREG(path.stat().st_mode):
            return path.open("wb")
        self.path = path = Path(os.path.realpath(path))  # a link stays, what it leads to is replaced
        mode = stat.S_IMODE(path.stat().st_mode) if path.exists() else 0o666 & ~_umask()
        handle, name = tempfile.mkstemp(prefix=f".{path.name[:40]}.", suffix=".part", dir=path.parent)
        self._temporary = Path(name)
        self._temporary.chmod(mode)
        return os.fdopen(handle, "wb")

    def _move(self, temporary: Path) -> None:
        if self._replace:
            temporary.replace(self.path)
            return
        try:
            self.path.hardlink_to(temporary)  # unlike a rename it never replaces
        except FileExistsError:
            raise
        except OSError:  # a file system without links
            self.path.touch(exist_ok=False)
            temporary.replace(self.path)
            return
        temporary.unlink()

    def _failure(self, why: str) -> CommandError:
        return CommandError(f"cannot write {self.path}: {why}", NOT_WRITTEN)


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask

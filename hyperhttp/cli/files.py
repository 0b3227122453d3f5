"""A file that is there whole or not at all."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from pathlib import Path
from typing import IO, TYPE_CHECKING

from hyperhttp.cli.exits import NOT_WRITTEN, CommandError

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

__all__ = ["NewFile"]


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

"""A file on its way: hidden beside its final place, kept for resuming, there whole or not at all.

Everything here blocks, and runs where blocking is allowed; `PartFile.let_go` alone may be called from anywhere, at any time.
A download that is given up while a thread still writes is closed by that thread.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from hyperhttp.network.base import new_lock

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["Note", "PartFile", "commit_target"]

T = TypeVar("T")

_CHUNK: Final = 1024 * 1024
#: Not followed where it is a link, not waited for where it is a pipe, not translated.
_SAFE: Final = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_FLAGS: Final = os.O_RDWR | os.O_CREAT | _SAFE
_LARGEST_NOTE: Final = 65_536


class Note(NamedTuple):
    """Which representation a part belongs to.

    Attributes:
        validator: what If-Range asks with: a strong entity tag, or a date that is as good (RFC 9110 section 13.1.5).
        length: bytes of the whole, or None.
    """

    validator: str
    length: int | None


class PartFile:
    """What has arrived of a download.

    Args:
        folder: where it is, and where the whole will be.
        name: of the hidden file; the same for the same download, so that it is found again.
        resume: whether what an earlier attempt has left is taken, and something may be left.

    Attributes:
        size: bytes that are there.
        note: what they belong to; None where nothing can be resumed.
        hashes: of all that is there, by name.
        piece_hashes: of what was written since `hash_with`.
    """

    def __init__(self, folder: Path, name: str, *, resume: bool) -> None:
        self._folder = folder
        self._name = name
        self._resume = resume
        self._path = folder / f".{name}.part"
        self._file: Any = None
        self._lock = new_lock()
        self._busy = False
        self._given_up = False
        self._whole = False
        self.size = 0
        self.note: Note | None = None
        self.hashes: dict[str, Any] = {}
        self.piece_hashes: dict[str, Any] = {}

    # -- the frame ---------------------------------------------------------------------------------------------------

    def run(self, work: Callable[..., T], *arguments: Any) -> T | None:
        """Do some of the work below, unless the download was given up; nobody closes the file meanwhile."""
        with self._lock:
            if self._given_up:
                return None
            self._busy = True
        try:
            return work(*arguments)
        finally:
            self._leave()

    def _leave(self) -> None:
        with self._lock:
            self._busy = False
            if self._given_up:
                self._close()

    def let_go(self) -> None:
        """The download is over, or given up: close the file, and leave it only where it can be resumed. Does not wait."""
        with self._lock:
            self._given_up = True
            if not self._busy:
                self._close()

    def _close(self) -> None:
        file, self._file = self._file, None
        if file is None:
            return
        if not self._whole and (self.note is None or not self.size):
            self._remove()  # before it is closed, which unlocks it
        file.close()

    def _remove(self) -> None:
        for path in (self._path, self._note_path):
            with suppress(OSError):
                path.unlink()

    # -- the work ----------------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Open or make the file; what can be resumed is there afterwards, anything else is gone.

        Raises:
            OSError: it cannot be made.
        """
        fd = self._claim() if self._resume else None
        if fd is None:
            # Not asked to resume, or somebody is at it already, or it is not ours: nobody else knows this name.
            self._resume = False
            self._path = self._folder / f".{self._name}.{os.urandom(8).hex()}.part"
            fd = os.open(self._path, _FLAGS | os.O_EXCL, 0o666)
        self._file = os.fdopen(fd, "r+b", buffering=0)
        self.size = os.fstat(fd).st_size
        self.note = self._read_note() if self.size and self._resume else None
        if self.note is None or (self.note.length is not None and self.size > self.note.length):
            self.begin(None)
        self._file.seek(self.size)

    def begin(self, note: Note | None) -> None:
        """Forget what is there, and begin anew.

        Args:
            note: what will be there; it is written down before the first byte.
        """
        self.note = None
        self.size = 0
        self.hashes = {}
        self._file.seek(0)
        self._file.truncate()
        with suppress(OSError):
            self._note_path.unlink()
        if note is not None and self._resume:
            draft = self._note_path.with_name(f"{self._note_path.name}.new")
            with os.fdopen(os.open(draft, _FLAGS | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
                json.dump(note._asdict(), file)
            draft.replace(self._note_path)
            self.note = note

    def hash_with(self, whole: set[str], piece: set[str]) -> None:
        """Feed hashes from now on: those of the whole with what is there already, too."""
        self.piece_hashes = {name: hashlib.new(name, usedforsecurity=False) for name in piece}
        self.hashes |= self.hash_from(0, whole - set(self.hashes))

    def hash_from(self, offset: int, names: set[str]) -> dict[str, Any]:
        """Hashes by name of what is there from an offset on."""
        hashes = {name: hashlib.new(name, usedforsecurity=False) for name in names}
        if not hashes or self.size <= offset:
            return hashes
        self._file.seek(offset)
        left = self.size - offset
        while left > 0 and not self._given_up and (data := self._file.read(min(_CHUNK, left))):
            left -= len(data)
            for each in hashes.values():
                each.update(data)
        self._file.seek(self.size)
        return hashes

    def write(self, data: bytes) -> None:
        """Add some.

        Raises:
            OSError: the disk is full, or the like.
        """
        rest = memoryview(data)
        while rest:
            count = self._file.write(rest)
            self.size += count
            rest = rest[count:]
        for each in (*self.hashes.values(), *self.piece_hashes.values()):
            each.update(data)

    def commit(self, target: Path, replace: bool) -> None:
        """Let the whole appear under its name, for good.

        Args:
            target: its name.
            replace: whether it may replace a file of that name.

        Raises:
            FileExistsError: there is a file, and it may not.
            OSError: it cannot be written.
        """
        fd = self._file.fileno()
        with suppress(OSError):
            if hasattr(os, "fchmod"):
                os.fchmod(fd, stat.S_IMODE(target.stat().st_mode))  # as the file that is replaced
        os.fsync(fd)
        commit_target(self._path, target, replace=replace)
        self._whole = True
        with suppress(OSError):
            self._note_path.unlink()
        _sync_folder(target.parent)

    # -- details -----------------------------------------------------------------------------------------------------

    @property
    def _note_path(self) -> Path:
        return self._path.with_name(f"{self._path.name}.note")

    def _claim(self) -> int | None:
        """The file of this download, locked; None where it is in use or not ours."""
        for _ in range(8):
            try:
                fd = os.open(self._path, _FLAGS, 0o666)
            except OSError:
                return None  # a link, or a file of somebody else; where nothing can be made, the next attempt says so
            if not (_is_ours(fd) and _lock(fd)):
                os.close(fd)
                return None
            with suppress(OSError):
                if os.path.samestat(os.fstat(fd), self._path.lstat()):
                    return fd
            os.close(fd)  # another download has just completed it, and moved it away
        return None

    def _read_note(self) -> Note | None:
        try:
            fd = os.open(self._note_path, os.O_RDONLY | _SAFE)
        except OSError:
            return None
        with os.fdopen(fd, "rb") as file:
            if not _is_ours(fd):
                return None
            try:
                found = json.loads(file.read(_LARGEST_NOTE))
                validator, length = found["validator"], found["length"]
            except (ValueError, KeyError, TypeError, RecursionError):
                return None
        fits = isinstance(validator, str) and validator.isprintable() and (length is None or type(length) is int)
        return Note(validator, length) if fits else None


def commit_target(part: Path, target: Path, *, replace: bool) -> None:
    """Move a complete file to its name.

    Raises:
        FileExistsError: there is one, and it may not be replaced.
    """
    if replace:
        part.replace(target)
        return
    try:
        target.hardlink_to(part)  # unlike a rename it never replaces
    except FileExistsError:
        raise
    except OSError:  # a file system without links
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
        part.replace(target)
        return
    part.unlink()


def _is_ours(fd: int) -> bool:
    """A plain file of this user's: in a folder that others may write to, anything may have that name."""
    info = os.fstat(fd)
    owner = os.geteuid() if hasattr(os, "geteuid") else info.st_uid
    return stat.S_ISREG(info.st_mode) and info.st_uid == owner and info.st_nlink == 1


def _lock(fd: int) -> bool:
    """Whether nobody else is at it; the lock goes with the file, however the process ends."""
    try:
        import fcntl  # not on Windows, which lets nobody else move an open file anyway
    except ImportError:
        return True
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True  # a file system without locks
    return True


def _sync_folder(folder: Path) -> None:
    """A name is safe when its folder is."""
    with suppress(OSError):  # not on every system
        fd = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

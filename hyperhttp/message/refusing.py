"""What a response says when it is read in a way in which it cannot be read, or cannot be read any more."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from hyperhttp.exceptions import ResponseNotRead, StreamClosed, StreamConsumed

if TYPE_CHECKING:
    from hyperhttp.message.reading import ReadOptions

__all__ = ["Refusing"]


class Refusing:
    """The part of a response that refuses; each sentence says what to call instead."""

    _consumed: bool
    _closed: bool
    _options: ReadOptions

    def _refuse(self) -> NoReturn:
        if self._consumed:
            msg = "the content was already iterated over and is not kept: call aread() (or read()) first if it is needed twice"
            raise StreamConsumed(msg)
        msg = "the response was closed before its content was read"
        raise StreamClosed(msg)

    def _not_read(self, what: str) -> NoReturn:
        if self._consumed or self._closed:
            self._refuse()
        call = "await response.aread()" if self._options.drive is None else "response.read()"
        msg = f"{what} is there once the content has been read: call `{call}` first"
        raise ResponseNotRead(msg)

    def _wrong_face(self, called: str, instead: str) -> NoReturn:
        face = "SyncClient" if self._options.drive is not None else "Client"
        msg = f"this response comes from {face}: call {instead} instead of {called}"
        raise RuntimeError(msg)

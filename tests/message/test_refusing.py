"""Each refusal says what to call instead."""

from __future__ import annotations

from typing import Any

import pytest

from hyperhttp.exceptions import ResponseNotRead, StreamClosed, StreamConsumed
from hyperhttp.message.reading import ReadOptions
from hyperhttp.message.refusing import Refusing

ASYNCIO, BLOCKING = ReadOptions({}, None, None), ReadOptions({}, None, None, drive=lambda work: work.send(None))


def response(options: ReadOptions, *, consumed: bool = False, closed: bool = False) -> Any:
    made = Refusing()
    made._options, made._consumed, made._closed = options, consumed, closed
    return made


@pytest.mark.parametrize(("options", "call"), [(ASYNCIO, "await response.aread()"), (BLOCKING, "response.read()")])
def test_what_was_not_read_says_how_to_read(options: ReadOptions, call: str) -> None:
    with pytest.raises(ResponseNotRead) as caught:
        response(options)._not_read("text")
    assert str(caught.value) == f"text is there once the content has been read: call `{call}` first"


@pytest.mark.parametrize(("state", "error"), [({"consumed": True}, StreamConsumed), ({"closed": True}, StreamClosed)])
def test_what_is_gone_cannot_be_read_any_more(state: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        response(ASYNCIO, **state)._not_read("text")
    with pytest.raises(error):
        response(ASYNCIO, **state)._refuse()


@pytest.mark.parametrize(("options", "face"), [(ASYNCIO, "Client"), (BLOCKING, "SyncClient")])
def test_the_wrong_face_is_told_the_right_name(options: ReadOptions, face: str) -> None:
    with pytest.raises(RuntimeError, match=f"^this response comes from {face}: call x instead of y$"):
        response(options)._wrong_face("y", "x")

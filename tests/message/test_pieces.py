"""Content in pieces: of one size or as it comes, decoded or raw, as bytes, text and lines, on both faces."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING, Any

import pytest

from hyperhttp.exceptions import DecodingError, HyperHTTPError, ReadError, StreamConsumed
from hyperhttp.message.coding import DEFLATE, GZIP, PIECE_SIZE, CodingChain, coding_table
from hyperhttp.message.pieces import Bytes, Lines, Pieces, Text, drive_ready
from hyperhttp.message.text import LineSplitter

if TYPE_CHECKING:
    from collections.abc import Callable

CODINGS = coding_table([GZIP, DEFLATE])


class Source:
    """What an iterator needs of its response: pieces from a list, or the whole content."""

    def __init__(
        self, *pieces: bytes | Exception, whole: bytes | None = None, coding: str = "", encoding: str = "utf-8"
    ) -> None:
        self.pieces = list(pieces)
        self.whole = whole
        self.coding = coding
        self.encoding = encoding
        self.starts = 0
        self.asked = 0
        self.blamed: list[HyperHTTPError] = []

    def blame(self, error: HyperHTTPError) -> None:
        self.blamed.append(error)

    def give_up(self) -> None:
        self.given_up = True

    def start_iteration(self, *, raw: bool = False) -> bytes | None:
        self.starts += 1
        return self.whole

    async def next_piece(self) -> bytes:
        self.asked += 1
        if not self.pieces:
            return b""
        piece = self.pieces.pop(0)
        if isinstance(piece, Exception):
            raise piece
        return piece

    def new_chain(self) -> CodingChain | None:
        return CodingChain.for_response([self.coding], CODINGS) if self.coding else None


async def by_async(pieces: Pieces) -> list[Any]:
    return [piece async for piece in pieces]


async def by_sync(pieces: Pieces) -> list[Any]:
    return list(pieces)


@pytest.fixture(params=[by_async, by_sync], ids=["async for", "for"])
def all_of(request: pytest.FixtureRequest) -> Callable[[Pieces], Any]:
    """Everything an iterator gives, by both kinds of loop."""
    value: Callable[[Pieces], Any] = request.param
    return value


# -- bytes -------------------------------------------------------------------------------------------------------


async def test_bytes_come_as_they_come(all_of: Any) -> None:
    assert await all_of(Bytes(Source(b"one", b"two", b"three"), None)) == [b"one", b"two", b"three"]


@pytest.mark.parametrize(
    ("size", "pieces"),
    [
        (1, [b"a", b"b", b"c", b"d", b"e", b"f", b"g"]),
        (2, [b"ab", b"cd", b"ef", b"g"]),
        (3, [b"abc", b"def", b"g"]),
        (7, [b"abcdefg"]),
        (100, [b"abcdefg"]),
    ],
)
@pytest.mark.parametrize("source", [(b"abcdefg",), (b"a", b"bcd", b"efg"), (b"ab", b"cdefg")])
async def test_bytes_come_in_pieces_of_one_size_and_a_rest(
    all_of: Any, size: int, pieces: list[bytes], source: tuple[bytes, ...]
) -> None:
    assert await all_of(Bytes(Source(*source), size)) == pieces


@pytest.mark.parametrize("size", [None, 1, 10])
@pytest.mark.parametrize("source", [{}, {"whole": b""}])
async def test_no_content_is_no_piece(all_of: Any, size: int | None, source: Any) -> None:
    assert await all_of(Bytes(Source(**source), size)) == []
    assert await all_of(Text(Source(**source), size)) == []
    assert await all_of(Lines(Source(**source))) == []


@pytest.mark.parametrize("kind", [Bytes, Text])
@pytest.mark.parametrize("size", [0, -1])
def test_a_size_below_one_is_refused(kind: Any, size: int) -> None:
    with pytest.raises(ValueError, match=f"chunk_size must be at least 1, not {size}"):
        kind(Source(), size)


async def test_content_that_was_read_before_is_given_again(all_of: Any) -> None:
    source = Source(b"never asked for", whole=b"in hand")
    assert await all_of(Bytes(source, None)) == [b"in hand"]
    assert await all_of(Bytes(source, 4)) == [b"in h", b"and"]
    assert await all_of(Text(source, None)) == ["in hand"]
    assert source.asked == 0


async def test_an_iterator_that_is_over_stays_so(all_of: Any) -> None:
    source = Source(b"content")
    pieces = Bytes(source, None)
    assert await all_of(pieces) == [b"content"]
    assert await all_of(pieces) == []
    assert (source.starts, source.asked) == (1, 2)


async def test_nothing_is_begun_before_the_first_piece_is_asked_for() -> None:
    source = Source(b"content")
    pieces = Bytes(source, None)
    iter(pieces)
    pieces.__aiter__()
    assert (source.starts, source.asked) == (0, 0)
    assert next(pieces) == b"content"
    assert (source.starts, source.asked) == (1, 1)


async def test_no_more_is_asked_for_than_a_piece_needs() -> None:
    source = Source(b"abcdef", b"ghi", b"never")
    pieces = Bytes(source, 3)
    assert [next(pieces), next(pieces)] == [b"abc", b"def"]
    assert source.asked == 1
    assert next(pieces) == b"ghi"
    assert source.asked == 2


async def test_an_iterator_left_early_leaves_nothing_suspended_behind() -> None:
    source = Source(b"one", b"two")
    pieces = Bytes(source, None)
    async for piece in pieces:
        assert piece == b"one"
        break
    assert next(pieces) == b"two", "a class, not a generator: leaving it ends nothing"


async def test_both_kinds_of_loop_may_be_mixed() -> None:
    pieces = Bytes(Source(b"one", b"two", b"three"), None)
    assert [next(pieces), await anext(pieces), next(pieces)] == [b"one", b"two", b"three"]
    with pytest.raises(StopAsyncIteration):
        await anext(pieces)
    with pytest.raises(StopIteration):
        next(pieces)


async def test_what_the_start_refuses_comes_out_at_the_first_piece(all_of: Any) -> None:
    class Consumed(Source):
        def start_iteration(self, *, raw: bool = False) -> bytes | None:
            raise StreamConsumed("already")

    pieces = Bytes(Consumed(), None)
    with pytest.raises(StreamConsumed):
        await all_of(pieces)


# -- decoding ----------------------------------------------------------------------------------------------------


async def test_bytes_are_decoded_unless_they_are_wanted_raw(all_of: Any) -> None:
    content = b"the quick brown fox " * 100
    encoded = gzip.compress(content)
    halves = (encoded[:20], encoded[20:])
    assert b"".join(await all_of(Bytes(Source(*halves, coding="gzip"), None))) == content
    assert await all_of(Bytes(Source(*halves, coding="gzip"), None, raw=True)) == list(halves)
    assert b"".join(await all_of(Bytes(Source(*halves, coding="gzip"), 7))) == content


async def test_pieces_that_decode_to_nothing_are_no_pieces(all_of: Any) -> None:
    encoded = gzip.compress(b"content")
    source = Source(*[encoded[at : at + 1] for at in range(len(encoded))], coding="gzip")
    pieces = await all_of(Bytes(source, None))
    assert b"".join(pieces) == b"content"
    assert all(pieces)


async def test_content_that_grows_comes_in_bounded_pieces(all_of: Any) -> None:
    pieces = await all_of(Bytes(Source(gzip.compress(bytes(1_000_000)), coding="gzip"), None))
    assert sum(map(len, pieces)) == 1_000_000
    assert max(map(len, pieces)) <= PIECE_SIZE


@pytest.mark.parametrize("cut", [1, 10, 25])
async def test_coded_content_that_is_cut_short_is_an_error_and_blamed(all_of: Any, cut: int) -> None:
    encoded = gzip.compress(b"content that will never come whole")
    source = Source(encoded[:-cut], coding="gzip")
    with pytest.raises(DecodingError) as caught:
        await all_of(Bytes(source, None))
    assert source.blamed == [caught.value]


async def test_content_that_does_not_follow_its_coding_is_an_error_and_blamed(all_of: Any) -> None:
    source = Source(b"this is not gzip", coding="gzip")
    with pytest.raises(DecodingError) as caught:
        await all_of(Text(source, None))
    assert source.blamed == [caught.value]


async def test_what_the_connection_fails_with_comes_after_what_was_good(all_of: Any) -> None:
    source = Source(b"good", ReadError("it broke"))
    pieces = Bytes(source, None)
    assert next(pieces) == b"good"
    with pytest.raises(ReadError) as caught:
        await all_of(pieces)
    assert source.blamed == [caught.value]


async def test_any_other_error_is_nobodys_to_blame(all_of: Any) -> None:
    source = Source(KeyError("a defect"))
    with pytest.raises(KeyError):
        await all_of(Bytes(source, None))
    assert source.blamed == []


# -- text --------------------------------------------------------------------------------------------------------


async def test_a_character_that_was_cut_in_two_comes_whole(all_of: Any) -> None:
    data = "naïve – 日本".encode()
    source = Source(*[data[at : at + 1] for at in range(len(data))])
    pieces = await all_of(Text(source, None))
    assert "".join(pieces) == "naïve – 日本"
    assert all(pieces)


@pytest.mark.parametrize(("size", "pieces"), [(1, list("日本語ab")), (2, ["日本", "語a", "b"]), (9, ["日本語ab"])])
async def test_text_comes_in_pieces_of_so_many_characters(all_of: Any, size: int, pieces: list[str]) -> None:
    data = "日本語ab".encode()
    assert await all_of(Text(Source(data[:4], data[4:7], data[7:]), size)) == pieces


async def test_characters_that_came_are_kept_when_waiting_for_more_is_given_up() -> None:
    source = Source("日".encode(), ReadError("given up"), "本".encode())
    text = Text(source, 2)
    with pytest.raises(ReadError):
        next(text)
    assert list(text) == ["日本"]


@pytest.mark.parametrize(
    ("encoding", "text"), [("utf-8", "é日"), ("latin-1", "é"), ("utf-16-le", "é日"), ("shift_jis", "日本")]
)
async def test_the_charset_is_the_responses(all_of: Any, encoding: str, text: str) -> None:
    data = text.encode(encoding) * 3
    assert "".join(await all_of(Text(Source(data[:3], data[3:], encoding=encoding), None))) == text * 3


async def test_the_charset_may_be_set_until_the_first_piece() -> None:
    source = Source("é".encode("latin-1"))
    text = Text(source, None)
    source.encoding = "latin-1"
    assert next(text) == "é"


async def test_a_character_without_its_end_is_replaced(all_of: Any) -> None:
    assert "".join(await all_of(Text(Source("aé".encode()[:-1]), None))) == "a�"


# -- lines -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ((b"one\ntwo\n",), ["one", "two"]),
        ((b"one\ntwo",), ["one", "two"]),
        ((b"on", b"e\r", b"\ntw", b"o\r\n"), ["one", "two"]),
        ((b"one\rtwo\r",), ["one", "two"]),
        ((b"\n\n",), ["", ""]),
        ((b"a\x0bb\x0cc\xe2\x80\xa8d",), ["a\x0bb\x0cc\u2028d"]),
        ((b"1\n2\n3\n4\n5",), ["1", "2", "3", "4", "5"]),
    ],
)
async def test_text_comes_line_by_line_without_the_ends(
    all_of: Any, source: tuple[bytes, ...], lines: list[str]
) -> None:
    assert await all_of(Lines(Source(*source))) == lines


async def test_lines_come_as_soon_as_they_are_whole() -> None:
    source = Source(b"one\ntwo\nthr", b"ee\n", b"never\n")
    lines = Lines(source)
    assert [next(lines), next(lines), source.asked] == ["one", "two", 1]
    assert [next(lines), source.asked] == ["three", 2]


@pytest.mark.parametrize("pieces", [(b"one\ntwo\n" + b"x" * 11, b"never asked for"), (b"one\ntwo\nxxxx", b"x" * 7)])
async def test_the_lines_before_one_that_is_too_long_are_given_first(pieces: tuple[bytes, ...]) -> None:
    source = Source(*pieces)
    lines = Lines(source)
    lines._splitter = LineSplitter(10)
    assert [next(lines), next(lines)] == ["one", "two"]
    asked = source.asked
    with pytest.raises(DecodingError, match="10 characters") as caught:
        next(lines)
    assert source.asked <= asked + 1
    assert (source.blamed, source.given_up) == ([caught.value], True)


# -- driving -----------------------------------------------------------------------------------------------------


def test_a_coroutine_over_what_is_in_hand_gives_its_result() -> None:
    async def ready() -> int:
        return 5

    assert drive_ready(ready()) == 5


def test_a_coroutine_that_would_wait_is_closed_and_refused() -> None:
    closed: list[bool] = []

    class Suspends:
        def __await__(self) -> Any:
            yield

    async def waits() -> None:
        try:
            await Suspends()
        finally:
            closed.append(True)

    with pytest.raises(RuntimeError, match="still on its way"):
        drive_ready(waits())
    assert closed == [True]


def test_a_blocking_client_drives_the_iterator_itself() -> None:
    driven: list[Any] = []

    def drive(coroutine: Any) -> Any:
        driven.append(coroutine)
        return drive_ready(coroutine)

    pieces = Bytes(Source(b"one", b"two"), None)
    pieces.drive = drive
    assert list(pieces) == [b"one", b"two"]
    assert len(driven) == 3

import random

import pytest
import zstandard

from hyperhttp.plugins import DecodingError
from hyperhttp_zstd.coding import ZstdDecoder

TEXT = b"The quick brown fox jumps over the lazy dog. " * 5_000
NOISE = random.Random(7).randbytes(300_000)
ONE_PIECE = 128 * 1024
MAGIC = bytes.fromhex("28b52ffd")
SKIPPABLE = bytes.fromhex("5f2a4d18") + (5).to_bytes(4, "little") + b"hello"


def compress(content, **options):
    return zstandard.ZstdCompressor(**options).compress(content)


def compress_without_size(content, **options):
    compressor = zstandard.ZstdCompressor(write_content_size=False, **options).compressobj()
    return compressor.compress(content) + compressor.flush()


def block(kind, size, data=b"", *, last=True):
    """A block by hand (RFC 8878 3.1.1.2): kind 0 is raw, 1 is RLE, 2 is compressed, 3 is reserved."""
    return (size << 3 | kind << 1 | last).to_bytes(3, "little") + data


def frame(*blocks, window_descriptor=0x38):
    """A frame by hand with a window of 128 KiB, no content size, no checksum."""
    return MAGIC + bytes([0, window_descriptor]) + b"".join(blocks)


def drain(decoder, data, max_length=ONE_PIECE):
    """Everything that one feeding gives; each piece within the limit."""
    pieces = [decoder.decode(data, max_length)]
    while decoder.pending:
        pieces.append(decoder.decode(b"", max_length))
    assert all(len(piece) <= max_length for piece in pieces)
    return b"".join(pieces)


def decode(chunks, max_length=ONE_PIECE):
    decoder = ZstdDecoder()
    content = b"".join(drain(decoder, chunk, max_length) for chunk in chunks)
    decoder.finish()
    return content


def split(data, size):
    return [data[start : start + size] for start in range(0, len(data), size)]


@pytest.mark.parametrize("content", [b"", b"x", TEXT, NOISE], ids=["empty", "byte", "text", "noise"])
@pytest.mark.parametrize("size", [1_000, 1_000_000])
@pytest.mark.parametrize("max_length", [1_000, 40_000, ONE_PIECE])
@pytest.mark.parametrize("make", [compress, compress_without_size])
def test_content_comes_back_however_it_arrives_and_is_asked_for(content, size, max_length, make):
    assert decode(split(make(content, write_checksum=True), size), max_length) == content


def test_content_comes_back_when_it_arrives_and_is_asked_for_byte_by_byte():
    content = TEXT[:3_000]

    assert decode(split(compress(content, write_checksum=True), 1), 1) == content


@pytest.mark.parametrize("size", [1, 7, 1_000_000])
def test_all_frames_are_decoded_and_skippable_ones_are_skipped(size):
    body = SKIPPABLE + compress(b"one, ") + SKIPPABLE + compress(b"", write_checksum=True) + compress(b"two")

    assert decode(split(body + SKIPPABLE, size)) == b"one, two"


@pytest.mark.parametrize("length", [1, 100, 300, 70_000, 1_000_000], ids=str)
def test_every_width_of_the_content_size_field_is_understood(length):
    content = random.Random(length).randbytes(length)

    assert decode(split(compress(content), 5_000)) == content


def test_blocks_of_every_kind_are_decoded():
    body = frame(
        block(0, 3, b"abc", last=False),
        block(1, 4, b"d", last=False),
        block(0, 0, last=False),
        block(1, 2, b"e"),
    )

    assert decode(split(body, 1)) == b"abcddddee"


def test_a_flushed_part_is_decoded_before_the_rest_arrives():
    compressor = zstandard.ZstdCompressor().compressobj()
    first = compressor.compress(b"first") + compressor.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
    decoder = ZstdDecoder()

    assert drain(decoder, first) == b"first"
    assert not decoder.pending
    assert drain(decoder, compressor.compress(b"second") + compressor.flush()) == b"second"
    decoder.finish()


def test_bytes_fed_while_output_is_pending_are_kept_in_order():
    encoded = compress(TEXT)
    decoder = ZstdDecoder()

    content = decoder.decode(encoded[:60], 10) + decoder.decode(encoded[60:80], 10) + drain(decoder, encoded[80:])

    assert content == TEXT
    decoder.finish()


@pytest.mark.parametrize(
    "bomb",
    [
        compress(bytes(64 * 1024 * 1024)),
        compress(bytes(64 * 1024 * 1024), level=19),
        frame(*[block(1, 128 * 1024, b"\0", last=number == 499) for number in range(500)]),
        frame(block(1, 128 * 1024, b"\0")) * 500,
    ],
    ids=["one frame", "best level", "run-length blocks", "many frames"],
)
def test_a_bomb_is_decoded_by_one_block_at_most_in_advance(bomb):
    assert len(bomb) < 10_000
    decoder = ZstdDecoder()

    assert decoder.decode(bomb, 10) == bytes(10)
    assert len(decoder._output) <= 128 * 1024
    assert decoder.pending


@pytest.mark.parametrize("checksum", [True, False])
def test_content_that_ends_early_is_an_error_wherever_it_was_cut(checksum):
    encoded = compress(NOISE[:300], write_checksum=checksum)

    for length in range(1, len(encoded)):
        with pytest.raises(DecodingError, match="ends early"):
            decode([encoded[:length]])


@pytest.mark.parametrize("length", range(1, len(SKIPPABLE)))
def test_a_skippable_frame_that_ends_early_is_an_error(length):
    with pytest.raises(DecodingError, match="ends early"):
        decode([compress(b"x") + SKIPPABLE[:length]])


@pytest.mark.parametrize("size", [1, 1_000_000], ids=["apart", "in one piece"])
def test_bytes_after_the_last_frame_are_an_error(size):
    with pytest.raises(DecodingError, match="no frame begins"):
        decode(split(compress(b"content") + b"\0\0\0\0", size))


@pytest.mark.parametrize(
    "data",
    [
        b"<html>not zstd</html>",
        b"\x1f\x8b\x08\x00\x00\x00",
        frame(block(3, 0)),
        frame(block(1, 128 * 1024 + 1, b"\0")),
        frame(block(0, 128 * 1024 + 1, bytes(128 * 1024 + 1))),
        frame(block(2, 3, b"\xff\xff\xff")),
        MAGIC + bytes([0x08, 0x38]) + block(0, 1, b"x"),
        MAGIC + bytes([0x20, 2]) + block(0, 1, b"x"),
        compress(TEXT, write_checksum=True)[:-1] + b"\0",
    ],
    ids=[
        "text",
        "gzip",
        "reserved block type",
        "run too long",
        "raw block too long",
        "corrupt block",
        "reserved bit",
        "wrong content size",
        "wrong checksum",
    ],
)
def test_bytes_that_are_not_zstd_are_an_error(data):
    with pytest.raises(DecodingError, match="not valid zstd"):
        decode([data])


def test_a_frame_may_ask_for_a_window_of_eight_mebibytes_and_not_for_more():
    assert decode([frame(block(0, 1, b"x"), window_descriptor=(23 - 10) << 3)]) == b"x"

    with pytest.raises(DecodingError, match="too much memory"):
        decode([frame(block(0, 1, b"x"), window_descriptor=(23 - 10) << 3 | 1)])


def test_a_single_segment_larger_than_the_window_limit_is_an_error():
    size = (8 * 1024 * 1024 + 1).to_bytes(4, "little")

    with pytest.raises(DecodingError, match="too much memory"):
        decode([MAGIC + bytes([0xA0]) + size + block(0, 1, b"x")])


def test_a_frame_that_needs_a_dictionary_is_an_error():
    dictionary = zstandard.ZstdCompressionDict(TEXT[:2_000], dict_type=zstandard.DICT_TYPE_RAWCONTENT)
    assert decode([compress(b"x", dict_data=dictionary)]) == b"x"  # raw content has no identifier

    with pytest.raises(DecodingError, match=r"not valid zstd.*[Dd]ictionary"):
        decode([MAGIC + bytes([0x01, 0x38, 0x07]) + block(0, 1, b"x")])


def test_nothing_is_pending_before_and_after_a_stream():
    decoder = ZstdDecoder()
    assert not decoder.pending
    assert decoder.decode(b"", 10) == b""

    drain(decoder, compress(TEXT))

    assert not decoder.pending
    assert decoder.decode(b"", 10) == b""

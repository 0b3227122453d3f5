import random

import brotli
import pytest

from hyperhttp.plugins import DecodingError
from hyperhttp_brotli.coding import BrotliDecoder

TEXT = b"The quick brown fox jumps over the lazy dog. " * 5_000
NOISE = random.Random(7).randbytes(300_000)
ONE_PIECE = 128 * 1024


def drain(decoder, data, max_length=ONE_PIECE):
    """Everything that one feeding gives; each piece within the limit."""
    pieces = [decoder.decode(data, max_length)]
    while decoder.pending:
        pieces.append(decoder.decode(b"", max_length))
    assert all(len(piece) <= max_length for piece in pieces)
    return b"".join(pieces)


def decode(chunks, max_length=ONE_PIECE):
    decoder = BrotliDecoder()
    content = b"".join(drain(decoder, chunk, max_length) for chunk in chunks)
    decoder.finish()
    return content


def split(data, size):
    return [data[start : start + size] for start in range(0, len(data), size)]


@pytest.mark.parametrize("content", [b"", b"x", TEXT, NOISE], ids=["empty", "byte", "text", "noise"])
@pytest.mark.parametrize("size", [1_000, 1_000_000])
@pytest.mark.parametrize("max_length", [1_000, 32_752, ONE_PIECE])
def test_content_comes_back_however_it_arrives_and_is_asked_for(content, size, max_length):
    assert decode(split(brotli.compress(content, quality=5), size), max_length) == content


def test_content_comes_back_when_it_arrives_and_is_asked_for_byte_by_byte():
    content = TEXT[:3_000]

    assert decode(split(brotli.compress(content), 1), 1) == content


def test_bytes_fed_while_output_is_pending_are_kept_in_order():
    encoded = brotli.compress(TEXT)
    decoder = BrotliDecoder()

    content = decoder.decode(encoded[:20], 10) + decoder.decode(encoded[20:40], 10) + drain(decoder, encoded[40:])

    assert content == TEXT
    decoder.finish()


def test_a_flushed_part_is_decoded_before_the_rest_arrives():
    compressor = brotli.Compressor()
    first = compressor.process(b"first") + compressor.flush()
    decoder = BrotliDecoder()

    assert drain(decoder, first) == b"first"
    assert not decoder.pending
    assert drain(decoder, compressor.process(b"second") + compressor.finish()) == b"second"
    decoder.finish()


def test_a_bomb_is_decoded_no_further_than_asked():
    bomb = brotli.compress(bytes(64 * 1024 * 1024))
    assert len(bomb) < 1_000
    decoder = BrotliDecoder()

    assert decoder.decode(bomb, 10) == bytes(10)
    assert len(decoder._output) < 33_000
    assert decoder.pending


@pytest.mark.parametrize("cut", [1, 10, 100])
def test_content_that_ends_early_is_an_error(cut):
    encoded = brotli.compress(NOISE[:1_000])

    with pytest.raises(DecodingError, match="ends early"):
        decode([encoded[:-cut]])


@pytest.mark.parametrize("size", [1, 1_000_000], ids=["apart", "in one piece"])
@pytest.mark.parametrize("content", [b"", TEXT], ids=["empty", "text"])
def test_bytes_after_the_end_are_an_error(content, size):
    with pytest.raises(DecodingError, match="goes on after its end"):
        decode(split(brotli.compress(content) + b"x", size))


@pytest.mark.parametrize("data", [b"\xff" * 40, b"<html>not brotli</html>" * 10], ids=["ones", "text"])
def test_bytes_that_are_not_brotli_are_an_error(data):
    with pytest.raises(DecodingError):
        decode([data])


def test_nothing_is_pending_before_and_after_a_stream():
    decoder = BrotliDecoder()
    assert not decoder.pending
    assert decoder.decode(b"", 10) == b""

    drain(decoder, brotli.compress(TEXT), len(TEXT))

    assert not decoder.pending
    assert decoder.decode(b"", 10) == b""

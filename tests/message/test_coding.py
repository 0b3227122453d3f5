from __future__ import annotations

import gzip
import random
import tracemalloc
import zlib

import pytest

from hyperhttp.exceptions import DecodingError
from hyperhttp.message.coding import (
    DEFLATE,
    GZIP,
    MAX_CODINGS,
    PIECE_SIZE,
    RATIO_FLOOR,
    CodingChain,
    ContentCoding,
    DeflateDecoder,
    GzipDecoder,
    accept_encoding,
    coding_table,
)
from hyperhttp.message.decoding import decode_all

CODINGS = coding_table([GZIP, DEFLATE])
TEXT = b"".join(b"%d: the quick brown fox\n" % number for number in range(5_000))


def chain_for(*encodings: str, **options) -> CodingChain:
    chain = CodingChain.for_response(list(encodings), CODINGS, **options)
    assert chain is not None
    return chain


def bare_deflate(data: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-15)
    return compressor.compress(data) + compressor.flush()


def streamed(chain: CodingChain, data: bytes, size: int) -> bytes:
    pieces = []
    for start in range(0, len(data), size):
        pieces.extend(chain.decode(data[start : start + size]))
    chain.finish()
    assert all(0 < len(piece) <= PIECE_SIZE for piece in pieces)
    return b"".join(pieces)


class Endless:
    """A decoder gone wrong: it always has more, and never gives it."""

    pending = True

    def decode(self, data: bytes, max_length: int) -> bytes:
        return b""

    def finish(self) -> None:
        pass


ENCODED = [
    pytest.param("gzip", gzip.compress(TEXT, mtime=0), id="gzip"),
    pytest.param("x-gzip", gzip.compress(TEXT, mtime=0), id="x-gzip"),
    pytest.param("GZip", gzip.compress(TEXT, mtime=0), id="mixed case"),
    pytest.param("gzip", gzip.compress(TEXT[:1000], mtime=0) + gzip.compress(TEXT[1000:], mtime=0), id="two members"),
    pytest.param(
        "gzip",
        gzip.compress(b"", mtime=0) * 3 + gzip.compress(TEXT, mtime=0) + gzip.compress(b"", mtime=0),
        id="empty members",
    ),
    pytest.param("gzip", gzip.compress(TEXT, mtime=0) + bytes(1000), id="zero padding"),
    pytest.param(
        "gzip",
        gzip.compress(TEXT[:9], mtime=0) + bytes(9) + gzip.compress(TEXT[9:], mtime=0),
        id="padding between members",
    ),
    pytest.param("deflate", zlib.compress(TEXT), id="deflate as zlib"),
    pytest.param("deflate", bare_deflate(TEXT), id="deflate bare"),
    pytest.param("deflate", bare_deflate(TEXT) + zlib.compress(TEXT)[-4:], id="deflate bare with checksum"),
    pytest.param("deflate, gzip", gzip.compress(zlib.compress(TEXT), mtime=0), id="two codings"),
    pytest.param("gzip, identity ,, deflate", zlib.compress(gzip.compress(TEXT, mtime=0)), id="identity in between"),
]


@pytest.mark.parametrize("size", [1, 7, 1000, 10_000_000])
@pytest.mark.parametrize(("encoding", "data"), ENCODED)
def test_content_survives_whatever_pieces_it_arrives_in(encoding, data, size):
    assert streamed(chain_for(encoding), data, size) == TEXT


@pytest.mark.parametrize(("encoding", "data"), ENCODED)
def test_content_that_is_there_already_is_decoded_at_once(encoding, data):
    assert decode_all(chain_for(encoding), data, len(TEXT)) == TEXT


@pytest.mark.parametrize(
    ("encoding", "data"),
    [
        ("gzip", gzip.compress(TEXT[:200], mtime=0)),
        ("gzip", gzip.compress(b"", mtime=0)),
        ("deflate", zlib.compress(TEXT[:200])),
        ("deflate", bare_deflate(TEXT[:200])),
        ("deflate, gzip", gzip.compress(zlib.compress(TEXT[:200]), mtime=0)),
        ("deflate, gzip", gzip.compress(zlib.compress(TEXT[:200])[:-1], mtime=0)),
    ],
)
def test_every_truncation_is_an_error(encoding, data):
    for cut in range(1, len(data)):
        with pytest.raises(DecodingError):
            decode_all(chain_for(encoding), data[:cut], 1000)


def test_a_truncated_second_member_is_an_error():
    first, second = gzip.compress(TEXT[:9], mtime=0), gzip.compress(TEXT[9:50], mtime=0)
    for cut in range(1, len(second)):
        with pytest.raises(DecodingError):
            streamed(chain_for("gzip"), first + second[:cut], 9)


@pytest.mark.parametrize("tail", [b"x", b"\0x", b"garbage", b"\x1f\x8b", gzip.compress(b"more", mtime=0)[:-1]])
def test_what_follows_a_gzip_member_must_be_padding_or_a_member(tail):
    with pytest.raises(DecodingError):
        decode_all(chain_for("gzip"), gzip.compress(TEXT, mtime=0) + tail, 10 * len(TEXT))


@pytest.mark.parametrize(
    ("encoding", "data"),
    [
        ("gzip", b"not gzip at all"),
        ("gzip", zlib.compress(TEXT)),
        ("gzip", gzip.compress(TEXT, mtime=0)[:-8] + bytes(8)),
        ("gzip", gzip.compress(TEXT, mtime=0)[:-4] + b"\1\2\3\4"),
        ("deflate", b"\xff\xff\xff\xff"),
        ("deflate", zlib.compress(TEXT)[:-4] + b"\0\0\0\0"),
        ("deflate", zlib.compress(TEXT) + b"x"),
        ("deflate", bare_deflate(TEXT) + b"12345"),
        ("deflate", b"\x78"),
    ],
)
def test_corrupt_content_is_an_error(encoding, data):
    with pytest.raises(DecodingError):
        decode_all(chain_for(encoding), data, 10 * len(TEXT))
    with pytest.raises(DecodingError):
        streamed(chain_for(encoding), data, 5)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "deflate, gzip"])
def test_no_content_at_all_is_complete(encoding):
    chain = chain_for(encoding)
    assert list(chain.decode(b"")) == []
    chain.finish()
    assert decode_all(chain_for(encoding), b"", 0) == b""


def test_encoded_emptiness_is_complete():
    assert decode_all(chain_for("gzip"), gzip.compress(b"", mtime=0), 0) == b""
    assert decode_all(chain_for("deflate"), zlib.compress(b""), 0) == b""
    assert decode_all(chain_for("deflate, gzip"), gzip.compress(b"", mtime=0), 0) == b""


@pytest.mark.parametrize("encodings", [[], [""], ["identity"], ["br"], ["gzip, br"], ["br", "gzip"], ["x"]])
def test_unknown_codings_and_none_leave_the_content_alone(encodings):
    assert CodingChain.for_response(encodings, CODINGS) is None


def test_repeated_field_lines_are_one_list():
    assert decode_all(chain_for("deflate", "gzip"), gzip.compress(zlib.compress(TEXT), mtime=0)) == TEXT


def test_an_alias_is_found_in_a_table_of_names_only():
    chain = CodingChain.for_response(["X-GZIP"], {"gzip": GZIP})
    assert chain is not None
    assert decode_all(chain, gzip.compress(TEXT, mtime=0)) == TEXT


def test_more_codings_than_allowed_are_refused():
    data = TEXT
    for _ in range(MAX_CODINGS):
        data = gzip.compress(data, mtime=0)
    assert decode_all(chain_for(", ".join(["gzip"] * MAX_CODINGS)), data, len(TEXT)) == TEXT
    with pytest.raises(DecodingError, match="6 codings"):
        chain_for("gzip, gzip, gzip", "identity, gzip, gzip")


def test_a_bomb_is_never_inflated_further_than_asked_for():
    bomb = gzip.compress(bytes(64 * 1024 * 1024), mtime=0)
    chain = chain_for("gzip", max_ratio=None)
    tracemalloc.start()
    try:
        pieces = chain.decode(bomb)
        sizes = [len(next(pieces)) for _ in range(10)]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert sizes == [PIECE_SIZE] * 10
    assert peak < 1024 * 1024


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_a_bomb_passes_the_ratio_early(layers):
    bomb = bytes(16 * RATIO_FLOOR)
    for _ in range(layers):
        bomb = gzip.compress(bomb, mtime=0)
    pieces = []
    with pytest.raises(DecodingError, match="bomb"):
        pieces.extend(chain_for(", ".join(["gzip"] * layers)).decode(bomb))
    assert sum(map(len, pieces)) <= max(RATIO_FLOOR, 250 * len(bomb))
    with pytest.raises(DecodingError, match="bomb"):
        decode_all(chain_for(", ".join(["gzip"] * layers)), bomb, None)


def test_a_bomb_between_two_codings_passes_the_ratio_although_nothing_comes_out():
    members = gzip.compress(gzip.compress(b"") * 200_000, mtime=0)
    with pytest.raises(DecodingError, match="bomb"):
        decode_all(chain_for("gzip, gzip"), members, 100)


def test_content_below_the_floor_may_have_any_ratio():
    blanks = b" " * RATIO_FLOOR
    assert decode_all(chain_for("gzip"), gzip.compress(blanks, mtime=0), RATIO_FLOOR) == blanks
    assert streamed(chain_for("gzip"), gzip.compress(blanks, mtime=0), 10) == blanks


@pytest.mark.parametrize("encoding", ["gzip", "deflate, gzip"])
def test_more_decoded_bytes_than_allowed_are_an_error_with_the_limit(encoding):
    data = gzip.compress(TEXT if encoding == "gzip" else zlib.compress(TEXT), mtime=0)
    with pytest.raises(DecodingError) as caught:
        decode_all(chain_for(encoding), data, len(TEXT) - 1)
    assert caught.value.limit == len(TEXT) - 1


def test_content_without_a_coding_is_given_as_it_is_within_the_limit():
    assert decode_all(None, TEXT, len(TEXT)) is TEXT
    with pytest.raises(DecodingError) as caught:
        decode_all(None, TEXT, len(TEXT) - 1)
    assert caught.value.limit == len(TEXT) - 1


def test_a_flood_of_tiny_members_does_not_take_quadratic_time():
    flood = gzip.compress(b"x", mtime=0) * 20_000  # 420 kB: copying the rest for each member would move 4 GB
    assert decode_all(chain_for("gzip"), flood, 20_000) == b"x" * 20_000


def test_pieces_left_untaken_come_first_next_time():
    data = gzip.compress(TEXT, mtime=0)
    chain = chain_for("gzip", piece_size=100)
    first = next(chain.decode(data[:1000]))
    rest = b"".join(chain.decode(data[1000:]))
    chain.finish()
    assert first + rest == TEXT


def test_finishing_with_pieces_untaken_is_an_error():
    chain = chain_for("gzip", piece_size=100)
    next(chain.decode(gzip.compress(TEXT, mtime=0)))
    with pytest.raises(DecodingError, match="not decoded to its end"):
        chain.finish()


def test_a_decoder_that_makes_no_progress_is_stopped():
    chain = CodingChain([ContentCoding("endless", Endless)])
    with pytest.raises(DecodingError, match="no progress"):
        list(chain.decode(b"x"))


@pytest.mark.parametrize("decoder", [GzipDecoder, DeflateDecoder])
def test_a_decoder_asked_for_no_bytes_does_not_take_it_for_all_bytes(decoder):
    with pytest.raises(ValueError, match="at least 1"):
        decoder().decode(b"x", 0)


@pytest.mark.parametrize("decoder", [GzipDecoder, DeflateDecoder])
def test_a_decoder_accepts_data_while_more_is_pending(decoder):
    data = gzip.compress(TEXT, mtime=0) if decoder is GzipDecoder else zlib.compress(TEXT)
    unit = decoder()
    output = [unit.decode(data[:1000], 50), unit.decode(data[1000:], 50)]
    while unit.pending:
        output.append(unit.decode(b"", 1000))
    unit.finish()
    assert b"".join(output) == TEXT


def test_random_cuts_and_piece_sizes_give_the_same_content():
    source = random.Random(9110)
    data = b"".join(gzip.compress(TEXT[place : place + 5000], mtime=0) for place in range(0, len(TEXT), 5000))
    for _ in range(20):
        chain = chain_for("gzip", piece_size=source.randint(1, 5000))
        output, place = [], 0
        while place < len(data):
            step = source.randint(1, 20_000)
            output.extend(chain.decode(data[place : place + step]))
            place += step
        chain.finish()
        assert b"".join(output) == TEXT


def test_accept_encoding_lists_what_wants_to_be_offered_in_order():
    hidden = ContentCoding("hidden", GzipDecoder, accept=False)
    assert accept_encoding(CODINGS) == "gzip, deflate"
    assert accept_encoding(coding_table([DEFLATE, hidden, GZIP])) == "deflate, gzip"
    assert accept_encoding({}) == "identity"


def test_a_later_coding_replaces_an_earlier_one_of_the_same_name():
    mine = ContentCoding("GZIP", DeflateDecoder)
    assert coding_table([GZIP, mine])["gzip"] is mine

"""A second opinion from the `hpack` package: what it reads in our blocks, what we read in its, and in damaged ones."""

from __future__ import annotations

import json
import re
from pathlib import Path
from random import Random
from typing import Any

import hpack
import hpack.exceptions
import pytest

from hyperhttp.exceptions import LocalProtocolError
from hyperhttp.protocol.http2.errors import ConnectionFault
from hyperhttp.protocol.http2.hpack_decoder import Decoder
from hyperhttp.protocol.http2.hpack_encoder import Encoder
from tests.fuzz.mutation import mutant

Pair = tuple[bytes, bytes]

VECTORS = Path(__file__).parents[1] / "vectors" / "hpack" / "rfc7541_appendix_c.json"
NAMES = [b"accept", b"x-a", b"x-b", b"authorization", b"content-type", b"date", b"x-%d", b"user-agent", b"cookie"]
VALUES = [
    b"",
    b"1",
    b"text/html",
    b"a somewhat longer value",
    b"caf\xc3\xa9",
    b"\xff~^",
    b"%d",
    b"y" * 300,
    b"z" * 3000,
]


def some_fields(chance: Random) -> list[Pair]:
    """Fields that often repeat, and some that never do."""

    def one(options: list[bytes]) -> bytes:
        text = chance.choice(options)
        return text % chance.randrange(60) if b"%d" in text else text

    return [(one(NAMES), one(VALUES)) for _ in range(chance.randrange(12))]


# -- valid both ways ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(20))
def test_hpack_reads_in_our_blocks_what_we_wrote(seed: int) -> None:
    chance = Random(seed)
    encoder, decoder = Encoder(), hpack.Decoder(max_header_list_size=1 << 20)
    for number in range(40):
        if chance.random() < 0.1:
            size = chance.choice([0, 64, 500, 4096, 1 << 16])
            encoder.set_table_size(size)
            decoder.max_allowed_table_size = min(size, 4096)
        fields = some_fields(chance)
        if chance.random() < 0.1:
            with pytest.raises(LocalProtocolError):  # a block that is given up must not bring the tables apart
                encoder.encode_request(b"GET", b"https", b"a.example", b"/", [*fields, (b"x", b"\n")])
        block = encoder.encode_request(b"GET", b"https", b"a.example", b"/%d" % number, fields)
        read = [(bytes(name), bytes(value)) for name, value in decoder.decode(block, raw=True)]
        assert read[:4] == [
            (b":method", b"GET"),
            (b":scheme", b"https"),
            (b":authority", b"a.example"),
            (b":path", b"/%d" % number),
        ]
        assert read[4:] == fields


@pytest.mark.parametrize("huffman_coded", [True, False])
@pytest.mark.parametrize("seed", range(20))
def test_we_read_in_the_blocks_of_hpack_what_it_wrote(seed: int, huffman_coded: bool) -> None:
    chance = Random(seed)
    encoder, decoder = hpack.Encoder(), Decoder(4096)
    for _ in range(40):
        if chance.random() < 0.1:
            encoder.header_table_size = chance.choice([0, 64, 500, 4096])
        fields = some_fields(chance)
        sensitive = [hpack.NeverIndexedHeaderTuple(*pair) if pair[0] == b"cookie" else pair for pair in fields]
        block = encoder.encode(sensitive, huffman=huffman_coded)
        assert [entry[:2] for entry in decoder.decode(block)] == fields
        table = [entry[:2] for entry in decoder._table[62:]]
        assert table == [(bytes(name), bytes(value)) for name, value in encoder.header_table.dynamic_entries]


# -- damaged -----------------------------------------------------------------------------------------------------------


def ours(blocks: list[bytes]) -> list[Any]:
    """The fields of each block; None for the first that is refused, after which there is no more."""
    decoder, found = Decoder(4096), []
    for block in blocks:
        try:
            found.append([entry[:2] for entry in decoder.decode(block)])
        except ConnectionFault:
            return [*found, None]
    return found


def theirs(blocks: list[bytes]) -> list[Any]:
    """The same by `hpack`; with the name of the error where it refuses."""
    decoder, found = hpack.Decoder(max_header_list_size=1 << 24), []
    decoder.max_allowed_table_size = 4096
    for block in blocks:
        try:
            fields = decoder.decode(block, raw=True)
        except (hpack.exceptions.HPACKError, UnicodeDecodeError):
            return [*found, None]
        # We take blanks off values in the same step (see `make_entry`).
        found.append([(bytes(name), bytes(value).strip(b" \t")) for name, value in fields])
    return found


LARGE_INTEGER = re.compile(rb"[\x80-\xff]{4}", re.DOTALL)
LARGE_INTEGERS = (
    "stricter: integers end within four bytes behind their prefix; no length or index that is allowed needs more"
)


def reason_for(blocks: list[bytes]) -> str:
    """Why the two disagree; empty where it is not understood."""
    if ours(blocks)[-1] is None and any(map(LARGE_INTEGER.search, blocks)):
        return LARGE_INTEGERS
    return ""


def seeds() -> list[bytes]:
    """Sessions of blocks, each behind its length in two bytes."""
    cases = json.loads(VECTORS.read_text())["cases"]
    found = [joined([bytes.fromhex(block["hex"]) for block in case["blocks"]]) for case in cases]
    chance = Random(5)
    for _ in range(30):
        encoder = hpack.Encoder()
        found.append(joined([encoder.encode(some_fields(chance)) for _ in range(4)]))
    return [*found, joined([b"\x20\x3f\xe1\x1f\x88", b"@\x01a\x01b\xbe", b"\x20\xbe"])]


def joined(blocks: list[bytes]) -> bytes:
    return b"".join(len(block).to_bytes(2, "big") + block for block in blocks)


def parted(data: bytes) -> list[bytes]:
    blocks = []
    while len(data) > 2:
        size = int.from_bytes(data[:2], "big") % 4096
        blocks.append(data[2 : 2 + size])
        data = data[2 + size :]
    return blocks


def test_damaged_blocks_are_read_as_hpack_reads_them_or_the_reason_is_known() -> None:
    chance, known = Random(1), seeds()
    unexplained = []
    for _ in range(2000):
        blocks = parted(mutant(chance, known))
        if ours(blocks) != theirs(blocks) and not reason_for(blocks):
            unexplained.append(([block.hex() for block in blocks], ours(blocks)[-1:], theirs(blocks)[-1:]))
    assert unexplained == []


def test_an_integer_longer_than_any_that_is_allowed_is_why() -> None:
    """Zeros behind zeros: they change nothing about the number, so `hpack` goes on reading."""
    blocks = [b"\0\x01x\x7f\x80\x80\x80\x80\x00" + b"y" * 127]
    assert ours(blocks) == [None]
    assert theirs(blocks) == [[(b"x", b"y" * 127)]]
    assert reason_for(blocks) == LARGE_INTEGERS

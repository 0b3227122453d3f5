from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import hpack
import pytest

from hyperhttp.protocol.http2.errors import ConnectionFault, ErrorCode, StreamFault
from hyperhttp.protocol.http2.hpack_decoder import Decoder, HeadReader, decode_integer
from hyperhttp.protocol.http2.hpack_encoder import encode_integer

_VECTORS = Path(__file__).parents[2] / "vectors" / "hpack" / "rfc7541_appendix_c.json"
_CASES = json.loads(_VECTORS.read_text())["cases"]


def pairs(decoder: Decoder, block: bytes) -> list[tuple[bytes, bytes]]:
    return [entry[:2] for entry in decoder.decode(block)]


@pytest.mark.parametrize("case", _CASES, ids=lambda case: case["name"])
def test_examples_of_rfc_7541(case: dict[str, Any]) -> None:
    size = case["table_size"]
    decoder = Decoder(size or 4096)
    announcement = encode_integer(0x20, 0x1F, size) if size else b""
    for block in case["blocks"]:
        expected = [(name.encode(), value.encode()) for name, value in block["fields"]]
        assert pairs(decoder, announcement + bytes.fromhex(block["hex"])) == expected
        announcement = b""
    table = [(name.encode(), value.encode()) for name, value in case["table"]]
    indexes = b"".join(encode_integer(0x80, 0x7F, 62 + number) for number in range(len(table)))
    assert pairs(decoder, indexes) == table


def test_a_remembered_literal_is_the_same_field_again() -> None:
    decoder = Decoder()
    block = hpack.Encoder().encode([("x-one", "1" * 200), ("date", "today")])
    first = decoder.decode(block)
    assert [entry[:2] for entry in first] == [(b"x-one", b"1" * 200), (b"date", b"today")]
    again = Decoder().decode(block) + decoder.decode(block)
    assert [entry[:2] for entry in again] == [entry[:2] for entry in first] * 2


def test_what_is_remembered_depends_on_the_whole_literal() -> None:
    decoder = Decoder()
    assert pairs(decoder, b"\x00\x01a\x01b") == [(b"a", b"b")]
    assert pairs(decoder, b"\x00\x01a\x01c") == [(b"a", b"c")]
    assert pairs(decoder, b"\x00\x01b\x01b") == [(b"b", b"b")]
    assert pairs(decoder, b"\x0f\x12\x01b") == [(b"date", b"b")]


def test_a_name_from_the_dynamic_table_is_looked_up_anew_each_time() -> None:
    decoder = Decoder()
    decoder.decode(b"\x40\x01a\x011")
    assert pairs(decoder, b"\x0f\x2f\x01v") == [(b"a", b"v")]
    decoder.decode(b"\x40\x01b\x012")
    assert pairs(decoder, b"\x0f\x2f\x01v") == [(b"b", b"v")]


def test_an_entry_larger_than_the_table_empties_it() -> None:
    decoder = Decoder()
    decoder.decode(b"\x40\x01a\x011")
    decoder.decode(b"\x40\x01b" + encode_integer(0, 0x7F, 4100) + b"x" * 4100)
    with pytest.raises(ConnectionFault):
        decoder.decode(b"\xbe")


def test_the_oldest_entries_make_room() -> None:
    decoder = Decoder()
    value = b"x" * 1000
    for name in (b"a", b"b", b"c", b"d"):
        decoder.decode(b"\x40\x01" + name + encode_integer(0, 0x7F, 1000) + value)
    assert pairs(decoder, b"\xbe\xbf\xc0") == [(b"d", value), (b"c", value), (b"b", value)]
    with pytest.raises(ConnectionFault):
        decoder.decode(b"\xc1")


def test_long_names_and_values() -> None:
    name, value = b"n" * 200, b"v" * 300
    block = b"\x00" + encode_integer(0, 0x7F, 200) + name + encode_integer(0, 0x7F, 300) + value
    assert pairs(Decoder(), block) == [(name, value)]
    assert pairs(Decoder(), b"\x40" + block[1:] + b"\xbe") == [(name, value)] * 2


def test_announcing_the_same_table_size_changes_nothing() -> None:
    decoder = Decoder()
    decoder.decode(b"\x40\x01a\x011")
    assert pairs(decoder, b"\x3f\xe1\x1f\xbe") == [(b"a", b"1")]


def test_a_smaller_table_evicts_and_may_grow_again() -> None:
    decoder = Decoder()
    decoder.decode(b"\x40\x01a\x011")
    assert pairs(decoder, b"\x20\x3f\xe1\x1f\x40\x01b\x012\xbe") == [(b"b", b"2"), (b"b", b"2")]


@pytest.mark.parametrize(
    ("block", "why"),
    [
        (b"\x80", "index 0"),
        (b"\xbe", "an index beyond the tables"),
        (b"\xff\xff\xff\x7f", "a large index"),
        (b"\x7f\x00\x01a", "a name index beyond the tables"),
        (b"\xff", "an index cut off"),
        (b"\x00", "a literal cut off before its name"),
        (b"\x00\x01a", "a literal cut off before its value"),
        (b"\x00\x05a", "a name cut off"),
        (b"\x00\x01a\x05b", "a value cut off"),
        (b"\x04", "a value that is not there"),
        (b"\x0f", "a name index cut off"),
        (b"\x04\x7f\xff\xff\xff\xff\xff\x0f", "an endless integer"),
        (b"\x04\x7f\xff\xff\xff\x7f/", "a huge length"),
        (b"\x04\x81\xff", "Huffman padding of eight bits"),
        (b"\x04\x84\xff\xff\xff\xfc", "Huffman end of string"),
        (b"\x3f\xe2\x1f", "a table larger than allowed"),
        (b"\x82\x20", "a table size after a field"),
    ],
)
def test_what_is_not_hpack_is_a_compression_error(block: bytes, why: str) -> None:
    with pytest.raises(ConnectionFault) as caught:
        Decoder().decode(block)
    assert caught.value.code == ErrorCode.COMPRESSION_ERROR


@pytest.mark.parametrize("cut", range(1, 40))
def test_a_block_cut_anywhere_gives_fewer_fields_or_a_compression_error(cut: int) -> None:
    fields = [(":status", "200"), ("x-custom-name", "a value"), ("date", "Mon, 16 Nov 2026 10:00:00 GMT")]
    block = hpack.Encoder().encode(fields)
    whole = [(name.encode(), value.encode()) for name, value in fields]
    with contextlib.suppress(ConnectionFault):
        part = pairs(Decoder(), block[:cut])
        assert part == whole[: len(part)]
        assert len(part) < len(whole)


def test_a_peer_that_ignores_our_smaller_table_is_found_out() -> None:
    decoder = Decoder(100)
    with pytest.raises(ConnectionFault):
        decoder.decode(b"\x82")
    assert pairs(Decoder(100), b"\x3f\x45\x82") == [(b":method", b"GET")]


def test_integers_of_several_bytes() -> None:
    assert decode_integer(b"\x9a\x0a", 0, 0x1F) == (1337, 2)
    for value in (127, 128, 254, 255, 16_000, 2_000_000):
        encoded = encode_integer(0, 0x7F, value)
        assert decode_integer(encoded, 1, 0x7F) == (value, len(encoded))


def test_a_bomb_of_references_costs_one_pointer_each() -> None:
    """CVE-2016-6581: 16 000 references to an entry of 4 000 bytes stand for 64 MB."""
    decoder = Decoder()
    decoder.decode(b"\x40\x01a" + encode_integer(0, 0x7F, 4000) + b"x" * 4000)
    entries = decoder.decode(b"\xbe" * 16_000)
    assert len({id(entry) for entry in entries}) == 1


def test_memory_for_remembered_literals_is_bounded() -> None:
    decoder = Decoder()
    for number in range(3000):
        decoder.decode(b"\x00\x06" + b"%06d" % number + b"\x01v")
    assert len(decoder._literals) <= 512


@pytest.mark.parametrize("name", [b"set-cookie", b"x-auth-token", b"location", b"authentication-info"])
def test_fields_that_may_be_secret_are_not_remembered(name: bytes) -> None:
    decoder = Decoder()
    reader = HeadReader(decoder, 65536, 100)
    block = b"\x88\x00" + bytes((len(name),)) + name + b"\x06secret"
    for _ in range(2):
        assert [field[:2] for field in reader.read(block)[1]] == [(name, b"secret")]
    assert "secret" not in repr(decoder._literals)
    assert "secret" not in repr(reader._heads)


def test_a_field_never_to_be_indexed_is_not_remembered() -> None:
    decoder = Decoder()
    reader = HeadReader(decoder, 65536, 100)
    assert reader.read(b"\x88\x10\x01a\x06secret")[1][0][:2] == (b"a", b"secret")
    assert "secret" not in repr(decoder._literals) + repr(reader._heads)


class TestHeadReader:
    def test_a_head_met_before_is_found_again(self) -> None:
        reader = HeadReader(Decoder(), 65536, 100)
        assert reader.read(b"\x88\x00\x01a\x01b") is reader.read(b"\x88\x00\x01a\x01b")

    def test_a_changed_table_makes_the_same_bytes_another_head(self) -> None:
        decoder = Decoder()
        reader = HeadReader(decoder, 65536, 100)
        decoder.decode(b"\x40\x01a\x011")
        assert reader.read(b"\x88\xbe")[1][0][:2] == (b"a", b"1")
        assert reader.read(b"\x88\xbe")[1][0][:2] == (b"a", b"1")
        decoder.decode(b"\x40\x01b\x012")
        assert reader.read(b"\x88\xbe")[1][0][:2] == (b"b", b"2")

    def test_a_head_that_fills_the_table_is_decoded_every_time(self) -> None:
        decoder = Decoder()
        reader = HeadReader(decoder, 65536, 100)
        reader.read(b"\x88\x40\x01a\x011")
        reader.read(b"\x88\x40\x01a\x011")
        assert pairs(decoder, b"\xbe\xbf") == [(b"a", b"1"), (b"a", b"1")]

    def test_a_table_of_no_size_leaves_heads_rememberable(self) -> None:
        """nginx sets the size to 0 and goes on sending literals "with indexing"."""
        reader = HeadReader(Decoder(), 65536, 100)
        reader.read(b"\x20\x88\x40\x01a\x011")
        assert reader.read(b"\x88\x40\x01a\x011") is reader.read(b"\x88\x40\x01a\x011")

    def test_memory_for_heads_is_bounded(self) -> None:
        reader = HeadReader(Decoder(), 65536, 100)
        for number in range(1000):
            reader.read(b"\x88\x00\x01a\x04%04d" % number)
        assert len(reader._heads) <= 128

    def test_a_malformed_head_leaves_the_table_in_step(self) -> None:
        decoder = Decoder()
        reader = HeadReader(decoder, 65536, 100)
        with pytest.raises(StreamFault):
            reader.read(b"\x88\x40\x01A\x011\x40\x01b\x012")
        assert reader.read(b"\x88\xbe")[1][0][:2] == (b"b", b"2")
        with pytest.raises(StreamFault):
            reader.read(b"\x88\xbf")

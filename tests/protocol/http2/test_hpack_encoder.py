from __future__ import annotations

import hpack
import pytest

from hyperhttp.exceptions import LocalProtocolError
from hyperhttp.protocol.http2.hpack_encoder import Encoder, encode_integer, encode_string


class Pair:
    """Our encoder, and an independent decoder that follows it."""

    def __init__(self) -> None:
        self.encoder = Encoder()
        self.decoder = hpack.Decoder()
        self.size = 0

    def request(self, fields: object = (), path: bytes = b"/", **options: bytes) -> list[tuple[bytes, bytes]]:
        block = self.encoder.encode_request(
            options.pop("method", b"GET"),
            options.pop("scheme", b"https"),
            options.pop("authority", b"example.com"),
            path,
            fields,  # type: ignore[arg-type]
            **options,
        )
        self.size = len(block)
        self.raw = self.decoder.decode(block, raw=True)
        return [(bytes(name), bytes(value)) for name, value in self.raw]

    def fields(self, *fields: tuple[bytes, bytes]) -> list[tuple[bytes, bytes]]:
        return self.request(fields)[4:]


@pytest.fixture
def pair() -> Pair:
    return Pair()


def test_pseudo_header_fields_come_first(pair: Pair) -> None:
    assert pair.request([(b"a", b"b")], b"/x?y") == [
        (b":method", b"GET"),
        (b":scheme", b"https"),
        (b":authority", b"example.com"),
        (b":path", b"/x?y"),
        (b"a", b"b"),
    ]


def test_names_are_sent_in_lower_case(pair: Pair) -> None:
    assert pair.fields((b"X-One", b"1"), (b"ACCEPT", b"*/*")) == [(b"x-one", b"1"), (b"accept", b"*/*")]


def test_fields_of_an_http1_connection_and_host_are_left_out(pair: Pair) -> None:
    names = (b"Connection", b"Keep-Alive", b"Proxy-Connection", b"Transfer-Encoding", b"Upgrade", b"Host")
    assert pair.fields(*((name, b"x") for name in names), (b"a", b"b")) == [(b"a", b"b")]
    assert pair.fields(*((name, b"x") for name in names), (b"a", b"b")) == [(b"a", b"b")]


def test_te_may_only_say_trailers(pair: Pair) -> None:
    assert pair.fields((b"TE", b"trailers"), (b"te", b"gzip")) == [(b"te", b"trailers")]


def test_further_items_of_a_field_are_ignored(pair: Pair) -> None:
    assert pair.fields((b"a", b"b", 7)) == [(b"a", b"b")]  # type: ignore[arg-type]


def test_a_repeated_request_shrinks_to_a_few_bytes(pair: Pair) -> None:
    fields = [(b"User-Agent", b"hyperhttp/1.0"), (b"Accept", b"*/*"), (b"X-App", b"a value of this program")]
    sizes = []
    for _ in range(3):
        expected = [(name.lower(), value) for name, value in fields]
        assert pair.request(fields)[4:] == expected
        sizes.append(pair.size)
    assert sizes[2] == 7  # one byte per field, pseudo-header fields included


def test_a_value_that_comes_only_once_does_not_enter_the_table(pair: Pair) -> None:
    for number in range(300):
        assert pair.fields((b"x-request-id", b"%d" % number)) == [(b"x-request-id", b"%d" % number)]
    assert len(pair.decoder.header_table.dynamic_entries) == 1  # the authority


def test_paths_and_lengths_stay_out_of_the_table(pair: Pair) -> None:
    for _ in range(3):
        pair.request([(b"content-length", b"17"), (b"if-none-match", b'"x"')], b"/some/path")
    assert [name for name, _ in pair.decoder.header_table.dynamic_entries] == [b":authority"]


@pytest.mark.parametrize(
    "name",
    [b"Authorization", b"Proxy-Authorization", b"Cookie", b"X-Api-Key", b"X-Auth-Token", b"X-Amz-Signature"],
)
def test_secrets_are_never_indexed_and_not_kept(pair: Pair, name: bytes) -> None:
    for _ in range(3):
        assert pair.fields((name, b"s3cret")) == [(name.lower(), b"s3cret")]
        assert not pair.raw[4].indexable
    kept = [getattr(pair.encoder, slot) for slot in Encoder.__slots__]
    assert "s3cret" not in repr(kept)


def test_the_oldest_entries_make_room_on_both_sides(pair: Pair) -> None:
    for number in range(40):
        field = (b"x-%d" % number, b"v" * 300)
        for _ in range(3):
            assert pair.fields(field) == [field]
    for number in range(40):
        field = (b"x-%d" % number, b"v" * 300)
        assert pair.fields(field, field) == [field, field]


def test_a_very_large_value_stays_out_of_the_table(pair: Pair) -> None:
    field = (b"x-large", b"v" * 3000)
    for _ in range(3):
        assert pair.fields(field) == [field]
    assert len(pair.decoder.header_table.dynamic_entries) == 1


def test_a_very_long_path_is_not_remembered(pair: Pair) -> None:
    path = b"/" + b"x" * 5000
    for _ in range(2):
        assert pair.request((), path)[3] == (b":path", path)
    assert not pair.encoder._paths


def test_memory_is_bounded(pair: Pair) -> None:
    for number in range(2000):
        pair.request([(b"x-%d" % number, b"1")], b"/%d" % number, authority=b"host%d" % number)
    sizes = {
        slot: len(getattr(pair.encoder, slot))
        for slot in Encoder.__slots__
        if slot not in {"_size"} and hasattr(getattr(pair.encoder, slot), "__len__")
    }
    assert max(sizes.values()) <= 256


@pytest.mark.parametrize(
    "field",
    [
        (b"", b"x"),
        (b"a b", b"x"),
        (b"a:", b"x"),
        (b":path", b"/"),
        (b"a\r\n", b"x"),
        (b"\xe9", b"x"),
        (b"a", b"x\r\nb: c"),
        (b"a", b"\0"),
        (b"a", b"x\ny"),
        (b"cookie", b"x\ny"),
        (b"accept", b"\x7f"),
    ],
)
def test_what_may_not_be_sent_is_refused(pair: Pair, field: tuple[bytes, bytes]) -> None:
    with pytest.raises(LocalProtocolError):
        pair.fields(field)
    with pytest.raises(LocalProtocolError):
        pair.encoder.encode_trailers([field])


@pytest.mark.parametrize(
    "options",
    [
        {"method": b"G T"},
        {"method": b""},
        {"scheme": b"h ttp"},
        {"authority": b""},
        {"authority": b"a b"},
        {"authority": b"user@host"},
        {"authority": b"a\r\nb"},
        {"path": b"x"},
        {"path": b"/a b"},
        {"path": b"/\r\n"},
    ],
)
def test_a_request_target_that_may_not_be_sent_is_refused(pair: Pair, options: dict[str, bytes]) -> None:
    with pytest.raises(LocalProtocolError):
        pair.request(**options)  # type: ignore[arg-type]


def test_an_error_message_does_not_show_the_value(pair: Pair) -> None:
    with pytest.raises(LocalProtocolError) as caught:
        pair.fields((b"authorization", b"s3\ncret"))
    assert "cret" not in str(caught.value)


def test_a_refused_request_leaves_both_tables_in_step(pair: Pair) -> None:
    good = (b"accept", b"text/html"), (b"user-agent", b"x")
    pair.fields(*good)
    with pytest.raises(LocalProtocolError):  # "accept: other" was put into our table, and never sent
        pair.fields((b"accept", b"other"), (b"a", b"\n.\n"))
    for _ in range(3):
        assert pair.fields(*good, (b"accept", b"other")) == [*good, (b"accept", b"other")]


def test_blanks_around_a_value_are_taken_off(pair: Pair) -> None:
    assert pair.fields((b"a", b" b\t")) == [(b"a", b"b")]


def test_connect_has_neither_scheme_nor_path(pair: Pair) -> None:
    assert pair.request(path=b"", method=b"CONNECT", scheme=b"", authority=b"example.com:443") == [
        (b":method", b"CONNECT"),
        (b":authority", b"example.com:443"),
    ]


def test_extended_connect_names_its_protocol(pair: Pair) -> None:
    fields = pair.request(path=b"/chat", method=b"CONNECT", protocol=b"websocket")
    assert (b":protocol", b"websocket") in fields
    assert (b":path", b"/chat") in fields


class TestTableSize:
    def test_a_smaller_table_is_announced_and_obeyed(self, pair: Pair) -> None:
        fields = [(b"user-agent", b"x" * 60), (b"accept", b"y" * 60)]
        pair.fields(*fields)
        pair.encoder.set_table_size(120)
        pair.decoder.max_allowed_table_size = 120
        for _ in range(3):
            assert pair.fields(*fields) == fields
        assert pair.decoder.header_table_size == 120

    def test_the_smallest_of_several_sizes_is_announced_too(self, pair: Pair) -> None:
        pair.fields((b"accept", b"text/html"))
        pair.encoder.set_table_size(0)
        pair.encoder.set_table_size(4096)
        assert pair.fields((b"accept", b"text/html")) == [(b"accept", b"text/html")]
        assert pair.encoder.encode_trailers([]) == b""

    def test_a_larger_table_than_ours_is_not_used(self, pair: Pair) -> None:
        pair.encoder.set_table_size(1_000_000)
        pair.request()
        assert pair.decoder.header_table_size == 4096

    def test_a_table_of_no_size_holds_nothing(self, pair: Pair) -> None:
        pair.encoder.set_table_size(0)
        for _ in range(3):
            assert pair.fields((b"accept", b"text/html")) == [(b"accept", b"text/html")]
        assert not pair.decoder.header_table.dynamic_entries

    def test_a_refused_request_does_not_swallow_the_announcement(self, pair: Pair) -> None:
        pair.fields((b"accept", b"text/html"))
        pair.encoder.set_table_size(0)
        pair.decoder.max_allowed_table_size = 0
        with pytest.raises(LocalProtocolError):
            pair.fields((b"a", b"\n.\n"))
        assert pair.fields((b"accept", b"text/html")) == [(b"accept", b"text/html")]

    def test_trailers_announce_it_where_they_come_first(self, pair: Pair) -> None:
        pair.encoder.set_table_size(100)
        block = pair.encoder.encode_trailers([(b"Checksum", b"1")])
        assert pair.decoder.decode(block, raw=True) == [(b"checksum", b"1")]
        assert pair.decoder.header_table_size == 100


def test_integers_of_rfc_7541() -> None:
    assert encode_integer(0, 0x1F, 10) == b"\x0a"
    assert encode_integer(0, 0x1F, 1337) == b"\x1f\x9a\x0a"
    assert encode_integer(0, 0xFF, 42) == b"\x2a"


def test_strings_are_compressed_only_where_that_is_shorter() -> None:
    assert encode_string(b"www.example.com")[0] & 0x80
    assert encode_string(b"\x00\x01") == b"\x02\x00\x01"
    assert encode_string(b"") == b"\x00"

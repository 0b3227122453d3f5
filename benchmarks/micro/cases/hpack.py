"""Field blocks of HTTP/2 (HPACK): an nginx-like response head decoded, a request head encoded."""

from __future__ import annotations

from itertools import cycle

from timing import case

RESPONSE = [
    (b":status", b"200"),
    (b"server", b"nginx/1.22.1"),
    (b"date", b"Mon, 06 Jan 2025 10:00:00 GMT"),
    (b"content-type", b"application/octet-stream"),
    (b"content-length", b"200"),
    (b"last-modified", b"Mon, 06 Jan 2025 09:00:00 GMT"),
    (b"etag", b'"677b9a10-c8"'),
    (b"accept-ranges", b"bytes"),
]
# Places in the static table of RFC 7541.
NAMES = {
    b"server": 54,
    b"date": 33,
    b"content-type": 31,
    b"content-length": 28,
    b"last-modified": 44,
    b"etag": 34,
    b"accept-ranges": 18,
}
REQUEST = [(b"accept", b"*/*"), (b"accept-encoding", b"gzip, deflate"), (b"user-agent", b"example/1.0")]
TARGET = (b"GET", b"https", b"127.0.0.1:8443", b"/small/200B")


def literal_block(fields):
    """As nginx sends it: names by index, values Huffman-coded where shorter, nothing to be remembered."""
    from hpack.huffman import HuffmanEncoder
    from hpack.huffman_constants import REQUEST_CODES, REQUEST_CODES_LENGTH

    huffman = HuffmanEncoder(REQUEST_CODES, REQUEST_CODES_LENGTH)
    block = bytearray([0x88])  # :status 200
    for name, value in fields[1:]:
        block += bytes([0x0F, NAMES[name] - 15])  # literal without indexing, indexed name: RFC 7541 section 6.2.2
        coded = huffman.encode(value)
        block += bytes([0x80 | len(coded)]) + coded if len(coded) < len(value) else bytes([len(value)]) + value
    return bytes(block)


def fresh_blocks():
    """Blocks of which two values are always new."""
    blocks = []
    for number in range(2048):
        fields = dict(RESPONSE)
        fields[b"etag"] = b'"677b9a10-%d"' % number
        fields[b"content-length"] = b"%d" % number
        blocks.append(literal_block(list(fields.items())))
    return blocks


@case("hpack, decode a response head, the same again", "hyperhttp")
def decode():
    from hyperhttp.protocol.http2.hpack_decoder import Decoder

    decoder, block = Decoder(), literal_block(RESPONSE)
    return lambda: decoder.decode(block)


@case("hpack, decode a response head, the same again", "hpack")
def hpack_decode():
    from hpack import Decoder

    decoder, block = Decoder(), literal_block(RESPONSE)
    return lambda: decoder.decode(block, raw=True)


@case("hpack, decode a response head, two values new", "hyperhttp")
def decode_fresh():
    from hyperhttp.protocol.http2.hpack_decoder import Decoder

    decoder, blocks = Decoder(), cycle(fresh_blocks())
    return lambda: decoder.decode(next(blocks))


@case("hpack, decode a response head, two values new", "hpack")
def hpack_decode_fresh():
    from hpack import Decoder

    decoder, blocks = Decoder(), cycle(fresh_blocks())
    return lambda: decoder.decode(next(blocks), raw=True)


@case("hpack, read and check a response head, the same again", "hyperhttp")
def read():
    from hyperhttp.protocol.http2.hpack_decoder import Decoder, HeadReader

    reader, block = HeadReader(Decoder(), 65536, 256), literal_block(RESPONSE)
    return lambda: reader.read(block)


@case("hpack, read and check a response head, two values new", "hyperhttp")
def read_fresh():
    from hyperhttp.protocol.http2.hpack_decoder import Decoder, HeadReader

    reader, blocks = HeadReader(Decoder(), 65536, 256), cycle(fresh_blocks())
    return lambda: reader.read(next(blocks))


@case("hpack, encode a request head", "hyperhttp")
def encode():
    from hyperhttp.protocol.http2.hpack_encoder import Encoder

    encoder = Encoder()
    return lambda: encoder.encode_request(*TARGET, REQUEST)


@case("hpack, encode a request head", "hpack")
def hpack_encode():
    from hpack import Encoder

    names = (b":method", b":scheme", b":authority", b":path")
    encoder, fields = Encoder(), [*zip(names, TARGET, strict=True), *REQUEST]
    return lambda: encoder.encode(fields)

from __future__ import annotations

import gzip
import tracemalloc
from typing import TYPE_CHECKING

import pytest

from hyperhttp.exceptions import DecodingError
from hyperhttp.message.coding import GZIP, CodingChain, ContentCoding
from hyperhttp.message.decoding import LIGHT, LIGHT_RATIO, decode_all

if TYPE_CHECKING:
    from collections.abc import Callable

MIB = 1024 * 1024


def chain(layers: int = 1, **options) -> CodingChain:
    return CodingChain([GZIP] * layers, **options)


def coded(data: bytes, layers: int = 1) -> bytes:
    for _ in range(layers):
        data = gzip.compress(data, mtime=0)
    return data


def peak_of(work: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_content_comes_out_whole():
    assert decode_all(chain(), coded(b"hello")) == b"hello"
    assert decode_all(chain(2), coded(b"hello", 2)) == b"hello"


@pytest.mark.parametrize("layers", [1, 2])
def test_a_bomb_that_its_ratio_allows_to_grow_ends_light_all_the_same(layers):
    bomb = coded(bytes(64 * MIB), layers)

    def explode():
        with pytest.raises(DecodingError, match="bomb"):
            decode_all(chain(layers), bomb)

    # The ratio allows 16 MiB of the one that is coded once, and zlib holds that twice.
    assert peak_of(explode) < 3 * LIGHT


def test_a_bomb_above_the_limit_of_size_ends_light_too():
    bomb = coded(bytes(64 * MIB))

    def explode():
        with pytest.raises(DecodingError) as caught:
            decode_all(chain(max_ratio=None), bomb, 48 * MIB)
        assert caught.value.limit == 48 * MIB

    assert peak_of(explode) < 3 * LIGHT


@pytest.mark.parametrize("layers", [1, 2])
def test_content_that_is_weighed_and_found_good_comes_out_whole(layers):
    content = bytes(2 * LIGHT)
    assert decode_all(chain(layers, max_ratio=None), coded(content, layers), len(content)) == content


def test_ordinary_content_is_decoded_once():
    made = []

    def decoder():
        made.append(GZIP.decoder())
        return made[-1]

    content = b"".join(b"%d: the quick brown fox\n" % number for number in range(500_000))
    assert len(content) > LIGHT
    data = coded(content)
    assert len(content) < LIGHT_RATIO * len(data)
    assert decode_all(CodingChain([ContentCoding("gzip", decoder)]), data, 2 * len(content)) == content
    assert len(made) == 1

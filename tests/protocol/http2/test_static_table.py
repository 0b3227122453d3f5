from __future__ import annotations

from hpack.table import HeaderTable

from hyperhttp.protocol.http2.static_table import STATIC_NAMES, STATIC_PAIRS, STATIC_TABLE


def test_the_table_is_that_of_appendix_a() -> None:
    assert list(STATIC_TABLE) == list(HeaderTable.STATIC_TABLE)


def test_pairs_and_names_lead_to_their_lowest_index() -> None:
    assert STATIC_PAIRS[b":method", b"GET"] == 2
    assert STATIC_NAMES[b":method"] == 2
    assert STATIC_NAMES[b":status"] == 8
    assert STATIC_NAMES[b"www-authenticate"] == 61

"""The Link field (RFC 8288)."""

from __future__ import annotations

import time
from typing import Any

import pytest

from hyperhttp.message.links import parse_links


@pytest.mark.parametrize(
    ("value", "links"),
    [
        ("", {}),
        ("<https://a.example/2>; rel=next", {"next": {"url": "https://a.example/2", "rel": "next"}}),
        ('<u>; rel="next"', {"next": {"url": "u", "rel": "next"}}),
        ("<u>", {"u": {"url": "u"}}),
        ("<u>;", {"u": {"url": "u"}}),
        ('<u> ; REL = "next" ; Title=x', {"next": {"url": "u", "rel": "next", "title": "x"}}),
        (r'<u>; rel=next; title="a \"b\" \\ c"', {"next": {"url": "u", "rel": "next", "title": 'a "b" \\ c'}}),
        ('<a,b;c>; rel="x"; title="d, e; <f>"', {"x": {"url": "a,b;c", "rel": "x", "title": "d, e; <f>"}}),
        ("<u>; rel=a; rel=b", {"a": {"url": "u", "rel": "a"}}),  # section 3.3: later ones do not count
        ("<u>; crossorigin; rel=x", {"x": {"url": "u", "crossorigin": "", "rel": "x"}}),
        ("no link at all", {}),
        ("<u", {}),
        ("<>; rel=self", {"self": {"url": "", "rel": "self"}}),
    ],
)
def test_one_value(value: str, links: dict[str, Any]) -> None:
    assert parse_links([value]) == links


def test_several_links_in_one_value_and_in_many() -> None:
    links = parse_links(['<1>; rel=first, <2>; rel="next" ,<3>;rel=last', "<4>; rel=prev"])
    assert {name: link["url"] for name, link in links.items()} == {"first": "1", "next": "2", "last": "3", "prev": "4"}


def test_several_relations_name_the_same_link() -> None:
    links = parse_links(['<u>; rel="next last"'])
    assert links["next"] is links["last"]


def test_the_first_link_of_a_relation_counts() -> None:
    assert parse_links(["<1>; rel=next, <2>; rel=next"])["next"]["url"] == "1"


def test_what_does_not_follow_the_grammar_is_skipped_as_far_as_the_next_link() -> None:
    assert set(parse_links(["<1>; rel=a; =broken, <2>; rel=b"])) == {"a", "b"}


@pytest.mark.parametrize("piece", ["<", ";", "<a>;", '<a>; x="', '<a>;x="\\', "<a> ", ",", " ", '"', '<a>;a="\\\\'])
def test_a_hostile_value_costs_no_more_than_its_length(piece: str) -> None:
    started = time.process_time()
    parse_links([piece * (60_000 // len(piece))])
    assert time.process_time() - started < 0.25

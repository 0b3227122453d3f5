from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import Any

import pytest

from hyperhttp.testing.endpoints.documents import ENCODING_TEXT, index_page, png_image


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/html", "text/html; charset=utf-8"),
        ("/forms/post", "text/html; charset=utf-8"),
        ("/robots.txt", "text/plain; charset=utf-8"),
        ("/xml", "application/xml"),
        ("/json", "application/json"),
        ("/image/png", "image/png"),
    ],
)
def test_documents_have_their_type(fetch: Any, path: str, kind: str) -> None:
    answer = fetch(path)
    assert (answer.status, answer.headers["Content-Type"]) == (200, kind)
    assert answer.body


def test_documents_are_what_they_say(fetch: Any) -> None:
    assert ET.fromstring(fetch("/xml").body).tag == "catalogue"
    assert fetch("/json").json()["slideshow"]["author"] == "Yours Truly"
    assert png_image().startswith(b"\x89PNG\r\n\x1a\n")
    assert png_image().endswith(b"IEND\xaeB`\x82")


@pytest.mark.parametrize("charset", ["utf8", "utf-16", "latin-1", "shift_jis", "koi8-r", "iso-8859-8"])
def test_text_in_a_charset_decodes_with_the_label(fetch: Any, charset: str) -> None:
    answer = fetch(f"/encoding/{charset}")
    label = answer.headers.get_content_charset()
    lines = answer.body.decode(label).split("\n")
    assert lines[0] == ENCODING_TEXT[0]
    assert set(lines) <= set(ENCODING_TEXT)
    assert (len(lines) == len(ENCODING_TEXT)) is charset.startswith("utf")


def test_the_label_can_be_left_out(fetch: Any) -> None:
    assert fetch("/encoding/latin-1?unlabelled=1").headers["Content-Type"] == "text/plain"


@pytest.mark.parametrize("charset", ["nope", "base64", "rot13"])
def test_what_is_no_charset_is_refused(fetch: Any, charset: str) -> None:
    assert fetch(f"/encoding/{charset}").status == 400


def test_links_lead_to_siblings(fetch: Any) -> None:
    page = fetch("/links/3/1").body.decode()
    assert "<a href='/links/3/0'>0</a> 1 <a href='/links/3/2'>2</a>" in page
    assert fetch("/links/x/1").status == 400


def test_the_list_of_endpoints_escapes_what_it_shows() -> None:
    page = index_page([("GET", "/<x>", "a & b")], {"fault": "<text>"})
    assert isinstance(page.body, bytes)
    assert b"/&lt;x&gt;</td><td>a &amp; b" in page.body

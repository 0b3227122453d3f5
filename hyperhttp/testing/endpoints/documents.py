"""Endpoints with fixed content: pages, texts in several charsets, an image, and the list of endpoints."""

from __future__ import annotations

import codecs
import html
import struct
import zlib
from functools import cache

from hyperhttp.testing.endpoints.routing import Routes
from hyperhttp.testing.exchange import BadRequestError, Exchange
from hyperhttp.testing.messages import Reply, json_reply

__all__ = ["ENCODING_TEXT", "index_page", "png_image", "routes"]

routes = Routes()

_PAGE = """<!DOCTYPE html>
<html>
  <head><title>The lighthouse</title></head>
  <body>
    <h1>The lighthouse</h1>
    <p>Every evening the keeper counted the ships, and every morning he counted them again.
    The numbers never agreed, and he never minded.</p>
  </body>
</html>
"""

_XML = """<?xml version="1.0" encoding="utf-8"?>
<catalogue title="Lighthouses">
  <lighthouse height="41"><name>North Point</name><light>white</light></lighthouse>
  <lighthouse height="27"><name>Südspitze</name><light>red</light></lighthouse>
</catalogue>
"""

_FORM = """<!DOCTYPE html>
<html>
  <head><title>Order</title></head>
  <body>
    <form method="post" action="/post">
      <p><label>Name: <input name="custname"></label></p>
      <p><label>E-mail: <input type="email" name="custemail"></label></p>
      <p><label><input type="radio" name="size" value="small"> small</label>
         <label><input type="radio" name="size" value="large"> large</label></p>
      <p><label>Comments: <textarea name="comments"></textarea></label></p>
      <p><button>Submit</button></p>
    </form>
  </body>
</html>
"""

# Text for every charset: the lines a charset cannot say are left out.
ENCODING_TEXT = (
    "Plain: the quick brown fox jumps over the lazy dog",
    "Français: où l'été s'achève, ça et là",
    "Deutsch: Füße, Größe, Äpfel",
    "Ελληνικά: ξεσκεπάζω την ψυχοφθόρα βδελυγμία",
    "Русский: съешь же ещё этих мягких булок",
    "עברית: דג סקרן שט בים",
    "日本語: いろはにほへと",
    "中文: 天地玄黄",
    "Mathematics: ∀x ∈ ℝ: ⌈x⌉ = −⌊−x⌋",
    "Emoji: 🦊🐕",
)


def _text(content: str, kind: str) -> Reply:
    return Reply(200, [("Content-Type", f"{kind}; charset=utf-8")], content.encode("utf-8"))


@routes.add("/html")
def html_page(exchange: Exchange) -> Reply:
    """A small page."""
    return _text(_PAGE, "text/html")


@routes.add("/xml")
def xml_document(exchange: Exchange) -> Reply:
    """A small XML document."""
    return Reply(200, [("Content-Type", "application/xml")], _XML.encode("utf-8"))


@routes.add("/json")
def json_document(exchange: Exchange) -> Reply:
    """A small JSON document."""
    slides = [
        {"title": "Wake up to WonderWidgets!", "type": "all"},
        {
            "title": "Overview",
            "type": "all",
            "items": ["Why WonderWidgets are great", "Who buys WonderWidgets"],
        },
    ]
    show = {"title": "Sample Slide Show", "author": "Yours Truly", "date": "date of publication"}
    return json_reply({"slideshow": show | {"slides": slides}})


@routes.add("/robots.txt")
def robots(exchange: Exchange) -> Reply:
    """Rules for robots."""
    return _text("User-agent: *\nDisallow: /deny\n", "text/plain")


@routes.add("/forms/post")
def form(exchange: Exchange) -> Reply:
    """A form that posts to /post."""
    return _text(_FORM, "text/html")


@routes.add("/encoding/{charset}")
def encoding(exchange: Exchange) -> Reply:
    """Text in that charset, which Content-Type names unless ?unlabelled=1."""
    charset = exchange.parameters["charset"]
    try:
        "".encode(charset)  # only what str.encode takes is a charset: not base64, not rot13
        info = codecs.lookup(charset)
    except (LookupError, ValueError):
        raise BadRequestError(400, f"unknown charset {charset!r}") from None
    content = "\n".join(line for line in ENCODING_TEXT if _can_say(info.name, line)).encode(info.name)
    label = "" if exchange.arg("unlabelled") else f"; charset={info.name}"
    return Reply(200, [("Content-Type", f"text/plain{label}")], content)


def _can_say(charset: str, line: str) -> bool:
    try:
        line.encode(charset)
    except UnicodeError:
        return False
    return True


@cache
def png_image() -> bytes:
    """A PNG of 64 by 64 pixels (RFC 2083), made here so that it needs no file."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + bytes((x * 4) ^ (y * 4) for x in range(64)) for y in range(64))
    header = struct.pack(">IIBBBBB", 64, 64, 8, 0, 0, 0, 0)
    content = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + content


@routes.add("/image/png")
def image(exchange: Exchange) -> Reply:
    """A small PNG image."""
    return Reply(200, [("Content-Type", "image/png")], png_image())


@routes.add("/links/{n}", "/links/{n}/{i}")
def links(exchange: Exchange) -> Reply:
    """A page with n links to its siblings."""
    try:
        count, current = int(exchange.parameters["n"]), int(exchange.parameters.get("i", 0))
    except ValueError:
        raise BadRequestError(400, "both parts of the path must be numbers") from None
    items = (
        f"{i} " if i == current else f"<a href='/links/{count}/{i}'>{i}</a> " for i in range(min(max(count, 1), 200))
    )
    return _text(f"<html><head><title>Links</title></head><body>{''.join(items)}</body></html>", "text/html")


def index_page(entries: list[tuple[str, str, str]], faults: dict[str, str]) -> Reply:
    """The list of endpoints (methods, path, what it does) and of faults, as a page."""
    rows = "".join(
        f"<tr><td>{html.escape(methods)}</td><td>{html.escape(path)}</td><td>{html.escape(text)}</td></tr>\n"
        for methods, path, text in entries
    )
    switches = "".join(
        f"<tr><td></td><td>?fault={html.escape(name)}</td><td>{html.escape(text)}</td></tr>\n"
        for name, text in faults.items()
    )
    title = "HyperHTTP test origin"
    return _text(
        f"<!DOCTYPE html>\n<html><head><title>{title}</title></head><body><h1>{title}</h1>\n"
        f"<table>\n{rows}{switches}</table></body></html>\n",
        "text/html",
    )

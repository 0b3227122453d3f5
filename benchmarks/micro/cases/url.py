"""URLs: parsing, again and anew, joining, parameters."""

from __future__ import annotations

from itertools import cycle

from timing import case

PLAIN = "https://api.example.com/v1/users/42?fields=name,mail&limit=10"
NEW = [f"https://api.example.com/v1/users/{number}?fields=name,mail&limit=10" for number in range(8192)]
INTERNATIONAL = "https://bücher.example/straße?q=größe"
RELATIVE = "../orders/7?open=1"


def hyperhttp_url():
    from hyperhttp import URL

    return URL


def yarl_url():
    from yarl import URL

    return URL


def httpx_url():
    from httpx import URL

    return URL


@case("url, the same again", "hyperhttp")
def cached():
    parse = hyperhttp_url().parse_cached
    return lambda: parse(PLAIN)


@case("url, the same again", "yarl")
def yarl_again():
    url = yarl_url()
    return lambda: url(PLAIN)


@case("url, always new", "hyperhttp")
def fresh():
    url, texts = hyperhttp_url(), cycle(NEW)
    return lambda: url(next(texts))


@case("url, always new", "yarl")
def yarl_fresh():
    url, texts = yarl_url(), cycle(NEW)
    return lambda: url(next(texts))


@case("url, always new", "httpx")
def httpx_fresh():
    url, texts = httpx_url(), cycle(NEW)
    return lambda: url(next(texts))


@case("url, always new", "urllib.parse")
def standard_fresh():
    from urllib.parse import urlsplit

    texts = cycle(NEW)
    return lambda: urlsplit(next(texts))


@case("url, international", "hyperhttp")
def international():
    url = hyperhttp_url()
    return lambda: url(INTERNATIONAL)


@case("url, international", "httpx")
def httpx_international():
    url = httpx_url()
    return lambda: url(INTERNATIONAL)


@case("url, join", "hyperhttp")
def join():
    base = hyperhttp_url()(PLAIN)
    return lambda: base.join(RELATIVE)


@case("url, join", "yarl")
def yarl_join():
    url = yarl_url()
    base = url(PLAIN)
    return lambda: base.join(url(RELATIVE))


@case("url, join", "httpx")
def httpx_join():
    base = httpx_url()(PLAIN)
    return lambda: base.join(RELATIVE)


@case("url, merge two parameters", "hyperhttp")
def merge():
    base = hyperhttp_url()(PLAIN)
    return lambda: base.merge_params({"page": "2", "sort": "name desc"})


@case("url, merge two parameters", "yarl")
def yarl_merge():
    base = yarl_url()(PLAIN)
    return lambda: base.extend_query({"page": "2", "sort": "name desc"})


@case("url, merge two parameters", "httpx")
def httpx_merge():
    base = httpx_url()(PLAIN)
    return lambda: base.copy_merge_params({"page": "2", "sort": "name desc"})

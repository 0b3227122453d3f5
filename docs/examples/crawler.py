"""A polite crawler: it asks first, takes its turn, and knows where to stop.

What it shows:

- a rate limit, so that the host gets no more requests than it should, however many workers there are;
- ``robots.txt``, read by the standard library, its ``Crawl-delay`` included;
- an `AddressPolicy`: a link or a name cannot lead the crawler into the network it runs in;
- limits on what strangers decide: the number of pages, the size of each, the seconds each may take;
- redirects that are not followed but queued, so that the same rules hold for where they lead.

Run it::

    python docs/examples/crawler.py                          # a small site on this machine
    python docs/examples/crawler.py https://example.com/ --pages 20 --delay 1
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import TYPE_CHECKING
from urllib.robotparser import RobotFileParser

import hyperhttp
from hyperhttp import URL, AddressPolicy, Client, Timeout
from hyperhttp.errors.rate_limit import RateLimit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hyperhttp.testing import Exchange, Origin, Reply

AGENT = "polite-example/1.0"
LARGEST_PAGE = 1024 * 1024
WORKERS = 4


class Links(HTMLParser):
    """Collects where the links of a page lead."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep the target of an ``<a href=...>``."""
        self.found += [value for name, value in attrs if tag == "a" and name == "href" and value]


@dataclass
class Frontier:
    """The pages to visit: each once, of one origin, allowed by its rules, and no more than `most`."""

    start: URL
    rules: RobotFileParser
    most: int
    queue: asyncio.Queue[URL] = field(default_factory=asyncio.Queue)
    seen: set[URL] = field(default_factory=set)
    refused: dict[str, int] = field(default_factory=lambda: {"robots.txt": 0, "elsewhere": 0, "limit": 0})

    def add(self, link: str, base: URL) -> None:
        """Queue what a link leads to, unless there is a reason against it."""
        try:
            url = base.join(link).copy_with(fragment=None)
        except hyperhttp.InvalidURL:
            return
        if url in self.seen or url.scheme not in ("http", "https"):
            return
        reason = self.reason_against(url)
        if reason:
            self.refused[reason] += 1
        else:
            self.seen.add(url)
            self.queue.put_nowait(url)

    def reason_against(self, url: URL) -> str | None:
        """Why a page is not visited; None if it is."""
        if url.origin != self.start.origin:
            return "elsewhere"
        if not self.rules.can_fetch(AGENT, str(url)):
            return "robots.txt"
        return "limit" if len(self.seen) >= self.most else None


def new_client(policy: AddressPolicy, delay: float) -> Client:
    """A client that begins a request every `delay` seconds, and waits longer where the server asks for it."""
    return Client(
        user_agent=AGENT,
        address_policy=policy,
        rate_limit=RateLimit(1, per=max(delay, 0.001), learn=True),
        timeout=Timeout(5.0, total=30.0 + WORKERS * delay),  # the wait for the turn counts
        max_response_size=LARGEST_PAGE,
    )


async def fetch_rules(client: Client, start: URL) -> RobotFileParser:
    """The rules of a host (RFC 9309): no file means that everything is allowed, no answer that nothing is."""
    rules = RobotFileParser()
    response = await client.get(start.join("/robots.txt"), follow_redirects=True, stream=False)
    if response.is_success:
        rules.parse(response.text.splitlines())
    else:
        rules.parse(["User-agent: *", "Disallow: /"] if response.status_code >= 500 else [])
    return rules


async def visit(client: Client, url: URL, frontier: Frontier) -> str:
    """Fetch one page and queue its links; what came of it, for the log."""
    async with client.stream("GET", url) as response:
        if response.is_redirect:
            frontier.add(response.headers["location"], url)
            return f"{response.status_code} to {response.headers['location']}"
        content_type = response.headers.get("content-type", "")
        if not response.is_success or not content_type.startswith("text/html"):
            return f"{response.status_code} {content_type}"  # leaving the block leaves the content unread
        await response.aread()
    links = Links()
    links.feed(response.text)
    for link in links.found:
        frontier.add(link, url)
    return f"{response.status_code} {len(links.found)} links"


async def work(client: Client, frontier: Frontier) -> None:
    """Visit pages until cancelled. A page that fails is a line of the log, not the end."""
    while True:
        url = await frontier.queue.get()
        try:
            outcome = await visit(client, url, frontier)
        except hyperhttp.HyperHTTPError as error:
            outcome = f"{error.kind}: {error}"
        print(f"{url.target}: {outcome}", flush=True)
        frontier.queue.task_done()


async def crawl(start: URL, policy: AddressPolicy, *, pages: int, delay: float) -> Frontier:
    """Visit at most so many pages of the origin of `start`."""
    async with new_client(policy, delay) as client:
        rules = await fetch_rules(client, start)
    frontier = Frontier(start, rules, pages)
    frontier.add(str(start), start)
    delay = max(delay, float(rules.crawl_delay(AGENT) or 0.0))
    async with new_client(policy, delay) as client, asyncio.TaskGroup() as group:
        workers = [group.create_task(work(client, frontier)) for _ in range(WORKERS)]
        await frontier.queue.join()
        for worker in workers:
            worker.cancel()
    return frontier


def add_site(origin: Origin) -> str:
    """A small site: pages, a redirect, and links of all kinds; gives its first page."""
    from hyperhttp.testing import Reply

    pages = {
        "home": ["a", "b", "old", "missing", "#top", "/deny", "https://elsewhere.example/", "mailto:ada@example.com"],
        "a": ["home", "b", "c"],
        "b": ["home", "/image/png"],
        "c": ["home", "b?page=2"],
    }

    @origin.route("/site/{name}")
    def page(exchange: Exchange) -> Reply:
        name = exchange.parameters["name"]
        if name == "old":
            return Reply(301, [("Location", "/site/c")])
        if name not in pages:
            return Reply(404, [("Content-Type", "text/html")], b"<p>nothing here")
        links = "".join(f'<a href="{link}">{link}</a>\n' for link in pages[name])
        return Reply(200, [("Content-Type", "text/html; charset=utf-8")], links.encode())

    return f"{origin.url}/site/home"


def report(frontier: Frontier) -> Iterator[str]:
    """The lines at the end."""
    yield f"pages visited: {len(frontier.seen)}"
    yield "links not followed: " + ", ".join(f"{reason} {count}" for reason, count in frontier.refused.items())


def main() -> int:
    """Crawl what the command line names, or the site on this machine."""
    parser = argparse.ArgumentParser(description="A polite crawler.")
    parser.add_argument("url", nargs="?", help="where to begin (a small site on this machine)")
    parser.add_argument("--pages", type=int, default=50, help="visit no more pages than this")
    parser.add_argument("--delay", type=float, default=0.05, help="seconds from one request to the next")
    arguments = parser.parse_args()
    try:
        if arguments.url:
            policy = AddressPolicy.public_only()
            frontier = asyncio.run(crawl(URL(arguments.url), policy, pages=arguments.pages, delay=arguments.delay))
        else:
            from hyperhttp.testing import Origin

            policy = AddressPolicy(allow=["127.0.0.0/8"])
            with Origin() as origin:
                start = URL(add_site(origin))
                frontier = asyncio.run(crawl(start, policy, pages=arguments.pages, delay=arguments.delay))
    except hyperhttp.HyperHTTPError as error:
        print(f"cannot begin: {error}", file=sys.stderr)
        return 1
    print("\n".join(report(frontier)))
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""A chat client: the answer appears word by word, and survives a connection that breaks.

What it shows:

- ``client.sse``: server-sent events, each as soon as it is there;
- a source that connects again and says with ``Last-Event-ID`` what it has, so that no word is lost and none comes twice;
- events of several types, and leaving a stream that its server would keep open.

Run it::

    python docs/examples/chat.py "What is HTTP?"

The server is an origin on this machine that knows one answer, and drops each connection after a few words.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import hyperhttp
from hyperhttp import Client, Timeout
from hyperhttp.testing import Exchange, Origin, Reply

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

ANSWER = "It is how programs ask each other for things, and say what came of it: a request, a response, no memory."
WORDS_PER_CONNECTION = 8


@dataclass
class Answer:
    """What came of a question.

    Attributes:
        text: the words so far.
        connections: how many it took.
        is_complete: whether the server has said that this is all.
    """

    text: str = ""
    connections: int = 0
    is_complete: bool = False


async def ask(client: Client, url: str, question: str) -> Answer:
    """Ask, and print the words as they come."""
    answer = Answer()
    response: hyperhttp.Response | None = None
    params = {"question": question}
    timeout = Timeout(10.0, total=120.0)
    async with client.sse(url, params=params, timeout=timeout, retry_delay=0.1, max_failures=5) as events:
        async for event in events:
            if events.response is not response:
                response = events.response
                answer.connections += 1
            if event.event == "done":
                answer.is_complete = True
                break
            word = event.json()["text"]
            answer.text += word
            print(word, end="", flush=True)
    print()
    return answer


async def chat(url: str, questions: list[str]) -> bool:
    """Ask one question after the other; whether all were answered."""
    async with Client() as client:
        for question in questions:
            print(f"> {question}")
            answer = await ask(client, url, question)
            print(f"[{len(answer.text.split())} words over {answer.connections} connections]")
            if not answer.is_complete:
                return False
    return True


def events_from(start: int) -> list[bytes]:
    """The answer from a word on, as events with ids, and the one that says it is over."""
    words = [f"{word} " for word in ANSWER.split()]
    events = [f"id: {number}\ndata: {json.dumps({'text': word})}\n\n" for number, word in enumerate(words, 1)]
    return [event.encode() for event in [*events, f"id: {len(words) + 1}\nevent: done\ndata:\n\n"]][start:]


def add_model(origin: Origin) -> str:
    """Let an origin answer questions, a few words per connection; gives the URL."""

    @origin.route("/chat")
    def model(exchange: Exchange) -> Reply:
        events = events_from(int(exchange.headers.get("last-event-id", "0")))

        async def produce(write: Callable[[bytes], Awaitable[None]]) -> None:
            await write(b"retry: 50\n\n")
            for event in events[:WORDS_PER_CONNECTION]:
                await write(event)
                await asyncio.sleep(0.01)  # it thinks
            if len(events) > WORDS_PER_CONNECTION:
                exchange.close()

        return Reply(200, [("Content-Type", "text/event-stream"), ("Cache-Control", "no-store")], produce)

    return f"{origin.url}/chat"


def main() -> int:
    """Ask what the command line says."""
    parser = argparse.ArgumentParser(description="A chat client over server-sent events.")
    parser.add_argument("questions", nargs="*", default=["What is HTTP?"], help="what to ask")
    parser.add_argument("--url", help="a server that streams so (one on this machine)")
    arguments = parser.parse_args()
    try:
        if arguments.url:
            is_answered = asyncio.run(chat(arguments.url, arguments.questions))
        else:
            with Origin() as origin:
                is_answered = asyncio.run(chat(add_model(origin), arguments.questions))
    except hyperhttp.HyperHTTPError as error:
        print(f"\nno answer: {error}", file=sys.stderr)
        return 1
    return 0 if is_answered else 1


if __name__ == "__main__":
    sys.exit(main())

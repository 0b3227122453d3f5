"""Connections that end, stall or drip; requests that must not be sent twice."""

from __future__ import annotations

from case import Case, Judge, Step, at_most, connection_given_up, content, every, refused, shown, tolerated
from server import Endless

from hyperhttp.testing.scripts import Close, Reset, Stall

TIME = "Time"
ENDS = "Ends of connections"
POST = Step("POST", body="order=1")
RETRY = "RFC 9110 9.2.2"
HELLO = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
DRIP = 0.3  # shorter than the timeout for one wait, so that only a total one ends it
PAUSE = Step(sleep=0.3)
SECOND = Step(url="{a}/second")
TOTAL = "No end in time"


def failed(index: int) -> Judge:
    """A later step must be an error."""
    return lambda facts: None if "error" in facts.steps[index] else f"delivered as good: {shown(facts.steps[index])}"


CASES = (
    Case("stall-at-once", TIME, "Timeouts", "reads the request and says nothing", {"/": Stall()}, refused),
    Case("stall-in-head", TIME, "Timeouts", "half a head, then nothing", {"/": [HELLO[:20], Stall()]}, refused),
    Case("stall-in-content", TIME, "Timeouts", "a head and 2 of 5 bytes, then nothing", {"/": [HELLO[:-3], Stall()]}, refused),
    Case("drip-head", TIME, TOTAL, "a field every 0.3 s, for ever",
         {"/": [b"HTTP/1.1 200 OK\r\n", Endless(b"X-A: b\r\n", pause=DRIP)]}, refused),
    Case("drip-content", TIME, TOTAL, "a byte of content every 0.3 s, for ever",
         {"/": [b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", Endless(b"a", pause=DRIP)]}, refused),
    Case("drip-chunks", TIME, TOTAL, "a chunk every 0.3 s, for ever",
         {"/": [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", Endless(b"1\r\na\r\n", pause=DRIP)]}, refused),
    Case("slow-reader", TIME, "Backpressure", "256 MiB to a reader that takes one piece and waits: memory stays bounded",
         {"/": [b"HTTP/1.1 200 OK\r\nContent-Length: 268435456\r\n\r\n", Endless(b"a")]}, tolerated,
         steps=(Step(slow=True),)),
    Case("close-at-once", ENDS, RETRY, "closes instead of answering: an error, after few attempts",
         {"/": Close()}, every(refused, at_most(6))),
    Case("reset-at-once", ENDS, RETRY, "resets instead of answering", {"/": Reset()}, every(refused, at_most(6))),
    Case("post-closed", ENDS, RETRY, "reads a POST and closes: it must not be sent again",
         {"/": Close()}, every(refused, at_most(1, method="POST")), steps=(POST,)),
    Case("post-truncated", ENDS, RETRY, "answers a POST with 5 of 10 bytes, closes: not sent again",
         {"/": [HELLO.replace(b" 5", b" 10"), Close()]}, every(refused, at_most(1, method="POST")), steps=(POST,)),
    Case("post-closed-when-reused", ENDS, RETRY, "reads a POST on a kept connection and closes: not sent again",
         {"/first": HELLO, "/": Close()}, every(content(b"hello"), failed(1), at_most(1, method="POST")),
         steps=(Step(url="{a}/first"), POST)),
    Case("get-closed-when-reused", ENDS, "RFC 9112 9.3.1",
         "reads a GET on a kept connection and closes: an error, after few attempts",
         {"/": HELLO, "/second": Close()}, every(content(b"hello"), failed(1), at_most(7)), steps=(Step(), SECOND)),
    Case("idle-closed", ENDS, "RFC 9112 9.3.1", "closes the idle connection: the next request must not notice",
         {"/": [HELLO, Close()]}, content(b"hello"), steps=(Step(), PAUSE)),
    Case("keep-alive-race", ENDS, "RFC 9112 9.3.1", "resets the connection as soon as it has answered",
         {"/": [HELLO, Reset()]}, tolerated, steps=(Step(),)),
    Case("close-says-close", ENDS, "RFC 9112 9.6", "says Connection: close and keeps it open: it must not be used again",
         {"/": HELLO.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")}, every(content(b"hello"), connection_given_up)),
)  # fmt: skip

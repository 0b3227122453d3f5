"""HTTP/2: frames, streams, flow control and floods (RFC 9113)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from case import Case, Facts, Judge, Step, at_most, every, never, refused, refused_or, tolerated
from http2 import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    PADDED,
    PING,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    Peer,
    block,
    frame,
    literal,
    settings,
)

FRAMES = "HTTP/2: frames"
FLOODS = "HTTP/2: floods"
ENDS = "HTTP/2: ends and stalls"
Play = Callable[[Peer, int], Any]

REFUSED_STREAM, CANCEL, NO_ERROR = (code.to_bytes(4, "big") for code in (7, 8, 0))
LARGEST = (2**31 - 1).to_bytes(4, "big")


def case(name: str, section: str, rule: str, does: str, play: Play, judge: Judge = refused, **options: Any) -> Case:
    """A behaviour on HTTP/2; `/` is played, everything else answered in order."""
    return Case(name, section, rule, does, {"/": play, "/second": second}, judge, http2=True, **options)


def second(peer: Peer, stream: int) -> None:
    """A proper response."""
    peer.respond(stream, b"second")


def then_answers(*data: Callable[[int], bytes]) -> Play:
    """Frames that must not be, made for the stream; and then a proper response, so that leniency shows."""

    def play(peer: Peer, stream: int) -> None:
        peer.send(b"".join(make(stream) for make in data))
        peer.respond(stream, b"hello")

    return play


def flood(*pieces: bytes, head: bool = False, limit: int = 1 << 28) -> Play:
    """Frames without end, after the head of a response or before it."""

    def play(peer: Peer, stream: int) -> None:
        if head:
            peer.head(stream)
        peer.flood(b"".join(pieces), limit)

    return play


def hpack_bomb(peer: Peer, stream: int) -> None:
    """One entry of 3900 bytes in the table, and 16000 references to it."""
    entry = b"\x40" + literal(b"b", b"b" * 3900)[1:]
    data = b"\x88" + entry + b"\xbe" * 16_000
    peer.send(frame(HEADERS, stream, data[:16_000]) + frame(CONTINUATION, stream, data[16_000:], END_HEADERS))
    peer.data(stream, b"hello")


def continuations(piece: bytes) -> Play:
    """HEADERS, and CONTINUATION without end."""

    def play(peer: Peer, stream: int) -> None:
        peer.send(frame(HEADERS, stream, b"\x88"))
        peer.flood(frame(CONTINUATION, stream, piece))

    return play


def large_list(peer: Peer, stream: int) -> None:
    """64 MiB of fields, and then a proper end."""
    piece = literal(b"x-field", b"v" * 16_000)
    peer.send(frame(HEADERS, stream, b"\x88"))
    for _ in range(4096):
        peer.send(frame(CONTINUATION, stream, piece))
    peer.send(frame(CONTINUATION, stream, flags=END_HEADERS))
    peer.data(stream, b"hello")


def trailer_list(peer: Peer, stream: int) -> None:
    """Trailers without end."""
    peer.head(stream)
    peer.data(stream, b"hello", 0)
    peer.send(frame(HEADERS, stream, b"", END_STREAM))
    peer.flood(frame(CONTINUATION, stream, literal(b"x-a", b"b") * 100))


def interim(peer: Peer, stream: int) -> None:
    """Interim responses without end."""
    peer.flood(frame(HEADERS, stream, b"\x08\x03103", END_HEADERS))


def resets(peer: Peer, stream: int) -> None:
    """RST_STREAM for a stream that is over, without end."""
    if stream == 1:
        peer.respond(stream, b"hello")
    else:
        peer.flood(frame(RST_STREAM, 1, CANCEL))


def over_window(peer: Peer, stream: int) -> None:
    """DATA whatever the window."""
    peer.head(stream)
    peer.flood(frame(DATA, stream, bytes(16_384)))


def closed_stream(peer: Peer, stream: int) -> None:
    """Content for a stream that is over."""
    peer.respond(stream, b"hello")
    peer.data(stream, b"smuggled", 0)


def crossed(peer: Peer, stream: int) -> None:
    """The second request's answer interleaved with content for the first, which is over."""
    peer.head(stream)
    for old in peer.streams[:-1]:
        peer.data(old, b"smuggled", 0)
    peer.data(stream, b"hello")


def pushed(peer: Peer, stream: int) -> None:
    """A pushed response before the real one."""
    promise = (2).to_bytes(4, "big") + b"\x82\x87\x84" + literal(b":authority", b"localhost")
    peer.send(frame(PUSH_PROMISE, stream, promise, END_HEADERS) + frame(HEADERS, 2, b"\x88", END_HEADERS))
    peer.send(frame(DATA, 2, b"smuggled", END_STREAM))
    peer.respond(stream, b"hello")


def partly(*after: Callable[[int], bytes], close: bool = False) -> Play:
    """A head without a length and half of the content, and then something that is no end."""

    def play(peer: Peer, stream: int) -> None:
        peer.head(stream)
        peer.data(stream, b"hel", 0)
        peer.send(b"".join(make(stream) for make in after))
        if close:
            peer.connection.close()

    return play


def goaway(last: int, code: int = 0) -> bytes:
    """A GOAWAY frame."""
    return frame(GOAWAY, 0, last.to_bytes(4, "big") + code.to_bytes(4, "big"))


def says_nothing(peer: Peer, stream: int) -> None:
    """Silence."""
    peer.connection.stall()


def goaway_hang(peer: Peer, stream: int) -> None:
    """GOAWAY that counts the stream in, and silence."""
    peer.send(goaway(stream))
    peer.connection.stall()


def goaway_unprocessed(peer: Peer, stream: int) -> None:
    """GOAWAY that counts the stream out, once; the next connection answers."""
    if peer.connection.index:
        peer.respond(stream, b"hello")
        return
    peer.send(goaway(0))
    peer.connection.stall()


def refuse_once(peer: Peer, stream: int) -> None:
    """REFUSED_STREAM, and the next attempt is answered."""
    if stream == 1 and not peer.connection.index:
        peer.send(frame(RST_STREAM, stream, REFUSED_STREAM))
    else:
        peer.respond(stream, b"hello")


def dripping(peer: Peer, stream: int) -> None:
    """A byte of content every 0.3 s."""
    peer.head(stream)
    peer.flood(frame(DATA, stream, b"a"), pause=0.3)


def pings_drip(peer: Peer, stream: int) -> None:
    """A PING every 0.3 s, and no answer."""
    peer.flood(frame(PING, 0, b"01234567"), pause=0.3)


def second_is(facts: Facts) -> str | None:
    """The second request got its own answer, or an error."""
    step = facts.steps[1]
    good = "error" in step or step["body"] in {"second", "hello"}
    return None if good else f"the second request got {step['body']!r}"


PROTOCOL = "RFC 9113 5.4.1"

FRAME_CASES = (
    case("h2-preface-http1", FRAMES, "RFC 9113 3.4", "an HTTP/1.1 response instead of SETTINGS", says_nothing,
         opening=b"HTTP/1.1 400 Bad Request\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello", last=False),
    case("h2-preface-no-settings", FRAMES, "RFC 9113 3.4", "PING before SETTINGS, then answers", then_answers(),
         opening=frame(PING, 0, b"01234567"), last=False),
    case("h2-frame-oversized", FRAMES, "RFC 9113 4.2", "a frame larger than allowed",
         then_answers(lambda s: frame(HEADERS, s, block([]), END_HEADERS), lambda s: frame(DATA, s, bytes(20_000)))),
    case("h2-frame-16-mib", FRAMES, "RFC 9113 4.2", "the head of a frame of 16 MiB, and bytes without end",
         lambda peer, s: (peer.head(s), peer.send(frame(DATA, s, length=2**24 - 1)), peer.flood(bytes(1024)))),
    case("h2-data-before-head", FRAMES, "RFC 9113 8.1", "content without a head",
         lambda peer, s: peer.data(s, b"hello")),
    case("h2-data-on-closed-stream", FRAMES, "RFC 9113 5.1", "content for a stream that is over: never anybody's content",
         closed_stream, every(refused_or(b"hello"), second_is, never(b"smuggled")), steps=(Step(), Step(url="{a}/second"))),
    case("h2-data-crossed", FRAMES, "RFC 9113 5.1", "content for the first stream within the answer of the second",
         crossed, every(second_is, never(b"smuggled")), steps=(Step(url="{a}/second"), Step())),
    case("h2-data-on-idle-stream", FRAMES, "RFC 9113 5.1", "content for a stream that was never opened",
         then_answers(lambda s: frame(DATA, s + 2, b"smuggled", END_STREAM))),
    case("h2-headers-on-server-stream", FRAMES, "RFC 9113 5.1.1", "a response on a stream of the server's",
         then_answers(lambda s: frame(HEADERS, 2, b"\x88", END_HEADERS | END_STREAM))),
    case("h2-data-on-stream-0", FRAMES, "RFC 9113 6.1", "content on stream 0", then_answers(lambda s: frame(DATA, 0, b"x"))),
    case("h2-padding", FRAMES, "RFC 9113 6.1", "padding longer than the frame",
         then_answers(lambda s: frame(HEADERS, s, block([]), END_HEADERS), lambda s: frame(DATA, s, b"\xffhel", PADDED))),
    case("h2-push", FRAMES, "RFC 9113 8.4", "a pushed response: an error, or left alone", pushed,
         every(refused_or(b"hello"), never(b"smuggled"))),
    case("h2-settings-length", FRAMES, "RFC 9113 6.5", "SETTINGS of 5 bytes", then_answers(lambda s: frame(SETTINGS, 0, b"hello"))),
    case("h2-settings-frame-size-0", FRAMES, "RFC 9113 6.5.2 (Go CVE-2026-33814)", "MAX_FRAME_SIZE=0",
         then_answers(lambda s: settings((5, 0)))),
    case("h2-settings-window", FRAMES, "RFC 9113 6.5.2", "INITIAL_WINDOW_SIZE above 2^31-1",
         then_answers(lambda s: settings((4, 2**31)))),
    case("h2-window-overflow", FRAMES, "RFC 9113 6.9.1", "a window of the connection above 2^31-1",
         then_answers(lambda s: frame(WINDOW_UPDATE, 0, LARGEST) * 2)),
    case("h2-window-zero", FRAMES, "RFC 9113 6.9", "WINDOW_UPDATE by nothing",
         then_answers(lambda s: frame(WINDOW_UPDATE, 0, bytes(4)))),
    case("h2-ping-length", FRAMES, "RFC 9113 6.7", "PING of 7 bytes", then_answers(lambda s: frame(PING, 0, b"0123456"))),
    case("h2-continuation-alone", FRAMES, "RFC 9113 6.10", "CONTINUATION without HEADERS",
         then_answers(lambda s: frame(CONTINUATION, s, b"\x88", END_HEADERS))),
    case("h2-headers-interrupted", FRAMES, "RFC 9113 6.10", "PING between HEADERS and CONTINUATION",
         then_answers(lambda s: frame(HEADERS, s, b"\x88"), lambda s: frame(PING, 0, b"01234567"),
                      lambda s: frame(CONTINUATION, s, flags=END_HEADERS))),
    case("h2-hpack-index", FRAMES, "RFC 7541 2.3.3", "an index that is not in the table",
         lambda peer, s: (peer.send(frame(HEADERS, s, b"\x88\xff\x7f", END_HEADERS)), peer.data(s, b"hello"))),
    case("h2-hpack-integer", FRAMES, "RFC 7541 5.1", "an integer of thirty bytes",
         lambda peer, s: (peer.send(frame(HEADERS, s, b"\x88\xff" + b"\xff" * 30 + b"\x01", END_HEADERS)), peer.data(s, b"hello"))),
    case("h2-hpack-resize", FRAMES, "RFC 7541 6.3", "a table larger than allowed",
         lambda peer, s: (peer.send(frame(HEADERS, s, b"\x3f\xff\xff\x7f\x88", END_HEADERS)), peer.data(s, b"hello"))),
)  # fmt: skip

FLOOD_CASES = (
    case("h2-hpack-bomb", FLOODS, "CVE-2016-6581", "16 KiB that stand for 62 MiB of fields", hpack_bomb),
    case("h2-continuation-flood", FLOODS, "CVE-2023-45288", "CONTINUATION without end", continuations(literal(b"x-a", b"b") * 100)),
    case("h2-continuation-empty-flood", FLOODS, "CVE-2019-9518", "empty CONTINUATION without end", continuations(b"")),
    case("h2-empty-names-flood", FLOODS, "CVE-2019-9516", "fields without name and value, without end",
         continuations(b"\x00\x00\x00" * 1000)),
    case("h2-field-list", FLOODS, "Go CVE-2021-31525", "64 MiB of fields", large_list),
    case("h2-trailers-endless", FLOODS, "Endless input", "trailers without end", trailer_list),
    case("h2-interim-flood", FLOODS, "Endless input", "interim responses without end", interim),
    case("h2-settings-flood", FLOODS, "CVE-2019-9515", "SETTINGS without end", flood(settings())),
    case("h2-ping-flood", FLOODS, "CVE-2019-9512", "PING without end", flood(frame(PING, 0, b"01234567"))),
    case("h2-reset-flood", FLOODS, "CVE-2019-9514",
         "RST_STREAM for a stream that is over, without end: an error, or another attempt",
         resets,
         second_is, steps=(Step(), Step())),
    case("h2-empty-data-flood", FLOODS, "CVE-2019-9518", "empty DATA without end", lambda peer, s: (
         peer.head(s), peer.flood(frame(DATA, s)))),
    case("h2-window-update-flood", FLOODS, "CVE-2019-9517 and kin", "WINDOW_UPDATE by one, without end",
         flood(frame(WINDOW_UPDATE, 0, (1).to_bytes(4, "big")))),
    case("h2-unknown-flood", FLOODS, "RFC 9113 10.5", "frames of an unknown type without end", flood(frame(99, 0, b"x"))),
    case("h2-over-window", FLOODS, "RFC 9113 6.9.1", "content without regard to the window, to a slow reader: memory stays bounded",
         over_window, tolerated, steps=(Step(slow=True),), last=False),
)  # fmt: skip

END_CASES = (
    case("h2-closed-in-content", ENDS, "RFC 9113 8.1", "closes before END_STREAM", partly(close=True)),
    case("h2-reset-in-content", ENDS, "RFC 9113 8.1", "RST_STREAM before END_STREAM",
         partly(lambda s: frame(RST_STREAM, s, CANCEL))),
    case("h2-reset-no-error", ENDS, "RFC 9113 8.1", "RST_STREAM with NO_ERROR before END_STREAM: still not whole",
         partly(lambda s: frame(RST_STREAM, s, NO_ERROR))),
    case("h2-goaway-in-content", ENDS, "RFC 9113 6.8", "GOAWAY and the end of the connection before END_STREAM",
         partly(lambda s: goaway(s), close=True)),
    case("h2-goaway-then-hang", ENDS, "RFC 9113 6.8", "GOAWAY, and no answer", goaway_hang),
    case("h2-goaway-unprocessed", ENDS, "RFC 9113 6.8", "GOAWAY that leaves the request out: sent again, or an error",
         goaway_unprocessed, refused_or(b"hello")),
    case("h2-refused-once", ENDS, "RFC 9113 8.7", "REFUSED_STREAM once: sent again, or an error", refuse_once,
         refused_or(b"hello")),
    case("h2-refused-always", ENDS, "RFC 9113 8.7", "REFUSED_STREAM for ever: an error after few attempts",
         lambda peer, s: peer.send(frame(RST_STREAM, s, REFUSED_STREAM)), every(refused, at_most(20))),
    case("h2-stall", ENDS, "Timeouts", "no answer", says_nothing),
    case("h2-stall-in-content", ENDS, "Timeouts", "a head and half of the content, then nothing", partly(lambda s: b"")),
    case("h2-drip", ENDS, "No end in time", "a byte of content every 0.3 s, for ever", dripping,
         last=False),
    case("h2-ping-drip", ENDS, "No end in time", "a PING every 0.3 s, and no answer", pings_drip, last=False),
    case("h2-upload-stall", ENDS, "RFC 9113 6.9", "no window for the content of a POST, ever", lambda peer, s: None,
         opening=settings((4, 0)), steps=(Step("POST", size=100_000),)),
    case("h2-no-streams", ENDS, "RFC 9113 5.1.2", "MAX_CONCURRENT_STREAMS=0, and silence for the stream that came before it",
         says_nothing, opening=settings((3, 0)), last=False),
)  # fmt: skip

CASES = FRAME_CASES + FLOOD_CASES + END_CASES

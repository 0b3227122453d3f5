from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from hyperhttp.exceptions import LocalProtocolError, RemoteProtocolError
from hyperhttp.protocol.http1 import framing
from hyperhttp.protocol.http1.head import MAX_FIELDS
from hyperhttp.protocol.http1.reader import MAX_HEAD, MAX_INTERIM, ResponseReader

VECTORS = Path(__file__).parents[2] / "vectors" / "http1"
VALID = json.loads((VECTORS / "responses.json").read_text())["cases"]
BROKEN_HEADS = json.loads((VECTORS / "broken_heads.json").read_text())["cases"]
BROKEN_CHUNKS = json.loads((VECTORS / "broken_chunks.json").read_text())["cases"]

OK = b"HTTP/1.1 200 OK\r\n"
EMPTY = OK + b"Content-Length: 0\r\n\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
WHOLE = sys.maxsize


class Recorder(ResponseReader):
    """Writes down what the reader says; `on` may hold an action for one kind of call."""

    def __init__(self, method: str = "GET", switch: str | None = None):
        super().__init__()
        self.said = []
        self.on = {}
        self.expect_response(method, switch)

    def note(self, kind, *facts):
        self.said.append((kind, *facts))
        if kind in self.on:
            self.on[kind]()

    def response_received(self, head, content):
        assert self.is_idle
        self.note("response", head, content)

    def head_received(self, head):
        self.note("head", head)

    def interim_received(self, head):
        self.note("interim", head)

    def content_received(self, data):
        assert data
        self.note("content", data)

    def content_ended(self, trailers):
        self.note("ended", [list(field[:2]) for field in trailers])

    def response_failed(self, error):
        assert isinstance(error, RemoteProtocolError)
        assert str(error)
        self.note("failed", error)

    def surplus_received(self):
        self.note("surplus")

    def feed(self, data: bytes, size: int = WHOLE):
        for start in range(0, len(data), min(size, len(data) or 1)):
            self.receive_data(data[start : start + size])
        return self

    @property
    def kinds(self) -> list[str]:
        """Kinds of calls, where content counts once however many pieces it came in."""
        kinds = [each[0] for each in self.said]
        return [kind for at, kind in enumerate(kinds) if kind != "content" or kinds[at - 1] != "content"]

    @property
    def content(self) -> bytes:
        return b"".join(each[-1] for each in self.said if each[0] in ("content", "response"))

    @property
    def head(self):
        return next(each[1] for each in self.said if each[0] in ("head", "response"))

    @property
    def interim(self) -> list[int]:
        return [each[1].status_code for each in self.said if each[0] == "interim"]

    @property
    def trailers(self) -> list[list[bytes]]:
        return next((each[1] for each in self.said if each[0] == "ended"), [])


def recorder_for(case) -> Recorder:
    return Recorder(case.get("method", "GET"), case.get("switch"))


def name_of(case) -> str:
    return case["name"]


# -- valid responses -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [WHOLE, 1, 2, 3, 5, 17])
@pytest.mark.parametrize("case", VALID, ids=name_of)
def test_a_valid_response_is_read_however_it_is_cut(case, size):
    reader = recorder_for(case).feed(case["data"].encode("latin-1"), size)
    if case["ends"] == "close":
        assert not reader.is_idle
        reader.receive_eof()
    else:
        assert reader.is_idle
        assert reader.reusable == case["reusable"]
    assert reader.interim == case["interim"]
    head = reader.head
    assert (head.http_version, head.status_code, head.reason) == (
        case["version"],
        case["status"],
        case["reason"],
    )
    assert [[name.decode("latin-1"), value.decode("latin-1")] for name, value, *_ in head.fields] == case["fields"]
    assert reader.content == case["content"].encode("latin-1")
    assert [[name.decode(), value.decode()] for name, value in reader.trailers] == case["trailers"]
    assert reader.kinds[-1] in ("response", "ended")
    assert "failed" not in reader.kinds


@pytest.mark.parametrize("case", VALID, ids=name_of)
def test_the_end_of_the_connection_is_an_error_or_a_proper_end_at_each_position(case):
    data = case["data"].encode("latin-1")
    for size in (WHOLE, 1):
        for end in range(len(data) + 1):
            reader = recorder_for(case).feed(data[:end], size)
            before = reader.kinds
            reader.receive_eof()
            if end == len(data) and case["ends"] != "close":
                assert reader.kinds == before
            elif case["ends"] == "close" and "head" in before:
                assert reader.kinds == [*before, "ended"]
            else:
                assert reader.kinds == [*before, "failed"]
            assert not reader.is_idle
            assert not reader.reusable
            reader.receive_eof()
            reader.receive_data(EMPTY)
            assert reader.kinds.count("failed") + reader.kinds.count("ended") <= 1
            assert reader.kinds[-1:] != ["surplus"]


@pytest.mark.parametrize("case", [case for case in VALID if case["ends"] != "close"], ids=name_of)
@pytest.mark.parametrize("surplus", [b"\r\n", b"x", b"\0", EMPTY])
def test_bytes_after_the_end_retire_the_connection_and_never_become_a_response(case, surplus):
    data = case["data"].encode("latin-1")
    together = recorder_for(case).feed(data + surplus)
    assert together.is_idle
    assert not together.reusable
    assert together.content == case["content"].encode("latin-1")
    later = recorder_for(case).feed(data).feed(surplus)
    assert later.kinds[-1] == "surplus"
    dribbled = recorder_for(case).feed(data + surplus, 1)
    assert dribbled.kinds.count("surplus") == 1
    for reader in (later, dribbled):
        assert not reader.is_idle
        assert not reader.reusable
        with pytest.raises(LocalProtocolError):
            reader.expect_response("GET")


@pytest.mark.parametrize(
    ("method", "status", "fields"),
    [
        ("HEAD", b"200 OK", b"Content-Length: 5\r\n"),
        ("HEAD", b"200 OK", b""),
        ("GET", b"204 No Content", b"Content-Length: 5\r\n"),
        ("GET", b"304 Not Modified", b"Content-Length: 5\r\n"),
        ("GET", b"304 Not Modified", b""),
    ],
)
def test_content_where_none_can_be_retires_the_connection(method, status, fields):
    reader = Recorder(method).feed(b"HTTP/1.1 " + status + b"\r\n" + fields + b"\r\nhello")
    assert reader.kinds == ["response"]
    assert reader.content == b""
    assert not reader.reusable


def test_one_connection_serves_many_exchanges():
    reader = Recorder("HEAD")
    reader.feed(OK + b"Content-Length: 9\r\n\r\n")
    for method, data in [
        ("GET", OK + b"Content-Length: 2\r\n\r\nhi"),
        ("GET", CHUNKED + b"1\r\n!\r\n0\r\n\r\n"),
        ("GET", EMPTY),
    ]:
        assert reader.reusable
        reader.expect_response(method)
        assert not reader.began
        reader.feed(data, 7)
    assert reader.is_idle
    assert reader.content == b"hi!"
    assert "failed" not in reader.kinds


def test_a_whole_response_is_one_call():
    for data in (EMPTY, OK + b"Content-Length: 2\r\n\r\nhi", CHUNKED + b"1\r\na\r\n1\r\nb\r\n0\r\n\r\n"):
        assert Recorder().feed(data).kinds == ["response"]


# -- broken responses ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [WHOLE, 1, 2, 5])
@pytest.mark.parametrize("case", BROKEN_HEADS, ids=name_of)
def test_a_broken_head_is_refused_however_it_is_cut(case, size):
    reader = recorder_for(case).feed(case["data"].encode("latin-1"), size)
    assert reader.kinds in (["failed"], ["interim", "failed"])
    assert not reader.reusable


@pytest.mark.parametrize("size", [WHOLE, 1, 2, 5])
@pytest.mark.parametrize("case", BROKEN_CHUNKS, ids=name_of)
def test_broken_chunks_are_refused_after_the_content_before_them(case, size):
    data = CHUNKED + case["data"].encode("latin-1")
    reader = Recorder().feed(data, size)
    assert reader.kinds in (["head", "failed"], ["head", "content", "failed"])
    assert reader.content == Recorder().feed(data).content
    assert not reader.reusable


@pytest.mark.parametrize("case", [*BROKEN_HEADS[::7], *BROKEN_CHUNKS[::7]], ids=name_of)
def test_after_a_failure_nothing_is_said(case):
    data = case["data"].encode("latin-1")
    reader = recorder_for(case).feed(CHUNKED + data if case in BROKEN_CHUNKS else data)
    said = list(reader.said)
    reader.feed(EMPTY)
    reader.receive_eof()
    reader.feed(b"\r\n\r\n", 1)
    reader.stop_reading()
    reader.receive_eof()
    assert reader.said == said
    assert not reader.is_idle
    assert not reader.reusable
    with pytest.raises(LocalProtocolError):
        reader.expect_response("GET")


@pytest.mark.parametrize(
    "data",
    [
        b"\n",
        b"H\n",
        b"\x16\x03\x01",
        b"HTTP/2",
        b"HTTP/1.1 200 OK\n",
        OK + b"A: b\nC",
        OK + b"A: b\r\n\n",
        OK + b"A\0",
        OK + b"\rA",
    ],
)
@pytest.mark.parametrize("size", [WHOLE, 1])
def test_what_can_no_longer_become_a_head_fails_before_the_timeout(data, size):
    assert Recorder().feed(data, size).kinds == ["failed"]


@pytest.mark.parametrize("data", [b"", b"H", b"HTTP/1.", OK, OK + b"A: b\r", OK + b"A: b\r\n\r"])
def test_what_can_still_become_a_head_is_waited_for(data):
    for size in (WHOLE, 1):
        assert Recorder().feed(data, size).kinds == []


# -- interim responses, upgrades, tunnels --------------------------------------------------------------------


@pytest.mark.parametrize("size", [WHOLE, 1, 1000])
@pytest.mark.parametrize(("count", "kind"), [(MAX_INTERIM, "response"), (MAX_INTERIM + 1, "failed")])
def test_interim_responses_have_a_limit(size, count, kind):
    reader = Recorder().feed(b"HTTP/1.1 103 Early Hints\r\n\r\n" * count + EMPTY, size)
    assert reader.kinds == ["interim"] * MAX_INTERIM + [kind]


def test_the_count_of_interim_responses_begins_with_each_exchange():
    reader = Recorder()
    for _ in range(3):
        reader.feed(b"HTTP/1.1 100 Continue\r\n\r\n" * MAX_INTERIM + EMPTY)
        reader.expect_response("GET")
    assert "failed" not in reader.kinds


def test_many_interim_responses_do_not_deepen_the_stack():
    depths = []

    class Deep(Recorder):
        def interim_received(self, head):
            depth, frame = 0, sys._getframe()
            while frame is not None:
                depth, frame = depth + 1, frame.f_back
            depths.append(depth)

    Deep().feed(b"HTTP/1.1 100 Continue\r\n\r\n" * MAX_INTERIM + EMPTY)
    assert len(depths) == MAX_INTERIM
    assert len(set(depths)) == 1


@pytest.mark.parametrize("protocol", ["tunnel", "CONNECT", ""])
def test_an_upgrade_never_makes_an_ordinary_answer_a_tunnel(protocol):
    """The words that mark a tunnel inside the reader cannot be said by a caller."""
    reader = Recorder("GET", protocol).feed(OK + b"Content-Length: 2\r\n\r\nhi")
    assert reader.kinds == ["response"]
    assert reader.is_idle


@pytest.mark.parametrize("asked", ["", ",", " , "])
def test_an_empty_wish_allows_no_switch(asked):
    data = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: ,\r\n\r\n"
    assert Recorder("GET", asked).feed(data).kinds == ["failed"]


def test_an_upgrade_is_forgotten_with_its_exchange():
    reader = Recorder("GET", "websocket").feed(EMPTY)
    reader.expect_response("GET")
    reader.feed(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n")
    assert reader.kinds == ["response", "failed"]


def test_a_refused_tunnel_leaves_an_ordinary_connection():
    reader = Recorder("CONNECT").feed(b"HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno")
    assert reader.is_idle
    assert reader.reusable
    reader.expect_response("GET")
    reader.feed(OK + b"\r\nabc")
    assert reader.kinds == ["response", "head", "content"]


# -- content taken past the reader -------------------------------------------------------------------------------


def test_the_rest_of_content_of_known_length_can_be_taken_past_the_reader():
    reader = Recorder().feed(OK + b"Content-Length: 10\r\n\r\nabc")
    assert reader.left == 7
    reader.skip_content(5)
    assert reader.left == 2
    reader.finish_content()
    assert reader.kinds == ["head", "content", "ended"]
    assert reader.is_idle
    assert reader.reusable
    assert reader.left == 0
    reader.expect_response("GET")
    reader.feed(EMPTY)
    assert reader.kinds[-1] == "response"


def test_what_was_taken_past_the_reader_counts_when_the_rest_is_fed():
    reader = Recorder().feed(OK + b"Content-Length: 10\r\n\r\nabc")
    reader.skip_content(5)
    reader.feed(b"ij!")
    assert reader.content == b"abcij"
    assert reader.is_idle
    assert not reader.reusable


def test_content_taken_past_the_reader_can_end_early():
    reader = Recorder().feed(OK + b"Content-Length: 10\r\n\r\nabc")
    reader.skip_content(5)
    reader.receive_eof()
    assert reader.kinds == ["head", "content", "failed"]
    assert "2 bytes before the end" in str(reader.said[-1][1])


@pytest.mark.parametrize("data", [b"", OK, EMPTY, CHUNKED + b"5\r\nab", OK + b"\r\nabc"])
def test_nothing_is_left_where_no_length_is_known(data):
    assert Recorder().feed(data).left == 0


def test_a_stopped_reader_does_not_finish():
    reader = Recorder().feed(OK + b"Content-Length: 10\r\n\r\nabc")
    reader.stop_reading()
    reader.finish_content()
    assert reader.kinds == ["head", "content"]
    assert not reader.is_idle


def test_parts_of_a_head_are_told():
    parts = []

    class Listener(ResponseReader):
        def head_continues(self):
            parts.append(bytes(self._partial))

    reader = Listener()
    reader.expect_response("GET")
    for piece in (b"HTTP/1.1 200 ", b"OK\r\n", b"Content-Length: 0\r\n\r\n"):
        reader.receive_data(piece)
    assert parts == [b"HTTP/1.1 200 ", OK]
    assert reader.is_idle


# -- limits --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [WHOLE, 1, 1000, MAX_HEAD])
@pytest.mark.parametrize(("excess", "kind"), [(0, "response"), (1, "failed"), (5, "failed")])
def test_a_head_has_a_limit_in_bytes(size, excess, kind):
    start = OK + b"Content-Length: 0\r\nX: "
    data = start.ljust(MAX_HEAD + excess, b"x") + b"\r\n\r\n"
    assert Recorder().feed(data, size).kinds == [kind]


@pytest.mark.parametrize("data", [OK + b"X: ", b"HTTP/1.1 200 ", OK + b"X: y\r\n Z"])
@pytest.mark.parametrize("size", [1, 4096])
def test_an_endless_head_is_refused_at_its_limit(data, size):
    reader = Recorder().feed(data)
    fed = len(data)
    while not reader.said:
        reader.receive_data(b"x" * size)
        fed += size
    assert reader.kinds == ["failed"]
    assert fed <= MAX_HEAD + 4 + size
    assert not reader._partial


def test_a_head_has_a_limit_in_fields():
    fields = b"Content-Length: 0\r\n" + b"X: y\r\n" * (MAX_FIELDS - 1)
    assert Recorder().feed(OK + fields + b"\r\n").kinds == ["response"]
    assert Recorder().feed(OK + fields + b"X: y\r\n\r\n").kinds == ["failed"]


def test_a_huge_length_takes_no_memory_in_advance():
    reader = Recorder().feed(OK + b"Content-Length: 9999999999999999999\r\n\r\nabc")
    assert reader.kinds == ["head", "content"]
    assert reader.head.content_length == 9999999999999999999


# -- state ---------------------------------------------------------------------------------------------------


def test_a_new_reader_is_idle_and_any_byte_on_it_is_surplus():
    reader = Recorder().feed(EMPTY)
    assert reader.is_idle
    reader.receive_data(b"H")
    assert reader.kinds == ["response", "surplus"]
    reader.receive_data(b"H")
    assert reader.kinds == ["response", "surplus"]


def test_no_byte_is_no_surplus_and_begins_nothing():
    reader = Recorder()
    reader.receive_data(b"")
    assert not reader.began
    reader.feed(EMPTY).receive_data(b"")
    assert reader.is_idle
    assert reader.reusable
    assert reader.kinds == ["response"]


@pytest.mark.parametrize("data", [b"", b"H", EMPTY[:-1], OK + b"Content-Length: 2\r\n\r\nh", CHUNKED, OK + b"\r\n"])
def test_a_second_request_has_to_wait_for_the_first_response(data):
    reader = Recorder().feed(data)
    with pytest.raises(LocalProtocolError):
        reader.expect_response("GET")


def test_began_says_whether_anything_came():
    reader = Recorder()
    assert not reader.began
    reader.receive_data(b"H")
    assert reader.began


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "without sending a response"),
        (b"H", "in the middle of the response head"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", "in the middle of the response head"),
        (OK + b"Content-Length: 5\r\n\r\nhe", "3 bytes before the end of the content"),
        (CHUNKED + b"5\r\nhe", "in the middle of chunked content"),
        (CHUNKED + b"0\r\n", "in the middle of chunked content"),
    ],
)
def test_an_early_end_says_where_it_came(data, message):
    reader = Recorder().feed(data)
    reader.receive_eof()
    assert message in str(reader.said[-1][1])
    assert reader.said[-1][1].retryable  # it left; it said nothing wrong


CONVERSATION = (
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\n\r\n" + CHUNKED + b"2\r\nhi\r\n1\r\n!\r\n0\r\nX: y\r\n\r\n"
)


@pytest.mark.parametrize("size", [WHOLE, 1, 5])
@pytest.mark.parametrize(
    ("kind", "method", "switch", "data"),
    [
        ("interim", "GET", None, CONVERSATION),
        ("head", "GET", None, CONVERSATION),
        ("content", "GET", None, CONVERSATION),
        ("head", "GET", None, CHUNKED + b"2\r\nhi\r\nbroken"),
        ("content", "GET", None, CHUNKED + b"2\r\nhi\r\nbroken"),
        ("head", "GET", None, OK + b"Content-Length: 5\r\n\r\nhello!"[:-1]),
        ("content", "GET", None, OK + b"Content-Length: 9\r\n\r\nhello you"[:-1]),
        ("head", "GET", None, OK + b"\r\nhello"),
        ("content", "GET", None, OK + b"\r\nhello"),
        ("head", "CONNECT", None, OK + b"\r\nhello"),
        ("head", "GET", "a", b"HTTP/1.1 101 Go\r\nUpgrade: a\r\n\r\nhello"),
    ],
)
def test_who_stops_reading_inside_a_call_hears_nothing_more(kind, method, switch, data, size):
    reader = Recorder(method, switch)
    reader.on[kind] = reader.stop_reading
    reader.feed(data, size)
    if not reader.said or reader.said[0][0] == "response":
        return  # content that came whole is one call
    reader.receive_eof()
    assert reader.said[-1][0] == kind
    assert len([each for each in reader.said if each[0] == kind]) == 1
    assert not reader.is_idle
    assert not reader.reusable


def test_who_stops_reading_at_the_last_piece_of_content_is_not_told_of_its_end():
    for data in (OK + b"Content-Length: 2\r\n\r\nh", CHUNKED + b"2\r\nh"):
        reader = Recorder().feed(data)
        reader.on["content"] = reader.stop_reading
        reader.feed(b"i\r\n0\r\n\r\n")
        assert reader.kinds == ["head", "content"]
        assert not reader.is_idle


def test_the_next_exchange_can_begin_inside_the_last_call():
    for data, kind in ((EMPTY, "response"), (OK + b"Content-Length: 1\r\n\r\n", "ended"), (CHUNKED, "ended")):
        reader = Recorder()
        reader.on[kind] = lambda reader=reader: (reader.on.clear(), reader.expect_response("GET"))
        reader.feed(data)
        reader.feed({"response": b"", "ended": b"a"}[kind] if data is not CHUNKED else b"0\r\n\r\n")
        reader.feed(EMPTY)
        assert reader.kinds[-1] == "response"
        assert "surplus" not in reader.kinds


def test_an_error_of_the_one_who_listens_is_a_failed_response():
    def refuse():
        raise RemoteProtocolError("too much")

    reader = Recorder()
    reader.on["content"] = refuse
    reader.feed(CHUNKED).feed(b"2\r\nhi\r\n0\r\n\r\n")
    assert reader.kinds == ["head", "content", "failed"]


def test_an_error_of_the_one_who_stopped_reading_is_not_told():
    def stop_and_refuse():
        reader.stop_reading()
        raise RemoteProtocolError("too much")

    reader = Recorder()
    reader.on["content"] = stop_and_refuse
    reader.feed(CHUNKED + b"2\r\nhi\r\nbroken")
    assert reader.kinds == ["head", "content"]


def test_nothing_is_held_after_the_end():
    reader = Recorder().feed(OK + b"X: y")
    assert reader._partial
    reader.stop_reading()
    assert not reader._partial
    reader = Recorder().feed(CHUNKED + b"1;" + b"x" * 4000)
    reader.receive_eof()
    assert reader._chunks is None


def test_a_plain_reader_says_nothing():
    reader = ResponseReader()
    for method, data in [("GET", CONVERSATION), ("GET", EMPTY), ("GET", OK + b"\r\nabc")]:
        reader.expect_response(method)
        reader.receive_data(data)
    reader.receive_eof()
    reader = ResponseReader()
    reader.receive_data(b"x")
    assert not reader.reusable
    reader = ResponseReader()
    reader.expect_response("GET")
    reader.receive_data(b"x")
    assert not reader.reusable


# -- work ----------------------------------------------------------------------------------------------------
# Counted in calls and in bytes looked at, never in time.


def frames_of(function, *args) -> int:
    frames = 0

    def count(frame, event, arg):
        nonlocal frames
        frames += event == "call"

    sys.setprofile(count)
    try:
        function(*args)
    finally:
        sys.setprofile(None)
    return frames


WARM = (
    b"HTTP/1.1 200 OK\r\nServer: nginx/1.27\r\nDate: Tue, 01 Sep 2026 10:00:00 GMT\r\n"
    b'Content-Type: application/json\r\nConnection: keep-alive\r\nETag: "66f1-d"\r\n'
)


@pytest.mark.parametrize(
    ("data", "budget"),
    [
        (WARM + b"Content-Length: 2\r\n\r\n{}", 4),
        (WARM + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", 12),
    ],
    ids=["length", "chunked"],
)
def test_a_warm_response_takes_few_python_calls(data, budget):
    """These numbers only go down. With a length: receive_data, _receive_head, parse_head, response_received."""
    reader = ResponseReader()
    for _ in range(2):  # the lines are learnt, then the head
        reader.expect_response("GET")
        reader.receive_data(data)
    reader.expect_response("GET")
    assert frames_of(reader.receive_data, data) <= budget


class CountedBuffer(bytearray):
    work = 0

    def find(self, mark, start=0):
        CountedBuffer.work += len(self) - start + 1
        return super().find(mark, start)

    def __getitem__(self, key):
        result = super().__getitem__(key)
        CountedBuffer.work += len(result) if isinstance(key, slice) else 1
        return result

    def __iadd__(self, other):
        CountedBuffer.work += len(other)
        return super().__iadd__(other)


class CountedPattern:
    def __init__(self, pattern):
        self.pattern = pattern

    def search(self, buffer, start):
        CountedBuffer.work += len(buffer) - start
        return self.pattern.search(buffer, start)


@pytest.mark.parametrize("line", [b"X: " + b"x" * 60000, b"Name: value\r\n" * 250], ids=["one line", "many lines"])
def test_a_dribbled_head_costs_the_same_for_each_byte(line, monkeypatch):
    monkeypatch.setattr(framing, "CONTROL_IN_LINE", CountedPattern(framing.CONTROL_IN_LINE))
    CountedBuffer.work = 0
    reader = Recorder()
    reader._partial = CountedBuffer()
    data = OK + line
    frames = frames_of(reader.feed, data, 1)
    assert reader.said == []
    assert CountedBuffer.work <= 24 * len(data)
    assert frames <= 12 * len(data)


def test_many_interim_responses_in_one_piece_are_read_once():
    class Counted(bytes):
        copied = 0

        def __getitem__(self, key):
            result = super().__getitem__(key)
            Counted.copied += len(result)
            return result

    data = Counted(b"HTTP/1.1 100 Continue\r\n\r\n" * MAX_INTERIM + EMPTY)
    reader = Recorder()
    reader.receive_data(data)
    assert reader.kinds[-1] == "response"
    assert Counted.copied <= 2 * len(data)

from __future__ import annotations

import threading

import pytest

from hyperhttp.testing import messages
from hyperhttp.testing.messages import Fields, ReceivedRequest, Reply, RequestLog, json_reply


def make(target: str = "/", **options: object) -> ReceivedRequest:
    headers = Fields([("Host", "example.test:8080")])
    return ReceivedRequest("GET", target, "HTTP/1.1", headers, **options)  # type: ignore[arg-type]


def test_field_names_compare_without_case_and_keep_their_spelling() -> None:
    fields = Fields([("X-One", "1"), ("x-one", "2"), ("Other", "3")])
    assert fields["X-ONE"] == "1, 2"
    assert fields.get_list("x-One") == ["1", "2"]
    assert "other" in fields
    assert list(fields) == ["x-one", "other"]
    assert len(fields) == 2
    assert fields.raw[1] == ("x-one", "2")
    assert "X-One" in repr(fields)


def test_a_missing_field_is_a_key_error_and_get_gives_the_default() -> None:
    fields = Fields()
    with pytest.raises(KeyError):
        fields["Nope"]
    assert fields.get("Nope") is None


def test_tokens_are_split_at_commas_over_all_lines() -> None:
    fields = Fields([("Connection", "Keep-Alive, ,X-Trace"), ("connection", "close")])
    assert fields.tokens("connection") == ["keep-alive", "x-trace", "close"]


@pytest.mark.parametrize(
    ("target", "path", "args"),
    [
        ("/a%20b?x=1&x=2&y=", "/a b", [("x", "1"), ("x", "2"), ("y", "")]),
        ("http://proxied.test/p?q=%2F", "/p", [("q", "/")]),
        ("*", "*", []),
        ("/?a?b=c", "/", [("a?b", "c")]),
    ],
)
def test_a_target_is_taken_apart(target: str, path: str, args: list[tuple[str, str]]) -> None:
    request = make(target)
    assert (request.path, request.args) == (path, args)


def test_the_url_is_put_together_from_scheme_host_and_target() -> None:
    assert make("/p?q=1", scheme="https").url == "https://example.test:8080/p?q=1"
    assert make("http://other.test/p").url == "http://other.test/p"


def test_content_is_kept_up_to_the_limit_and_counted_beyond() -> None:
    request = make(keep=5)
    request.receive(b"abc")
    request.receive(b"defg")
    assert request.body == b"abcde"
    assert request.body_length == 7
    assert request.text == "abcde"


def test_content_as_json() -> None:
    request = make()
    request.receive(b'{"a": 1}')
    assert request.json() == {"a": 1}


def test_the_log_keeps_the_newest() -> None:
    log = RequestLog(3)
    for number in range(5):
        log.append(make(f"/{number}"))
    assert [request.target for request in log.snapshot()] == ["/2", "/3", "/4"]
    log.clear()
    assert log.snapshot() == []


def test_the_log_lets_go_of_old_bodies_when_they_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(messages, "KEPT_BYTES_IN_ALL", 1000)
    log = RequestLog(1000)
    for number in range(64):
        request = make(f"/{number}")
        request.receive(bytes(100))
        log.append(request)
    kept = log.snapshot()
    assert kept[-1].target == "/63"
    assert len(kept) <= 10


def test_the_log_can_be_read_while_requests_arrive() -> None:
    log = RequestLog(50)
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            log.append(make())

    writer = threading.Thread(target=write)
    writer.start()
    try:
        sizes = [len(log.snapshot()) for _ in range(300)]
    finally:
        stop.set()
        writer.join()
    assert max(sizes) <= 50


async def test_a_reply_is_collected_whichever_way_its_content_is_made() -> None:
    async def produce(write: messages.Write) -> None:
        await write(b"a")
        await write(b"bc")

    assert await Reply(body=produce).collect() == b"abc"
    assert await Reply(body=b"xyz").collect() == b"xyz"


def test_a_json_reply_is_sorted_and_names_its_type() -> None:
    reply = json_reply({"b": 1, "a": "ü"}, status=201, fields=[("X", "y")])
    assert reply.status == 201
    assert reply.fields == [("Content-Type", "application/json"), ("X", "y")]
    assert reply.body == b'{\n  "a": "\\u00fc",\n  "b": 1\n}\n'

"""The raw response, by what programs do with it."""

import gzip
import io
import shutil

import pytest
import requests
import urllib3

TEXT = b"The quick brown fox jumps over the lazy dog. " * 2_000


@pytest.fixture
def raw(session, origin):
    """Opens a response and gives what is under it."""

    def open_raw(path):
        return session.get(f"{origin.url}{path}", stream=True).raw

    return open_raw


def test_it_is_the_class_that_programs_know(raw):
    response = raw("/bytes/10")

    assert isinstance(response, urllib3.HTTPResponse)
    assert (response.status, response.reason, response.version) == (200, "OK", 11)
    assert response.getheader("content-length") == "10"
    assert not response.closed
    response.close()
    assert response.closed


def test_it_is_read_as_a_file(raw):
    response = raw("/range/100")

    first = response.read(10)
    assert first == b"abcdefghij"
    assert response.tell() == 10
    assert len(response.read()) == 90
    assert response.read(5) == response.read() == b""
    assert response.closed


def test_it_can_be_copied_to_a_file(raw):
    file = io.BytesIO()
    shutil.copyfileobj(raw("/range/100000"), file)

    assert len(file.getvalue()) == 100_000


def test_it_is_read_in_lines(raw):
    lines = [line for line in raw("/stream/3")]  # noqa: C416 - a file's own iterator is the subject

    assert len(lines) == 3
    assert all(line.endswith(b"\n") for line in lines)


def test_pieces_of_known_length_have_the_size_asked_for(raw):
    assert [len(piece) for piece in raw("/range/100000").stream(30_000)] == [30_000, 30_000, 30_000, 10_000]


def test_pieces_of_unknown_length_are_not_larger_than_asked_for(raw):
    sizes = [len(piece) for piece in raw("/stream-bytes/100000").stream(3_000)]

    assert sum(sizes) == 100_000
    assert max(sizes) <= 3_000
    assert 0 not in sizes


def test_without_a_size_pieces_come_as_they_arrive(raw):
    pieces = list(raw("/stream-bytes/100000?chunk_size=1000").stream(None))

    assert sum(map(len, pieces)) == 100_000
    assert all(pieces)
    assert list(raw("/bytes/10").stream(0)) == []


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize("size", [1, 7, 1_000, None], ids=str)
def test_content_is_decoded_in_pieces_of_any_size(session, hyperhttp_scripted_server, chunked, size):
    data = gzip.compress(TEXT)
    framing = b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" if chunked else b"Content-Length: %d\r\n\r\n%b"
    server = hyperhttp_scripted_server([b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n" + framing % (len(data), data)])

    with session.get(server.url, stream=True) as response:
        pieces = list(response.iter_content(size))

    assert b"".join(pieces) == TEXT
    assert all(pieces)
    assert size is None or max(map(len, pieces)) <= size


def test_content_can_be_read_as_it_was_sent(raw):
    response = raw("/gzip")
    encoded = response.read(decode_content=False)

    assert b"gzipped" in gzip.decompress(encoded)


def test_a_response_without_content_is_over_at_once(session, origin):
    response = session.head(f"{origin.url}/bytes/10", stream=True)

    assert response.headers["content-length"] == "10"
    assert response.raw.read() == b""


def test_fields_that_repeat_are_kept_apart_where_it_matters(session, hyperhttp_scripted_server):
    server = hyperhttp_scripted_server(
        [b"HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nX: \xe9\r\nX: y\r\nContent-Length: 0\r\n\r\n"]
    )
    response = session.get(server.url)

    assert response.raw.headers.getlist("set-cookie") == ["a=1", "b=2"]
    assert response.headers["x"] == "é, y"
    assert requests.utils.dict_from_cookiejar(response.cookies) == {"a": "1", "b": "2"}


def test_a_failure_while_reading_closes_what_is_under_it(raw):
    response = raw("/bytes/1000?fault=truncate")
    with pytest.raises(urllib3.exceptions.ProtocolError, match="Connection broken"):
        response.read()

    assert response.closed
    assert response._original_response.isclosed()

import pytest

from hyperhttp_httpx.streams import AsyncUpload, SyncUpload


class Stream:
    def __init__(self):
        self.begun = 0

    def __iter__(self):
        self.begun += 1
        yield from (b"a", b"b")

    async def __aiter__(self):
        self.begun += 1
        for piece in (b"a", b"b"):
            yield piece


async def test_an_upload_is_begun_when_it_is_wanted_and_given_once():
    stream = Stream()
    upload = AsyncUpload(stream)

    assert stream.begun == 0
    assert [piece async for piece in upload] == [b"a", b"b"]
    assert [piece async for piece in upload] == []
    assert stream.begun == 1


def test_a_blocking_upload_is_begun_when_it_is_wanted_and_given_once():
    stream = Stream()
    upload = SyncUpload(stream)

    assert stream.begun == 0
    assert list(upload) == [b"a", b"b"]
    assert list(upload) == []
    assert stream.begun == 1


def test_an_upload_shows_one_face_only():
    assert not hasattr(AsyncUpload(Stream()), "__next__")
    assert not hasattr(SyncUpload(Stream()), "__anext__")


async def test_content_can_be_iterated_over_once(side, origin):
    async with side.client() as client, client.stream("GET", f"{origin.url}/bytes/10") as response:
        assert len(b"".join([piece async for piece in side.pieces(response)])) == 10
        with pytest.raises(side.peer.StreamConsumed):
            [piece async for piece in side.pieces(response)]

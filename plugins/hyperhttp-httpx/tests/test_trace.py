import pytest

from hyperhttp_httpx.trace import Trace


class Listener:
    def __init__(self, *, is_async):
        self.events = []
        self.function = self.listen_async if is_async else self.listen

    def listen(self, name, info):
        self.events.append((name, info))

    async def listen_async(self, name, info):
        self.events.append((name, info))

    @property
    def names(self):
        return [name for name, _ in self.events]


@pytest.mark.parametrize("secure", [False, True], ids=["http11", "http2"])
async def test_a_request_is_followed_from_its_head_to_its_end(side, origin, secure):
    listener = Listener(is_async=side.is_async)
    async with side.client(verify=origin.ssl_context()) as client:
        base = origin.https_url if secure else origin.url
        await client.get(f"{base}/get", extensions={"trace": listener.function})

    prefix = "http2" if secure else "http11"
    assert listener.names == [
        f"{prefix}.receive_response_headers.complete",
        f"{prefix}.receive_response_body.started",
        f"{prefix}.receive_response_body.complete",
        f"{prefix}.response_closed.complete",
    ]
    version, status, _, headers = listener.events[0][1]["return_value"]
    assert (version, status) == (b"HTTP/2" if secure else b"HTTP/1.1", 200)
    assert (b"content-type", b"application/json") in [(name.lower(), value) for name, value in headers]


async def test_failures_are_told(side, origin):
    listener = Listener(is_async=side.is_async)
    async with side.client() as client:
        for fault in ("reset", "truncate"):
            with pytest.raises(side.peer.TransportError):
                await client.get(f"{origin.url}/bytes/10?fault={fault}", extensions={"trace": listener.function})

    failed = [(name, type(info["exception"]).__name__) for name, info in listener.events if "exception" in info]
    assert [name for name, _ in failed] == ["connection.send_request.failed", "http11.receive_response_body.failed"]


async def test_a_listener_of_the_other_face_is_refused_and_frees_the_connection(side, origin):
    listener = Listener(is_async=not side.is_async)
    async with side.client(limits=side.peer.Limits(max_connections=1)) as client:
        for _ in range(2):
            with pytest.raises(TypeError, match="must be a"):
                await client.get(f"{origin.url}/stream-bytes/1000000", extensions={"trace": listener.function})
        assert (await client.get(f"{origin.url}/get")).status_code == 200


async def test_without_a_listener_nothing_happens():
    trace = Trace(None)
    trace.name("HTTP/2")
    trace.tell("anything")
    await trace.atell("anything")

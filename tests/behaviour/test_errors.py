"""Every failure is typed, says what failed where, keeps its cause, pickles, and shows no secret."""

from __future__ import annotations

import copy
import pickle
from typing import TYPE_CHECKING, Any

import pytest

import hyperhttp
from hyperhttp.testing.scripted import ReadRequest, Reset, Stall

if TYPE_CHECKING:
    from hyperhttp.testing.origin import Origin
    from hyperhttp.testing.scripted import ScriptedServerFactory

SECRET = "hunter2"


def url_of(port: int, scheme: str = "http") -> str:
    """A URL full of secrets."""
    return f"{scheme}://user:{SECRET}@127.0.0.1:{port}/path"


OPTIONS: dict[str, Any] = {
    "headers": {"X-Api-Key": SECRET, "Cookie": f"a={SECRET}", "Proxy-Authorization": SECRET},
    "content": SECRET.encode(),
}

FAILURES: dict[str, Any] = {
    "refused": (None, hyperhttp.ConnectError, "connect_error"),
    "no answer": ([ReadRequest()], hyperhttp.RemoteProtocolError, "remote_protocol_error"),
    "reset": ([ReadRequest(), Reset()], hyperhttp.ReadError, "read_error"),
    "garbage": ([ReadRequest(), b"garbage\r\n\r\n"], hyperhttp.RemoteProtocolError, "remote_protocol_error"),
    "truncated": (
        [ReadRequest(), b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"],
        hyperhttp.RemoteProtocolError,
        "remote_protocol_error",
    ),
    "slow": ([ReadRequest(), Stall(2)], hyperhttp.ReadTimeout, "read_timeout"),
    "not gzip": (
        [ReadRequest(), b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nhalf"],
        hyperhttp.DecodingError,
        "decoding_error",
    ),
}  # fmt: skip


def check(error: hyperhttp.HyperHTTPError, where: str) -> None:
    """What holds for every error."""
    text = str(error)
    assert where in text
    for shown in (text, repr(error), repr(error.request)):
        assert SECRET not in shown
    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(twin) is type(error)
        assert str(twin) == text
        assert twin.kind == error.kind
        assert twin.phase == error.phase
    assert error.request is not None
    assert error.request.method == "POST"


@pytest.mark.parametrize("name", FAILURES)
async def test_an_error_says_what_failed_and_where(face: Any, scripted: ScriptedServerFactory, name: str) -> None:
    script, kind, word = FAILURES[name]
    server = scripted.by_connection([script or []])
    if script is None:
        server.close()
    async with face.client(timeout=0.3) as client:
        with pytest.raises(kind) as caught:
            await client.read(await client.post(url_of(server.port), **OPTIONS))
    assert caught.value.kind == word
    check(caught.value, f"127.0.0.1:{server.port}")


async def test_a_tls_failure_says_what_failed_and_where(face: Any, origin: Origin) -> None:
    async with face.client(timeout=3) as client:
        with pytest.raises(hyperhttp.TLSError) as caught:
            await client.post(url_of(origin.https_port, "https"), **OPTIONS)
    check(caught.value, f"127.0.0.1:{origin.https_port}")
    assert caught.value.__cause__ is not None


async def test_a_name_that_does_not_exist_says_so(face: Any) -> None:
    class Nobody:
        async def resolve(self, host: str, port: int) -> Any:
            raise hyperhttp.DNSError(f"cannot resolve {host}", host=host, port=port, phase="dns")

    async with face.client(resolver=Nobody()) as client:
        with pytest.raises(hyperhttp.DNSError, match=r"nowhere\.example") as caught:
            await client.get(f"http://user:{SECRET}@nowhere.example/")
    assert isinstance(caught.value, hyperhttp.ConnectError)
    assert caught.value.request is not None
    assert client.raw.get_pool_stats() == {}


async def test_a_refused_connection_keeps_its_cause(face: Any, scripted: ScriptedServerFactory) -> None:
    server = scripted([b""])
    server.close()
    async with face.client() as client:
        with pytest.raises(hyperhttp.ConnectError, match="refused") as caught:
            await client.get(server.url)
    assert isinstance(caught.value.__cause__, OSError)


async def test_a_status_error_shows_request_response_and_no_secret(face: Any, origin: Origin) -> None:
    async with face.client() as client:
        response = await client.post(url_of(origin.port) + "/../status/503", **OPTIONS)
        await client.read(response)
        with pytest.raises(hyperhttp.HTTPStatusError, match="503") as caught:
            response.raise_for_status()
    check(caught.value, f"127.0.0.1:{origin.port}")
    twin = pickle.loads(pickle.dumps(caught.value))
    assert twin.response is None or twin.response.status_code == 503


async def test_an_error_while_reading_knows_its_request(face: Any, scripted: ScriptedServerFactory) -> None:
    script = [ReadRequest(), b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"]
    server = scripted.by_connection([script, script])
    async with face.client() as client:
        for _ in range(2):
            response = await client.get(server.url, stream=True)
            with pytest.raises(hyperhttp.TransportError) as caught:
                async for _ in client.iter_bytes(response):
                    pass
            assert caught.value.request is response.request


async def test_an_error_leaves_no_reference_to_secrets_in_its_arguments(
    face: Any, scripted: ScriptedServerFactory
) -> None:
    server = scripted.by_connection([[ReadRequest()]])
    async with face.client(auth=("user", SECRET), timeout=2) as client:
        with pytest.raises(hyperhttp.RemoteProtocolError) as caught:
            await client.post(server.url, json={"password": SECRET})
    assert SECRET not in repr(caught.value.args)


async def test_errors_are_caught_by_their_families(face: Any, scripted: ScriptedServerFactory) -> None:
    server = scripted.by_connection([[ReadRequest(), Stall(2)]])
    async with face.client(timeout=0.1) as client:
        with pytest.raises(TimeoutError):
            await client.get(server.url)
        with pytest.raises(ValueError, match=r"header|field|name|value"):
            await client.get(server.url, headers={"a\n": "b"})
        with pytest.raises(hyperhttp.HyperHTTPError):
            await client.get("nonsense://")

"""What a recorder has kept after real requests."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

import hyperhttp
from hyperhttp import HarRecorder

if TYPE_CHECKING:
    from hyperhttp.testing.origin import Origin


def entries_of(recorder: HarRecorder) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = json.loads(recorder.to_json())["log"]["entries"]
    return entries


@pytest.mark.parametrize("http2", [False, "prior-knowledge"])
async def test_an_exchange_is_recorded(face: Any, hyperhttp_http2_origin: Origin, http2: Any) -> None:
    recorder = HarRecorder(content=True)
    url = hyperhttp_http2_origin.url
    async with face.client(plugins=[recorder], http2=http2) as client:
        await client.json(await client.post(url + "/echo", json={"a": 1}))
        await client.read(await client.get(url + "/gzip"))
        await client.read(await client.get(url + "/bytes/300000"))
    echo, gzip, large = entries_of(recorder)
    assert echo["response"]["status"] == 200
    assert echo["response"]["httpVersion"] == ("HTTP/2" if http2 else "HTTP/1.1")
    assert echo["response"]["content"]["text"] == '{"a":1}'
    assert echo["serverIPAddress"] == "127.0.0.1"
    assert echo["timings"]["connect"] >= 0
    assert echo["time"] > 0
    assert '"gzipped"' in gzip["response"]["content"]["text"]
    assert gzip["response"]["content"]["size"] != gzip["response"]["bodySize"]
    assert gzip["connection"] == echo["connection"]
    assert gzip["timings"]["connect"] == -1
    assert large["response"]["bodySize"] == 300_000
    assert large["response"]["content"]["encoding"] == "base64"


async def test_redirects_and_rounds_of_authentication_are_entries(face: Any, origin: Origin) -> None:
    recorder = HarRecorder()
    async with face.client(plugins=[recorder], follow_redirects=True) as client:
        await client.read(await client.get(origin.url + "/redirect/2"))
        auth = hyperhttp.DigestAuth("user", "hunter2")
        await client.read(await client.get(origin.url + "/digest-auth/auth/user/hunter2", auth=auth))
    assert [entry["response"]["status"] for entry in entries_of(recorder)] == [302, 302, 200, 401, 200]
    assert "redirect/1" in entries_of(recorder)[0]["response"]["redirectURL"]


async def test_a_failure_is_an_entry(face: Any, hyperhttp_scripted_server: Any) -> None:
    recorder = HarRecorder()
    async with face.client(plugins=[recorder]) as client:
        with pytest.raises(hyperhttp.TransportError):
            await client.get(hyperhttp_scripted_server([b"nonsense\r\n\r\n"]).url)
    (entry,) = entries_of(recorder)
    assert entry["_error"].startswith("RemoteProtocolError: ")


async def test_a_response_nobody_reads_leaks_no_connection(face: Any, origin: Origin) -> None:
    recorder = HarRecorder(content=True)
    async with face.client(plugins=[recorder], max_connections=1, timeout=10) as client:
        for _ in range(3):
            response = await client.get(origin.url + "/bytes/3000000", stream=True)
            assert response.status_code == 200
            del response
            if not face.is_blocking:
                await face.sleep(0.01)
    assert len(recorder) == 3


async def test_one_recorder_serves_several_clients(face: Any, origin: Origin) -> None:
    recorder = HarRecorder()
    for _ in range(2):
        async with face.client(plugins=[recorder]) as client:
            await client.get(origin.url + "/get")
    assert len(recorder) == 2

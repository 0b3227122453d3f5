"""What is lost or leaked without an attacker; `tests/faults` has the rest of it."""

from __future__ import annotations

import asyncio
import gc
import pickle
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

import hyperhttp
from hyperhttp import Client, Timeout
from hyperhttp.testing.scripted import Expect, Stall
from tests.behaviour.http2.test_peer import eventually

if TYPE_CHECKING:
    from hyperhttp.testing.origin import Origin
    from hyperhttp.testing.scripted import ScriptedServerFactory

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
PIECES = 40


@pytest.mark.usefixtures("no_leaks")
@pytest.mark.parametrize("secure", [False, True])
async def test_no_place_in_the_pool_is_lost_by_cancelling_anywhere(here: Origin, protocol: str, secure: bool) -> None:
    """Connecting, TLS, upload, head, content, and in the queue: a place that were lost would stop the last request."""
    url = here.https_url if secure else here.url
    clear = "prior-knowledge" if protocol == "HTTP/2" else False
    options: dict[str, Any] = (
        {"ssl_context": here.ssl_context(), "http2": protocol == "HTTP/2"} if secure else {"http2": clear}
    )

    async def upload() -> Any:
        for _ in range(PIECES):
            yield b"piece"
            await asyncio.sleep(0)

    async def ask(number: int) -> None:
        if number % 3 == 0:
            await client.post(f"{url}/post", content=upload())
        else:
            response = await client.get(f"{url}/bytes/{number * 1000}", stream=True)
            await response.aread()

    async with Client(**options, max_connections=2, timeout=Timeout(10)) as client:
        for number in range(60):
            tasks = [asyncio.ensure_future(ask(number + each)) for each in range(4)]
            for _ in range(number):
                await asyncio.sleep(0)
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
            assert all(result is None or isinstance(result, asyncio.CancelledError) for result in results), results
        for _ in range(3):
            response = await client.get(f"{url}/get")
            assert (response.status_code, response.http_version) == (200, protocol)
            await response.aread()
        assert sum(row["in_use"] for row in client.get_pool_stats().values()) == 0


async def test_a_waiter_that_is_cancelled_when_it_was_served_passes_its_place_on(here: Origin, protocol: str) -> None:
    speaks: Any = "prior-knowledge" if protocol == "HTTP/2" else False
    async with Client(http2=speaks, max_connections=1, timeout=Timeout(10)) as client:
        for _ in range(20):
            held = await client.get(f"{here.url}/drip?numbytes=2&duration=0.01", stream=True)
            waiter = asyncio.ensure_future(client.get(f"{here.url}/get"))
            last = asyncio.ensure_future(client.get(f"{here.url}/get"))
            await asyncio.sleep(0)
            await held.aread()
            waiter.cancel()
            assert (await last).status_code == 200
            await asyncio.gather(waiter, return_exceptions=True)


async def test_no_timer_of_a_past_request_strikes_an_idle_connection(make_client: Any, face: Any, here: Origin) -> None:
    async with make_client(timeout=Timeout(10, read=0.8, total=0.9)) as client:
        for pause in (1.0, 0.0):
            await client.read(await client.get(f"{here.url}/get", timeout=Timeout(10, read=5, total=5)))
            await client.read(await client.get(f"{here.url}/get"))
            await face.sleep(pause)
    assert len({request.connection_id for request in here.requests}) == 1


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_a_stale_connection_is_no_error(make_client: Any, here: Origin, method: str) -> None:
    async with make_client() as client:
        await client.read(await client.get(f"{here.url}/get"))
        here.drop_connections()
        assert (await client.request(method, f"{here.url}/anything")).status_code == 200


async def test_a_post_that_may_have_been_done_is_not_done_again(face: Any, scripted: ScriptedServerFactory) -> None:
    def script(connection: Any, index: int) -> None:
        connection.read_request()
        connection.sendall(OK)
        if index == 0:
            connection.read_request()
            connection.reset()
        else:
            connection.read_request()
            connection.sendall(OK)

    server = scripted(script)
    async with face.client(timeout=5, retry=3) as client:
        await client.read(await client.get(server.url))
        with pytest.raises(hyperhttp.HyperHTTPError):
            await client.post(server.url, content=b"once")
    assert [request.partition(b" ")[0] for request in server.requests] == [b"GET", b"POST"]


async def test_no_response_goes_to_another_request(make_client: Any, face: Any, here: Origin) -> None:
    async def ask(number: int) -> None:
        for turn in range(6):
            token = f"{number}-{turn}"
            response = await client.post(
                f"{here.url}/anything?token={token}", content=token.encode() * (number * 300 + 1)
            )
            answer = await client.json(response)
            assert answer["args"] == {"token": token}
            assert answer["data"] == token * (number * 300 + 1)

    async with make_client(max_connections=3) as client:
        await face.together(*(ask(number) for number in range(8)))


async def test_nothing_is_left_of_requests_that_nobody_waits_for(
    here: Origin, protocol: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither tasks nor exceptions that nobody retrieves: asyncio would log them."""
    speaks: Any = "prior-knowledge" if protocol == "HTTP/2" else False
    async with Client(http2=speaks, timeout=Timeout(5)) as client:
        tasks = [asyncio.ensure_future(client.get(f"{here.url}/delay/5")) for _ in range(5)]
        await eventually(lambda: len(here.requests) == 5)
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(result, hyperhttp.HyperHTTPError) for result in results)
    del tasks, results
    gc.collect()
    await asyncio.sleep(0)
    assert [record for record in caplog.records if record.name == "asyncio"] == []


def test_two_loops_one_after_the_other_share_a_client(here: Origin, protocol: str) -> None:
    speaks: Any = "prior-knowledge" if protocol == "HTTP/2" else False
    client = Client(http2=speaks)

    async def ask() -> int:
        return (await client.get(f"{here.url}/get")).status_code

    assert [asyncio.run(ask()) for _ in range(3)] == [200] * 3
    asyncio.run(client.close())


@pytest.mark.parametrize("face_name", ["asyncio", "blocking"])
def test_an_interpreter_that_ends_with_an_open_client_is_quiet(here: Origin, protocol: str, face_name: str) -> None:
    speaks = "prior-knowledge" if protocol == "HTTP/2" else False
    use = {
        "asyncio": "import asyncio\nasync def main():\n    print((await client.get(url)).status_code)\nasyncio.run(main())",
        "blocking": "print(client.get(url).status_code)",
    }[face_name]
    kind = {"asyncio": "Client", "blocking": "SyncClient"}[face_name]
    program = f"import hyperhttp\nurl = {here.url + '/get'!r}\nclient = hyperhttp.{kind}(http2={speaks!r})\n{use}\n"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "200\n", "")


FAILURES: dict[str, tuple[type[Exception], str]] = {
    "connect": (hyperhttp.ConnectError, "connect"),
    "tls": (hyperhttp.TLSError, "tls"),
    "head": (hyperhttp.ReadTimeout, "response head"),
    "content": (hyperhttp.ReadTimeout, "response content"),
    "dns": (hyperhttp.DNSError, "dns"),
}


@pytest.mark.parametrize("phase", FAILURES)
async def test_an_error_has_a_message_names_its_phase_and_can_be_pickled(
    face: Any, scripted: ScriptedServerFactory, phase: str
) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"
    script = {"tls": [OK], "head": [Expect(b"\r\n\r\n"), Stall(3)], "content": [Expect(b"\r\n\r\n"), head, Stall(3)]}
    server = scripted.by_connection([script.get(phase, [])])
    url = {"tls": server.url.replace("http", "https"), "dns": "http://nowhere.invalid/"}.get(phase, server.url)
    if phase == "connect":
        server.close()
    kind, name = FAILURES[phase]
    async with face.client(timeout=Timeout(10, read=0.2)) as client:
        with pytest.raises(kind) as caught:
            await client.read(await client.get(url))
    error: Any = caught.value
    again = pickle.loads(pickle.dumps(error))
    for each in (error, again):
        assert str(each).strip()
        assert each.phase == name
        assert each.kind
        assert each.request.url.host in ("127.0.0.1", "nowhere.invalid")

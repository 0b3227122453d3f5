"""From making a client to its end: cheap to make, clean to close, at home in any loop, thread or process."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
import textwrap
import time
import warnings
from typing import TYPE_CHECKING, Any

import pytest

import hyperhttp
from hyperhttp import Client, SyncClient
from hyperhttp.testing.scripted import ReadRequest, Stall

if TYPE_CHECKING:
    from collections.abc import Callable

    from hyperhttp.testing.origin import Origin
    from hyperhttp.testing.scripted import ScriptedServerFactory


def forget(things: list[Any]) -> None:
    """Drop the last references to something."""
    things.clear()
    gc.collect()


def wait_for(condition: Callable[[], bool], seconds: float = 5.0) -> bool:
    """Whether the condition came true in time."""
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.005)
    return condition()


def run_python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A fresh interpreter that shows every warning."""
    return subprocess.run(
        [sys.executable, "-W", "always", "-c", textwrap.dedent(code), *arguments],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


# -- making and closing ----------------------------------------------------------------------------------


def test_a_client_is_made_without_a_loop_and_starts_nothing(origin: Origin) -> None:
    before = origin.connections.opened
    client = Client(base_url=origin.url)
    assert client.get_pool_stats() == {}
    assert origin.connections.opened == before

    async def use() -> int:
        async with client:
            return (await client.get("/get")).status_code

    assert asyncio.run(use()) == 200


def test_a_client_that_was_never_used_needs_no_closing() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Client()
        SyncClient()
        gc.collect()


async def test_a_closed_client_says_so(face: Any, origin: Origin) -> None:
    client = face.client()
    await client.get(origin.url + "/get")
    await client.close()
    assert client.raw.is_closed
    with pytest.raises(hyperhttp.ClientClosed, match="closed"):
        await client.get(origin.url + "/get")
    with pytest.raises(hyperhttp.ClientClosed):
        await client.post(origin.url + "/post", content=b"x")
    with pytest.raises(hyperhttp.ClientClosed):
        async with client:
            pass
    with pytest.raises(hyperhttp.ClientClosed):
        await client.send(hyperhttp.Request("GET", origin.url + "/get"))
    await client.close()
    await client.close()


async def test_aclose_is_close(origin: Origin) -> None:
    client = Client()
    await client.get(origin.url + "/get")
    await client.aclose()
    assert client.is_closed


@pytest.mark.usefixtures("no_leaks")
@pytest.mark.parametrize("secure", [False, True])
async def test_close_returns_when_the_connections_are_gone(face: Any, origin: Origin, secure: bool) -> None:
    url = origin.https_url if secure else origin.url
    client = face.client(ssl_context=origin.ssl_context())
    await face.together(*[client.get(url + "/get") for _ in range(5)])
    before = origin.connections.open
    await client.close()
    assert client.raw.get_pool_stats() == {}
    assert wait_for(lambda: origin.connections.open <= before - 1)


@pytest.mark.usefixtures("no_leaks")
async def test_close_does_not_wait_for_a_tls_peer_that_says_nothing(face: Any, scripted: ScriptedServerFactory) -> None:
    ok = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    server = scripted(
        lambda connection, _: (connection.read_request() and connection.sendall(ok)) or connection.sleep(3), tls=True
    )
    client = face.client(ssl_context=server.ssl_context())
    await client.read(await client.get(server.url))
    started = time.monotonic()
    await client.close()
    assert time.monotonic() - started < 2


async def test_close_ends_the_calls_that_are_under_way(scripted: ScriptedServerFactory) -> None:
    server = scripted.by_connection([[ReadRequest(), Stall(3)]])
    client = Client(max_connections=1)
    running = asyncio.ensure_future(client.get(server.url))
    waiting = asyncio.ensure_future(client.get(server.url))
    await asyncio.sleep(0.05)
    await client.close()
    for task in (running, waiting):
        with pytest.raises(hyperhttp.ClientClosed):
            await asyncio.wait_for(task, 10)


async def test_a_response_whose_client_was_closed_breaks_off(face: Any, origin: Origin) -> None:
    client = face.client()
    response = await client.get(origin.url + "/drip?numbytes=10&duration=0.5", stream=True)
    await client.close()
    with pytest.raises(hyperhttp.HyperHTTPError):
        await client.read(response)


async def test_the_content_that_has_arrived_outlives_its_client(face: Any, origin: Origin) -> None:
    async with face.client() as client:
        response = await client.get(origin.url + "/bytes/100", stream=True)
    assert len(await client.read(response)) == 100


async def test_a_client_dropped_unclosed_warns_and_closes_its_sockets(face: Any, origin: Origin) -> None:
    client = face.client()
    await client.read(await client.get(origin.url + "/get"))
    before = origin.connections.open
    clients = [client]
    del client
    with pytest.warns(ResourceWarning, match="unclosed"):
        forget(clients)
    deadline = time.monotonic() + 5
    while origin.connections.open >= before:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.005)  # the loop has to turn, too


async def test_a_client_dropped_unclosed_over_tls_leaves_nothing_else_to_say(face: Any, origin: Origin) -> None:
    client = face.client(ssl_context=origin.ssl_context())
    await client.read(await client.get(origin.https_url + "/get"))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        del client
        gc.collect()
        await asyncio.sleep(0.05)
        gc.collect()
    assert [str(warning.message)[:8] for warning in caught] == ["unclosed"]
    assert "hyperhttp" in str(caught[0].message)


@pytest.mark.parametrize("kind", ["closed", "dropped"])
def test_the_end_of_the_interpreter_is_quiet(origin: Origin, kind: str) -> None:
    done = run_python(
        """
        import asyncio, sys, hyperhttp
        async def main():
            global client
            client = hyperhttp.Client()
            r = await client.get(sys.argv[1])
            print(r.status_code)
            if sys.argv[2] == "closed":
                await client.close()
        asyncio.run(main())
        sync = hyperhttp.SyncClient()
        print(sync.get(sys.argv[1]).status_code)
        if sys.argv[2] == "closed":
            sync.close()
        """,
        origin.url + "/get",
        kind,
    )
    assert done.stdout.split() == ["200", "200"]
    assert "Traceback" not in done.stderr
    assert done.stderr == "" or kind == "dropped"


# -- faces -----------------------------------------------------------------------------------------------


def test_with_gives_the_blocking_face_of_the_same_settings(origin: Origin) -> None:
    with Client(base_url=origin.url, headers={"X-Mine": "yes"}, cookies={"a": "b"}) as client:
        assert isinstance(client, SyncClient)
        shown = client.get("/headers").json()["headers"]
    assert shown["X-Mine"] == "yes"
    assert shown["Cookie"] == "a=b"


async def test_the_other_face_of_a_response_says_what_to_call(origin: Origin) -> None:
    async with Client() as client:
        response = await client.get(origin.url + "/bytes/10")
        for call in (response.read, response.iter_bytes, response.iter_lines):
            with pytest.raises(RuntimeError, match=r"a(read|iter_bytes|iter_lines)"):
                call()
        assert len(await response.aread()) == 10
    response = hyperhttp.get(origin.url + "/bytes/10")
    with pytest.raises(RuntimeError, match=r"iter_bytes\(\)"):
        response.aiter_bytes()


@pytest.mark.parametrize("what", ["hook", "content", "response hook"])
def test_something_asynchronous_given_to_the_blocking_face_is_a_clear_error(origin: Origin, what: str) -> None:
    async def hook(_: Any) -> None:
        await asyncio.sleep(0.01)

    async def content() -> Any:
        yield b"x"

    options: dict[str, Any] = {
        "hook": {"event_hooks": {"request": [hook]}},
        "response hook": {"event_hooks": {"response": [hook]}},
        "content": {"content": content()},
    }[what]
    with SyncClient() as client:
        with pytest.raises((TypeError, RuntimeError), match="SyncClient"):
            client.post(origin.url + "/post", **options)
        assert all(counts["in_use"] == 0 for counts in client.get_pool_stats().values())


def test_an_async_hook_that_never_suspends_is_fine_on_the_blocking_face(origin: Origin) -> None:
    async def hook(request: Any) -> None:
        request.headers["X-Hook"] = "yes"

    with SyncClient(event_hooks={"request": [hook]}) as client:
        assert client.get(origin.url + "/headers").json()["headers"]["X-Hook"] == "yes"


# -- loops -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("secure", [False, True])
def test_one_client_serves_two_runs_of_asyncio(origin: Origin, secure: bool) -> None:
    client = Client(ssl_context=origin.ssl_context())
    url = origin.https_url if secure else origin.url

    async def use() -> int:
        responses = await asyncio.gather(*[client.get(url + "/get") for _ in range(3)])
        return sum(response.status_code for response in responses)

    for _ in range(3):
        assert asyncio.run(use()) == 600
    assert sum(counts["total"] for counts in client.get_pool_stats().values()) <= 3
    asyncio.run(client.close())


@pytest.mark.parametrize("http2", [False, True])
def test_a_response_of_another_loop_is_a_clear_error_and_no_harm(hyperhttp_http2_origin: Origin, http2: bool) -> None:
    origin = hyperhttp_http2_origin
    client = Client(ssl_context=origin.ssl_context(), http2=http2, timeout=5)

    async def begin() -> hyperhttp.Response:
        return await client.get(origin.https_url + "/bytes/3000000")

    async def use() -> int:
        return (await client.get(origin.https_url + "/get")).status_code

    async def both_loops() -> None:
        """One that is there and does not run."""
        other = asyncio.new_event_loop()
        response = await asyncio.to_thread(other.run_until_complete, begin())
        with pytest.raises(RuntimeError, match="loop"):
            await asyncio.wait_for(response.aread(), 5)
        await response.aclose()
        assert await use() == 200
        assert await asyncio.to_thread(other.run_until_complete, use()) == 200
        await asyncio.to_thread(other.run_until_complete, client.close())
        other.close()

    response = asyncio.run(begin())
    with pytest.raises(RuntimeError, match="loop"):  # one that is closed
        asyncio.run(response.aread())
    asyncio.run(response.aclose())
    assert asyncio.run(use()) == 200
    asyncio.run(both_loops())
    with pytest.raises(hyperhttp.ClientClosed):
        asyncio.run(use())
    origin.drop_connections()


@pytest.mark.parametrize("http2", [False, True])
def test_what_another_thread_collects_does_not_disturb_the_loop(hyperhttp_http2_origin: Origin, http2: bool) -> None:
    origin = hyperhttp_http2_origin
    told: list[Any] = []

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
        for _ in range(3):
            owner: dict[str, Any] = {"client": Client(ssl_context=origin.ssl_context(), http2=http2, timeout=5)}
            await (await owner["client"].get(origin.https_url + "/get")).aread()
            owner["owner"] = owner  # only the collector finds it
            del owner
            await asyncio.to_thread(gc.collect)
            await asyncio.sleep(0.01)

    with pytest.warns(ResourceWarning, match="unclosed"):
        asyncio.run(main())
    assert told == []
    origin.drop_connections()


async def test_a_response_does_not_outlive_a_client_that_was_dropped(face: Any, origin: Origin) -> None:
    client = face.client()
    response = await client.get(origin.url + "/bytes/3000000", stream=True)
    clients = [client]
    del client
    with pytest.warns(ResourceWarning, match="unclosed"):
        forget(clients)
    with pytest.raises(hyperhttp.HyperHTTPError):
        response.read() if face.is_blocking else await asyncio.wait_for(response.aread(), 5)


def test_two_loops_in_two_threads_share_a_client(origin: Origin) -> None:
    import threading

    client = Client()
    results: list[int] = []

    async def use() -> None:
        for _ in range(20):
            response = await client.get(origin.url + "/get")
            results.append(response.status_code)

    threads = [threading.Thread(target=lambda: asyncio.run(use())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    asyncio.run(client.close())
    assert results == [200] * 80


# -- processes -------------------------------------------------------------------------------------------


def forked(work: Callable[[], object]) -> bytes:
    """What a forked child wrote as the result of `work`."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writer, repr(work()).encode()[:4000])
        except BaseException as error:
            os.write(writer, repr(error).encode()[:4000])
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    return said


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("secure", [False, True])
def test_a_forked_child_starts_with_an_empty_pool_and_the_parent_goes_on(origin: Origin, secure: bool) -> None:
    url = (origin.https_url if secure else origin.url) + "/get"
    with SyncClient(ssl_context=origin.ssl_context()) as client:
        client.get(url)
        assert forked(client.get_pool_stats) == b"{}"
        assert forked(lambda: client.get(url).status_code) == b"200"
        client.get(url)
        ids = [request.connection_id for request in origin.requests]
    assert len(ids) == 3
    assert ids[0] == ids[2] != ids[1]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_an_asynchronous_client_survives_a_fork(origin: Origin) -> None:
    client = Client()

    async def use() -> int:
        return (await client.get(origin.url + "/get")).status_code

    async def parent() -> bytes:
        await use()
        said = forked(lambda: (client.get_pool_stats(), asyncio.new_event_loop().run_until_complete(asyncio.sleep(0))))
        assert await use() == 200
        await client.close()
        return said

    assert asyncio.run(parent()).startswith(b"({}") or sys.version_info >= (3, 12)
    ids = [request.connection_id for request in origin.requests]
    assert len(set(ids)) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("secure", [False, True])
def test_a_forked_child_uses_the_clients_of_its_parent_in_a_loop_of_its_own(origin: Origin, secure: bool) -> None:
    client = Client(ssl_context=origin.ssl_context())
    url = (origin.https_url if secure else origin.url) + "/get"

    async def use() -> int:
        return (await client.get(url)).status_code

    async def parent() -> bytes:
        await use()
        said = forked(lambda: asyncio.run(use()))
        await use()
        await client.close()
        return said

    assert asyncio.run(parent()) == b"200"
    ids = [request.connection_id for request in origin.requests]
    assert ids[0] == ids[2] != ids[1]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_fork_in_the_middle_of_a_download_leaves_it_to_the_parent(origin: Origin) -> None:
    url = origin.url
    with SyncClient(timeout=5) as client, client.stream("GET", url + "/bytes/2000000?seed=1") as response:
        pieces = response.iter_bytes(100_000)
        size = len(next(pieces))
        assert forked(lambda: client.get(url + "/get").status_code) == b"200"
        size += sum(map(len, pieces))
    assert size == 2_000_000


def test_importing_loads_neither_asyncio_nor_ssl_nor_a_plugin() -> None:
    done = run_python(
        """
        import sys
        before = set(sys.modules)
        import hyperhttp
        print(sorted({"asyncio", "ssl", "h2", "brotli", "zstandard", "hyperhttp_brotli", "orjson"} & set(sys.modules)))
        """
    )
    assert done.stdout.strip() == "[]"

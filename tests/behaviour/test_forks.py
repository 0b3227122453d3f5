"""A fork in the middle of whatever: parent and child go on, each with connections of its own."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
import warnings
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

import hyperhttp
from hyperhttp import Client, SyncClient

if TYPE_CHECKING:
    from collections.abc import Callable

    from hyperhttp.testing.origin import Origin

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

PATIENCE = 20  # seconds after which a child that hangs is killed


def fork(work: Callable[[], object]) -> tuple[int, int]:
    """Run `work` in a child: its process and where what it gives can be read."""
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # from 3.12 on: other threads are no news to this test
        child = os.fork()
    if child:
        os.close(writer)
        return child, reader
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(PATIENCE)
    try:
        os.write(writer, repr(work()).encode()[:4000])
    except BaseException as error:
        os.write(writer, repr(error).encode()[:4000])
    finally:
        os._exit(0)


def result(child: int, reader: int) -> str:
    """What a child gave."""
    with os.fdopen(reader, "rb") as pipe:
        said = pipe.read().decode()
    status = os.waitpid(child, 0)[1]
    return said if status == 0 else f"{said} ended with {status}"


def connections(origin: Origin, path: str) -> set[int]:
    """Which connections brought the requests for a path."""
    return {request.connection_id for request in origin.requests if request.path == path}


@pytest.fixture
def http2(hyperhttp_http2_origin: Origin) -> Any:
    hyperhttp_http2_origin.clear()
    yield hyperhttp_http2_origin
    hyperhttp_http2_origin.drop_connections()


def test_parent_and_child_use_http2_connections_of_their_own(http2: Origin) -> None:
    url = http2.https_url
    with SyncClient(ssl_context=http2.ssl_context(), timeout=10) as client:
        assert client.get(url + "/bytes/1").http_version == "HTTP/2"
        child = fork(lambda: [client.get(url + "/bytes/2").http_version for _ in range(3)])
        for _ in range(20):
            client.get(url + "/bytes/1")
        assert result(*child) == "['HTTP/2', 'HTTP/2', 'HTTP/2']"
        client.get(url + "/bytes/1")
    assert len(connections(http2, "/bytes/1")) == len(connections(http2, "/bytes/2")) == 1
    assert connections(http2, "/bytes/1") != connections(http2, "/bytes/2")


def test_parent_and_child_of_asyncio_use_http2_connections_of_their_own(http2: Origin) -> None:
    client = Client(ssl_context=http2.ssl_context(), timeout=10)
    url = http2.https_url

    async def use(path: str) -> list[str]:
        responses = await asyncio.gather(*[client.get(url + path) for _ in range(5)])
        return [response.http_version for response in responses]

    async def parent() -> str:
        await use("/bytes/1")
        child = fork(lambda: asyncio.run(use("/bytes/2")))
        for _ in range(5):
            await use("/bytes/1")
        said = await asyncio.to_thread(result, *child)
        await use("/bytes/1")
        await client.close()
        return said

    assert asyncio.run(parent()) == str(["HTTP/2"] * 5)
    assert len(connections(http2, "/bytes/1")) == len(connections(http2, "/bytes/2")) == 1
    assert connections(http2, "/bytes/1") != connections(http2, "/bytes/2")


@pytest.mark.parametrize("secure", [False, True])
def test_a_child_that_closes_or_drops_the_client_leaves_the_parent_its_connections(http2: Origin, secure: bool) -> None:
    url = (http2.https_url if secure else http2.url) + "/bytes/1"
    with SyncClient(ssl_context=http2.ssl_context(), timeout=10) as client:
        client.get(url)
        large = client.get(f"{url}000000?seed=1", stream=True)
        assert result(*fork(client.close)) == "None"
        with ExitStack() as stack:
            child = fork(lambda: stack.pop_all() and large.close())
            assert result(*child) == "None"
        assert len(large.read()) == 1_000_000
        client.get(url)
    assert len({request.connection_id for request in http2.requests}) == 1


def test_a_response_that_the_parent_reads_is_a_clear_error_in_the_child(face: Any, http2: Origin) -> None:
    url = http2.https_url + "/bytes/3000000"
    if face.is_blocking:
        with SyncClient(ssl_context=http2.ssl_context(), timeout=10) as client:
            response = client.get(url, stream=True)
            said = result(*fork(response.read))
            assert len(response.read()) == 3_000_000
    else:

        async def parent() -> str:
            async with Client(ssl_context=http2.ssl_context(), timeout=10) as client:
                response = await client.get(url)
                said = result(*fork(lambda: asyncio.run(response.aread())))  # type: ignore[arg-type]
                assert len(await response.aread()) == 3_000_000
            return said

        said = asyncio.run(parent())
    if face.is_blocking:
        assert issubclass(getattr(hyperhttp, said.partition("(")[0], int), hyperhttp.HyperHTTPError), said
    else:
        assert said.startswith("RuntimeError")  # asyncio's own words
        assert "loop" in said


@pytest.mark.parametrize("secure", [False, True])
def test_a_fork_while_threads_are_busy_leaves_no_lock_behind(http2: Origin, secure: bool) -> None:
    """Whatever a thread of the parent holds in that moment, nobody will let go of it in the child.

    What the interpreter itself holds while it imports something is not in our hands, so everything is loaded before.
    """
    url = (http2.https_url if secure else http2.url) + "/bytes/100"
    options: dict[str, Any] = {"ssl_context": http2.ssl_context(), "timeout": 10, "http2": False}
    ended = threading.Event()

    def work() -> None:
        while not ended.is_set():
            with SyncClient(**options) as own:
                own.get(url)
            shared.get(url)

    with SyncClient(**options, max_connections=2) as shared:
        shared.get(url)
        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        try:
            children = []
            for _ in range(12):
                time.sleep(0.01)
                children.append(fork(lambda: shared.get(url).status_code))
            assert [result(*child) for child in children] == ["200"] * 12
        finally:
            ended.set()
            for thread in threads:
                thread.join(10)
        assert shared.get(url).status_code == 200

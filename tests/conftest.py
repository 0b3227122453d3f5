"""What every test may use: both faces of the client, servers to talk to, a check that nothing is left behind.

A behaviour test is written once, as ``async def``, and runs on both faces:

    async def test_the_content_arrives_whole(face, origin):
        async with face.client() as client:
            response = await client.get(f"{origin.url}/bytes/10")
            assert len(await client.read(response)) == 10

On the blocking face each of these awaits runs a `SyncClient` on blocking sockets to its end, in the thread of
the test; servers live in threads of their own. What shall happen at the same time begins with `Face.start`.
"""

from __future__ import annotations

import asyncio
import gc
import os
import shutil
import socket
import threading
import time
from inspect import isawaitable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import hyperhttp
import hyperhttp.testing.http2  # not by an origin's thread: pytest parses what it imports, in one thread at a time on 3.11

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Iterable, Iterator
    from typing import Self

    from hyperhttp import Request, Response
    from hyperhttp.testing.origin import Origin
    from hyperhttp.testing.scripted import ScriptedServerFactory

#: Variables that change what a client does, beside the HYPERHTTP_ ones and those that end in _proxy.
ENVIRONMENT = frozenset(
    {"SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NETRC"}
)
#: Where servers are installed, which the PATH of a user may lack.
SYSTEM_FOLDERS = ("/usr/local/sbin", "/usr/sbin", "/sbin")
PATIENCE = 5.0  # seconds until what a test left behind must be gone


def pytest_configure(config: pytest.Config) -> None:
    """Let tests start servers by their names."""
    path = os.environ.get("PATH", os.defpath)
    missing = [folder for folder in SYSTEM_FOLDERS if folder not in path.split(os.pathsep)]
    os.environ["PATH"] = os.pathsep.join([path, *missing])


def pytest_collection_finish() -> None:
    """Twenty thousand collected tests need not be looked at by each of the many collections that come."""
    gc.collect()
    gc.freeze()


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what needs a program that is not here; in CI, where all are installed, that is a failure."""
    for marker in item.iter_markers("needs"):
        missing = [tool for tool in marker.args if shutil.which(tool) is None]
        if missing and in_ci():
            pytest.fail(f"not installed in CI: {', '.join(missing)}", pytrace=False)
        if missing:
            pytest.skip(f"not installed: {', '.join(missing)}")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    call: pytest.CallInfo[None],
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Report a failure with the garbage collector at rest.

    Reporting parses source code; a finalizer that warns in the middle of it does so too, which some versions
    of CPython take for an error of their own (gh-106905), and that ends the whole run.
    """
    if call.excinfo is not None:
        gc.collect()
        gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


def in_ci() -> bool:
    """Whether this run is the one that must not skip anything."""
    return os.environ.get("CI", "").lower() not in ("", "0", "false")


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxies, certificates or switches of whoever runs the tests."""
    for name in tuple(os.environ):
        if name in ENVIRONMENT or name.startswith("HYPERHTTP_") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("NETRC", os.devnull)  # nor credentials in a file of theirs


# -- servers ---------------------------------------------------------------------------------------------


@pytest.fixture
def origin(hyperhttp_origin: Origin) -> Iterator[Origin]:
    """The origin of the run, with nothing left of earlier tests; its endpoints must not fail."""
    deadline = time.monotonic() + 1
    while hyperhttp_origin.connections.open and time.monotonic() < deadline:
        time.sleep(0.002)  # what an earlier test has sent and left may still be on its way
    hyperhttp_origin.clear()
    yield hyperhttp_origin
    assert hyperhttp_origin.errors == []


@pytest.fixture
def scripted(hyperhttp_scripted_server: ScriptedServerFactory) -> ScriptedServerFactory:
    """Makes servers that send exactly what a test says."""
    return hyperhttp_scripted_server


# -- faces -----------------------------------------------------------------------------------------------


class Face:
    """One of the two ways to use the library; a test asks it for whatever looks different on the other.

    Attributes:
        name: ``"asyncio"`` or ``"blocking"``.
        is_blocking: whether it is the second.
        client_class: `Client` or `SyncClient`.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_blocking = name == "blocking"
        self.client_class: type[Any] = hyperhttp.SyncClient if self.is_blocking else hyperhttp.Client

    def client(self, **options: Any) -> FaceClient:
        """A client with these options."""
        return FaceClient(self, self.client_class(**options))

    def start(self, work: Coroutine[Any, Any, Any]) -> asyncio.Future[Any]:
        """Begin something beside the test, in a task or in a thread; await it for its result.

        A task can be cancelled; a thread cannot. On the blocking face `work` may await nothing but this face.
        """
        return asyncio.ensure_future(asyncio.to_thread(run_ready, work) if self.is_blocking else work)

    async def together(self, *works: Coroutine[Any, Any, Any]) -> list[Any]:
        """The results of all of them, begun at the same time; the first error is raised when all are over."""
        results = await asyncio.gather(*map(self.start, works), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result
        return list(results)

    async def sleep(self, seconds: float) -> None:
        """Wait without doing anything."""
        if self.is_blocking:
            time.sleep(seconds)
        else:
            await asyncio.sleep(seconds)

    def pieces(self, *pieces: bytes, pause: float = 0.0) -> Any:
        """Content for a request, to be sent piece by piece: an iterator, asynchronous on asyncio."""

        def plain() -> Iterator[bytes]:
            for piece in pieces:
                time.sleep(pause)
                yield piece

        async def asynchronous() -> AsyncIterator[bytes]:
            for piece in pieces:
                await asyncio.sleep(pause)
                yield piece

        return plain() if self.is_blocking else asynchronous()

    def hook(self, function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """An event hook: the function itself, or an ``async`` one that calls it."""

        async def asynchronous(event: Any) -> Any:
            await asyncio.sleep(0)
            return function(event)

        return function if self.is_blocking else asynchronous

    def __repr__(self) -> str:
        return f"<Face {self.name}>"


class FaceClient:
    """A client whose calls are awaited on both faces.

    What does not wait is reached through `raw`: ``client.raw.cookies``, ``client.raw.get_pool_stats()``.

    Attributes:
        face: the face it belongs to.
        raw: the real client.
    """

    def __init__(self, face: Face, raw: Any) -> None:
        self.face = face
        self.raw = raw

    async def __aenter__(self) -> Self:
        await settle(self.raw.__enter__() if self.face.is_blocking else self.raw.__aenter__())
        return self

    async def __aexit__(self, *error: object) -> None:
        await settle(self.raw.__exit__(*error) if self.face.is_blocking else self.raw.__aexit__(*error))

    async def close(self) -> None:
        """Close the client."""
        await settle(self.raw.close())

    async def request(self, method: str, url: Any, **options: Any) -> Response:
        """Send a request."""
        return await settle(self.raw.request(method, url, **options))

    async def send(self, request: Request, **options: Any) -> Response:
        """Send a request made with ``client.raw.build_request``."""
        return await settle(self.raw.send(request, **options))

    async def get(self, url: Any, **options: Any) -> Response:
        """GET."""
        return await settle(self.raw.get(url, **options))

    async def head(self, url: Any, **options: Any) -> Response:
        """HEAD."""
        return await settle(self.raw.head(url, **options))

    async def options(self, url: Any, **options: Any) -> Response:
        """OPTIONS."""
        return await settle(self.raw.options(url, **options))

    async def delete(self, url: Any, **options: Any) -> Response:
        """DELETE."""
        return await settle(self.raw.delete(url, **options))

    async def post(self, url: Any, **options: Any) -> Response:
        """POST."""
        return await settle(self.raw.post(url, **options))

    async def put(self, url: Any, **options: Any) -> Response:
        """PUT."""
        return await settle(self.raw.put(url, **options))

    async def patch(self, url: Any, **options: Any) -> Response:
        """PATCH."""
        return await settle(self.raw.patch(url, **options))

    def stream(self, method: str, url: Any, **options: Any) -> FaceContext:
        """``async with client.stream("GET", url) as response``."""
        return FaceContext(self.face, self.raw.stream(method, url, **options))

    async def download(self, url: Any, target: Any, **options: Any) -> Any:
        """Save what a URL gives."""
        return await settle(self.raw.download(url, target, **options))

    def sse(self, url: Any, **options: Any) -> FaceSource:
        """Server-sent events, through reconnections."""
        return FaceSource(self.face, self.raw.sse(url, **options))

    async def read(self, response: Response) -> bytes:
        """The whole content."""
        return response.read() if self.face.is_blocking else await response.aread()

    async def text(self, response: Response) -> str:
        """The whole content as text."""
        await self.read(response)
        return response.text

    async def json(self, response: Response) -> Any:
        """The whole content as JSON."""
        await self.read(response)
        return response.json()

    def iter_bytes(self, response: Response, chunk_size: int | None = None) -> AsyncIterator[bytes]:
        """The decoded content piece by piece."""
        return self._iterate(response, "iter_bytes", chunk_size)

    def iter_raw(self, response: Response, chunk_size: int | None = None) -> AsyncIterator[bytes]:
        """The content as it was sent."""
        return self._iterate(response, "iter_raw", chunk_size)

    def iter_text(self, response: Response, chunk_size: int | None = None) -> AsyncIterator[str]:
        """The content as text, piece by piece."""
        return self._iterate(response, "iter_text", chunk_size)

    def iter_lines(self, response: Response) -> AsyncIterator[str]:
        """The content line by line."""
        return self._iterate(response, "iter_lines")

    def iter_sse(self, response: Response, **options: Any) -> AsyncIterator[Any]:
        """The content as server-sent events."""
        if self.face.is_blocking:
            return ReadyIterator(response.iter_sse(**options))
        return response.aiter_sse(**options)

    async def aclose(self, response: Response) -> None:
        """Give up what was not read."""
        if self.face.is_blocking:
            response.close()
        else:
            await response.aclose()

    def _iterate(self, response: Response, name: str, *arguments: Any) -> AsyncIterator[Any]:
        if self.face.is_blocking:
            return ReadyIterator(getattr(response, name)(*arguments))
        return getattr(response, f"a{name}")(*arguments)


class FaceContext:
    """A context manager of either face, entered with ``async with``."""

    def __init__(self, face: Face, raw: Any) -> None:
        self._face = face
        self._raw = raw

    async def __aenter__(self) -> Any:
        return await settle(self._raw.__enter__() if self._face.is_blocking else self._raw.__aenter__())

    async def __aexit__(self, *error: object) -> Any:
        return await settle(self._raw.__exit__(*error) if self._face.is_blocking else self._raw.__aexit__(*error))


class FaceSource:
    """A source of server-sent events of either face, read with ``async with`` and ``async for``."""

    def __init__(self, face: Face, raw: Any) -> None:
        self._face = face
        self.raw = raw

    async def __aenter__(self) -> Self:
        await settle(self.raw.__enter__() if self._face.is_blocking else self.raw.__aenter__())
        return self

    async def __aexit__(self, *error: object) -> None:
        await settle(self.raw.__exit__(*error) if self._face.is_blocking else self.raw.__aexit__(*error))

    def __aiter__(self) -> AsyncIterator[Any]:
        return ReadyIterator(iter(self.raw)) if self._face.is_blocking else aiter(self.raw)


class ReadyIterator:
    """A plain iterator, read with ``async for``."""

    def __init__(self, plain: Iterator[Any]) -> None:
        self._plain = plain

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        try:
            return next(self._plain)
        except StopIteration:
            raise StopAsyncIteration from None


async def settle(result: Any) -> Any:
    """What a call of the asyncio face comes to; what one of the blocking face already is."""
    return await result if isawaitable(result) else result


def run_ready(work: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine of the blocking face, which never suspends, in this thread."""
    try:
        work.send(None)
    except StopIteration as stop:
        return stop.value
    work.close()
    raise RuntimeError("a coroutine started on the blocking face waited for something else than the face")


@pytest.fixture(params=["asyncio", "blocking"])
def face(request: pytest.FixtureRequest) -> Face:
    """Both faces, one after the other."""
    return Face(request.param)


# -- nothing left behind ---------------------------------------------------------------------------------


@pytest.fixture
async def no_leaks() -> AsyncIterator[None]:
    """Fails the test when tasks, threads or connected sockets outlive it.

    Name it in ``pytest.mark.usefixtures``, which comes before the other fixtures, so that their servers are
    gone when it looks; what ends in the background gets some seconds to do so.
    """
    before = leftovers()
    yield
    await asyncio.get_running_loop().shutdown_default_executor()
    gc.collect()
    deadline = time.monotonic() + PATIENCE
    while (left := leftovers() - before) and time.monotonic() < deadline:
        await asyncio.sleep(0.01)
    assert not left, f"left behind: {', '.join(sorted(map(str, left)))}"


def leftovers() -> set[object]:
    """Tasks, threads and connected sockets, as they are now."""
    current = asyncio.current_task()
    tasks = {task for task in asyncio.all_tasks() if task is not current}
    return {*tasks, *threading.enumerate(), *connected_sockets()}


def connected_sockets() -> Iterable[str]:
    """The kernel's names of all sockets of this process that do not listen; none where /proc is missing.

    Both ends of a connection to a server of this process count, so one that is leaked shows twice.
    """
    folder = Path("/proc/self/fd")
    for entry in folder.iterdir() if folder.exists() else ():
        try:
            name = str(entry.readlink())
            if name.startswith("socket:"):
                with socket.socket(fileno=os.dup(int(entry.name))) as copy:
                    if not copy.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                        yield name
        except OSError:
            pass  # it was closed in this moment

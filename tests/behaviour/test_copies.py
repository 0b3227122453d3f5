"""Copies and pickles of whatever a program may hold: they work and are alone, or say why they cannot."""

from __future__ import annotations

import base64
import copy
import pickle
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

import hyperhttp
from hyperhttp import Timeout
from hyperhttp.errors.budget import RetryBudget
from hyperhttp.errors.circuit_breaker import DomainCircuitBreakerManager
from hyperhttp.errors.rate_limit import RateLimit, RateLimiter
from hyperhttp.errors.retry import RetryPolicy
from hyperhttp.errors.telemetry import ErrorTelemetry
from hyperhttp.testing.scripted import ReadRequest, Reset, Stall
from hyperhttp.utils.backoff import DecorrelatedJitterBackoff, ExponentialBackoff

if TYPE_CHECKING:
    from collections.abc import Callable

    from hyperhttp.testing.origin import Origin
    from hyperhttp.testing.scripted import ScriptedServerFactory


def unpickled(value: Any) -> Any:
    return pickle.loads(pickle.dumps(value))


def shown(thing: Any) -> str:
    """What is to be seen of something, and of its state, but not where it is."""
    state = thing.__reduce_ex__(4)[2:3]
    if state and isinstance(state[0], dict):
        state = tuple(sorted(state[0].items()))
    return re.sub(" at 0x[0-9a-f]+", "", f"{thing!r} {state!r}")


CLONES = pytest.mark.parametrize("clone", [copy.copy, copy.deepcopy, unpickled])

#: What is as good as its copy.
VALUES: dict[str, Callable[[], Any]] = {
    "Timeout": lambda: Timeout(3, total=9),
    "Limits": lambda: hyperhttp.Limits(max_connections=3),
    "Proxy": lambda: hyperhttp.Proxy("http://user:password@proxy.example:1"),
    "AddressPolicy": hyperhttp.AddressPolicy.public_only,
    "BasicAuth": lambda: hyperhttp.BasicAuth("user", "password"),
    "BearerAuth": lambda: hyperhttp.BearerAuth("token"),
    "RetryPolicy": lambda: RetryPolicy(max_retries=7, backoff_strategy=ExponentialBackoff(base=2.0)),
    "DecorrelatedJitterBackoff": DecorrelatedJitterBackoff,
    "RateLimit": lambda: RateLimit(5),
    "URL": lambda: hyperhttp.URL("https://user:password@host.example:8443/path?query#fragment"),
    "Headers": lambda: hyperhttp.Headers([("A", "b"), ("a", "c")]),
    "ServerSentEvent": lambda: hyperhttp.ServerSentEvent(event="e", data="text"),
}
#: What is not, but can be copied.
OTHERS: dict[str, Callable[[], Any]] = {
    "DigestAuth": lambda: hyperhttp.DigestAuth("user", "password"),
    "Cookies": lambda: hyperhttp.Cookies({"a": "b"}),
    "Request": lambda: hyperhttp.Request("POST", "https://host.example/", json={"a": 1}),
    "Response": lambda: hyperhttp.Response(200, content=b"content"),
    "MultipartEncoder": lambda: hyperhttp.MultipartEncoder({"a": "b"}),
    "HarRecorder": hyperhttp.HarRecorder,
}
#: What many use at once: half of a copy would be the original's.
SHARED: dict[str, Callable[[], Any]] = {
    "Client": hyperhttp.Client,
    "SyncClient": hyperhttp.SyncClient,
    "MockTransport": lambda: hyperhttp.MockTransport(lambda _: hyperhttp.Response(200)),
    "DomainCircuitBreakerManager": DomainCircuitBreakerManager,
    "RateLimiter": lambda: RateLimiter(5),
    "RetryBudget": RetryBudget,
    "ErrorTelemetry": ErrorTelemetry,
    "EventSource": lambda: hyperhttp.SyncClient().sse("http://host.example/"),
}


@CLONES
@pytest.mark.parametrize("name", VALUES)
def test_a_value_is_equal_to_its_copy(name: str, clone: Any) -> None:
    value = VALUES[name]()
    again = clone(value)
    assert type(again) is type(value)
    assert shown(again) == shown(value)
    if type(value).__eq__ is not object.__eq__:
        assert again == value


@CLONES
@pytest.mark.parametrize("name", OTHERS)
def test_what_can_change_is_copied_with_its_state(name: str, clone: Any) -> None:
    thing = OTHERS[name]()
    again = clone(thing)
    assert type(again) is type(thing)
    assert again is not thing
    assert shown(again) == shown(thing)


@CLONES
@pytest.mark.parametrize("name", SHARED)
def test_what_is_shared_says_that_it_cannot_be_copied(name: str, clone: Any) -> None:
    with pytest.raises(TypeError, match=f"{name} can be neither copied nor pickled"):
        clone(SHARED[name]())


@CLONES
async def test_a_client_that_cannot_be_copied_is_none_the_worse(face: Any, origin: Origin, clone: Any) -> None:
    async with face.client() as client:
        response = await client.get(origin.url + "/bytes/300000", stream=True)
        with pytest.raises(TypeError):
            clone(client.raw)
        assert len(await client.read(response)) == 300_000
        await client.read(await client.get(origin.url + "/get"))
        assert len({request.connection_id for request in origin.requests}) == 1


@CLONES
async def test_a_response_that_was_read_is_copied_with_all_that_belongs_to_it(
    face: Any, origin: Origin, clone: Any
) -> None:
    async with face.client(follow_redirects=True) as client:
        response = await client.get(origin.url + "/redirect/2")
        await client.read(response)
        again = clone(response)
        assert again.json() == response.json()
        assert (again.url, again.status_code, again.headers) == (response.url, 200, response.headers)
        assert [each.status_code for each in again.history] == [302, 302]
        assert again.request.method == "GET"
        assert again.elapsed == response.elapsed
    assert clone(again).content == response.content


@CLONES
async def test_a_response_on_the_wire_says_what_to_do_first(face: Any, origin: Origin, clone: Any) -> None:
    async with face.client() as client:
        response = await client.get(origin.url + "/bytes/3000000", stream=True)
        with pytest.raises(hyperhttp.ResponseNotRead, match="read"):
            clone(response)
        assert len(await client.read(response)) == 3_000_000


FAILURES: dict[str, Any] = {
    "ReadTimeout": {"timeout": Timeout(5, read=0.02)},
    "TotalTimeout": {"timeout": Timeout(5, total=0.05)},
    "RemoteProtocolError": {"path": "/garbage"},
    "ConnectError": {"port": 1},
    "TooManyRedirects": {"path": "/loop", "follow_redirects": True},
    "RetryError": {"path": "/reset", "retry": RetryPolicy(max_retries=1, backoff_strategy=ExponentialBackoff(0.001))},
    "DecodingError": {"path": "/coded"},
    "HTTPStatusError": {"path": "/404"},
}


async def fail(face: Any, scripted: ScriptedServerFactory, options: dict[str, Any]) -> hyperhttp.HyperHTTPError:
    """The error of a call with these options."""
    path = options.pop("path", "/stall")
    location = b"HTTP/1.1 302 Found\r\nLocation: /loop\r\nContent-Length: 0\r\n\r\n"
    script = {
        "/stall": [ReadRequest(), Stall(2)],
        "/reset": [ReadRequest(), Reset()],
        "/garbage": [ReadRequest(), b"garbage\r\n\r\n"],
        "/loop": [ReadRequest(), location] * 30,
        "/coded": [ReadRequest(), b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nhalf"],
        "/404": [ReadRequest(), b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno"],
    }[path]
    server = scripted.by_connection([script], repeat=True)
    url = f"http://127.0.0.1:{options.pop('port', server.port)}{path}"
    async with face.client(timeout=5) as client:

        async def call() -> None:
            response = await client.get(url, **options)
            await client.read(response)
            response.raise_for_status()

        with pytest.raises(hyperhttp.HyperHTTPError) as caught:
            await call()
    return caught.value


async def test_errors_of_calls_travel_to_other_processes(face: Any, scripted: ScriptedServerFactory) -> None:
    errors = {name: await fail(face, scripted, dict(options)) for name, options in FAILURES.items()}
    assert {name: type(error).__name__ for name, error in errors.items()} == {name: name for name in FAILURES}
    code = """
import base64, pickle, sys
errors = pickle.loads(base64.b64decode(sys.stdin.read()))
again = {name: pickle.loads(pickle.dumps(error)) for name, error in errors.items()}
print([(type(e).__name__, str(e), e.kind, e.phase, e.request.method, str(e.request.url)) for e in again.values()])
print(again["HTTPStatusError"].response.content, type(again["RetryError"].original_exception).__name__)
"""
    sent = base64.b64encode(pickle.dumps(errors)).decode()
    done = subprocess.run(
        [sys.executable, "-c", code], input=sent, capture_output=True, text=True, timeout=30, check=False
    )
    here = [
        (type(e).__name__, str(e), e.kind, e.phase, e.request.method, str(e.request.url))  # type: ignore[union-attr]
        for e in errors.values()
    ]
    assert done.stdout.splitlines() == [str(here), "b'no' ReadError"], done.stderr

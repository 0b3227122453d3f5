"""Retries against servers that fail on script: what is sent again, when, how often, and what is left behind."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from contextlib import contextmanager
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

import pytest

import hyperhttp
from hyperhttp import DigestAuth, Timeout
from hyperhttp.errors.budget import RetryBudget
from hyperhttp.errors.retry import HedgePolicy, RetryPolicy
from hyperhttp.errors.telemetry import ErrorTelemetry
from hyperhttp.network.addresses import Address
from hyperhttp.plugins import EventListener, hookimpl
from hyperhttp.testing.scripted import Close, ReadRequest, Reset, ScriptedServer, Stall
from hyperhttp.utils.backoff import ExponentialBackoff
from tests.behaviour.http2.test_peer import REFUSED_STREAM, Peer, Server, eventually, in_use

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hyperhttp.testing.origin import Origin
    from hyperhttp.testing.scripted import ScriptedServerFactory

pytestmark = pytest.mark.usefixtures("no_leaks")

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
DOWN = b"HTTP/1.1 503 Down\r\nContent-Length: 4\r\n\r\ndown"
SOON = ExponentialBackoff(base=0.01, factor=1.0)


def policy(*given: Any, **options: Any) -> RetryPolicy:
    """A policy that does not wait long."""
    return RetryPolicy(*given, **{"backoff_strategy": SOON} | options)


def bodies(server: Any) -> list[bytes]:
    """The content of each request."""
    return [request.partition(b"\r\n\r\n")[2] for request in server.requests]


class Table:
    """A resolver that gives other addresses each time, the last ones for ever."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)

    async def resolve(self, host: str, port: int) -> list[Address]:
        """The addresses, in order."""
        hosts = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return [Address(socket.AF_INET, each, port) for each in hosts]


@contextmanager
def listening_beside(half: ScriptedServer) -> Iterator[list[bytes]]:
    """A good server on the same port of 127.0.0.1; gives the requests it answers, one per connection."""
    requests: list[bytes] = []

    def serve() -> None:
        while True:
            connection, _ = listener.accept()
            with connection:
                data = connection.recv(65536)
                if not data:
                    return
                requests.append(data)
                connection.sendall(OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))

    with socket.create_server(("127.0.0.1", half.port)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield requests
        finally:
            socket.create_connection(("127.0.0.1", half.port)).close()
            thread.join()


# -- what is sent again --------------------------------------------------------------------------------------


async def test_failing_responses_are_followed_by_a_good_one(face: Any, scripted: ScriptedServerFactory) -> None:
    server = scripted([DOWN, DOWN.replace(b"503", b"500"), OK])
    async with face.client(retry=policy()) as client:
        response = await client.get(server.url)
        assert await client.read(response) == b"ok"
        assert in_use(client) == 0
    assert [(each.cause, each.status_code, each.error) for each in response.attempts] == [
        ("retry", 503, None),
        ("retry", 500, None),
    ]
    assert response.attempts[0].elapsed > 0
    assert list(response.history) == []
    assert len(server.connections) == 1  # what was dropped had given its connection back


@pytest.mark.parametrize("step", [Reset(), Close(), b"HTTP/1.1 20"], ids=["reset", "closed", "cut"])
async def test_connections_that_break_are_followed_by_a_good_one(
    face: Any, scripted: ScriptedServerFactory, step: Any
) -> None:
    server = scripted.by_connection([[ReadRequest(), step]] * 2 + [[ReadRequest(), OK]])
    async with face.client(retry=policy()) as client:
        response = await client.get(server.url)
        assert await client.read(response) == b"ok"
    assert [isinstance(each.error, hyperhttp.TransportError) for each in response.attempts] == [True, True]
    assert len(server.requests) == 3


async def test_timeouts_are_followed_by_an_answer(face: Any, scripted: ScriptedServerFactory) -> None:
    server = scripted.by_connection([[ReadRequest(), Stall(5)], [ReadRequest(), OK]])
    async with face.client(retry=policy(), timeout=Timeout(5, read=1.5)) as client:
        response = await client.get(server.url)
        assert await client.read(response) == b"ok"
        assert isinstance(response.attempts[0].error, hyperhttp.ReadTimeout)


@pytest.mark.parametrize("follow", [False, True])
async def test_content_that_is_cut_short_is_asked_for_again_by_a_call_that_reads_it(
    face: Any, scripted: ScriptedServerFactory, follow: bool
) -> None:
    cut = [ReadRequest(), b"HTTP/1.1 200 OK\r\nContent-Length: 90000\r\n\r\nonly this", Close()]
    server = scripted.by_connection([cut, [ReadRequest(), OK]])
    async with face.client(retry=policy(), follow_redirects=follow) as client:
        response = await client.get(server.url, stream=False)
        assert response.content == b"ok"
    assert isinstance(response.attempts[0].error, hyperhttp.RemoteProtocolError)


@pytest.mark.parametrize("method", ["POST", "PATCH"])
@pytest.mark.parametrize("answer", [Reset(), DOWN])
async def test_what_may_have_arrived_and_is_not_idempotent_is_sent_once(
    face: Any, scripted: ScriptedServerFactory, method: str, answer: Any
) -> None:
    server = scripted.by_connection([[ReadRequest(), answer]] * 3)
    async with face.client(retry=policy()) as client:
        if answer is DOWN:
            assert (await client.request(method, server.url, content=b"once")).status_code == 503
        else:
            with pytest.raises(hyperhttp.TransportError) as caught:
                await client.request(method, server.url, content=b"once")
            assert not isinstance(caught.value, hyperhttp.RetryError)
    assert bodies(server) == [b"once"]


async def test_a_post_is_sent_again_where_the_policy_or_the_request_says_so(
    face: Any, scripted: ScriptedServerFactory
) -> None:
    server = scripted([DOWN, OK] * 2)
    async with face.client(retry=policy(methods=["POST"])) as client:
        assert (await client.post(server.url, content=b"a")).status_code == 200
        key = {"Idempotency-Key": '"8e03978e"'}
        assert (await client.post(server.url, content=b"b", headers=key, retry=policy())).status_code == 200
    assert bodies(server) == [b"a", b"a", b"b", b"b"]


async def test_a_refused_connection_has_carried_nothing_so_everything_is_sent_again(
    face: Any, scripted: ScriptedServerFactory
) -> None:
    server = scripted([OK] * 2)
    for content in (b"in memory", face.pieces(b"an ", b"iterator")):
        table = Table(["127.0.0.9"], ["127.0.0.1"])
        async with face.client(retry=policy(), resolver=table) as client:
            response = await client.post(f"http://moved.example:{server.port}/", content=content)
            assert response.status_code == 200
            assert [type(each.error) for each in response.attempts] == [hyperhttp.ConnectError]
    assert bodies(server) == [b"in memory", b"3\r\nan \r\n8\r\niterator\r\n0\r\n\r\n"]


@pytest.mark.parametrize("size", [5, 200_000])
async def test_files_are_rewound(face: Any, scripted: ScriptedServerFactory, tmp_path: Path, size: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * size)
    server = scripted([DOWN, OK] * 2)
    async with face.client(retry=policy()) as client:
        assert (await client.put(server.url, content=path)).status_code == 200
        with path.open("rb") as file:
            assert (await client.put(server.url, content=file)).status_code == 200
    assert bodies(server) == [b"x" * size] * 4


async def test_iterators_are_not(face: Any, scripted: ScriptedServerFactory) -> None:
    server = scripted([DOWN, OK])
    async with face.client(retry=policy()) as client:
        assert (await client.put(server.url, content=face.pieces(b"only", b"once"))).status_code == 503
    assert len(server.requests) == 1


async def test_each_hop_of_a_redirect_is_retried_on_its_own(face: Any, scripted: ScriptedServerFactory) -> None:
    moved = b"HTTP/1.1 302 Found\r\nLocation: /second\r\nContent-Length: 0\r\n\r\n"
    server = scripted([DOWN, moved, DOWN, DOWN, OK])
    async with face.client(retry=policy(2), follow_redirects=True) as client:
        response = await client.get(server.url + "/first")
        assert response.status_code == 200
    assert [each.url.path for each in response.attempts] == ["/second"] * 2
    assert [each.url.path for each in response.history[0].attempts] == ["/first"]
    assert len(server.connections) == 1


# -- how it ends ---------------------------------------------------------------------------------------------


async def test_a_status_that_outlives_its_retries_is_the_response(face: Any, scripted: ScriptedServerFactory) -> None:
    server = scripted([DOWN] * 3)
    async with face.client(retry=policy(2)) as client:
        response = await client.get(server.url)
        assert await client.read(response) == b"down"
        with pytest.raises(hyperhttp.HTTPStatusError):
            response.raise_for_status()
    assert len(response.attempts) == 2


async def test_an_error_that_outlives_them_says_how_often(face: Any, scripted: ScriptedServerFactory) -> None:
    server = scripted.by_connection([[ReadRequest(), Reset()]] * 3)
    async with face.client(retry=policy(2)) as client:
        with pytest.raises(hyperhttp.RetryError, match=f"{server.port}/x failed 3 times") as caught:
            await client.get(server.url + "/x")
        assert client.raw.get_pool_stats() == {}
    assert isinstance(caught.value.original_exception, hyperhttp.ReadError)
    assert caught.value.attempts == 3
    assert len(caught.value.history) == 2
    assert caught.value.request is not None


async def test_the_first_failure_is_the_typed_one(face: Any, scripted: ScriptedServerFactory) -> None:
    server = scripted.by_connection([[ReadRequest(), b"nonsense\r\n\r\n"]])
    async with face.client(retry=policy()) as client:
        with pytest.raises(hyperhttp.RemoteProtocolError):
            await client.get(server.url)
    assert len(server.requests) == 1


# -- what a call may say -------------------------------------------------------------------------------------


async def test_a_call_may_switch_retries_off_or_on(face: Any, scripted: ScriptedServerFactory) -> None:
    server = scripted([DOWN] * 2 + [DOWN, OK])
    async with face.client(retry=policy()) as client:
        assert (await client.get(server.url, retry=False)).status_code == 503
        assert (await client.get(server.url, retry=policy(0))).status_code == 503
    async with face.client() as client:
        assert (await client.get(server.url, retry=1)).status_code == 200
    assert len(server.requests) == 4


async def test_a_request_sent_by_hand_is_retried_too(face: Any, scripted: ScriptedServerFactory) -> None:
    server = scripted([DOWN, OK])
    async with face.client() as client:
        request = client.raw.build_request("GET", server.url)
        assert (await client.send(request, retry=policy())).status_code == 200


async def test_the_readmes_name_means_the_same(face: Any, scripted: ScriptedServerFactory) -> None:
    server = scripted([DOWN, OK])
    async with face.client(retry_policy=policy()) as client:
        assert (await client.get(server.url)).status_code == 200
    with pytest.raises(TypeError, match="two names of one option"):
        face.client(retry=1, retry_policy=1)
    with pytest.raises(TypeError, match="retry="):
        face.client(retry="always")


async def test_predicates_decide(face: Any, scripted: ScriptedServerFactory) -> None:
    busy = b"HTTP/1.1 200 OK\r\nX-State: pending\r\nContent-Length: 2\r\n\r\nno"
    server = scripted([busy, OK])
    pending = policy(retry_on_response=lambda response: response.headers.get("x-state") == "pending" or None)
    async with face.client(retry=pending) as client:
        assert await client.read(await client.get(server.url)) == b"ok"
    broken = scripted.by_connection([[ReadRequest(), b"nonsense\r\n\r\n"], [ReadRequest(), OK]])
    odd = policy(retry_on_exception=lambda error: isinstance(error, hyperhttp.RemoteProtocolError) or None)
    async with face.client(retry=odd) as client:
        assert await client.read(await client.get(broken.url)) == b"ok"


async def test_content_that_a_scheme_has_loaded_can_be_sent_again(face: Any, scripted: ScriptedServerFactory) -> None:
    class Signed(hyperhttp.Auth):
        requires_request_body = True

        def auth_flow(self, request: Any) -> Any:
            request.headers["X-Length"] = str(len(request.content.data))
            yield request

    server = scripted([DOWN, OK])
    async with face.client(retry=policy(), auth=Signed()) as client:
        response = await client.put(server.url, content=face.pieces(b"one", b"two"))
        assert response.status_code == 200
    assert all(b"X-Length: 6" in each for each in server.requests)
    assert len(server.requests) == 2


# -- waits ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("form", "status"), [("seconds", b"429"), ("date", b"503")])
async def test_the_servers_wish_is_granted(
    face: Any, scripted: ScriptedServerFactory, form: str, status: bytes
) -> None:
    now = time.time()
    fields = b"Date: %b\r\n" % formatdate(now, usegmt=True).encode()
    wish = b"1" if form == "seconds" else formatdate(now + 1, usegmt=True).encode()
    wait = DOWN.replace(b"503", status).replace(b"\r\n\r\n", b"\r\nRetry-After: %b\r\n%b\r\n" % (wish, fields), 1)
    server = scripted([wait, OK])
    async with face.client(retry=policy()) as client:
        started = time.monotonic()
        response = await client.get(server.url)
        assert 0.9 < time.monotonic() - started < 5
        assert response.status_code == 200


async def test_the_end_of_a_quota_is_waited_for_where_the_policy_says_so(
    face: Any, scripted: ScriptedServerFactory
) -> None:
    spent = (
        b"HTTP/1.1 429 Too Many Requests\r\nRateLimit-Remaining: 0\r\nRateLimit-Reset: 1\r\nContent-Length: 0\r\n\r\n"
    )
    server = scripted([spent, OK])
    async with face.client(retry=policy(respect_rate_limit=True)) as client:
        started = time.monotonic()
        assert (await client.get(server.url)).status_code == 200
        assert 0.9 < time.monotonic() - started < 5


@pytest.mark.parametrize("limits", [{"max_retry_after": 10}, {}])
async def test_a_wish_beyond_cap_or_deadline_ends_the_call_at_once(
    face: Any, scripted: ScriptedServerFactory, limits: dict[str, Any]
) -> None:
    server = scripted([DOWN.replace(b"\r\n\r\n", b"\r\nRetry-After: 30\r\n\r\n", 1), OK])
    async with face.client(retry=policy(**limits), timeout=Timeout(5, total=None if limits else 20)) as client:
        started = time.monotonic()
        response = await client.get(server.url)
        assert time.monotonic() - started < 3
        assert (response.status_code, response.headers["Retry-After"]) == (503, "30")
        assert await client.read(response) == b"down"


async def test_no_retry_begins_after_the_total_timeout(face: Any, scripted: ScriptedServerFactory) -> None:
    server = scripted(lambda connection, _: connection.read_request())
    patient = RetryPolicy(1000, backoff_strategy=ExponentialBackoff(base=0.5, factor=1.0, jitter=False), budget=None)
    async with face.client(retry=patient, timeout=Timeout(5, total=1.2)) as client:
        started = time.monotonic()
        with pytest.raises(hyperhttp.RetryError, match="the total timeout leaves no time"):
            await client.get(server.url)
        assert time.monotonic() - started < 2
    assert 2 <= len(server.requests) <= 3


async def test_the_total_timeout_in_the_middle_of_an_attempt_is_itself(
    face: Any, scripted: ScriptedServerFactory
) -> None:
    server = scripted.by_connection([[ReadRequest(), DOWN, Close()], [ReadRequest(), Stall(5)]])
    async with face.client(retry=policy(), timeout=Timeout(5, total=0.4)) as client:
        with pytest.raises(hyperhttp.TotalTimeout):
            await client.get(server.url)


async def test_cancellation_during_the_wait_leaves_nothing(scripted: ScriptedServerFactory) -> None:
    server = scripted([DOWN, OK])
    waiting = asyncio.Event()
    async with hyperhttp.Client(
        retry=RetryPolicy(backoff_strategy=ExponentialBackoff(base=30.0)),
        event_hooks={"retry": [lambda *event: waiting.set()]},
    ) as client:
        task = asyncio.ensure_future(client.get(server.url))
        await waiting.wait()
        await eventually(lambda: [counts["in_use"] for counts in client.get_pool_stats().values()] == [0])
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await client.get(server.url)).status_code == 200
    assert len(server.connections) == 1


async def test_a_client_closed_during_the_wait_sends_nothing_more(scripted: ScriptedServerFactory) -> None:
    server = scripted([DOWN, OK])
    told = asyncio.Event()
    client = hyperhttp.Client(
        retry=RetryPolicy(backoff_strategy=ExponentialBackoff(base=0.2)),
        event_hooks={"retry": [lambda *event: told.set()]},
    )
    task = asyncio.ensure_future(client.get(server.url))
    await told.wait()
    await client.close()
    with pytest.raises(hyperhttp.ClientClosed):
        await task
    assert len(server.requests) == 1


# -- the budget ----------------------------------------------------------------------------------------------


async def test_a_failing_server_sees_no_storm(face: Any, scripted: ScriptedServerFactory) -> None:
    server = scripted([DOWN], repeat=True)
    small = RetryBudget(ratio=0.1, per_second=0, capacity=4)
    async with face.client(retry=policy(5, budget=small), max_connections=5) as client:
        responses = await face.together(*[client.get(server.url, stream=False) for _ in range(20)])
        assert {response.status_code for response in responses} == {503}
    assert 24 <= len(server.requests) <= 26


async def test_each_client_has_a_budget_without_being_asked(face: Any, scripted: ScriptedServerFactory) -> None:
    server = scripted([DOWN], repeat=True)
    keen = RetryPolicy(200, backoff_strategy=ExponentialBackoff(base=0.0))
    async with face.client(retry=keen) as client:
        response = await client.get(server.url)
        assert 100 <= len(response.attempts) < 199


# -- hooks, listeners, telemetry -----------------------------------------------------------------------------


async def test_hooks_fire_for_each_attempt_and_start_from_a_clean_request(
    face: Any, scripted: ScriptedServerFactory
) -> None:
    seen: list[str] = []
    number = iter(range(10))

    def sign(request: Any) -> None:
        request.headers.add("X-Signature", str(next(number)))
        seen.append("request")

    server = scripted([DOWN, DOWN, OK])
    hooks = {
        "request": [face.hook(sign)],
        "response": [face.hook(lambda response: seen.append(str(response.status_code)))],
    }
    async with face.client(retry=policy(), event_hooks=hooks) as client:
        await client.get(server.url)
    assert seen == ["request", "503", "request", "503", "request", "200"]
    for index, request in enumerate(server.requests):
        assert request.count(b"X-Signature") == 1
        assert b"X-Signature: %d\r\n" % index in request


async def test_the_retry_event_comes_before_each_wait(face: Any, scripted: ScriptedServerFactory) -> None:
    heard: list[Any] = []

    class Listener:
        def retry(self, request: Any, attempt: int, delay: float, cause: Any) -> None:
            heard.append(("listener", request.method, attempt, delay, type(cause)))

    class Plugin:
        @hyperhttp.plugins.hookimpl
        def hyperhttp_register_event_hooks(self, event_hooks: Any) -> None:
            event_hooks.add("retries", Listener)

    def hook(request: Any, attempt: int, delay: float, cause: Any) -> None:
        heard.append(("hook", request.method, attempt, delay, type(cause)))

    server = scripted.by_connection([[ReadRequest(), DOWN, Close()], [ReadRequest(), Reset()], [ReadRequest(), OK]])
    steady = ExponentialBackoff(base=0.01, factor=1.0, jitter=False)
    async with face.client(
        retry=RetryPolicy(backoff_strategy=steady), plugins=[Plugin()], event_hooks={"retry": [hook]}
    ) as client:
        await client.get(server.url)
    assert heard == [
        ("hook", "GET", 1, 0.01, hyperhttp.Response),
        ("listener", "GET", 1, 0.01, hyperhttp.Response),
        ("hook", "GET", 2, 0.01, hyperhttp.ReadError),
        ("listener", "GET", 2, 0.01, hyperhttp.ReadError),
    ]


async def test_a_hook_that_raises_ends_the_call(face: Any, scripted: ScriptedServerFactory) -> None:
    server = scripted([DOWN, OK])

    def strict(response: Any) -> None:
        response.raise_for_status()

    async with face.client(retry=policy(), event_hooks={"response": [strict]}) as client:
        with pytest.raises(hyperhttp.HTTPStatusError):
            await client.get(server.url)
    assert len(server.requests) == 1


async def test_telemetry_counts_with_retries_and_without(face: Any, scripted: ScriptedServerFactory) -> None:
    server = scripted([DOWN, OK, DOWN, OK])
    telemetry = ErrorTelemetry()
    async with face.client(retry=policy(), telemetry=telemetry) as client:
        await client.get(server.url, stream=False)
        await client.get(server.url, stream=False, retry=False)
    async with face.client(telemetry=telemetry) as client:
        await client.get(server.url, stream=False)
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    async with face.client(telemetry=telemetry) as client:
        with pytest.raises(hyperhttp.ConnectError):
            await client.get(f"http://127.0.0.1:{port}/")
    snapshot = telemetry.snapshot()
    assert snapshot.outcomes == {"success": 2, "retry": 1, "fail": 2}
    assert snapshot.categories == {"SERVER": 2, "CONNECTION": 1}
    assert snapshot.hosts[f"127.0.0.1:{server.port}"] == {"success": 2, "retry": 1, "fail": 1}


# -- attempts that no policy asked for -----------------------------------------------------------------------


async def test_replays_on_a_fresh_connection_are_visible(face: Any, scripted: ScriptedServerFactory) -> None:
    def handler(connection: Any, _: int) -> None:
        if connection.read_request():
            connection.sendall(OK)
            connection.read_request()

    server = scripted(handler)
    async with face.client() as client:
        first = await client.get(server.url)
        await client.read(first)
        second = await client.get(server.url)
        await client.read(second)
    assert list(first.attempts) == []
    assert [(each.cause, type(each.error)) for each in second.attempts] == [("replay", hyperhttp.RemoteProtocolError)]


async def test_rounds_of_authentication_are_visible(face: Any, origin: Origin) -> None:
    async with face.client(auth=DigestAuth("user", "passwd")) as client:
        response = await client.get(origin.url + "/digest-auth/auth/user/passwd")
        assert response.status_code == 200
        await client.read(response)
        again = await client.get(origin.url + "/digest-auth/auth/user/passwd")
        await client.read(again)
    assert [(each.cause, each.status_code) for each in response.attempts] == [("authentication", 401)]
    assert response.attempts[0].headers is not None
    assert "www-authenticate" in response.attempts[0].headers
    assert list(again.attempts) == []
    assert list(response.history) == []


async def test_a_digest_is_made_anew_for_each_attempt(face: Any, scripted: ScriptedServerFactory) -> None:
    challenge = (
        b'HTTP/1.1 401 No\r\nWWW-Authenticate: Digest realm="r", nonce="n", qop="auth"\r\nContent-Length: 0\r\n\r\n'
    )
    server = scripted([challenge, DOWN, OK])
    async with face.client(auth=DigestAuth("u", "p"), retry=policy()) as client:
        response = await client.get(server.url)
        assert response.status_code == 200
    assert [b"nc=00000001" in request for request in server.requests] == [False, True, False]
    assert b"nc=00000002" in server.requests[2]
    assert [each.cause for each in response.attempts] == ["authentication", "retry"]


# -- hosts of which half is dead -----------------------------------------------------------------------------


async def test_a_name_with_a_dead_and_a_live_address_needs_no_retry(face: Any, scripted: ScriptedServerFactory) -> None:
    server = scripted([OK] * 4)
    for addresses in (["127.0.0.9", "127.0.0.1"], ["127.0.0.1", "127.0.0.9"]):
        async with face.client(retry=policy(), resolver=Table(addresses)) as client:
            response = await client.get(f"http://half.example:{server.port}/")
            assert response.status_code == 200
            assert list(response.attempts) == []


async def test_a_name_that_moves_away_from_dead_addresses_is_found_by_a_retry(
    face: Any, scripted: ScriptedServerFactory
) -> None:
    server = scripted([OK])
    table = Table(["127.0.0.8", "127.0.0.9"], ["127.0.0.9"], ["127.0.0.9", "127.0.0.1"])
    async with face.client(retry=policy(), resolver=table) as client:
        response = await client.get(f"http://half.example:{server.port}/")
        assert response.status_code == 200
        assert [type(each.error) for each in response.attempts] == [hyperhttp.ConnectError] * 2


@pytest.mark.parametrize("dead", [Reset(), Close(), Stall(5)], ids=["resets", "closes", "hangs"])
async def test_an_address_that_takes_connections_and_serves_nothing_is_avoided(face: Any, dead: Any) -> None:
    """Both listen on one port; the first of them is dead in all but name."""
    with ScriptedServer.by_connection([[ReadRequest(), dead]] * 9, host="127.0.0.8") as half:
        with listening_beside(half) as requests:
            table = Table(["127.0.0.8", "127.0.0.1"])
            options: dict[str, Any] = {"resolver": table, "timeout": Timeout(5, read=1.5)}
            async with face.client(retry=policy(2), **options) as client:
                response = await client.get(f"http://half.example:{half.port}/")
                assert await client.read(response) == b"ok"
                assert response.attempts[0].error.address == "127.0.0.8"
                for _ in range(3):
                    again = await client.get(f"http://half.example:{half.port}/", headers={"Connection": "close"})
                    assert await client.read(again) == b"ok"
        assert len(half.requests) == 1
    assert len(requests) == 4


async def test_a_handshake_that_is_broken_off_is_retried_elsewhere(face: Any, scripted: ScriptedServerFactory) -> None:
    server = scripted([OK], tls=True)
    with socket.create_server(("127.0.0.8", server.port)) as dead:
        closer = threading.Thread(target=lambda: dead.accept()[0].close())
        closer.start()
        options: dict[str, Any] = {"resolver": Table(["127.0.0.8", "127.0.0.1"]), "ssl_context": server.ssl_context()}
        async with face.client(retry=policy(1), **options) as client:
            response = await client.post(f"https://localhost:{server.port}/", content=b"x")
            assert await client.read(response) == b"ok"
            assert isinstance(response.attempts[0].error, hyperhttp.TLSError)
        closer.join()


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_calls_that_fail_together_are_each_retried(face: Any, scheme: str) -> None:
    """What they share, a look-up or a handshake, fails for all of them with one error."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    unknown = hyperhttp.DNSError("there is no such name")

    class Nowhere:
        async def resolve(self, host: str, port: int) -> list[Address]:
            raise unknown

    telemetry = ErrorTelemetry()
    options: dict[str, Any] = {"telemetry": telemetry, "event_hooks": {"request": []}, "resolver": Nowhere()}
    async with face.client(retry=policy(1), **options) as client:
        for host in (f"127.0.0.1:{port}", "nowhere.example"):
            works = [face.start(client.get(f"{scheme}://{host}/{number}")) for number in range(5)]
            for work in works:
                with pytest.raises(hyperhttp.RetryError) as caught:
                    await work
                assert isinstance(caught.value.original_exception, hyperhttp.ConnectError)
    assert telemetry.snapshot().outcomes == {"success": 0, "retry": 10, "fail": 10}


async def test_no_live_address_is_the_error_of_the_last_attempt(face: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    async with face.client(retry=policy(1), resolver=Table(["127.0.0.8", "127.0.0.9"])) as client:
        with pytest.raises(hyperhttp.RetryError, match=r"127\.0\.0\.8") as caught:
            await client.post(f"http://dead.example:{port}/", content=b"x")
    assert isinstance(caught.value.original_exception, hyperhttp.ConnectError)


# -- HTTP/2 --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_storm_of_goaways_is_outlived(face: Any, scripted: ScriptedServerFactory, method: str) -> None:
    """The exchange gives up after some connections that leave; what they say they did not process is retried."""

    def leaves(peer: Peer) -> None:
        peer.request()
        for _ in range(20):
            peer.goaway(0)
        peer.rest()

    server = Server(scripted, *[leaves] * 12, Peer.serve)
    content = {"content": b"x"} if method == "POST" else {}
    async with face.client(retry=policy(5), **server.options) as client:
        response = await client.request(method, server.url, **content)
        assert await client.read(response) == b"ok"
        assert in_use(client) == 0
    causes = [each.cause for each in response.attempts]
    assert causes.count("retry") >= 1
    assert len(causes) == 12


async def test_many_calls_outlive_a_storm_together(face: Any, scripted: ScriptedServerFactory) -> None:
    def leaves(peer: Peer) -> None:
        peer.request()
        peer.goaway(0)
        peer.rest()

    server = Server(scripted, *[leaves] * 8, Peer.serve)
    async with face.client(retry=policy(20), **server.options) as client:
        responses = await face.together(*[client.get(f"{server.url}/{n}", stream=False) for n in range(6)])
        assert [response.content for response in responses] == [b"ok"] * 6
        assert in_use(client) == 0


async def test_refused_streams_are_outlived_whatever_the_method(face: Any, scripted: ScriptedServerFactory) -> None:
    def script(peer: Peer) -> None:
        for _ in range(10):
            peer.reset(peer.request().stream, REFUSED_STREAM)
        peer.serve()

    server = Server(scripted, script)
    async with face.client(retry=policy(5), **server.options) as client:
        response = await client.post(server.url, content=b"x")
        assert await client.read(response) == b"ok"


async def test_files_are_rewound_over_http2(face: Any, scripted: ScriptedServerFactory, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 100_000)
    came: list[bytes] = []

    def script(peer: Peer) -> None:
        for status in (503, 200):
            request = peer.request()
            came.append(bytes(peer.whole(request.stream)))
            peer.answer(request.stream, status=status)
        peer.rest()

    server = Server(scripted, script)
    async with face.client(retry=policy(), **server.options) as client:
        assert (await client.put(server.url, content=path)).status_code == 200
    assert came == [b"x" * 100_000] * 2


class Watching(EventListener):
    """A plugin that hears of ends, so that streams are watched."""

    @hookimpl
    def hyperhttp_register_event_hooks(self, event_hooks: Any) -> None:
        event_hooks.add("watching", lambda: self)

    def finish(self, request: Any, response: Any, error: Any) -> None:
        pass


@pytest.mark.parametrize("plugins", [[], [Watching()]], ids=["plain", "watched"])
@pytest.mark.parametrize("wire", ["http/1.1", "http/2"])
async def test_a_rest_that_does_not_come_delays_no_retry(
    face: Any, scripted: ScriptedServerFactory, wire: str, plugins: list[Any]
) -> None:
    done = threading.Event()

    def handle(connection: Any, index: int) -> None:
        connection.read_request()
        connection.sendall(OK if index else DOWN[:-2])
        done.wait(30)

    def script(peer: Peer) -> None:
        peer.head(peer.request().stream, 503, ("content-length", "4"))
        peer.answer(peer.request().stream)
        peer.rest(30)

    server: Any = scripted(handle) if wire == "http/1.1" else Server(scripted, script)
    options: dict[str, Any] = {} if wire == "http/1.1" else {"http2": "prior-knowledge"}
    try:
        async with face.client(retry=policy(), plugins=plugins, timeout=20, **options) as client:
            began = time.monotonic()
            response = await client.get(server.url, stream=True)
            assert (response.status_code, await client.read(response)) == (200, b"ok")
            assert time.monotonic() - began < 10
    finally:
        done.set()


# -- mounted transports --------------------------------------------------------------------------------------


async def test_transports_are_retried_too(face: Any) -> None:
    class Flaky:
        def __init__(self) -> None:
            self.sent = 0

        async def send(self, request: Any) -> hyperhttp.Response:
            self.sent += 1
            if self.sent < 3:
                raise hyperhttp.ReadError("in memory", request=hyperhttp.Request("GET", "http://inner.example/"))
            return hyperhttp.Response(200, content=b"ok")

        def close(self) -> None:
            pass

    transport = Flaky()
    async with face.client(transport=transport, retry=policy()) as client:
        response = await client.get("http://app.example/")
        assert response.status_code == 200
    assert transport.sent == 3
    assert len(response.attempts) == 2


# -- hedging -------------------------------------------------------------------------------------------------


async def test_a_hedge_is_faster_than_a_server_that_sleeps(scripted: ScriptedServerFactory) -> None:
    def handler(connection: Any, index: int) -> None:
        while connection.read_request():
            if index == 0:
                connection.wait_for_eof()
                return
            connection.sendall(OK)

    server = scripted(handler)
    seen: list[str] = []
    hedged = RetryPolicy(hedge=HedgePolicy(delay=0.05))
    hooks = {"request": [lambda request: seen.append(request.method)]}
    async with hyperhttp.Client(retry=hedged, event_hooks=hooks) as client:
        started = time.monotonic()
        response = await client.get(server.url)
        assert time.monotonic() - started < 3
        assert await response.aread() == b"ok"
        await eventually(server.connections[0].over.is_set)  # the loser's connection is closed at once
        await eventually(lambda: [counts["in_use"] for counts in client.get_pool_stats().values()] == [0])
    assert [each.cause for each in response.attempts] == ["hedge"]
    assert seen == ["GET", "GET"]


async def test_the_loser_of_two_streams_is_reset(scripted: ScriptedServerFactory) -> None:
    def script(peer: Peer) -> None:
        peer.request()
        second = peer.request()
        peer.answer(second.stream)
        peer.rest()

    server = Server(scripted, script)
    async with hyperhttp.Client(retry=RetryPolicy(hedge=0.05), **server.options) as client:
        assert await (await client.get(server.url)).aread() == b"ok"
        await eventually(lambda: server.resets != [])
    assert [stream for stream, _ in server.resets] == [1]
    assert len(server.peers) == 1


async def test_what_is_not_idempotent_is_not_hedged(scripted: ScriptedServerFactory) -> None:
    server = scripted.by_connection([[ReadRequest(), Stall(0.3)]])
    async with hyperhttp.Client(retry=RetryPolicy(hedge=0.01)) as client:
        with pytest.raises(hyperhttp.TransportError):
            await client.post(server.url, content=b"once")
    assert len(server.requests) == 1


async def test_cancelling_a_hedged_call_cancels_both(scripted: ScriptedServerFactory) -> None:
    server = scripted.by_connection([[ReadRequest(), Stall(5)]] * 2)
    async with hyperhttp.Client(retry=RetryPolicy(hedge=0.01)) as client:
        task = asyncio.ensure_future(client.get(server.url))
        await eventually(lambda: len(server.requests) == 2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await eventually(lambda: client.get_pool_stats() == {})
    assert server.wait_closed()


def test_a_blocking_client_says_that_it_cannot_hedge(scripted: ScriptedServerFactory) -> None:
    hedged = RetryPolicy(hedge=0.01)
    with pytest.raises(TypeError, match="need an event loop"):
        hyperhttp.SyncClient(retry=hedged)
    with hyperhttp.SyncClient() as client, pytest.raises(TypeError, match="need an event loop"):
        client.get("http://127.0.0.1:1/", retry=hedged)

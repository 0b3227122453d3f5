"""A host that keeps failing is left alone for a while, and asked by single requests whether it is well again."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

import hyperhttp
from hyperhttp import CircuitBreakerOpen, ConnectError, HyperHTTPError, ReadError, ReadTimeout, Timeout
from hyperhttp.errors.circuit_breaker import CircuitTransition, DomainCircuitBreakerManager
from hyperhttp.errors.retry import RetryPolicy
from hyperhttp.utils.backoff import ExponentialBackoff

if TYPE_CHECKING:
    from collections.abc import Callable

    from hyperhttp.testing.origin import Origin

pytestmark = pytest.mark.usefixtures("no_leaks")

CROWD = 2000  # calls at once on asyncio
LONG = 600.0  # seconds until a circuit may be probed; no test waits for that


def recover(breaker: DomainCircuitBreakerManager, server: Any) -> None:
    """Let the time pass that an open circuit stays so."""
    key = ("127.0.0.1", server.port)
    circuit = breaker.store.load(key)
    assert circuit is not None
    assert breaker.store.replace(key, circuit, circuit._replace(since=circuit.since - LONG))


class Service:
    """A host that does as it is told.

    Attributes:
        status: what it answers; 0 for a reset, -1 for silence.
        gate: answers wait for it.
        count: requests so far.
    """

    def __init__(self, status: int = 200) -> None:
        self.status = status
        self.gate = threading.Event()
        self.gate.set()
        self.count = 0
        self.counted = threading.Condition()

    def __call__(self, connection: Any, index: int) -> None:
        while connection.read_request():
            with self.counted:
                self.count += 1
                self.counted.notify_all()
            self.gate.wait(20)
            if self.status == 0:
                connection.reset()
                return
            if self.status == -1:
                connection.stall(20)
                return
            connection.sendall(b"HTTP/1.1 %d Status\r\nContent-Length: 2\r\n\r\nok" % self.status)

    def wait_for(self, count: int) -> None:
        """Until so many requests have come."""
        with self.counted:
            assert self.counted.wait_for(lambda: self.count >= count, 20)


async def outcome_of(client: Any, url: str, **options: Any) -> Any:
    """A status, or the class of the error."""
    try:
        return (await client.get(url, **options)).status_code
    except HyperHTTPError as error:
        return type(error)


async def crowd(face: Any, client: Any, url: str, count: int, release: Callable[[], bool], gate: Any) -> list[Any]:
    """What comes of so many calls at once; `gate` is opened when `release` says so."""
    if not face.is_blocking:
        tasks = [asyncio.ensure_future(outcome_of(client, url)) for _ in range(count)]
        while not release():
            await asyncio.sleep(0.005)
        gate.set()
        return await asyncio.gather(*tasks)

    def get() -> Any:
        try:
            return client.raw.get(url).status_code
        except HyperHTTPError as error:
            return type(error)

    with ThreadPoolExecutor(count) as threads:
        futures = [threads.submit(get) for _ in range(count)]
        while not release():
            time.sleep(0.005)
        gate.set()
        return [future.result() for future in futures]


# -- opening ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "comes", "options"),
    [
        (503, 503, {}),
        (0, ReadError, {}),
        (-1, ReadTimeout, {"timeout": Timeout(10.0, read=0.05)}),
    ],
    ids=["status", "reset", "silence"],
)
async def test_failures_open_the_circuit_and_then_nothing_is_sent(
    face: Any, scripted: Any, status: int, comes: Any, options: dict[str, Any]
) -> None:
    service = Service(status)
    server = scripted(service)
    breaker = DomainCircuitBreakerManager(failure_threshold=3, recovery_timeout=LONG)
    async with face.client(circuit_breaker_manager=breaker, **options) as client:
        assert [await outcome_of(client, server.url) for _ in range(3)] == [comes] * 3
        assert breaker.state("127.0.0.1", server.port) == "open"
        for _ in range(5):
            with pytest.raises(CircuitBreakerOpen) as caught:
                await client.get(server.url + "/later")
    assert service.count == 3
    error = caught.value
    assert (error.host, error.port) == ("127.0.0.1", server.port)
    assert LONG - 60 < error.remaining <= LONG
    assert error.request is not None
    assert error.request.url.path == "/later"


async def test_a_host_that_refuses_connections_is_left_alone(face: Any, scripted: Any) -> None:
    server = scripted(Service())
    server.close()
    breaker = DomainCircuitBreakerManager(2, LONG)
    async with face.client(circuit_breaker_manager=breaker) as client:
        outcomes = [await outcome_of(client, server.url) for _ in range(4)]
    assert outcomes == [ConnectError, ConnectError, CircuitBreakerOpen, CircuitBreakerOpen]


async def test_answers_that_say_that_the_host_is_well_keep_it_closed(face: Any, scripted: Any) -> None:
    service = Service()
    server = scripted(service)
    breaker = DomainCircuitBreakerManager(2, LONG)
    async with face.client(circuit_breaker_manager=breaker) as client:
        for status in (500, 404, 500, 429, 500, 200, 500, 301):
            service.status = status
            assert await outcome_of(client, server.url) == status
    assert breaker.state("127.0.0.1", server.port) == "closed"


async def test_each_port_has_its_own_circuit(face: Any, scripted: Any) -> None:
    sick, well = scripted(Service(500)), scripted(Service())
    breaker = DomainCircuitBreakerManager(1, LONG)
    async with face.client(circuit_breaker_manager=breaker) as client:
        assert await outcome_of(client, sick.url) == 500
        assert await outcome_of(client, sick.url) is CircuitBreakerOpen
        assert await outcome_of(client, well.url) == 200
    assert {name: circuit.state for name, circuit in breaker.snapshot().items()} == {f"127.0.0.1:{sick.port}": "open"}


PARTIAL = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nsome"
BROKEN = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nsome\r\nnonsense\r\n"


@pytest.mark.parametrize("options", [{"stream": True}, {"stream": False}, {"follow_redirects": True}], ids=str)
@pytest.mark.parametrize("end", ["close", "reset", "silence", "nonsense"])
async def test_content_that_breaks_off_opens_the_circuit(
    face: Any, scripted: Any, end: str, options: dict[str, Any]
) -> None:
    def serve(connection: Any, index: int) -> None:
        while connection.read_request():
            connection.sendall(BROKEN if end == "nonsense" else PARTIAL)
            if end == "silence":
                connection.stall(20)
            elif end == "reset":
                connection.reset()
            return

    server = scripted(serve)
    breaker = DomainCircuitBreakerManager(2, LONG, categories=["TRANSIENT", "TIMEOUT", "PROTOCOL"])
    timeout = Timeout(10.0, read=0.1 if end == "silence" else 10.0)
    async with face.client(circuit_breaker_manager=breaker, timeout=timeout) as client:
        for _ in range(2):
            assert breaker.state("127.0.0.1", server.port) == "closed"
            with pytest.raises(hyperhttp.TransportError):
                await client.read(await client.get(server.url, **options))
        with pytest.raises(CircuitBreakerOpen):
            await client.get(server.url, **options)


async def test_content_that_is_iterated_over_counts_too(face: Any, scripted: Any) -> None:
    def serve(connection: Any, index: int) -> None:
        if connection.read_request():
            connection.sendall(PARTIAL + (b"more!!" if index == 1 else b"and"))

    server = scripted(serve)
    breaker = DomainCircuitBreakerManager(2, LONG)
    async with face.client(circuit_breaker_manager=breaker) as client:
        for whole in (False, True, False):
            try:
                async with client.stream("GET", server.url) as response:
                    pieces = [piece async for piece in client.iter_bytes(response)]
                assert (whole, b"".join(pieces)) == (True, b"somemore!!")
            except hyperhttp.TransportError:
                assert not whole
    (circuit,) = breaker.snapshot().values()
    assert (circuit.state, circuit.failures) == ("closed", 1), "the good one in between began the count anew"


async def test_a_stream_without_end_does_not_keep_others_from_probing(face: Any, scripted: Any) -> None:
    held = threading.Event()
    service = Service(503)

    def serve(connection: Any, index: int) -> None:
        if index != 1:
            service(connection, index)
        elif connection.read_request():
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n")
            held.wait(20)

    server = scripted(serve)
    breaker = DomainCircuitBreakerManager(1, LONG, 1, probe_timeout=1.0)
    async with face.client(circuit_breaker_manager=breaker, max_keepalive_connections=0) as client:
        assert await outcome_of(client, server.url) == 503
        recover(breaker, server)
        service.status = 200
        async with client.stream("GET", server.url) as response:
            assert response.status_code == 200
            assert await outcome_of(client, server.url) is CircuitBreakerOpen
            await face.sleep(1.1)
            assert await outcome_of(client, server.url) == 200
            assert breaker.state("127.0.0.1", server.port) == "closed"
            held.set()


# -- closing again ---------------------------------------------------------------------------------------


async def test_after_the_recovery_probes_close_it(face: Any, scripted: Any) -> None:
    service = Service(503)
    server = scripted(service)
    heard: list[CircuitTransition] = []
    breaker = DomainCircuitBreakerManager(1, LONG, 2, observers=[heard.append])
    async with face.client(circuit_breaker_manager=breaker) as client:
        assert await outcome_of(client, server.url) == 503
        recover(breaker, server)
        assert await outcome_of(client, server.url) == 503, "the probe fails"
        assert await outcome_of(client, server.url) is CircuitBreakerOpen
        service.status = 200
        recover(breaker, server)
        assert [await outcome_of(client, server.url) for _ in range(3)] == [200] * 3
    states = [(each.before, each.after) for each in heard]
    assert states == [
        ("closed", "open"), ("open", "half_open"), ("half_open", "open"), ("open", "half_open"), ("half_open", "closed"),
    ]  # fmt: skip
    assert {(each.host, each.port) for each in heard} == {("127.0.0.1", server.port)}
    assert service.count == 5


async def test_of_a_crowd_exactly_one_probes(face: Any, scripted: Any) -> None:
    count = 16 if face.is_blocking else CROWD
    service = Service(503)
    server = scripted(service)
    async with face.client(circuit_breaker_manager=(breaker := CountingManager(1, LONG, 1))) as client:
        assert await outcome_of(client, server.url) == 503
        service.status = 200
        service.gate.clear()
        recover(breaker, server)
        breaker.refused.clear()

        def release() -> bool:
            return len(breaker.refused) == count - 1

        outcomes = await crowd(face, client, server.url, count, release, service.gate)
        assert sorted(map(str, outcomes)) == sorted(["200"] + [str(CircuitBreakerOpen)] * (count - 1))
        assert service.count == 2, "the failure and one probe"
        assert await outcome_of(client, server.url) == 200


class CountingManager(DomainCircuitBreakerManager):
    """Notes whom it refuses."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.refused: list[CircuitBreakerOpen] = []

    def admit(self, host: str, port: int, now: float) -> Any:
        try:
            return super().admit(host, port, now)
        except CircuitBreakerOpen as error:
            self.refused.append(error)
            raise


async def test_a_crowd_of_failures_opens_it_once(face: Any, scripted: Any) -> None:
    count = 16 if face.is_blocking else 200
    service = Service(503)
    service.gate.clear()
    server = scripted(service)
    heard: list[CircuitTransition] = []
    breaker = DomainCircuitBreakerManager(5, LONG, observers=[heard.append])
    async with face.client(circuit_breaker_manager=breaker, max_connections=None) as client:
        everybody = await crowd(face, client, server.url, count, lambda: service.count == count, service.gate)
    assert everybody == [503] * count, "all had begun before the first failed"
    assert [(each.after, each.failures) for each in heard] == [("open", 5)]


async def test_failures_of_thousands_in_line_for_connections_open_it_once(origin: Origin) -> None:
    heard: list[CircuitTransition] = []
    sent: list[Any] = []
    breaker = DomainCircuitBreakerManager(5, LONG, observers=[heard.append])
    options: Any = {"max_connections": 20, "event_hooks": {"request": [sent.append]}}
    async with hyperhttp.Client(circuit_breaker_manager=breaker, **options) as client:
        url = origin.url + "/status/503"
        outcomes = await asyncio.gather(*(outcome_of(client, url) for _ in range(CROWD)))
        assert outcomes == [503] * CROWD, "all had been let in before the first failed"
        later = await asyncio.gather(*(outcome_of(client, url) for _ in range(CROWD)))
    assert later == [CircuitBreakerOpen] * CROWD
    assert len(sent) == CROWD, "none of the later ones"
    assert [(each.after, each.failures) for each in heard] == [("open", 5)]


async def test_thousands_of_successes_and_failures_are_counted_one_by_one(origin: Origin) -> None:
    breaker = DomainCircuitBreakerManager(CROWD, LONG)
    async with hyperhttp.Client(circuit_breaker_manager=breaker, max_connections=20) as client:
        assert await outcome_of(client, origin.url + "/status/503") == 503
        good = [outcome_of(client, origin.url + "/get") for _ in range(CROWD // 2)]
        assert await asyncio.gather(*good) == [200] * (CROWD // 2)
        bad = [outcome_of(client, origin.url + "/status/503") for _ in range(CROWD // 2)]
        assert await asyncio.gather(*bad) == [503] * (CROWD // 2)
    (circuit,) = breaker.snapshot().values()
    assert (circuit.state, circuit.failures) == ("closed", CROWD // 2)


async def test_a_probe_that_is_cancelled_frees_its_place(scripted: Any) -> None:
    service = Service(503)
    server = scripted(service)
    breaker = DomainCircuitBreakerManager(1, LONG, 1)
    async with hyperhttp.Client(circuit_breaker_manager=breaker) as client:
        assert (await client.get(server.url)).status_code == 503
        service.status = 200
        service.gate.clear()
        recover(breaker, server)
        probe = asyncio.ensure_future(client.get(server.url))
        await asyncio.to_thread(service.wait_for, 2)
        with pytest.raises(CircuitBreakerOpen, match="probes it"):
            await client.get(server.url)
        probe.cancel()
        with pytest.raises(asyncio.CancelledError):
            await probe
        assert breaker.state("127.0.0.1", server.port) == "half_open"
        service.gate.set()
        assert (await client.get(server.url)).status_code == 200
    assert breaker.state("127.0.0.1", server.port) == "closed"


async def test_cancellation_is_no_failure(scripted: Any) -> None:
    service = Service()
    service.gate.clear()
    server = scripted(service)
    breaker = DomainCircuitBreakerManager(1, LONG)
    async with hyperhttp.Client(circuit_breaker_manager=breaker) as client:
        for number in range(3):
            call = asyncio.ensure_future(client.get(server.url))
            await asyncio.to_thread(service.wait_for, number + 1)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
    assert breaker.snapshot() == {}
    service.gate.set()


# -- with the rest ---------------------------------------------------------------------------------------


async def test_no_hook_hears_of_an_attempt_that_was_refused(face: Any, scripted: Any) -> None:
    service = Service(503)
    server = scripted(service)
    seen: list[str] = []
    hooks = {"request": [lambda request: seen.append(request.url.path)]}
    breaker = DomainCircuitBreakerManager(1, LONG)
    async with face.client(circuit_breaker_manager=breaker, event_hooks=hooks) as client:
        assert await outcome_of(client, server.url + "/first") == 503
        assert await outcome_of(client, server.url + "/second") is CircuitBreakerOpen
    assert seen == ["/first"]


async def test_what_a_hook_raises_is_no_failure_of_the_host(face: Any, scripted: Any) -> None:
    server = scripted(Service())
    breaker = DomainCircuitBreakerManager(1, LONG)

    def fail(response: Any) -> None:
        raise LookupError("a hook's own")

    async with face.client(circuit_breaker_manager=breaker, event_hooks={"response": [fail]}) as client:
        for _ in range(3):
            with pytest.raises(LookupError):
                await client.get(server.url)
    assert breaker.snapshot() == {}


async def test_an_opening_circuit_ends_retries_at_once(face: Any, scripted: Any) -> None:
    service = Service(503)
    server = scripted(service)
    breaker = DomainCircuitBreakerManager(2, LONG)
    policy = RetryPolicy(max_retries=5, backoff_strategy=ExponentialBackoff(base=0.001, jitter=False))
    async with face.client(circuit_breaker_manager=breaker, retry=policy) as client:
        with pytest.raises(CircuitBreakerOpen):
            await client.get(server.url)
        assert service.count == 2
        with pytest.raises(CircuitBreakerOpen):
            await client.get(server.url)
    assert service.count == 2


async def test_a_hedge_is_no_second_probe(scripted: Any) -> None:
    service = Service(503)
    server = scripted(service)
    breaker = CountingManager(1, LONG, 1)
    async with hyperhttp.Client(circuit_breaker_manager=breaker, retry=RetryPolicy(hedge=0.01)) as client:
        assert (await client.get(server.url, retry=False)).status_code == 503
        service.status = 200
        service.gate.clear()
        recover(breaker, server)
        probe = asyncio.ensure_future(client.get(server.url))
        while not breaker.refused:
            await asyncio.sleep(0.001)
        service.gate.set()
        assert (await probe).status_code == 200, "the answer to the probe, not the refusal of the hedge"
    assert service.count == 2
    assert breaker.state("127.0.0.1", server.port) == "closed"


async def test_a_retry_policy_may_wait_for_the_circuit(face: Any, scripted: Any) -> None:
    service = Service(503)
    server = scripted(service)
    breaker = DomainCircuitBreakerManager(1, LONG, 1)

    def patient(error: Exception) -> bool | None:
        service.status = 200
        recover(breaker, server)
        return True if isinstance(error, CircuitBreakerOpen) else None

    backoff = ExponentialBackoff(base=0.001, jitter=False)
    policy = RetryPolicy(max_retries=1, backoff_strategy=backoff, retry_on_exception=patient)
    async with face.client(circuit_breaker_manager=breaker) as client:
        assert await outcome_of(client, server.url) == 503
        assert await outcome_of(client, server.url, retry=policy) == 200
    assert service.count == 2


async def test_each_hop_of_a_redirect_asks_the_circuit_of_its_host(face: Any, scripted: Any, origin: Origin) -> None:
    service = Service(503)
    server = scripted(service)
    breaker = DomainCircuitBreakerManager(1, LONG)
    async with face.client(circuit_breaker_manager=breaker, follow_redirects=True) as client:
        url = f"{origin.url}/redirect-to?url={server.url}/"
        assert await outcome_of(client, url) == 503
        assert await outcome_of(client, url) is CircuitBreakerOpen
        assert await outcome_of(client, origin.url + "/get") == 200
    assert service.count == 1


async def test_clients_of_both_faces_may_share_a_breaker(scripted: Any) -> None:
    server = scripted(Service(503))
    breaker = DomainCircuitBreakerManager(2, LONG)
    async with hyperhttp.Client(circuit_breaker_manager=breaker) as client:
        assert (await client.get(server.url)).status_code == 503
        with hyperhttp.SyncClient(circuit_breaker_manager=breaker) as other:
            assert other.get(server.url).status_code == 503
            with pytest.raises(CircuitBreakerOpen):
                other.get(server.url)
        with pytest.raises(CircuitBreakerOpen):
            await client.get(server.url)


async def test_waiting_for_a_connection_of_our_own_is_no_failure_of_the_host(scripted: Any) -> None:
    service = Service()
    service.gate.clear()
    server = scripted(service)
    breaker = DomainCircuitBreakerManager(1, LONG)
    async with hyperhttp.Client(circuit_breaker_manager=breaker, max_connections=1) as client:
        first = asyncio.ensure_future(client.get(server.url))
        await asyncio.to_thread(service.wait_for, 1)
        for timeout in (Timeout(10.0, pool=0.01), Timeout(10.0, total=0.05)):
            with pytest.raises(hyperhttp.TimeoutException):
                await client.get(server.url, timeout=timeout)
        service.gate.set()
        assert (await first).status_code == 200
    assert breaker.snapshot() == {}

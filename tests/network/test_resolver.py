"""Resolving names, and remembering the answers."""

from __future__ import annotations

import asyncio
import pickle
import socket
import threading
from typing import TYPE_CHECKING, Any

import pytest

from hyperhttp.exceptions import ConnectError, DNSError
from hyperhttp.network.addresses import Address
from hyperhttp.network.resolver import CachingResolver, SystemResolver, _lookup

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

LOOPBACK4 = Address(socket.AF_INET, "127.0.0.1", 80)
LOOPBACK6 = Address(socket.AF_INET6, "::1", 80)


class DirectNetwork:
    """The part of a network that resolvers use, on a clock that the test moves."""

    def __init__(self) -> None:
        self.time = 1000.0
        self.calls: list[tuple[Any, ...]] = []
        self.running: dict[Any, asyncio.Task[Any]] = {}

    def now(self) -> float:
        return self.time

    async def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        self.calls.append(arguments)
        return function(*arguments)

    async def share(self, key: Any, factory: Callable[[], Awaitable[Any]]) -> Any:
        task = self.running.get(key)
        if task is None:
            task = self.running[key] = asyncio.ensure_future(factory())
            task.add_done_callback(lambda _: self.running.pop(key))
        return await asyncio.shield(task)


class ScriptedResolver:
    """Answers from a script and counts the questions."""

    def __init__(self, *answers: Sequence[Address] | Exception) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, int]] = []
        self.gate: asyncio.Event | None = None

    async def resolve(self, host: str, port: int) -> Sequence[Address]:
        self.asked.append((host, port))
        if self.gate is not None:
            await self.gate.wait()
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


def caching(resolver: ScriptedResolver, **options: Any) -> tuple[CachingResolver, DirectNetwork]:
    network = DirectNetwork()
    return CachingResolver(resolver, network, **options), network  # type: ignore[arg-type]


def unknown(host: str = "nowhere.example") -> DNSError:
    error = DNSError(f"cannot resolve {host}", host=host, phase="dns")
    error.retryable = False
    return error


# -- the system's resolver ----------------------------------------------------------------------


async def system(host: str, port: int = 80) -> tuple[Sequence[Address], DirectNetwork]:
    network = DirectNetwork()
    return await SystemResolver(network).resolve(host, port), network  # type: ignore[arg-type]


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "localhost.", "a.localhost", "b.a.localhost."])
async def test_localhost_names_lead_to_loopback_without_a_lookup(host: str) -> None:
    addresses, network = await system(host)
    assert list(addresses) == ([LOOPBACK6] if socket.has_ipv6 else []) + [LOOPBACK4]
    assert network.calls == []


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", LOOPBACK4),
        ("::1", LOOPBACK6),
        ("fe80::1%1", Address(socket.AF_INET6, "fe80::1", 80, 1)),
    ],
)
async def test_ip_literals_need_no_lookup(host: str, expected: Address) -> None:
    addresses, network = await system(host)
    assert list(addresses) == [expected]
    assert network.calls == []


async def test_an_unknown_zone_is_a_connect_error() -> None:
    with pytest.raises(ConnectError, match="nowhere0"):
        await system("fe80::1%nowhere0")


def fake_system(monkeypatch: pytest.MonkeyPatch, answer: list[Any] | Exception) -> list[Any]:
    """Put a script in place of getaddrinfo: what the real one says depends on the machine."""
    asked: list[Any] = []

    def getaddrinfo(host: bytes, port: int, **_: Any) -> list[Any]:
        asked.append((host, port))
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return asked


async def test_names_go_to_the_system_in_its_order_and_without_duplicates(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = fake_system(
        monkeypatch,
        [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 443)),
            (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("fe80::1%eth0", 443, 0, 4)),
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 443)),
            (socket.AF_UNIX, socket.SOCK_STREAM, 0, "", ("elsewhere", 0)),
        ],
    )
    addresses, network = await system("example.com", 443)
    assert list(addresses) == [
        Address(socket.AF_INET, "192.0.2.1", 443),
        Address(socket.AF_INET6, "fe80::1", 443, 4),
    ]
    assert asked == [(b"example.com", 443)]  # bytes, so that Python's IDNA 2003 codec stays out of it
    assert network.calls == [("example.com", 443)]


async def test_an_unknown_name_is_a_dns_error_that_says_what_the_system_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cause = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    fake_system(monkeypatch, cause)
    with pytest.raises(DNSError) as caught:
        await system("nowhere.example", 443)
    error = caught.value
    assert str(error) == (
        "cannot resolve the host name of nowhere.example:443: the system says 'Name or service not known'"
    )
    assert (error.host, error.port, error.phase) == ("nowhere.example", 443, "dns")
    assert error.retryable is False
    assert error.__cause__ is cause
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


@pytest.mark.parametrize(
    "cause",
    [socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution"), OSError(5, "I/O error")],
)
async def test_a_failure_that_may_pass_is_retryable(monkeypatch: pytest.MonkeyPatch, cause: OSError) -> None:
    fake_system(monkeypatch, cause)
    with pytest.raises(DNSError, match="no name server may be reachable") as caught:
        await system("example.com")
    assert caught.value.retryable is True


async def test_no_address_of_a_usable_family_is_a_dns_error(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_system(monkeypatch, [])
    with pytest.raises(DNSError, match="it has no address"):
        await system("example.com")


@pytest.mark.parametrize(
    ("host", "reason"),
    [
        ("2130706433", "neither a name nor an IPv4 address"),
        ("0x7f.1", "neither a name nor an IPv4 address"),
        ("127.1", "neither a name nor an IPv4 address"),
        ("0177.0.0.1", "neither a name nor an IPv4 address"),
        ("bücher.example", "not in ASCII form"),
        ("", "empty"),
        ("a" * 254, "too long"),
        ("exa\0mple.com", "NUL"),
    ],
)
async def test_what_is_no_name_never_reaches_the_system(
    monkeypatch: pytest.MonkeyPatch, host: str, reason: str
) -> None:
    asked = fake_system(monkeypatch, [])
    with pytest.raises(DNSError, match=reason):
        await system(host)
    assert asked == []


def test_the_real_system_is_asked_as_it_wants_to_be_asked() -> None:
    """With the one name that the hosts file answers, so that no name server hears of it."""
    addresses = _lookup("localhost", 80)
    assert {address.host for address in addresses} & {"127.0.0.1", "::1"}
    assert {address.port for address in addresses} == {80}


# -- the cache ----------------------------------------------------------------------------------


async def test_an_answer_is_kept_for_its_lifetime() -> None:
    resolver = ScriptedResolver([LOOPBACK4], [LOOPBACK6])
    cache, network = caching(resolver, ttl=60.0)
    assert list(await cache.resolve("example.com", 80)) == [LOOPBACK4]
    network.time += 59.9
    assert list(await cache.resolve("example.com", 80)) == [LOOPBACK4]
    network.time += 0.1
    assert list(await cache.resolve("example.com", 80)) == [LOOPBACK6]
    assert len(resolver.asked) == 2


async def test_the_lifetime_counts_from_the_answer() -> None:
    resolver = ScriptedResolver([LOOPBACK4])
    resolver.gate = asyncio.Event()
    cache, network = caching(resolver, ttl=10.0)
    waiting = asyncio.ensure_future(cache.resolve("example.com", 80))
    await asyncio.sleep(0)
    network.time += 8.0  # a slow name server
    resolver.gate.set()
    await waiting
    network.time += 8.0
    await cache.resolve("example.com", 80)
    assert len(resolver.asked) == 1


async def test_names_are_the_same_in_any_case_and_ports_are_apart() -> None:
    resolver = ScriptedResolver([LOOPBACK4])
    cache, _ = caching(resolver)
    await cache.resolve("Example.COM", 80)
    await cache.resolve("example.com", 80)
    await cache.resolve("example.com", 443)
    assert resolver.asked == [("example.com", 80), ("example.com", 443)]


async def test_unknown_names_are_kept_for_a_shorter_time() -> None:
    resolver = ScriptedResolver(unknown(), [LOOPBACK4])
    cache, network = caching(resolver, ttl=60.0, negative_ttl=5.0)
    for _ in range(3):
        with pytest.raises(DNSError, match=r"nowhere\.example"):
            await cache.resolve("nowhere.example", 80)
    assert len(resolver.asked) == 1
    network.time += 5.0
    assert list(await cache.resolve("nowhere.example", 80)) == [LOOPBACK4]


async def test_each_caller_gets_an_exception_of_its_own() -> None:
    cause = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    error = unknown()
    error.__cause__ = cause
    cache, _ = caching(ScriptedResolver(error))
    caught = []
    for _ in range(2):
        with pytest.raises(DNSError) as info:
            await cache.resolve("nowhere.example", 80)
        info.value.request = object()
        caught.append(info.value)
    assert caught[0] is not caught[1]
    assert caught[0] is not error
    assert [exc.__cause__ for exc in caught] == [cause, cause]
    assert caught[1].retryable is False


async def test_a_failure_that_may_pass_is_not_kept() -> None:
    passing = DNSError("no name server answers", host="example.com")
    cache, _ = caching(ScriptedResolver(passing, [LOOPBACK4]))
    with pytest.raises(DNSError):
        await cache.resolve("example.com", 80)
    assert list(await cache.resolve("example.com", 80)) == [LOOPBACK4]


async def test_an_empty_answer_is_an_unknown_name() -> None:
    resolver = ScriptedResolver([])
    cache, _ = caching(resolver)
    for _ in range(2):
        with pytest.raises(DNSError, match="has no address"):
            await cache.resolve("example.com", 80)
    assert len(resolver.asked) == 1


async def test_other_errors_pass_through_and_are_not_kept() -> None:
    cache, _ = caching(ScriptedResolver(ConnectError("no such zone"), [LOOPBACK4]))
    with pytest.raises(ConnectError, match="no such zone"):
        await cache.resolve("fe80::1%x", 80)
    assert list(await cache.resolve("fe80::1%x", 80)) == [LOOPBACK4]


async def test_without_a_lifetime_nothing_is_kept() -> None:
    resolver = ScriptedResolver([LOOPBACK4])
    cache, _ = caching(resolver, ttl=0)
    await cache.resolve("example.com", 80)
    await cache.resolve("example.com", 80)
    assert len(resolver.asked) == 2


async def test_the_name_unused_for_longest_goes_first() -> None:
    resolver = ScriptedResolver([LOOPBACK4])
    cache, _ = caching(resolver, max_entries=2)
    await cache.resolve("a", 80)
    await cache.resolve("b", 80)
    await cache.resolve("a", 80)
    await cache.resolve("c", 80)
    await cache.resolve("a", 80)
    assert [host for host, _ in resolver.asked] == ["a", "b", "c"]
    await cache.resolve("b", 80)
    assert [host for host, _ in resolver.asked] == ["a", "b", "c", "b"]


async def test_invalidating_a_host_forgets_all_its_ports_or_one() -> None:
    resolver = ScriptedResolver([LOOPBACK4])
    cache, _ = caching(resolver)
    for port in (80, 443):
        await cache.resolve("a", port)
    await cache.resolve("b", 80)
    cache.invalidate("A", 80)
    await cache.resolve("a", 443)
    assert len(resolver.asked) == 3
    cache.invalidate("a")
    for port in (80, 443):
        await cache.resolve("a", port)
    await cache.resolve("b", 80)
    assert len(resolver.asked) == 5
    cache.clear()
    await cache.resolve("b", 80)
    assert len(resolver.asked) == 6
    cache.invalidate("never asked for", 80)


async def test_callers_at_the_same_time_share_one_lookup() -> None:
    resolver = ScriptedResolver([LOOPBACK4])
    resolver.gate = asyncio.Event()
    cache, _ = caching(resolver, ttl=0)
    waiting = [asyncio.ensure_future(cache.resolve("example.com", 80)) for _ in range(5)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    await asyncio.sleep(0)
    resolver.gate.set()
    answers = await asyncio.gather(*waiting, return_exceptions=True)
    assert isinstance(answers[0], asyncio.CancelledError)
    assert answers[1:] == [(LOOPBACK4,)] * 4
    assert len(resolver.asked) == 1


async def test_two_caches_on_one_network_do_not_share_lookups() -> None:
    network = DirectNetwork()
    first = ScriptedResolver([LOOPBACK4])
    second = ScriptedResolver([LOOPBACK6])
    first.gate = second.gate = gate = asyncio.Event()
    caches = [CachingResolver(resolver, network) for resolver in (first, second)]  # type: ignore[arg-type]
    waiting = [asyncio.ensure_future(cache.resolve("example.com", 80)) for cache in caches]
    await asyncio.sleep(0)
    gate.set()
    assert await asyncio.gather(*waiting) == [(LOOPBACK4,), (LOOPBACK6,)]


@pytest.mark.parametrize("options", [{"ttl": -1}, {"negative_ttl": -1}, {"max_entries": 0}, {"ttl": float("nan")}])
def test_nonsense_limits_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must"):
        caching(ScriptedResolver([]), **options)


def test_threads_may_share_a_cache() -> None:
    class BlockingNetwork(DirectNetwork):
        async def share(self, key: Any, factory: Callable[[], Awaitable[Any]]) -> Any:
            return await factory()

    network = BlockingNetwork()
    cache = CachingResolver(ScriptedResolver([LOOPBACK4]), network, max_entries=4)  # type: ignore[arg-type]
    failures: list[BaseException] = []

    def work(seed: int) -> None:
        try:
            for step in range(500):
                name = f"host{(step * seed) % 9}"
                with pytest.raises(StopIteration):
                    cache.resolve(name, 80).send(None)
                if step % 7 == 0:
                    cache.invalidate(name)
                if step % 100 == 0:
                    cache.clear()
        except BaseException as exc:
            failures.append(exc)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert failures == []
    assert len(cache._entries) <= 4

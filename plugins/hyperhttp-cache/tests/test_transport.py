"""The cache over real sockets, on both faces and with both storages."""

import asyncio
import gzip
import logging
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

import hyperhttp
from hyperhttp.plugins import hookimpl
from hyperhttp.testing import Reply
from hyperhttp_cache import CacheTransport, ForeignDatabaseError, MemoryStorage, SQLiteStorage


def reply(content=b"content", cache_control="max-age=60", **fields):
    named = [(name.replace("_", "-"), value) for name, value in fields.items()]
    return Reply(200, [("Cache-Control", cache_control), *named], content)


async def test_what_is_fresh_comes_from_the_cache(face, storage, serve, origin):
    url = serve("fresh", reply(b"first", Content_Type="text/plain", X_Two="é"), reply(b"second"))
    async with face.client(storage) as client:
        first, second = await client.get(url), await client.get(url)

    assert (first.content, second.content) == (b"first", b"first")
    assert (first.extensions["from_cache"], second.extensions["from_cache"]) == (False, True)
    assert (first.extensions["cache"], second.extensions["cache"]) == ("miss", "hit")
    assert len(origin.requests) == 1
    assert int(second.headers["age"]) < 60
    assert [field for field in second.headers.raw if field[0] != b"Age"] == first.headers.raw
    assert (second.status_code, second.reason, second.http_version) == (200, "OK", "HTTP/1.1")
    assert (str(second.url), second.request.method) == (url, "GET")


async def test_clients_share_a_storage_that_stays_open(face, storage, serve):
    url = serve("shared", reply())
    for expected in ("miss", "hit"):
        async with face.client(storage) as client:
            assert await client.how(url) == expected


async def test_what_is_stale_is_confirmed(face, storage, serve, origin, clock):
    def confirm(exchange):
        known = exchange.headers.get("if-none-match") == '"v1"'
        return Reply(304, [("ETag", '"v1"'), ("X-New", "1")]) if known else reply(ETag='"v1"')

    url = serve("etag", confirm)
    async with face.client(storage) as client:
        await client.get(url)
        clock.move(100)
        response = await client.get(url)
        assert (response.content, response.extensions["cache"]) == (b"content", "confirmed")
        assert response.headers["x-new"] == "1"
        assert "if-none-match" not in response.request.headers
        assert origin.requests[-1].headers["if-none-match"] == '"v1"'
    assert len(origin.requests) == 2


async def test_what_has_changed_takes_the_place_of_the_old(face, storage, serve, clock):
    url = serve("changed", reply(b"old", ETag='"1"'), reply(b"new", ETag='"2"'))
    async with face.client(storage) as client:
        await client.get(url)
        clock.move(100)
        assert (await client.get(url)).content == b"new"
    assert len(storage.get(url)) == 1
    assert storage.get(url)[0].content == b"new"


async def test_what_has_changed_into_something_that_may_not_be_stored_is_forgotten(face, storage, serve, clock):
    url = serve("secret", reply(b"old", ETag='"1"'), reply(b"new", "no-store"))
    async with face.client(storage) as client:
        await client.get(url)
        clock.move(100)
        assert (await client.get(url)).content == b"new"
    assert storage.get(url) == []


async def test_a_confirmation_of_what_is_not_stored_is_asked_again(face, storage, serve, clock):
    url = serve("wrong", reply(ETag='"1"'), Reply(304, [("ETag", '"9"')]), reply(b"new"))
    async with face.client(storage) as client:
        await client.get(url)
        clock.move(100)
        response = await client.get(url)
    assert (response.content, response.extensions["cache"]) == (b"new", "miss")


async def test_each_variant_is_stored(face, storage, serve, origin):
    def vary(exchange):
        return reply(exchange.headers["accept-language"].encode(), Vary="Accept-Language")

    url = serve("vary", vary)
    async with face.client(storage) as client:
        for language in ("de", "en", "fr") * 2:
            response = await client.get(url, headers={"Accept-Language": language})
            assert response.content == language.encode()
    assert len(origin.requests) == 3


async def test_what_one_user_got_is_not_for_another(face, storage, serve, origin):
    url = serve("users", lambda exchange: reply(exchange.headers["authorization"].encode(), "max-age=60, private"))
    async with face.client(storage, shared=False) as client:
        for user in ("one", "two") * 2:
            response = await client.get(url, headers={"Authorization": user})
            assert response.content == user.encode()
    assert len(origin.requests) == 2
    async with face.client(storage) as client:
        headers = {"Authorization": "three"}
        assert [await client.how(url, headers=headers) for _ in range(2)] == ["miss", "miss"]


async def test_a_request_says_what_it_wants(face, storage, serve):
    url = serve("asked", reply())
    async with face.client(storage) as client:
        response = await client.get(url, headers={"Cache-Control": "only-if-cached"})
        assert (response.status_code, response.content) == (504, b"")
        assert await client.how(url, headers={"Cache-Control": "no-store"}) == "miss"
        assert storage.get(url) == []
        assert await client.how(url) == "miss"
        assert await client.how(url, headers={"Cache-Control": "no-cache"}) == "miss"
        assert await client.how(url, headers={"Cache-Control": "only-if-cached"}) == "hit"
        assert await client.how(url, extensions={"cache": False}) == "bypass"
        assert await client.how(url, headers={"If-None-Match": '"x"'}) == "bypass"
        assert await client.how(url, headers={"Range": "lines=0-1"}) == "bypass"
        conditions = {"If-None-Match": '"x"', "Cache-Control": "only-if-cached"}
        assert (await client.get(url, headers=conditions)).status_code == 504


@pytest.mark.parametrize(("status", "expected"), [(200, "miss"), (404, "hit")])
async def test_methods_that_change_things_make_what_is_stored_outdated(face, storage, serve, status, expected):
    url = serve(f"write{status}", lambda exchange: reply() if exchange.request.method == "GET" else Reply(status))
    async with face.client(storage) as client:
        await client.get(url)
        response = await client.request("POST", url, content=b"x")
        assert (response.extensions["from_cache"], response.extensions["cache"]) == (False, "bypass")
        assert await client.how(url) == expected


async def test_what_is_stale_stands_for_what_failed(face, storage, serve, origin, clock):
    url = serve("failing", reply(b"old", "max-age=60, stale-if-error=600"), Reply(503))
    async with face.client(storage) as client:
        await client.get(url)
        clock.move(100)
        response = await client.get(url)
        assert (response.content, response.extensions["cache"]) == (b"old", "stale")
        origin.faults.add("reset", path="/cached/failing", times=2)  # the first is replaced silently
        assert await client.how(url) == "stale"
        clock.move(1000)
        assert (await client.get(url)).status_code == 503
        origin.faults.add("reset", path="/cached/failing", times=2)  # the first is replaced silently
        with pytest.raises(hyperhttp.TransportError):
            await client.get(url)


FAILURES = [
    hyperhttp.ConnectError,
    hyperhttp.DNSError,
    hyperhttp.ProxyError,
    hyperhttp.ConnectTimeout,
    hyperhttp.ReadError,
    hyperhttp.ReadTimeout,
    hyperhttp.RemoteProtocolError,
    hyperhttp.WriteError,
    hyperhttp.WriteTimeout,
]
OTHERS = [
    hyperhttp.AddressNotAllowed,
    hyperhttp.ClientClosed,
    hyperhttp.LocalProtocolError,
    hyperhttp.PoolTimeout,
    hyperhttp.TLSError,
    hyperhttp.TotalTimeout,
]


@pytest.mark.parametrize("kind", FAILURES + OTHERS)
async def test_only_an_origin_that_failed_is_stood_in_for(face, kind, clock):
    class Behind:
        error = None

        async def send(self, request):
            if self.error is not None:
                raise self.error
            return hyperhttp.Response(200, {"Cache-Control": "max-age=60"}, b"old", request=request)

        def close(self):
            pass

    behind = Behind()
    async with face.client(transport=behind, stale_if_error=600) as client:
        await client.get("http://nowhere.test/")
        clock.move(100)
        behind.error = kind("it went wrong")
        if kind in FAILURES:
            assert await client.how("http://nowhere.test/") == "stale"
            return
        with pytest.raises(kind) as caught:
            await client.get("http://nowhere.test/")
        assert caught.value is behind.error


async def test_what_is_forbidden_here_is_not_hidden_by_what_is_stale(face, storage, serve, origin, clock):
    url = serve("forbidden", reply())
    secure = url.replace(origin.url, origin.https_url)
    trusting = {"ssl_context": origin.ssl_context()}
    async with face.client(storage, options=trusting) as client:
        await client.get(url)
        await client.get(secure)
    clock.move(100)
    seen = len(origin.requests)
    policy = hyperhttp.AddressPolicy.public_only()
    async with face.client(storage, stale_if_error=600, options={"address_policy": policy}) as client:
        with pytest.raises(hyperhttp.AddressNotAllowed):
            await client.get(url)
    async with face.client(storage, stale_if_error=600) as client:
        with pytest.raises(hyperhttp.TLSError):
            await client.get(secure)
    async with face.client(storage, stale_if_error=600, options={"max_connections": 1}) as client:
        held = await client.get(f"{origin.url}/stream-bytes/5000000", stream=True, extensions={"cache": False})
        with pytest.raises(hyperhttp.PoolTimeout):
            await client.get(url, timeout=hyperhttp.Timeout(pool=0.05))
        await client.close(held)
    assert [request.target for request in origin.requests[seen:]] == ["/stream-bytes/5000000"]
    async with face.client(storage, stale_if_error=600) as client:
        origin.faults.add("stall-head", path="/cached/forbidden")
        assert await client.how(url, timeout=hyperhttp.Timeout(read=0.05)) == "stale"


async def test_a_file_of_somebody_elses_is_an_error_of_the_call(face, serve, tmp_path):
    (tmp_path / "other.db").write_bytes(b"no database at all" * 100)
    async with face.client(SQLiteStorage(tmp_path / "other.db")) as client:
        with pytest.raises(ForeignDatabaseError, match=r"other\.db is no database"):
            await client.get(serve("foreign", reply()))


async def test_head_and_get_are_kept_apart(face, storage, serve):
    url = serve("head", reply())
    async with face.client(storage) as client:
        got = [await client.request(method, url) for method in ("HEAD", "GET", "HEAD", "GET")]
    assert [response.extensions["cache"] for response in got] == ["miss", "miss", "hit", "hit"]
    assert [response.content for response in got] == [b"", b"content"] * 2
    assert got[2].headers["content-length"] == "7"


async def test_content_is_stored_as_it_was_sent_and_decoded_when_it_is_read(face, storage, serve):
    url = serve("coded", reply(gzip.compress(b"text" * 1000), Content_Encoding="gzip"))
    async with face.client(storage) as client:
        for how in ("miss", "hit"):
            response = await client.get(url)
            assert (response.content, response.extensions["cache"]) == (b"text" * 1000, how)
            assert response.headers["content-encoding"] == "gzip"
        response = await client.get(url, stream=True)
        assert b"".join([piece async for piece in client.pieces(response)]) == b"text" * 1000
    assert gzip.decompress(storage.get(url)[0].content) == b"text" * 1000


def slow(size, cache_control="max-age=60"):
    async def produce(write):
        for _ in range(size // 1000):
            await write(bytes(1000))

    return Reply(200, [("Cache-Control", cache_control)], produce)


async def test_streamed_content_is_stored_when_all_of_it_was_read(face, storage, serve):
    url = serve("streamed", lambda _: slow(400_000))
    async with face.client(storage) as client:
        response = await client.get(url, stream=True)
        assert storage.get(url) == []
        assert sum([len(piece) async for piece in client.pieces(response)]) == 400_000
        assert len(storage.get(url)[0].content) == 400_000
        assert await client.how(url) == "hit"


async def test_content_that_is_given_up_or_breaks_off_is_not_stored(face, storage, serve):
    url = serve("partly", lambda _: slow(5_000_000))
    async with face.client(storage) as client:
        response = await client.get(url, stream=True)
        await anext(client.pieces(response))
        await client.close(response)
        with pytest.raises(hyperhttp.TransportError):
            await client.get(f"{url}?fault=truncate")
    assert len(storage) == 0


async def test_content_that_is_too_large_passes_through(face, storage, serve):
    known, unknown = serve("known", reply(bytes(5000))), serve("unknown", lambda _: slow(5000))
    async with face.client(storage, max_content=4000) as client:
        for url in (known, unknown):
            assert [len((await client.get(url)).content) for _ in range(2)] == [5000, 5000]
    assert len(storage) == 0


async def test_redirects_are_stored_and_followed(face, storage, serve, origin):
    target = serve("target", reply(b"here"))
    url = serve("moved", Reply(301, [("Location", target), ("Cache-Control", "max-age=60")]))
    async with face.client(storage, options={"follow_redirects": True}) as client:
        for _ in range(2):
            assert (await client.get(url)).content == b"here"
    assert len(origin.requests) == 2


async def test_cookies_of_a_stored_response_are_not_set_again(face, storage, serve):
    url = serve("cookies", reply(Set_Cookie="a=1"))
    async with face.client(storage) as client:
        await client.get(url)
        assert client.raw.cookies["a"] == "1"
        client.raw.cookies["a"] = "2"
        assert await client.how(url) == "hit"
        assert client.raw.cookies["a"] == "2"


async def test_another_transport_may_be_behind_the_cache(face, storage):
    class Counting:
        count = closings = 0

        async def send(self, request):
            self.count += 1
            return hyperhttp.Response(200, {"Cache-Control": "max-age=60"}, b"%d" % self.count, request=request)

        def close(self):
            self.closings += 1

    behind = Counting()
    async with face.client(storage, transport=behind) as client:
        assert [(await client.get("http://nowhere.test/")).content for _ in range(2)] == [b"1", b"1"]
    assert behind.closings == 1


def test_a_cache_can_be_mounted_for_some_hosts_only(storage, serve):
    class Caching:
        @hookimpl
        def hyperhttp_register_transports(self, transports):
            transports.add("http://127.0.0.1", lambda: CacheTransport(storage))

    url = serve("mounted", reply())
    with hyperhttp.SyncClient(plugins=[Caching()]) as client:
        assert [client.get(url).extensions["cache"] for _ in range(2)] == ["miss", "hit"]
        other = url.replace("127.0.0.1", "localhost")
        assert [client.get(other).extensions.get("cache") for _ in range(2)] == [None, None]


async def test_http2_is_cached_the_same(face, storage, origin):
    async with face.client(storage, options={"ssl_context": origin.ssl_context()}) as client:
        got = [await client.get(f"{origin.https_url}/cache/60") for _ in range(2)]
    assert [response.extensions["cache"] for response in got] == ["miss", "hit"]
    assert [response.http_version for response in got] == ["HTTP/2", "HTTP/2"]
    assert got[0].content == got[1].content


async def test_many_at_once_get_the_same(storage, serve):
    url = serve("many", reply(bytes(10_000)))
    async with hyperhttp.Client(transport=CacheTransport(storage)) as client:

        async def fetch():
            return await (await client.get(url)).aread()

        assert await asyncio.gather(*[fetch() for _ in range(30)]) == [bytes(10_000)] * 30
        assert (await client.get(url)).extensions["cache"] == "hit"


def test_threads_share_a_cache(storage, serve):
    urls = [serve(f"thread{number}", reply(b"%d" % number)) for number in range(4)]
    with hyperhttp.SyncClient(transport=CacheTransport(storage)) as client, ThreadPoolExecutor(8) as threads:
        got = list(threads.map(lambda number: client.get(urls[number % 4]).content, range(40)))
    assert got == [b"%d" % (number % 4) for number in range(40)]


async def test_a_disk_is_never_waited_for_on_the_event_loop(tmp_path, serve):
    threads = set()

    class Watching(SQLiteStorage):
        def get(self, key):
            threads.add(threading.current_thread())
            return super().get(key)

        def put(self, *arguments):
            threads.add(threading.current_thread())
            return super().put(*arguments)

    url = serve("disk", reply())
    with Watching(tmp_path / "cache.db") as storage:
        async with hyperhttp.Client(transport=CacheTransport(storage)) as client:
            await (await client.get(url)).aread()
            assert (await client.get(url)).extensions["cache"] == "hit"
    assert threads
    assert threading.current_thread() not in threads


async def test_a_storage_that_fails_is_as_good_as_none(face, serve, caplog):
    class Broken(MemoryStorage):
        def get(self, key):
            raise OSError("no disk")

        put = remove = get

    url = serve("broken", reply())
    with caplog.at_level(logging.ERROR, "hyperhttp.cache"):
        async with face.client(Broken()) as client:
            assert [await client.how(url) for _ in range(2)] == ["miss", "miss"]
    assert "no disk" in caplog.text


async def test_cancelling_stores_nothing_and_frees_the_connection(storage, serve, origin):
    url = serve("cancelled", reply())
    async with hyperhttp.Client(transport=CacheTransport(storage), max_connections=1) as client:
        task = asyncio.create_task(client.get(f"{url}?fault=stall-head"))
        while not origin.requests:
            await asyncio.sleep(0.005)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert len(storage) == 0
        assert (await client.get(url)).extensions["cache"] == "miss"


def test_a_cache_without_a_client_says_so():
    with pytest.raises(RuntimeError, match="transport="):
        CacheTransport().send(hyperhttp.Request("GET", "http://a/")).send(None)


def test_only_what_the_cache_was_made_with_is_closed(tmp_path):
    class Closing(MemoryStorage):
        closings = 0

        def close(self):
            self.closings += 1

    storage = Closing()
    CacheTransport(storage).close()
    CacheTransport().close()
    assert storage.closings == 0


async def test_a_request_for_another_protocol_is_not_answered_from_the_cache(face, storage, hyperhttp_scripted_server):
    fresh = b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 2\r\n\r\nok"
    switched = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n"
    server = hyperhttp_scripted_server([fresh, switched])
    async with face.client(storage) as client:
        assert await client.how(server.url) == "miss"
        assert await client.how(server.url) == "hit"
        response = await client.get(server.url, extensions={"upgrade": "echo"}, stream=True)
        assert (response.status_code, response.extensions["cache"]) == (101, "bypass")
        response.extensions["upgraded"].abort()


async def test_hosts_that_are_asked_for_at_one_address_are_kept_apart(face, storage, serve):
    url = serve("hosts", lambda exchange: reply(exchange.request.headers["host"].encode()))
    async with face.client(storage) as client:
        for _ in range(2):
            for host in ("one.test", "two.test"):
                assert (await client.get(url, headers={"Host": host})).content == host.encode()
        assert await client.how(url, headers={"Host": "one.test"}) == "hit"
        assert (await client.get(url)).content == url.split("/")[2].encode()


# -- parts ---------------------------------------------------------------------------------------------------------------


async def test_a_part_of_what_is_stored_and_fresh_needs_no_origin(face, storage, serve, origin, clock):
    url = serve("part", reply(b"0123456789", "max-age=60", ETag='"v1"', Content_Type="text/plain"))
    async with face.client(storage) as client:
        await client.get(url)
        for fields in ({}, {"If-Range": '"v1"'}):
            response = await client.get(url, headers={"Range": "bytes=2-4", **fields})
            assert (response.status_code, response.content) == (206, b"234")
            assert response.headers["content-range"] == "bytes 2-4/10"
            assert response.headers["content-length"] == "3"
            assert response.headers["etag"] == '"v1"'
            assert response.extensions["cache"] == "hit"
        assert (await client.get(url)).content == b"0123456789"
        assert len(origin.requests) == 1


async def test_a_part_that_only_the_origin_knows_comes_from_there(face, storage, serve, origin, clock):
    def part(exchange):
        if "range" not in exchange.headers:
            return reply(b"0123456789", "max-age=60", ETag='"v1"')
        return Reply(206, [("Content-Range", "bytes 2-4/10"), ("Cache-Control", "max-age=60")], b"xyz")

    url = serve("theirs", part)
    async with face.client(storage) as client:
        wanted = {"Range": "bytes=2-4"}
        assert (await client.get(url, headers=wanted)).content == b"xyz"  # nothing is stored, and 206 never is
        assert storage.get(url) == []
        assert (await client.get(url, headers={**wanted, "Cache-Control": "only-if-cached"})).status_code == 504
        await client.get(url)
        assert (await client.get(url, headers={**wanted, "If-Range": '"v2"'})).content == b"xyz"
        assert (await client.get(url, headers={**wanted, "If-Match": '"v1"'})).content == b"xyz"
        assert (await client.get(url, headers={**wanted, "Cache-Control": "no-cache"})).content == b"xyz"
        assert (await client.get(url, headers={"Range": "bytes=2-4,6-7"})).content == b"xyz"
        assert (await client.get(url, headers=wanted)).content == b"234"
        clock.move(100)
        response = await client.get(url, headers=wanted)
        assert (response.content, response.extensions["cache"]) == (b"xyz", "bypass")
        assert [entry.content for entry in storage.get(url)] == [b"0123456789"]


async def test_an_answer_in_parts_that_nobody_asked_for_is_not_stored(face, serve):
    storage = MemoryStorage()
    url = serve("unasked", Reply(206, [("Content-Range", "bytes 0-2/10"), ("Cache-Control", "max-age=60")], b"012"))
    async with face.client(storage) as client:
        assert (await client.get(url)).status_code == 206
    assert len(storage) == 0

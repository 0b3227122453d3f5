"""Spans, on both clients, against real servers."""

from __future__ import annotations

import asyncio
import gc
import pickle
import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import baggage, context, propagate, trace
from opentelemetry.instrumentation.utils import suppress_http_instrumentation, suppress_instrumentation
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, Decision, Sampler, SamplingResult
from opentelemetry.trace import SpanKind, StatusCode

import hyperhttp
from hyperhttp import DigestAuth, Request, Response
from hyperhttp.errors.retry import RetryPolicy
from hyperhttp.plugins import hookimpl
from hyperhttp.testing import Close, Reply, Stall
from hyperhttp_otel import OpenTelemetry
from hyperhttp_otel.listener import ATTEMPT, CALL

if TYPE_CHECKING:
    from collections.abc import Mapping


STABLE = {
    "http.request.method",
    "http.response.status_code",
    "network.peer.address",
    "network.peer.port",
    "network.protocol.version",
    "server.address",
    "server.port",
    "url.full",
}


# -- what a span says ----------------------------------------------------------------------------------------------


async def test_a_request_is_a_span_with_the_stable_attributes(face: Any, telemetry: Any, origin: Any) -> None:
    async with face.client(telemetry.plugin()) as client:
        await client.get(f"{origin.url}/get?a=1#part")
    span = telemetry.span
    assert (span.name, span.kind, span.parent) == ("GET", SpanKind.CLIENT, None)
    assert span.status.status_code is StatusCode.UNSET
    assert dict(span.attributes) == {
        "http.request.method": "GET",
        "http.response.status_code": 200,
        "network.peer.address": "127.0.0.1",
        "network.peer.port": origin.port,
        "network.protocol.version": "1.1",
        "server.address": "127.0.0.1",
        "server.port": origin.port,
        "url.full": f"{origin.url}/get?a=1#part",
    }
    assert span.instrumentation_scope.name == "hyperhttp_otel"
    assert span.instrumentation_scope.schema_url == "https://opentelemetry.io/schemas/1.44.0"
    assert span.events == ()


async def test_over_http2_the_version_is_2_and_the_peer_is_the_one_connected_to(
    face: Any, telemetry: Any, http2_origin: Any
) -> None:
    async with face.client(telemetry.plugin(), verify=http2_origin.ca_pem) as client:
        response = await client.get(f"{http2_origin.https_url}/get")
        assert response.http_version == "HTTP/2"
    said = telemetry.span.attributes
    assert said["network.protocol.version"] == "2"
    assert said["server.address"] == "localhost"
    assert said["network.peer.address"] in ("127.0.0.1", "::1")
    assert said["network.peer.port"] == said["server.port"] == http2_origin.https_port


async def test_behind_a_proxy_the_peer_is_the_proxy(face: Any, telemetry: Any, origin: Any) -> None:
    async with face.client(telemetry.plugin(), proxies=origin.url) as client:
        await client.get("http://far.example:8123/get")
    said = telemetry.span.attributes
    assert (said["server.address"], said["server.port"]) == ("far.example", 8123)
    assert (said["network.peer.address"], said["network.peer.port"]) == ("127.0.0.1", origin.port)


async def test_a_unix_socket_is_a_peer_without_a_port(
    face: Any, telemetry: Any, tmp_path: Any, unix_server: Any
) -> None:
    path = unix_server(tmp_path / "s")
    async with face.client(telemetry.plugin(opt_in="network.transport"), uds=path) as client:
        await client.get("http://app.example/")
    said = telemetry.span.attributes
    assert said["network.peer.address"] == path
    assert "network.peer.port" not in said
    assert said["network.transport"] == "unix"


async def test_the_server_is_the_one_of_the_host_field(face: Any, telemetry: Any, origin: Any) -> None:
    async with face.client(telemetry.plugin()) as client:
        await client.get(f"{origin.url}/get", headers={"Host": "app.example:81"})
    assert telemetry.span.attributes["server.address"] == "app.example"
    assert telemetry.span.attributes["server.port"] == 81


@pytest.mark.parametrize(("method", "said", "name"), [("QUERY", "QUERY", "QUERY"), ("BREW", "_OTHER", "HTTP")])
async def test_a_method_is_recorded_if_it_is_known(
    face: Any, telemetry: Any, origin: Any, method: str, said: str, name: str
) -> None:
    async with face.client(telemetry.plugin()) as client:
        await client.request(method, f"{origin.url}/get")
    span = telemetry.span
    assert (span.name, span.attributes["http.request.method"]) == (name, said)
    assert span.attributes.get("http.request.method_original") == (None if said == method else method)


async def test_known_methods_are_replaced(face: Any, telemetry: Any, origin: Any) -> None:
    async with face.client(telemetry.plugin(known_methods=["BREW"])) as client:
        await client.request("BREW", f"{origin.url}/get")
        await client.get(f"{origin.url}/get")
    assert [span.attributes["http.request.method"] for span in telemetry.spans] == ["BREW", "_OTHER"]


async def test_secrets_in_the_url_are_not_shown(face: Any, telemetry: Any, origin: Any) -> None:
    async with face.client(telemetry.plugin()) as client:
        await client.get(f"http://user:secret@127.0.0.1:{origin.port}/get?sig=secret&a=1")
    assert telemetry.span.attributes["url.full"] == (
        f"http://REDACTED:REDACTED@127.0.0.1:{origin.port}/get?sig=REDACTED&a=1"
    )
    assert origin.requests[-1].target == "/get?sig=secret&a=1"


async def test_a_template_names_the_span(face: Any, telemetry: Any, origin: Any) -> None:
    async with face.client(telemetry.plugin()) as client:
        await client.get(f"{origin.url}/bytes/10", extensions={"url_template": "/bytes/{n}"})
    assert telemetry.span.name == "GET /bytes/{n}"
    assert telemetry.span.attributes["url.template"] == "/bytes/{n}"


async def test_further_attributes_are_recorded_when_they_are_asked_for(face: Any, telemetry: Any, origin: Any) -> None:
    async with face.client(telemetry.plugin(opt_in="*"), user_agent="tests/1") as client:
        await client.request("POST", f"{origin.url}/anything", content=b"12345")
    said = dict(telemetry.span.attributes)
    assert set(said) - STABLE == {
        "url.scheme", "user_agent.original", "network.transport", "http.request.body.size",
    }  # fmt: skip
    assert (said["url.scheme"], said["user_agent.original"]) == ("http", "tests/1")
    assert (said["network.transport"], said["http.request.body.size"]) == ("tcp", 5)


async def test_captured_fields_are_recorded(face: Any, telemetry: Any, origin: Any) -> None:
    plugin = telemetry.plugin(captured_request_headers=["x-one", "authorization"], captured_response_headers="X-Two")
    async with face.client(plugin) as client:
        await client.get(
            f"{origin.url}/response-headers?X-Two=2", headers={"X-One": "1", "Authorization": "Bearer secret"}
        )
    said = dict(telemetry.span.attributes)
    assert said["http.request.header.x-one"] == ("1",)
    assert said["http.request.header.authorization"] == ("[REDACTED]",)
    assert said["http.response.header.x-two"] == ("2",)


async def test_what_samplers_want_to_know_is_there_when_a_span_begins(face: Any, telemetry: Any, origin: Any) -> None:
    seen: list[Mapping[str, Any]] = []

    class Watching(Sampler):
        def should_sample(self, parent: Any, trace_id: Any, name: Any, *rest: Any, **named: Any) -> Any:
            seen.append(dict(named.get("attributes") or rest[1]))
            return SamplingResult(Decision.DROP)

        def get_description(self) -> str:
            return "watching"

    plugin = OpenTelemetry(tracer_provider=TracerProvider(Watching()), meter_provider=telemetry.meter_provider)
    async with face.client(plugin) as client:
        await client.get(f"{origin.url}/get")
    assert set(seen[0]) == {"http.request.method", "server.address", "server.port", "url.full"}


# -- how it ended --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [304, 404, 503])
async def test_a_status_of_4xx_and_5xx_is_an_error_without_a_description(
    face: Any, telemetry: Any, origin: Any, status: int
) -> None:
    async with face.client(telemetry.plugin()) as client:
        await client.get(f"{origin.url}/status/{status}")
    span = telemetry.span
    assert span.attributes["http.response.status_code"] == status
    failed = status >= 400
    assert span.status.status_code is (StatusCode.ERROR if failed else StatusCode.UNSET)
    assert span.status.description is None
    assert span.attributes.get("error.type") == (str(status) if failed else None)


async def test_a_request_without_an_answer_is_an_error_of_its_kind(face: Any, telemetry: Any, closed_port: int) -> None:
    async with face.client(telemetry.plugin()) as client:
        with pytest.raises(hyperhttp.ConnectError) as caught:
            await client.get(f"http://127.0.0.1:{closed_port}/")
    span = telemetry.span
    assert span.status.status_code is StatusCode.ERROR
    assert span.status.description == str(caught.value)
    assert span.attributes["error.type"] == caught.value.kind
    assert not set(span.attributes) & {"http.response.status_code", "network.protocol.version", "network.peer.address"}


async def test_a_timeout_is_an_error(face: Any, telemetry: Any, hyperhttp_scripted_server: Any) -> None:
    server = hyperhttp_scripted_server([[Stall()]])
    async with face.client(telemetry.plugin(), timeout=hyperhttp.Timeout(10, read=0.05)) as client:
        with pytest.raises(hyperhttp.ReadTimeout):
            await client.get(server.url)
    said = telemetry.span.attributes
    assert said["error.type"] == "read_timeout"
    assert (said["network.peer.address"], said["network.peer.port"]) == ("127.0.0.1", server.port)


async def test_a_handshake_that_fails_has_a_peer(face: Any, telemetry: Any, origin: Any) -> None:
    async with face.client(telemetry.plugin(opt_in="network.transport")) as client:
        with pytest.raises(hyperhttp.TLSError):
            await client.get(f"{origin.https_url}/get".replace("127.0.0.1", "localhost"))
    said = telemetry.span.attributes
    assert said["error.type"] == "tls_error"
    assert said["network.peer.address"] in ("127.0.0.1", "::1")
    assert said["network.peer.port"] == said["server.port"]
    assert said["network.transport"] == "tcp"


async def test_a_proxy_that_refuses_a_tunnel_is_the_peer(
    face: Any, telemetry: Any, hyperhttp_scripted_server: Any
) -> None:
    server = hyperhttp_scripted_server([b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"])
    async with face.client(telemetry.plugin(), proxies=server.url) as client:
        with pytest.raises(hyperhttp.ProxyError):
            await client.get("https://far.example/")
    said = telemetry.span.attributes
    assert (said["server.address"], said["server.port"]) == ("far.example", 443)
    assert (said["network.peer.address"], said["network.peer.port"]) == ("127.0.0.1", server.port)


async def test_behind_a_proxy_an_attempt_without_an_answer_has_the_proxy_as_its_peer(
    face: Any, telemetry: Any, hyperhttp_scripted_server: Any
) -> None:
    server = hyperhttp_scripted_server([[Stall()]])
    async with face.client(telemetry.plugin(), proxies=server.url, timeout=hyperhttp.Timeout(10, read=0.05)) as client:
        with pytest.raises(hyperhttp.ReadTimeout):
            await client.get("http://far.example:8123/")
    said = telemetry.span.attributes
    assert (said["network.peer.address"], said["network.peer.port"]) == ("127.0.0.1", server.port)


async def test_a_unix_socket_that_gives_no_answer_is_a_peer_without_a_port(
    face: Any, telemetry: Any, tmp_path: Any, unix_server: Any
) -> None:
    path = unix_server(tmp_path / "s", answer=b"")
    async with face.client(telemetry.plugin(), uds=path) as client:
        with pytest.raises(hyperhttp.RemoteProtocolError):
            await client.get("http://app.example/")
    said = telemetry.span.attributes
    assert said["network.peer.address"] == path
    assert "network.peer.port" not in said


async def test_a_cancelled_request_is_no_error(telemetry: Any, hyperhttp_scripted_server: Any) -> None:
    arrived = threading.Event()

    def serve(connection: Any, _: int) -> None:
        connection.read_request()
        arrived.set()
        connection.wait_for_eof(10)

    server = hyperhttp_scripted_server(serve)
    async with hyperhttp.Client(plugins=[telemetry.plugin(opt_in="*", call_spans=True)]) as client:
        task = asyncio.ensure_future(client.get(server.url))
        await asyncio.to_thread(arrived.wait, 10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert [span.kind for span in telemetry.spans] == [SpanKind.CLIENT, SpanKind.INTERNAL]
    for span in telemetry.spans:
        assert span.status.status_code is StatusCode.UNSET
        assert "error.type" not in span.attributes
    (point,) = telemetry.points("http.client.request.duration")
    assert "error.type" not in point.attributes
    (active,) = telemetry.points("http.client.active_requests")
    assert active.value == 0


async def test_a_span_ends_with_the_head_whether_the_content_is_read_or_not(
    face: Any, telemetry: Any, hyperhttp_scripted_server: Any
) -> None:
    rest = threading.Event()

    def serve(connection: Any, _: int) -> None:
        connection.read_request()
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab")
        rest.wait(10)
        connection.sendall(b"cd")

    server = hyperhttp_scripted_server(serve)
    async with face.client(telemetry.plugin()) as client:
        response = await client.get(server.url, stream=True)
        assert telemetry.span.attributes["http.response.status_code"] == 200
        ended = telemetry.span.end_time
        rest.set()
        assert await client.read(response) == b"abcd"
    assert telemetry.span.end_time == ended


async def test_where_the_call_reads_the_content_the_span_ends_with_the_head_too(
    face: Any, telemetry: Any, hyperhttp_scripted_server: Any
) -> None:
    def serve(connection: Any, _: int) -> None:
        connection.read_request()
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab")
        seen.append(wait_for(lambda: bool(telemetry.spans)))
        connection.sendall(b"cd")

    seen: list[bool] = []
    server = hyperhttp_scripted_server(serve)
    async with face.client(telemetry.plugin()) as client:
        response = await client.get(server.url, stream=False)
        assert response.content == b"abcd"
    assert seen == [True]


# -- sent again ----------------------------------------------------------------------------------------------------


def field(request: bytes, name: bytes) -> Any:
    """The value of a field in a request as it came, or None."""
    lines = (line.partition(b": ") for line in request.split(b"\r\n"))
    return next((value for given, _, value in lines if given.lower() == name), None)


def resends(telemetry: Any) -> list[int | None]:
    return [span.attributes.get("http.request.resend_count") for span in telemetry.spans]


async def test_each_hop_of_a_redirect_is_a_span_that_counts(face: Any, telemetry: Any, origin: Any) -> None:
    async with face.client(telemetry.plugin(), follow_redirects=True) as client:
        response = await client.get(f"{origin.url}/redirect/2")
        await client.read(response)
    assert resends(telemetry) == [None, 1, 2]
    assert [span.attributes["http.response.status_code"] for span in telemetry.spans] == [302, 302, 200]
    assert [span.attributes["url.full"].rpartition("/")[2] for span in telemetry.spans] == ["2", "1", "get"]
    sent = [request.headers["traceparent"] for request in origin.requests]
    assert sent == [traceparent(span) for span in telemetry.spans]


async def test_each_round_of_authentication_is_a_span_that_counts(face: Any, telemetry: Any, origin: Any) -> None:
    async with face.client(telemetry.plugin(), auth=DigestAuth("user", "secret")) as client:
        response = await client.get(f"{origin.url}/digest-auth/auth/user/secret")
        assert response.status_code == 200
    assert resends(telemetry) == [None, 1]
    assert [span.attributes["http.response.status_code"] for span in telemetry.spans] == [401, 200]
    assert telemetry.spans[0].status.status_code is StatusCode.ERROR


class AtOnce:
    """A backoff that does not wait."""

    def delay(self, *_: Any, **__: Any) -> float:
        return 0.0


async def test_each_retry_is_a_span_that_counts(face: Any, telemetry: Any, hyperhttp_scripted_server: Any) -> None:
    busy = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"
    server = hyperhttp_scripted_server([busy, b"not HTTP at all\r\n\r\n", b"HTTP/1.1 204 No Content\r\n\r\n"])
    policy = RetryPolicy(backoff_strategy=AtOnce(), retry_on_exception=lambda _: True)
    async with face.client(telemetry.plugin(call_spans=True, opt_in="*"), retry=policy) as client:
        response = await client.get(server.url)
        assert response.status_code == 204
    *attempts, call = telemetry.spans
    assert resends(telemetry) == [None, 1, 2, None]
    assert [span.attributes.get("error.type") for span in attempts] == ["503", hyperhttp.RemoteProtocolError.kind, None]
    assert [span.parent.span_id for span in attempts] == [call.context.span_id] * 3
    assert "error.type" not in call.attributes
    (active,) = telemetry.points("http.client.active_requests")
    assert active.value == 0


async def test_the_slower_of_two_hedged_requests_is_no_error(telemetry: Any, hyperhttp_scripted_server: Any) -> None:
    def serve(connection: Any, number: int) -> None:
        connection.read_request()
        if number:
            connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
        else:
            connection.wait_for_eof(10)

    server = hyperhttp_scripted_server(serve)
    policy = RetryPolicy(hedge=0.05)
    async with hyperhttp.Client(plugins=[telemetry.plugin(opt_in="*")], retry=policy) as client:
        with telemetry.tracer.start_as_current_span("work") as work:
            assert (await client.get(server.url)).status_code == 204
    by_count = {span.attributes.get("http.request.resend_count"): span for span in telemetry.spans}
    assert by_count[1].attributes["http.response.status_code"] == 204
    first = next(span for span in telemetry.spans if span.name == "GET" and span is not by_count[1])
    assert first.status.status_code is StatusCode.UNSET
    assert "error.type" not in first.attributes
    assert first.parent.span_id == by_count[1].parent.span_id == work.get_span_context().span_id
    (active,) = telemetry.points("http.client.active_requests")
    assert active.value == 0


async def test_what_is_sent_again_after_a_dead_connection_has_a_span_of_its_own(
    face: Any, telemetry: Any, hyperhttp_scripted_server: Any
) -> None:
    fine = b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n"
    server = hyperhttp_scripted_server([fine, [Close()], fine, b"HTTP/1.1 204 No Content\r\n\r\n"])
    plugin = telemetry.plugin(opt_in="http.client.active_requests")
    async with face.client(plugin, follow_redirects=True) as client:
        with telemetry.tracer.start_as_current_span("work") as work:
            response = await client.get(server.url)
        assert response.status_code == 204
    spans = [span for span in telemetry.spans if span.name == "GET"]
    assert [span.attributes.get("http.request.resend_count") for span in spans] == [None, 1, 2, 3]
    assert [span.attributes.get("http.response.status_code") for span in spans] == [302, None, 302, 204]
    assert {span.parent.span_id for span in spans} == {work.get_span_context().span_id}
    lost = spans[1]
    assert lost.status.status_code is StatusCode.ERROR
    assert lost.attributes["error.type"] == "remote_protocol_error"
    assert lost.end_time <= spans[2].start_time
    assert {(span.attributes["network.peer.address"], span.attributes["network.peer.port"]) for span in spans} == {
        ("127.0.0.1", server.port)
    }
    carried = [field(request, b"traceparent").split(b"-")[2].decode() for request in server.requests]
    assert carried == [f"{span.context.span_id:016x}" for span in spans], "each carries the context of its own span"
    assert sum(point.count for point in telemetry.points("http.client.request.duration")) == 4
    assert [point.value for point in telemetry.points("http.client.active_requests")] == [0]


@pytest.mark.parametrize(("fault", "version"), [("refused-stream", "2"), ("goaway", "2"), ("http-1-1-required", "1.1")])
async def test_what_an_http2_server_leaves_untouched_has_a_span_of_its_own(
    face: Any, telemetry: Any, http2_origin: Any, fault: str, version: str
) -> None:
    http2_origin.faults.add(fault)
    async with face.client(telemetry.plugin(), verify=http2_origin.ca_pem) as client:
        response = await client.get(f"{http2_origin.https_url}/get")
        assert (await client.read(response)).startswith(b"{")
    assert told(telemetry) == [(None, None, None), (1, 200, version)]
    lost, answered = telemetry.spans
    assert lost.status.status_code is StatusCode.ERROR
    assert lost.attributes["network.peer.port"] == answered.attributes["network.peer.port"]
    assert response.request.headers["traceparent"].split("-")[2] == f"{answered.context.span_id:016x}"


async def test_credentials_for_a_forwarding_proxy_are_kept_when_it_has_closed_the_connection(
    face: Any, telemetry: Any, hyperhttp_scripted_server: Any
) -> None:
    asks = (
        b'HTTP/1.1 407 No\r\nProxy-Authenticate: Digest realm="r", nonce="n", qop="auth"\r\nContent-Length: 0\r\n\r\n'
    )
    server = hyperhttp_scripted_server([asks, [Close()], b"HTTP/1.1 204 No Content\r\n\r\n"])
    proxy = hyperhttp.Proxy(server.url, auth=DigestAuth("user", "secret"))
    async with face.client(telemetry.plugin(), proxies=proxy) as client:
        assert (await client.get("http://far.example/")).status_code == 204
    credentials = [field(request, b"proxy-authorization") for request in server.requests]
    assert credentials[0] is None
    assert credentials[1] == credentials[2] is not None
    assert field(server.requests[1], b"traceparent") != field(server.requests[2], b"traceparent")


async def test_a_hook_sees_what_is_sent_again_after_a_dead_connection(
    face: Any, telemetry: Any, hyperhttp_scripted_server: Any
) -> None:
    fine = b"HTTP/1.1 204 No Content\r\n\r\n"
    server = hyperhttp_scripted_server([fine, [Close()], fine])
    seen: list[Any] = []
    async with face.client(telemetry.plugin(request_hook=lambda span, _: seen.append(span))) as client:
        await client.get(server.url)
        await client.get(server.url)
    assert len({id(span) for span in seen}) == 3


async def test_a_request_sent_by_another_call_begins_at_nought(face: Any, telemetry: Any, origin: Any) -> None:
    request = Request("GET", f"{origin.url}/get")
    async with face.client(telemetry.plugin()) as client:
        for _ in range(2):
            await client.send(request)
    assert resends(telemetry) == [None, None]
    assert len({request.headers["traceparent"] for request in origin.requests}) == 2


async def test_a_request_that_a_scheme_of_authentication_makes_has_a_span(
    face: Any, telemetry: Any, origin: Any
) -> None:
    class Token(hyperhttp.Auth):
        def auth_flow(self, request: Request) -> Any:
            yield Request("POST", f"{origin.url}/anything")
            yield request

    async with face.client(telemetry.plugin(), auth=Token()) as client:
        await client.get(f"{origin.url}/get")
    assert [span.name for span in telemetry.spans] == ["POST", "GET"]
    assert resends(telemetry) == [None, None]


# -- the caller's context ------------------------------------------------------------------------------------------


def traceparent(span: Any) -> str:
    headers: dict[str, str] = {}
    propagate.inject(headers, trace.set_span_in_context(trace.NonRecordingSpan(span.get_span_context())))
    return headers["traceparent"]


async def test_the_context_travels_in_the_header_fields(face: Any, telemetry: Any, origin: Any) -> None:
    token = context.attach(baggage.set_baggage("user", "42"))
    try:
        with telemetry.tracer.start_as_current_span("work") as parent:
            async with face.client(telemetry.plugin()) as client:
                await client.get(f"{origin.url}/get")
            assert trace.get_current_span() is parent
    finally:
        context.detach(token)
    attempt, work = telemetry.spans
    assert attempt.parent.span_id == work.context.span_id
    assert origin.requests[-1].headers["traceparent"] == traceparent(attempt)
    assert origin.requests[-1].headers["baggage"] == "user=42"


async def test_a_span_that_is_not_sampled_travels_too(face: Any, telemetry: Any, origin: Any) -> None:
    plugin = OpenTelemetry(tracer_provider=TracerProvider(ALWAYS_OFF), meter_provider=telemetry.meter_provider)
    async with face.client(plugin) as client:
        await client.get(f"{origin.url}/get")
    flags = int(origin.requests[-1].headers["traceparent"].rpartition("-")[2], 16)
    assert not flags & 1, "not sampled"
    assert len(telemetry.points("http.client.request.duration")) == 1


async def test_a_propagator_of_ones_own_writes_what_it_likes(face: Any, telemetry: Any, origin: Any) -> None:
    class Plain:
        def inject(self, carrier: Any, context: Any = None, setter: Any = None) -> None:
            setter.set(carrier, "X-Trace", f"{trace.get_current_span(context).get_span_context().trace_id:x}")

    async with face.client(telemetry.plugin(propagator=Plain())) as client:
        await client.get(f"{origin.url}/get")
    sent = origin.requests[-1].headers
    assert sent["x-trace"] == f"{telemetry.span.context.trace_id:x}"
    assert "traceparent" not in sent


async def test_concurrent_calls_have_the_parents_they_were_made_under(telemetry: Any, origin: Any) -> None:
    async with hyperhttp.Client(plugins=[telemetry.plugin()]) as client:

        async def work(number: int) -> None:
            with telemetry.tracer.start_as_current_span(f"work {number}"):
                await client.get(f"{origin.url}/anything/{number}")

        await asyncio.gather(*map(work, range(5)))
    by_id = {span.context.span_id: span for span in telemetry.spans}
    calls = [span for span in telemetry.spans if span.name == "GET"]
    assert len(calls) == 5
    for span in calls:
        assert by_id[span.parent.span_id].name.rpartition(" ")[2] == span.attributes["url.full"].rpartition("/")[2]


@pytest.mark.parametrize("suppress", [suppress_instrumentation, suppress_http_instrumentation])
async def test_what_is_suppressed_leaves_no_trace(face: Any, telemetry: Any, origin: Any, suppress: Any) -> None:
    async with face.client(telemetry.plugin(opt_in="*"), follow_redirects=True) as client:
        with suppress():
            await client.read(await client.get(f"{origin.url}/redirect/1"))
    assert telemetry.spans == []
    assert telemetry.metrics() == {}
    assert not any("traceparent" in request.headers for request in origin.requests)


async def test_excluded_urls_leave_no_trace(face: Any, telemetry: Any, origin: Any) -> None:
    plugin = telemetry.plugin(excluded_urls=["/redirect"], call_spans=True)
    async with face.client(plugin, follow_redirects=True) as client:
        await client.get(f"{origin.url}/redirect/1")
    span = telemetry.span
    assert span.attributes["url.full"].endswith("/get")
    assert span.attributes["http.request.resend_count"] == 1
    assert ["traceparent" in request.headers for request in origin.requests] == [False, True]


async def test_the_context_does_not_travel_on_to_an_excluded_url(face: Any, telemetry: Any, origin: Any) -> None:
    token = context.attach(baggage.set_baggage("user", "42"))
    try:
        async with face.client(telemetry.plugin(excluded_urls=["/get"]), follow_redirects=True) as client:
            await client.get(f"{origin.url}/redirect/1", headers={"X-Kept": "1"})
    finally:
        context.detach(token)
    first, second = [request.headers for request in origin.requests]
    assert ("traceparent" in first, "baggage" in first) == (True, True)
    assert ("traceparent" in second, "baggage" in second, "x-kept" in second) == (False, False, True)


async def test_the_context_does_not_stay_with_a_request(face: Any, telemetry: Any, origin: Any) -> None:
    request = Request("GET", f"{origin.url}/get", headers={"Baggage": "mine=1"})
    async with face.client(telemetry.plugin()) as client:
        await client.send(request)
        with suppress_instrumentation():
            await client.send(request)
    assert ["traceparent" in received.headers for received in origin.requests] == [True, False]
    assert [received.headers["baggage"] for received in origin.requests] == ["mine=1"] * 2


# -- spans of calls ------------------------------------------------------------------------------------------------


async def test_a_call_has_a_span_around_its_attempts_when_asked_for(face: Any, telemetry: Any, origin: Any) -> None:
    async with face.client(telemetry.plugin(call_spans=True), follow_redirects=True) as client:
        await client.get(f"{origin.url}/redirect/1?sig=x")
    *attempts, call = telemetry.spans
    assert (call.name, call.kind, call.parent) == ("call GET", SpanKind.INTERNAL, None)
    assert dict(call.attributes) == {
        "http.request.method": "GET",
        "url.full": f"{origin.url}/redirect/1?sig=REDACTED",
        "http.response.status_code": 200,
    }
    assert [span.parent.span_id for span in attempts] == [call.context.span_id] * 2
    assert [span.kind for span in attempts] == [SpanKind.CLIENT] * 2
    assert resends(telemetry) == [None, 1, None]


async def test_a_call_that_fails_says_so(face: Any, telemetry: Any, origin: Any) -> None:
    plugin = telemetry.plugin(call_spans=True)
    async with face.client(plugin, follow_redirects=True, max_redirects=1) as client:
        with pytest.raises(hyperhttp.TooManyRedirects):
            await client.get(f"{origin.url}/redirect/3")
    *attempts, call = telemetry.spans
    assert [span.status.status_code for span in attempts] == [StatusCode.UNSET] * 2
    assert call.status.status_code is StatusCode.ERROR
    assert call.attributes["error.type"] == hyperhttp.TooManyRedirects.kind


# -- hooks, and what else may happen -------------------------------------------------------------------------------


async def test_hooks_may_say_more(face: Any, telemetry: Any, origin: Any) -> None:
    def asked(span: Any, request: Request) -> None:
        span.set_attribute("asked", request.url.path)

    def answered(span: Any, request: Request, response: Response) -> None:
        span.update_name(f"{request.method} {response.status_code}")

    async with face.client(telemetry.plugin(request_hook=asked, response_hook=answered)) as client:
        await client.get(f"{origin.url}/get")
    assert (telemetry.span.name, telemetry.span.attributes["asked"]) == ("GET 200", "/get")


async def test_a_hook_that_fails_harms_no_request(face: Any, telemetry: Any, origin: Any, caplog: Any) -> None:
    def broken(*_: Any) -> None:
        raise KeyError("of the hook")

    async with face.client(telemetry.plugin(request_hook=broken, response_hook=broken)) as client:
        assert (await client.get(f"{origin.url}/get")).status_code == 200
    assert len(telemetry.spans) == 1
    assert caplog.text.count("KeyError: 'of the hook'") == 2


async def test_a_listener_of_another_plugin_that_fails_leaves_no_span_open(
    face: Any, telemetry: Any, origin: Any
) -> None:
    class Broken:
        @hookimpl
        def hyperhttp_register_event_hooks(self, event_hooks: Any) -> None:
            event_hooks.add("broken", lambda: self)

        def request(self, request: Request) -> None:
            raise PermissionError("no")

    async with face.client(telemetry.plugin(opt_in="*"), Broken()) as client:
        with pytest.raises(PermissionError):
            await client.get(f"{origin.url}/get")
    assert telemetry.span.attributes["error.type"] == "PermissionError"
    (active,) = telemetry.points("http.client.active_requests")
    assert active.value == 0


class Mounted:
    """A transport without a network."""

    @hookimpl
    def hyperhttp_register_transports(self, transports: Any) -> None:
        transports.add("coffee://", lambda: self)

    async def send(self, request: Request) -> Response:
        return Response(418, content=b"short and stout")

    def close(self) -> None:
        pass


async def test_a_response_that_came_over_no_network_has_no_version_and_no_peer(face: Any, telemetry: Any) -> None:
    async with face.client(telemetry.plugin(), Mounted()) as client:
        await client.get("coffee://pot/brew")
    assert dict(telemetry.span.attributes) == {
        "http.request.method": "GET",
        "http.response.status_code": 418,
        "error.type": "418",
        "server.address": "pot",
        "url.full": "coffee://pot/brew",
    }


async def test_a_response_can_still_be_pickled(face: Any, telemetry: Any, origin: Any) -> None:
    async with face.client(telemetry.plugin(call_spans=True)) as client:
        response = await client.get(f"{origin.url}/get")
        await client.read(response)
    twin = pickle.loads(pickle.dumps(response))
    assert (twin.status_code, twin.content) == (200, response.content)
    assert (twin.extensions[ATTEMPT].span, twin.request.extensions[CALL].span) == (None, None)


async def test_a_forgotten_response_is_no_matter(face: Any, telemetry: Any, origin: Any) -> None:
    async with face.client(telemetry.plugin(opt_in="*")) as client:
        await client.get(f"{origin.url}/bytes/1000000", stream=True)
        gc.collect()
        assert len(telemetry.spans) == 1
        await client.read(await client.get(f"{origin.url}/get"))
        counts = [point.count for point in telemetry.points("http.client.response.body.size")]
        assert sum(counts) == 1, "nobody knows how much came of the other"


# -- both versions of HTTP ------------------------------------------------------------------------------------------


@pytest.fixture(params=["1.1", "2"])
def service(request: pytest.FixtureRequest, origin: Any, http2_origin: Any) -> Any:
    """A server, the options of a client for it, and the version they speak."""
    if request.param == "1.1":
        return SimpleNamespace(origin=origin, url=origin.url, options={}, version="1.1")
    options = {"verify": http2_origin.ca_pem}
    return SimpleNamespace(origin=http2_origin, url=http2_origin.https_url, options=options, version="2")


def told(telemetry: Any) -> list[tuple[Any, ...]]:
    """Of each span: how often the request had been sent, the status, the version."""
    return [
        (
            span.attributes.get("http.request.resend_count"),
            span.attributes.get("http.response.status_code"),
            span.attributes.get("network.protocol.version"),
        )
        for span in telemetry.spans
    ]


async def test_redirects_in_both_versions(face: Any, telemetry: Any, service: Any) -> None:
    async with face.client(telemetry.plugin(), follow_redirects=True, **service.options) as client:
        await client.read(await client.get(f"{service.url}/redirect/1"))
    assert told(telemetry) == [(None, 302, service.version), (1, 200, service.version)]


async def test_rounds_of_authentication_in_both_versions(face: Any, telemetry: Any, service: Any) -> None:
    auth = DigestAuth("user", "secret")
    async with face.client(telemetry.plugin(), auth=auth, **service.options) as client:
        await client.get(f"{service.url}/digest-auth/auth/user/secret")
    assert told(telemetry) == [(None, 401, service.version), (1, 200, service.version)]


async def test_retries_in_both_versions(face: Any, telemetry: Any, service: Any) -> None:
    statuses = iter([503, 502, 200])

    @service.origin.route(f"/otel-retries-{service.version}-{face.is_blocking}")
    def busy(exchange: Any) -> Reply:
        return Reply(next(statuses))

    policy = RetryPolicy(backoff_strategy=AtOnce())
    async with face.client(telemetry.plugin(), retry=policy, **service.options) as client:
        response = await client.get(f"{service.url}/otel-retries-{service.version}-{face.is_blocking}")
        assert response.status_code == 200
    assert told(telemetry) == [(None, 503, service.version), (1, 502, service.version), (2, 200, service.version)]
    assert [span.status.status_code is StatusCode.ERROR for span in telemetry.spans] == [True, True, False]


async def test_errors_in_both_versions(face: Any, telemetry: Any, service: Any) -> None:
    stalling = f"/otel-stall-{service.version}-{face.is_blocking}"

    @service.origin.route(stalling)
    async def stall(exchange: Any) -> Reply:
        await exchange.stall(5)
        return Reply(204)

    async with face.client(telemetry.plugin(opt_in="*"), **service.options) as client:
        await client.get(f"{service.url}/get")
        with pytest.raises(hyperhttp.ReadTimeout):
            await client.get(service.url + stalling, timeout=0.1)
    assert told(telemetry) == [(None, 200, service.version), (None, None, None)]
    assert telemetry.spans[1].attributes["error.type"] == "read_timeout"
    assert [point.value for point in telemetry.points("http.client.active_requests")] == [0]


async def test_cancellations_in_both_versions(telemetry: Any, service: Any) -> None:
    arrived = threading.Event()

    @service.origin.route(f"/otel-cancel-{service.version}")
    async def stall(exchange: Any) -> Reply:
        arrived.set()
        await exchange.stall(5)
        return Reply(204)

    plugin = telemetry.plugin(opt_in="*")
    async with hyperhttp.Client(plugins=[plugin], **service.options) as client:
        task = asyncio.ensure_future(client.get(f"{service.url}/otel-cancel-{service.version}"))
        assert await asyncio.to_thread(arrived.wait, 10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    span = telemetry.span
    assert span.status.status_code is StatusCode.UNSET
    assert not set(span.attributes) & {"error.type", "http.response.status_code"}
    assert span.attributes["network.peer.address"] in ("127.0.0.1", "::1"), "it had a connection"
    assert [point.value for point in telemetry.points("http.client.active_requests")] == [0]


@pytest.mark.parametrize("read", [True, False])
async def test_contents_read_and_left_in_both_versions(face: Any, telemetry: Any, service: Any, read: bool) -> None:
    size = 20_000_000  # no window takes it whole before anybody has read
    async with face.client(telemetry.plugin(opt_in="*"), **service.options) as client:
        response = await client.get(f"{service.url}/bytes/{size}", stream=True)
        assert told(telemetry) == [(None, 200, service.version)]
        assert telemetry.points("http.client.response.body.size") == []
        await (client.read(response) if read else client.leave(response))
    (point,) = telemetry.points("http.client.response.body.size")
    assert (point.sum == size) is read
    assert len(telemetry.spans) == 1


# -- helpers -------------------------------------------------------------------------------------------------------


def wait_for(condition: Any, patience: float = 10.0) -> bool:
    ticks = threading.Event()
    for _ in range(int(patience * 200)):
        if condition():
            return True
        ticks.wait(0.005)
    return False


async def test_calls_that_send_one_request_at_a_time_have_spans_of_their_own(telemetry: Any, origin: Any) -> None:
    request = Request("GET", f"{origin.url}/delay/0.1")
    async with hyperhttp.Client(plugins=[telemetry.plugin()]) as client:
        responses = await asyncio.gather(*[client.send(request) for _ in range(3)])
    assert [response.status_code for response in responses] == [200] * 3
    assert len(telemetry.spans) == 3
    assert ATTEMPT not in request.extensions, "the caller's own is as it was"

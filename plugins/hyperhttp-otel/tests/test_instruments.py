"""Metrics, on both clients, against real servers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.semconv._incubating.metrics import http_metrics

import hyperhttp
from hyperhttp.testing import Stall
from hyperhttp_otel.conventions import CONNECTION_BUCKETS, REQUEST_BUCKETS

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics import MeterProvider


def only(points: list[Any]) -> Any:
    (point,) = points
    return point


async def test_the_duration_of_requests_is_recorded_unasked(face: Any, telemetry: Any, origin: Any) -> None:
    async with face.client(telemetry.plugin()) as client:
        for _ in range(3):
            await client.get(f"{origin.url}/get")
    metrics = telemetry.metrics()
    assert list(metrics) == ["http.client.request.duration"]
    point = only(telemetry.points("http.client.request.duration"))
    assert dict(point.attributes) == {
        "http.request.method": "GET",
        "http.response.status_code": 200,
        "network.protocol.version": "1.1",
        "server.address": "127.0.0.1",
        "server.port": origin.port,
    }
    assert point.count == 3
    assert point.explicit_bounds == REQUEST_BUCKETS


async def test_the_duration_is_that_of_the_span(face: Any, telemetry: Any, origin: Any) -> None:
    async with face.client(telemetry.plugin()) as client:
        await client.get(f"{origin.url}/get")
    point = only(telemetry.points("http.client.request.duration"))
    span = telemetry.span
    assert point.sum == pytest.approx((span.end_time - span.start_time) / 1e9, abs=1e-9)
    (exemplar,) = point.exemplars
    assert exemplar.span_id == span.context.span_id


@pytest.mark.parametrize(("path", "error"), [("/status/404", "404"), ("/get", None)])
async def test_an_error_has_its_own_time_series(
    face: Any, telemetry: Any, origin: Any, path: str, error: str | None
) -> None:
    async with face.client(telemetry.plugin()) as client:
        await client.get(origin.url + path)
    assert only(telemetry.points("http.client.request.duration")).attributes.get("error.type") == error


async def test_a_request_without_an_answer_has_a_duration(face: Any, telemetry: Any, closed_port: int) -> None:
    async with face.client(telemetry.plugin()) as client:
        with pytest.raises(hyperhttp.ConnectError):
            await client.get(f"http://127.0.0.1:{closed_port}/")
    assert dict(only(telemetry.points("http.client.request.duration")).attributes) == {
        "error.type": hyperhttp.ConnectError.kind,
        "http.request.method": "GET",
        "server.address": "127.0.0.1",
        "server.port": closed_port,
    }


async def test_every_metric_has_the_name_unit_and_description_of_the_conventions(
    face: Any, telemetry: Any, origin: Any
) -> None:
    provider: MeterProvider = telemetry.meter_provider
    meter = provider.get_meter("conventions")
    async with face.client(telemetry.plugin(opt_in="*")) as client:
        await client.read(await client.request("POST", f"{origin.url}/anything", content=b"x"))
    ours = telemetry.metrics()
    wanted = {
        instrument.name: (instrument.unit, instrument.description)
        for name, make in vars(http_metrics).items()
        if name.startswith("create_http_client_")
        for instrument in [make(meter)]
    }
    assert {name: (metric.unit, metric.description) for name, metric in ours.items()} == wanted


async def test_sizes_are_those_of_the_bytes_that_were_transferred(face: Any, telemetry: Any, origin: Any) -> None:
    async with face.client(telemetry.plugin(opt_in="http.client.*.body.size")) as client:
        plain = await client.read(await client.request("POST", f"{origin.url}/anything", content=b"12345"))
        response = await client.get(f"{origin.url}/gzip")
        decoded = await client.read(response)
    sent = only(telemetry.points("http.client.request.body.size"))
    assert (sent.sum, sent.count, sent.attributes["http.request.method"]) == (5, 1, "POST")
    sizes = {
        point.attributes["http.request.method"]: point.sum
        for point in telemetry.points("http.client.response.body.size")
    }
    assert sizes == {"POST": len(plain), "GET": response.num_bytes_downloaded}
    assert sizes["GET"] < len(decoded), "as it was transferred"


@pytest.mark.parametrize("stream", [True, False])
async def test_content_that_breaks_off_is_an_error_of_its_size(
    face: Any, telemetry: Any, hyperhttp_scripted_server: Any, stream: bool
) -> None:
    server = hyperhttp_scripted_server([b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"])
    async with face.client(telemetry.plugin(opt_in="*")) as client:
        with pytest.raises(hyperhttp.TransportError) as caught:
            await client.read(await client.get(server.url, stream=stream))
    point = only(telemetry.points("http.client.response.body.size"))
    assert point.sum == 3
    assert point.attributes["error.type"] == caught.value.kind
    assert point.attributes["http.response.status_code"] == 200
    assert "error.type" not in telemetry.span.attributes, "its head was fine"


async def test_what_is_left_unread_counts_as_far_as_it_came(
    face: Any, telemetry: Any, hyperhttp_scripted_server: Any
) -> None:
    server = hyperhttp_scripted_server([[b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", Stall()]])
    async with face.client(telemetry.plugin(opt_in="*")) as client:
        response = await client.get(server.url, stream=True)
        assert telemetry.points("http.client.response.body.size") == []
        await client.leave(response)
    point = only(telemetry.points("http.client.response.body.size"))
    assert (point.sum, point.count) == (3, 1)
    assert "error.type" not in point.attributes


async def test_active_requests_go_up_and_down(face: Any, telemetry: Any, hyperhttp_scripted_server: Any) -> None:
    def serve(connection: Any, _: int) -> None:
        connection.read_request()
        seen.append(telemetry.points("http.client.active_requests")[0].value)
        connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")

    seen: list[int] = []
    server = hyperhttp_scripted_server(serve)
    async with face.client(telemetry.plugin(opt_in="http.client.active_requests")) as client:
        await client.get(server.url)
    assert seen == [1]
    point = only(telemetry.points("http.client.active_requests"))
    assert point.value == 0
    assert set(point.attributes) == {"http.request.method", "server.address", "server.port"}


async def test_a_template_and_the_scheme_may_be_attributes_of_metrics(face: Any, telemetry: Any, origin: Any) -> None:
    async with face.client(telemetry.plugin(opt_in="url.scheme")) as client:
        await client.get(f"{origin.url}/bytes/5", extensions={"url_template": "/bytes/{n}"})
    attributes = only(telemetry.points("http.client.request.duration")).attributes
    assert (attributes["url.scheme"], attributes["url.template"]) == ("http", "/bytes/{n}")


async def test_the_duration_of_connections_has_buckets_of_its_own(face: Any, telemetry: Any, origin: Any) -> None:
    async with face.client(telemetry.plugin(opt_in="http.client.connection.duration")) as client:
        await client.get(f"{origin.url}/get")
    assert only(telemetry.points("http.client.connection.duration")).explicit_bounds == CONNECTION_BUCKETS


async def test_clients_of_one_provider_share_their_instruments(
    face: Any, telemetry: Any, origin: Any, caplog: Any
) -> None:
    for _ in range(2):
        async with face.client(telemetry.plugin(opt_in="*")) as client:
            await client.get(f"{origin.url}/get")
    assert only(telemetry.points("http.client.request.duration")).count == 2
    assert caplog.records == []

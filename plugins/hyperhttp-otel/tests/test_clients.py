"""One client that is there already: recorded from a moment on, and until another."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry import metrics, trace

import hyperhttp
import hyperhttp_otel
from hyperhttp.testing import Close
from hyperhttp_otel import HyperHTTPInstrumentor, instrument_client, uninstrument_client


def providers(telemetry: Any) -> dict[str, Any]:
    return {"tracer_provider": telemetry.tracer_provider, "meter_provider": telemetry.meter_provider}


@pytest.mark.parametrize("through", [hyperhttp_otel, HyperHTTPInstrumentor])
async def test_calls_between_the_two_are_recorded(face: Any, telemetry: Any, origin: Any, through: Any) -> None:
    async with face.client() as client, face.client() as other:
        await client.get(f"{origin.url}/get?before")
        assert through.instrument_client(client.raw, **providers(telemetry)) is None
        await client.get(f"{origin.url}/get?between")
        await other.get(f"{origin.url}/get?elsewhere")
        through.uninstrument_client(client.raw)
        await client.get(f"{origin.url}/get?after")
        assert client.raw._core._plain, "a client that is left alone again pays nothing"
    assert telemetry.span.attributes["url.full"].endswith("?between")
    sent = ["traceparent" in request.headers for request in origin.requests]
    assert sent == [False, True, False, False]


async def test_options_count(face: Any, telemetry: Any, origin: Any) -> None:
    seen: list[Any] = []
    async with face.client() as client:
        instrument_client(
            client.raw, **providers(telemetry), call_spans=True, request_hook=lambda _, request: seen.append(request)
        )
        await client.get(f"{origin.url}/get")
    assert [span.name for span in telemetry.spans] == ["GET", "call GET"]
    assert len(seen) == 1


async def test_a_client_that_is_recorded_already_is_recorded_once_with_the_new_options(
    face: Any, telemetry: Any, origin: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", telemetry.tracer_provider)
    monkeypatch.setattr(metrics._internal, "_METER_PROVIDER", telemetry.meter_provider)
    async with face.client(hyperhttp_otel) as client:
        instrument_client(client.raw, captured_request_headers=["user-agent"])
        instrument_client(client.raw, captured_request_headers=["accept"])
        await client.get(f"{origin.url}/get")
    assert telemetry.span.attributes["http.request.header.accept"] == ("*/*",)
    assert "http.request.header.user-agent" not in telemetry.span.attributes


async def test_a_client_that_a_plugin_records_is_recorded_no_more(face: Any, telemetry: Any, origin: Any) -> None:
    async with face.client(telemetry.plugin()) as client:
        uninstrument_client(client.raw)
        await client.get(f"{origin.url}/get")
    assert telemetry.spans == []


async def test_a_call_that_has_begun_ends_with_its_span(face: Any, telemetry: Any, origin: Any) -> None:
    async with face.client() as client:
        instrument_client(client.raw, **providers(telemetry), opt_in=["http.client.response.body.size"])
        response = await client.get(f"{origin.url}/bytes/1000000", stream=True)
        uninstrument_client(client.raw)
        assert len(await client.read(response)) == 1_000_000
    (point,) = telemetry.points("http.client.response.body.size")
    assert point.sum == 1_000_000


async def test_connections_that_are_not_told_of_any_more_are_not_counted(
    face: Any, telemetry: Any, origin: Any
) -> None:
    def counts() -> dict[str, int]:
        points = telemetry.points("http.client.open_connections")
        return {point.attributes["http.connection.state"]: point.value for point in points}

    async with face.client() as client:
        await client.get(f"{origin.url}/get", stream=False)
        instrument_client(client.raw, **providers(telemetry), opt_in=["http.client.open_connections"])
        await client.get(f"{origin.url}/get", stream=False)
        assert counts() == {}, "one that was open before is not known"
        streams = [await client.get(f"{origin.url}/bytes/1000000", stream=True) for _ in range(2)]
        assert counts() == {"active": 1}
        uninstrument_client(client.raw)
        assert counts() == {"active": 0}
        for stream in streams:
            await client.read(stream)
    assert counts() == {"active": 0}


async def test_what_was_lost_before_is_nobodys(face: Any, telemetry: Any, hyperhttp_scripted_server: Any) -> None:
    fine = b"HTTP/1.1 204 No Content\r\n\r\n"
    server = hyperhttp_scripted_server([fine, [Close()], fine])
    async with face.client() as client:
        await client.get(server.url)
        instrument_client(client.raw, **providers(telemetry))
        await client.get(server.url)
    assert [span.attributes.get("http.request.resend_count") for span in telemetry.spans] == [None, 1]


@pytest.mark.parametrize(
    "name", ["OTEL_SDK_DISABLED=true", "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS=hyperhttp"], ids=str.lower
)
def test_opentelemetrys_own_switches_count(telemetry: Any, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    variable, _, value = name.partition("=")
    monkeypatch.setenv(variable, value)
    with hyperhttp.SyncClient(plugins=[]) as client:
        instrument_client(client, **providers(telemetry))
        assert client.listeners == ()


def test_what_cannot_be_recorded_is_refused() -> None:
    with pytest.raises(TypeError, match="not ClientSession"):
        instrument_client(type("ClientSession", (), {})())
    with pytest.raises(TypeError, match="not NoneType"):
        uninstrument_client(None)  # type: ignore[arg-type]


def test_a_wrong_option_leaves_everything_as_it_was(telemetry: Any) -> None:
    with hyperhttp.SyncClient(plugins=[telemetry.plugin()]) as client:
        before = client.listeners
        with pytest.raises(TypeError, match="colour"):
            instrument_client(client, colour="red")
        assert client.listeners == before

"""Open connections, busy and idle, on both clients and in both versions."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from opentelemetry.instrumentation.utils import suppress_instrumentation

import hyperhttp
from hyperhttp_otel.connections import ConnectionListener
from hyperhttp_otel.process import Switch
from hyperhttp_otel.settings import Settings

OPEN = "http.client.open_connections"
DURATION = "http.client.connection.duration"


def counts(telemetry: Any) -> dict[str, int]:
    return {point.attributes["http.connection.state"]: point.value for point in telemetry.points(OPEN)}


async def test_a_connection_is_active_then_idle_then_gone(face: Any, telemetry: Any, origin: Any) -> None:
    async with face.client(telemetry.plugin(opt_in=[OPEN, DURATION])) as client:
        for _ in range(2):
            response = await client.get(f"{origin.url}/bytes/1000000", stream=True)
            assert counts(telemetry) == {"active": 1} or counts(telemetry) == {"active": 1, "idle": 0}
            await client.read(response)
            assert counts(telemetry) == {"active": 0, "idle": 1}
        assert telemetry.points(DURATION) == []
    assert counts(telemetry) == {"active": 0, "idle": 0}
    (point,) = telemetry.points(DURATION)
    assert point.count == 1
    assert dict(point.attributes) == {
        "network.protocol.version": "1.1",
        "server.address": "127.0.0.1",
        "server.port": origin.port,
    }


async def test_a_connection_that_many_share_is_one(telemetry: Any, http2_origin: Any) -> None:
    options: dict[str, Any] = {"verify": http2_origin.ca_pem, "plugins": [telemetry.plugin(opt_in=[OPEN])]}
    async with hyperhttp.Client(**options) as client:
        responses = await asyncio.gather(*[client.get(f"{http2_origin.https_url}/bytes/5000000") for _ in range(3)])
        assert counts(telemetry)["active"] == 1
        await asyncio.gather(*[response.aread() for response in responses])
        assert counts(telemetry) == {"active": 0, "idle": 1}
        await client.get(f"{http2_origin.https_url}/get", stream=False)
        assert counts(telemetry) == {"active": 0, "idle": 1}
    assert counts(telemetry) == {"active": 0, "idle": 0}
    assert {point.attributes["network.protocol.version"] for point in telemetry.points(OPEN)} == {"2"}


async def test_what_breaks_off_is_gone(face: Any, telemetry: Any, hyperhttp_scripted_server: Any) -> None:
    server = hyperhttp_scripted_server([b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"])
    async with face.client(telemetry.plugin(opt_in=[OPEN])) as client:
        with pytest.raises(hyperhttp.TransportError):
            await client.read(await client.get(server.url))
        assert counts(telemetry) == {"active": 0}


async def test_connections_of_exporters_do_not_count(face: Any, telemetry: Any, origin: Any) -> None:
    async with face.client(telemetry.plugin(opt_in=[OPEN, DURATION])) as client:
        with suppress_instrumentation():
            await client.get(f"{origin.url}/get")
        await client.get(f"{origin.url}/get")
    assert telemetry.points(OPEN) == []
    assert telemetry.points(DURATION) == []


def test_events_of_connections_that_are_not_known_are_ignored(telemetry: Any) -> None:
    settings = Settings.of({"opt_in": OPEN}, {})
    listener = ConnectionListener(settings, Switch(), telemetry.tracer_provider, telemetry.meter_provider)
    for kind in ("reused", "closed"):
        listener.connection(event(kind))
    listener.idle(event("idle"))
    assert telemetry.points(OPEN) == []


def test_a_state_is_counted_once(telemetry: Any) -> None:
    settings = Settings.of({"opt_in": OPEN}, {})
    listener = ConnectionListener(settings, Switch(), telemetry.tracer_provider, telemetry.meter_provider)
    for kind in ("opened", "reused", "reused"):
        listener.connection(event(kind))
    assert counts(telemetry) == {"active": 1}
    for _ in range(2):
        listener.idle(event("idle"))
    assert counts(telemetry) == {"active": 0, "idle": 1}


def event(kind: str) -> Any:
    return SimpleNamespace(kind=kind, id=7, host="a.example", port=443, http_version="HTTP/2")

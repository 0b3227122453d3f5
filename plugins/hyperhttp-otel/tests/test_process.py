"""Whether a client is listened to: decided when it is made, and cheaply where there is nothing to record."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from opentelemetry import metrics, trace

import hyperhttp
import hyperhttp_otel
from hyperhttp_otel import process


@pytest.fixture
def global_providers(telemetry: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The SDK as an application sets it up."""
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", telemetry.tracer_provider)
    monkeypatch.setattr(metrics._internal, "_METER_PROVIDER", telemetry.meter_provider)
    return telemetry


async def test_an_sdk_that_is_set_up_is_used_unasked(face: Any, global_providers: Any, origin: Any) -> None:
    async with face.client(hyperhttp_otel) as client:
        await client.get(f"{origin.url}/get")
    assert global_providers.span.name == "GET"
    assert len(global_providers.points("http.client.request.duration")) == 1


async def test_without_an_sdk_a_client_has_no_listener(face: Any) -> None:
    assert process.new_listener() is None
    async with face.client(hyperhttp_otel) as client:
        assert not client.raw._core._listeners.follow_calls
        assert client.raw._core._plain


def test_an_sdk_for_metrics_alone_is_enough(telemetry: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics._internal, "_METER_PROVIDER", telemetry.meter_provider)
    assert process.new_listener() is not None


@pytest.mark.parametrize(
    ("name", "value", "listens"),
    [
        ("OTEL_SDK_DISABLED", "true", False),
        ("OTEL_SDK_DISABLED", "false", True),
        ("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", "urllib3, hyperhttp", False),
        ("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", "*", False),
        ("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", "urllib3", True),
    ],
)
def test_opentelemetrys_own_switches_count(
    global_providers: Any, monkeypatch: pytest.MonkeyPatch, name: str, value: str, listens: bool
) -> None:
    monkeypatch.setenv(name, value)
    assert (process.new_listener() is not None) is listens


def test_a_wrong_variable_is_an_error_that_names_the_plugin(
    global_providers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HYPERHTTP_OTEL_OPT_IN", "everything")
    with pytest.raises(hyperhttp.PluginError, match=r"event listener 'otel' .*'everything' is none of"):
        hyperhttp.Client(plugins=[hyperhttp_otel])


async def test_who_asks_for_it_need_not_set_up_anything_before(
    face: Any, telemetry: Any, origin: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", None)
    process.instrument({})
    async with face.client(hyperhttp_otel) as client:
        await client.get(f"{origin.url}/get")
        monkeypatch.setattr(trace, "_TRACER_PROVIDER", telemetry.tracer_provider)
        await client.get(f"{origin.url}/get")
    assert len(telemetry.spans) == 1


async def test_it_can_be_turned_off_for_clients_that_are_there(face: Any, global_providers: Any, origin: Any) -> None:
    async with face.client(hyperhttp_otel) as client:
        process.uninstrument()
        await client.get(f"{origin.url}/get")
    assert process.new_listener() is None
    assert global_providers.spans == []
    assert "traceparent" not in origin.requests[-1].headers
    process.instrument({})
    assert process.new_listener() is not None


def test_options_are_checked_when_they_are_given() -> None:
    with pytest.raises(TypeError, match="unknown options"):
        process.instrument({"colour": "blue"})
    assert process.new_listener() is None


NOT_IMPORTED = """
import sys
import hyperhttp
{before}
client = hyperhttp.SyncClient(plugins=["otel"])
assert client._core._plain, "somebody listens"
imported = [name for name in sys.modules if name.startswith("opentelemetry")]
assert not imported, imported
assert "hyperhttp_otel.settings" not in sys.modules
client.close()
"""


def test_nothing_of_opentelemetry_is_imported_where_nobody_uses_it() -> None:
    subprocess.run([sys.executable, "-c", NOT_IMPORTED.format(before="")], check=True, timeout=60)


def test_the_environment_may_name_providers() -> None:
    code = NOT_IMPORTED.format(before="import os; os.environ['OTEL_PYTHON_TRACER_PROVIDER'] = 'sdk_tracer_provider'")
    done = subprocess.run([sys.executable, "-c", code], check=False, timeout=60, capture_output=True, text=True)
    assert "AssertionError: somebody listens" in done.stderr

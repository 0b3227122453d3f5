"""The package as a plugin."""

from __future__ import annotations

from importlib.metadata import entry_points, version
from typing import Any

import pytest
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.trace import NoOpTracerProvider

import hyperhttp
import hyperhttp_otel
from hyperhttp.plugins import compile_plugins, installed_plugins
from hyperhttp.testing import check_plugin
from hyperhttp_otel import OpenTelemetry
from hyperhttp_otel.connections import ConnectionListener
from hyperhttp_otel.listener import Listener
from hyperhttp_otel.plugin import listener_for
from hyperhttp_otel.process import Switch
from hyperhttp_otel.settings import Settings


def test_the_plugin_is_listed_with_its_version_and_hook() -> None:
    (info,) = [info for info in installed_plugins(check=True) if info.name == "otel"]
    assert (info.distribution, info.version) == ("hyperhttp-otel", hyperhttp_otel.__version__)
    assert version("hyperhttp-otel") == hyperhttp_otel.__version__
    assert info.hooks == ("hyperhttp_register_event_hooks",)
    assert info.error == ""


def test_there_is_an_entry_point_for_opentelemetry_instrument() -> None:
    (entry_point,) = [found for found in entry_points(group="opentelemetry_instrumentor") if found.name == "hyperhttp"]
    assert entry_point.load() is hyperhttp_otel.HyperHTTPInstrumentor


def test_there_is_no_other_name() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Telemetry'"):
        _ = hyperhttp_otel.Telemetry


def test_an_object_has_options_and_they_are_checked_at_once() -> None:
    with pytest.raises(TypeError, match="unknown options"):
        OpenTelemetry(colour="blue")
    with pytest.raises(ValueError, match="opt_in"):
        OpenTelemetry(opt_in=["nothing"])


def test_each_client_has_a_listener_of_its_own(telemetry: Any) -> None:
    compiled = compile_plugins([telemetry.plugin()])
    first, second = compiled.create_listeners(), compiled.create_listeners()
    assert first.finish[0].__self__ is not second.finish[0].__self__
    assert compiled.plugins == ("otel",)


def test_connections_are_listened_to_only_for_their_metrics(telemetry: Any) -> None:
    plain = compile_plugins([telemetry.plugin()]).create_listeners()
    assert (plain.connection, plain.idle, plain.error) == ((), (), ())
    counting = compile_plugins([telemetry.plugin(opt_in="http.client.open_connections")]).create_listeners()
    assert len(counting.connection) == len(counting.idle) == 1


@pytest.mark.parametrize(
    ("opt_in", "kind"),
    [
        ("", Listener),
        ("http.client.active_requests", Listener),
        ("http.client.connection.duration", ConnectionListener),
        ("*", ConnectionListener),
    ],
)
def test_a_listener_is_as_large_as_it_must_be(telemetry: Any, opt_in: str, kind: type[Listener]) -> None:
    settings = Settings.of({"opt_in": opt_in, "tracer_provider": telemetry.tracer_provider}, {})
    assert type(listener_for(settings, Switch(), wanted=False)) is kind


def test_providers_that_record_nothing_are_no_reason_to_listen() -> None:
    settings = Settings(tracer_provider=NoOpTracerProvider(), meter_provider=NoOpMeterProvider())
    assert listener_for(settings, Switch(), wanted=False) is None
    assert listener_for(settings, Switch(), wanted=True) is not None


def test_two_of_them_are_a_collision(telemetry: Any) -> None:
    with pytest.raises(hyperhttp.PluginError, match="'otel'"):
        hyperhttp.Client(plugins=[telemetry.plugin(), hyperhttp_otel])


def test_it_is_well_formed(telemetry: Any) -> None:
    assert check_plugin(hyperhttp_otel).listener_sources
    assert check_plugin(telemetry.plugin(opt_in="*")).listener_sources

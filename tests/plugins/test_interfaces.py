import subprocess
import sys

import pytest

from hyperhttp import plugins
from hyperhttp.plugins import interfaces

LAZY = """
import sys
import hyperhttp.plugins as plugins

assert not {"pluggy", "importlib.metadata", "hyperhttp.plugins.hookspecs"} & set(sys.modules)
plugins.ContentCoding, plugins.DecodingError, plugins.compile_plugins
assert "pluggy" not in sys.modules
plugins.hookimpl
assert "pluggy" in sys.modules
"""

EAGER = """
import sys
import hyperhttp

unwanted = {"pluggy", "importlib.metadata", "brotli", "zstandard", "hyperhttp_brotli", "hyperhttp_zstd", "socksio"}
loaded = unwanted & set(sys.modules)
assert not loaded, loaded
"""


@pytest.mark.parametrize("code", [LAZY, EAGER], ids=["hyperhttp.plugins", "hyperhttp"])
def test_importing_loads_no_plugin_and_no_plugin_machinery(code):
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)


@pytest.mark.parametrize("name", sorted(plugins.__all__))
def test_each_public_name_can_be_had(name):
    assert getattr(plugins, name) is not None
    assert name in dir(plugins)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'hookimp'"):
        plugins.hookimp  # noqa: B018
    with pytest.raises(AttributeError, match="has no attribute 'hookimp'"):
        interfaces.hookimp  # noqa: B018


def test_each_interface_is_reachable_from_the_package():
    assert set(interfaces.__all__) <= set(plugins.__all__)
    assert all(getattr(plugins, name) is getattr(interfaces, name) for name in interfaces.__all__)


@pytest.mark.parametrize("event", ["request", "response", "error", "retry", "redirect", "connection", "close"])
def test_an_event_listener_has_a_method_for_each_event_that_does_nothing(event):
    method = getattr(interfaces.EventListener(), event)
    arguments = [None] * method.__code__.co_argcount

    assert method(*arguments[1:]) is None

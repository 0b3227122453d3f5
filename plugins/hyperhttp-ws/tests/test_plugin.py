import subprocess
import sys
from importlib.metadata import version

import pytest

import hyperhttp
import hyperhttp_ws
from hyperhttp.plugins import PluginError, PluginManager, installed_plugins


def test_the_plugin_is_listed_with_its_version_and_hook():
    (info,) = [info for info in installed_plugins(check=True) if info.name == "ws"]

    assert (info.distribution, info.version) == ("hyperhttp-ws", hyperhttp_ws.__version__)
    assert version("hyperhttp-ws") == hyperhttp_ws.__version__
    assert info.hooks == ("hyperhttp_register_commands",)
    assert info.error == ""


def test_it_brings_a_command():
    compiled = PluginManager(environ={}).compile(["ws"])

    assert "WebSocket" in compiled.commands["ws"].help
    with pytest.raises(SystemExit):
        compiled.commands["ws"].run(["--help"])


def test_wsproto_is_not_imported_before_it_is_needed():
    code = """
import sys
import hyperhttp
client = hyperhttp.SyncClient()
assert "wsproto" not in sys.modules
hyperhttp.WebSocket
assert "wsproto" in sys.modules or "hyperhttp_ws.sockets" in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)


def test_a_missing_package_is_an_error_that_names_it(monkeypatch):
    monkeypatch.setattr(hyperhttp_ws, "find_spec", lambda name: None)

    with pytest.raises(PluginError, match=r"hyperhttp-ws .*No module named 'wsproto'"):
        PluginManager(environ={}).compile(["ws"])


def test_the_core_gives_it_out():
    assert hyperhttp.WebSocket is hyperhttp_ws.WebSocket


@pytest.mark.parametrize("name", sorted(set(hyperhttp_ws.__all__)))
def test_each_name_is_there(name):
    assert getattr(hyperhttp_ws, name) is not None
    assert name in dir(hyperhttp_ws)


def test_there_is_no_other_name():
    with pytest.raises(AttributeError, match="mystery"):
        hyperhttp_ws.mystery  # noqa: B018

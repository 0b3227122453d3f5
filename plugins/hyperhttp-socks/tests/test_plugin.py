import subprocess
import sys
from importlib.metadata import version

import pytest

import hyperhttp
import hyperhttp_socks
from hyperhttp.plugins import PluginError, PluginManager, installed_plugins


@pytest.mark.parametrize(
    ("scheme", "number", "local"),
    [("socks4", 4, True), ("socks4a", 4, False), ("socks5", 5, True), ("socks5h", 5, False)],
)
def test_each_scheme_has_its_connector(scheme, number, local):
    connector = PluginManager(environ={}).compile(["socks"]).proxy_connectors[scheme]

    assert (connector.version, connector.resolves_locally) == (number, local)


def test_the_plugin_is_listed_with_its_version_and_hook():
    (info,) = [info for info in installed_plugins(check=True) if info.name == "socks"]

    assert (info.distribution, info.version) == ("hyperhttp-socks", hyperhttp_socks.__version__)
    assert version("hyperhttp-socks") == hyperhttp_socks.__version__
    assert info.hooks == ("hyperhttp_register_proxies",)
    assert info.error == ""


def test_the_package_is_not_imported_before_it_is_needed():
    code = """
import sys
import hyperhttp
from hyperhttp.plugins import PluginManager

compiled = PluginManager().compile(["socks"])
client = hyperhttp.SyncClient(plugins=["socks"], proxies="socks5://127.0.0.1")
assert "socksio" not in sys.modules
compiled.proxy_connectors["socks5"].handshake(hyperhttp.URL("socks5://proxy"), "target", 80)
assert "socksio" in sys.modules
client.close()
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)


def test_a_missing_package_is_an_error_that_names_it(monkeypatch):
    monkeypatch.setattr(hyperhttp_socks, "find_spec", lambda name: None)

    with pytest.raises(PluginError, match=r"hyperhttp-socks .*No module named 'socksio'"):
        PluginManager(environ={}).compile(["socks"])


@pytest.mark.parametrize("scheme", ["socks4", "socks4a", "socks5", "socks5h"])
def test_without_the_plugin_a_client_says_what_to_install(scheme):
    with pytest.raises(hyperhttp.ProxyError, match=rf"^{scheme}:// .*pip install 'hyperhttp\[socks\]'"):
        hyperhttp.SyncClient(plugins=[], proxies=f"{scheme}://user:hunter2@127.0.0.1")

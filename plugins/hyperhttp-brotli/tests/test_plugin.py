import subprocess
import sys
from importlib.metadata import version

import pytest

import hyperhttp_brotli
from hyperhttp.plugins import PluginError, PluginManager, installed_plugins


def test_the_coding_is_offered_and_has_a_decoder():
    compiled = PluginManager(environ={}).compile(["brotli"])

    assert compiled.plugins == ("brotli",)
    assert compiled.accept_encoding.split(", ")[-1] == "br"
    assert compiled.content_codings["br"].decoder().decode(b"", 1) == b""


def test_the_plugin_is_listed_with_its_version_and_hook():
    (info,) = [info for info in installed_plugins(check=True) if info.name == "brotli"]

    assert (info.distribution, info.version) == ("hyperhttp-brotli", hyperhttp_brotli.__version__)
    assert version("hyperhttp-brotli") == hyperhttp_brotli.__version__
    assert info.hooks == ("hyperhttp_register_decoders",)
    assert info.error == ""


def test_the_package_is_not_imported_before_it_is_needed():
    code = """
import sys
from hyperhttp.plugins import PluginManager

compiled = PluginManager().compile(["brotli"])
assert "brotli" not in sys.modules
compiled.content_codings["br"].decoder()
assert "brotli" in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)


def test_a_missing_package_is_an_error_that_names_it(monkeypatch):
    monkeypatch.setattr(hyperhttp_brotli, "find_spec", lambda name: None)

    with pytest.raises(PluginError, match=r"hyperhttp-brotli .*No module named 'brotli'"):
        PluginManager(environ={}).compile(["brotli"])

import subprocess
import sys
from importlib.metadata import version

import pytest

import hyperhttp_zstd
from hyperhttp.plugins import PluginError, PluginManager, installed_plugins


def test_the_coding_is_offered_and_has_a_decoder():
    compiled = PluginManager(environ={}).compile(["zstd"])

    assert compiled.plugins == ("zstd",)
    assert compiled.accept_encoding.split(", ")[-1] == "zstd"
    assert compiled.content_codings["zstd"].decoder().decode(b"", 1) == b""


def test_the_plugin_is_listed_with_its_version_and_hook():
    (info,) = [info for info in installed_plugins(check=True) if info.name == "zstd"]

    assert (info.distribution, info.version) == ("hyperhttp-zstd", hyperhttp_zstd.__version__)
    assert version("hyperhttp-zstd") == hyperhttp_zstd.__version__
    assert info.hooks == ("hyperhttp_register_decoders",)
    assert info.error == ""


def test_the_package_is_not_imported_before_it_is_needed():
    code = """
import sys
from hyperhttp.plugins import PluginManager

compiled = PluginManager().compile(["zstd"])
assert "zstandard" not in sys.modules
compiled.content_codings["zstd"].decoder()
assert "zstandard" in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)


def test_a_missing_package_is_an_error_that_names_it(monkeypatch):
    monkeypatch.setattr(hyperhttp_zstd, "find_spec", lambda name: None)

    with pytest.raises(PluginError, match=r"hyperhttp-zstd .*No module named 'zstandard'"):
        PluginManager(environ={}).compile(["zstd"])

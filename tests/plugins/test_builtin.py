import gzip
import zlib

import pytest

from hyperhttp.plugins import PluginManager, builtin


def test_the_core_decodes_gzip_and_deflate_without_any_plugin():
    compiled = PluginManager(environ={}).compile([])

    assert compiled.plugins == ()
    assert compiled.accept_encoding == "gzip, deflate"


@pytest.mark.parametrize(
    ("name", "data"),
    [("gzip", gzip.compress(b"x")), ("x-gzip", gzip.compress(b"x")), ("deflate", zlib.compress(b"x"))],
)
def test_each_coding_of_the_core_comes_in_through_the_hook(name, data):
    coding = PluginManager(environ={}).compile([]).content_codings[name]
    decoder = coding.decoder()

    assert decoder.decode(data, 100) == b"x"
    decoder.finish()


def test_every_function_of_the_module_is_a_hook():
    hooks = [name for name in builtin.__all__ if name.startswith("hyperhttp_register_")]

    assert hooks
    assert all(hasattr(getattr(builtin, hook), "hyperhttp_impl") for hook in hooks)

import gzip
import zlib

import pytest

from hyperhttp.auth.basic import BasicAuth
from hyperhttp.auth.bearer import BearerAuth
from hyperhttp.auth.challenge import Challenge
from hyperhttp.network.resolver import SystemResolver
from hyperhttp.plugins import PluginManager, builtin, hookspecs


def test_the_core_decodes_gzip_and_deflate_without_any_plugin():
    compiled = PluginManager(environ={}).compile([])

    assert compiled.plugins == ()
    assert compiled.accept_encoding == "gzip, deflate"


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("gzip", gzip.compress(b"x", mtime=0)),
        ("x-gzip", gzip.compress(b"x", mtime=0)),
        ("deflate", zlib.compress(b"x")),
    ],
)
def test_each_coding_of_the_core_comes_in_through_the_hook(name, data):
    coding = PluginManager(environ={}).compile([]).content_codings[name]
    decoder = coding.decoder()

    assert decoder.decode(data, 100) == b"x"
    decoder.finish()


@pytest.mark.parametrize(("scheme", "tls", "port"), [("http", False, 80), ("https", True, 443)])
def test_http_proxies_come_in_through_the_hook(scheme, tls, port):
    connector = PluginManager(environ={}).compile([]).proxy_connectors[scheme]

    assert (connector.tls, connector.default_port, connector.forwards) == (tls, port, True)


def test_the_system_resolver_is_the_default():
    compiled = PluginManager(environ={}).compile([])

    assert compiled.default_resolver == "system"
    assert compiled.resolvers["system"] is SystemResolver


@pytest.mark.parametrize(
    ("name", "credentials", "kind"), [("basic", "user:pass:word", BasicAuth), ("bearer", "token", BearerAuth)]
)
def test_auth_schemes_are_made_from_credentials_and_answer_challenges(name, credentials, kind):
    scheme = PluginManager(environ={}).compile([]).auth_schemes[name]

    assert isinstance(scheme.factory(credentials), kind)
    assert isinstance(scheme.answer(None, credentials), kind)


@pytest.mark.parametrize(
    ("name", "credentials"), [("basic", "token"), ("bearer", "user:pass"), ("bearer", "two words"), ("digest", "token")]
)
def test_credentials_of_another_form_are_no_answer(name, credentials):
    scheme = PluginManager(environ={}).compile([]).auth_schemes[name]

    assert scheme.answer(Challenge(name, None, {"realm": "r", "nonce": "n", "qop": "auth"}), credentials) is None


def test_every_function_of_the_module_is_a_hook():
    hooks = [name for name in builtin.__all__ if name.startswith("hyperhttp_register_")]

    assert hooks
    assert set(hooks) <= set(hookspecs.__all__)
    assert all(hasattr(getattr(builtin, hook), "hyperhttp_impl") for hook in hooks)

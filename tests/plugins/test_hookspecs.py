import inspect
import re
import textwrap
import types

import pluggy
import pytest

from hyperhttp.plugins import PluginManager, hookspecs
from hyperhttp.plugins.registry import Registries

HOOKS = [name for name in dir(hookspecs) if name.startswith(hookspecs.HOOK_PREFIX)]


def example_of(hook):
    """The plugin that a hook's docstring shows, executed as a module."""
    text = inspect.getdoc(getattr(hookspecs, hook))
    code = textwrap.dedent(text.partition("Example::\n")[2])
    module = types.ModuleType(f"example_of_{hook}")
    exec(compile(code, hook, "exec"), module.__dict__)
    return module


def test_the_hooks_are_those_of_the_contract():
    assert HOOKS == [
        "hyperhttp_register_auth_schemes",
        "hyperhttp_register_commands",
        "hyperhttp_register_decoders",
        "hyperhttp_register_event_hooks",
        "hyperhttp_register_json_codecs",
        "hyperhttp_register_proxies",
        "hyperhttp_register_resolvers",
        "hyperhttp_register_transports",
    ]


def test_pluggy_knows_each_of_them():
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)

    assert all(getattr(manager.hook, hook).has_spec() for hook in HOOKS)


@pytest.mark.parametrize("hook", HOOKS)
def test_each_hook_gets_the_registry_it_is_named_after(hook):
    (argument,) = inspect.signature(getattr(hookspecs, hook)).parameters.values()
    registry = Registries().by_argument()[argument.name]

    assert hook == hookspecs.HOOK_PREFIX + argument.name
    assert argument.annotation == type(registry).__name__


def test_each_registry_has_a_hook():
    assert sorted(hookspecs.HOOK_PREFIX + argument for argument in Registries().by_argument()) == HOOKS


@pytest.mark.parametrize("hook", HOOKS)
def test_the_docstring_of_each_hook_is_a_contract(hook):
    text = inspect.getdoc(getattr(hookspecs, hook))

    assert re.match(r"Add [^\n]+\.\n\n", text)
    assert "\nArgs:\n" in text
    assert "@hookimpl" in text


@pytest.mark.parametrize("hook", HOOKS)
def test_the_example_of_each_hook_is_a_plugin_that_works(hook):
    compiled = PluginManager(environ={}).compile([example_of(hook)])

    registered = {
        "hyperhttp_register_decoders": "rot13" in compiled.content_codings,
        "hyperhttp_register_auth_schemes": "apikey" in compiled.auth_schemes,
        "hyperhttp_register_proxies": "line" in compiled.proxy_connectors,
        "hyperhttp_register_resolvers": "hosts" in compiled.resolvers,
        "hyperhttp_register_event_hooks": bool(compiled.create_listeners().request),
        "hyperhttp_register_transports": len(compiled.transports) == 2,
        "hyperhttp_register_json_codecs": "sorted" in compiled.json_codecs,
        "hyperhttp_register_commands": "greet" in compiled.commands,
    }
    assert [name for name, added in registered.items() if added] == [hook]


def test_the_example_decoder_decodes():
    compiled = PluginManager(environ={}).compile([example_of("hyperhttp_register_decoders")])
    decoder = compiled.content_codings["rot13"].decoder()

    assert decoder.decode(b"uryyb", 3) == b"hel"
    assert decoder.pending
    assert decoder.decode(b"", 3) == b"lo"
    decoder.finish()


def test_the_example_connector_speaks_to_its_proxy():
    compiled = PluginManager(environ={}).compile([example_of("hyperhttp_register_proxies")])
    handshake = compiled.proxy_connectors["line"].handshake(None, "example.org", 443)

    assert next(handshake) == b"OPEN example.org 443\r\n"
    assert handshake.send(b"O") == b""
    with pytest.raises(StopIteration) as stopped:
        handshake.send(b"K\nrest")
    assert stopped.value.value == b"rest"


def test_the_marker_is_the_one_pluggy_looks_for():
    @hookspecs.hookimpl
    def hyperhttp_register_decoders():
        pass

    plugin = types.SimpleNamespace(hyperhttp_register_decoders=hyperhttp_register_decoders)
    manager = pluggy.PluginManager(hookspecs.PROJECT)

    assert manager.parse_hookimpl_opts(plugin, "hyperhttp_register_decoders") is not None

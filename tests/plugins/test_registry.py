import types

import pytest

from hyperhttp.exceptions import PluginError
from hyperhttp.message.coding import GZIP, ContentCoding
from hyperhttp.plugins.registry import BUILTIN, Registries


def factory(*arguments):
    return None


def codec(name="json"):
    return types.SimpleNamespace(name=name, dumps=factory, loads=factory)


def connector(**changes):
    members = {
        "default_port": 1080,
        "tls": False,
        "resolves_locally": True,
        "forwards": False,
        "handshake": factory,
    }
    return types.SimpleNamespace(**{**members, **changes})


def coding(name, **options):
    return ContentCoding(name, factory, **options)


def add_coding(registries, name, **options):
    registries.decoders.add(coding(name), **options)


def add_connector(registries, name, **options):
    registries.proxies.add(name, connector(), **options)


def add_mount(registries, name, **options):
    registries.transports.add(f"{name}://", factory, **options)


def add_command(registries, name, **options):
    registries.commands.add(name, factory, help="", **options)


def add_codec(registries, name, **options):
    registries.json_codecs.add(codec(name), **options)


KINDS = {
    "content coding": (add_coding, "decoders"),
    "auth scheme": (
        lambda registries, *a, **k: registries.auth_schemes.add(*a, factory, **k),
        "auth_schemes",
    ),
    "proxy scheme": (add_connector, "proxies"),
    "proxy selector": (
        lambda registries, *a, **k: registries.proxies.add_selector(*a, factory, **k),
        "proxies",
    ),
    "resolver": (lambda registries, *a, **k: registries.resolvers.add(*a, factory, **k), "resolvers"),
    "event listener": (
        lambda registries, *a, **k: registries.event_hooks.add(*a, factory, **k),
        "event_hooks",
    ),
    "transport": (add_mount, "transports"),
    "JSON codec": (add_codec, "json_codecs"),
    "command": (add_command, "commands"),
}

every_kind = pytest.mark.parametrize(("kind", "add", "attribute"), [(kind, *rest) for kind, rest in KINDS.items()])


@every_kind
def test_a_name_that_is_taken_is_an_error_that_names_who_has_it(kind, add, attribute):
    registries = Registries()
    registry = getattr(registries, attribute)
    registry.open_for("plugin 'first' (one 1.0)")
    add(registries, "name")
    registry.open_for("plugin 'second' (two 2.0)")

    with pytest.raises(PluginError, match=rf"{kind} 'name.* already registered by plugin 'first' \(one 1.0\)"):
        add(registries, "name")


@every_kind
def test_an_entry_may_be_replaced_by_who_says_so(kind, add, attribute):
    registries = Registries()
    registry = getattr(registries, attribute)
    add(registries, "name")
    registry.open_for("plugin 'second'")

    add(registries, "name", replace=True)

    with pytest.raises(PluginError, match="already registered by plugin 'second'"):
        add(registries, "name")


@every_kind
def test_an_entry_after_the_registries_were_compiled_is_an_error(kind, add, attribute):
    registries = Registries()
    registries.compile([])

    with pytest.raises(PluginError, match=f"{kind} 'name.* comes too late"):
        add(registries, "name")


@every_kind
@pytest.mark.parametrize("name", ["", "a b", "naïve", "a\r\nb", "a/b", "1:2"])
def test_a_name_that_cannot_be_one_is_an_error(kind, add, attribute, name):
    with pytest.raises(PluginError, match=r"cannot name a|is no mount"):
        add(Registries(), name)


@every_kind
def test_what_was_compiled_cannot_be_changed(kind, add, attribute):
    registries = Registries()
    add(registries, "name")
    compiled = registries.compile(["plugin"])

    tables = [getattr(compiled, name) for name in compiled.__slots__]
    assert not any(isinstance(table, (dict, list, set)) for table in tables)
    with pytest.raises(AttributeError):
        compiled.plugins = ()


def test_codings_are_found_by_name_and_alias_in_lower_case():
    registries = Registries()
    gzip = coding("GZIP", aliases=("X-GZip",))
    registries.decoders.add(gzip)

    assert dict(registries.compile([]).content_codings) == {"gzip": gzip, "x-gzip": gzip}


def test_codings_are_offered_in_the_order_of_adding_unless_they_do_not_want_to():
    registries = Registries()
    for each in (coding("a", aliases=("x-a",)), coding("b", accept=False), coding("c")):
        registries.decoders.add(each)

    assert registries.compile([]).accept_encoding == "a, c"


def test_an_alias_that_is_the_name_of_another_coding_is_an_error():
    registries = Registries()
    registries.decoders.add(GZIP)

    with pytest.raises(PluginError, match=f"content coding 'gzip' is already registered by {BUILTIN}"):
        registries.decoders.add(coding("zip", aliases=("gzip",)))


@pytest.mark.parametrize("name", ["identity", "Identity", "*"])
def test_names_with_another_meaning_in_accept_encoding_are_errors(name):
    with pytest.raises(PluginError, match="mean something else"):
        Registries().decoders.add(coding(name))


@pytest.mark.parametrize("value", [None, "br", object(), ("br", factory)])
def test_what_is_no_content_coding_is_an_error(value):
    with pytest.raises(PluginError, match="a ContentCoding is needed"):
        Registries().decoders.add(value)


@pytest.mark.parametrize(
    "add",
    [
        lambda registries: registries.decoders.add(ContentCoding("br", None)),
        lambda registries: registries.auth_schemes.add("name", "secret"),
        lambda registries: registries.auth_schemes.add("name", factory, answer="secret"),
        lambda registries: registries.proxies.add_selector("name", object()),
        lambda registries: registries.resolvers.add("name", 1),
        lambda registries: registries.event_hooks.add("name", types.SimpleNamespace(request=factory)),
        lambda registries: registries.transports.add("name://", None),
        lambda registries: registries.commands.add("name", None, help=""),
    ],
)
def test_what_cannot_be_called_is_an_error_that_does_not_show_the_value(add):
    with pytest.raises(PluginError, match="must be callable") as caught:
        add(Registries())
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("name", ["any", "Any"])
def test_no_auth_scheme_has_the_name_that_stands_for_all(name):
    with pytest.raises(PluginError, match="'any' cannot name an auth scheme"):
        Registries().auth_schemes.add(name, list)


def test_an_auth_scheme_keeps_what_it_was_added_with():
    registries = Registries()
    registries.auth_schemes.add("Negotiate", factory, answer=print, strength=20)

    scheme = registries.compile([]).auth_schemes["negotiate"]

    assert (scheme.name, scheme.factory, scheme.answer, scheme.strength) == ("negotiate", factory, print, 20)


@pytest.mark.parametrize("member", ["default_port", "tls", "resolves_locally", "forwards", "handshake"])
def test_a_connector_that_lacks_a_member_is_an_error(member):
    lame = connector()
    delattr(lame, member)

    with pytest.raises(PluginError, match=f"lacks {member}"):
        Registries().proxies.add("socks5", lame)


def test_connectors_and_selectors_are_kept_apart():
    registries = Registries()
    socks = connector()
    registries.proxies.add("SOCKS5", socks)
    registries.proxies.add_selector("socks5", factory)

    compiled = registries.compile([])

    assert dict(compiled.proxy_connectors) == {"socks5": socks}
    assert dict(compiled.proxy_selectors) == {"socks5": factory}


@pytest.mark.parametrize("member", ["name", "dumps", "loads"])
def test_a_json_codec_that_lacks_a_member_is_an_error(member):
    lame = codec()
    delattr(lame, member)

    with pytest.raises(PluginError, match=f"lacks {member}"):
        Registries().json_codecs.add(lame)


def test_without_a_default_there_is_none():
    registries = Registries()
    add_codec(registries, "json")
    registries.resolvers.add("doh", factory)

    compiled = registries.compile([])

    assert (compiled.json_codec, compiled.default_resolver) == (None, None)


def test_a_default_of_the_core_gives_way_to_that_of_a_plugin():
    registries = Registries()
    registries.resolvers.add("system", factory, default=True)
    registries.resolvers.open_for("plugin 'doh'")
    registries.resolvers.add("doh", factory, default=True)

    compiled = registries.compile([])

    assert compiled.default_resolver == "doh"
    assert set(compiled.resolvers) == {"system", "doh"}


def test_two_plugins_that_both_want_to_be_the_default_are_an_error_that_names_the_first():
    registries = Registries()
    registries.json_codecs.open_for("plugin 'first'")
    add_codec(registries, "one", default=True)
    registries.json_codecs.open_for("plugin 'second'")

    with pytest.raises(PluginError, match="'one' by plugin 'first' already is"):
        add_codec(registries, "two", default=True)


def test_a_default_may_be_taken_over_by_who_says_so():
    registries = Registries()
    registries.json_codecs.open_for("plugin 'first'")
    add_codec(registries, "one", default=True)
    add_codec(registries, "two", default=True, replace=True)

    compiled = registries.compile([])

    assert compiled.json_codec is compiled.json_codecs["two"]


@pytest.mark.parametrize(
    "pattern",
    [
        "http",
        "://host",
        "all://*.*.test",
        "all://a*b",
        "http://host:port",
        "http://:80",
        "h://a/b",
        None,
    ],
)
def test_a_pattern_that_is_no_mount_is_an_error(pattern):
    with pytest.raises(PluginError, match="is no mount"):
        Registries().transports.add(pattern, factory)


@pytest.mark.parametrize("pattern", ["http://", "https://", "ALL://"])
def test_taking_every_request_from_the_core_needs_a_clear_word(pattern):
    registries = Registries()
    with pytest.raises(PluginError, match="would take every request"):
        registries.transports.add(pattern, factory)

    registries.transports.add(pattern, factory, replace=True)


def test_the_most_precise_mount_comes_first():
    registries = Registries()
    patterns = [
        "x://",
        "all://*.test",
        "x://*.test",
        "all://*.a.test",
        "all://b.test",
        "x://b.test",
        "x://b.test:1",
    ]
    for pattern in patterns:
        registries.transports.add(pattern, factory)

    mounts = registries.compile([]).transports

    found = [f"{mount.scheme}://{mount.host}" + (f":{mount.port}" if mount.port else "") for mount in mounts]
    assert found == [
        "x://b.test:1", "x://b.test", "all://b.test", "all://*.a.test", "x://*.test", "all://*.test", "x://"
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["demo", "help", "plugins", "version", "Demo"])
def test_the_commands_of_the_core_are_its_own(name):
    with pytest.raises(PluginError, match=r"belongs to the core|cannot name a command"):
        add_command(Registries(), name, replace=True)


def test_commands_are_sorted():
    registries = Registries()
    for name in ("b", "a", "c-d"):
        add_command(registries, name)

    assert list(registries.compile([]).commands) == ["a", "b", "c-d"]

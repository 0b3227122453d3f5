import os
import subprocess
import sys
import textwrap
import time
import types
from importlib.metadata import distributions

import pytest

from hyperhttp._version import __version__
from hyperhttp.exceptions import PluginError
from hyperhttp.plugins import PluginInfo, PluginManager, hookimpl
from hyperhttp.plugins.manager import ALLOW, DISABLE

CODING = """
from hyperhttp.plugins import ContentCoding, hookimpl

asked = []

@hookimpl
def hyperhttp_register_decoders(decoders):
    asked.append(decoders)
    decoders.add(ContentCoding("{name}", object, aliases={aliases}), replace={replace})
"""


class Site:
    """A directory with installed distributions, and a manager that sees only those."""

    def __init__(self, path):
        self.path = path
        self.environ = {}
        self.scans = 0
        self.manager = PluginManager(entry_points=self.entry_points, environ=self.environ)

    def entry_points(self):
        self.scans += 1
        found = [each for dist in distributions(path=[str(self.path)]) for each in dist.entry_points]
        return [each for each in found if each.group == "hyperhttp"]

    def install(self, name, code, *, distribution=None, version="1.0", attribute=""):
        """Install a plugin of that name, whose module holds `code`."""
        distribution = distribution or f"hyperhttp-{name}"
        module = f"plugin_{self.path.name}_{distribution}_{name}".replace("-", "_").replace(".", "_")
        (self.path / f"{module}.py").write_text(textwrap.dedent(code))
        info = self.path / f"{distribution.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
        target = module + (f":{attribute}" if attribute else "")
        (info / "entry_points.txt").write_text(f"[hyperhttp]\n{name} = {target}\n[other]\nx = nowhere\n")
        return module

    def install_coding(self, name, *, aliases=(), replace=False, **options):
        return self.install(name, CODING.format(name=name, aliases=aliases, replace=replace), **options)


@pytest.fixture
def site(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)
    yield Site(tmp_path)
    for name in set(sys.modules) - before:
        del sys.modules[name]


def coding_plugin(name, **attributes):
    from hyperhttp.plugins import ContentCoding

    @hookimpl
    def hyperhttp_register_decoders(decoders):
        decoders.add(ContentCoding(name, object))

    return types.SimpleNamespace(hyperhttp_register_decoders=hyperhttp_register_decoders, **attributes)


class Counting:
    def __init__(self):
        self.calls = []

    @hookimpl
    def hyperhttp_register_decoders(self, decoders):
        self.calls.append("decoders")

    @hookimpl
    def hyperhttp_register_commands(self):
        self.calls.append("commands")


# Selection


def test_every_installed_plugin_is_used_in_the_order_of_names(site):
    site.install_coding("b")
    site.install_coding("a")

    compiled = site.manager.compile()

    assert compiled.plugins == ("a", "b")
    assert compiled.accept_encoding == "gzip, deflate, a, b"


@pytest.mark.parametrize(
    ("environ", "used"),
    [
        ({}, ("a", "b", "c")),
        ({DISABLE: "a"}, ("b", "c")),
        ({DISABLE: " A , hyperhttp_b ,, unknown"}, ("c",)),
        ({DISABLE: ""}, ("a", "b", "c")),
        ({ALLOW: "b"}, ("b",)),
        ({ALLOW: "Hyperhttp-B,unknown"}, ("b",)),
        ({ALLOW: ""}, ()),
        ({ALLOW: "a,b", DISABLE: "b"}, ("a",)),
    ],
)
def test_the_environment_chooses_among_installed_plugins(site, environ, used):
    for name in "abc":
        site.install_coding(name)
    site.environ.update(environ)

    assert site.manager.compile().plugins == used


def test_a_plugin_that_is_switched_off_is_not_even_imported(site):
    site.install("broken", "raise RuntimeError('imported')")
    site.environ[DISABLE] = "broken"

    assert site.manager.compile().plugins == ()


def test_the_environment_is_read_again_for_each_client(site):
    site.install_coding("a")
    assert site.manager.compile().plugins == ("a",)

    site.environ[DISABLE] = "a"

    assert site.manager.compile().plugins == ()


@pytest.mark.parametrize("names", [["b", "a"], ["hyperhttp-b", "A"], ["b", "b", "hyperhttp_b", "a"]])
def test_plugins_are_picked_by_name_in_the_order_given(site, names):
    for name in "abc":
        site.install_coding(name)

    assert site.manager.compile(names).plugins == ("b", "a")


def test_the_environment_has_no_say_in_plugins_picked_by_name(site):
    site.install_coding("a")
    site.environ.update({DISABLE: "a", ALLOW: ""})

    assert site.manager.compile(["a"]).plugins == ("a",)


def test_no_plugin_is_used_when_none_is_picked(site):
    site.install("broken", "raise RuntimeError")

    assert site.manager.compile([]).plugins == ()
    assert site.scans == 0


def test_plugins_are_picked_as_objects(site):
    site.install("broken", "raise RuntimeError")

    compiled = site.manager.compile([coding_plugin("one", __name__="first"), Counting()])

    assert compiled.plugins == ("first", "Counting")
    assert compiled.accept_encoding == "gzip, deflate, one"


def test_names_and_objects_may_be_mixed_and_repeated(site):
    module = site.install_coding("a")
    site.manager.compile(["a"])
    plugin = coding_plugin("one")

    compiled = site.manager.compile(iter([plugin, "a", sys.modules[module], plugin]))

    assert compiled.accept_encoding == "gzip, deflate, one, a"
    assert compiled.plugins == ("SimpleNamespace", "a")


def test_two_objects_of_one_class_are_two_plugins(site):
    first, second = Counting(), Counting()

    site.manager.compile([first, second])

    assert first.calls == second.calls == ["decoders", "commands"]


def test_an_object_that_cannot_be_hashed_is_a_plugin_too(site):
    class Unhashable(Counting):
        __hash__ = None

    plugin = Unhashable()
    site.manager.compile([plugin])

    assert plugin.calls == ["decoders", "commands"]


@pytest.mark.parametrize("value", ["brotli", b"brotli"])
def test_a_single_name_instead_of_a_list_is_an_error(site, value):
    with pytest.raises(TypeError, match=r"plugins=\["):
        site.manager.compile(value)


def test_a_name_that_is_not_installed_is_an_error_that_lists_those_that_are(site):
    site.install_coding("a")

    with pytest.raises(PluginError, match=r"no plugin 'b' is installed \(installed: a\)"):
        site.manager.compile(["a", "b"])


# Asking once


def test_entry_points_are_looked_up_once(site):
    site.install_coding("a")

    for plugins in (None, ["a"], [Counting()], None):
        site.manager.compile(plugins)
    site.manager.installed()

    assert site.scans == 1


def test_nothing_is_looked_up_before_the_first_use(site):
    assert site.scans == 0


def test_plugins_are_asked_once_for_a_selection(site):
    module = site.install_coding("a")

    first = site.manager.compile()

    assert all(site.manager.compile() is first for _ in range(5))
    assert len(sys.modules[module].asked) == 1
    assert site.manager.compile(["a"]) is site.manager.compile(["a"])
    assert len(sys.modules[module].asked) == 2


def test_objects_are_asked_once_for_each_client(site):
    plugin = Counting()

    for _ in range(3):
        site.manager.compile([plugin])

    assert plugin.calls == ["decoders", "commands"] * 3


def test_a_plugin_that_failed_is_asked_again(site, monkeypatch):
    site.install(
        "late",
        "import os; os.environ['HYPERHTTP_TEST_READY']\n" + CODING.format(name="a", aliases=(), replace=False),
    )
    with pytest.raises(PluginError):
        site.manager.compile()

    monkeypatch.setenv("HYPERHTTP_TEST_READY", "yes")

    assert site.manager.compile().plugins == ("late",)


def test_what_was_installed_since_is_found_after_forgetting(site):
    site.manager.compile()
    site.install_coding("new")
    assert site.manager.compile().plugins == ()

    site.manager.forget()

    assert site.manager.compile().plugins == ("new",)


def test_the_number_of_remembered_selections_is_bounded(site):
    for number in range(200):
        site.environ[DISABLE] = str(number)
        site.manager.compile()

    assert len(site.manager._compiled) <= 64


def test_a_second_client_costs_next_to_nothing(site):
    site.install_coding("a")
    site.manager.compile()
    site.manager.compile([])

    start = time.perf_counter()
    for _ in range(100):
        site.manager.compile()
        site.manager.compile([])
    assert (time.perf_counter() - start) / 100 < 0.0002


# Order


def test_the_core_is_asked_before_every_plugin(site):
    from hyperhttp.plugins import ContentCoding

    class Eager:
        @hookimpl(tryfirst=True)
        def hyperhttp_register_decoders(self, decoders):
            decoders.add(ContentCoding("gzip", dict), replace=True)

    compiled = site.manager.compile([Eager()])

    assert compiled.content_codings["gzip"].decoder is dict
    assert compiled.accept_encoding == "gzip, deflate"


def test_tryfirst_and_trylast_are_respected(site):
    order = []

    class Plugin:
        def __init__(self, name):
            self.__name__ = name

    class Normal(Plugin):
        @hookimpl
        def hyperhttp_register_commands(self):
            order.append(self.__name__)

    class First(Plugin):
        @hookimpl(tryfirst=True)
        def hyperhttp_register_commands(self):
            order.append(self.__name__)

    class Last(Plugin):
        @hookimpl(trylast=True)
        def hyperhttp_register_commands(self):
            order.append(self.__name__)

    site.manager.compile([Last("last"), Normal("a"), Normal("b"), First("first")])

    assert order == ["first", "a", "b", "last"]


# Failures

HOOK = "from hyperhttp.plugins import hookimpl\n"

BROKEN = {
    "import error": ("import no_such_module", "could not be loaded: ModuleNotFoundError: No module named"),
    "error on import": ("1 / 0", "could not be loaded: ZeroDivisionError: division by zero"),
    "syntax error": ("def", "could not be loaded: SyntaxError"),
    "newer API": (
        "HYPERHTTP_PLUGIN_API = 2",
        r"version 2 of the plugin API.*version 1; a newer version of hyperhttp",
    ),
    "older API": (
        "HYPERHTTP_PLUGIN_API = 0",
        r"version 0 of the plugin API.*version 1; a newer version of the plugin",
    ),
    "API that is no number": ("HYPERHTTP_PLUGIN_API = '1'", "a whole number is needed"),
    "no hooks": ("", "has no hooks"),
    "unknown hook": (
        HOOK + "@hookimpl\ndef hyperhttp_register_decoder(decoders): pass",
        "hook that does not fit: .*unknown hook 'hyperhttp_register_decoder'",
    ),
    "unknown argument": (
        HOOK + "@hookimpl\ndef hyperhttp_register_decoders(registry): pass",
        r"hook that does not fit: .*\{'registry'\}",
    ),
    "unmarked hook": (
        "def hyperhttp_register_decoders(decoders): pass",
        "hook that is not marked: put @hookimpl above hyperhttp_register_decoders",
    ),
    "wrapper": (
        HOOK + "@hookimpl(wrapper=True)\ndef hyperhttp_register_decoders(decoders): return (yield)",
        "hyperhttp_register_decoders must be a plain function",
    ),
    "coroutine": (
        HOOK + "@hookimpl\nasync def hyperhttp_register_decoders(decoders): pass",
        "hyperhttp_register_decoders must be a plain function",
    ),
    "generator": (
        HOOK + "@hookimpl\ndef hyperhttp_register_decoders(decoders): yield",
        "hyperhttp_register_decoders must be a plain function",
    ),
}

FAILING = {
    "error in a hook": (
        HOOK + "@hookimpl\ndef hyperhttp_register_decoders(decoders): raise KeyError('x')",
        "failed in hyperhttp_register_decoders: KeyError: 'x'",
    ),
    "wrong use of a registry": (
        HOOK + "@hookimpl\ndef hyperhttp_register_decoders(decoders): decoders.add('br')",
        "failed in hyperhttp_register_decoders: a ContentCoding is needed",
    ),
    "a hook that returns": (
        HOOK + "@hookimpl\ndef hyperhttp_register_decoders(decoders): return ['br']",
        r"returned something from hyperhttp_register_decoders: call add\(\)",
    ),
    "a coding of the core": (
        CODING.format(name="gzip", aliases=(), replace=False),
        "content coding 'gzip' is already registered by the core",
    ),
}


@pytest.mark.parametrize(("code", "reason"), (BROKEN | FAILING).values(), ids=(BROKEN | FAILING).keys())
def test_a_plugin_that_fails_is_an_error_that_says_whose_it_is_and_how_to_do_without(site, code, reason):
    site.install("bad", code, distribution="acme-http", version="3.2")

    with pytest.raises(PluginError, match=f"(?s){reason}") as caught:
        site.manager.compile()

    message = str(caught.value)
    assert message.startswith("plugin 'bad' (acme-http 3.2) ")
    assert message.endswith(f"Leave it out with {DISABLE}=bad, or choose plugins with Client(plugins=[...])")


@pytest.mark.parametrize(("code", "reason"), BROKEN.values(), ids=BROKEN.keys())
def test_a_plugin_that_was_picked_by_name_says_how_to_unpick_it(site, code, reason):
    site.install("bad", code)

    with pytest.raises(PluginError, match=r"Take 'bad' out of plugins=\[...\]"):
        site.manager.compile(["bad"])


def test_the_cause_of_a_failure_is_kept(site):
    site.install("bad", "1 / 0")

    with pytest.raises(PluginError) as caught:
        site.manager.compile()

    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_one_broken_plugin_does_not_hinder_those_who_leave_it_out(site):
    site.install("bad", "1 / 0")
    site.install_coding("good")
    site.environ[DISABLE] = "bad"

    assert site.manager.compile().plugins == ("good",)


@pytest.mark.parametrize(
    ("plugin", "reason"),
    [
        (Counting, r"Counting is a class: an instance is needed, Counting\(\)"),
        (None, "it is None"),
        (object(), "has no hooks"),
        (coding_plugin("x", HYPERHTTP_PLUGIN_API=2), "version 2 of the plugin API"),
        (coding_plugin("x", HYPERHTTP_PLUGIN_API=True), "a whole number is needed"),
    ],
    ids=["class", "None", "object", "newer API", "API that is no number"],
)
def test_an_object_that_is_no_plugin_is_an_error(site, plugin, reason):
    with pytest.raises(PluginError, match=rf"plugin '\w+' \(given as an object\) .*{reason}"):
        site.manager.compile([plugin])


def test_an_entry_point_may_lead_to_an_object_in_a_module(site):
    code = "class Plugin:\n    @hookimpl\n    def hyperhttp_register_commands(self): pass\nplugin = Plugin()"
    site.install("object", HOOK + code, attribute="plugin")
    site.install("class", HOOK + code, attribute="Plugin")

    assert site.manager.compile(["object"]).plugins == ("object",)
    with pytest.raises(PluginError, match="Plugin is a class"):
        site.manager.compile(["class"])


@pytest.mark.parametrize("stated", ["", "HYPERHTTP_PLUGIN_API = 1"])
def test_the_present_version_of_the_api_is_taken_whether_stated_or_not(site, stated):
    site.install("a", stated + CODING.format(name="a", aliases=(), replace=False))

    assert site.manager.compile().plugins == ("a",)


def test_an_optional_hook_that_is_not_known_is_let_be(site):
    code = "@hookimpl(optionalhook=True)\ndef hyperhttp_register_of_tomorrow(tomorrow): pass"
    site.install("a", HOOK + code)

    assert site.manager.compile().plugins == ("a",)


def test_a_collision_names_both_plugins(site):
    site.install_coding("one", aliases=("same",))
    site.install_coding("two", aliases=("same",), version="2.0")

    with pytest.raises(PluginError) as caught:
        site.manager.compile()

    assert str(caught.value).startswith(
        "plugin 'two' (hyperhttp-two 2.0) failed in hyperhttp_register_decoders: content coding 'same' is"
        " already registered by plugin 'one' (hyperhttp-one 1.0); add(..., replace=True) would replace it."
    )


def test_a_plugin_may_replace_what_the_core_registered(site):
    site.install_coding("gzip", replace=True)

    compiled = site.manager.compile()

    assert compiled.content_codings["gzip"].decoder is object
    assert compiled.accept_encoding == "gzip, deflate"


def test_two_distributions_with_plugins_of_one_name_are_an_error_that_names_both(site):
    site.install_coding("same", distribution="one")
    site.install_coding("same", distribution="two")

    with pytest.raises(PluginError, match=r"'same' \(one 1.0\).*'same' \(two 1.0\).*" + f"{DISABLE}=one"):
        site.manager.compile()
    assert site.manager.compile(["two"]).plugins == ("same",)


def test_a_failure_of_the_core_itself_is_called_a_defect(site, monkeypatch):
    from hyperhttp.plugins import builtin

    @hookimpl
    def hyperhttp_register_decoders(decoders):
        raise ValueError

    monkeypatch.setattr(builtin, "hyperhttp_register_decoders", hyperhttp_register_decoders)

    with pytest.raises(PluginError, match=rf"\(hyperhttp {__version__}\) failed in .* This is a defect of hyperhttp"):
        site.manager.compile([])


# Listing


def test_installed_plugins_are_listed_by_name_with_versions_and_hooks(site):
    site.install_coding("b", version="2.0")
    site.install("a", HOOK + "HYPERHTTP_PLUGIN_API = 1\n@hookimpl\ndef hyperhttp_register_commands(): pass")

    assert site.manager.installed() == (
        PluginInfo("a", "hyperhttp-a", "1.0", 1, ("hyperhttp_register_commands",), "enabled"),
        PluginInfo("b", "hyperhttp-b", "2.0", 1, ("hyperhttp_register_decoders",), "enabled"),
    )


@pytest.mark.parametrize("environ", [{DISABLE: "bad"}, {ALLOW: "good"}])
def test_a_plugin_that_is_switched_off_is_listed_with_what_did_so(site, environ):
    site.install("bad", "1 / 0")
    site.install_coding("good")
    site.environ.update(environ)

    bad, good = site.manager.installed(check=True)

    (variable,) = environ
    assert bad == PluginInfo("bad", "hyperhttp-bad", "1.0", status="disabled", disabled_by=variable)
    assert good.status == "enabled"


@pytest.mark.parametrize(("code", "reason"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_plugin_is_listed_with_its_error(site, code, reason):
    site.install("bad", code)
    site.install_coding("good")

    bad, good = site.manager.installed()

    assert (bad.status, good.status) == ("broken", "enabled")
    assert "plugin 'bad' (hyperhttp-bad 1.0)" in bad.error


@pytest.mark.parametrize(("code", "reason"), FAILING.values(), ids=FAILING.keys())
def test_a_hook_that_fails_shows_when_it_is_checked(site, code, reason):
    site.install("bad", code)

    (unchecked,) = site.manager.installed()
    (checked,) = site.manager.installed(check=True)

    assert (unchecked.status, checked.status) == ("enabled", "broken")
    assert checked.hooks == ("hyperhttp_register_decoders",)


def test_a_listener_that_cannot_be_made_shows_when_it_is_checked(site):
    hook = "@hookimpl\ndef hyperhttp_register_event_hooks(event_hooks): event_hooks.add('x', lambda: 1 / 0)"
    site.install("bad", HOOK + hook)

    (info,) = site.manager.installed(check=True)

    assert "could not be made: ZeroDivisionError" in info.error


def test_of_two_plugins_that_collide_the_second_is_listed_as_broken(site):
    site.install_coding("one", aliases=("same",))
    site.install_coding("two", aliases=("same",))

    one, two = site.manager.installed(check=True)

    assert (one.status, two.status) == ("enabled", "broken")
    assert "'one' (hyperhttp-one 1.0)" in two.error


def test_of_two_plugins_of_one_name_the_second_is_listed_as_broken(site):
    site.install_coding("same", distribution="one")
    site.install_coding("same", distribution="two")

    one, two = site.manager.installed()

    assert (one.status, two.status) == ("enabled", "broken")
    assert "has a name that is taken" in two.error


def test_a_distribution_without_metadata_is_listed_all_the_same():
    entry_point = types.SimpleNamespace(name="a", dist=None, load=lambda: coding_plugin("a"))
    manager = PluginManager(entry_points=lambda: [entry_point], environ={})

    (info,) = manager.installed()

    assert (info.distribution, info.version, info.status) == ("unknown", "unknown", "enabled")


# The process's own manager


def test_the_process_finds_installed_plugins_on_first_use(site):
    site.install_coding("a")
    code = """
    import os, sys
    from hyperhttp.plugins import compile_plugins, installed_plugins

    assert "importlib.metadata" not in sys.modules
    compile_plugins([])
    assert "importlib.metadata" not in sys.modules
    first = compile_plugins()
    assert "a" in first.content_codings and compile_plugins() is first
    assert [info.name for info in installed_plugins() if info.status == "enabled"] == ["a"]
    os.environ["HYPERHTTP_PLUGINS"] = ""
    assert compile_plugins().plugins == ()
    """
    environ = {**os.environ, "PYTHONPATH": str(site.path), ALLOW: "a"}
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True, timeout=30, env=environ)

"""Finds plugins, asks them once, and remembers the answer.

Which plugins a client has:

- ``plugins=None``: every installed one (entry-point group ``hyperhttp``), except those that
  ``HYPERHTTP_DISABLE_PLUGINS=name,...`` leaves out and, where ``HYPERHTTP_PLUGINS=name,...`` is set, only
  those that it names: set but empty, it names none.
- ``plugins=[...]``: exactly these, by name or as objects (a module, or an instance with hooks); the
  environment has no say. ``plugins=[]`` is none.

A name is that of the entry point or of the distribution. The built-in plugin is always there. Entry points
are looked up on first use, once per process; what a selection compiles to is kept too, so that a second
client of the same selection asks nobody. Whatever goes wrong is a `PluginError` that names the plugin, the
distribution it comes from and how to do without it.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

from hyperhttp._records import Record
from hyperhttp._version import __version__
from hyperhttp.exceptions import PluginError
from hyperhttp.plugins.discovery import may_have_entry_points
from hyperhttp.plugins.interfaces import HOOK_PREFIX, HYPERHTTP_PLUGIN_API, PROJECT
from hyperhttp.plugins.registry import BUILTIN, Registries

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    import pluggy

    from hyperhttp.plugins.compiled import Compiled

__all__ = ["ALLOW", "DISABLE", "PluginInfo", "PluginManager", "compile_plugins", "installed_plugins"]

ALLOW: Final = "HYPERHTTP_PLUGINS"
"""Environment variable: the only installed plugins to use."""

DISABLE: Final = "HYPERHTTP_DISABLE_PLUGINS"
"""Environment variable: installed plugins not to use."""

_MAX_REMEMBERED: Final = 64  # selections; a program that makes ever new ones must not grow for it
_UNKNOWN: Final = "unknown"


class EntryPoint(Protocol):
    """The part of `importlib.metadata.EntryPoint` that is used here."""

    @property
    def name(self) -> str:
        """Name of the plugin."""
        ...

    @property
    def dist(self) -> Any:
        """The distribution, with ``name`` and ``version``."""
        ...

    def load(self) -> Any:
        """Import the plugin."""
        ...


class PluginInfo(Record):
    """What is known about an installed plugin.

    Attributes:
        name: Name of its entry point.
        distribution: The distribution it comes from.
        version: The distribution's version.
        api: Version of the plugin API it was written for; None where it was not loaded.
        hooks: Names of the hooks it implements.
        status: Whether clients that make no selection use it.
        disabled_by: The environment variable that leaves it out.
        error: What is wrong with a broken one.
    """

    __slots__ = ("api", "disabled_by", "distribution", "error", "hooks", "name", "status", "version")

    name: str
    distribution: str
    version: str
    api: int | None
    hooks: tuple[str, ...]
    status: Literal["enabled", "disabled", "broken"]
    disabled_by: str
    error: str

    def __init__(
        self,
        name: str,
        distribution: str,
        version: str,
        api: int | None = None,
        hooks: tuple[str, ...] = (),
        status: Literal["enabled", "disabled", "broken"] = "enabled",
        disabled_by: str = "",
        error: str = "",
    ) -> None:
        self._fill(name, distribution, version, api, hooks, status, disabled_by, error)


class _Source(Record):
    """A plugin that may be loaded, and how to speak of it."""

    __slots__ = ("distribution", "load", "name", "remedy", "version")

    name: str
    load: Callable[[], object]
    remedy: str
    distribution: str
    version: str

    def __init__(
        self, name: str, load: Callable[[], object], remedy: str, distribution: str = "", version: str = ""
    ) -> None:
        self._fill(name, load, remedy, distribution, version)

    @property
    def label(self) -> str:
        origin = f"{self.distribution} {self.version}" if self.distribution else "given as an object"
        return f"plugin {self.name!r} ({origin})"

    def answers_to(self, names: Iterable[str]) -> bool:
        return not {_normalised(self.name), _normalised(self.distribution)}.isdisjoint(names)

    def failure(self, what: str, error: Exception | str) -> PluginError:
        reason = str(error)
        if isinstance(error, Exception) and not isinstance(error, PluginError):
            reason = f"{type(error).__name__}: {error}"
        return PluginError(f"{self.label} {what}: {reason}. {self.remedy}")


class PluginManager:
    """Finds, selects and asks plugins. The process has one; tests make their own.

    Args:
        entry_points: Gives the entry points of the group; those of the running interpreter by default.
        environ: Where the two environment variables are read; ``os.environ`` by default.
    """

    def __init__(
        self,
        *,
        entry_points: Callable[[], Iterable[EntryPoint]] | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self._entry_points = entry_points
        self._environ = os.environ if environ is None else environ
        self._sources: tuple[_Source, ...] | None = None
        self._compiled: dict[tuple[Any, ...], Compiled] = {}

    def compile(self, plugins: Iterable[object] | None = None) -> Compiled:
        """What the selected plugins registered.

        Args:
            plugins: None for the installed ones, or names and objects.

        Raises:
            PluginError: a plugin is not installed, cannot be loaded, fails, or collides with another.
            TypeError: `plugins` is a single name instead of a list.
        """
        if isinstance(plugins, (str, bytes)):
            raise TypeError(f"plugins= takes a list: plugins=[{plugins!r}]")
        chosen = None if plugins is None else tuple(plugins)
        key = self._key(chosen)
        compiled = self._compiled.get(key) if key is not None else None
        if compiled is None:
            compiled = _ask(self._select(chosen))
            if key is not None:
                self._remember(key, compiled)
        return compiled

    def installed(self, *, check: bool = False) -> tuple[PluginInfo, ...]:
        """Every installed plugin, by name. Those that are switched off are not loaded.

        Args:
            check: Run the hooks too, of each plugin together with those before it, so that failures in
                hooks and collisions between plugins show.
        """
        infos: list[PluginInfo] = []
        accepted: list[_Source] = []
        for source in self._found():
            info = PluginInfo(source.name, source.distribution, source.version)
            disabled_by = self._disabled_by(source)
            if disabled_by:
                infos.append(info.__replace__(status="disabled", disabled_by=disabled_by))
                continue
            infos.append(_examine(source, info, accepted, check=check))
            if infos[-1].status == "enabled":
                accepted.append(source)
        return tuple(infos)

    def forget(self) -> None:
        """Look for entry points and ask plugins again at the next use, after an installation for instance."""
        self._sources = None
        self._compiled.clear()

    def _key(self, chosen: tuple[object, ...] | None) -> tuple[Any, ...] | None:
        """What identifies a selection; None where it holds objects, whose answers may differ."""
        if chosen is None:
            return (True, self._environ.get(ALLOW), self._environ.get(DISABLE))
        if all(isinstance(each, str) for each in chosen):
            return (False, *chosen)
        return None

    def _remember(self, key: tuple[Any, ...], compiled: Compiled) -> None:
        if len(self._compiled) >= _MAX_REMEMBERED:
            self._compiled.clear()
        self._compiled[key] = compiled

    def _found(self) -> tuple[_Source, ...]:
        """The installed plugins, by name; one scan per manager."""
        sources = self._sources
        if sources is None:
            find = self._entry_points or _entry_points
            found = (_source_of(entry_point) for entry_point in find())
            sources = tuple(sorted(found, key=lambda each: (_normalised(each.name), each.distribution)))
            self._sources = sources
        return sources

    def _disabled_by(self, source: _Source) -> str:
        """The environment variable that leaves the plugin out, or an empty string."""
        if source.answers_to(_names(self._environ.get(DISABLE, ""))):
            return DISABLE
        allowed = self._environ.get(ALLOW)
        if allowed is not None and not source.answers_to(_names(allowed)):
            return ALLOW
        return ""

    def _select(self, chosen: tuple[object, ...] | None) -> list[_Source]:
        if chosen is None:
            return [source for source in self._found() if not self._disabled_by(source)]
        selected: list[_Source] = []
        for each in chosen:
            selected += self._named(each) if isinstance(each, str) else [_source_of_object(each)]
        return selected

    def _named(self, name: str) -> list[_Source]:
        """The plugins of that name, or of the distribution of that name."""
        wanted = _normalised(name.strip())
        sources = [source for source in self._found() if source.answers_to((wanted,))]
        if not sources:
            installed = ", ".join(source.name for source in self._found()) or "none"
            raise PluginError(f"no plugin {name!r} is installed (installed: {installed})")
        return [source.__replace__(remedy=_remedy_if_chosen(name)) for source in sources]


_PROCESS: Final = PluginManager()


def compile_plugins(plugins: Iterable[object] | None = None) -> Compiled:
    """What the selected plugins registered, from the process's own manager. See `PluginManager.compile`."""
    return _PROCESS.compile(plugins)


def installed_plugins(*, check: bool = False) -> tuple[PluginInfo, ...]:
    """The installed plugins, from the process's own manager. See `PluginManager.installed`."""
    return _PROCESS.installed(check=check)


def _entry_points() -> Iterable[EntryPoint]:
    if not may_have_entry_points(PROJECT):
        return ()
    from importlib.metadata import entry_points  # with the parser of e-mail and much more

    return entry_points(group=PROJECT)


def _normalised(name: str) -> str:
    """Names compare as those of distributions do: case and the kind of separator do not matter."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _names(value: str) -> set[str]:
    return {_normalised(name.strip()) for name in value.split(",") if name.strip()}


def _source_of(entry_point: EntryPoint) -> _Source:
    dist = entry_point.dist
    return _Source(
        name=entry_point.name,
        load=entry_point.load,
        remedy=_remedy_if_installed(entry_point.name),
        distribution=getattr(dist, "name", None) or _UNKNOWN,
        version=getattr(dist, "version", None) or _UNKNOWN,
    )


def _source_of_object(plugin: object) -> _Source:
    name = getattr(plugin, "__name__", None)
    if not isinstance(name, str):
        name = type(plugin).__name__
    return _Source(name, lambda: plugin, _remedy_if_chosen(name))


def _remedy_if_installed(name: str) -> str:
    return f"Leave it out with {DISABLE}={name}, or choose plugins with Client(plugins=[...])"


def _remedy_if_chosen(name: str) -> str:
    return f"Take {name!r} out of plugins=[...] to do without it"


def _ask(sources: Sequence[_Source]) -> Compiled:
    """Load the plugins, let each fill the registries, and freeze what they hold."""
    by_name, pluggy_manager = _register_all(sources)
    registries = Registries()
    for argument, registry in registries.by_argument().items():
        hook = HOOK_PREFIX + argument
        # pluggy calls the latest first, which is the first of ours, and respects tryfirst and trylast.
        implementations = getattr(pluggy_manager.hook, hook).get_hookimpls()[::-1]
        implementations.sort(key=lambda implementation: implementation.plugin_name != BUILTIN)
        for implementation in implementations:
            source = by_name.get(implementation.plugin_name)
            registry.open_for(source.label if source else BUILTIN)
            # One by one, not through pluggy's call loop: a failure must name the plugin it comes from.
            try:
                result = implementation.function(*(registry for _ in implementation.argnames))
            except Exception as error:
                source = source or _builtin_source()
                raise source.failure(f"failed in {hook}", error) from error
            if result is not None and source:
                what = f"returned something from {hook}"
                raise source.failure(what, "call add() on the registry and return nothing")
    return registries.compile([source.name for source in reversed(by_name.values())])


def _register_all(sources: Sequence[_Source]) -> tuple[dict[str, _Source], pluggy.PluginManager]:
    """A pluggy manager with the built-in plugin and these, and the source behind each name it knows."""
    from hyperhttp.plugins import builtin  # imports pluggy, which `import hyperhttp` does without

    manager = _new_pluggy_manager()
    manager.register(builtin, name=BUILTIN)
    unique: dict[int, tuple[_Source, object]] = {}
    for source in sources:  # a plugin may be chosen twice: by name and as an object, by two entry points
        plugin = _load(source)
        unique.setdefault(id(plugin), (source, plugin))
    by_name: dict[str, _Source] = {}
    for source, plugin in reversed(unique.values()):
        name = _free_name(source, by_name)
        _register(manager, source, plugin, name)
        by_name[name] = source
    return by_name, manager


def _free_name(source: _Source, taken: Mapping[str, _Source]) -> str:
    """A name for pluggy. Two objects of one class may be chosen; two installed plugins of one name not."""
    other = taken.get(source.name)
    if other is None:
        return source.name
    if source.distribution and other.distribution:
        distinct = source.__replace__(remedy=_remedy_if_installed(source.distribution))
        raise distinct.failure("has a name that is taken", f"{other.label} has it too")
    return f"{source.name}#{len(taken)}"


def _builtin_source() -> _Source:
    return _Source("builtin", lambda: None, "This is a defect of hyperhttp", "hyperhttp", __version__)


def _new_pluggy_manager() -> pluggy.PluginManager:
    import pluggy

    from hyperhttp.plugins import hookspecs

    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(hookspecs)
    return manager


def _load(source: _Source) -> object:
    """Import the plugin and check what does not take pluggy."""
    try:
        plugin = source.load()
    except Exception as error:
        raise source.failure("could not be loaded", error) from error
    if plugin is None or isinstance(plugin, type):
        hint = f"{plugin.__name__} is a class: an instance is needed, {plugin.__name__}()" if plugin else "it is None"
        raise source.failure("is no plugin", hint)
    try:
        _api_of(plugin)
    except PluginError as error:
        raise source.failure("does not fit", error) from error
    return plugin


def _api_of(plugin: object) -> int:
    """The version of the plugin API that a plugin states; 1 where it states none."""
    api = getattr(plugin, "HYPERHTTP_PLUGIN_API", 1)
    if type(api) is not int:
        raise PluginError(f"HYPERHTTP_PLUGIN_API is {api!r}, a whole number is needed")
    if api != HYPERHTTP_PLUGIN_API:
        newer = "hyperhttp" if api > HYPERHTTP_PLUGIN_API else "the plugin"
        raise PluginError(
            f"it was written for version {api} of the plugin API, and hyperhttp {__version__} speaks version"
            f" {HYPERHTTP_PLUGIN_API}; a newer version of {newer} may help"
        )
    return api


def _register(manager: pluggy.PluginManager, source: _Source, plugin: object, name: str) -> tuple[str, ...]:
    """Add a plugin to pluggy's manager and check each of its hooks. Gives the names of the hooks."""
    try:
        manager.register(plugin, name=name)
        manager.check_pending()
    except Exception as error:
        raise source.failure("has a hook that does not fit", error) from error
    hooks = sorted(caller.name for caller in manager.get_hookcallers(plugin) or ())
    for hook in hooks:
        for implementation in getattr(manager.hook, hook).get_hookimpls():
            if implementation.plugin is plugin and not _is_plain(implementation):
                raise source.failure("has a hook that does not fit", f"{hook} must be a plain function")
    unmarked = [
        attribute
        for attribute in dir(plugin)
        if attribute.startswith(HOOK_PREFIX) and manager.parse_hookimpl_opts(plugin, attribute) is None
    ]
    if unmarked:
        raise source.failure("has a hook that is not marked", f"put @hookimpl above {unmarked[0]}")
    if not hooks:
        raise source.failure("has no hooks", f"no function {HOOK_PREFIX}... is marked with @hookimpl")
    return tuple(hooks)


def _is_plain(implementation: pluggy.HookImpl) -> bool:
    """Whether a hook can be called and is done then: no wrapper, no coroutine, no generator."""
    import inspect

    function = implementation.function
    return not (
        implementation.wrapper
        or implementation.hookwrapper
        or inspect.iscoroutinefunction(function)
        or inspect.isgeneratorfunction(function)
        or inspect.isasyncgenfunction(function)
    )


def _examine(source: _Source, info: PluginInfo, accepted: Sequence[_Source], *, check: bool) -> PluginInfo:
    """What is to be said about a plugin that is not switched off, next to those already accepted."""
    try:
        plugin = _load(source)
        info = info.__replace__(api=_api_of(plugin))
        info = info.__replace__(hooks=_register(_new_pluggy_manager(), source, plugin, source.name))
        _free_name(source, {each.name: each for each in accepted})
        if check:
            _ask([*accepted, source]).create_listeners()
    except PluginError as error:
        return info.__replace__(status="broken", error=str(error))
    return info

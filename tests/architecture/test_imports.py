"""Importing is cheap, and needs no particular order; measured by what is loaded, not by a clock."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

#: Modules of the standard library that neither importing the package nor making a client takes.
HEAVY = {
    "asyncio", "base64", "concurrent", "dataclasses", "datetime", "difflib", "email", "hashlib", "http", "importlib.metadata",
    "inspect", "ipaddress", "json", "logging", "pathlib", "pickle", "ssl", "threading", "urllib.parse", "zipfile",
}  # fmt: skip
#: Modules of the core for what not every program does.
RARE = {
    "hyperhttp.auth.challenge", "hyperhttp.auth.digest", "hyperhttp.auth.named", "hyperhttp.client.download",
    "hyperhttp.client.explain", "hyperhttp.client.sse", "hyperhttp.connection.http2",
    "hyperhttp.connection.http2_exchange", "hyperhttp.connection.upgraded", "hyperhttp.message.cookie_date",
    "hyperhttp.message.forms", "hyperhttp.message.links", "hyperhttp.message.multipart", "hyperhttp.message.pattern",
    "hyperhttp.message.sources", "hyperhttp.network.policy", "hyperhttp.pipeline.retries", "hyperhttp.plugins.har",
    "hyperhttp.protocol.http2",
}  # fmt: skip
#: What ``import hyperhttp`` must not load: loops and TLS before they are used, and whatever is optional.
NOT_ON_IMPORT = {
    *HEAVY, *RARE, "hyperhttp.plugins.compiled", "hyperhttp.plugins.manager", "hyperhttp.plugins.registry",
    "hyperhttp.cli", "hyperhttp.network.aio", "hyperhttp.network.blocking", "hyperhttp.testing",
    "hyperhttp.transports",
    "certifi", "idna", "pluggy",
    "brotli", "h11", "h2", "hpack", "msgspec", "orjson", "opentelemetry", "pydantic", "pytest", "rich", "trustme",
    "truststore", "wsproto", "zstandard",
}  # fmt: skip
#: What making a client must not load either, whichever plugins are installed.
NOT_ON_FIRST_CLIENT = {"asyncio", "h2", "brotli", "zstandard", "opentelemetry", "wsproto", "trustme", "rich"}

LOADED = """
import sys
{code}
print(*sorted(sys.modules))
"""

#: Imports each module in a process of its own; those of the core without the package around them, which would
#: load the others. The command line and the servers for tests stand above it and use its public face.
ALONE = """
import importlib, json, os, sys, traceback, types

modules = json.load(sys.stdin)
for name, _ in modules:  # once for speed: what they need of others, and the patterns they compile, stay
    importlib.import_module(name)
for name in [name for name in sys.modules if name.partition(".")[0] == "hyperhttp"]:
    del sys.modules[name]

for name, is_core in modules:
    sys.stdout.flush()
    child = os.fork()
    if not child:
        try:
            if is_core:
                package = sys.modules["hyperhttp"] = types.ModuleType("hyperhttp")
                package.__path__ = [sys.argv[1]]
            importlib.import_module(name)
        except BaseException:
            print(f"== {name}", traceback.format_exc(limit=-1), sep="\\n", flush=True)
        os._exit(0)
    os.waitpid(child, 0)
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """Runs a program in a fresh interpreter that has imported nothing, and gives what it printed."""
    others = ("PYTHONDONTWRITEBYTECODE", "COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG")  # the latter import much
    environ = {name: value for name, value in os.environ.items() if name not in others}
    environ["PYTHONPYCACHEPREFIX"] = str(tmp_path_factory.mktemp("bytecode"))  # compiled once for all

    def run(code: str, *arguments: str, given: str = "") -> str:
        command = [sys.executable, "-c", code, *arguments]
        return subprocess.run(
            command, input=given, env=environ, capture_output=True, text=True, timeout=50, check=True
        ).stdout

    return run


@pytest.fixture(scope="module")
def loaded(run: Callable[..., str]) -> Callable[[str], set[str]]:
    """Gives the modules that are there after some code."""
    return lambda code: set(run(LOADED.format(code=code)).split())


def test_importing_the_package_loads_nothing_that_may_not_be_needed(loaded: Any, modules: list[Any]) -> None:
    plugins = {each.name for each in modules if not each.name.startswith("hyperhttp.")} - {"hyperhttp"}
    assert loaded("import hyperhttp") & (NOT_ON_IMPORT | plugins) == set()


@pytest.mark.parametrize("name", ["Client", "SyncClient"])
def test_making_a_client_without_plugins_loads_hardly_more(loaded: Any, name: str) -> None:
    there = loaded(f"import hyperhttp; hyperhttp.{name}(plugins=[])")
    # pluggy, through which the core's own plugin comes in, needs inspect.
    assert there & {*HEAVY, *RARE, "certifi", "idna"} <= {"inspect"}


@pytest.mark.parametrize("name", ["Client", "SyncClient"])
def test_making_a_client_loads_no_codec_and_no_event_loop(loaded: Any, name: str) -> None:
    assert loaded(f"import hyperhttp; hyperhttp.{name}()") & NOT_ON_FIRST_CLIENT == set()


def test_the_blocking_client_works_without_asyncio(loaded: Any) -> None:
    code = """
import hyperhttp
try:
    hyperhttp.get("http://127.0.0.1:1/")
except hyperhttp.ConnectError:
    pass
"""
    assert loaded(code) & {"asyncio", "concurrent.futures"} == set()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork, which makes it fast")
def test_each_module_imports_alone(run: Any, modules: list[Any], root: Any) -> None:
    names = [(each.name, each.is_core) for each in modules if each.name.startswith("hyperhttp.")]
    assert run(ALONE, str(root / "hyperhttp"), given=json.dumps(names)) == ""

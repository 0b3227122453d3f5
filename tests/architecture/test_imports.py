"""Importing is cheap, and needs no particular order; measured by what is loaded, not by a clock."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

#: What ``import hyperhttp`` must not load: loops and TLS before they are used, and whatever is optional.
NOT_ON_IMPORT = {
    "asyncio", "concurrent", "email", "http", "importlib.metadata", "json", "logging", "ssl",
    "hyperhttp.cli", "hyperhttp.network.aio", "hyperhttp.network.blocking", "hyperhttp.testing",
    "certifi", "idna", "pluggy",
    "brotli", "h11", "h2", "hpack", "orjson", "opentelemetry", "pytest", "rich", "trustme", "wsproto",
    "zstandard",
}  # fmt: skip
#: What making a client must not load either.
NOT_ON_FIRST_CLIENT = {"asyncio", "h2", "brotli", "zstandard", "opentelemetry", "wsproto", "trustme", "rich"}

LOADED = """
import sys
{code}
print(*sorted(sys.modules))
"""

#: Imports each module in a process of its own, without the package around it, which would load the others.
ALONE = """
import importlib, json, os, sys, traceback, types
import asyncio, dataclasses, hashlib, ssl, typing  # loaded once, for speed

names = json.load(sys.stdin)
for name in names:
    sys.stdout.flush()
    child = os.fork()
    if not child:
        try:
            package = types.ModuleType("hyperhttp")
            package.__path__ = [sys.argv[1]]
            sys.modules["hyperhttp"] = package
            importlib.import_module(name)
        except BaseException:
            print(f"== {name}", traceback.format_exc(limit=-1), sep="\\n", flush=True)
        os._exit(0)
    os.waitpid(child, 0)
"""


def run(code: str, *arguments: str, given: str = "") -> str:
    """What a program printed, run by a fresh interpreter that has imported nothing."""
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, input=given, capture_output=True, text=True, timeout=50, check=True).stdout


def loaded(code: str) -> set[str]:
    return set(run(LOADED.format(code=code)).split())


def test_importing_the_package_loads_nothing_that_may_not_be_needed(modules: list[Any]) -> None:
    plugins = {each.name for each in modules if not each.name.startswith("hyperhttp.")} - {"hyperhttp"}
    assert loaded("import hyperhttp") & (NOT_ON_IMPORT | plugins) == set()


@pytest.mark.parametrize("name", ["Client", "SyncClient"])
def test_making_a_client_loads_no_codec_and_no_event_loop(name: str) -> None:
    assert loaded(f"import hyperhttp; hyperhttp.{name}()") & NOT_ON_FIRST_CLIENT == set()


def test_the_blocking_client_works_without_asyncio() -> None:
    code = """
import hyperhttp
try:
    hyperhttp.get("http://127.0.0.1:1/")
except hyperhttp.ConnectError:
    pass
"""
    assert loaded(code) & {"asyncio", "concurrent.futures"} == set()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork, which makes it fast")
def test_each_module_imports_alone(modules: list[Any], root: Any) -> None:
    names = [each.name for each in modules if each.name.startswith("hyperhttp.")]
    assert run(ALONE, str(root / "hyperhttp"), given=json.dumps(names)) == ""

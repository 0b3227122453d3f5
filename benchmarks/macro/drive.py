"""One client, one scenario, one round, in a process of its own: `run.py` starts this, nobody else needs to.

Takes a description in JSON as its only argument and prints one record in JSON as the last line of stdout.
It is started already pinned to its core, so that runtimes which count cores count one.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.metadata
import json
import platform
import sys
import sysconfig
from typing import Any

import load
import resident
from drivers import Driver, Target


def main() -> None:
    spec: dict[str, Any] = json.loads(sys.argv[1])
    module = importlib.import_module(f"drivers.{spec['module']}")
    target = Target(**spec["target"])
    if hasattr(module, "measure"):  # a program that loads the server by itself
        record = module.measure(target, load.Plan(**spec["plan"]), spec["server"])
    else:
        record = run(getattr(module, spec["class"]), target, spec)
    versions = versions_of(getattr(module, spec["class"]), module)
    print("\n" + json.dumps(record | {"versions": versions, "python": python()}))


def run(driver_class: type[Driver], target: Target, spec: dict[str, Any]) -> load.Record:
    """Run the kind of scenario that is asked for, on the loop that is asked for."""
    plan, server, kind = load.Plan(**spec["plan"]), spec["server"], spec["kind"]
    if spec["loop"] == "blocking":
        measure = {"load": load.run_threads, "download": resident.download_blocking}[kind]
        return measure(driver_class, target, plan, server)
    measure = {
        "load": load.run_tasks,
        "burst": load.run_burst,
        "idle": resident.idle,
        "download": resident.download,
    }[kind]
    with asyncio.Runner(loop_factory=loop_factory(spec["loop"])) as runner:
        return runner.run(measure(driver_class, target, plan, server))


def loop_factory(name: str) -> Any:
    """What makes the event loop of that name."""
    if name == "asyncio":
        return asyncio.new_event_loop
    import uvloop

    return uvloop.new_event_loop


def versions_of(driver_class: type[Driver], module: Any) -> dict[str, str]:
    """Versions of what a driver uses."""
    if hasattr(module, "versions"):
        return module.versions()
    return {name: importlib.metadata.version(name) for name in driver_class.distributions}


def python() -> dict[str, Any]:
    """This interpreter, and whether it was built with the optimisations distributors use."""
    arguments = sysconfig.get_config_var("CONFIG_ARGS") or ""
    return {
        "version": platform.python_version(),
        "implementation": platform.python_implementation(),
        "compiler": platform.python_compiler(),
        "profile_guided": "--enable-optimizations" in arguments,
        "lto": "--with-lto" in arguments,
        "free_threaded": bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
    }


if __name__ == "__main__":
    main()

"""The cost of beginning: `import`, the first client, the next ones. Started by `run.py` in a fresh process.

Nothing is imported before the library that the interpreter has not imported by itself.
"""

import sys
from time import perf_counter_ns

NEXT = 20  # clients made after the first; the median of them is recorded

# What a plain request does not need.
HEAVY = {"h2", "hpack", "brotli", "zstandard", "pluggy", "idna", "email", "multiprocessing"}


def main(module, imports):
    """Measure, and print one record in JSON as the last line."""
    modules = len(sys.modules)
    begun = perf_counter_ns()
    for name in imports:
        __import__(name)
    imported = perf_counter_ns() - begun
    record = {
        "import_ms": imported / 1e6,
        "modules": len(sys.modules) - modules,
        "loaded": sorted(HEAVY & set(sys.modules)),
    }

    import importlib
    import json

    from drive import python, versions_of
    from drivers import Target
    from meter import memory

    record["rss"] = memory("VmRSS")
    driver_module = importlib.import_module(f"drivers.{module}")
    target = Target("http://127.0.0.1:9", "/", 0, concurrency=1, connections=10)
    face = getattr(driver_module, "Async", None)
    if face is not None:
        import asyncio

        times = asyncio.run(open_async(face, target))
    else:
        face = driver_module.Blocking
        times = open_blocking(face, target)
    ordered = sorted(times[1:])
    record["first_client_ms"] = times[0] / 1e6
    record["next_client_ms"] = ordered[len(ordered) // 2] / 1e6
    record["rss_peak"] = memory("VmHWM")
    versions = versions_of(face, driver_module)
    print("\n" + json.dumps(record | {"versions": versions, "python": python()}))


async def open_async(face, target):
    """Nanoseconds each `open` took; nothing is sent."""
    times, drivers = [], []
    for _ in range(NEXT + 1):
        driver = face(target)
        begun = perf_counter_ns()
        await driver.open()
        times.append(perf_counter_ns() - begun)
        drivers.append(driver)
    for driver in drivers:
        await driver.close()
    return times


def open_blocking(face, target):
    """The same for a library that only blocks."""
    times, drivers = [], []
    for _ in range(NEXT + 1):
        driver = face(target)
        begun = perf_counter_ns()
        driver.open()
        times.append(perf_counter_ns() - begun)
        drivers.append(driver)
    for driver in drivers:
        driver.close()
    return times


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2].split(","))

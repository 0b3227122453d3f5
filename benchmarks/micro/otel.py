"""What the plugin hyperhttp-otel adds to a request: a warm GET over loopback, with and without it.

    .venv/bin/python benchmarks/micro/otel.py              # a few seconds
    .venv/bin/python benchmarks/micro/otel.py --rounds 40

Measured is the processor time of the client's thread, system calls included, so that it matters little what else the
machine does. The kinds take turns, a hundred requests each; printed are the median over the rounds, in microseconds per
request, and the difference to the client without plugins. The server answers from a thread of its own with bytes that
are always the same. It needs the packages of the plugin's tests.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import socket
import threading
from statistics import median
from time import thread_time

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

import hyperhttp
import hyperhttp_otel
from hyperhttp_otel import OpenTelemetry

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello"
BATCH = 100


def serve(listener: socket.socket) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=answer, args=(connection,), daemon=True).start()


def answer(connection: socket.socket) -> None:
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with connection:
        while connection.recv(65536):
            connection.sendall(ANSWER)


def kinds() -> dict[str, list[object]]:
    """Plugins by what is measured."""
    recording = TracerProvider()
    recording.add_span_processor(SpanProcessor())  # one that does nothing with what it gets
    unsampled = TracerProvider(ALWAYS_OFF)
    meters = MeterProvider([InMemoryMetricReader()])
    return {
        "no plugin": [],
        "installed, no SDK": [hyperhttp_otel],
        "asked for, no SDK": [OpenTelemetry()],
        "spans not sampled, duration": [OpenTelemetry(tracer_provider=unsampled, meter_provider=meters)],
        "spans, duration": [OpenTelemetry(tracer_provider=recording, meter_provider=meters)],
        "everything": [OpenTelemetry(tracer_provider=recording, meter_provider=meters, opt_in="*", call_spans=True)],
    }


async def time_asyncio(url: str, rounds: int) -> dict[str, list[float]]:
    clients = {name: hyperhttp.Client(plugins=plugins) for name, plugins in kinds().items()}
    taken: dict[str, list[float]] = {name: [] for name in clients}
    for turn in range(rounds + 2):
        for name, client in clients.items():
            began = thread_time()
            for _ in range(BATCH):
                await (await client.get(url)).aread()
            if turn >= 2:  # the first are for warming up
                taken[name].append((thread_time() - began) / BATCH)
    for client in clients.values():
        await client.close()
    return taken


def time_blocking(url: str, rounds: int) -> dict[str, list[float]]:
    clients = {name: hyperhttp.SyncClient(plugins=plugins) for name, plugins in kinds().items()}
    taken: dict[str, list[float]] = {name: [] for name in clients}
    for turn in range(rounds + 2):
        for name, client in clients.items():
            began = thread_time()
            for _ in range(BATCH):
                client.get(url)
            if turn >= 2:
                taken[name].append((thread_time() - began) / BATCH)
    for client in clients.values():
        client.close()
    return taken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    gc.disable()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        for face, taken in (
            ("asyncio", asyncio.run(time_asyncio(url, rounds))),
            ("blocking", time_blocking(url, rounds)),
        ):
            plain = median(taken["no plugin"])
            for name, seconds in taken.items():
                middle = median(seconds)
                print(f"{face:9} {name:28} {middle * 1e6:7.1f} us  {(middle - plain) * 1e6:+7.1f} us")


if __name__ == "__main__":
    main()

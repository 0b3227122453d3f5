"""``hyperhttp ws URL [MESSAGE ...]``: send some messages, show what comes."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hyperhttp_ws.sockets import SyncWebSocket

__all__ = ["main"]


def main(arguments: Sequence[str]) -> int:
    """Carry out the command; its exit code."""
    parser = argparse.ArgumentParser(
        prog="hyperhttp ws", description="Send messages over a WebSocket, show what comes."
    )
    parser.add_argument("url", help="ws:// or wss://")
    parser.add_argument("message", nargs="*", help="texts to send, in this order")
    parser.add_argument("-n", "--count", type=int, help="messages to wait for; by default as many as are sent")
    parser.add_argument("-t", "--timeout", type=float, default=10.0, help="seconds to wait for each; 10 by default")
    parser.add_argument("-H", "--header", action="append", default=[], metavar="NAME: VALUE", help="a field to send")
    parser.add_argument("-s", "--subprotocol", action="append", help="a subprotocol to offer")
    given = parser.parse_args(list(arguments))
    # Here and not above: wsproto is for those who open a WebSocket.
    from hyperhttp_ws.sockets import WebSocket

    headers = [(name.strip(), value.strip()) for name, _, value in (line.partition(":") for line in given.header)]
    with WebSocket.connect(given.url, headers=headers, subprotocols=given.subprotocol) as socket:
        for message in given.message:
            socket.send_text(message)
        _show(socket, len(given.message) if given.count is None else given.count, given.timeout)
    return 0


def _show(socket: SyncWebSocket, count: int, timeout: float) -> None:
    for _ in range(count):
        message = socket.recv(timeout=timeout)
        print(message if isinstance(message, str) else f"<{len(message)} bytes: {message[:32].hex(' ')}>")

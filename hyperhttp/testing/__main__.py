"""``python -m hyperhttp.testing``: the test origin as a program of its own.

It prints its addresses as one line of JSON, serves, and ends when its standard input does or on an interrupt,
so that a benchmark or a demonstration can have the origin in a process of its own and never leaves it behind.
"""

from __future__ import annotations

import argparse
import json
import sys

from hyperhttp.testing.origin import running

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> int:
    """Serve until the input ends."""
    parser = argparse.ArgumentParser(prog="python -m hyperhttp.testing", description="An HTTP origin for tests.")
    parser.add_argument("--port", type=int, default=0, help="port of the clear listener (a free one)")
    parser.add_argument("--no-tls", action="store_true", help="no TLS listener")
    parser.add_argument("--no-http2", action="store_true", help="no HTTP/2")
    options = parser.parse_args(arguments)
    with running(
        tls=False if options.no_tls else None, http2=False if options.no_http2 else None, port=options.port
    ) as origin:
        where = {"url": origin.url, "http2": origin.http2}
        if origin.is_tls_open:
            where |= {"https_url": origin.https_url, "ca_pem": origin.ca_pem}
        sys.stdout.write(json.dumps(where) + "\n")
        sys.stdout.flush()
        try:
            sys.stdin.read()
        except KeyboardInterrupt:
            pass
    return 0


if __name__ == "__main__":
    sys.exit(main())

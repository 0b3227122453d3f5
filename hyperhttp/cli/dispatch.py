"""Which command is meant, and what happens when it fails: one line, an exit code, never a traceback.

A traceback comes where ``HYPERHTTP_DEBUG`` is set.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
from typing import TYPE_CHECKING, Final

from hyperhttp.cli.exits import (
    BROKEN_PIPE,
    INTERRUPTED,
    NOT_WRITTEN,
    OK,
    UNEXPECTED,
    CommandError,
    exit_code_of,
)
from hyperhttp.cli.style import Style, printable
from hyperhttp.exceptions import HyperHTTPError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["run"]

#: What a plugin's command looks like; a URL looks like this only when it is a bare host name.
_COMMAND: Final = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*").fullmatch


def run(arguments: Sequence[str]) -> int:
    """Carry out a command line.

    Returns:
        The exit code.
    """
    try:
        code = _dispatch(arguments)
        _flush()
    except KeyboardInterrupt:
        return _give_up("interrupted", INTERRUPTED)
    except BrokenPipeError:
        _drop_output()
        return BROKEN_PIPE
    except Exception as error:  # the one place where every failure becomes a line and a code
        if os.environ.get("HYPERHTTP_DEBUG"):
            raise
        return _give_up(_message_of(error), exit_code_of(error))
    return code


def _dispatch(arguments: Sequence[str]) -> int:
    """The exit code of the command that is meant; one that ends the program ends only itself."""
    try:
        return _run_command(arguments)
    except SystemExit as stop:  # argparse, here or in a plugin's command
        if stop.code is None or isinstance(stop.code, int):
            return stop.code or OK
        raise CommandError(str(stop.code), UNEXPECTED) from None


def _run_command(arguments: Sequence[str]) -> int:
    name, rest = (arguments[0], arguments[1:]) if arguments else ("", ())
    if name == "demo":
        from hyperhttp.cli.demo import demo

        return demo(rest)
    if name == "plugins":
        from hyperhttp.cli.plugins import list_plugins

        return list_plugins(rest)
    if name == "help":
        return _run_command([*rest[:1], "--help"])
    command = _plugin_command(name) if "--no-plugins" not in arguments else None
    if command is not None:
        return command(list(rest))
    from hyperhttp.cli.fetch import fetch

    return fetch(arguments)


def _plugin_command(name: str) -> Callable[[Sequence[str]], int] | None:
    """What a plugin registered under this name."""
    if _COMMAND(name) is None:
        return None
    from hyperhttp.plugins.manager import compile_plugins

    command = compile_plugins().commands.get(name)
    return None if command is None else command.run


def _message_of(error: Exception) -> str:
    if type(error.__cause__).__name__ == "SSLCertVerificationError":  # by name: importing ssl takes time
        return f"{error}; here: --cacert FILE, or -k to trust anybody"
    if isinstance(error, OSError) and not isinstance(error, HyperHTTPError) and error.filename is not None:
        return f"cannot read {os.fsdecode(error.filename)}: {error.strerror}"
    if isinstance(error, (HyperHTTPError, CommandError, OSError)):
        return str(error)
    return f"unexpected {type(error).__name__}: {error} (HYPERHTTP_DEBUG=1 shows where)"


def _give_up(message: str, code: int) -> int:
    """Say why on stderr, after what was already written to stdout."""
    try:
        sys.stdout.flush()
    except OSError:
        _drop_output()
    label = Style(sys.stderr).paint("hyperhttp:", "bold", "red")
    with contextlib.suppress(OSError, ValueError):  # nobody listens any more
        print(f"{label} {printable(' '.join(message.split()))}", file=sys.stderr, flush=True)
    return code


def _flush() -> None:
    """Write what is left, while a failure can still be told.

    Raises:
        BrokenPipeError: nobody reads it.
        CommandError: it cannot be written.
    """
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        _drop_output()
        msg = f"cannot write to stdout: {error.strerror or error}"
        raise CommandError(msg, NOT_WRITTEN) from error


def _drop_output() -> None:
    """Let what is left in the buffer of stdout go nowhere: the interpreter would fail on it at exit."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)

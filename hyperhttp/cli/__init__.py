"""The command line: ``hyperhttp URL``, ``hyperhttp demo``, ``hyperhttp plugins``.

Nothing is imported here before it is known what is wanted, so that ``hyperhttp --version`` costs no more than
``import hyperhttp``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: the arguments without the program's name; those of the process by default.

    Returns:
        The exit code; ``hyperhttp --help`` lists them.
    """
    import sys

    arguments = sys.argv[1:] if argv is None else list(argv)
    if arguments in (["--version"], ["-V"], ["version"]):
        from hyperhttp._version import __version__

        print(f"hyperhttp {__version__}")
        return 0
    from hyperhttp.cli.dispatch import run

    return run(arguments)

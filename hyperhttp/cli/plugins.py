"""``hyperhttp plugins``: what is installed, which version, which hooks, and whether it works."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from hyperhttp.cli.arguments import CommandParser
from hyperhttp.cli.exits import OK, UNEXPECTED
from hyperhttp.cli.style import Style, printable
from hyperhttp.plugins.manager import installed_plugins

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hyperhttp.plugins.manager import PluginInfo

__all__ = ["list_plugins"]

_HOOK_PREFIX = "hyperhttp_register_"
_HEADINGS = ("PLUGIN", "DISTRIBUTION", "VERSION", "STATUS", "HOOKS")


def list_plugins(arguments: Sequence[str]) -> int:
    """List the installed plugins.

    Returns:
        0, or 1 with ``--check`` when one is broken.
    """
    parser = CommandParser(prog="hyperhttp plugins", description="List the installed plugins.")
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.add_argument("--check", action="store_true", help="run their hooks too; exit code 1 for a broken one")
    options = parser.parse_args(list(arguments))
    infos = installed_plugins(check=options.check)
    if options.json:
        import json
        from dataclasses import asdict

        print(json.dumps([asdict(info) for info in infos], indent=2))
    else:
        _print_table(infos, checked=options.check)
    return UNEXPECTED if options.check and any(info.status == "broken" for info in infos) else OK


def _print_table(infos: Sequence[PluginInfo], *, checked: bool) -> None:
    style = Style(sys.stdout)
    if not infos:
        print("No plugins are installed; 'pip install hyperhttp[brotli,zstd]' brings two.")
        return
    rows = [_HEADINGS, *(_row(info) for info in infos)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS) - 1)]
    for place, row in enumerate(rows):
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        if place == 0:
            print(style.paint("  ".join([*cells, row[-1]]), "bold"))
        else:
            cells[3] = style.paint(cells[3], {"enabled": "green", "broken": "red"}.get(row[3], "dim"))
            print("  ".join([*cells, row[-1]]).rstrip())
    for info in infos:
        if info.error or info.disabled_by:
            reason = info.error or f"left out by {info.disabled_by}"
            print(f"\n{printable(info.name)}: {printable(' '.join(reason.split()))}")
    if checked and all(info.status != "broken" for info in infos):
        print(f"\n{style.sign('✓')} every enabled plugin loads and its hooks run")


def _row(info: PluginInfo) -> tuple[str, ...]:
    hooks = ", ".join(hook.removeprefix(_HOOK_PREFIX) for hook in info.hooks)
    return tuple(map(printable, (info.name, info.distribution, info.version, info.status, hooks or "-")))

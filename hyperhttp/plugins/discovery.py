"""Whether it is worth looking for plugins.

`importlib.metadata` finds them, and brings zip files, CSV, the parser of e-mail and temporary files with it: thirty modules
and two megabytes, which every program would pay for, also the many that have no plugin. So it is asked only where it may find
something. What is done here is less than it does, and never says no where it would say yes.
"""

from __future__ import annotations

import os
import sys

__all__ = ["may_have_entry_points"]


def may_have_entry_points(group: str) -> bool:
    """Whether a distribution may have entry points of a group; False only where that is certain.

    Args:
        group: name of the group.
    """
    if "importlib.metadata" in sys.modules:  # paid for already
        return True
    for finder in sys.meta_path:  # only that of the import system looks into the directories of `sys.path`
        if hasattr(finder, "find_distributions") and finder.__module__ != "_frozen_importlib_external":
            return True
    name = group.encode()
    return any(_may_mention(folder, name) for folder in sys.path)


def _may_mention(folder: object, name: bytes) -> bool:
    """Whether metadata in a directory may have a name in them; archives are not looked into."""
    if not isinstance(folder, str):
        return True
    try:
        children = os.listdir(folder or ".")  # noqa: PTH208 - what importlib.metadata does
    except FileNotFoundError:
        return False
    except OSError:  # an archive, or something else: let others decide
        return True
    return any(
        _mentions(os.path.join(folder, child, "entry_points.txt"), name)  # noqa: PTH118 - without pathlib
        for child in children
        if child.lower().endswith((".dist-info", "egg-info"))
    )


def _mentions(path: str, name: bytes) -> bool:
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - without pathlib
            return name in file.read()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True

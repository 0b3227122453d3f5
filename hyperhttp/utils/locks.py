"""The mutex of the policies that threads share: breakers, rate limits, budgets.

A policy is made by the user, before any client and any network, so it cannot ask a network for its lock. What it guards
is a few lines, or one statement of a database: nobody waits for a peer, or calls back, while holding it.
"""

from __future__ import annotations

import os
import weakref

# The primitive that `threading.Lock` is, without the module around it: threads are the network's business.
from _thread import LockType, allocate_lock

__all__ = ["new_lock"]

_locks: weakref.WeakSet[LockType] = weakref.WeakSet()


def new_lock() -> LockType:
    """A lock for a few lines of arithmetic; it is free again in a child process, whoever held it at the fork."""
    lock = allocate_lock()
    _locks.add(lock)
    return lock


def _after_fork() -> None:
    """The threads that held locks do not exist in a child process, so nobody else would free them."""
    for lock in tuple(_locks):
        # Not release(): a thread that was just being given a lock holds it although `locked` does not say so yet.
        lock._at_fork_reinit()  # type: ignore[attr-defined]  # what the standard library calls on its own locks


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)

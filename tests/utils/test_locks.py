"""The mutex of the policies."""

from __future__ import annotations

import os
import sys
import threading
import time
import warnings

import pytest

from hyperhttp.utils.locks import new_lock


def test_a_lock_is_held_by_one_at_a_time() -> None:
    lock = new_lock()
    with lock:
        assert not lock.acquire(blocking=False)
    assert lock.acquire(blocking=False)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_lock_that_was_held_at_a_fork_is_free_in_the_child() -> None:
    lock, free = new_lock(), new_lock()
    with lock:
        child = os.fork()
        if not child:
            os._exit(0 if lock.acquire(blocking=False) and free.acquire(blocking=False) else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert lock.locked(), "the parent still holds its own"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_lock_that_was_just_being_given_to_a_thread_is_free_in_the_child() -> None:
    lock = new_lock()
    interval = sys.getswitchinterval()
    lock.acquire()
    thread = threading.Thread(target=lock.acquire)
    thread.start()
    time.sleep(0.05)  # it waits
    try:
        sys.setswitchinterval(100)  # from now on it gets the lock, but no turn to note it
        lock.release()
        until = time.monotonic() + 0.05
        while time.monotonic() < until:
            pass
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", DeprecationWarning
            )  # from 3.12 on: that there is another thread is the point
            child = os.fork()
        if not child:
            os._exit(0 if lock.acquire(blocking=False) else 1)
    finally:
        sys.setswitchinterval(interval)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    thread.join()
    lock.release()

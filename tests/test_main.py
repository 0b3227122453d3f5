from __future__ import annotations

import subprocess
import sys

import hyperhttp


def test_the_package_can_be_run() -> None:
    done = subprocess.run([sys.executable, "-m", "hyperhttp", "--version"], capture_output=True, check=False)
    assert (done.returncode, done.stdout.split()) == (0, [b"hyperhttp", hyperhttp.__version__.encode()])


def test_the_exit_code_is_that_of_the_command_line() -> None:
    done = subprocess.run([sys.executable, "-m", "hyperhttp", "--no-such-option"], capture_output=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith(b"hyperhttp: ")

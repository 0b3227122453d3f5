from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

import hyperhttp

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize("argument", ["--version", "-V", "version"])
def test_the_version_is_shown(run: Callable[..., Any], argument: str) -> None:
    result = run(argument)
    assert (result.code, result.out) == (0, f"hyperhttp {hyperhttp.__version__}\n")


def test_arguments_are_those_of_the_process_by_default(
    run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    monkeypatch.setattr(sys, "argv", ["hyperhttp", "--version"])
    assert hyperhttp.cli.main() == 0
    assert capsysbinary.readouterr().out.startswith(b"hyperhttp ")


def test_showing_the_version_imports_neither_a_loop_nor_a_server_nor_a_parser() -> None:
    text = (
        "import sys; from hyperhttp.cli import main; main(['--version']);"
        "wrong = {'asyncio', 'ssl', 'argparse', 'hyperhttp.testing', 'hyperhttp.cli.fetch'};"
        "wrong &= set(sys.modules);"
        "sys.exit(', '.join(wrong) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_request_imports_neither_a_loop_nor_a_server(hyperhttp_origin: Any) -> None:
    text = (
        "import sys; from hyperhttp.cli import main;"
        f"code = main([{hyperhttp_origin.url + '/get'!r}, '-q', '-o', '/dev/null']);"
        "wrong = {'asyncio', 'hyperhttp.testing', 'h2'} & set(sys.modules);"
        "sys.exit(', '.join(wrong) or code)"
    )
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")

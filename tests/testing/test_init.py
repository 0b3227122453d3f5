from __future__ import annotations

import subprocess
import sys

import pytest

import hyperhttp.testing


def modules_after(code: str) -> set[str]:
    """What a fresh interpreter has imported after some code."""
    code += "\nimport sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    return set(done.stdout.split())


def test_every_public_name_is_found() -> None:
    assert sorted(hyperhttp.testing.__all__) == hyperhttp.testing.__all__
    for name in hyperhttp.testing.__all__:
        assert getattr(hyperhttp.testing, name) is not None
        assert name in dir(hyperhttp.testing)
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        hyperhttp.testing.Nothing  # noqa: B018


def test_importing_the_package_imports_none_of_its_parts() -> None:
    loaded = {name for name in modules_after("import hyperhttp.testing") if name.startswith("hyperhttp.testing")}
    assert loaded == {"hyperhttp.testing"}


def test_an_origin_needs_neither_trustme_nor_h2_until_they_are_used() -> None:
    loaded = modules_after(
        "from hyperhttp.testing import Origin\n"
        "import urllib.request\n"
        "with Origin() as origin: urllib.request.urlopen(origin.url + '/get').read()\n"
    )
    assert not loaded & {"trustme", "cryptography", "h2", "hpack", "brotli", "zstandard", "pytest"}


def test_an_origin_uses_nothing_of_the_client() -> None:
    """Else a mistake of the client could hide itself."""
    with_package = modules_after("import hyperhttp")
    loaded = modules_after(
        "from hyperhttp.testing import Origin, ScriptedServer\n"
        "with Origin(http2=True, tls=True): pass\n"
        "with ScriptedServer(tls=True): pass\n"
    )
    ours = {name for name in loaded - with_package if name.startswith("hyperhttp")}
    assert all(name.startswith("hyperhttp.testing") for name in ours)

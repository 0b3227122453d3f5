"""Where a system keeps its trust store, and who is asked where it keeps none in files."""

from __future__ import annotations

import ssl
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hyperhttp.exceptions import TLSError
from hyperhttp.network.trust import asks_the_system, new_native_context, system_stores, usual_stores


def paths(cafile: Path | str = "/nowhere/cert.pem", capath: Path | str = "/nowhere/certs") -> Any:
    return SimpleNamespace(openssl_cafile=str(cafile), openssl_capath=str(capath))


@pytest.mark.parametrize(
    ("platform", "asks"), [("linux", False), ("freebsd14", False), ("darwin", True), ("win32", True)]
)
def test_two_systems_decide_by_themselves(platform: str, asks: bool) -> None:
    assert asks_the_system(platform) is asks


def test_the_file_openssl_was_built_for_comes_first(tmp_path: Path) -> None:
    bundle, other = tmp_path / "cert.pem", tmp_path / "other.pem"
    bundle.touch()
    other.touch()
    assert system_stores(paths(bundle, tmp_path), [str(other)]) == [str(bundle)]


def test_then_its_directory_where_that_holds_anything(tmp_path: Path) -> None:
    other = tmp_path / "other.pem"
    other.touch()
    assert system_stores(paths(capath=tmp_path), [str(other)]) == [str(other)]
    (tmp_path / "0123abcd.0").touch()
    assert system_stores(paths(capath=tmp_path), [str(other)]) == [str(tmp_path)]


def test_then_the_bundle_of_a_distribution(tmp_path: Path) -> None:
    names = [str(tmp_path / name) for name in ("none.pem", "one.pem", "two.pem")]
    for name in names[1:]:
        Path(name).touch()
    assert system_stores(paths(), names) == [names[1]]
    assert system_stores(paths(), []) == []


def test_the_usual_places_are_looked_at_once_whatever_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", __file__)
    assert __file__ not in usual_stores()
    assert usual_stores() is usual_stores()


def test_a_native_context_comes_from_truststore() -> None:
    import truststore

    context = new_native_context()
    assert type(context) is truststore.SSLContext
    assert context.verify_mode is ssl.CERT_REQUIRED


def test_without_truststore_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "truststore", None)
    with pytest.raises(TLSError, match=r"pip install 'hyperhttp\[system-trust\]'"):
        new_native_context()

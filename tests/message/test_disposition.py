from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import hyperhttp
from hyperhttp.message.disposition import download_name

PLAIN = hyperhttp.URL("http://127.0.0.1/files/report.pdf?x=/y#z")


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/files/report.pdf", "report.pdf"),
        ("/files/", "download"),
        ("/", "download"),
        ("", "download"),
        ("/a%20b.txt", "a b.txt"),
        ("/na%C3%AFve.txt", "naïve.txt"),
        ("/..%2F..%2Fetc%2Fpasswd", "passwd"),
        ("/%2e%2e", "download"),
        ("/.bashrc", "bashrc"),
        ("/-rf", "rf"),
        ("/a%00b", "ab"),
    ],
)
def test_the_name_is_the_last_part_of_the_path(path: str, name: str) -> None:
    assert download_name(hyperhttp.URL(f"http://127.0.0.1{path}")) == name


@pytest.mark.parametrize(
    ("disposition", "name"),
    [
        ('attachment; filename="a.txt"', "a.txt"),
        ("attachment; filename=a.txt", "a.txt"),
        ('attachment; FileName="a\\"b.txt"', "a_b.txt"),
        ("attachment; filename=a.txt; filename*=UTF-8''%e2%82%ac.txt", "€.txt"),
        ("attachment; filename*=iso-8859-1'en'%A3.txt; filename=a.txt", "£.txt"),
        ("attachment; filename*=utf-7''x; filename=a.txt", "a.txt"),
        ("attachment; filename*=broken; filename=a.txt", "a.txt"),
        ('attachment; filename="../../etc/passwd"', "passwd"),
        ('attachment; filename="C:\\\\temp\\\\evil.exe"', "evil.exe"),
        ('attachment; filename="/"', "report.pdf"),
        ('attachment; filename=".."', "report.pdf"),
        ('attachment; filename=".ssh"', "ssh"),
        ('attachment; filename="con.txt"', "_con.txt"),
        ('attachment; filename="a:b|c?.txt"', "a_b_c_.txt"),
        ('attachment; filename="x\u202etxt.exe"', "xtxt.exe"),
        ("attachment; filename*=UTF-8''%2e%2e%2fx%0a%1b.txt", "x.txt"),
        ("attachment; filename*=UTF-8''%ff%fe", "\ufffd\ufffd"),
        ("attachment", "report.pdf"),
        ("inline; filename=", "report.pdf"),
        ("", "report.pdf"),
    ],
)
def test_content_disposition_suggests_a_name(disposition: str, name: str) -> None:
    assert download_name(PLAIN, disposition) == name


def test_a_long_name_is_cut_and_keeps_its_suffix() -> None:
    name = download_name(PLAIN, f'attachment; filename="{"ü" * 300}.tar.gz"')
    assert name.endswith("ü.tar.gz")
    assert 190 < len(name.encode()) <= 200


@pytest.mark.parametrize("end", [".", " ", ". ."])
def test_a_name_that_is_cut_does_not_end_in_what_windows_takes_off(end: str) -> None:
    name = download_name(PLAIN, f'attachment; filename="{"a" * (199 - len(end))}{end}{"b" * 50}"')
    assert name == "a" * (199 - len(end))


def test_a_name_that_is_cut_is_no_device() -> None:
    assert download_name(PLAIN, f'attachment; filename="nul{" " * 300}x"') == "_nul"


@given(st.text())
def test_no_suggestion_is_more_than_a_plain_visible_name(text: str) -> None:
    for name in (
        download_name(PLAIN, f'attachment; filename="{text}"'),
        download_name(PLAIN, "attachment; filename*=UTF-8''" + text.encode("utf-8", "replace").hex("%")),
    ):
        assert name
        assert Path(name).name == name
        assert not name.startswith((".", "-", "~", " "))
        assert not set(name) & set('/\\<>:"|?*\0\n\r\x1b')
        assert len(name.encode()) <= 200

from __future__ import annotations

import base64
import hashlib
from typing import Any

import pytest

from hyperhttp import Headers
from hyperhttp.message.digests import expected_digests, sent_digests

DIGEST = hashlib.sha256(b"x").digest()
BASE64 = base64.b64encode(DIGEST).decode()
SHA512 = hashlib.sha512(b"x").digest()


@pytest.mark.parametrize(
    ("given", "name", "size"),
    [
        ("sha256:" + "0" * 64, "sha256", 32),
        ("SHA-256:" + "A" * 64, "sha256", 32),
        (" sha-512 :" + "a" * 128, "sha512", 64),
        ({"md5": "00" * 16}, "md5", 16),
        ({"sha3-256": "00" * 32}, "sha3_256", 32),
        ({"blake2b": "00" * 64}, "blake2b", 64),
    ],
)
def test_a_digest_is_given_by_its_algorithm(given: Any, name: str, size: int) -> None:
    ((found, digest),) = expected_digests(given).items()
    assert (found, len(digest)) == (name, size)


def test_several_digests_are_given_as_a_mapping() -> None:
    assert set(expected_digests({"md5": "00" * 16, "sha1": "00" * 20})) == {"md5", "sha1"}
    assert expected_digests(None) == {}


@pytest.mark.parametrize(
    "given", ["", "sha256", "sha256:", "sha256:zz", "sha256:" + "0" * 63, "crc32:00", {"shake_128": ""}, ":00"]
)
def test_what_is_no_digest_is_refused(given: Any) -> None:
    with pytest.raises(ValueError, match="digest="):
        expected_digests(given)


def test_another_type_is_refused() -> None:
    with pytest.raises(TypeError, match="digest="):
        expected_digests(5)


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (f"sha-256=:{BASE64}:", {"sha256": DIGEST}),
        (f"unknown=:AAAA:,  sha-256=:{BASE64}:;par=1", {"sha256": DIGEST}),
        (f"sha-512=:{base64.b64encode(SHA512).decode()}:, sha-256=:{BASE64}:", {"sha256": DIGEST, "sha512": SHA512}),
        (f"md5=:{BASE64}:", {}),
        (f"sha-256={BASE64}", {}),
        ("sha-256=:AAAA:", {}),
        ("sha-256=:!:", {}),
        ("sha-256=:", {}),
        ("sha-256", {}),
        (",,=,:", {}),
        ("", {}),
    ],
)
def test_the_digests_of_a_server_are_read(value: str, found: dict[str, bytes]) -> None:
    assert sent_digests(Headers({"Repr-Digest": value}), "repr-digest") == found


def test_there_may_be_none() -> None:
    assert sent_digests(Headers(), "repr-digest") == {}

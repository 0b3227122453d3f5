"""Digests of content: those a caller expects, and those a server sends (RFC 9530)."""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from hyperhttp.message.headers import Headers

__all__ = ["expected_digests", "sent_digests"]

#: The algorithms RFC 9530 section 5 has not deprecated, and their names in hashlib.
_ACTIVE: Final = {"sha-256": "sha256", "sha-512": "sha512"}
_SIZES: Final = {"sha256": 32, "sha512": 64}


def expected_digests(given: Any) -> dict[str, bytes]:
    """Digests by hashlib's names of their algorithms.

    Args:
        given: ``"sha256:9f86d0..."``, or hexadecimal digests by algorithm.

    Raises:
        ValueError: an algorithm is unknown here, or a digest is not one of its.
        TypeError: it is neither.
    """
    import hashlib  # here and not above: for those who download

    if given is None:
        return {}
    if isinstance(given, str):
        algorithm, _, text = given.partition(":")
        given = {algorithm: text}
    elif not isinstance(given, Mapping):
        msg = f"digest= takes 'algorithm:hex' or a mapping of these, not {type(given).__name__}"
        raise TypeError(msg)
    expected = {}
    for algorithm, text in given.items():
        name = _plain_name(algorithm)
        if name not in hashlib.algorithms_available:
            msg = f"digest= names the algorithm {algorithm[:40]!r}, which hashlib does not have"
            raise ValueError(msg)
        size = hashlib.new(name, usedforsecurity=False).digest_size
        try:
            digest = bytes.fromhex(text)
        except ValueError:
            digest = b""
        if not size or len(digest) != size:
            msg = f"digest= takes {2 * size} hexadecimal digits for {algorithm}, not {text[:140]!r}"
            raise ValueError(msg)
        expected[name] = digest
    return expected


def _plain_name(algorithm: str) -> str:
    """``SHA-256`` is hashlib's ``sha256``; ``sha3-256`` is its ``sha3_256``."""
    name = algorithm.strip().lower()
    return name.replace("sha-", "sha") if name.startswith("sha-") else name.replace("-", "_")


def sent_digests(headers: Headers, field: str) -> dict[str, bytes]:
    """The digests of a Repr-Digest or Content-Digest field, by hashlib's names; what is unknown or broken is left out."""
    found = {}
    for member in headers.get(field, "").split(","):
        key, _, value = member.partition("=")
        name = _ACTIVE.get(key.strip())
        value = value.partition(";")[0].strip()
        if name is None or len(value) < 2 or value[0] != ":" or value[-1] != ":":
            continue
        try:
            digest = b64decode(value[1:-1], validate=True)
        except (binascii.Error, ValueError):
            continue
        if len(digest) == _SIZES[name]:
            found[name] = digest
    return found

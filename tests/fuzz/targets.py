"""All targets by name. A target takes any bytes and raises only when something that must always hold does not."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.fuzz.content import coding, lines, multipart, sse
from tests.fuzz.cookies import cookies
from tests.fuzz.fields import challenges, content_type, headers, links, rates, retry_after
from tests.fuzz.http1 import http1, http1_writer
from tests.fuzz.http2 import hpack_decoder, hpack_encoder, http2
from tests.fuzz.url import url

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["CORPUS", "TARGETS", "corpus_of"]

CORPUS: Final = Path(__file__).with_name("corpus")

TARGETS: Final[dict[str, Callable[[bytes], None]]] = {
    target.__name__: target
    for target in (
        challenges, coding, content_type, cookies, headers, hpack_decoder, hpack_encoder, http1, http1_writer, http2,
        lines, links, multipart, rates, retry_after, sse, url,
    )
}  # fmt: skip


def corpus_of(name: str) -> dict[str, bytes]:
    """The inputs of a target that are kept, by file name: seeds, and all that ever failed."""
    return {path.name: path.read_bytes() for path in sorted((CORPUS / name).iterdir())}

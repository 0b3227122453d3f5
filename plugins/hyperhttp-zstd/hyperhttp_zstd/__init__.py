"""The zstd content coding for HyperHTTP (RFC 8878, RFC 9659), as a plugin: install it to decode ``zstd``.

The package ``zstandard`` is imported when the first response in this coding is decoded, not before.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from hyperhttp.plugins import ContentCoding, hookimpl

if TYPE_CHECKING:
    from hyperhttp.plugins import Decoder, DecoderRegistry

__all__ = ["HYPERHTTP_PLUGIN_API", "__version__", "hyperhttp_register_decoders"]

__version__ = "0.1.0"

HYPERHTTP_PLUGIN_API = 1


def _decoder() -> Decoder:
    from hyperhttp_zstd.coding import ZstdDecoder

    return ZstdDecoder()


@hookimpl
def hyperhttp_register_decoders(decoders: DecoderRegistry) -> None:
    """Add ``zstd``. A broken installation shows here, not with the first response that needs the package."""
    if find_spec("zstandard") is None:
        raise ModuleNotFoundError("No module named 'zstandard'", name="zstandard")
    decoders.add(ContentCoding("zstd", _decoder))

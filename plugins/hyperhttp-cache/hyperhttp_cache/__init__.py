"""An HTTP cache for HyperHTTP (RFC 9111), in memory or in SQLite.

client = hyperhttp.Client(transport=CacheTransport())
"""

from __future__ import annotations

from hyperhttp_cache.entry import Entry
from hyperhttp_cache.sqlite import ForeignDatabaseError, SQLiteStorage
from hyperhttp_cache.storage import MemoryStorage, Storage
from hyperhttp_cache.transport import CacheTransport

__all__ = [
    "CacheTransport",
    "Entry",
    "ForeignDatabaseError",
    "MemoryStorage",
    "SQLiteStorage",
    "Storage",
    "__version__",
]

__version__ = "0.1.0"

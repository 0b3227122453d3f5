"""An adapter that lets requests run on HyperHTTP.

session = requests.Session()
session.mount("https://", HyperAdapter())
session.mount("http://", HyperAdapter())
"""

from __future__ import annotations

from hyperhttp_requests.adapter import HyperAdapter

__all__ = ["HyperAdapter", "__version__"]

__version__ = "0.1.0"

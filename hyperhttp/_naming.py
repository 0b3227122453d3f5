"""How messages name things."""

from __future__ import annotations

__all__ = ["peer_name"]


def peer_name(host: str, port: int | None) -> str:
    """Host and port as messages show them: ``example.com:443``, ``[::1]:8080``."""
    name = f"[{host}]" if ":" in host else host
    return name if port is None else f"{name}:{port}"

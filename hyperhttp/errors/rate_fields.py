"""What a server says about its own limits: RateLimit and RateLimit-Policy (draft-ietf-httpapi-ratelimit-headers).

Three generations of the draft are in use and all are read, and the fields that were there before it::

    RateLimit: "default";r=50;t=30              RateLimit-Policy: "default";q=100;w=60       since -08
    RateLimit: limit=100, remaining=50, reset=30        RateLimit-Policy: 100;w=60           -07
    RateLimit-Limit: 100    RateLimit-Remaining: 50     RateLimit-Reset: 30                  up to -06
    X-RateLimit-Limit: 100  X-RateLimit-Remaining: 50   X-RateLimit-Reset: 1790000000        without a specification

The reset of the last, and of its sibling beginning with ``X-Rate-Limit``, means seconds from now on with some servers, and
seconds or milliseconds since 1970 with others. Which of them tells its size: a quota of thirty years is none.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Final, NamedTuple

from hyperhttp.errors.retry_after import sent_at

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from hyperhttp.message.headers import Headers

__all__ = ["Quota", "read_quota"]

#: Characters of a field that are looked at.
_MAX_LENGTH: Final = 2048
_NUMBER: Final = re.compile(r"[0-9]{1,15}")  # as many digits as an Integer of RFC 9651 has
#: From these numbers on a reset is a moment: in seconds since 1970, in milliseconds since then.
_FIRST_SECOND: Final = 10**9
_FIRST_MILLISECOND: Final = 10**12


class Quota(NamedTuple):
    """How many requests a server still takes.

    Attributes:
        remaining: requests until the quota is reset; None where it does not say.
        reset: seconds until then.
        size: requests of a whole quota; None where it does not say.
        window: seconds a quota is for.
    """

    remaining: int | None = None
    reset: float | None = None
    size: int | None = None
    window: float | None = None


def read_quota(headers: Headers, wall: Callable[[], float] = time.time) -> Quota | None:
    """What a response says; of several quotas the one that is nearest to its end. None where it says nothing of use.

    Args:
        headers: the response's.
        wall: the time of day, seconds since 1970, for resets that are moments in a response without a Date.
    """
    policies = _policies(headers.get("ratelimit-policy", ""))
    current = _current(headers.get("ratelimit", ""), policies) or _separate(headers) or _unspecified(headers, wall)
    if current is not None:
        return current if current.window is not None or len(policies) != 1 else _with_policy(current, policies)
    sizes = [quota for quota in policies.values() if quota.size and quota.window]
    return min(sizes, key=lambda quota: (quota.size or 0) / (quota.window or 1), default=None)


def _policies(text: str) -> dict[str, Quota]:
    """Quotas by the name of their policy, which is the quota itself in the old form; without size those of something else."""
    found: dict[str, Quota] = {}
    for name, params in _members(text):
        size = _number(params.get("q")) if "q" in params else _number(name)
        window = _number(params.get("w"))
        if params.get("qu", "requests") != "requests":
            size = None  # bytes, or requests at the same time
        found[name] = Quota(size=size, window=float(window) if window else None)
    return found


def _current(text: str, policies: Mapping[str, Quota]) -> Quota | None:
    quotas = []
    entries: dict[str, str] = {}
    for name, params in _members(text):
        key, _, value = name.partition("=")
        entries[key] = value
        policy = policies.get(name, Quota())
        remaining = _number(params.get("r"))
        seconds = _number(params.get("t"))
        reset = policy.window if seconds is None else float(seconds)
        if remaining is None or reset is None or (name in policies and policy.size is None):
            continue
        quotas.append(Quota(remaining, reset, policy.size, policy.window))
    if quotas:
        return min(quotas, key=lambda quota: (quota.remaining or 0, -(quota.reset or 0.0)))
    return _three(entries.get("limit"), entries.get("remaining"), entries.get("reset"))


def _separate(headers: Headers) -> Quota | None:
    limit = headers.get("ratelimit-limit")
    return _three(
        None if limit is None else limit.partition(",")[0],  # the first is the one that is in force
        headers.get("ratelimit-remaining"),
        headers.get("ratelimit-reset"),
    )


def _unspecified(headers: Headers, wall: Callable[[], float]) -> Quota | None:
    quota = None
    for prefix in ("x-ratelimit-", "x-rate-limit-"):
        limit, remaining, reset = (headers.get(prefix + name) for name in ("limit", "remaining", "reset"))
        quota = quota or _three(limit, remaining, reset)
    if quota is None or quota.reset is None or quota.reset < _FIRST_SECOND:
        return quota
    moment = quota.reset / 1000 if quota.reset >= _FIRST_MILLISECOND else quota.reset
    return quota._replace(reset=max(moment - sent_at(headers, wall), 0.0))


def _three(limit: str | None, remaining: str | None, reset: str | None) -> Quota | None:
    left, seconds = _number(remaining), _number(reset)
    if left is None or seconds is None:
        return None
    return Quota(left, float(seconds), _number(limit))


def _with_policy(current: Quota, policies: Mapping[str, Quota]) -> Quota:
    (policy,) = policies.values()
    return current._replace(size=policy.size, window=policy.window)


def _members(text: str) -> Iterator[tuple[str, dict[str, str]]]:
    """The members of a list with their parameters (RFC 9651 section 3.1), without being strict about it."""
    for member in _split(text[:_MAX_LENGTH], ","):
        pieces = _split(member, ";")
        params = dict(piece.partition("=")[::2] for piece in pieces[1:])
        if pieces:
            yield _bare(pieces[0]), {key.strip().lower(): _bare(value.strip()) for key, value in params.items()}


def _split(text: str, mark: str) -> list[str]:
    """The pieces between marks that stand outside of quotes, without those that are empty."""
    pieces = []
    start = 0
    is_quoted = is_escaped = False
    for index, char in enumerate(text):
        if is_escaped:
            is_escaped = False
        elif char == '"':
            is_quoted = not is_quoted
        elif is_quoted:
            is_escaped = char == "\\"
        elif char == mark:
            pieces.append(text[start:index].strip())
            start = index + 1
    pieces.append(text[start:].strip())
    return [piece for piece in pieces if piece]


def _bare(value: str) -> str:
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] == '"' else value


def _number(value: str | None) -> int | None:
    return int(value) if value is not None and _NUMBER.fullmatch(value.strip()) else None

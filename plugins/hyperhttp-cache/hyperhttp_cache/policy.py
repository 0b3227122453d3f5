"""What may be stored and what may be used, as RFC 9111 has it: hishel's state machine, and what it leaves to its user.

hishel decides on freshness, on what a response may be stored for, on conditional requests and on what a 304 changes. It
knows the moment a response was made by its Date alone and no directives of requests but no-cache. So an entry is shown to it
with the Date that its age comes to (section 4.2.3), and moved in time by the seconds that max-stale and min-fresh ask for.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from email.utils import formatdate
from typing import TYPE_CHECKING, Final

import hishel

from hyperhttp_cache.directives import date_of, directives_of, seconds_of
from hyperhttp_cache.entry import Entry, selecting_fields

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hyperhttp import Request, Response

__all__ = ["FAILURES", "Confirmation", "Policy", "request_directives"]

#: Statuses that mean the origin has failed (RFC 5861 section 4).
FAILURES: Final = frozenset({500, 502, 503, 504})

#: Seconds that are as good as for ever.
_AGES: Final = 2**31


@dataclass(frozen=True, slots=True)
class Confirmation:
    """What a response to a conditional request has come to.

    Attributes:
        entry: the stored response to use, its fields renewed; None: the response itself is to be used.
        outdated: ids of entries that are to be removed.
        again: the response said that nothing was modified, of something that is not stored: ask without conditions.
    """

    entry: Entry | None = None
    outdated: tuple[str, ...] = ()
    again: bool = False


class Policy:
    """The rules of one cache.

    Args:
        shared: whether it serves several users.
        stale_if_error: seconds for which a stale response may stand for one that cannot be had, where no response says.
    """

    def __init__(self, *, shared: bool, stale_if_error: float) -> None:
        self.shared = shared
        self._stale_if_error = stale_if_error
        self._options = hishel.CacheOptions(shared=shared, allow_stale=False, supported_methods=["GET", "HEAD"])

    # -- using -------------------------------------------------------------------------------------------------------

    def usable(self, request: Request, entries: Sequence[Entry], now: float) -> Entry | None:
        """The stored response that may be used as it is (section 4)."""
        asked = request_directives(request)
        if "no-cache" in asked:
            return None
        oldest = seconds_of(asked, "max-age")
        if oldest == 0:
            return None
        shift = float(seconds_of(asked, "min-fresh") or 0)
        seconds = seconds_of(asked, "max-stale")
        lenient = float(_AGES if seconds is None else seconds) if "max-stale" in asked else 0.0
        for entry in newest_first(entries):
            if oldest is not None and entry.age(now) > oldest:
                continue
            if self._is_fresh(entry, now, shift):
                return entry
            if self._is_usable_stale(entry, now, shift, lenient):
                return entry
        return None

    def usable_meanwhile(self, request: Request, entries: Sequence[Entry], now: float) -> Entry | None:
        """The stored response that may be used while it is confirmed behind its back (RFC 5861 section 3)."""
        asked = request_directives(request)
        if {"no-cache", "min-fresh", "max-stale"} & asked.keys():  # the request says itself how stale is too stale
            return None
        oldest = seconds_of(asked, "max-age")
        for entry in newest_first(entries):
            seconds = seconds_of(entry.directives, "stale-while-revalidate")
            if seconds is None or (oldest is not None and entry.age(now) > oldest):
                continue
            if self._is_usable_stale(entry, now, 0.0, float(seconds)):
                return entry
        return None

    def usable_after_failure(self, request: Request, entries: Sequence[Entry], now: float) -> Entry | None:
        """The stored response that may stand for one that cannot be had (RFC 5861 section 4)."""
        asked = request_directives(request)
        for entry in newest_first(entries):
            said = [seconds_of(each, "stale-if-error") for each in (asked, entry.directives)]
            allowed = max((float(seconds) for seconds in said if seconds is not None), default=self._stale_if_error)
            if "no-cache" not in asked and self._is_usable_stale(entry, now, 0.0, allowed):
                return entry
        return None

    def _is_fresh(self, entry: Entry, now: float, shift: float) -> bool:
        """Whether it will be fresh in so many seconds, or was so many ago."""
        request = hishel.Request("GET", "")
        state = hishel.IdleClient(options=self._options).next(request, [_shown(entry, now, shift)])
        return isinstance(state, hishel.FromCache)

    def _is_usable_stale(self, entry: Entry, now: float, shift: float, seconds: float) -> bool:
        """Whether it has been stale for so many seconds at most, and nothing forbids to use it then (section 4.2.4)."""
        said = entry.directives
        strict = {"must-revalidate", "no-cache"} | ({"proxy-revalidate", "s-maxage"} if self.shared else set())
        if not seconds or strict & said.keys():
            return False
        # Moved back in time it is fresh, unless it never was: then its age is how long it has been stale.
        return self._is_fresh(entry, now, shift - seconds) or entry.age(now) + shift <= seconds

    # -- confirming --------------------------------------------------------------------------------------------------

    def conditions(self, entries: Sequence[Entry]) -> dict[str, str]:
        """The fields that make a request conditional on the stored responses (section 4.3.1)."""
        state = self._revalidation(entries)
        return {name: value for name, value in state.request.headers.items() if name.startswith("if-")}

    def confirm(self, entries: Sequence[Entry], response: Response, requested_at: float, now: float) -> Confirmation:
        """What the response to a conditional request means (sections 4.3.3 and 4.3.4)."""
        ids = tuple(entry.id for entry in entries)
        if response.status_code != 304:
            return Confirmation(outdated=ids if response.is_success else ())
        by_id = {entry.id: entry for entry in entries}
        state: hishel.AnyState = self._revalidation(entries).next(
            hishel.Response(304, _fields_of(response.headers.raw))
        )
        outdated: tuple[str, ...] = ()
        if isinstance(state, hishel.InvalidateEntries):
            outdated = tuple(each.hex for each in state.entry_ids)
            state = state.next()
        if not isinstance(state, hishel.NeedToBeUpdated):
            return Confirmation(outdated=outdated or ids, again=True)
        updated = state.updating_entries[-1]
        old = by_id[updated.id.hex]
        headers = _merged([*old.headers, *response.headers.raw], updated.response.headers)
        return Confirmation(old.with_headers(headers, requested_at, now), outdated)

    def _revalidation(self, entries: Sequence[Entry]) -> hishel.NeedRevalidation:
        request = hishel.Request("GET", "", hishel.Headers({"cache-control": "no-cache"}))
        shown = [hishel.Entry(uuid.UUID(entry.id), _PLAIN, _response_of(entry)) for entry in newest_first(entries)]
        state = hishel.IdleClient(options=self._options).next(request, shown)
        if not isinstance(state, hishel.NeedRevalidation):
            raise TypeError(f"no-cache and {len(shown)} entries lead to {type(state).__name__}")
        return state

    # -- storing -----------------------------------------------------------------------------------------------------

    def storable(self, request: Request, response: Response, requested_at: float, now: float) -> Entry | None:
        """The entry for a response, without its content; None where it must not be stored, or never could be used.

        RFC 9111 section 3.
        """
        selecting = selecting_fields(request, response.headers)
        if selecting is None or "no-store" in request_directives(request) or response.status_code == 101:
            return None
        theirs = hishel.Request(request.method, "", _fields_of(request.headers.raw))
        fields = _fields_of(response.headers.raw)
        state = hishel.CacheMiss(options=self._options, request=theirs).next(
            hishel.Response(response.status_code, fields)
        )
        if not isinstance(state, hishel.StoreAndUse) or not _is_worth_it(response):
            return None
        kept = tuple(field for field in response.headers.raw if field[0].decode("latin-1") in state.response.headers)
        return Entry(
            uuid.uuid4().hex, request.method, selecting, response.status_code, response.reason, response.http_version,
            kept, b"", requested_at, now,
        )  # fmt: skip

    def invalidates(self, request: Request, response: Response) -> bool:
        """Whether what is stored for the URL is out of date now (section 4.4)."""
        entry = hishel.Entry(uuid.uuid4(), _PLAIN, hishel.Response(200))
        state = hishel.IdleClient(options=self._options).next(hishel.Request(request.method, ""), [entry])
        return isinstance(state, hishel.CacheMiss) and isinstance(
            state.next(hishel.Response(response.status_code)), hishel.InvalidateEntries
        )


_PLAIN: Final = hishel.Request("GET", "")


def request_directives(request: Request) -> dict[str, str]:
    """The request's Cache-Control; where there is none, an old Pragma counts (section 5.4)."""
    headers = request.headers
    if "cache-control" in headers:
        return directives_of(headers.get_list("cache-control"))
    return {"no-cache": ""} if "no-cache" in directives_of(headers.get_list("pragma")) else {}


def newest_first(entries: Sequence[Entry]) -> list[Entry]:
    """Of several that are suitable the most recent one is used (section 4)."""
    return sorted(entries, key=lambda entry: date_of(entry.value("date")) or entry.received_at, reverse=True)


def _is_worth_it(response: Response) -> bool:
    """It says for how long it is fresh, or can be asked about: anything else would never be used."""
    headers = response.headers
    said = directives_of(headers.get_list("cache-control"))
    return bool({"max-age", "s-maxage"} & said.keys()) or any(
        name in headers for name in ("etag", "last-modified", "expires")
    )


def _fields_of(raw: Sequence[tuple[bytes, bytes]]) -> hishel.Headers:
    fields: dict[str, str | list[str]] = {}
    for name, value in raw:
        values = fields.setdefault(name.decode("latin-1").lower(), [])
        if isinstance(values, list):
            values.append(value.decode("latin-1"))
    return hishel.Headers(fields)


def _response_of(entry: Entry) -> hishel.Response:
    return hishel.Response(entry.status_code, _fields_of(entry.headers))


def _shown(entry: Entry, now: float, shift: float) -> hishel.Entry:
    """The entry as hishel would see it in so many seconds: its Date is that from which its age counts."""
    fields = {name: value for name, value in _response_of(entry).headers.items() if name not in ("date", "expires")}
    made_at = now - entry.age(now) - shift
    fields["date"] = formatdate(made_at, usegmt=True)
    expires = entry.value("expires")
    if expires is not None:
        moment = date_of(expires)
        begin = date_of(entry.value("date")) or entry.received_at
        fields["expires"] = "0" if moment is None else formatdate(made_at + (moment - begin), usegmt=True)
    return hishel.Entry(uuid.UUID(entry.id), _PLAIN, hishel.Response(entry.status_code, hishel.Headers({**fields})))


def _merged(raw: Sequence[tuple[bytes, bytes]], wanted: hishel.Headers) -> list[tuple[bytes, bytes]]:
    """Header fields as hishel has put them together, in the spelling in which they came."""
    spelling = {name.lower(): name for name, _ in raw}
    return [
        (spelling.get(name.encode("latin-1"), name.encode("latin-1")), value.encode("latin-1"))
        for name in wanted
        for value in wanted.get_list(name) or ()
    ]

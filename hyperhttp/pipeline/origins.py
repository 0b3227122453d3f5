"""What was made for one origin and must not reach another: fields and content that an authentication flow or a hook set.

Nobody can tell from its name whether a field such as ``X-Api-Key`` is a secret, but who has set it is known: what flows and
hooks add or change is written down where they are called, and taken back where a request goes to another origin, by a
redirect or because a hook says so (RFC 9110 sections 15.4 and 17.16.1). Both are asked again there and see the new URL.
Fields of the caller's own travel, as far as their names allow it; so does the caller's own content, where a flow or a hook
had put something else in its place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hyperhttp.config import UNSET
from hyperhttp.message.headers import Headers
from hyperhttp.pipeline.cookies import refresh_cookies

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from hyperhttp.message.content import Content
    from hyperhttp.message.request import Request
    from hyperhttp.pipeline.call import Call

    Fields = Sequence[tuple[bytes, bytes]]

__all__ = ["CONTENT_FIELDS", "leave_origin", "note_changes", "note_content", "with_content_of", "without_changes"]

#: They describe the content, and go where it goes.
CONTENT_FIELDS: Final = frozenset(
    {
        b"content-encoding", b"content-language", b"content-length", b"content-location", b"content-type",
        b"digest", b"content-digest", b"repr-digest", b"expect", b"last-modified", b"trailer", b"transfer-encoding",
    }
)  # fmt: skip


def note_changes(call: Call, before: Fields, after: Fields, *, jar: bool = False) -> None:
    """Write down which fields were set, changed or removed, and what they were when the caller gave them.

    Args:
        call: keeps the note.
        before: the fields before a flow or hooks saw the request.
        after: the fields now.
        jar: the jar has seen the request already: Cookie, which travels nowhere, is no longer as the caller gave it.
    """
    if before == after:
        return
    names = _names({*before} ^ {*after}) - CONTENT_FIELDS - ({b"host", b"cookie"} if jar else {b"host"})
    # Not changed in place: calls are copied while they run.
    call.changed = {**{name: _lines(before, name) for name in names}, **(call.changed or {})}


def note_content(call: Call, before: Content | None, fields: Fields) -> None:
    """Write down what the caller's content was, where the request carries something else by now.

    Args:
        call: keeps the note.
        before: the content before a flow or hooks saw the request.
        fields: the fields then.
    """
    if call.request._content is not before and call.replaced is None:
        call.replaced = (before, [field for field in fields if field[0].lower() in CONTENT_FIELDS])


def with_content_of(replaced: tuple[Content | None, Fields], fields: Fields) -> list[tuple[bytes, bytes]]:
    """The fields, those that describe content as the caller gave them."""
    return [field for field in fields if field[0].lower() not in CONTENT_FIELDS] + list(replaced[1])


def without_changes(fields: Fields, changed: Mapping[bytes, Fields]) -> list[tuple[bytes, bytes]]:
    """The fields, those that were changed as the caller gave them; none is added that is not there."""
    names = _names(fields)
    kept = [field for field in fields if field[0].lower() not in changed]
    return kept + [line for name, lines in changed.items() if name in names for line in lines]


def leave_origin(call: Call, request: Request, before: Fields, content: Content | None = None) -> None:
    """Take back what was made for the origin that a request hook has just sent the request away from.

    What the hook itself has set is for the new one, and stays.

    Args:
        call: whose request it is.
        request: its URL is the new one.
        before: the fields before the hooks saw the request.
        content: the content then.
    """
    if call.replaced is not None and request._content is content is not None:
        request._content = call.replaced[0]
        request.headers = Headers.from_fields(with_content_of(call.replaced, request.headers.raw))
    fields = request.headers.raw
    by_hook = _names({*before} ^ {*fields})
    changed = {name: lines for name, lines in (call.changed or {}).items() if name not in by_hook}
    if changed:
        request.headers = Headers.from_fields(without_changes(fields, changed))
    if b"cookie" not in by_hook:
        if b"cookie" in changed:
            request._own_cookie = UNSET  # the flow's, for all that the jar could tell
        refresh_cookies(call, request)


def _names(fields: Iterable[tuple[bytes, bytes]]) -> set[bytes]:
    return {field[0].lower() for field in fields}


def _lines(fields: Fields, name: bytes) -> list[tuple[bytes, bytes]]:
    return [field for field in fields if field[0].lower() == name]

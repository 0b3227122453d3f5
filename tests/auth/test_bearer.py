"""Bearer (RFC 6750)."""

from __future__ import annotations

import pytest

from hyperhttp import BearerAuth
from hyperhttp.message.request import Request


@pytest.mark.parametrize("token", ["mF_9.B5f-4.1JqM", "a", "eyJ.eyJ.x-_~+/==", "odd!but#visible{}"])
def test_the_token_travels_as_it_is(token: str) -> None:
    request = Request("GET", "http://example.com/")
    flow = BearerAuth(token).auth_flow(request)
    assert next(flow).headers["Authorization"] == f"Bearer {token}"
    assert next(flow, None) is None


@pytest.mark.parametrize("token", ["", "tok en", "a\r\nX: y", "a\n", "\0", "tök", "a\t"])
def test_what_would_break_the_field_is_refused_without_being_shown(token: str) -> None:
    with pytest.raises(ValueError, match="visible ASCII") as caught:
        BearerAuth(token)
    assert not token.strip() or token not in str(caught.value)


def test_no_secret_is_shown() -> None:
    assert "s3cret" not in f"{BearerAuth('s3cret')!r}{BearerAuth('s3cret')}"

from __future__ import annotations

import pytest

from hyperhttp import HTTPStatusError, Request, Response
from hyperhttp.client.refusals import refuse


@pytest.mark.parametrize(
    ("status", "headers", "said"),
    [
        (404, {}, "404"),
        (500, {}, "500"),
        (204, {}, "204 instead of the file at http"),
        (302, {"Location": "/y"}, "follow_redirects=True"),
        (304, {}, "304"),
    ],
)
async def test_any_status_is_an_error(status: int, headers: dict[str, str], said: str) -> None:
    response = Response(status, headers, b"why", request=Request("GET", "http://user:hunter2@a.example/x"))
    with pytest.raises(HTTPStatusError, match=said) as caught:
        await refuse(response, "the file")
    assert caught.value.response is response
    assert response.content == b"why"
    assert "hunter2" not in str(caught.value)

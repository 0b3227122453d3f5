from __future__ import annotations

from typing import Any

import pytest


@pytest.mark.parametrize(
    ("path", "location"),
    [
        ("/redirect/3", "/relative-redirect/2"),
        ("/relative-redirect/2", "/relative-redirect/1"),
        ("/relative-redirect/1", "/get"),
    ],
)
def test_relative_redirects_count_down_to_get(fetch: Any, path: str, location: str) -> None:
    answer = fetch(path)
    assert (answer.status, answer.headers["Location"]) == (302, location)


def test_absolute_redirects_name_the_host_that_was_asked(fetch: Any, origin: Any) -> None:
    assert fetch("/absolute-redirect/2").headers["Location"] == origin.url + "/absolute-redirect/1"
    assert fetch("/absolute-redirect/1").headers["Location"] == origin.url + "/get"


@pytest.mark.parametrize("path", ["/redirect/0", "/redirect/x", "/redirect/1001", "/absolute-redirect/-1"])
def test_a_wrong_number_of_redirects_is_refused(fetch: Any, path: str) -> None:
    assert fetch(path).status == 400


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
def test_redirect_to_goes_where_it_is_told(fetch: Any, method: str) -> None:
    answer = fetch("/redirect-to?url=https%3A%2F%2Fother.test%2Fp%3Fq&status_code=307", method=method, body="x")
    assert (answer.status, answer.headers["Location"]) == (307, "https://other.test/p?q")
    assert fetch("/redirect-to?url=/get", method=method).status == 302


@pytest.mark.parametrize("query", ["", "?url=/x&status_code=200", "?url=/x%0d%0aX:y", "?url=/x&status_code=y"])
def test_redirect_to_refuses_nonsense(fetch: Any, query: str) -> None:
    assert fetch("/redirect-to" + query).status == 400

"""Options: which there are, and what becomes of a misspelt one."""

from __future__ import annotations

import pytest

from hyperhttp import Client, SyncClient
from hyperhttp.client.options import CLIENT_OPTIONS, REQUEST_OPTIONS, SENDING_OPTIONS, check_names


@pytest.mark.parametrize(
    ("given", "nearest"),
    [
        ("max_conections", "max_connections"),
        ("time_out", "timeout"),
        ("follow_redirect", "follow_redirects"),
        ("proxy", "proxies"),
    ],
)
@pytest.mark.parametrize("kind", [Client, SyncClient])
def test_an_unknown_option_of_a_client_names_the_nearest(kind: type, given: str, nearest: str) -> None:
    with pytest.raises(TypeError, match=f"{given!r}; did you mean {nearest!r}"):
        kind(**{given: 1})


def test_a_word_that_is_near_nothing_is_refused_without_a_guess() -> None:
    with pytest.raises(TypeError, match=r"no option 'zzzzzz'$"):
        check_names({"zzzzzz": 1}, CLIENT_OPTIONS, "a client")


def test_known_options_pass() -> None:
    check_names(dict.fromkeys(REQUEST_OPTIONS), REQUEST_OPTIONS, "a request")
    check_names({}, frozenset(), "nothing")


async def test_an_unknown_option_of_a_request_names_the_nearest() -> None:
    async with Client() as client:
        with pytest.raises(TypeError, match="'header'; did you mean 'headers'"):
            await client.get("http://a.example/", header={})  # type: ignore[call-arg]
    with SyncClient() as blocking, pytest.raises(TypeError, match="did you mean 'json'"):
        blocking.post("http://a.example/", jsn={})  # type: ignore[call-arg]


def test_the_options_of_the_contract_are_there() -> None:
    client = (
        "base_url headers cookies params auth timeout connect_timeout max_connections max_connections_per_host "
        "max_keepalive_connections keepalive_expiry max_connection_age http2 follow_redirects max_redirects verify cert "
        "ssl_context proxies trust_env event_hooks user_agent happy_eyeballs_delay dns_ttl resolver address_policy "
        "max_response_size transport plugins uds"
    )
    request = (
        "params headers cookies content data json files auth timeout follow_redirects http2 event_hooks proxy stream "
        "extensions"
    )
    assert set(client.split()) <= CLIENT_OPTIONS
    assert set(request.split()) <= REQUEST_OPTIONS
    assert SENDING_OPTIONS < REQUEST_OPTIONS

"""What ``auth=`` may be, and which credentials win."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from hyperhttp import Auth, BasicAuth, Headers, Request
from hyperhttp.auth.named import AnyAuth
from hyperhttp.auth.netrc import NetrcFile
from hyperhttp.client.credentials import auth_of, credentials_for, netrc_of, without_proxy_credentials
from hyperhttp.plugins import compile_plugins

if TYPE_CHECKING:
    from pathlib import Path

SCHEMES = compile_plugins([]).auth_schemes


class Shaped:
    def auth_flow(self, request: Any) -> Any:
        yield request


def test_what_auth_may_be() -> None:
    auth, shaped = Auth(), Shaped()
    assert auth_of(None, SCHEMES) is None
    assert auth_of(auth, SCHEMES) is auth
    assert isinstance(auth_of(("user", "pw"), SCHEMES), BasicAuth)
    assert auth_of(shaped, SCHEMES) is shaped  # type: ignore[comparison-overlap]
    assert isinstance(auth_of("basic user:pw", SCHEMES), BasicAuth)
    assert isinstance(auth_of("any user:pw", SCHEMES), AnyAuth)


@pytest.mark.parametrize("value", [7, b"basic a:b", ["a", "b"], ("a",), ("a", "b", "c"), object()])
def test_what_it_may_not_be(value: Any) -> None:
    with pytest.raises(TypeError, match="auth= takes"):
        auth_of(value, SCHEMES)


@pytest.mark.parametrize(
    ("url", "headers", "own", "netrc", "wins"),
    [
        ("http://h/", {}, False, False, None),
        ("http://h/", {}, False, True, "netrc"),
        ("http://h/", {}, True, True, "own"),
        ("http://u:p@h/", {}, True, True, "url"),
        ("http://u:p@h/", {"authorization": "x"}, True, True, None),
        ("http://h/", {"AUTHORIZATION": "x"}, False, True, None),
        ("http://other/", {}, False, True, None),
    ],
)
def test_who_wins(tmp_path: Path, url: str, headers: Any, own: bool, netrc: bool, wins: str | None) -> None:
    (tmp_path / "netrc").write_text("machine h login n password n\n")
    auth = Auth()
    file = NetrcFile(tmp_path / "netrc") if netrc else None
    found = credentials_for(Request("GET", url, headers=headers), auth if own else None, file)
    if wins == "own":
        assert found is auth
    elif wins is None:
        assert found is None
    else:
        value = next(found.auth_flow(Request("GET", "http://x/"))).headers["authorization"]  # type: ignore[union-attr]
        expected = BasicAuth(*{"url": ("u", "p"), "netrc": ("n", "n")}[wins])
        assert value == next(expected.auth_flow(Request("GET", "http://x/"))).headers["authorization"]


def test_the_environment_is_asked_for_a_file_where_it_is_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    assert netrc_of(trust_env=False) is None
    found = netrc_of(trust_env=True)
    assert found is not None
    assert found.path == tmp_path / "netrc"


def test_credentials_of_the_client_for_proxies_are_taken_off_a_copy() -> None:
    defaults = Headers({"Proxy-Authorization": "Basic abc", "X-Other": "1"})
    request = Request("GET", "http://example.com/", headers=defaults)
    sent = without_proxy_credentials(request, defaults)
    assert "proxy-authorization" not in sent.headers
    assert sent.headers["x-other"] == "1"
    assert "proxy-authorization" in request.headers


@pytest.mark.parametrize("own", [{}, {"Proxy-Authorization": "Basic own"}])
def test_credentials_of_the_request_itself_stay(own: dict[str, str]) -> None:
    request = Request("GET", "http://example.com/", headers=own)
    assert without_proxy_credentials(request, Headers({"Proxy-Authorization": "Basic abc"})) is request
    assert without_proxy_credentials(request, Headers()) is request

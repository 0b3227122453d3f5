"""What a request would do and which setting decided it: one order everywhere, and no secret shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import hyperhttp
from hyperhttp import AddressPolicy, BearerAuth, MockTransport, Timeout
from hyperhttp.plugins import DIRECT, hookimpl

if TYPE_CHECKING:
    from pathlib import Path

    from hyperhttp.testing.origin import Origin

URL = "https://api.example.com/path"
SECRET = "s3cret"


def explain(face: Any, url: str = URL, options: Any = None, **settings: Any) -> Any:
    """Nothing waits: both faces answer at once."""
    return face.client(**settings).raw.explain(url, **(options or {}))


def test_without_settings_everything_is_the_default(face: Any) -> None:
    told = explain(face)
    assert told.url == URL
    assert told.transport == (None, "no transport is mounted for this URL")
    assert told.proxy == (None, "no proxy is configured")
    assert told.trust == ("the roots of certifi", "the default")
    assert told.certificate == (None, "the default")
    assert told.auth.value is None
    assert told.http2 == (True, "the default")
    assert told.timeout == (Timeout(30.0), "the default")
    assert told.limits == (hyperhttp.Limits(), "the default")
    assert told.redirects == (0, "the default")
    assert told.resolver == ("system", "the default")
    assert told.policy == (None, "the default")
    assert told.pool == "https://api.example.com:443, TLS as above, HTTP/2 or HTTP/1.1"


def test_its_text_is_a_table(face: Any) -> None:
    lines = str(explain(face)).splitlines()
    assert lines[0] == "url            https://api.example.com/path"
    assert "proxy          none  (no proxy is configured)" in lines
    assert "trust          the roots of certifi  (the default)" in lines


def test_the_call_beats_the_client_and_the_client_the_environment(face: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://environment:1")
    call = {"proxy": "http://call:3", "timeout": 3, "http2": False, "follow_redirects": True}
    told = explain(face, options=call, proxies="http://client:2", timeout=2, http2=True, follow_redirects=False)
    assert told.proxy == ("http://call:3", "proxy= of the call")
    assert told.timeout == (Timeout(3.0), "timeout= of the call")
    assert told.http2 == (False, "http2= of the call")
    assert told.redirects == (20, "follow_redirects= of the call")
    told = explain(face, proxies="http://client:2", timeout=2, http2=False, follow_redirects=True, max_connections=5)
    assert told.proxy == ("http://client:2", "proxies=")
    assert told.timeout == (Timeout(2.0), "timeout= of the client")
    assert told.http2 == (False, "http2= of the client")
    assert told.redirects == (20, "follow_redirects= of the client")
    assert told.limits.value.max_connections == 5
    assert told.limits.rule == "max_connections= of the client"
    assert explain(face).proxy == ("http://environment:1", "HTTPS_PROXY")
    assert explain(face, trust_env=False).proxy == (None, "no proxies=, and trust_env=False")
    monkeypatch.setenv("NO_PROXY", ".example.com")
    assert explain(face).proxy == (None, "NO_PROXY: .example.com")
    assert explain(face, options={"proxy": None}, proxies="http://client:2").proxy == (None, "proxy= of the call")


def test_a_setting_that_cannot_be_followed_is_told_and_not_raised(face: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"gopher://user:{SECRET}@proxy")
    told = explain(face)
    assert told.proxy.value is None
    assert told.proxy.rule.startswith("HTTPS_PROXY: the environment variable HTTPS_PROXY cannot be followed")
    assert SECRET not in str(told)


def test_the_pool_keeps_tunnels_and_addresses_apart(face: Any) -> None:
    proxies = "http://proxy:3128"
    assert "a tunnel through http://proxy:3128" in explain(face, proxies=proxies).pool
    plain = explain(face, "http://a.example/", proxies=proxies)
    assert plain.pool == "http://a.example:80, requests to http://proxy:3128, HTTP/1.1"
    assert plain.trust == (None, "http:// has no TLS to the origin")
    told = explain(face, uds="/run/app.sock", local_address="127.0.0.2", http2="prior-knowledge")
    assert "the Unix socket /run/app.sock, from 127.0.0.2, HTTP/2" in told.pool
    assert told.address == ("/run/app.sock", "uds= of the client")
    assert told.local_address == ("127.0.0.2", "local_address= of the client")


@pytest.mark.parametrize(
    ("settings", "options", "url", "auth"),
    [
        ({"auth": ("u", SECRET)}, {}, URL, ("BasicAuth", "auth= of the client")),
        ({"auth": ("u", SECRET)}, {"auth": BearerAuth(SECRET)}, URL, ("BearerAuth", "auth= of the call")),
        ({"auth": ("u", SECRET)}, {"auth": None}, URL, (None, "auth= of the call")),
        ({"auth": ("u", SECRET)}, {}, f"https://u:{SECRET}@api.example.com/", ("BasicAuth", "the URL")),
        (
            {"auth": ("u", SECRET)},
            {"headers": {"Authorization": f"Token {SECRET}"}},
            URL,
            ("Token", "the Authorization field"),
        ),
        ({"headers": {"Authorization": SECRET}}, {}, URL, ("a credential", "the Authorization field")),
    ],
)
def test_credentials_are_named_in_their_order_and_never_shown(
    face: Any, settings: Any, options: Any, url: str, auth: Any
) -> None:
    told = explain(face, url, options, **settings)
    assert told.auth == auth
    assert SECRET not in str(told) + repr(told)


def test_netrc_is_named_by_its_file(face: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "netrc"
    path.write_text(f"machine api.example.com login user password {SECRET}\n")
    path.chmod(0o600)
    monkeypatch.setenv("NETRC", str(path))
    told = explain(face)
    assert told.auth == ("BasicAuth", f"netrc: {path}")
    assert SECRET not in str(told) + repr(told)
    assert explain(face, auth=("u", "p")).auth.rule == "auth= of the client"
    assert explain(face, "https://other.example/").auth.value is None


def test_the_credentials_of_a_proxy_are_told_but_not_shown(face: Any) -> None:
    told = explain(face, proxies=f"http://user:{SECRET}@proxy:3128")
    assert told.proxy == ("http://proxy:3128", "proxies=")
    assert told.proxy_auth == ("credentials", "the proxy's URL")
    assert SECRET not in str(told) + repr(told)


def test_whom_it_trusts_and_as_whom_it_appears(face: Any, origin: Origin, monkeypatch: pytest.MonkeyPatch) -> None:
    assert explain(face, verify=False).trust == ("anybody: no certificate is verified", "verify=False")
    assert explain(face, verify=origin.ca_pem).trust == (origin.ca_pem, "verify=")
    assert explain(face, verify="system").trust == ("the system's trust store", "verify='system'")
    told = explain(face, ssl_context=origin.ssl_context())
    assert (told.trust.rule, told.certificate.rule) == ("ssl_context=", "ssl_context=")
    monkeypatch.setenv("SSL_CERT_FILE", origin.ca_pem)
    assert explain(face).trust == (origin.ca_pem, "SSL_CERT_FILE")
    assert explain(face, trust_env=False).trust == ("the roots of certifi", "the default")
    told = explain(face, cert=(origin.client_cert, origin.client_cert, SECRET))
    assert told.certificate == (origin.client_cert, "cert=")
    assert SECRET not in str(told) + repr(told)


def test_what_sends_it(face: Any) -> None:
    mock = MockTransport()
    assert explain(face, transport=mock).transport == (mock, "transport=")
    mounts = {"all://*.example.com": mock, "https://api.example.com": None}
    assert explain(face, mounts=mounts).transport == (None, "mounts['https://api.example.com']")
    assert explain(face, "http://www.example.com/", mounts=mounts).transport == (mock, "mounts['all://*.example.com']")


class Plugin:
    """Chooses proxies and mounts a transport."""

    @hookimpl
    def hyperhttp_register_proxies(self, proxies: Any) -> None:
        class Chooser:
            def select(self, url: Any) -> str | None:
                return {"a.test": "http://chosen:1", "b.test": DIRECT}.get(url.host)

        proxies.add_selector("chooser", Chooser)

    @hookimpl
    def hyperhttp_register_transports(self, transports: Any) -> None:
        transports.add("all://*.mounted.test", MockTransport)


def test_what_plugins_decide_is_told_too(face: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "http://environment:1")
    plugins = [Plugin()]
    rule = "the proxy selector 'chooser' of a plugin"
    assert explain(face, "http://a.test/", plugins=plugins).proxy == ("http://chosen:1", rule)
    assert explain(face, "http://b.test/", plugins=plugins).proxy == (None, rule)
    assert explain(face, "http://c.test/", plugins=plugins).proxy == ("http://environment:1", "ALL_PROXY")
    told = explain(face, "http://x.mounted.test/", plugins=plugins)
    assert told.transport == (MockTransport, "the mount all://*.mounted.test of a plugin")


def test_a_relative_url_and_parameters_are_those_of_a_request(face: Any) -> None:
    told = explain(face, "users", {"params": {"a": "b"}}, base_url="https://api.example.com/v1", params={"c": "d"})
    assert told.url == "https://api.example.com/v1/users?c=d&a=b"


def test_addresses_that_may_be_connected_to(face: Any) -> None:
    policy = AddressPolicy.public_only()
    assert explain(face, address_policy=policy).policy == (policy, "address_policy= of the client")


def test_what_makes_no_request_is_an_error(face: Any) -> None:
    with pytest.raises(TypeError, match="did you mean 'timeout'"):
        explain(face, options={"timeouts": 3})
    with pytest.raises(hyperhttp.InvalidURL):
        explain(face, "relative")
    with pytest.raises(ValueError, match="http2="):
        explain(face, options={"http2": "maybe"})


async def test_it_tells_what_a_request_then_does(face: Any, scripted: Any) -> None:
    proxy = scripted([b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"])
    async with face.client(proxies=proxy.url) as client:
        told = client.raw.explain("http://a.example/")
        response = await client.get("http://a.example/")
        assert response.connection.proxy == told.proxy.value

"""Names that give secrets away, and names that only look like it."""

from __future__ import annotations

import pytest

from hyperhttp import URL, Headers
from hyperhttp.message.redaction import HIDDEN, shown_content, shown_value
from hyperhttp.message.secrecy import is_secret

SECRET = [
    "Authorization", "Proxy-Authorization", "X-Auth", "auth", "Cookie", "Set-Cookie",
    "token", "access_token", "X-Amz-Security-Token", "client_secret", "X-Jwt-Assertion",
    "credential", "Credentials", "X-Amz-Credential", "user_credentials", "clientCredential",
    "password", "passwd", "X-Passwd", "userPassword", "passphrase", "passcode", "pass", "proxy_pass", "pwd", "X-PWD", "userPwd",
    "signature", "X-Hub-Signature-256", "X-Goog-Signature", "sig", "X-Sig", "hmac_sig", "sig-v2",
    "apikey", "apiKey", "api_key", "api-key", "X-Api-Key", "X-APIKEY", "api.key", "Ocp-Apim-Subscription-Key",
    "X-Functions-Key", "AWSAccessKeyId", "accessKey", "private_key", "shared-key", "AccountKey",
    "session", "X-Session", "sessionid", "session_id", "Session-Key", "JSESSIONID", "PHPSESSID", "ASP.NET_SessionId",
    "userSessionId",
]  # fmt: skip
HARMLESS = [
    "Accept", "Content-Type", "ETag", "Host", "X-Request-Id", "WWW-Authenticate", "Author", "X-Author-Name",
    "design", "Design-Version", "assign", "assignee", "signal", "X-Signal", "insight", "significant",
    "Access-Control-Allow-Credentials", "withCredentials", "compass", "bypass", "passenger", "passage",
    "Session-Timeout", "obsession", "possession", "possession_id", "obsessionId", "assess_id_count", "sessions",
    "key", "keyboard", "monkey", "public_key", "Idempotency-Key", "Sec-WebSocket-Key", "Cache-Key", "keyword",
]  # fmt: skip


@pytest.mark.parametrize("name", SECRET)
def test_names_of_secrets_are_known_in_any_case(name: str) -> None:
    assert is_secret(name)
    assert is_secret(name.upper())
    assert is_secret(name.lower())


@pytest.mark.parametrize("name", HARMLESS)
def test_names_that_only_look_like_them_are_not(name: str) -> None:
    assert not is_secret(name)
    assert not is_secret(name.upper())


@pytest.mark.parametrize("name", ["X-Sig", "Credential", "X-Session", "passwd", "Pwd", "ApiKey"])
def test_fields_parameters_forms_and_json_are_hidden_alike(name: str) -> None:
    assert "hunter2" not in repr(Headers({name: "hunter2"}))
    assert shown_value(name, "hunter2") == HIDDEN
    assert "hunter2" not in URL(f"http://a.example/?{name}=hunter2").redacted
    assert b"hunter2" not in shown_content(b'{"%b": "hunter2"}' % name.encode(), "application/json")
    assert b"hunter2" not in shown_content(b"%b=hunter2" % name.encode(), "application/x-www-form-urlencoded")


@pytest.mark.parametrize("name", ["design", "assign", "signal", "Access-Control-Allow-Credentials", "Session-Timeout"])
def test_what_is_harmless_stays_to_be_seen_everywhere(name: str) -> None:
    assert "plain" in repr(Headers({name: "plain"}))
    assert shown_value(name, "plain") == "plain"
    assert "plain" in URL(f"http://a.example/?{name}=plain").redacted
    assert b"plain" in shown_content(b'{"%b": "plain"}' % name.encode(), "application/json")

"""Names and lists of the HTTP semantic conventions, version 1.44, and what they make of a request.

Names that are in development there may change their package in `opentelemetry-semantic-conventions` with any release;
so all are written here, and the tests compare them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import unquote_plus

from hyperhttp import URL, HyperHTTPError, InvalidURL

if TYPE_CHECKING:
    from collections.abc import Collection

    from hyperhttp import Request

__all__ = [
    "ACTIVE_REQUESTS",
    "CONNECTION_BUCKETS",
    "CONNECTION_DURATION",
    "CONNECTION_STATE",
    "ERROR_TYPE",
    "KNOWN_METHODS",
    "OPEN_CONNECTIONS",
    "OPT_IN",
    "OTHER",
    "PEER_ADDRESS",
    "PEER_PORT",
    "PROTOCOL_VERSION",
    "REQUEST_BODY_SIZE",
    "REQUEST_BUCKETS",
    "REQUEST_DURATION",
    "REQUEST_HEADER",
    "REQUEST_METHOD",
    "REQUEST_METHOD_ORIGINAL",
    "REQUEST_RESEND_COUNT",
    "REQUEST_SIZES",
    "RESPONSE_HEADER",
    "RESPONSE_SIZES",
    "RESPONSE_STATUS_CODE",
    "SCHEMA_URL",
    "SENSITIVE_QUERY_KEYS",
    "SERVER_ADDRESS",
    "SERVER_PORT",
    "TRANSPORT",
    "URL_FULL",
    "URL_SCHEME",
    "URL_TEMPLATE",
    "USER_AGENT",
    "error_type",
    "full_url",
    "server_of",
    "version_of",
]

SCHEMA_URL: Final = "https://opentelemetry.io/schemas/1.44.0"

ERROR_TYPE: Final = "error.type"
CONNECTION_STATE: Final = "http.connection.state"
REQUEST_BODY_SIZE: Final = "http.request.body.size"
REQUEST_HEADER: Final = "http.request.header."
REQUEST_METHOD: Final = "http.request.method"
REQUEST_METHOD_ORIGINAL: Final = "http.request.method_original"
REQUEST_RESEND_COUNT: Final = "http.request.resend_count"
RESPONSE_HEADER: Final = "http.response.header."
RESPONSE_STATUS_CODE: Final = "http.response.status_code"
PEER_ADDRESS: Final = "network.peer.address"
PEER_PORT: Final = "network.peer.port"
PROTOCOL_VERSION: Final = "network.protocol.version"
TRANSPORT: Final = "network.transport"
SERVER_ADDRESS: Final = "server.address"
SERVER_PORT: Final = "server.port"
URL_FULL: Final = "url.full"
URL_SCHEME: Final = "url.scheme"
URL_TEMPLATE: Final = "url.template"
USER_AGENT: Final = "user_agent.original"

ACTIVE_REQUESTS: Final = "http.client.active_requests"
CONNECTION_DURATION: Final = "http.client.connection.duration"
OPEN_CONNECTIONS: Final = "http.client.open_connections"
REQUEST_SIZES: Final = "http.client.request.body.size"
REQUEST_DURATION: Final = "http.client.request.duration"
RESPONSE_SIZES: Final = "http.client.response.body.size"

#: Advised by the conventions, in seconds.
REQUEST_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
CONNECTION_BUCKETS: Final = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)

#: What the conventions leave to whoever asks for it.
OPT_IN: Final = frozenset(
    {
        ACTIVE_REQUESTS, CONNECTION_DURATION, OPEN_CONNECTIONS, REQUEST_SIZES, RESPONSE_SIZES,
        REQUEST_BODY_SIZE, TRANSPORT, URL_SCHEME, USER_AGENT,
    }
)  # fmt: skip

#: Any other is ``_OTHER``, so that strange methods do not make as many time series.
KNOWN_METHODS: Final = frozenset(
    {"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE"}
)
OTHER: Final = "_OTHER"

#: Query keys whose values are signatures or credentials; compared case by case.
SENSITIVE_QUERY_KEYS: Final = frozenset(
    {
        "X-Amz-Signature", "X-Amz-Credential", "X-Amz-Security-Token", "AWSAccessKeyId", "Signature", "sig",
        "X-Goog-Signature",
    }
)  # fmt: skip


def full_url(url: URL, sensitive: Collection[str]) -> str:
    """The URL as ``url.full`` may show it: no credentials, no values of sensitive query keys."""
    if url.userinfo:
        scheme, mark, rest = str(url.copy_with(userinfo=None)).partition("://")
        text = f"{scheme}{mark}REDACTED:REDACTED@{rest}"
    else:
        text = str(url)
    return _redact_query(text, sensitive) if url.query else text


def _redact_query(text: str, sensitive: Collection[str]) -> str:
    start, mark, fragment = text.partition("#")
    start, _, query = start.partition("?")
    pairs = [_redact_pair(pair, sensitive) for pair in query.split("&")]
    return f"{start}?{'&'.join(pairs)}{mark}{fragment}"


def _redact_pair(pair: str, sensitive: Collection[str]) -> str:
    key, separator, _ = pair.partition("=")
    return f"{key}=REDACTED" if separator and unquote_plus(key) in sensitive else pair


def server_of(request: Request) -> tuple[str, int]:
    """Address and port as the server is told them: by the Host field where one was set, else by the URL."""
    url = request.url
    given = request.headers.get("host")
    if given is None or given == url.host_header:
        return url.host, url.effective_port
    try:
        asked = URL.parse_cached(f"{url.scheme}://{given}")
    except InvalidURL:
        return url.host, url.effective_port
    return asked.host, asked.effective_port


def version_of(http_version: str) -> str:
    """``1.1`` of ``HTTP/1.1``."""
    return http_version.rpartition("/")[2]


def error_type(error: BaseException) -> str:
    """A stable word for errors of the client, `HyperHTTPError.kind`; the class for all others."""
    if isinstance(error, HyperHTTPError):
        return error.kind
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"

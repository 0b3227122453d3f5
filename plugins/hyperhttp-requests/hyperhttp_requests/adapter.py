"""The adapter: a prepared request in, a response of requests out, a blocking client of ours between them."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final

from requests.adapters import BaseAdapter
from requests.cookies import extract_cookies_to_jar
from requests.exceptions import InvalidSchema
from requests.models import Response
from requests.structures import CaseInsensitiveDict
from requests.utils import get_encoding_from_headers

import hyperhttp
from hyperhttp_requests.errors import requests_from
from hyperhttp_requests.outgoing import check_files, proxy_of, request_from, timeout_of
from hyperhttp_requests.raw import RawResponse
from hyperhttp_requests.retrying import Attempts, is_unknown_scheme, retries_of

if TYPE_CHECKING:
    from requests import PreparedRequest
    from urllib3.util import Retry

__all__ = ["HyperAdapter"]

#: Ways to trust for which connections are kept; one more replaces the one that is idle for the longest time.
MAX_CLIENTS: Final = 16

#: What requests does, or says with each request.
_THEIRS: Final = frozenset(
    {
        "auth", "base_url", "cert", "connect_timeout", "cookies", "event_hooks", "follow_redirects", "headers",
        "max_decompression_ratio", "max_redirects", "max_response_size", "params", "proxies", "ssl_context", "timeout",
        "transport", "trust_env", "user_agent", "verify",
    }
)  # fmt: skip


class HyperAdapter(BaseAdapter):
    """Sends the requests of a session with HyperHTTP; threads may share it.

    Redirects, cookies, authentication, decoding and hooks stay requests' own.

    Args:
        max_retries: further attempts to connect, before anything was sent; or a ``Retry`` of urllib3.
        **options: options of `hyperhttp.SyncClient` that are about connections, such as ``http2=``, ``max_connections=``,
            ``address_policy=``, ``resolver=``, ``uds=``.

    Attributes:
        max_retries: a ``Retry`` of urllib3.

    Raises:
        TypeError: an option is unknown, or is requests' business.
        ValueError: a value is out of range.
    """

    def __init__(self, *, max_retries: int | Retry = 0, **options: Any) -> None:
        super().__init__()
        self.max_retries = retries_of(max_retries)
        if max_retries and "retry" in options:
            raise TypeError("max_retries= and retry= would multiply: give one of them")
        foreign = sorted(_THEIRS & options.keys())
        if foreign:
            msg = f"{foreign[0]}= is not an option of the adapter: requests has its own, of a session or a request"
            raise TypeError(msg)
        self._options = options
        self._start()
        self._new_client(verify=True, cert=None).close()  # what is wrong with the options shows here

    def _start(self) -> None:
        self._lock = threading.Lock()
        self._clients: dict[Any, _Held] = {}

    def send(
        self,
        request: PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: Any = True,
        cert: Any = None,
        proxies: dict[str, str] | None = None,
    ) -> Response:
        """Send a prepared request; `requests.Session` calls this.

        Args:
            request: the request.
            stream: not looked at: the session reads the content where it wants it at once.
            timeout: seconds, a pair for connecting and reading, or None.
            verify: whether to verify the server's certificate, or the path of the authorities to trust.
            cert: a client certificate: a path, or a pair of paths.
            proxies: proxies by scheme and host.

        Raises:
            RequestException: requests' own subclass for what failed; ours is its cause.
            OSError: a file of certificates is missing or wrong.
        """
        limits = timeout_of(timeout)
        proxy = proxy_of(request, proxies)
        proxied = proxy is not None
        attempts = Attempts(retries_of(self.max_retries), request, proxied=proxied)
        try:
            ours = request_from(request)
        except hyperhttp.HyperHTTPError as error:
            raise requests_from(error, request, proxied=proxied) from error
        while True:
            try:
                raw = self._send_once(ours, limits, verify, cert, proxy)
            except hyperhttp.HyperHTTPError as error:
                if attempts.go_on_after_error(error, can_send=_can_send(ours)):
                    continue
                if is_unknown_scheme(error):
                    raise InvalidSchema(str(error), request=request) from error
                raise requests_from(error, request, proxied=proxied) from error
            if not attempts.go_on_after(raw, can_send=_can_send(ours)):
                raw.retries = attempts.retries
                return self.build_response(request, raw)

    def _send_once(
        self, request: hyperhttp.Request, limits: hyperhttp.Timeout, verify: Any, cert: Any, proxy: str | None
    ) -> RawResponse:
        secure = request.url.scheme == "https"
        held = self._hold(verify, cert) if secure or proxy else self._hold(True, None)
        try:
            response = held.client.send(request, auth=None, proxy=proxy, timeout=limits, stream=True)
        finally:
            with self._lock:
                held.users -= 1
            held.close_if_retired()  # the adapter was closed meanwhile, and this has failed, or has no content to wait for
        return RawResponse(response, held.close_if_retired)

    def build_response(self, req: PreparedRequest, resp: RawResponse) -> Response:
        """A response of requests from one of urllib3's class; meant for those who extend the adapter."""
        response = Response()
        response.status_code = resp.status
        response.headers = CaseInsensitiveDict(resp.headers)
        response.encoding = get_encoding_from_headers(response.headers)
        response.raw = resp
        response.reason = resp.reason or ""
        response.url = req.url or ""
        extract_cookies_to_jar(response.cookies, req, resp)
        response.request = req
        response.connection = self  # type: ignore[assignment]  # what digest authentication sends with
        return response

    def close(self) -> None:
        """Close every connection that is idle now, the others when their content has been read.

        What is sent after that opens new ones, as with requests' own adapter.
        """
        with self._lock:
            clients, self._clients = self._clients, {}
        for held in clients.values():
            held.is_retired = True
            held.close_if_retired()

    def __getstate__(self) -> dict[str, Any]:
        return {"_options": self._options, "max_retries": self.max_retries}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._options = state["_options"]
        self.max_retries = state["max_retries"]
        self._start()

    def _hold(self, verify: Any, cert: Any) -> _Held:
        """The client for one way to trust, for the time of sending one request.

        Each has its own: a connection that was opened without verification is never met by a request that asks for it.
        """
        verify = verify if isinstance(verify, str) or hasattr(verify, "__fspath__") else bool(verify)
        cert = tuple(cert) if isinstance(cert, (list, tuple)) else cert
        key = (type(verify), verify, cert)
        idle = None
        with self._lock:
            held = self._clients.pop(key, None)
            if held is None:
                held = _Held(self._trusting(verify, cert))
                idle = self._take_idle()
            self._clients[key] = held  # the last used one is the last
            held.users += 1
        if idle is not None:
            idle.client.close()
        return held

    def _trusting(self, verify: Any, cert: Any) -> hyperhttp.SyncClient:
        check_files(verify, cert)
        try:
            return self._new_client(verify=verify, cert=cert)
        except hyperhttp.TLSError as error:
            raise OSError(str(error)) from error

    def _take_idle(self) -> _Held | None:
        if len(self._clients) >= MAX_CLIENTS:
            for key, held in self._clients.items():
                if held.is_idle:
                    return self._clients.pop(key)
        return None

    def _new_client(self, *, verify: Any, cert: Any) -> hyperhttp.SyncClient:
        trust = {"verify": verify} if cert is None else {"verify": verify, "cert": cert}
        return hyperhttp.SyncClient(cookies=_NoCookies(), trust_env=False, **trust, **self._options)


def _can_send(request: hyperhttp.Request) -> bool:
    return request.content is None or request.content.can_send


class _Held:
    """A client, and how many requests are being sent with it."""

    def __init__(self, client: hyperhttp.SyncClient) -> None:
        self.client = client
        self.users = 0
        self.is_retired = False

    def close_if_retired(self) -> None:
        """Close a client nobody will send with any more, unless it still reads."""
        if self.is_retired and self.is_idle:
            self.client.close()

    @property
    def is_idle(self) -> bool:
        return not self.users and not any(counts["in_use"] for counts in self.client.get_pool_stats().values())


class _NoCookies(hyperhttp.Cookies):
    """A jar that keeps nothing: cookies are requests' business."""

    def extract(self, *_: Any, **__: Any) -> None:
        pass

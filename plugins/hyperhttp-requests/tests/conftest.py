import os

import pytest
import requests

from hyperhttp_requests import HyperAdapter


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch):
    """Neither proxies nor certificates of whoever runs the tests: requests lets them win over a session's own."""
    for name in tuple(os.environ):
        if name.lower().endswith(("_proxy", "_ca_bundle")):
            monkeypatch.delenv(name)


@pytest.fixture
def origin(hyperhttp_http2_origin):
    """The origin of the run; HTTP/1.1 in clear, HTTP/2 over TLS."""
    hyperhttp_http2_origin.clear()
    yield hyperhttp_http2_origin
    assert hyperhttp_http2_origin.errors == []


@pytest.fixture(params=["HTTP/1.1", "HTTP/2"])
def base(request, origin):
    """Where the origin is, for each protocol."""
    return origin.https_url if request.param == "HTTP/2" else origin.url


@pytest.fixture
def adapter():
    with_adapter = HyperAdapter()
    yield with_adapter
    with_adapter.close()


@pytest.fixture
def session(adapter, origin):
    with requests.Session() as session:
        session.mount("https://", adapter)
        session.mount("http://", adapter)
        session.verify = origin.ca_pem
        yield session

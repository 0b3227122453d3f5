import pytest
import requests
import urllib3.exceptions
from requests import exceptions

import hyperhttp
from hyperhttp_requests.errors import below_from, requests_from

#: The table of the README, and what follows from it.
TABLE = {
    "TransportError": exceptions.ConnectionError,
    "ConnectError": exceptions.ConnectionError,
    "DNSError": exceptions.ConnectionError,
    "AddressNotAllowed": exceptions.ConnectionError,
    "CircuitBreakerOpen": exceptions.ConnectionError,
    "ReadError": exceptions.ConnectionError,
    "WriteError": exceptions.ConnectionError,
    "ProtocolError": exceptions.ConnectionError,
    "RemoteProtocolError": exceptions.ConnectionError,
    "LocalProtocolError": exceptions.InvalidHeader,
    "InvalidURL": exceptions.InvalidURL,
    "ProxyError": exceptions.ProxyError,
    "TLSError": exceptions.SSLError,
    "ConnectTimeout": exceptions.ConnectTimeout,
    "PoolTimeout": exceptions.ConnectTimeout,
    "ReadTimeout": exceptions.ReadTimeout,
    "WriteTimeout": exceptions.Timeout,
    "TotalTimeout": exceptions.Timeout,
    "TimeoutException": exceptions.Timeout,
    "DecodingError": exceptions.ContentDecodingError,
    "HyperHTTPError": exceptions.RequestException,
}


def subclasses(kind):
    return {kind, *(each for child in kind.__subclasses__() for each in subclasses(child))}


@pytest.fixture
def request_made():
    return requests.Request("GET", "http://example.com/").prepare()


def test_the_table_has_every_error_of_the_transport():
    ours = {each.__name__ for each in subclasses(hyperhttp.TransportError) if each.__module__ == "hyperhttp.exceptions"}

    assert ours <= TABLE.keys()


@pytest.mark.parametrize("name", TABLE)
def test_an_error_becomes_one_of_requests_with_its_text_and_the_request(request_made, name):
    ours = getattr(hyperhttp, name)("what happened")
    error = requests_from(ours, request_made)

    assert type(error) is TABLE[name]
    assert error.request is request_made
    assert str(error) == "what happened"
    assert error.args == (ours,)


@pytest.mark.parametrize("name", ["ConnectError", "DNSError", "ProxyError"])
def test_a_failure_to_connect_to_a_proxy_is_the_proxys(request_made, name):
    assert type(requests_from(getattr(hyperhttp, name)(), request_made, proxied=True)) is exceptions.ProxyError
    assert type(requests_from(hyperhttp.ReadError(), request_made, proxied=True)) is exceptions.ConnectionError


def test_the_last_failure_stands_for_all_attempts(request_made):
    error = hyperhttp.RetryError("three attempts", original_exception=hyperhttp.ReadTimeout("the last"), attempts=3)

    assert type(requests_from(error, request_made)) is exceptions.ReadTimeout


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("ReadTimeout", "ReadTimeoutError"),
        ("TLSError", "SSLError"),
        ("ReadError", "ProtocolError"),
        ("StreamClosed", "ProtocolError"),
    ],
)
def test_failures_while_content_is_read_are_those_of_urllib3(name, kind):
    error = below_from(getattr(hyperhttp, name)("what happened"), "http://example.com/")

    assert type(error) is getattr(urllib3.exceptions, kind)
    assert "what happened" in str(error)

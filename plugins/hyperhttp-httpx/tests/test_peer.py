import subprocess
import sys

import pytest

import hyperhttp
import hyperhttp.errors
from hyperhttp_httpx import HyperTransport
from hyperhttp_httpx.peer import join_bases, peer_of

#: The table of the README, and what follows from it.
TABLE = {
    "TransportError": "TransportError",
    "ConnectError": "ConnectError",
    "DNSError": "ConnectError",
    "TLSError": "ConnectError",
    "AddressNotAllowed": "ConnectError",
    "CircuitBreakerOpen": "ConnectError",
    "ProxyError": "ProxyError",
    "ReadError": "ReadError",
    "WriteError": "WriteError",
    "ProtocolError": "ProtocolError",
    "LocalProtocolError": "LocalProtocolError",
    "RemoteProtocolError": "RemoteProtocolError",
    "TimeoutException": "TimeoutException",
    "ConnectTimeout": "ConnectTimeout",
    "ReadTimeout": "ReadTimeout",
    "WriteTimeout": "WriteTimeout",
    "PoolTimeout": "PoolTimeout",
    "TotalTimeout": "TimeoutException",
    "InvalidURL": "LocalProtocolError",
    "DecodingError": "DecodingError",
    "HyperHTTPError": "TransportError",
}


def subclasses(kind):
    return {kind, *(each for child in kind.__subclasses__() for each in subclasses(child))}


def test_the_table_has_every_error_of_the_transport():
    ours = {each.__name__ for each in subclasses(hyperhttp.TransportError) if each.__module__ == "hyperhttp.exceptions"}

    assert ours <= TABLE.keys()


@pytest.mark.parametrize("name", TABLE)
def test_an_error_becomes_the_peers_with_its_text_and_the_request(peer, name):
    request = peer.Request("GET", "http://example.com/")

    error = peer_of(request).translate(getattr(hyperhttp, name)("what happened"), request)

    assert type(error) is getattr(peer, TABLE[name])
    assert error.request is request
    assert str(error) == "what happened"


def test_an_error_of_a_plugin_becomes_what_its_base_class_becomes(peer):
    class Special(hyperhttp.ReadTimeout):
        pass

    request = peer.Request("GET", "http://example.com/")

    assert type(peer_of(request).translate(Special(), request)) is peer.ReadTimeout


def test_the_last_failure_stands_for_all_attempts(peer):
    request = peer.Request("GET", "http://example.com/")
    error = hyperhttp.RetryError("three attempts", original_exception=hyperhttp.ReadTimeout("the last"), attempts=3)

    translated = peer_of(request).translate(error, request)

    assert type(translated) is peer.ReadTimeout
    assert str(translated) == "the last"
    assert type(peer_of(request).translate(hyperhttp.RetryError("none"), request)) is peer.TransportError


@pytest.mark.parametrize("name", ["StreamClosed", "StreamConsumed"])
def test_misuse_of_content_is_the_peers_error(peer, name):
    request = peer.Request("GET", "http://example.com/")

    assert type(peer_of(request).translate(getattr(hyperhttp, name)(), request)) is getattr(peer, name)


def test_requests_of_a_users_class_belong_to_the_package_it_extends(peer):
    class Mine(peer.Request):
        pass

    assert peer_of(Mine("GET", "http://a/")) is peer_of(peer.Request("GET", "http://a/"))


def test_anything_else_is_refused():
    with pytest.raises(TypeError, match="takes requests of httpx or httpx2"):
        peer_of(hyperhttp.Request("GET", "http://example.com/"))


def test_a_users_transport_keeps_its_class(peer):
    class Mine(HyperTransport):
        answer = 42

    transport = Mine()

    assert isinstance(transport, Mine)
    assert isinstance(transport, peer.AsyncBaseTransport)
    assert transport.answer == 42
    assert type(transport) is type(Mine())


def test_a_class_that_has_the_bases_is_left_alone(peer):
    class Mine(peer.BaseTransport):
        pass

    joined = join_bases(Mine, "BaseTransport")

    assert join_bases(joined, "BaseTransport") is joined
    assert issubclass(joined, Mine)


def test_neither_package_is_imported_or_needed():
    code = """
import sys
from hyperhttp_httpx import HyperTransport, SyncHyperTransport
HyperTransport(), SyncHyperTransport()
print({"httpx", "httpx2"} & {*sys.modules})
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30)

    assert done.stdout.strip() == "set()"

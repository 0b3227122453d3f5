"""The plugin against a real server; the fixtures come with HyperHTTP."""

import hyperhttp_example
import pytest
from hyperhttp_example import ExampleAuth

import hyperhttp
from hyperhttp.testing import check_plugin


def test_the_plugin_is_well_formed():
    assert "example" in check_plugin(hyperhttp_example).auth_schemes


async def test_requests_are_signed(hyperhttp_origin):
    async with hyperhttp.Client(plugins=[hyperhttp_example], auth=ExampleAuth("k-1")) as client:
        response = await client.get(f"{hyperhttp_origin.url}/headers")
        assert (await response.ajson())["headers"]["Authorization"] == "Example k-1"


def test_requests_of_a_blocking_client_are_signed_too(hyperhttp_origin):
    with hyperhttp.SyncClient(plugins=[hyperhttp_example], auth=ExampleAuth("k-1")) as client:
        response = client.get(f"{hyperhttp_origin.url}/headers")
        assert response.json()["headers"]["Authorization"] == "Example k-1"


def test_a_key_that_is_none_is_refused():
    with pytest.raises(ValueError, match="the key is empty"):
        ExampleAuth("")

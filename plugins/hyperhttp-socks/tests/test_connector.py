import pytest

from hyperhttp_socks import SocksConnector


@pytest.mark.parametrize(("version", "ipv4_only"), [(4, True), (5, False)])
@pytest.mark.parametrize("local", [True, False])
def test_a_connector_says_what_the_client_has_to_know(version, ipv4_only, local):
    connector = SocksConnector(version=version, resolves_locally=local)

    assert (connector.default_port, connector.tls, connector.forwards) == (1080, False, False)
    assert (connector.resolves_locally, connector.ipv4_only) == (local, ipv4_only)
    assert repr(connector) == f"SocksConnector(version={version}, resolves_locally={local})"

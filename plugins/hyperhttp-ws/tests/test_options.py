import pytest

from hyperhttp_ws.options import ConnectOptions, WebSocketOptions, check_names, check_values


def test_an_unknown_option_is_refused_with_the_nearest_name():
    with pytest.raises(TypeError, match="has no option 'subprotocol'; did you mean 'subprotocols'"):
        check_names({"subprotocol": ["a"]}, WebSocketOptions, "websocket()")


def test_options_of_a_client_are_none_of_a_socket_on_a_client():
    check_names({"verify": False, "headers": {}}, ConnectOptions, "WebSocket.connect()")
    with pytest.raises(TypeError, match="verify"):
        check_names({"verify": False}, WebSocketOptions, "websocket()")


@pytest.mark.parametrize("name", ["ping_interval", "ping_timeout", "close_timeout"])
@pytest.mark.parametrize("value", [0, -1, "5", True, float("nan")])
def test_a_limit_is_a_number_above_zero(name, value):
    with pytest.raises(ValueError, match=name):
        check_values({name: value})


@pytest.mark.parametrize("name", ["ping_interval", "ping_timeout", "close_timeout"])
@pytest.mark.parametrize("value", [None, 1, 0.5])
def test_limits_can_be_switched_off(name, value):
    check_values({name: value})


@pytest.mark.parametrize("value", [0, -1, 1.5, None, True])
def test_a_message_size_is_a_number_of_bytes(value):
    with pytest.raises(ValueError, match="max_message_size"):
        check_values({"max_message_size": value})

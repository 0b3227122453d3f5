import pytest

import hyperhttp
from hyperhttp_ws.command import main


def test_messages_are_sent_and_what_comes_is_shown(echo_url, capsys):
    assert main([echo_url, "hello", "world"]) == 0
    assert capsys.readouterr().out == "hello\nworld\n"


def test_binary_is_shown_in_hex(serve, capsys):
    url = serve(lambda connection: connection.send(b"\x00\x01"))
    assert main([url, "--count", "1"]) == 0
    assert capsys.readouterr().out == "<2 bytes: 00 01>\n"


def test_fields_and_subprotocols_are_sent(serve, capsys):
    def handler(connection):
        connection.send(connection.request.headers["X-Test"] + connection.subprotocol)

    url = serve(handler, subprotocols=["chat"])
    assert main([url, "-n", "1", "-H", "X-Test: yes", "-s", "chat"]) == 0
    assert capsys.readouterr().out == "yeschat\n"


def test_what_fails_is_raised_for_the_command_line_to_say():
    with pytest.raises(hyperhttp.WebSocketProtocolError):
        main(["ftp://example.com/"])


def test_it_does_not_wait_for_ever(echo_url):
    with pytest.raises(hyperhttp.ReadTimeout):
        main([echo_url, "-n", "1", "-t", "0.05"])

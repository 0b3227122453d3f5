import base64
import hashlib

import pytest
from wsproto.extensions import PerMessageDeflate as Unbounded

import hyperhttp
from hyperhttp_ws import PerMessageDeflate
from hyperhttp_ws.handshake import Handshake


def answer(handshake, fields=(), *, status=101, accept=None):
    key = handshake.headers["sec-websocket-key"].encode()
    digest = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()).decode()
    fields = [("Upgrade", "websocket"), ("Connection", "Upgrade"), *fields]
    if status == 101 and accept != "":
        fields.append(("Sec-WebSocket-Accept", accept or digest))
    return hyperhttp.Response(status, fields, request=hyperhttp.Request("GET", "http://example.com/"))


def test_the_fields_of_a_handshake():
    handshake = Handshake({"Origin": "https://example.com"}, ["chat", "superchat"], None)
    headers = handshake.headers
    assert len(base64.b64decode(headers["Sec-WebSocket-Key"])) == 16
    assert headers["Sec-WebSocket-Version"] == "13"
    assert headers["Sec-WebSocket-Protocol"] == "chat, superchat"
    assert headers["Sec-WebSocket-Extensions"] == "permessage-deflate; client_max_window_bits"
    assert headers["Origin"] == "https://example.com"


def test_no_extensions_and_no_subprotocols_are_not_named():
    headers = Handshake(None, None, []).headers
    assert "Sec-WebSocket-Extensions" not in headers
    assert "Sec-WebSocket-Protocol" not in headers


def test_each_handshake_has_a_key_of_its_own():
    assert (
        Handshake(None, None, None).headers["sec-websocket-key"]
        != Handshake(None, None, None).headers["sec-websocket-key"]
    )


@pytest.mark.parametrize("name", ["Sec-WebSocket-Key", "sec-websocket-protocol", "Upgrade", "Connection"])
def test_fields_of_the_handshake_are_not_the_callers(name):
    with pytest.raises(hyperhttp.LocalProtocolError, match="belongs to the handshake"):
        Handshake({name: "x"}, None, None)


@pytest.mark.parametrize("subprotocols", [["a b"], [""], ["a,b"], ["a\r\nb"], ["\u00e9"], ["a", "a"]])
def test_subprotocols_are_tokens_and_each_is_offered_once(subprotocols):
    with pytest.raises(hyperhttp.LocalProtocolError):
        Handshake(None, subprotocols, None)


def test_one_name_is_no_sequence_of_names():
    with pytest.raises(TypeError, match="sequence"):
        Handshake(None, "chat", None)


def test_a_good_answer():
    handshake = Handshake(None, ["a", "b"], None)
    subprotocol, extensions = handshake.check(
        answer(handshake, [("Sec-WebSocket-Protocol", "b"), ("Sec-WebSocket-Extensions", "permessage-deflate")])
    )
    assert subprotocol == "b"
    assert [type(each) for each in extensions] == [PerMessageDeflate]


def test_a_server_may_choose_nothing():
    handshake = Handshake(None, ["a"], None)
    assert handshake.check(answer(handshake)) == (None, [])


def test_over_http2_there_is_no_key_to_answer():
    handshake = Handshake(None, ["a"], None)
    assert handshake.check(answer(handshake, [("Sec-WebSocket-Protocol", "a")], status=200)) == ("a", [])


@pytest.mark.parametrize("accept", ["", "AAAAAAAAAAAAAAAAAAAAAAAAAAA=", "x"])
def test_an_accept_that_does_not_fit_is_refused(accept):
    handshake = Handshake(None, None, None)
    with pytest.raises(hyperhttp.WebSocketHandshakeError, match="Accept"):
        handshake.check(answer(handshake, accept=accept))


@pytest.mark.parametrize(
    "fields",
    [
        [("Sec-WebSocket-Protocol", "c")],
        [("Sec-WebSocket-Protocol", "A")],
        [("Sec-WebSocket-Protocol", "a"), ("Sec-WebSocket-Protocol", "b")],
        [("Sec-WebSocket-Extensions", "mystery")],
        [("Sec-WebSocket-Extensions", "permessage-deflate, permessage-deflate")],
        [("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits")],
        [("Sec-WebSocket-Extensions", "permessage-deflate; mystery=1")],
    ],
)
def test_what_was_not_offered_is_refused(fields):
    handshake = Handshake(None, ["a", "b"], None)
    with pytest.raises(hyperhttp.WebSocketHandshakeError, match="not offered"):
        handshake.check(answer(handshake, fields))


def test_extensions_of_wsproto_are_bounded():
    handshake = Handshake(None, None, [Unbounded()])
    _, (extension,) = handshake.check(answer(handshake, [("Sec-WebSocket-Extensions", "permessage-deflate")]))
    assert isinstance(extension, PerMessageDeflate)

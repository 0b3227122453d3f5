import pytest

from hyperhttp import URL
from hyperhttp.plugins import ProxyError
from hyperhttp_socks import SocksConnector
from hyperhttp_socks.handshake import connect_socks4, connect_socks5

PLAIN = "proxy.test:1080"
SECRET = "user:hunter2@proxy.test:1080"
GREETING = b"\x05\x01\x00"
GREETING_WITH_LOGIN = b"\x05\x02\x00\x02"
CONNECT = b"\x05\x01\x00\x03\x0bexample.com\x01\xbb"
ACCEPTED = b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00"
GRANTED = b"\x00\x5a\x00\x00\x00\x00\x00\x00"


class Play:
    """A handshake, to be answered step by step.

    Attributes:
        sent: everything it has sent, one entry per reply it waits for.
        rest: what it returned; None while it goes on.
    """

    def __init__(self, handshake):
        self.handshake = handshake
        self.sent = [next(handshake)]
        self.rest = None

    def answer(self, *replies):
        for reply in replies:
            try:
                self.sent.append(self.handshake.send(reply))
            except StopIteration as stop:
                self.rest = stop.value
        return self


def socks5(proxy=PLAIN, host="example.com", port=443):
    return Play(connect_socks5(URL(f"socks5h://{proxy}"), host, port))


def socks4(proxy=PLAIN, host="192.0.2.7", port=80):
    return Play(connect_socks4(URL(f"socks4a://{proxy}"), host, port))


def failure(play, *replies):
    with pytest.raises(ProxyError) as caught:
        play().answer(*replies)
    error = caught.value
    assert "hunter2" not in f"{error!r} {error}"
    assert "user:" not in str(error)
    assert (error.host, error.port) == ("proxy.test", 1080)
    return error


# -- SOCKS5 ------------------------------------------------------------------------------------------------------


def test_socks5_without_credentials():
    play = socks5().answer(b"\x05\x00", ACCEPTED)

    assert (play.sent, play.rest) == ([GREETING, CONNECT], b"")


def test_socks5_with_user_and_password():
    play = socks5(SECRET).answer(b"\x05\x02", b"\x01\x00", ACCEPTED)

    assert (play.sent, play.rest) == ([GREETING_WITH_LOGIN, b"\x01\x04user\x07hunter2", CONNECT], b"")


def test_credentials_are_not_given_to_a_proxy_that_asks_for_none():
    play = socks5(SECRET).answer(b"\x05\x00", ACCEPTED)

    assert (play.sent, play.rest) == ([GREETING_WITH_LOGIN, CONNECT], b"")


def test_credentials_are_decoded_and_sent_in_utf_8():
    play = socks5("j%C3%BCrgen:p%40%3Ass@proxy.test").answer(b"\x05\x02")

    assert play.sent[1] == b"\x01\x07j\xc3\xbcrgen\x05p@:ss"


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("192.0.2.7", b"\x01\xc0\x00\x02\x07"),
        ("2001:db8::1", b"\x04\x20\x01\x0d\xb8" + bytes(11) + b"\x01"),
        ("a" * 255, b"\x03\xff" + b"a" * 255),
    ],
)
def test_socks5_names_the_target_by_its_kind(host, address):
    play = socks5(host=host, port=8080).answer(b"\x05\x00")

    assert play.sent[1] == b"\x05\x01\x00" + address + b"\x1f\x90"


@pytest.mark.parametrize(
    "bound",
    [b"\x01\x7f\x00\x00\x01\x04\x38", b"\x04" + bytes(16) + b"\x04\x38", b"\x03\x80" + b"\xff" * 128 + b"\x04\x38"],
    ids=["IPv4", "IPv6", "name"],
)
@pytest.mark.parametrize("size", [1, 3, 1000])
def test_replies_are_whole_however_they_arrive(bound, size):
    answers = [b"\x05\x02", b"\x01\x00", b"\x05\x00\x00" + bound]
    play = socks5(SECRET)
    for answer in answers:
        play.answer(*[answer[start : start + size] for start in range(0, len(answer), size)])

    assert [data for data in play.sent if data] == [GREETING_WITH_LOGIN, b"\x01\x04user\x07hunter2", CONNECT]
    assert play.rest == b""


@pytest.mark.parametrize("play", [socks5, socks4])
def test_what_comes_after_the_handshake_is_given_back(play):
    replies = [b"\x05\x00", ACCEPTED + b"early"] if play is socks5 else [GRANTED + b"early"]

    assert play().answer(*replies).rest == b"early"


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (1, "general failure"),
        (2, "its rules do not allow the connection"),
        (3, "network unreachable"),
        (4, "host unreachable"),
        (5, "connection refused"),
        (6, "TTL expired"),
        (7, "it does not support CONNECT"),
        (8, "it does not support this type of address"),
        (9, "reply code 0x09"),
        (255, "reply code 0xff"),
    ],
)
@pytest.mark.parametrize("tail", [b"", b"\x00\x01\x00\x00\x00\x00\x00\x00"], ids=["cut short", "whole"])
def test_every_reply_code_of_socks5_says_why(code, reason, tail):
    error = failure(lambda: socks5(SECRET), b"\x05\x02", b"\x01\x00", bytes([5, code]) + tail)

    assert str(error).startswith(f"the SOCKS proxy proxy.test:1080 refused the tunnel to example.com:443: {reason}")
    assert error.phase == "tunnel"
    assert error.retryable == (code in (1, 3, 4, 5, 6))


@pytest.mark.parametrize("status", [1, 255])
def test_a_wrong_password_is_said_to_be_one(status):
    error = failure(lambda: socks5(SECRET), b"\x05\x02", bytes([1, status]))

    assert "does not accept this user name and password" in str(error)
    assert error.phase == "login"
    assert not error.retryable


@pytest.mark.parametrize(
    ("proxy", "reason"), [(PLAIN, "does not accept clients without credentials"), (SECRET, "as a way to log in")]
)
def test_a_proxy_that_wants_another_way_to_log_in_is_refused(proxy, reason):
    error = failure(lambda: socks5(proxy), b"\x05\xff")

    assert reason in str(error)
    assert error.phase == "login"


@pytest.mark.parametrize(
    ("proxy", "method"), [(PLAIN, 2), (PLAIN, 1), (SECRET, 1), (SECRET, 0x80)], ids=lambda value: str(value)[-8:]
)
def test_a_way_to_log_in_that_was_not_offered_is_refused(proxy, method):
    error = failure(lambda: socks5(proxy), bytes([5, method]))

    assert f"was not offered ({method:#04x})" in str(error)


@pytest.mark.parametrize(
    "replies",
    [
        [b"HTTP/1.1 400 Bad Request\r\n\r\n"],
        [b"\x00\x00"],
        [b"\x04\x00"],
        [b"\x05\x02", b"\x05\x00"],
        [b"\x05\x02", b"\x00\x00"],
        [b"\x05\x00", b"\x04\x00\x00\x01"],
        [b"\x05\x00", b"\x05\x00\x00\x02" + bytes(20)],
        [b"\x05\x00\x05\x00", b"\x00\x01" + bytes(6)],
        [b"\x05\x00" + ACCEPTED],
    ],
)
def test_what_is_not_socks5_is_refused(replies):
    assert "during the handshake for example.com:443" in str(failure(lambda: socks5(SECRET), *replies))


@pytest.mark.parametrize(
    "replies", [[], [b"\x05"], [b"\x05\x02"], [b"\x05\x02", b"\x01"], [b"\x05\x00"], [b"\x05\x00", ACCEPTED[:-1]]]
)
def test_a_proxy_that_closes_is_refused(replies):
    assert "closed the connection" in str(failure(lambda: socks5(SECRET), *replies, b""))


@pytest.mark.parametrize("proxy", ["u" * 256 + "@proxy.test:1080", "user:" + "p" * 256 + "@proxy.test:1080"])
def test_credentials_beyond_their_length_field_are_refused_and_not_shown(proxy):
    error = failure(lambda: socks5(proxy))

    assert "longer than 255 bytes" in str(error)
    assert "ppp" not in str(error)
    assert "uuu" not in str(error)


@pytest.mark.parametrize("host", ["a" * 256, "", "bücher.example", "a\0b"])
def test_a_name_that_cannot_be_said_is_refused_and_never_cut(host):
    assert "ASCII characters" in str(failure(lambda: socks5(host=host), b"\x05\x00"))


def test_a_zone_is_refused():
    assert "zone" in str(failure(lambda: socks5(host="fe80::1%eth0"), b"\x05\x00"))


# -- SOCKS4 ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("proxy", "user"), [(PLAIN, b""), ("user@proxy.test", b"user")])
def test_socks4(proxy, user):
    play = socks4(proxy).answer(GRANTED)

    assert (play.sent, play.rest) == ([b"\x04\x01\x00\x50\xc0\x00\x02\x07" + user + b"\x00"], b"")


def test_socks4a_leaves_the_name_to_the_proxy():
    play = socks4("user@proxy.test", host="example.com").answer(GRANTED[:3], GRANTED[3:])

    assert play.sent == [b"\x04\x01\x00\x50\x00\x00\x00\xffuser\x00example.com\x00", b""]
    assert play.rest == b""


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (0x5B, "rejected, or the target cannot be reached"),
        (0x5C, "it cannot reach the identd of this host"),
        (0x5D, "the identd of this host names another user"),
        (0x00, "reply code 0x00"),
    ],
)
@pytest.mark.parametrize("tail", [b"", bytes(6)], ids=["cut short", "whole"])
def test_every_reply_code_of_socks4_says_why(code, reason, tail):
    error = failure(socks4, bytes([0, code]) + tail)

    assert str(error).startswith(f"the SOCKS proxy proxy.test:1080 refused the tunnel to 192.0.2.7:80: {reason}")
    assert error.phase == "tunnel"


@pytest.mark.parametrize("reply", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x05\x00", b"\x04\x5a" + bytes(6)])
def test_what_is_not_socks4_is_refused(reply):
    assert "did not answer in SOCKS4" in str(failure(socks4, reply))


def test_a_socks4_proxy_that_closes_is_refused():
    assert "closed the connection" in str(failure(socks4, GRANTED[:-1], b""))


@pytest.mark.parametrize(
    ("proxy", "host", "reason"),
    [
        (SECRET, "192.0.2.7", "SOCKS4 has no passwords"),
        ("a%00b@proxy.test:1080", "192.0.2.7", "NUL"),
        ("u" * 256 + "@proxy.test:1080", "192.0.2.7", "longer than 255 bytes"),
        (PLAIN, "2001:db8::1", "SOCKS4 has no IPv6 addresses"),
        (PLAIN, "a" * 256, "ASCII characters"),
        (PLAIN, "a\0b", "ASCII characters"),
    ],
)
def test_what_socks4_cannot_say_is_refused_before_anything_is_sent(proxy, host, reason):
    assert reason in str(failure(lambda: socks4(proxy, host)))


# -- both --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("version", "first"), [(4, b"\x04"), (5, b"\x05")])
def test_a_connector_speaks_its_version(version, first):
    handshake = SocksConnector(version=version, resolves_locally=True).handshake(URL("socks5://p"), "192.0.2.1", 80)

    assert next(handshake)[:1] == first


def test_an_ipv6_proxy_and_target_are_named_in_brackets():
    handshake = connect_socks5(URL("socks5://[2001:db8::2]:1080"), "2001:db8::1", 443)
    next(handshake)
    with pytest.raises(ProxyError, match=r"proxy \[2001:db8::2\]:1080 closed .* for \[2001:db8::1\]:443"):
        handshake.send(b"")

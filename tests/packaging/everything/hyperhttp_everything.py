"""A made-up plugin of a stranger: one hook of every kind, written with the public face of HyperHTTP alone."""

import codecs
import json
import socket

from hyperhttp import Response
from hyperhttp.plugins import Address, Auth, ContentCoding, EventListener, ProxyError, hookimpl

HYPERHTTP_PLUGIN_API = 1

listeners = []


class Rot13Decoder:
    def __init__(self):
        self.held = b""

    @property
    def pending(self):
        return bool(self.held)

    def decode(self, data, max_length):
        data = self.held + data
        data, self.held = data[:max_length], data[max_length:]
        return codecs.encode(data.decode("latin-1"), "rot13").encode("latin-1")

    def finish(self):
        pass


@hookimpl
def hyperhttp_register_decoders(decoders):
    decoders.add(ContentCoding("rot13", Rot13Decoder))


class KeyAuth(Auth):
    def __init__(self, credentials):
        self.key = credentials

    def auth_flow(self, request):
        request.headers["Authorization"] = f"Key {self.key}"
        yield request


@hookimpl
def hyperhttp_register_auth_schemes(auth_schemes):
    auth_schemes.add("key", KeyAuth, strength=5)


class LineProxy:
    default_port = 7000
    tls = False
    resolves_locally = False
    forwards = False

    def handshake(self, proxy, host, port):
        answer = yield f"OPEN {host} {port}\n".encode()
        if answer != b"OK\n":
            raise ProxyError("the proxy refused")
        return b""


@hookimpl
def hyperhttp_register_proxies(proxies):
    proxies.add("line", LineProxy())


class LoopbackResolver:
    def __init__(self, network):
        self.network = network

    async def resolve(self, host, port):
        return [Address(socket.AF_INET, "127.0.0.1", port)]


@hookimpl
def hyperhttp_register_resolvers(resolvers):
    resolvers.add("loopback", LoopbackResolver)


class Counter(EventListener):
    def __init__(self):
        self.finished = 0
        listeners.append(self)

    def finish(self, request, response, error):
        self.finished += 1


@hookimpl
def hyperhttp_register_event_hooks(event_hooks):
    event_hooks.add("counter", Counter)


class EchoTransport:
    async def send(self, request):
        shown = {name.lower(): value for name, value in request.headers.items()}
        return Response(200, content=json.dumps(shown), request=request)

    def close(self):
        pass


@hookimpl
def hyperhttp_register_transports(transports):
    transports.add("echo://", EchoTransport)


class SortedCodec:
    name = "sorted"

    def dumps(self, value):
        return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()

    def loads(self, data):
        return json.loads(data)


@hookimpl
def hyperhttp_register_json_codecs(json_codecs):
    json_codecs.add(SortedCodec(), default=True)


def greet(arguments):
    print("hello", *arguments)
    return 0


@hookimpl
def hyperhttp_register_commands(commands):
    commands.add("greet", greet, help="say hello")

"""`response.json(T)` on both faces, and codecs that make values of types."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from hyperhttp import Client, ResponseNotRead
from hyperhttp.plugins import hookimpl

if TYPE_CHECKING:
    from hyperhttp.testing.origin import Origin


class Get(msgspec.Struct):
    """What ``/get`` tells, as far as it matters."""

    url: str
    args: dict[str, str]


@dataclass
class Wrong:
    url: int


async def test_content_becomes_a_value_of_the_type(face: Any, origin: Origin) -> None:
    async with face.client() as client:
        response = await client.get(origin.url + "/get?a=b")
        await client.read(response)
        assert response.json(Get) == Get(url=origin.url + "/get?a=b", args={"a": "b"})
        with pytest.raises(ValueError, match="the content is not JSON of Wrong"):
            response.json(Wrong)
        assert response.json()["args"] == {"a": "b"}


async def test_it_is_read_first(origin: Origin) -> None:
    async with Client() as client:
        response = await client.get(origin.url + "/get")
        with pytest.raises(ResponseNotRead):
            response.json(Get)
        assert (await response.ajson(Get)).args == {}


class Codec:
    """Makes types by calling them."""

    name = "calling"

    def dumps(self, obj: Any) -> bytes:
        return msgspec.json.encode(obj)

    def loads(self, data: bytes) -> Any:
        return msgspec.json.decode(data)

    def loads_as(self, data: bytes, kind: Any) -> Any:
        return kind(self.loads(data))


class Plugin:
    """Brings the codec."""

    @hookimpl
    def hyperhttp_register_json_codecs(self, json_codecs: Any) -> None:
        json_codecs.add(Codec(), default=True)


async def test_the_codec_of_a_plugin_makes_it(face: Any, origin: Origin) -> None:
    async with face.client(plugins=[Plugin()]) as client:
        response = await client.get(origin.url + "/get")
        await client.read(response)
        assert sorted(response.json(list)) == sorted(response.json())

"""pyreqwest (Rust: reqwest, hyper): one client; HTTP/2 windows opened as its documentation advises."""

from __future__ import annotations

from pyreqwest.client import ClientBuilder, SyncClientBuilder

from drivers import CHUNK, Driver, check


class Async(Driver):
    distributions = ("pyreqwest",)
    builder = ClientBuilder

    def build(self) -> object:
        target, builder = self.target, self.builder()
        if target.cafile:
            builder = builder.add_root_certificate_pem(target.authority())
        if target.http2:
            builder = builder.http2(True).http2_initial_stream_window_size(1 << 22)
            return builder.http2_initial_connection_window_size(1 << 24).build()
        return builder.max_connections(target.connections).build()

    async def open(self) -> None:
        self.client = self.build()

    async def one(self, url: str) -> int:
        response = await self.client.get(url).build().send()
        check(response.status)
        return len(await response.bytes())

    async def stream(self, url: str) -> int:
        length = 0
        async with self.client.get(url).build_streamed() as response:
            check(response.status)
            while piece := await response.body_reader.read(CHUNK):
                length += len(piece)
        return length

    async def close(self) -> None:
        await self.client.close()


class Blocking(Async):
    builder = SyncClientBuilder

    def open(self) -> None:
        self.client = self.build()

    def one(self, url: str) -> int:
        response = self.client.get(url).build().send()
        check(response.status)
        return len(response.bytes())

    def stream(self, url: str) -> int:
        length = 0
        with self.client.get(url).build_streamed() as response:
            check(response.status)
            while piece := response.body_reader.read(CHUNK):
                length += len(piece)
        return length

    def close(self) -> None:
        self.client.close()

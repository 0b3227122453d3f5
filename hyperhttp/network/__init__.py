"""The only sockets, loops and threads: asyncio, or blocking sockets in the calling thread."""

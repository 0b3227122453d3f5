"""HTTP/1.1 messages (RFC 9112): head, framing, writer, and the reader that puts them together."""

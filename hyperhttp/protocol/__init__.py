"""Bytes in, events out: HTTP/1.1 and HTTP/2 without a socket, a loop or a clock."""

"""Authentication schemes as flows without I/O (RFC 9110 section 11)."""

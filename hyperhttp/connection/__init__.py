"""Where messages, protocol and network meet: one exchange over one connection."""

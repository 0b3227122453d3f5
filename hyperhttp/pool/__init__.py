"""Which connection serves which request."""

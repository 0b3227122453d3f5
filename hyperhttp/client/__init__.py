"""The two faces of the client and what they have in common."""

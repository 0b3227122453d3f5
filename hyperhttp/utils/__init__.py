"""Small helpers that users import by path."""

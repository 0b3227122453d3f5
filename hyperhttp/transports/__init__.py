"""Transports without a network: an application in this process (ASGI, WSGI), and answers made up for tests."""

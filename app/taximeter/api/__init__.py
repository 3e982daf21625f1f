"""The HTTP API: a router a noun."""

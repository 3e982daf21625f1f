"""Meters the providers' own client libraries where they all meet: at their HTTP client.

One seam sees every call of a client, whatever method made it, each attempt of it, and
the answer as it came, streamed or not; and what the library hands to its caller is the
library's own. No provider's library is imported in here.
"""

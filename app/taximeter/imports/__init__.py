"""Logs of other tools, turned into usage events: a file a format.

A format is pure: a row of a log goes in, the fields of events come out, or a word on
why there are none. `entries` reads files row by row, `importing` sends what is new.
"""

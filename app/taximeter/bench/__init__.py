"""`taximeter bench`: measures the real system on this machine, and nothing else.

What is measured stands in `measures/`, one file a row or a pair of rows; what runs in
a process of its own, mostly the references, stands in `tasks/`.
"""

"""What an emitter keeps on disk while Kafka does not have it.

`spool` puts it together: callers of `emit` write through `intake`, the one thread
that sends reads through `backlog`. `files` is one SQLite file, `claims` says whose
files are whose. Nothing here knows Kafka, and nothing here raises for what a disk may
do: an event that cannot be written is not stored, and the reason is returned.
"""

"""OpenTelemetry's spans as usage events: which spans are billed, and what each says.

Bytes in, events out: `taximeter.api.traces` receives exports, and sends the events.
`decoding` reads both encodings, `kinds` says which spans are calls, `nesting` sees to
it that a call is counted once though spans lie in spans, `calls` makes the events, and
`intake` is the way in.
"""

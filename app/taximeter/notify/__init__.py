"""`taximeter notify`: alerts on their way from the topic to people.

::

    budget-alerts ─▶ run ─▶ routes (config, matching) ─▶ grouping ─▶ target
                      │                                                 │
                      └────────── deliveries (the delivery log) ◀───────┘

Everything but `run`, `details` and `targets` is pure and is given the time.
"""

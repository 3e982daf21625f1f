"""Asks the budgets before a call is made: in memory, in microseconds, softly.

`asked` is what a call says of itself, `budget_index` which budgets it falls under,
`standings` how they stand, `verdicts` what follows from that; all four are pure.
`kafka` and `polling` keep them up to date, and `budget_guard` is what programs hold.
"""

"""`llm costs`: what the calls of Simon Willison's `llm` tool cost, without Kafka.

A plugin of that tool. It reads the tool's own log into a ledger of the same shape as
the sink's, with the workers' own pricing and budgets, in the tool's own process.
"""

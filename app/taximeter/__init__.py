"""Taximeter: the running meter for LLM spend."""

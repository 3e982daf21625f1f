"""The commands of `llm costs`, a file for those that belong together."""

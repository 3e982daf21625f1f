"""Spend as files: tables, a workbook, a document, and what FinOps tools read."""

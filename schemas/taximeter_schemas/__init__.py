"""Shapes that cross a topic, and nothing that moves them.

Every other package of Taximeter stands on this one; it knows no broker, no database
and no price list.
"""

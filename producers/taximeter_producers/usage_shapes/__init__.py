"""What each provider's usage means, a file a family, in Taximeter's disjoint buckets.

Pure: bodies in, counts out. `bodies` reads JSON, `counted` does the arithmetic that all
families share, `table` names the shapes, and `taximeter_producers.provider_usage` is
the way in.
"""

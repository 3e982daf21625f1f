"""What monitoring is told, in the format that Prometheus reads."""

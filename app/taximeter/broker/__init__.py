"""Where Kafka comes from: a given address, Docker, or the embedded one."""

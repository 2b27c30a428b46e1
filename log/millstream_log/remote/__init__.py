"""The log behind a TCP port: our own broker, or Apache Kafka."""

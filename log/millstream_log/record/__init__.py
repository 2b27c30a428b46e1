"""Record batches in Kafka's format v2, byte for byte: read, check, patch, build."""

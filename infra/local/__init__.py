"""The `local` platform: Kafka, ClickHouse, collector and worker as supervised processes."""

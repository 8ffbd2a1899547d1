"""ClickHouse on EC2: nodes with their own volumes, Keepers, certificates, buckets, and what runs on the nodes."""

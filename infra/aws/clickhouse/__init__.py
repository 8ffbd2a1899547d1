"""ClickHouse on EC2: nodes with their own volumes, Keepers, certificates, buckets, and what runs on the nodes."""

from infra.aws.clickhouse.component import ClickHouse, ClickHouseArgs

__all__ = ["ClickHouse", "ClickHouseArgs"]

"""Settings of ClickHouse on EC2: shards, replicas, volumes, backups."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field


class ClickHouseSettings(BaseModel):
    """ClickHouse on EC2."""

    clickhouseShards: int = Field(
        1,
        ge=1,
        le=16,
        description="Parts into which the traces are divided, each with nodes, disks and tables of its own. Never lowered; stored rows stay where they are.",
    )
    clickhouseReplicas: int = Field(
        1,
        ge=1,
        le=3,
        description="ClickHouse nodes a shard, one a zone, each with all of its data. Above 1 three Keepers are made.",
    )
    clickhouseInstanceType: str = Field("m7g.large", description="A node's size, arm64.")
    clickhouseKeeperInstanceType: str = Field("t4g.small", description="A Keeper's size, arm64.")
    clickhouseAmi: str = Field(
        "",
        pattern=r"^(ami-[0-9a-f]+)?$",
        description="The nodes' machine image (Amazon Linux 2023, arm64); another one replaces node after node. Empty: the newest when a node is made, kept from then on.",
    )
    clickhouseHotGiB: int = Field(100, ge=10, le=16384, description="The hot volume (gp3), in GiB. Only grows.")
    clickhouseHotIops: int = Field(3000, ge=3000, le=16000, description="The hot volume's IOPS.")
    clickhouseHotThroughputMiB: int = Field(125, ge=125, le=1000, description="The hot volume's throughput, in MiB/s.")
    clickhouseSlowGiB: int = Field(
        125, ge=10, le=16384, description="The slow volume, in GiB (sc1 and st1: from 125). Only grows."
    )
    clickhouseSlowType: Literal["gp3", "st1", "sc1"] = Field("gp3", description="The slow volume's type.")
    clickhouseCacheGiB: int = Field(
        10, ge=1, le=4096, description="Cache of the S3 volume's data on the hot volume, in GiB."
    )
    clickhouseFsync: bool = Field(True, description="An insert is on disk before its Kafka offsets are committed.")
    clickhouseReach: Literal["tunnel", "direct"] = Field(
        "tunnel",
        description="How post-deploy steps reach ClickHouse: an SSM port forwarding for each step, or directly (a VPN, a runner in the VPC).",
    )
    clickhouseAllowedCidrs: list[str] = Field(
        [],
        description="Private addresses that may reach ClickHouse on 8443: a VPN's or a runner's (clickhouseReach direct), a given Grafana's (grafanaMode existing).",
    )
    clickhouseBackupSchedule: str = Field(
        "rate(1 day)",
        pattern=r"^(rate|cron)\(.+\)$",
        description="When a backup is written to S3 (EventBridge Scheduler's syntax).",
    )
    clickhouseBackupDays: int = Field(35, ge=1, le=3650, description="Backups are kept for this many days.")

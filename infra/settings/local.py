"""Settings of the platform `local`: ports on loopback, the broker's heap."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field


class LocalSettings(BaseModel):
    """What only a stack on this machine has."""

    portBase: int = Field(
        0, ge=0, le=65000, description="Ports that are 0 become portBase plus a fixed offset. 0: the well-known ones."
    )
    kafkaPort: int = Field(0, ge=0, le=65535, description="Kafka's listener, on loopback. 0: 9092, or by portBase.")
    kafkaControllerPort: int = Field(
        0, ge=0, le=65535, description="Kafka's KRaft controller listener, on loopback. 0: 9093, or by portBase."
    )
    otlpGrpcPort: int = Field(
        0, ge=0, le=65535, description="The collector's OTLP/gRPC port, on loopback. 0: 4317, or by portBase."
    )
    otlpHttpPort: int = Field(
        0, ge=0, le=65535, description="The collector's OTLP/HTTP port, on loopback. 0: 4318, or by portBase."
    )
    clickhousePort: int = Field(
        0, ge=0, le=65535, description="ClickHouse's HTTP interface, on loopback. 0: 8123, or by portBase."
    )
    collectorHealthPort: int = Field(
        0, ge=0, le=65535, description="The collector's health check, on loopback. 0: 13133, or by portBase."
    )
    collectorMetricsPort: int = Field(
        0, ge=0, le=65535, description="The collector's own metrics, on loopback. 0: 8888, or by portBase."
    )
    dashboardsPort: int = Field(0, ge=0, le=65535, description="The dashboards, on loopback. 0: 3000, or by portBase.")
    dashboardsBy: Literal["page", "grafana"] = Field(
        "page",
        description="Who shows the dashboards: our page, or the `grafana` on PATH (10 or newer, with the ClickHouse plugin).",
    )
    kafkaHeapMiB: int = Field(512, ge=128, le=65536, description="The local broker's Java heap, in MiB.")

"""The made VPC's addresses: which subnet has which range. Three zones always have room, so that none ever moves."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

ZONES = 3


@dataclass(frozen=True)
class Ranges:
    """One range a zone, for three zones, whether they are used or not."""

    public: tuple[str, ...]
    """Small: load balancer and NAT gateways."""
    private: tuple[str, ...]
    """Large: everything else."""


def ranges(cidr: str) -> Ranges:
    """A quarter for each zone's private subnet; the first quarter is cut into four again, for the public ones.

    10.80.0.0/16: private 10.80.64.0/18, .128, .192; public 10.80.0.0/20, .16, .32; the last /20 stays free. A /22 gives
    private /24 and public /26, in which a load balancer still has its eight addresses.
    """
    first, *private = ipaddress.IPv4Network(cidr).subnets(prefixlen_diff=2)
    public = list(first.subnets(prefixlen_diff=2))[:ZONES]
    return Ranges(tuple(str(item) for item in public), tuple(str(item) for item in private))

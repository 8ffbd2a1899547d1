"""A region's zones. Names and ids are numbered differently, as in most accounts, so that mixing them up shows."""

from __future__ import annotations

SHORT = {
    "central": "c",
    "north": "n",
    "south": "s",
    "east": "e",
    "west": "w",
    "northeast": "ne",
    "northwest": "nw",
    "southeast": "se",
    "southwest": "sw",
}
NUMBER_OF_LETTER = {"a": 2, "b": 3, "c": 1}


def zones(region: str) -> list[str]:
    """Zone names."""
    return [f"{region}{letter}" for letter in NUMBER_OF_LETTER]


def zone_id(zone: str) -> str:
    """The id of a zone by its name."""
    area, side, number = zone[:-1].split("-")
    return f"{area}{SHORT[side]}{number}-az{NUMBER_OF_LETTER[zone[-1]]}"


def zone_ids(region: str) -> list[str]:
    return [zone_id(zone) for zone in zones(region)]


def zone_of_id(region: str, id_: str) -> str:
    return next((zone for zone in zones(region) if zone_id(zone) == id_), zones(region)[0])

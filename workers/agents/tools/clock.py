"""The date and time, as a tool. Prompts never hold them: servers could not cache their prefix."""

from __future__ import annotations

import zoneinfo
from datetime import UTC, datetime, tzinfo

from ponderd import tool


@tool(idempotent=True)
def clock(zone: str = "UTC") -> str:
    """the date and time now; zone is UTC or a city, such as Europe/Berlin"""
    return tell(datetime.now(UTC), zone)


def tell(now: datetime, zone: str) -> str:
    """`now` as text, such as "Sunday, 22 November 2026, 18:03 (Europe/Berlin, UTC+01:00)".

    Raises ValueError for an unknown zone.
    """
    name, place = find_zone(zone)
    local = now.astimezone(place)
    offset = "" if name == "UTC" else f", UTC{local.isoformat()[-6:]}"
    return f"{local:%A}, {local.day} {local:%B %Y, %H:%M} ({name}{offset})"


def find_zone(zone: str) -> tuple[str, tzinfo]:
    """A time zone by its name, or by the city in its name. Raises ValueError."""
    wanted = zone.strip().replace(" ", "_").lower()
    if wanted in ("", "utc", "gmt", "z"):
        return "UTC", UTC
    for name in sorted(zoneinfo.available_timezones()):
        if wanted in (name.lower(), name.rpartition("/")[2].lower()):
            return name, zoneinfo.ZoneInfo(name)
    raise ValueError(f"no time zone {zone!r}; use UTC or a name such as Europe/Berlin")

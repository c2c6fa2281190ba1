"""How long people stay signed in, and how many proxies stand in front: the part `[sessions]` of the hub's settings."""

from __future__ import annotations

from datetime import timedelta

from pydantic import BaseModel, ConfigDict, Field


class SessionSettings(BaseModel):
    """Minutes without a request, and hours in all, after which somebody is signed out; see docs/adr/0070.

    `proxies` is how many reverse proxies of the town's own stand in front: only so many entries of X-Forwarded-For are
    believed, for rate limits. 0 believes none.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    citizen_idle_minutes: int = Field(default=15, ge=1, le=60)
    citizen_hours: int = Field(default=8, ge=1, le=24)
    staff_idle_minutes: int = Field(default=30, ge=1, le=120)
    staff_hours: int = Field(default=10, ge=1, le=24)
    proxies: int = Field(default=0, ge=0, le=5)

    @property
    def citizen_idle(self) -> timedelta:
        """How long a citizen's session lives without a request."""
        return timedelta(minutes=self.citizen_idle_minutes)

    @property
    def staff_idle(self) -> timedelta:
        """The same for staff."""
        return timedelta(minutes=self.staff_idle_minutes)

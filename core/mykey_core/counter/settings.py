"""How much a clerk may look up, and how long a record or a request stays open: the part `[counter]` of the settings."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class CounterSettings(BaseModel):
    """Limits for one clerk, and times. A look-up that finds nobody counts like one that does."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    look_ups_per_hour: int = Field(default=40, ge=1, le=1000)
    look_ups_per_day: int = Field(default=200, ge=1, le=5000)
    case_minutes: int = Field(default=15, ge=1, le=60)
    approval_hours: int = Field(default=8, ge=1, le=72)

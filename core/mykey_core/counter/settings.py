"""How much a clerk may look up, and how long a record or a request stays open: the part `[counter]` of the settings."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class CounterSettings(BaseModel):
    """Limits for one clerk, times, and what the town lets the counter search by (a card always).

    A look-up that finds nobody counts like one that does. A busy clerk sees 200 people a day.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    look_ups_per_hour: int = Field(default=60, ge=1, le=1000)
    look_ups_per_day: int = Field(default=300, ge=1, le=5000)
    case_minutes: int = Field(default=15, ge=1, le=60)
    approval_hours: int = Field(default=8, ge=1, le=72)
    search_by_mykey_id: bool = True
    search_by_attributes: bool = False

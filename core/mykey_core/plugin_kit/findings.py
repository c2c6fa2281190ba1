"""What the checker says of a plugin: findings with a rule, a place and what to do."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum


class Level(StrEnum):
    """Whether a finding forbids publishing."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding. `where` is a path inside the repository, with the line where there is one."""

    rule: str
    where: str
    message: str
    level: Level = Level.ERROR

    def as_json(self) -> dict[str, str]:
        """The finding as JSON members."""
        return {name: str(value) for name, value in asdict(self).items()}

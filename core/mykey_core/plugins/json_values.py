"""The type of what travels as JSON: event data, job arguments, exports. No date, no bytes, nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

Json = None | bool | int | float | str | Sequence["Json"] | Mapping[str, "Json"]

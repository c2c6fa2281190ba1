"""Writing the folder of a new hub: settings, keys, pinned CA certificates, plugins file and an empty CRL folder."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from mykey_core.audit.keys import create_audit_key
from mykey_core.keys.file import create_keys

_PLUGINS = """\
# What this town enables, and what it grants. `mykey plugins` shows the state of each plugin and why.
[plugins.library]
enabled = true
grants = ["audit", "database", "events", "jobs", "offline", "pages", "people", "tap"]

[plugins.library.services.library-desk]
{residents}
risk = "low"
"""
_RESIDENTS = "residents_only = true"
_EVERYBODY = """\
# true refuses cards of other towns. First name the town's own CRL partitions in hub.toml:
# resident_distribution_points = ["CN=…"], as `mykey trust update` prints them; without them everybody would be refused.
residents_only = false"""


def _toml(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)  # a JSON string is a basic string of TOML


def settings_text(
    *,
    municipality: str,
    titles: Mapping[str, str],
    origin: str,
    ca_files: Sequence[str],
    environment: str = "production",
    distribution_points: Sequence[str] = (),
) -> str:
    """The text of `hub.toml`."""
    title = ", ".join(f"{language} = {_toml(text)}" for language, text in titles.items())
    return "\n".join(
        [
            "# The hub's settings; see docs/reference/settings.md. Paths are relative to this file.",
            f"environment = {_toml(environment)}",
            f"municipality = {_toml(municipality)}",
            f"municipality_title = {{ {title} }}",
            f"origin = {_toml(origin)}",
            f"show_evidence = {'true' if environment == 'demo' else 'false'}",
            f"resident_distribution_points = [{', '.join(map(_toml, distribution_points))}]",
            "",
            "[trust]",
            f"authentication_ca = [{', '.join(map(_toml, ca_files))}]",
            "",
            "# Where revocation data comes from; see docs/how-to/revocation-sources.md.",
            "[revocation]",
            f"environment = {_toml('production' if environment == 'production' else 'test')}",
            f"anchors = [{', '.join(map(_toml, ca_files))}]",
            'state = "revocation"',
            "",
            "[[revocation.sources]]",
            'type = "crl-file"',
            'directory = "crl"',
            "",
        ]
    )


def write_new_hub(
    folder: Path,
    *,
    municipality: str,
    titles: Mapping[str, str],
    origin: str,
    ca: Sequence[Path],
    environment: str = "production",
    distribution_points: Sequence[str] = (),
    plugins: str | None = None,
) -> None:
    """Make `folder` (which must be new or empty) with everything that a hub reads at its start.

    Only with `distribution_points` of the town can its library be for residents only: without them it is for everybody.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise FileExistsError(f"{folder} is not empty: name a new folder")
    (folder / "ca").mkdir()
    (folder / "crl").mkdir()
    for path in ca:
        (folder / "ca" / path.name).write_bytes(path.read_bytes())
    text = settings_text(
        municipality=municipality,
        titles=titles,
        origin=origin,
        ca_files=[f"ca/{path.name}" for path in ca],
        environment=environment,
        distribution_points=distribution_points,
    )
    (folder / "hub.toml").write_text(text, encoding="utf-8")
    if plugins is None:
        plugins = _PLUGINS.format(residents=_RESIDENTS if distribution_points else _EVERYBODY)
    (folder / "plugins.toml").write_text(plugins, encoding="utf-8")
    create_keys(folder / "keys.json")
    create_audit_key(folder / "audit-key.pem")

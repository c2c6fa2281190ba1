"""A plugin that is broken on purpose, installed beside the demo's hub: the hub must run on without it."""

from __future__ import annotations

from pathlib import Path

NAME = "broken"
_MANIFEST = """\
name = "broken"
title = { ja = "こわれたプラグイン", en = "A broken plugin" }
description = { ja = "わざとこわしてあります。", en = "Broken on purpose." }
version = "0.0.1"
api = "0.1"
package = "mykey_broken"
legal_basis = { ja = "なし", en = "none" }
retention = { ja = "なし", en = "none" }

[requests]
capabilities = ["tap"]
"""


def install_broken_plugin(folder: Path) -> dict[str, str]:
    """Lay an installed distribution into `folder`; returns the environment in which Python finds it."""
    package = folder / "mykey_broken"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text('raise RuntimeError("broken on purpose")\n', encoding="utf-8")
    (package / "mykey-plugin.toml").write_text(_MANIFEST, encoding="utf-8")
    information = folder / "mykey_broken-0.0.1.dist-info"
    information.mkdir()
    (information / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: mykey-broken\nVersion: 0.0.1\n", encoding="utf-8"
    )
    (information / "entry_points.txt").write_text("[mykey.plugins]\nbroken = mykey_broken\n", encoding="utf-8")
    return {"PYTHONPATH": str(folder)}


def enable_broken_plugin(plugins_file: Path) -> None:
    """Let the municipality enable and grant it."""
    text = plugins_file.read_text(encoding="utf-8")
    plugins_file.write_text(text + '\n[plugins.broken]\nenabled = true\ngrants = ["tap"]\n', encoding="utf-8")

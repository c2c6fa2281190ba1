"""Which running programs are likely to hold a card, so that 'reader busy' can name them.

Reads /proc of the processes that this user may look at; it never touches them.
"""

from __future__ import annotations

import os
from pathlib import Path

KNOWN_HOLDERS = frozenset({"gsd-smartcard", "scdaemon", "pcsc_scan", "pkcs11-tool", "ssh-agent"})
"""Programs that talk to cards by their nature (`pcsc-and-desktop` reference; `scdaemon`: `disable-ccid`)."""

CARD_LIBRARIES = (b"libpcsclite.so", b"libpcsclite_real.so", b"opensc-pkcs11.so")
"""A program that has one of these mapped talks to readers, e.g. a browser with a PKCS#11 module."""


def likely_culprits(proc: Path = Path("/proc")) -> tuple[str, ...]:
    """Names of running programs that may hold the card, sorted; empty where /proc does not exist."""
    own = str(os.getpid())
    names = {
        name
        for process in _processes(proc)
        if process.name != own and (name := _name(process)) != "pcscd" and _is_suspect(process, name)
    }
    return tuple(sorted(names))


def _processes(proc: Path) -> list[Path]:
    try:
        return [entry for entry in proc.iterdir() if entry.name.isdigit()]
    except OSError:
        return []


def _name(process: Path) -> str:
    try:
        return (process / "comm").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def _is_suspect(process: Path, name: str) -> bool:
    if name in KNOWN_HOLDERS:
        return True
    try:
        maps = (process / "maps").read_bytes()
    except OSError:
        return False
    return any(library in maps for library in CARD_LIBRARIES)

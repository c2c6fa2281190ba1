"""The quality list that a plugin is judged by: each rule is done, to do, or exempt with a reason."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

RULES: Mapping[str, str] = {
    "manifest": "The manifest says what the plugin is, why the law allows it, and how long data are kept.",
    "conformance": "The conformance suite of mykey-testkit runs in the plugin's own CI.",
    "own-tests": "Every action and every refusal of the plugin has a test of its own.",
    "translations": "Japanese, English and plain Japanese are complete and were read by a person.",
    "shredder": "What is kept about a person can be exported and deleted.",
    "accessibility": "Its pages were used with the keyboard, a screen reader and large type.",
    "documentation-staff": "There is a guide for the staff who use it, in Japanese.",
    "documentation-citizen": "There is a page for citizens that says what it does with their data.",
    "health": "The health hook says when something that it needs is missing.",
    "logs-without-persons": "Its log holds no names, numbers or serials.",
    "card-torn": "A card that is pulled away at any moment leaves it in a state that the next tap resolves.",
    "offline": "It says what happens while the hub cannot be reached.",
}
"""Each rule and what it asks for."""


def faults_of(written: Mapping[str, Any]) -> list[str]:
    """What is wrong with a quality list, one sentence each; an empty list when nothing is."""
    faults = [f"the rule '{rule}' is missing: {RULES[rule]}" for rule in RULES if rule not in written]
    faults += [f"there is no rule '{rule}'" for rule in written if rule not in RULES]
    for rule, state in written.items():
        if state in ("done", "todo"):
            continue
        reason = state.get("exempt") if isinstance(state, dict) else None
        if not isinstance(reason, str) or len(reason.strip()) < 10:  # noqa: PLR2004 - less is no reason
            faults.append(f'the rule \'{rule}\' is neither "done" nor "todo" nor {{ exempt = "the reason" }}')
    return faults

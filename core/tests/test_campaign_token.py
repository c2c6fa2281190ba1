"""Campaigns whose keys are in a PKCS#11 token: SoftHSM stands for the town's hardware."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from mykey_core.card_writing.campaign_cli import campaign
from mykey_core.card_writing.campaigns.setup import FACTORY_FILE
from mykey_core.keys.pkcs11 import TokenSettings

pytestmark = pytest.mark.xdist_group("softhsm")


@pytest.mark.parametrize("kind", ["sign", "resident"])
def test_a_campaign_with_keys_in_a_token(softhsm: TokenSettings, tmp_path: Path, kind: str) -> None:
    """Two workers write cards with keys of one token; no key of the town is in the campaign's folder."""
    token = ["--hsm", "--hsm-kind", kind, "--hsm-module", str(softhsm.module), "--hsm-token", softhsm.token_label]
    out = tmp_path / "out"
    arguments = ["run", "--simulate", "24", "--workers", "2", "--out", str(out), *token]
    arguments += ["--hsm-pin-file", str(softhsm.pin_file)]
    done = CliRunner().invoke(campaign, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    status = json.loads(CliRunner().invoke(campaign, ["status", "--out", str(out)]).output)
    assert (status["states"], status["provider"]) == ({"done": 24}, f"pkcs11-{kind}")
    assert not (out / "card-keys.json").exists()
    assert (out / FACTORY_FILE).exists()  # the simulated manufacturer's, who put the first keys into the cards


def test_a_token_has_to_be_named_whole(tmp_path: Path) -> None:
    """`--hsm` without the token's options says what is missing."""
    arguments = ["run", "--simulate", "5", "--hsm", "--out", str(tmp_path / "out")]
    refused = CliRunner().invoke(campaign, arguments)
    assert (refused.exit_code, "--hsm-module" in refused.output) == (1, True)

"""The key ceremony: shares, the sheet, what is stored, what is recorded, and generations whose floor only rises."""

from __future__ import annotations

import subprocess
from itertools import combinations
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import select

from mykey_core.card_writing import keys_cli
from mykey_core.card_writing.errors import CardKeysUnavailable, CeremonyError
from mykey_core.card_writing.keys.ceremony import Ceremony, Quorum, combine, split
from mykey_core.card_writing.keys.generations import Generations
from mykey_core.card_writing.keys.software import SoftwareCardKeys, load_card_keys
from mykey_core.hub import upgrade_database
from mykey_core.settings import load_settings
from mykey_core.storage.database import open_database
from mykey_core.storage.tables import audit_record
from mykey_testkit.card_writing import MASTERS
from mykey_testkit.clock import ManualClock
from mykey_web.setup import write_new_hub

MASTER = bytes(range(32))
REASONS = {
    "a share is misspelt or incomplete: read it again",
    "too few or too many shares, or one twice",
    "the shares do not belong together",
}


@pytest.mark.parametrize("rule", ["2-of-3", "3-of-5", "2-of-2"])
def test_every_quorum_gives_the_key_and_fewer_do_not(rule: str) -> None:
    """Any m shares give the key; m - 1 of them are refused."""
    quorum = Quorum.parse(rule)
    shares = split(MASTER, quorum)
    assert len(set(shares)) == quorum.shares
    for chosen in combinations(shares, quorum.threshold):
        assert combine(chosen) == MASTER
    with pytest.raises(CeremonyError):
        combine(shares[: quorum.threshold - 1])


@pytest.mark.parametrize("rule", ["1-of-3", "4-of-3", "2-of-17", "3 of 5", "x-of-y", ""])
def test_rules_that_are_none_are_refused(rule: str) -> None:
    """One share alone is no quorum; sixteen shares are the most."""
    with pytest.raises(CeremonyError):
        Quorum.parse(rule)


def test_wrong_shares_are_refused_without_showing_them() -> None:
    """A misspelt share, one twice, and shares of two ceremonies: each says what is wrong and shows no word of it."""
    first, second = split(MASTER, Quorum(2, 3)), split(MASTERS[2], Quorum(2, 3))
    words = first[0].split()
    misspelt = " ".join([*words[:-1], "academic" if words[-1] != "academic" else "acid"])
    for shares in ([first[0], misspelt], [first[0], first[0]], [first[0], second[1]], ["zzz", first[1]], []):
        with pytest.raises(CeremonyError) as refused:
            combine(shares)
        assert str(refused.value) in REASONS


def test_a_ceremony_shows_nothing_in_its_text() -> None:
    """Neither key nor shares appear in `repr`."""
    making = Ceremony(Quorum(2, 3), random=lambda size: MASTER[:size])
    assert MASTER.hex() not in repr(making)
    assert making.shares[0] not in repr(making)
    with pytest.raises(CeremonyError, match="another"):
        making.confirm(split(MASTERS[2], Quorum(2, 3))[:2])


@pytest.fixture
def town(tmp_path: Path) -> Path:
    """A hub's folder with its database."""
    folder = tmp_path / "hub"
    ca = tmp_path / "ca.pem"
    ca.write_text("unused")
    write_new_hub(
        folder, municipality="132217", titles={"ja": "町"}, origin="https://hub.example.jp", ca=[ca], environment="test"
    )
    upgrade_database(load_settings(folder / "hub.toml"))
    return folder


def keys(folder: Path, *arguments: str, typed: str = "") -> Result:
    command = [*arguments, "--config", str(folder / "hub.toml")]
    return CliRunner().invoke(keys_cli.keys, command, input=typed, catch_exceptions=False)


def hold(folder: Path, monkeypatch: pytest.MonkeyPatch, *options: str, wrong: bool = False) -> tuple[Result, list[str]]:
    """Hold a ceremony: note each share as its custodian would, and type the first three of them."""
    noted: list[str] = []

    def show(making: Ceremony) -> None:
        noted.extend(making.shares)

    def ask(threshold: int) -> list[str]:
        return list(split(MASTERS[2], Quorum(3, 5))[:3]) if wrong else noted[:threshold]

    monkeypatch.setattr(keys_cli, "_show_shares", show)
    monkeypatch.setattr(keys_cli, "_ask_shares", ask)
    sheet = str(folder / "sheet.pdf")
    return keys(folder, "ceremony", "--shares", "3-of-5", "--sheet", sheet, *options), noted


def events(folder: Path) -> list[str]:
    settings = load_settings(folder / "hub.toml")
    database = open_database(settings.database_url, settings.municipality)
    with database.reading() as session:
        own = audit_record.c.municipality == settings.municipality
        rows = session.execute(select(audit_record.c.event, audit_record.c.facts).where(own)).all()
    database.dispose()
    return [f"{row.event} {row.facts}" for row in rows]


def test_a_ceremony_from_beginning_to_end(town: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The key is stored, the sheet has its check values and no share, the audit record has neither."""
    done, noted = hold(town, monkeypatch)
    assert done.exit_code == 0, done.output
    master = combine(noted[2:])
    held = load_card_keys(town / "card-keys.json")
    assert held.masters == {1: master}
    check_value = held.master_check_value(1).hex()
    text = subprocess.run(["pdftotext", town / "sheet.pdf", "-"], check=True, capture_output=True, text=True).stdout
    assert "カード用親鍵 作成記録" in text
    assert check_value.upper() in text
    trail = " ".join(events(town))
    assert check_value in trail
    for secret in (master.hex(), noted[0].split()[5] + " " + noted[0].split()[6]):
        assert secret not in text + done.output + trail
    assert '"floor": 1' in keys(town, "status", "--json").output


def test_a_provider_that_is_empty_goes_on_where_the_register_is(town: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the change to a new token the next ceremony makes the next generation, and not the first one again."""
    hold(town, monkeypatch)
    (town / "card-keys.json").unlink()
    done, _ = hold(town, monkeypatch)
    assert done.exit_code == 0, done.output
    assert load_card_keys(town / "card-keys.json").generations() == (2,)
    assert "generation 1: " in keys(town, "status").output


def test_a_rehearsal_stores_nothing(town: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole way, with a key that is thrown away; sheet and audit record say that it was a rehearsal."""
    done, _ = hold(town, monkeypatch, "--dry-run")
    assert done.exit_code == 0
    assert not (town / "card-keys.json").exists()
    text = subprocess.run(["pdftotext", town / "sheet.pdf", "-"], check=True, capture_output=True, text=True).stdout
    assert "リハーサル" in text
    assert any(event.startswith("card_keys.rehearsed") for event in events(town))


def test_shares_that_do_not_give_the_key_stop_the_ceremony(town: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What custodians have written down is tried before anything is stored."""
    done, _ = hold(town, monkeypatch, wrong=True)
    assert done.exit_code == 1
    assert not (town / "card-keys.json").exists()
    assert not (town / "sheet.pdf").exists()


def test_a_sheet_that_cannot_be_written_stops_the_ceremony_before_it_begins(town: Path) -> None:
    """No key is made whose check values nobody would have on paper."""
    refused = keys(town, "ceremony", "--sheet", str(town / "none" / "sheet.pdf"))
    assert (refused.exit_code, "sheet" in refused.output) == (1, True)
    assert not (town / "card-keys.json").exists()


def test_a_lost_key_comes_back_from_its_shares(town: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Enough shares and the check value on the sheet restore the provider; another check value does not."""
    _, noted = hold(town, monkeypatch)
    path = town / "card-keys.json"
    before = load_card_keys(path)
    check_value = before.master_check_value(1).hex()
    path.unlink()
    monkeypatch.setattr(keys_cli, "_ask_shares", lambda threshold: noted[-threshold:])
    options = ("restore", "--generation", "1", "--threshold", "3", "--check-value")
    assert keys(town, *options, "000000").exit_code == 1
    assert not path.exists()
    assert keys(town, *options, check_value.upper()).exit_code == 0
    assert load_card_keys(path).masters == before.masters


def test_shares_are_shown_one_by_one_and_typed_blind(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each share is on the screen by itself, which is cleared after it; typed shares are not echoed."""
    making = Ceremony(Quorum(2, 3))
    cleared: list[int] = []
    monkeypatch.setattr("click.clear", lambda: cleared.append(1))
    monkeypatch.setattr("click.pause", lambda *_: None)
    keys_cli._show_shares(making)
    assert len(cleared) == 3
    asked: list[bool] = []
    monkeypatch.setattr("click.prompt", lambda *_, hide_input: asked.append(hide_input) or "words")
    assert keys_cli._ask_shares(2) == ["words", "words"]
    assert asked == [True, True]


def test_the_floor_only_rises(town: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It never falls, and never passes the newest generation."""
    hold(town, monkeypatch)
    hold(town, monkeypatch)
    assert keys(town, "raise-floor", "2").exit_code == 0
    for floor in ("1", "2", "3"):
        refused = keys(town, "raise-floor", floor)
        assert (refused.exit_code, "floor" in refused.output) == (1, True)
    assert '"floor": 2' in keys(town, "status", "--json").output


def test_another_key_under_the_same_number_is_noticed(town: Path) -> None:
    """The provider's key has to have the check value of the register."""
    settings = load_settings(town / "hub.toml")
    database = open_database(settings.database_url, settings.municipality)
    register = Generations(settings.municipality)
    with database.writing() as session:
        register.add(session, 1, SoftwareCardKeys({1: MASTER}), ManualClock().now)
    with database.reading() as session:
        assert register.current(session, SoftwareCardKeys({1: MASTER})) == 1
        with pytest.raises(CardKeysUnavailable, match="another key"):
            register.current(session, SoftwareCardKeys({1: MASTERS[2]}))
    database.dispose()

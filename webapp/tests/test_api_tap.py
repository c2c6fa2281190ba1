"""The tap over the JSON API: what is done, what is refused, and what is written about it."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from mykey_core.settings import load_settings
from mykey_testkit.hub import HubHarness, sign_challenge

SERVICE = "library-desk"


def test_unknown_card_is_not_registered_and_offers_the_link(library_hub: HubHarness) -> None:
    """A card that the core has never seen is 'not registered', with the action that enrols."""
    answer = library_hub.terminal().tap("adult", SERVICE)
    assert (answer["status"], answer["code"], answer["offers"]) == (403, "not_registered", ["link"])


def test_link_then_tap_shows_the_account(library_hub: HubHarness) -> None:
    """After the link at the desk every later tap shows the patron."""
    terminal = library_hub.terminal()
    linked = terminal.tap("adult", SERVICE, "link", patron_number="10000017")
    opened = terminal.tap("adult", SERVICE)
    assert linked["result"]["code"] == "library.linked"
    assert opened["result"]["view"][0]["rows"][0] == {"label": "Patron number", "value": "10000017"}


@pytest.mark.parametrize(
    ("persona", "code"),
    [
        ("revoked", "certificate_revoked"),
        ("held", "certificate_held"),
        ("expired", "certificate_expired"),
        ("forged-ca", "issuer_signature_invalid"),
        ("other-town", "other_municipality"),
    ],
)
def test_cards_that_are_refused(library_hub: HubHarness, persona: str, code: str) -> None:
    """Each card that must not be accepted is refused with its own code, and the refusal is in the audit."""
    answer = library_hub.terminal().tap(persona, SERVICE)
    assert answer["code"] == code
    assert library_hub.audit("tap.refused")[-1].facts["code"] == code


def test_a_town_that_is_not_set_up_blames_no_card(library_hub: HubHarness) -> None:
    """Without partitions of its own a service for residents is closed, and no resident is called a stranger."""
    path = library_hub.folder / "hub" / "hub.toml"
    path.write_text(path.read_text().replace("resident_distribution_points =", "# none ="))
    library_hub.settings = load_settings(path)
    library_hub.restart()
    assert library_hub.terminal().tap("adult", SERVICE)["code"] == "service_unavailable"


def test_a_next_generation_card_taps(library_hub: HubHarness) -> None:
    """Nothing assumes RSA: a P-384 card is linked like any other."""
    answer = library_hub.terminal().tap("next-generation", SERVICE, "link", patron_number="10000017")
    assert answer["result"]["code"] == "library.linked"


def test_proof_is_taken_once(library_hub: HubHarness) -> None:
    """The same proof a second time is refused, and nothing is done twice."""
    terminal = library_hub.terminal()
    challenge = terminal.begin(SERVICE, "link", patron_number="10000017")
    token = sign_challenge("adult", challenge)
    assert terminal.prove(challenge, token).status_code == 200
    second = terminal.prove(challenge, token)
    assert (second.status_code, second.get_json()["code"]) == (409, "tap_used")
    assert len(library_hub.audit("tap.done")) == 1


def test_a_failed_proof_uses_the_nonce_up(library_hub: HubHarness) -> None:
    """After a refusal the right proof for the same challenge comes too late."""
    terminal = library_hub.terminal()
    challenge = terminal.begin(SERVICE, "link", patron_number="10000017")
    wrong = sign_challenge("adult", challenge, origin="https://other.example.jp")
    assert terminal.prove(challenge, wrong).get_json()["code"] == "signature_invalid"
    assert terminal.prove(challenge, sign_challenge("adult", challenge)).get_json()["code"] == "tap_used"


def test_of_many_parallel_proofs_exactly_one_wins(library_hub: HubHarness) -> None:
    """Sixteen threads post the same proof: one tap is done, fifteen are told that it was used."""
    terminal = library_hub.terminal()
    challenge = terminal.begin(SERVICE, "link", patron_number="10000017")
    token = sign_challenge("adult", challenge)
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: terminal.prove(challenge, token).status_code, range(16)))
    assert sorted(answers) == [200] + [409] * 15
    assert len(library_hub.audit("tap.done")) == 1


def test_a_tap_expires_after_five_minutes(library_hub: HubHarness) -> None:
    """A proof that comes after the nonce's lifetime is refused."""
    terminal = library_hub.terminal()
    challenge = terminal.begin(SERVICE)
    library_hub.clock.move(timedelta(minutes=5))
    terminal.sign_in()
    answer = terminal.prove(challenge, sign_challenge("adult", challenge))
    assert (answer.status_code, answer.get_json()["code"]) == (410, "tap_expired")


def test_the_tap_of_another_terminal_is_left_alone(library_hub: HubHarness) -> None:
    """Another terminal can neither use nor burn somebody's tap."""
    own, other = library_hub.terminal(), library_hub.terminal()
    challenge = own.begin(SERVICE, "link", patron_number="10000017")
    token = sign_challenge("adult", challenge)
    assert other.prove(challenge, token).get_json()["code"] == "tap_of_another_terminal"
    assert own.prove(challenge, token).status_code == 200


def test_revocation_data_that_is_stale_closes_the_service(library_hub: HubHarness) -> None:
    """Two days without a new CRL: every card is refused, because nobody knows any more (fail closed)."""
    library_hub.clock.move(timedelta(days=2))
    answer = library_hub.terminal().tap("adult", SERVICE)
    assert answer["code"] == "revocation_unavailable"


def test_missing_revocation_data_closes_the_service(library_hub: HubHarness) -> None:
    """Without any CRL, and without what an earlier run has kept of one, no card is accepted."""
    for folder in ("crl", "revocation"):
        shutil.rmtree(library_hub.folder / "hub" / folder)
    (library_hub.folder / "hub" / "crl").mkdir()
    library_hub.restart()
    assert library_hub.terminal().tap("adult", SERVICE)["code"] == "revocation_unavailable"


@pytest.mark.parametrize(
    ("risk", "days", "code"),
    [("low", 1, "not_registered"), ("low", 3, "revocation_unavailable"), ("high", 1, "revocation_unavailable")],
)
def test_an_outage_is_bridged_as_budgeted(library_hub: HubHarness, risk: str, days: int, code: str) -> None:
    """With two days of budget for low risk, a CRL that ended yesterday still serves a service of low risk only."""
    folder = library_hub.folder / "hub"
    with (folder / "hub.toml").open("a") as file:
        file.write(f'[revocation.budget.{library_hub.settings.municipality}]\nlow = "P2D"\n')
    plugins = (folder / "plugins.toml").read_text()
    (folder / "plugins.toml").write_text(
        plugins.replace("residents_only = true", f'residents_only = true\nrisk = "{risk}"')
    )
    library_hub.settings = load_settings(folder / "hub.toml")
    library_hub.clock.move(timedelta(days=days))
    library_hub.restart()
    assert library_hub.terminal().tap("adult", SERVICE)["code"] == code


def test_an_acceptance_in_grace_is_flagged_in_the_audit(library_hub: HubHarness) -> None:
    """The record of a tap says that it was accepted on data that was over."""
    folder = library_hub.folder / "hub"
    with (folder / "hub.toml").open("a") as file:
        file.write(f'[revocation.budget.{library_hub.settings.municipality}]\nlow = "P2D"\n')
    plugins = (folder / "plugins.toml").read_text()
    (folder / "plugins.toml").write_text(
        plugins.replace("residents_only = true", 'residents_only = true\nrisk = "low"')
    )
    library_hub.settings = load_settings(folder / "hub.toml")
    modes = []
    for days in (0, 1):
        library_hub.clock.move(timedelta(days=days))
        library_hub.restart()
        library_hub.terminal().tap("adult", SERVICE, "link", patron_number="10000017")
        modes.append(library_hub.audit("tap.done")[-1].facts["revocation"]["mode"])
    assert modes == ["fresh", "grace"]


def test_a_terminal_finds_out_what_became_of_a_tap(library_hub: HubHarness) -> None:
    """The result, or the refusal, can be asked for again, in another language too."""
    terminal = library_hub.terminal()
    done = terminal.begin(SERVICE, "link", patron_number="10000017")
    terminal.prove(done, sign_challenge("adult", done))
    refused = terminal.begin(SERVICE)
    terminal.prove(refused, sign_challenge("revoked", refused))
    still_open = terminal.begin(SERVICE)
    states = [
        terminal.get(f"/taps/{tap['tap_id']}", **{"Accept-Language": "ja"}).get_json()
        for tap in (done, refused, still_open)
    ]
    assert [state["state"] for state in states] == ["done", "refused", "open"]
    assert states[0]["result"]["message"]["title"] == "利用者カードとして登録しました"
    assert states[1]["problem"]["code"] == "certificate_revoked"


def test_acts_of_the_plugin_and_the_audit_are_one_commit(
    library_hub: HubHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the audit record cannot be written, the link is not there either, and the tap is still open."""
    from mykey_core.taps import service

    terminal = library_hub.terminal()
    challenge = terminal.begin(SERVICE, "link", patron_number="10000017")
    token = sign_challenge("adult", challenge)
    with monkeypatch.context() as patch:
        patch.setattr(service, "append", _no_audit)
        assert terminal.prove(challenge, token).status_code == 500
    assert terminal.get(f"/taps/{challenge['tap_id']}").get_json()["state"] == "open"
    assert terminal.tap("adult", SERVICE)["code"] == "not_registered"


def _no_audit(*_: object) -> None:
    raise RuntimeError("the disk of the audit is gone")


def test_evidence_is_shown_in_the_demo_only(library_hub: HubHarness) -> None:
    """Checks and audit record stay inside unless the environment is a demo."""
    answer = library_hub.terminal().tap("adult", SERVICE, "link", patron_number="10000017")
    assert "evidence" not in answer["result"]


def test_audit_holds_no_serial_and_no_patron_number(library_hub: HubHarness) -> None:
    """Records hold codes and pairwise references; neither the certificate's serial nor the plugin's number."""
    library_hub.terminal().tap("adult", SERVICE, "link", patron_number="10000017")
    from mykey_cardap.kinds import CertificateKind

    serial = library_hub.jpki.serial_number(library_hub.jpki.persona("adult"), CertificateKind.AUTHENTICATION)
    text = str([record.as_json() for record in library_hub.audit()])
    assert "10000017" not in text
    assert str(serial) not in text
    assert f"{serial:x}" not in text.lower()

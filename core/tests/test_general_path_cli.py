"""`mykey trust validate` and `mykey trust pkits` on files: JSON, exit codes, and words for wrong usage."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from mykey_core.trust.cli_paths import pkits, validate
from mykey_testkit.jpki.mini_pki import MOMENT, make, make_crl

POLICY = "1.2.392.200149.8.5.1.3.30"
ROOT = make("Root", ca=True)
TOWN = make("Town CA", ROOT, ca=True, policies=[POLICY])
CITIZEN = make("Citizen", TOWN, policies=[POLICY])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The hierarchy as files: PEM and DER mixed."""
    (tmp_path / "root.pem").write_bytes(ROOT.certificate.public_bytes(Encoding.PEM))
    (tmp_path / "town.crt").write_bytes(TOWN.der)
    (tmp_path / "citizen.cer").write_bytes(CITIZEN.der)
    (tmp_path / "root.crl").write_bytes(make_crl(ROOT))
    (tmp_path / "town.crl").write_bytes(x509.load_der_x509_crl(make_crl(TOWN)).public_bytes(Encoding.PEM))
    return tmp_path


def run(folder: Path, *extra: str, crls: tuple[str, ...] = ("root.crl", "town.crl")) -> Result:
    """Validate the citizen's certificate."""
    arguments = [str(folder / "citizen.cer"), "--at", MOMENT.isoformat()]
    for name in crls:
        arguments += ["--crl", str(folder / name)]
    return CliRunner().invoke(validate, [*arguments, *extra])


def general(folder: Path) -> list[str]:
    """Options of the whole hierarchy."""
    return ["--anchor", str(folder / "root.pem"), "--intermediate", str(folder / "town.crt")]


def test_a_sound_certificate_prints_accept_and_exits_0(folder: Path) -> None:
    """The JSON has the verdict, the reason, the path and the policies."""
    result = run(folder, *general(folder), "--policy", POLICY, "--require-policy")
    answer = json.loads(result.stdout)
    assert result.exit_code == 0
    assert (answer["verdict"], answer["reason"], answer["engine"]) == ("accept", "ok", "general")
    assert len(answer["path"]) == 3
    assert answer["policies"] == [POLICY]


def test_a_refusal_prints_its_reason_and_exits_1(folder: Path) -> None:
    """Without the CRL of its CA a certificate is refused; so it is with a policy that it does not have."""
    result = run(folder, *general(folder), crls=("root.crl",))
    assert (result.exit_code, json.loads(result.stdout)["reason"]) == (1, "no_revocation_information")
    result = run(folder, *general(folder), "--policy", "1.2.3", "--require-policy")
    assert (result.exit_code, json.loads(result.stdout)["reason"]) == (1, "policy")


def test_the_fast_path_is_driven_with_the_issuing_ca(folder: Path) -> None:
    """One tier: the issuing CA as anchor and a named policy are accepted, the root as anchor is not."""
    town, root = str(folder / "town.crt"), str(folder / "root.pem")
    fast = ("--path", "fast", "--policy", POLICY)
    sound = run(folder, "--anchor", town, *fast)
    assert (sound.exit_code, json.loads(sound.stdout)["verdict"]) == (0, "accept")
    assert json.loads(run(folder, "--anchor", root, "--intermediate", town, *fast).stdout)["verdict"] == "reject"
    assert json.loads(run(folder, "--anchor", town, "--path", "fast").stdout)["reason"] == "policy_not_allowed"
    assert run(folder, "--anchor", town, *fast, crls=()).exit_code == 1
    assert run(folder, "--anchor", town, *fast, "--kind", "signature").exit_code == 1


def test_the_fast_path_refuses_a_revoked_certificate(folder: Path) -> None:
    """Revocation is asked of the hub's own CRL source, and a hold has its own name."""
    town = str(folder / "town.crt")
    for reason, code in (("key_compromise", "revoked"), ("certificate_hold", "held")):
        (folder / "town.crl").write_bytes(make_crl(TOWN, CITIZEN, reason=x509.ReasonFlags[reason]))
        result = run(folder, "--anchor", town, "--path", "fast", "--policy", POLICY)
        assert (result.exit_code, json.loads(result.stdout)["reason"]) == (1, code)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--at", "2025-06-01"], "has no offset"),
        (["--at", "yesterday"], "no ISO 8601 time"),
        (["--at", "0001-01-01T00:00:00+14:00"], "outside the years 1 to 9999"),
        (["--policy", "policy"], "no dotted object identifier"),
        (["--anchor", "citizen.cer", "--crl", "citizen.cer"], "neither PEM nor DER"),
        (["--anchor", "root.crl"], "neither PEM nor DER"),
        (["--anchor", "missing.pem"], "does not exist"),
    ],
)
def test_wrong_usage_says_what_is_wrong_and_exits_2(folder: Path, options: list[str], says: str) -> None:
    """Bad options and bad files end with a sentence, not with a traceback."""
    options = [str(folder / text) if "." in text and "-" not in text else text for text in options]
    result = run(folder, *general(folder), *options)
    assert result.exit_code == 2
    assert says in " ".join(result.stderr.replace("│", " ").split())


def test_the_verdict_names_nobody(folder: Path) -> None:
    """No name of a certificate is printed: the path is told by fingerprints."""
    assert "Citizen" not in run(folder, *general(folder)).output
    assert "Citizen" not in run(folder, *general(folder), crls=()).output


def test_pkits_of_a_folder_without_the_table_is_wrong_usage(tmp_path: Path) -> None:
    """A wrong folder is named as such."""
    result = CliRunner().invoke(pkits, [str(tmp_path)])
    assert result.exit_code == 2
    assert "is not the PKITS data" in result.stderr


def test_what_is_no_certificate_is_refused_like_a_bad_one(folder: Path) -> None:
    """CERT is what is in question: a spoilt one gets a verdict, whichever path is asked."""
    for content in (b"", b"junk", CITIZEN.der[:-1], CITIZEN.der + b"\0"):
        (folder / "citizen.cer").write_bytes(content)
        for path in ("general", "fast"):
            result = run(folder, "--anchor", str(folder / "town.crt"), "--policy", POLICY, "--path", path)
            assert (result.exit_code, json.loads(result.stdout)["verdict"]) == (1, "reject")


def test_of_two_crls_the_one_that_says_revoked_counts(folder: Path) -> None:
    """On the fast path a newer CRL without the entry does not hide an older one that is still in time (V13)."""
    older = make_crl(TOWN, CITIZEN, this_update=MOMENT - timedelta(hours=30))
    (folder / "older.crl").write_bytes(older)
    options = ("--anchor", str(folder / "town.crt"), "--path", "fast", "--policy", POLICY)
    assert run(folder, *options, crls=("town.crl",)).exit_code == 0
    both = run(folder, *options, crls=("town.crl", "older.crl"))
    assert (both.exit_code, json.loads(both.stdout)["reason"]) == (1, "revoked")

"""The test kit's own rules: what is missing skips a test, and fails it where CI runs."""

from __future__ import annotations

import os

import pytest

from mykey_testkit.pcsc import missing_programs, require_programs
from mykey_testkit.scripted import ScriptedTransport


def test_missing_programs_are_named() -> None:
    """By name on the path, or as a file."""
    assert missing_programs("sh", "no-such-program", "/no/such/file", "/dev/null") == (
        "no-such-program",
        "/no/such/file",
    )


def test_a_missing_program_skips_here_and_fails_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    """A judge that is not there must never look like a judge that agreed."""
    require_programs("sh")
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no-such-program"):
        require_programs("no-such-program")
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="no-such-program"):
        require_programs("no-such-program")


def test_no_test_reaches_the_readers_of_this_computer() -> None:
    """The PC/SC library of every test process looks into a private directory."""
    assert "mykey-pcsc-" in os.environ["PCSCLITE_CSOCK_NAME"]


def test_a_transcript_is_exact() -> None:
    """Another command, or one more, is an error of the test."""
    transport = ScriptedTransport([("00A4", "9000")])
    with pytest.raises(AssertionError):
        transport.send_apdu(b"\x00\xb0")
    assert not transport.finished
    assert transport.send_apdu(b"\x00\xa4") == b"\x90\x00"
    with pytest.raises(AssertionError):
        transport.send_apdu(b"\x00\xa4")

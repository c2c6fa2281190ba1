"""The `mykey` program as a whole: what it lists, and what it does about a command that is broken."""

from __future__ import annotations

from importlib.metadata import EntryPoint

from click.testing import CliRunner

from mykey_core.cli import CommandsFromEntryPoints


def _program(*points: EntryPoint) -> CommandsFromEntryPoints:
    program = CommandsFromEntryPoints("mykey")
    program.__dict__["_entry_points"] = {point.name: point for point in points}
    return program


def test_every_command_is_listed_and_loads() -> None:
    """`mykey --help` names each command group of the installed distributions, and all of them can be imported."""
    program = CommandsFromEntryPoints("mykey")
    answer = CliRunner().invoke(program, ["--help"])
    assert answer.exit_code == 0
    assert {"card", "terminal", "hub", "demo", "library"} <= {
        line.split()[0] for line in answer.output.splitlines() if line.strip()
    }
    assert "cannot be loaded" not in answer.output


def test_a_broken_command_touches_no_other() -> None:
    """A plugin whose command cannot be imported is listed as such; others work, and calling it says why."""
    good = EntryPoint("card", "mykey_cardap.cli:card", "mykey.commands")
    gone = EntryPoint("gone", "mykey_nowhere.cli:gone", "mykey.commands")
    thing = EntryPoint("thing", "mykey_cardap.kinds:CertificateKind", "mykey.commands")
    program = _program(good, gone, thing)
    listing = CliRunner().invoke(program, ["--help"])
    assert listing.exit_code == 0
    assert listing.output.count("(cannot be loaded)") == 2
    called = CliRunner().invoke(program, ["gone", "anything", "--at-all"])
    assert called.exit_code == 1
    assert "mykey_nowhere" in called.output
    assert "Traceback" not in called.output
    assert CliRunner().invoke(program, ["card", "--help"]).exit_code == 0

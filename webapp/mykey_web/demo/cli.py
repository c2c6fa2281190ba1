"""`mykey demo`: the whole town on one computer, for the browser, or played through with `--check`."""

from __future__ import annotations

import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import click

from mykey_core.clock import system_clock
from mykey_core.errors import MykeyError
from mykey_core.hub import open_hub
from mykey_core.settings import load_settings
from mykey_web.demo import processes
from mykey_web.demo.bus_plugin import COUNTER, GATE_POINT, add_cards, install_bus_plugin
from mykey_web.demo.clerks import add_clerks
from mykey_web.demo.sip2_scenes import USER, start_sip2
from mykey_web.demo.story import play
from mykey_web.demo.taxi import CAB, TAXI_COUNTER, add_taxi, enable_taxi, give_debit_key, start_cab, start_tablet
from mykey_web.demo.town import SELF_CHECK, SERVICE_POINT, Town, make_town, publish_crls, write_rehearsal

_CRL_EVERY_SECONDS = 3600
_POINT, _CARDS, _GATE = "/point", "/point/cards", "/point/gate"
_PLACES = (
    (SERVICE_POINT, _POINT, "図書館カウンター · library desk"),
    (SELF_CHECK, _POINT, "図書館の自動貸出機 · self-check machine of the library"),
    (COUNTER, _CARDS, "カード書き込み窓口 · card counter"),
    (GATE_POINT, _GATE, "バスの改札 · gate of the bus"),
    (TAXI_COUNTER, _CARDS, "タクシー助成の窓口 · taxi subsidy counter"),
)


@click.command()
@click.option(
    "--check", is_flag=True, help="Play the story without a browser; exit status 0 only if all is as expected."
)
@click.option("--keep", type=click.Path(path_type=Path), help="A new folder to work in, and to leave behind.")
@click.option("--port", type=int, default=0, help="Port of the hub; 0 takes a free one.")
@click.option(
    "--files",
    type=click.Path(path_type=Path),
    help="Start nothing: write CA certificates, revocation lists and a sample library for a hub of your own.",
)
def demo(*, check: bool, keep: Path | None, port: int, files: Path | None) -> None:
    """Start the hub and a service point with virtual cards, and print the address to open."""
    if files is not None:
        click.echo(write_rehearsal(files, system_clock()))
        return
    try:
        with _folder(keep) as folder:
            if check:
                raise SystemExit(play(folder, click.echo))
            _serve(folder, port or processes.free_port())
    except (MykeyError, FileExistsError, processes.ProcessFailed) as error:
        raise click.ClickException(str(error)) from error


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        if any(keep.iterdir()):
            raise FileExistsError(f"{keep} is not empty: name a new folder")
        yield keep.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="mykey-demo-") as name:
        yield Path(name)


def _serve(folder: Path, port: int) -> None:
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # end the children too, however the demo is ended
    origin = f"http://127.0.0.1:{port}"
    town = make_town(folder, origin, system_clock())
    add_cards(town.config)
    enable_taxi(town.config)
    add_taxi(town.config)
    add_clerks(town)
    with ExitStack() as stack:
        environment = install_bus_plugin(folder / "plugins")
        hub = stack.enter_context(processes.start_hub(town.config, port, folder / "hub.log", environment))
        agents = [_place(stack, town, point, page) for point, page, _ in _PLACES]
        machines = start_sip2(stack, town)
        tablet = _cab(stack, town)
        announce(origin, agents[0].announcement)
        for agent, (_, page, words) in zip(agents[1:], _PLACES[1:], strict=True):
            click.echo(f"  {words}: {_address(origin, agent.announcement, page)}")
        click.echo(f"  タクシーの車内 · in the cab: {tablet}")
        click.echo(f"  自動貸出機(SIP2) · for SIP2 machines: 127.0.0.1 port {machines.port}, ", nl=False)
        click.echo(f"user {USER}, password in {machines.password_file}")
        _keep_crls_fresh(town)
        try:
            while hub.running and all(agent.running for agent in agents):
                time.sleep(0.5)
        except KeyboardInterrupt:
            click.echo("")
            return
        raise processes.ProcessFailed(f"a process ended by itself: see the logs in {folder}")


def _place(stack: ExitStack, town: Town, point: str, page: str) -> processes.Child:
    """One terminal of the town with its agent; all have one tray of cards."""
    state, log = town.folder / f"terminal-{point}", town.folder / "terminal.log"
    processes.enrol_terminal(town.origin, new_code(town, point), state, log)
    told = partial(announce_again, town.origin, page=page)
    return stack.enter_context(processes.start_agent(state, log, told, cards=town.folder / "cards"))


def _cab(stack: ExitStack, town: Town) -> str:
    """The cab: its terminal, which needs no hub, and the driver's page; the address of the page."""
    state, log = town.folder / f"terminal-{CAB}", town.folder / "terminal.log"
    processes.enrol_terminal(town.origin, new_code(town, CAB), state, log)
    give_debit_key(town.config, state, log)
    cab = stack.enter_context(start_cab(state, log, town.folder / "cards"))
    page = stack.enter_context(start_tablet(town.folder, Path(cab.announcement["ready"]), log))
    return str(page.announcement["address"])


def new_code(town: Town, point: str = SERVICE_POINT) -> str:
    """A one-time enrolment code for a service point of the demo town."""
    hub = open_hub(load_settings(town.config))
    try:
        return hub.terminals.new_code(point)
    finally:
        hub.close()


def announce(origin: str, announcement: dict[str, str]) -> None:
    """Print the address to open."""
    click.echo("")
    click.echo("  窓口（まずこれを開く） · the library desk (start here):")
    click.echo(f"  {_address(origin, announcement)}")
    click.echo("")
    click.echo(f"  マイページ · the citizen's own page: {origin}/my/ （同じタブから · from the same tab）")
    click.echo(f"  窓口（職員用） · the counter for staff: {origin}/counter/ ", nl=False)
    click.echo("職員カード「長い氏名と住所」 · staff card “Long name and address”; ", nl=False)
    click.echo("監督者「外国の人の氏名」 · supervisor “Foreign resident”")
    click.echo(f"  管理 · administration: {origin}/admin/ ", nl=False)
    click.echo("管理者「券面入力補助用暗証番号がロックされたカード」 · administrator “Blocked text PIN”")
    click.echo("  開いてカードをかざしてください（暗証番号は画面のカードに書いてあります）。終了は Ctrl-C。")
    click.echo("  Open it and tap a card (its PIN is written beside it). End with Ctrl-C. All people are synthetic.")


def announce_again(origin: str, announcement: dict[str, str], page: str = _POINT) -> None:
    """The code in an address is for one tab: this is the address for the next one."""
    click.echo(f"  もう1つのタブ · for another tab: {_address(origin, announcement, page)}")


def _address(origin: str, announcement: dict[str, str], page: str = _POINT) -> str:
    port = announcement["address"].rpartition(":")[2]
    return f"{origin}{page}#agent={port}&pair={announcement['pairing_code']}"


def _keep_crls_fresh(town: Town) -> None:
    def publish() -> None:
        while True:
            time.sleep(_CRL_EVERY_SECONDS)
            publish_crls(town, system_clock())
            processes.run(["trust", "update", "--config", str(town.config)], town.folder / "hub.log")

    threading.Thread(target=publish, daemon=True).start()

"""Two towns in one process and one database: what one town gave is worth nothing in the other."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from flask.testing import FlaskClient
from werkzeug.test import Client

from mykey_core.clock import system_clock
from mykey_core.errors import ConfigurationError
from mykey_terminal.enrolment import StateDirectory, enrol
from mykey_terminal.hub import Hub as TerminalHub
from mykey_testkit.clock import ManualClock
from mykey_testkit.hub import (
    LIBRARY,
    MUNICIPALITY,
    OTHER_TOWN,
    HubHarness,
    TerminalClient,
    name_the_database,
    sign_challenge,
)
from mykey_testkit.postgres import DatabaseUrls, PostgresServer, fresh_database, passing_database
from mykey_web.tenants import TownFront, open_towns, read_towns

pytestmark = pytest.mark.xdist_group("towns")  # the moulds are made once
SERVICE = "library-desk"
_NAMES = ("own", "other")
_TOWNS = f"""
[town."{MUNICIPALITY}"]
config = "own/hub/hub.toml"
hosts = ["own.example.jp"]
path = "/own"
[town."{OTHER_TOWN}"]
config = "other/hub/hub.toml"
hosts = ["other.example.jp"]
path = "/other"
"""
_BY_PATH = f"""
[town."{MUNICIPALITY}"]
config = "own/hub/hub.toml"
path = "/own"
[town."{OTHER_TOWN}"]
config = "other/hub/hub.toml"
path = "/other"
"""


@dataclass
class Door:
    """The front as one town's terminals reach it: by a host name, or by a path prefix."""

    front: TownFront
    host: str
    prefix: str = ""

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        """WSGI."""
        environ["HTTP_HOST"] = self.host
        environ["wsgi.url_scheme"] = "https"  # as a proxy that ends TLS says it
        environ["PATH_INFO"] = self.prefix + environ["PATH_INFO"]
        return self.front(environ, start_response)

    def test_client(self) -> Client:
        """What TerminalClient asks an application for."""
        return Client(self)


@dataclass
class Towns:
    """Both towns behind one front."""

    front: TownFront
    clock: ManualClock

    def terminal(self, code: str, door: Door) -> TerminalClient:
        """A terminal of the town `code`, enrolled through `door`."""
        enrolment = self.front.hubs[code].terminals.new_code("desk")
        return TerminalClient(door, enrolment, self.clock).sign_in()  # type: ignore[arg-type] - all it needs


@dataclass
class Mould:
    """Two closed towns in a folder, which are copied for each test."""

    folder: Path
    urls: DatabaseUrls

    def copy_to(self, folder: Path, urls: DatabaseUrls, text: str) -> None:
        """The same towns with a database of their own, and `text` as their `towns.toml`."""
        shutil.copytree(self.folder, folder, dirs_exist_ok=True)
        for name in _NAMES:
            name_the_database(folder / name / "hub" / "hub.toml", urls)
        (folder / "towns.toml").write_text(text, encoding="utf-8")


TownsMould = Callable[[PostgresServer | None, tuple[str, str]], Mould]


@pytest.fixture(scope="session")
def towns_mould(tmp_path_factory: pytest.TempPathFactory) -> TownsMould:
    """Two towns in one database, with these origins; made once for each database and pair of origins."""
    made: dict[tuple[bool, tuple[str, str]], Mould] = {}

    def mould(server: PostgresServer | None, origins: tuple[str, str]) -> Mould:
        key = (server is not None, origins)
        if key not in made:
            folder = tmp_path_factory.mktemp("towns")
            made[key] = Mould(folder, _in_one_file(folder) if server is None else fresh_database(server))
            for name, code, origin in zip(_NAMES, (MUNICIPALITY, OTHER_TOWN), origins, strict=True):
                (folder / name).mkdir()
                town = {"database": made[key].urls, "municipality": code, "origin": origin}
                harness = HubHarness(folder / name, LIBRARY, [SERVICE], **town)  # type: ignore[arg-type]
                harness.import_library()
                harness.close()
        return made[key]

    return mould


@pytest.fixture
def towns(tmp_path: Path, hub_engine: PostgresServer | None, towns_mould: TownsMould) -> Iterator[Towns]:
    mould = towns_mould(hub_engine, ("https://own.example.jp", "https://other.example.jp"))
    database = nullcontext(_in_one_file(tmp_path)) if hub_engine is None else passing_database(hub_engine, mould.urls)
    with database as urls:
        mould.copy_to(tmp_path, urls, _TOWNS)
        yield from _opened(tmp_path)


@pytest.fixture
def towns_by_path(tmp_path: Path, towns_mould: TownsMould) -> Iterator[Towns]:
    folder = tmp_path / "by-path"
    towns_mould(None, ("https://hub.example.jp",) * 2).copy_to(folder, _in_one_file(folder), _BY_PATH)
    yield from _opened(folder)


def _in_one_file(folder: Path) -> DatabaseUrls:
    one_file = f"sqlite:///{folder}/both.sqlite3"
    return DatabaseUrls(one_file, one_file)


def _opened(folder: Path) -> Iterator[Towns]:
    clock = ManualClock()
    front = open_towns(folder / "towns.toml", clock)
    yield Towns(front, clock)
    front.close()


def _doors(towns: Towns) -> tuple[Door, Door]:
    return Door(towns.front, "own.example.jp:8443"), Door(towns.front, "OTHER.example.jp")


def test_a_link_in_one_town_is_none_in_the_other(towns: Towns) -> None:
    """The same patron number can be linked in each town to that town's own citizen; cards of the other are refused."""
    doors = _doors(towns)
    own, other = towns.terminal(MUNICIPALITY, doors[0]), towns.terminal(OTHER_TOWN, doors[1])
    assert own.tap("adult", SERVICE, "link", patron_number="10000017")["state"] == "done"
    assert other.tap("adult", SERVICE)["code"] == "other_municipality"
    assert other.tap("other-town", SERVICE)["code"] == "not_registered"
    assert other.tap("other-town", SERVICE, "link", patron_number="10000017")["state"] == "done"


def test_an_access_token_of_one_town_is_none_in_the_other(towns: Towns) -> None:
    """The same header at the other town's door is unauthorized."""
    own, other = _doors(towns)
    terminal = towns.terminal(MUNICIPALITY, own)
    assert terminal.get("/services").status_code == 200
    terminal._http = other.test_client()  # type: ignore[assignment]
    assert terminal.get("/services").status_code == 401
    assert terminal.ask_token(terminal.assertion()).status_code in {400, 401}


def test_a_tap_of_one_town_is_unknown_in_the_other(towns: Towns) -> None:
    """A challenge and its proof, handed in at the other town by a terminal of the other town."""
    doors = _doors(towns)
    own, other = towns.terminal(MUNICIPALITY, doors[0]), towns.terminal(OTHER_TOWN, doors[1])
    challenge = own.begin(SERVICE, "link", patron_number="10000017")
    token = sign_challenge("adult", challenge)
    assert other.prove(challenge, token).get_json()["code"] == "tap_unknown"
    assert other.get(f"/taps/{challenge['tap_id']}").status_code == 404
    assert own.prove(challenge, token).status_code == 200


def test_an_enrolment_code_of_one_town_opens_no_other(towns: Towns) -> None:
    """A terminal cannot enrol with a code that another town made."""
    _, other = _doors(towns)
    code = towns.front.hubs[MUNICIPALITY].terminals.new_code("desk")
    stranger = TerminalClient(other, code, towns.clock)  # type: ignore[arg-type]
    assert stranger.enrolment["code"] == "enrolment_code_invalid"


def test_a_town_can_be_reached_by_path(towns: Towns) -> None:
    """Where the host name is nobody's, the first part of the path says which town."""
    terminal = towns.terminal(OTHER_TOWN, Door(towns.front, "hub.example.jp", "/other"))
    assert terminal.enrolment["municipality"] == OTHER_TOWN
    assert "nonce" in terminal.begin(SERVICE)


def test_towns_by_path_share_an_origin_and_nothing_else(towns_by_path: Towns) -> None:
    """A terminal is told its town's own endpoint; its assertion, token and nonce are worth nothing next door."""
    front = towns_by_path.front
    doors = [Door(front, "hub.example.jp", prefix) for prefix in ("/own", "/other")]
    own, other = (towns_by_path.terminal(code, door) for code, door in zip(front.hubs, doors, strict=True))
    assert (own.enrolment["token_endpoint"], own.enrolment["origin"]) == (
        "https://hub.example.jp/own/api/v1/oauth/token",
        "https://hub.example.jp",
    )
    assert other.enrolment["audience"] == "https://hub.example.jp/other/api/v1/oauth/token"
    wrong = own.assertion(aud=other.enrolment["audience"])
    assert own.ask_token(wrong).status_code in {400, 401}
    assert own.tap("adult", SERVICE, "link", patron_number="10000017")["state"] == "done"
    challenge = other.begin(SERVICE, "link", patron_number="10000017")
    assert other.prove(challenge, sign_challenge("other-town", challenge)).get_json()["state"] == "done"
    other._http = own._http
    assert other.get("/services").status_code == 401


def test_a_real_terminal_enrols_with_a_town_by_path(towns_by_path: Towns, tmp_path: Path) -> None:
    """The terminal's own code, from the address to a challenge, over WSGI."""
    front = towns_by_path.front
    transport = httpx.WSGITransport(app=front)
    state = StateDirectory(tmp_path / "terminal")
    code = front.hubs[OTHER_TOWN].terminals.new_code("desk")
    enrol(front.addresses[OTHER_TOWN], code, state, name="desk", clock=system_clock, transport=transport)
    enrolment, key = state.load()
    with TerminalHub(enrolment, key, transport=transport) as hub:
        assert hub.services()["municipality"]["code"] == OTHER_TOWN
        assert hub.begin_tap(SERVICE, "open", {}).origin == "https://hub.example.jp"


def test_the_page_of_a_town_by_path_stays_below_its_prefix(towns_by_path: Towns) -> None:
    """The links of its front door and of its service point lead to the same town."""
    client = Client(Door(towns_by_path.front, "hub.example.jp", "/other"))
    links = re.findall(r'(?:href|src|action)="(/[^"]*)"', client.get("/").get_data(as_text=True))
    assert "/other/my/" in links
    assert [link for link in links if not link.startswith("/other/")] == []
    page = client.get("/point").get_data(as_text=True)
    assert 'src="/other/static/' in page
    assert 'src="/static/' not in page


def test_addresses_are_what_terminals_enrol_with(towns: Towns, towns_by_path: Towns) -> None:
    """The origin of a town with a host name, and the prefix too where there is none."""
    assert towns_by_path.front.addresses[OTHER_TOWN] == "https://hub.example.jp/other"
    assert towns.front.addresses[OTHER_TOWN] == "https://other.example.jp"


def test_an_origin_that_leads_elsewhere_is_refused(towns: Towns, tmp_path: Path) -> None:
    """Terminals would enrol and never come back."""
    file = tmp_path / "towns.toml"
    file.write_text(file.read_text(encoding="utf-8").replace('"own.example.jp"', '"www.example.jp"'), encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"own\.example\.jp is not among its hosts"):
        open_towns(file, towns.clock)


def test_serving_towns_announces_their_addresses(towns: Towns, tmp_path: Path) -> None:
    """`mykey hub serve --towns` in a process of its own answers for both, by host name."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "mykey_core", "hub", "serve", "--towns", str(tmp_path / "towns.toml")]
    with subprocess.Popen([*command, "--port", str(port)], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert json.loads(process.stdout.readline())["towns"] == towns.front.addresses
            codes = [_status(port, host) for host in ("own.example.jp", "other.example.jp", "nobody.example.jp")]
            assert codes == [200, 200, 404]
        finally:
            process.terminate()


def _status(port: int, host: str) -> int:
    return httpx.get(f"http://127.0.0.1:{port}/point", headers={"Host": host}).status_code


@pytest.mark.parametrize(("host", "path"), [("nobody.example.jp", "/api/v1/services"), ("", "/"), ("x", "/third/api")])
def test_a_request_for_no_town_is_404(towns: Towns, host: str, path: str) -> None:
    """Neither of the towns answers, and the answer is a problem document."""
    client: Client | FlaskClient = Client(towns.front)
    answer = client.get(path, headers={"Host": host})
    assert (answer.status_code, answer.get_json()["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    "text",
    [
        '[town."132218"]\nconfig = "a"\nhosts = ["a"]',
        '[town."132217"]\nconfig = "a"',
        '[town."132217"]\nconfig = "a"\nhosts = ["a"]\n[town."102016"]\nconfig = "b"\nhosts = ["A"]',
        '[town."132217"]\nconfig = "a"\npath = "no-slash"',
        "town = 1",
        "",
    ],
)
def test_a_wrong_towns_file_is_refused(tmp_path: Path, text: str) -> None:
    """A code without its check digit, a town without a door, one door for two towns."""
    (tmp_path / "towns.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError):
        read_towns(tmp_path / "towns.toml")

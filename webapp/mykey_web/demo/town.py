"""Making the demo town: a hub's folder with the emulated JPKI's CA certificates, its CRLs, and a small library."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.resources import as_file, files
from pathlib import Path

import click
from cryptography.hazmat.primitives.serialization import Encoding

from mykey_cardap.emulator.jpki import EmulatedJpki
from mykey_cardap.kinds import CertificateKind
from mykey_core.clock import tokyo_date
from mykey_core.hub import open_hub, upgrade_database
from mykey_core.settings import load_settings
from mykey_web.setup import write_new_hub

MUNICIPALITY = "132217"
OTHER_TOWN = "102016"
SERVICE_POINT = "library-counter"
SERVICE = "library-desk"
SELF_CHECK = "library-self-check"
"""The service point of the self-check machine, and the one service that it offers."""
TITLES = {"ja": "みほん市", "en": "Mihon City", "ja-Hira": "みほんし"}
POINT_TITLES = {"ja": "中央図書館カウンター", "en": "Central library desk", "ja-Hira": "としょかんの まどぐち"}
SELF_CHECK_TITLES = {
    "ja": "中央図書館 自動貸出機",
    "en": "Central library, self-check",
    "ja-Hira": "じぶんで かりる きかい",
}
CRL_LIFETIME = timedelta(days=2)
GENERATIONS = (1, 2, 3, 4)


@dataclass(frozen=True, slots=True)
class Town:
    """The folder of the demo town and its origin."""

    folder: Path
    origin: str

    @property
    def config(self) -> Path:
        """The hub's settings."""
        return self.folder / "hub" / "hub.toml"


@dataclass(frozen=True, slots=True)
class Point:
    """A service point of the demo town: its name, its titles by language, and the services that it offers."""

    name: str
    titles: Mapping[str, str]
    services: Sequence[str]


LIBRARY_POINTS = (
    Point(SERVICE_POINT, POINT_TITLES, (SERVICE,)),
    Point(SELF_CHECK, SELF_CHECK_TITLES, (SELF_CHECK,)),
)


def make_town(
    folder: Path,
    origin: str,
    now: datetime,
    *,
    points: Sequence[Point] | None = None,
    plugins: str | None = None,
    fill: Callable[[Town], None] | None = None,
) -> Town:
    """Write the hub's folder, upgrade its database, make the service points, and fill it.

    `plugins` is the text of `plugins.toml`; the town has its library with desk, self-check machine and sample data
    where nothing else is given.
    """
    town = Town(folder, origin)
    jpki = EmulatedJpki(tokyo_date(now))
    authorities = _write_authorities(jpki, folder / "authorities")
    write_new_hub(
        folder / "hub",
        municipality=MUNICIPALITY,
        titles=TITLES,
        origin=origin,
        ca=authorities,
        environment="demo",
        distribution_points=[jpki.distribution_point(MUNICIPALITY).rfc4514_string()],
        plugins=plugins,
    )
    with town.config.open("a", encoding="utf-8") as config:
        config.write("\n[counter]\nsearch_by_attributes = true\n")
    publish_crls(town, now)
    settings = load_settings(town.config)
    upgrade_database(settings)
    hub = open_hub(settings)
    for point in points or LIBRARY_POINTS:
        hub.terminals.define_service_point(point.name, dict(point.titles), list(point.services))
    hub.close()
    (fill or _fill_library)(town)
    return town


def _write_authorities(jpki: EmulatedJpki, folder: Path) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for generation in GENERATIONS:
        certificate = jpki.ca_certificate(CertificateKind.AUTHENTICATION, generation)
        path = folder / f"authentication-{generation}.pem"
        path.write_bytes(certificate.public_bytes(Encoding.PEM))
        paths.append(path)
    return paths


def write_rehearsal(folder: Path, now: datetime) -> str:
    """What a hub needs to rehearse with emulated cards: `ca`, `crl` (good for two days) and `library` below `folder`.

    The answer is the name of the town's CRL partition. Files that are there already are written anew.
    """
    jpki = EmulatedJpki(tokyo_date(now))
    for name in ("ca", "crl", "library"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    _write_authorities(jpki, folder / "ca")
    _write_crls(folder / "crl", now)
    with as_file(files("mykey_library") / "demo") as sample:
        for path in sample.glob("*.csv"):
            (folder / "library" / path.name).write_bytes(path.read_bytes())
    return jpki.distribution_point(MUNICIPALITY).rfc4514_string()


def publish_crls(town: Town, now: datetime) -> None:
    """Sign today's CRLs of both towns and all CA generations and put them where the hub reads them."""
    _write_crls(town.config.parent / "crl", now)


def _write_crls(folder: Path, now: datetime) -> None:
    jpki = EmulatedJpki(tokyo_date(now))
    kind = CertificateKind.AUTHENTICATION
    this_update = now.replace(microsecond=0) - timedelta(minutes=1)
    for municipality in (MUNICIPALITY, OTHER_TOWN):
        for generation in GENERATIONS:
            crl = jpki.crl(
                kind,
                generation,
                jpki.distribution_point(municipality),
                revoked=jpki.revoked_serials(kind, generation, municipality),
                this_update=this_update,
                next_update=this_update + CRL_LIFETIME,
                number=int(this_update.timestamp()),
            )
            _replace(folder / f"{municipality}-{generation}.crl", crl)


def _replace(path: Path, content: bytes) -> None:
    temporary = path.with_suffix(".tmp")
    temporary.write_bytes(content)
    temporary.replace(path)


def _fill_library(town: Town) -> None:
    """Import the sample patrons and items with the command that a library would use."""
    log = (town.folder / "hub.log").open("a", encoding="utf-8")
    with log, redirect_stdout(log), as_file(files("mykey_library") / "demo") as folder:
        _library_command().main(
            args=["import", "--config", str(town.config), *_sample(folder)],
            standalone_mode=False,
        )


def _sample(folder: Path) -> list[str]:
    lists = ("branches", "days", "policy", "patrons", "items")
    return [part for name in lists for part in (f"--{name}", str(folder / f"{name}.csv"))]


def _library_command() -> click.Group:
    """The plugin's own command, found by entry point: the hub does not import plugins."""
    from mykey_core.cli import main  # noqa: PLC0415 - the program's root imports commands lazily

    command = main.get_command(click.Context(main), "library")
    if not isinstance(command, click.Group):
        raise click.ClickException("the library plugin is not installed: run `make setup`")
    return command

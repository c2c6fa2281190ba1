"""The service application on whole cards: installed by the issuer, beside the personas' own, kept in files."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from mykey_cardap.cli import card as card_commands
from mykey_cardap.emulator import personas
from mykey_cardap.emulator.cards import NoFreeAreaError, make_card
from mykey_cardap.emulator.globalplatform.cards import DEFAULT_KEY, default_keys, make_open_card
from mykey_cardap.emulator.globalplatform.contents import CardContents, LoadFile, VolatileMemory
from mykey_cardap.emulator.in_process import InProcessTransport
from mykey_cardap.emulator.memory import Fault, Tear
from mykey_cardap.emulator.personas import CardType
from mykey_cardap.emulator.service_application.card_application import LOAD_FILE, MODULE, ServiceApplication
from mykey_cardap.emulator.service_application.persona_cards import DEVELOPMENT_MASTER
from mykey_cardap.emulator.state import CardStateError
from mykey_cardap.emulator.vpcd import CardPulledError, VpcdSlot
from mykey_cardap.errors import CardRemovedError
from mykey_cardap.globalplatform.errors import ContentError, HandshakeError
from mykey_cardap.globalplatform.keys import ScpKeys
from mykey_cardap.globalplatform.security_domain import SecurityDomainSession
from mykey_cardap.jpki import JpkiSession
from mykey_cardap.kinds import CertificateKind
from mykey_cardap.overview import read_overview
from mykey_cardap.service_application.administration import ServiceDirectory
from mykey_cardap.service_application.errors import ServiceNotOnCardError
from mykey_cardap.service_application.key_tree import card_keys, service_key
from mykey_cardap.service_application.numbers import AID, LifeCycle, Role
from mykey_cardap.service_application.profile import NewService
from mykey_cardap.service_application.session import ServiceSession
from mykey_cardap.service_application.wrapped_keys import WrappedKeys

TODAY = date(2026, 11, 23)
SERIAL = bytes.fromhex("04A1B2C3D4E5F6")
TAXI = 0x0301
NAME = AID + b"\x03\x01"
PARAMETERS = SERIAL + (102016).to_bytes(3, "big")


def admin_block(keys: ScpKeys) -> bytes:
    return b"\x01" + keys.enc + keys.mac + keys.dek + b"".join(keys.check_values())


def delivered_card() -> tuple[Any, ServiceApplication]:
    """A card as a manufacturer delivers it: the program is loaded, nothing is installed."""
    application = ServiceApplication()
    contents = CardContents(keys=(default_keys(),), load_files=(LoadFile(LOAD_FILE, (MODULE,)),))
    card = make_open_card(VolatileMemory(contents), factories={MODULE: application.factory})
    return card, application


def issuer(transport: InProcessTransport) -> SecurityDomainSession:
    domain = SecurityDomainSession(transport)
    domain.authenticate(ScpKeys(DEFAULT_KEY, DEFAULT_KEY, DEFAULT_KEY))
    return domain


def test_the_issuer_installs_personalises_and_deletes(rig: Any) -> None:
    """INSTALL, STORE DATA and DELETE of the issuer's domain; in between the card takes a service and a ride."""
    card, application = delivered_card()
    transport = InProcessTransport(card)
    domain = issuer(transport)
    domain.install(LOAD_FILE, MODULE, AID, parameters=PARAMETERS)
    root = rig.keys(Role.ADMIN, service=0)
    domain.personalize(AID, admin_block(root))
    with pytest.raises(ContentError) as refusal:  # only once
        domain.personalize(AID, admin_block(root))
    assert refusal.value.sw == 0x6985
    domain = issuer(transport)
    domain.install(LOAD_FILE, MODULE, NAME)
    with pytest.raises(ServiceNotOnCardError):
        ServiceSession(transport, TAXI)
    rig.transport = transport
    rig.personalise()
    assert rig.session().commit(rig.order()).counter == 1
    domain = issuer(transport)
    domain.delete(NAME)
    assert rig.session().state().counter == 1
    domain = issuer(transport)
    domain.delete(AID)
    with pytest.raises(ServiceNotOnCardError):
        ServiceSession(transport, TAXI)
    assert not any(application.memory.read(0, len(application.memory)))


@pytest.mark.parametrize("parameters", [b"", PARAMETERS[:-1], PARAMETERS + b"\0"])
def test_bad_install_parameters_are_refused(parameters: bytes) -> None:
    """6A80, and nothing is registered."""
    card, _ = delivered_card()
    domain = issuer(InProcessTransport(card))
    with pytest.raises(ContentError) as refusal:
        domain.install(LOAD_FILE, MODULE, AID, parameters=parameters)
    assert refusal.value.sw == 0x6A80
    assert not card.contents.instances


def test_wrong_check_values_at_personalisation(rig: Any) -> None:
    """6982: the key did not arrive as it was meant, and none is stored."""
    card, application = delivered_card()
    domain = issuer(InProcessTransport(card))
    domain.install(LOAD_FILE, MODULE, AID, parameters=PARAMETERS)
    block = bytearray(admin_block(rig.keys(Role.ADMIN, service=0)))
    block[5] ^= 1
    with pytest.raises(ContentError) as refusal:
        domain.personalize(AID, bytes(block))
    assert refusal.value.sw == 0x6982
    assert application.contents.root.keys.current.generation == 0


# -- personas -----------------------------------------------------------------------------------------------


def resident(**options: Any) -> InProcessTransport:
    return InProcessTransport(make_card("adult", today=TODAY, service_application=True, **options))


def create_points(transport: InProcessTransport) -> ServiceDirectory:
    """A service on a persona's card, with the development keys."""
    directory = ServiceDirectory(transport)
    header = directory.header

    def keys(service: int) -> ScpKeys:
        found = service_key(
            DEVELOPMENT_MASTER,
            issuer=header.issuer,
            service=service,
            role=Role.ADMIN,
            generation=1,
            serial=header.serial,
        )
        return card_keys(found)

    directory.authenticate(Role.ADMIN, keys(0))
    admin = WrappedKeys.wrap(keys(0x0501), keys(0))
    directory.create(NewService(0x0501, header.issuer, "points"), generation=1, admin=admin)
    return directory


def test_a_persona_keeps_its_own_applications() -> None:
    """Overview, PIN and signature as ever, and our application beside them."""
    transport = resident()
    overview = read_overview(transport)
    plain = read_overview(InProcessTransport(make_card("adult", today=TODAY)))
    assert overview == plain
    session = JpkiSession(transport)
    session.verify_pin("authentication", b"1234")
    assert len(session.sign_message(CertificateKind.AUTHENTICATION, b"message")) == 256
    create_points(transport)
    assert [entry.label for entry in ServiceDirectory(transport).services()] == ["points"]
    assert ServiceSession(transport, 0x0501).header.life_cycle is LifeCycle.INITIALISATION


def test_every_plastic_card_can_carry_it_and_nothing_else_can() -> None:
    """Each has a serial of its own; phones and other cards have no free area."""
    serials = set()
    for name in personas.names():
        kind = personas.load(name, TODAY).card
        if kind is not CardType.MY_NUMBER:
            with pytest.raises(NoFreeAreaError):
                make_card(name, today=TODAY, service_application=True)
            continue
        transport = InProcessTransport(make_card(name, today=TODAY, service_application=True))
        serials.add(ServiceDirectory(transport).header.serial)
    assert len(serials) > 10


def test_the_state_file_keeps_what_was_written(tmp_path: Path) -> None:
    """A new program finds the service; another card's file and a damaged one are refused."""
    file = tmp_path / "card.json"
    create_points(resident(state=file))
    transport = resident(state=file)
    assert [entry.label for entry in ServiceDirectory(transport).services()] == ["points"]
    document = json.loads(file.read_text())
    document["memory"]["content"] = "AAAA"
    file.write_text(json.dumps(document))
    with pytest.raises(CardStateError):
        resident(state=file)


def test_the_issuers_keys_and_registry_outlive_the_program(tmp_path: Path) -> None:
    """PUT KEY, INSTALL and DELETE on a persona's card hold in the next program: the old keys open nothing any more."""
    file = tmp_path / "card.json"
    fresh = ScpKeys(bytes(range(16)), bytes(range(16, 32)), bytes(range(32, 48)))
    domain = issuer(resident(state=file))
    domain.install(LOAD_FILE, MODULE, NAME)
    domain.put_keys(fresh, version=0x31, replaces=0x30)
    later = SecurityDomainSession(resident(state=file))
    with pytest.raises(HandshakeError):
        later.authenticate(ScpKeys(DEFAULT_KEY, DEFAULT_KEY, DEFAULT_KEY), key_version=0x30)
    later.authenticate(fresh, key_version=0x31)
    later.delete(NAME)  # an error if the registry did not have it
    later.delete(AID)
    with pytest.raises(ServiceNotOnCardError):  # a deleted application is not made again by itself
        ServiceDirectory(resident(state=file))


def test_a_torn_card_is_torn_in_its_file_and_recovers_in_the_next_program(tmp_path: Path) -> None:
    """Every cut of CREATE: the file is what the memory was, weak bits included; then it is old or new."""
    outcomes = set()
    for step in range(0, 60, 3):
        file = tmp_path / f"{step}.json"
        card = make_card("adult", today=TODAY, service_application=True, state=file)
        transport = InProcessTransport(card)
        memory = _memory_of(card)
        memory.arm(Fault(step, Tear.GARBAGE))
        try:
            create_points(transport)
        except CardRemovedError:
            assert json.loads(file.read_text())["memory"]["weak"]
        else:
            break
        outcomes.add(len(ServiceDirectory(resident(state=file)).services()))
    assert outcomes == {0, 1}


def _memory_of(card: Any) -> Any:
    return card._factories[MODULE].__self__.memory


def test_the_command_line_makes_such_cards(monkeypatch: pytest.MonkeyPatch) -> None:
    """`mykey card simulate --service-application`; a phone is a clear error."""
    made: list[Any] = []

    def serve(slot: VpcdSlot, **_: Any) -> None:
        made.append(slot.card)

    monkeypatch.setattr("mykey_cardap.cli.simulate.serve_forever", serve)
    runner = CliRunner()
    assert runner.invoke(card_commands, ["simulate", "adult", "--service-application"]).exit_code == 0
    assert ServiceDirectory(InProcessTransport(made[0])).services() == ()
    refused = runner.invoke(card_commands, ["simulate", "phone", "--service-application"])
    assert refused.exit_code == 1
    assert "free area" in refused.output


def test_a_card_that_loses_power_is_a_pulled_card(rig: Any) -> None:
    """In the virtual reader, too."""
    slot = VpcdSlot(rig.transport.card, "127.0.0.1", 1, observe=lambda _command, _answer: None)
    administration = rig.administration()
    wrapped: list[bytes] = []

    class Through:
        def send_apdu(self, command: bytes) -> bytes:
            wrapped.append(command)
            return slot._answer(command)

    administration._session._whole._transport = Through()
    rig.memory.arm(Fault(0, Tear.MIXED))
    with pytest.raises(CardPulledError):
        administration.deactivate()
    assert wrapped

"""The published vectors: made by the code, checked by a second implementation written here and by openssl."""

from __future__ import annotations

import importlib.util
import json
import shutil
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from mykey_cardap.errors import BadCardDataError
from mykey_cardap.service_application.numbers import LifeCycle
from mykey_cardap.service_application.orders import LogRecord, OperationId, Order, Receipt, ServiceState
from mykey_cardap.service_application.profile import AccessRules, DirectoryEntry, Meta, Parameters, ServiceHeader

HERE = Path(__file__).parent
FILE = HERE.parents[2] / "docs" / "reference" / "service-application-vectors.json"
MASTER = bytes(range(32))
DEBIT = 2
needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the openssl program")


@pytest.fixture(scope="module")
def vectors() -> dict[str, Any]:
    """The file."""
    found: dict[str, Any] = json.loads(FILE.read_text())
    return found


# -- a second implementation, from the standards and with nothing but the AES block ------------------------


def block(key: bytes, data: bytes) -> bytes:
    encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()  # noqa: S305 - the block of both standards
    return encryptor.update(data) + encryptor.finalize()


def doubled(value: bytes) -> bytes:
    number = int.from_bytes(value, "big") << 1
    return ((number & (1 << 128) - 1) ^ (0x87 if number >> 128 else 0)).to_bytes(16, "big")


def cmac(key: bytes, message: bytes) -> bytes:
    """NIST SP 800-38B."""
    first = doubled(block(key, bytes(16)))
    blocks = [message[at : at + 16] for at in range(0, len(message), 16)] or [b""]
    last = blocks.pop()
    subkey = first if len(last) == 16 else doubled(first)
    last = last if len(last) == 16 else last + b"\x80" + bytes(15 - len(last))
    state = bytes(16)
    for part in [*blocks, bytes(a ^ b for a, b in zip(last, subkey, strict=True))]:
        state = block(key, bytes(a ^ b for a, b in zip(state, part, strict=True)))
    return state


def kbkdf(key: bytes, label: bytes, context: bytes, size: int = 16) -> bytes:
    """NIST SP 800-108 in counter mode: counter, label, 00, context, length in bits."""
    fixed = label + b"\0" + context + struct.pack(">I", size * 8)
    return b"".join(cmac(key, struct.pack(">I", number) + fixed) for number in range(1, size // 16 + 1))


# -- tests ------------------------------------------------------------------------------------------------


def test_the_file_is_what_the_code_makes() -> None:
    """A change of the format that nobody meant is seen here; one that is meant needs `make_vectors.py`."""
    spec = importlib.util.spec_from_file_location("service_ap_vectors", HERE / "make_vectors.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    assert FILE.read_text() == module.text()


def test_keys_by_the_second_implementation(vectors: dict[str, Any]) -> None:
    """Master to service key to ENC, MAC and DEK."""
    for entry in vectors["keys"]:
        above = MASTER
        if entry["number"] == DEBIT:
            above = kbkdf(MASTER, b"MYKEY-DEB-1", bytes.fromhex(entry["debit_context"]), 32)
            assert above.hex() == entry["debit_master"]
        key = kbkdf(above, b"MYKEY-SVC-1", bytes.fromhex(entry["context"]))
        assert key.hex() == entry["key"]
        for purpose, name in ((1, "enc"), (2, "mac"), (3, "dek")):
            if name in entry:
                derived = kbkdf(key, b"MYKEY-SET-1", bytes((purpose,)))
                assert derived.hex() == entry[name]
                assert block(derived, b"\x01" * 16)[:3].hex() == entry["check_values"][purpose - 1]


def test_keys_of_the_reference(vectors: dict[str, Any]) -> None:
    """The service keys that were published before there was any code; the debit key has a step more since."""
    assert [entry["key"] for entry in vectors["keys"][:4] if entry["number"] != DEBIT] == [
        "1d781441972574cf967cb9ddfe5e86f7",
        "9181484e6b4b2344a34a41822fbffa4e",
        "6d3d368886f97d3bd1feaf6c0b938007",
    ]


@needs_openssl
def test_keys_by_openssl(vectors: dict[str, Any]) -> None:
    """`openssl kdf … KBKDF` agrees with both steps."""
    for entry in vectors["keys"]:
        above = MASTER
        if entry["number"] == DEBIT:
            above = bytes.fromhex(openssl_kdf(MASTER, b"MYKEY-DEB-1", entry["debit_context"], 32))
            assert above.hex() == entry["debit_master"]
        assert openssl_kdf(above, b"MYKEY-SVC-1", entry["context"]) == entry["key"]
        for purpose, name in ((1, "enc"), (2, "mac"), (3, "dek")):
            if name in entry:
                key = bytes.fromhex(entry["key"])
                assert openssl_kdf(key, b"MYKEY-SET-1", f"{purpose:02x}") == entry[name]


def openssl_kdf(key: bytes, label: bytes, context: str, size: int = 16) -> str:
    options = {
        "mac": "CMAC",
        "cipher": f"AES-{len(key) * 8}-CBC",
        "mode": "COUNTER",
        "hexkey": key.hex(),
        "hexsalt": label.hex(),
        "hexinfo": context,
    }
    arguments = [word for name, value in options.items() for word in ("-kdfopt", f"{name}:{value}")]
    done = subprocess.run(
        ["openssl", "kdf", "-keylen", str(size), *arguments, "KBKDF"], check=True, capture_output=True, text=True
    )
    return done.stdout.strip().replace(":", "").lower()


def test_transaction_macs_by_the_second_implementation(vectors: dict[str, Any]) -> None:
    """Session key and MAC, for the vector of the reference and for the ride of the transcript."""
    first, ride = vectors["transaction_mac"]
    assert first["session_key"] == "0591816d5457ec2907b10ba58cf16210"
    assert first["mac"] == "0f4eba5e657083d6"
    for entry in (first, ride):
        session_input = bytes.fromhex("5A00010080") + struct.pack("<I", entry["counter"])
        assert (session_input + bytes.fromhex(entry["serial"])).hex() == entry["session_input"]
        session = cmac(bytes.fromhex(entry["k4"]), bytes.fromhex(entry["session_input"]))
        assert session.hex() == entry["session_key"]
        assert cmac(session, bytes.fromhex(entry["transaction"]))[:8].hex() == entry["mac"]


@needs_openssl
def test_transaction_macs_by_openssl(vectors: dict[str, Any], tmp_path: Path) -> None:
    """`openssl mac … CMAC` agrees."""
    for entry in vectors["transaction_mac"]:
        session = openssl_cmac(entry["k4"], entry["session_input"], tmp_path)
        assert session == entry["session_key"]
        assert openssl_cmac(session, entry["transaction"], tmp_path)[:16] == entry["mac"]


def openssl_cmac(key: str, message: str, folder: Path) -> str:
    file = folder / "message"
    file.write_bytes(bytes.fromhex(message))
    command = ["openssl", "mac", "-macopt", "cipher:AES-128-CBC", "-macopt", f"hexkey:{key}", "-in", str(file), "CMAC"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip().lower()


def test_storage_by_the_second_implementation(vectors: dict[str, Any]) -> None:
    """A bank and a cell."""
    entry = vectors["storage"]
    key, body = bytes.fromhex(entry["storage_key"]), struct.pack(">I", entry["sequence"])
    body += bytes.fromhex(entry["payload"])
    assert (body + cmac(key, body)[:8]).hex() == entry["bank"]
    number = struct.pack(">I", entry["sequence"])
    assert (number + cmac(key, number)[:4]).hex() == entry["cell"]


def test_layouts_by_hand(vectors: dict[str, Any]) -> None:
    """Every field of the order, the parameters and CREATE, written down once more."""
    order = "01" + b"TERM0001".hex() + "00000001" + "00000596" + "000002cb" + f"{1795402800:08x}" + "07ea"
    assert vectors["layouts"]["order"] == order
    parameters = "01" + "00000000" + "000186a0" + "000007d0" + "0046" + "07ee" + "ffffffff"
    assert vectors["layouts"]["parameters"] == parameters
    assert vectors["layouts"]["access"] == "1012312310"
    create = "0301" + "018e80" + "1012312310" + parameters + "00002710" + "0046" + "07ea" + "40" + "04" + b"taxi".hex()
    assert vectors["layouts"]["create"].startswith(create + "01")
    assert len(vectors["layouts"]["create"]) == len(create) + 2 * (1 + 48 + 9)


def test_the_reader_understands_the_transcript(vectors: dict[str, Any]) -> None:
    """Directory, meta data, state, receipt and log of the published ride."""
    lines = vectors["transcript"]
    answers = [bytes.fromhex(line.get("plain_answer", line["answer"])) for line in lines]
    data = {
        line.get("plain_command", line["command"])[:12]: answer[:-2]
        for line, answer in zip(lines, answers, strict=True)
    }
    assert ServiceHeader.from_bytes(answers[0][:-2]).issuer == 102016
    assert [entry.label for entry in DirectoryEntry.all_from(data["00b09e00e0"])] == ["taxi"]
    assert Meta.from_bytes(data["00b08100e0"]).services[0].life_cycle is LifeCycle.INITIALISATION
    receipt = Receipt.from_bytes(data["80c800001b01"])
    assert (receipt.counter, receipt.balance.value, receipt.balance.left) == (1, 9285, 69)
    assert receipt.mac.hex() == vectors["transaction_mac"][1]["mac"]
    state = ServiceState.from_bytes(data["80cadf0100"])
    assert state.receipt == receipt
    assert state.last_operation == OperationId(b"TERM0001", 1)
    assert LogRecord.from_bytes(data["00b2012500"]) == state.last


@pytest.mark.parametrize("parser", [Order, Receipt, LogRecord, ServiceState, Parameters, Meta, ServiceHeader])
def test_cut_answers_are_typed_errors(vectors: dict[str, Any], parser: Any) -> None:
    """Every prefix and a byte too many: `BadCardDataError`, never another exception."""
    whole = {
        "Order": vectors["layouts"]["order"],
        "Parameters": vectors["layouts"]["parameters"],
        "Receipt": vectors["transcript"][-3]["plain_answer"][:-4],
        "LogRecord": vectors["transcript"][-2]["plain_answer"][:-4],
        "ServiceState": vectors["transcript"][-4]["plain_answer"][:-4],
        "Meta": vectors["transcript"][5]["plain_answer"][:-4],
        "ServiceHeader": vectors["transcript"][0]["answer"][:-4],
    }[parser.__name__]
    raw = bytes.fromhex(whole)
    parser.from_bytes(raw)
    for bad in [*(raw[:size] for size in range(len(raw))), raw + b"\0"]:
        with pytest.raises(BadCardDataError):
            parser.from_bytes(bad)
    assert AccessRules.from_bytes(bytes.fromhex(vectors["layouts"]["access"])) == AccessRules()


def test_the_specification_shows_these_vectors(vectors: dict[str, Any]) -> None:
    """The numbers on the page are those of the file, and every instruction and data object is on it."""
    from mykey_cardap.service_application.numbers import AccessRule, DataObject, ServiceIns

    page = (FILE.parent / "service-application.md").read_text()
    flat = page.replace(" ", "")
    ride = vectors["transaction_mac"][1]
    for wanted in (ride["k4"], ride["session_key"], ride["mac"], vectors["layouts"]["order"], "1012312310"):
        assert wanted in flat
    for entry in vectors["keys"]:
        if (entry["service"], entry["number"]) == ("0301", 1):
            assert all(value in flat for value in (entry["key"], entry["enc"], entry["check_values"][0]))
    assert all(f" {instruction:02X} " in page for instruction in ServiceIns)
    assert all(f"{tag:04X}" in page for tag in DataObject)
    assert len(AccessRule) == 10

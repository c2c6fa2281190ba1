"""Bad input gets a typed problem document, writes nothing but the record of the refusal, and shows no traceback."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from mykey_core.storage.tables import credential, person, tap
from mykey_testkit.hub import HubHarness, sign_challenge

SERVICE = "library-desk"
_MEMBERS = {"type", "title", "status", "detail", "what_to_do", "code"}


def _rows(hub: HubHarness) -> list[int]:
    with hub.hub.engine.connect() as connection:  # all municipalities, hence not by a session
        return [
            connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in (tap, person, credential)
        ]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 400, "request_malformed"),
        (b"[]", 400, "request_malformed"),
        (b'{"service": "library-desk", "service": "other"}', 400, "request_malformed"),
        (b'\xef\xbb\xbf{"service": "library-desk"}', 400, "request_malformed"),
        (b'{"service": "\xff"}', 400, "request_malformed"),
        (b'{"service": "library-desk", "surprise": 1}', 400, "request_malformed"),
        (b'{"service": NaN}', 400, "request_malformed"),
        (b'{"service": 7}', 400, "request_malformed"),
        (b"{}", 400, "request_malformed"),
        (b'{"service": "' + b"x" * 70_000 + b'"}', 413, "body_too_large"),
        (b'{"service": "library-desk", "action": "fly"}', 422, "action_unknown"),
        (b'{"service": "library-desk", "action": "lend"}', 422, "action_unknown"),
        (b'{"service": "library-desk", "action": "link"}', 422, "input_invalid"),
        (b'{"service": "library-desk", "action": "link", "input": {"patron_number": "12"}}', 422, "input_invalid"),
        (b'{"service": "library-desk", "action": "open", "input": {"x": "1"}}', 422, "input_invalid"),
        (b'{"service": "taxi"}', 403, "service_not_allowed"),
    ],
)
def test_bad_bodies_are_problem_documents(library_hub: HubHarness, body: bytes, status: int, code: str) -> None:
    """Every malformed or impossible request for a tap: the right status and code, all members, and no tap made."""
    terminal = library_hub.terminal()
    before = _rows(library_hub)
    answer = terminal.post("/taps", body)
    document = json.loads(answer.data)
    assert (answer.status_code, document["code"]) == (status, code)
    assert answer.mimetype == "application/problem+json"
    assert document.keys() >= _MEMBERS
    assert document["status"] == status
    assert _rows(library_hub) == before
    assert library_hub.audit("request.refused")[-1].facts["code"] == code


def test_a_body_of_another_kind_is_refused(library_hub: HubHarness) -> None:
    """A form, which a foreign page could send without asking, is no JSON request."""
    terminal = library_hub.terminal()
    answer = library_hub.app.test_client().post(
        "/api/v1/taps", data={"service": SERVICE}, headers={"Authorization": terminal.headers["Authorization"]}
    )
    assert (answer.status_code, answer.get_json()["code"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize("tap_id", ["nonsense", "01a20940-4d26-7793-a061-773e0f05037d", "%00", "../taps"])
def test_unknown_taps_are_unknown(library_hub: HubHarness, tap_id: str) -> None:
    """A proof for a tap that does not exist says so, whatever the id looks like."""
    terminal = library_hub.terminal()
    answer = terminal.post(f"/taps/{tap_id}/proof", {"token": {"format": "web-eid:1.0"}})
    assert answer.get_json()["code"] in {"tap_unknown", "not_found"}


@pytest.mark.parametrize("method", ["get", "put", "delete", "patch"])
def test_other_methods_are_not_allowed(library_hub: HubHarness, method: str) -> None:
    """A wrong method is a problem document too."""
    answer = getattr(library_hub.app.test_client(), method)("/api/v1/taps")
    assert (answer.status_code, answer.get_json()["code"]) == (405, "method_not_allowed")


def test_unknown_paths_are_problem_documents(library_hub: HubHarness) -> None:
    """404 in the form of every other error."""
    answer = library_hub.app.test_client().get("/api/v1/nothing")
    assert (answer.status_code, answer.get_json()["code"]) == (404, "not_found")


@pytest.mark.parametrize("member", ["format", "algorithm", "signature", "unverifiedCertificate"])
def test_a_token_without_a_member_is_refused(library_hub: HubHarness, member: str) -> None:
    """Each required member of the token is missed, and the refusal is recorded once."""
    terminal = library_hub.terminal()
    challenge = terminal.begin(SERVICE)
    token = sign_challenge("adult", challenge)
    del token[member]
    assert terminal.prove(challenge, token).get_json()["code"] == "token_member_missing"
    assert len(library_hub.audit("tap.refused")) == 1


def test_a_tampered_certificate_is_refused(library_hub: HubHarness) -> None:
    """One character of the certificate changed: no person is found by it."""
    terminal = library_hub.terminal()
    terminal.tap("adult", SERVICE, "link", patron_number="10000017")
    challenge = terminal.begin(SERVICE)
    token = sign_challenge("adult", challenge)
    text = token["unverifiedCertificate"]
    token["unverifiedCertificate"] = text[:700] + ("A" if text[700] != "A" else "B") + text[701:]
    assert terminal.prove(challenge, token).status_code == 403


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=10,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=_json, path=st.sampled_from(["/taps", "/actions", "/taps/0/proof", "/terminals/enrolments"]))
def test_any_json_gets_an_answer(library_hub: HubHarness, body: Any, path: str) -> None:
    """Whatever JSON comes, the answer is a document with a code, and never a 5xx."""
    terminal = library_hub.terminal()
    answer = terminal.post(path, body)
    assert answer.status_code < 500
    assert json.loads(answer.data)["code"]


def test_a_fault_of_ours_shows_no_traceback(library_hub: HubHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unexpected error is answered with a code and nothing of its text."""
    terminal = library_hub.terminal()
    monkeypatch.setattr(type(library_hub.hub.taps), "begin", _broken)
    answer = terminal.post("/taps", {"service": SERVICE})
    assert (answer.status_code, answer.get_json()["code"]) == (500, "internal_error")
    assert b"secret detail" not in answer.data


def _broken(*_: object, **__: object) -> None:
    raise RuntimeError("secret detail")


def test_pages_forbid_foreign_content(library_hub: HubHarness) -> None:
    """The content security policy keeps scripts and frames of others out."""
    headers = library_hub.app.test_client().get("/point").headers
    assert "default-src 'self'" in headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]

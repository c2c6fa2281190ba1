"""Which problem codes each operation may answer, and the responses of the OpenAPI document that follow from them.

A code may be a pattern of the catalogue's codes. Requests of the tests are held to this list
(`webapp/tests/conftest.py`), so a code that is missing here is found there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from functools import lru_cache
from http import HTTPStatus
from typing import Any, Final

from mykey_web import problems
from mykey_web.problem_list import problem_codes

Json = dict[str, Any]
_V1: Final = "/api/v1"
ALWAYS: Final = ("internal_error", "storage_unavailable")
BODY: Final = ("request_malformed", "body_too_large", "unsupported_media_type")
TERMINAL: Final = ("terminal_unauthorized",)
IDEMPOTENT: Final = ("idempotency_key_*",)
_QUERY: Final = ("request_malformed",)
_ROUTE: Final = ("service_not_allowed", "service_unavailable", "action_unknown", "input_invalid")
_PLUGIN: Final = (
    "plugin_fault",
    "plugin_quarantined",
    "consent_*",
    "attribute*",
    "purpose_unknown",
    "delegation_missing",
)
_TAP: Final = ("tap_unknown", "tap_of_another_terminal", "not_found")
_PROOF: Final = (
    "tap_used", "tap_expired", "token_*", "certificate_*", "credential_*", "issuer_*", "policy_*", "key_usage_*",
    "extended_key_usage_wrong", "algorithm_*", "signature_*", "signing_*", "nonce_*", "origin_mismatch",
    "revocation_unavailable", "other_municipality", "not_registered", "person_*", "renewal_*",
)  # fmt: skip
_COUNTER: Final = ("card_counter_only", "card_gate_only", "card_keys_missing")
_CLERK: Final = ("sign_in_needed", "role_needed")
_WRITING: Final = ("writing_*", "not_found", *_COUNTER)
_REMOTE: Final = ("remote_unauthorized", "remote_scope_missing")
_OF_OPERATIONS: Final[Mapping[tuple[str, str], tuple[str, ...]]] = {
    ("post", "/terminals/enrolments"): (*BODY, "enrolment_code_invalid", "public_key_invalid", *TERMINAL),
    ("get", "/services"): (*TERMINAL, *_QUERY),
    ("post", "/taps"): (*TERMINAL, *BODY, *_ROUTE, *IDEMPOTENT, "tap_unknown", "tap_used", "tap_expired"),
    ("get", "/taps/{tap_id}"): (*TERMINAL, *_TAP),
    ("post", "/taps/{tap_id}/proof"): (*TERMINAL, *BODY, *_TAP, *_ROUTE, *_PROOF, *_PLUGIN, *IDEMPOTENT),
    ("post", "/actions"): (*TERMINAL, *BODY, *_ROUTE, *_PLUGIN, *IDEMPOTENT, "visit_ended"),
    ("delete", "/visits/{visit_id}"): (*TERMINAL, "visit_ended", "not_found"),
    ("post", "/card-writings"): (
        *TERMINAL, *BODY, *_COUNTER, *_CLERK, "profile_*", "approval_*", "card_not_shared", "visit_ended",
        "plugin_fault", "plugin_quarantined", "card_not_listed",
    ),
    ("get", "/card-writings/{writing_id}"): (*TERMINAL, *_WRITING),
    ("post", "/card-writings/{writing_id}/responses"): (*TERMINAL, *BODY, *_WRITING, "approval_needed"),
    ("post", "/card-writings/{writing_id}/approval"): (*TERMINAL, *BODY, *_WRITING, *_CLERK, "approval_*"),
    ("post", "/card-writings/{writing_id}/release"): (
        *TERMINAL, *BODY, *_WRITING, *_CLERK, "approval_*", "release_not_needed",
    ),
    ("post", "/card-taps"): (*TERMINAL, *BODY, *_COUNTER, "profile_*", "service_not_usable", "card_tap_unknown"),
    ("get", "/card-profiles"): (*TERMINAL, *_QUERY, *_COUNTER),
    ("post", "/uploads"): (*TERMINAL, *BODY, "upload_*"),
    ("post", "/terminal/report"): (*TERMINAL, *BODY),
    ("get", "/terminal/configuration"): TERMINAL,
    ("post", "/remote/events"): (*_REMOTE, *BODY, "input_invalid", "remote_subject_unknown"),
    ("post", "/remote/audit-records"): (*_REMOTE, *BODY, "input_invalid", "remote_subject_unknown"),
    ("get", "/remote/people"): (*_REMOTE, "input_invalid"),
    ("get", "/remote/people/{subject}"): (*_REMOTE, "remote_subject_unknown", "not_found"),
    ("post", "/remote/messages"): (*_REMOTE, *BODY, "input_invalid", "remote_subject_unknown"),
}  # fmt: skip
_HEADERS: Final[Mapping[int, Json]] = {
    HTTPStatus.UNAUTHORIZED: {"WWW-Authenticate": {"schema": {"type": "string"}}},
    HTTPStatus.SERVICE_UNAVAILABLE: {
        "Retry-After": {"description": "Seconds; nothing was done.", "schema": {"type": "integer"}}
    },
}


def codes_of(method: str, path: str) -> frozenset[str]:
    """Every problem code that the operation may answer; `LookupError` for an operation that is not listed."""
    named = _OF_OPERATIONS[(method, path.removeprefix(_V1))]
    return _expanded((*named, *ALWAYS))


@lru_cache
def _expanded(patterns: tuple[str, ...]) -> frozenset[str]:
    known = [line.code for line in problem_codes()]
    found = {code for code in known for pattern in patterns if fnmatchcase(code, pattern)}
    unused = [pattern for pattern in patterns if not any(fnmatchcase(code, pattern) for code in known)]
    if unused:
        raise LookupError(f"no such problem codes: {', '.join(unused)}")
    return frozenset(found)


def problem_responses(codes: Iterable[str]) -> dict[str, Json]:
    """Status → response of the document, with its codes and a real problem as example."""
    of_status: dict[int, list[str]] = {}
    for code in sorted(codes):
        of_status.setdefault(problems.status_of(code), []).append(code)
    return {str(status): _response(status, of_status[status]) for status in sorted(of_status)}


def _response(status: int, codes: list[str]) -> Json:
    schema = {
        "allOf": [{"$ref": "#/components/schemas/Problem"}],
        "type": "object",
        "properties": {"code": {"enum": codes}},
    }
    example = {codes[0]: {"value": problems.problem_body(codes[0], "en")}}
    response: Json = {
        "description": f"{HTTPStatus(status).phrase}: {', '.join(codes)}",
        "content": {"application/problem+json": {"schema": schema, "examples": example}},
    }
    if status in _HEADERS:
        response["headers"] = _HEADERS[status]
    return response

"""Problem details (RFC 9457) with a machine code, and which HTTP status a refusal gets."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from apiflask import HTTPError
from flask import Response, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from mykey_core.errors import Refusal, StorageUnavailable
from mykey_core.translations import load_catalogue, negotiate

_STATUS = {
    "tap_unknown": 404,
    "service_unavailable": 503,
    "not_found": 404,
    "method_not_allowed": 405,
    "request_malformed": 400,
    "input_invalid": 422,
    "action_unknown": 422,
    "public_key_invalid": 422,
    "enrolment_code_invalid": 403,
    "tap_used": 409,
    "idempotency_key_in_use": 409,
    "idempotency_key_invalid": 400,
    "idempotency_key_reused": 422,
    "tap_expired": 410,
    "visit_ended": 410,
    "terminal_unauthorized": 401,
    "body_too_large": 413,
    "unsupported_media_type": 415,
    "plugin_fault": 502,
    "storage_unavailable": 503,
    "internal_error": 500,
    "writing_unknown": 404,
    "writing_ended": 410,
    "writing_out_of_step": 409,
    "tap_refused_by_card": 409,
    "card_tap_unknown": 409,
    "release_not_needed": 409,
    "floor_too_high": 409,
    "profile_unknown": 422,
    "profile_does_not_fit": 422,
    "card_keys_missing": 503,
    "approval_by_another": 403,
    "approval_exists": 409,
    "approval_other_card": 409,
    "approval_over": 410,
    "configuration_changed_meanwhile": 409,
    "configuration_unchanged": 409,
    "setting_by_environment": 409,
    "setting_unknown": 404,
    "setting_invalid": 422,
    "service_point_form": 422,
    "last_administrator": 409,
    "checkpoint_invalid": 422,
    "job_not_given_up": 409,
    "approval_unknown": 404,
    "counter_card_known": 409,
    "counter_case_over": 410,
    "counter_date_form": 422,
    "counter_document_unknown": 422,
    "counter_ground_unknown": 422,
    "counter_message_empty": 422,
    "counter_own_record": 403,
    "counter_search_not_granted": 403,
    "counter_card_needed": 409,
    "attributes_form": 422,
    "attributes_taken": 409,
    "counter_person_unknown": 404,
    "counter_purpose_unknown": 422,
    "passkey_counter": 403,
    "passkey_exists": 409,
    "passkey_expired": 410,
    "passkey_no_domain": 409,
    "passkey_refused": 403,
    "passkey_unknown": 403,
    "csrf_failed": 403,
    "form_sent_already": 409,
    "hand_over_refused": 403,
    "hand_over_unknown": 410,
    "portal_not_registered": 403,
    "role_needed": 403,
    "oidc_client_unknown": 400,
    "oidc_redirect_unknown": 400,
    "remote_unauthorized": 401,
    "remote_scope_missing": 403,
    "remote_subject_unknown": 404,
    "service_kept": 409,
    "service_obligations": 409,
    "sign_in_expired": 410,
    "sign_in_needed": 403,
    "staff_card_of_another": 409,
    "staff_card_unknown": 403,
    "staff_invitation_invalid": 403,
    "staff_name_form": 422,
    "staff_role_form": 422,
    "staff_unknown": 404,
    "too_many_requests": 429,
    "upload_conflict": 409,
    "upload_chain_broken": 409,
    "upload_record_invalid": 422,
    "queue_file_form": 422,
    "queue_file_terminal": 403,
    "upload_no_gap": 409,
    "upload_not_quarantined": 409,
}
_HTTP_CODES = {
    400: "request_malformed",
    404: "not_found",
    405: "method_not_allowed",
    413: "body_too_large",
    415: "unsupported_media_type",
    422: "request_malformed",
}
_DEFAULT_STATUS = 403


def status_of(code: str) -> int:
    """The HTTP status of a refusal."""
    return _STATUS.get(code, _DEFAULT_STATUS)


def request_language() -> str:
    """The language of the reply, from Accept-Language."""
    return negotiate(tag for tag, _ in request.accept_languages)


def problem_body(code: str, language: str, extensions: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The members of a problem document for `code` in `language`."""
    catalogue = load_catalogue("mykey_web", "hub")
    key = f"refusal.{code}"
    return {
        "type": f"urn:mykey:problem:{code}",
        "title": catalogue.get(f"{key}.title", language),
        "status": status_of(code),
        "detail": catalogue.get(f"{key}.text", language),
        "what_to_do": catalogue.get(f"{key}.what_to_do", language),
        "code": code,
        **(extensions or {}),
    }


def problem_response(
    code: str, extensions: Mapping[str, Any] | None = None, headers: Mapping[str, str] | None = None
) -> Response:
    """A complete response in the language of the request."""
    language = request_language()
    body = problem_body(code, language, extensions)
    response = Response(
        json.dumps(body, ensure_ascii=False), status=body["status"], mimetype="application/problem+json"
    )
    response.headers["Content-Language"] = language
    response.headers.update(headers or {})
    return response


def code_of(error: HTTPException) -> str:
    """The machine code for what werkzeug refuses."""
    return _HTTP_CODES.get(error.code or 0, "request_malformed")


def wrong_members(error: HTTPError) -> list[str]:
    """The members that a model refuses, as dotted paths; never what they held."""
    return sorted(_members(error.detail))


def _members(detail: object, path: str = "") -> set[str]:
    if isinstance(detail, dict):
        return {name for key, value in detail.items() for name in _members(value, f"{path}.{key}".lstrip("."))}
    if isinstance(detail, list) and detail and isinstance(detail[0], dict):
        return {".".join(str(part) for part in item.get("loc", ())) for item in detail if isinstance(item, dict)}
    return {path}


def from_http_exception(error: HTTPException) -> Response:
    """What werkzeug refuses (unknown path, wrong method, too large) as a problem document."""
    if error.code is None or error.code < 400:  # noqa: PLR2004 - a redirect is no problem
        return Response(error.get_body(), error.code, error.get_headers())
    return problem_response(code_of(error), headers=kept_headers(error))


def kept_headers(error: HTTPException) -> dict[str, str]:
    """What an answer to `error` has to say beside its body: the methods that there are (RFC 9110 §15.5.6)."""
    methods = error.valid_methods if isinstance(error, MethodNotAllowed) else None
    return {"Allow": ", ".join(sorted(methods))} if methods else {}


def from_refusal(error: Refusal, extensions: Mapping[str, Any] | None = None) -> Response:
    """A refusal of the core as a problem document."""
    headers = {"WWW-Authenticate": "Bearer"} if error.code == "terminal_unauthorized" else None
    return problem_response(error.code, extensions, headers)


def from_storage(error: StorageUnavailable) -> Response:
    """The database cannot write now: nothing was done, try again."""
    return problem_response("storage_unavailable", headers={"Retry-After": str(error.retry_after)})

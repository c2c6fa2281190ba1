"""What the core knows, as the models of the API say it, in the language of the request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mykey_core.plugins.manifest import Action, Service
from mykey_core.terminals.registry import Terminal
from mykey_web.api_v1 import models


def check_view(line: Any) -> dict[str, str]:
    """One check of the evidence."""
    return {
        "check": line.check.value,
        "result": "passed" if line.passed else "failed",
        "detail": line.detail,
    }


def in_language(texts: Mapping[Any, str], language: str) -> str:
    """The text in a language, else in Japanese."""
    return texts.get(language) or texts.get("ja", "")


def point_view(terminal: Terminal, language: str) -> models.ServicePointView:
    """Where the terminal stands."""
    return models.ServicePointView(name=terminal.service_point, title=in_language(terminal.title, language))


def service_view(service: Service, language: str) -> models.ServiceView:
    """A service with its actions."""
    return models.ServiceView(
        service=service.name,
        title=in_language(service.title, language),
        description=in_language(service.description, language),
        needs=list(service.needs),
        actions=[_action_view(action, language) for action in service.actions],
    )


def _action_view(action: Action, language: str) -> models.ActionView:
    fields = [
        models.FieldView(
            name=field.name,
            title=in_language(field.title, language),
            type=field.type,
            required=field.required,
            pattern=field.pattern,
            max_length=field.max_length,
        )
        for field in action.fields
    ]
    title = in_language(action.title, language)
    return models.ActionView(
        name=action.name, title=title, subject=action.subject, fields=fields, offline=action.offline
    )

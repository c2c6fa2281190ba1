"""Rules whose address builders are compiled when the first address is built: most are never asked for one.

Werkzeug compiles two functions for each rule when it is added, a third of the time that the application takes to be
made; matching a request needs neither of them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from apiflask import APIFlask
from werkzeug.routing import Rule

Builder = Callable[..., tuple[str, str]]


class LateRule(Rule):
    """A rule like Werkzeug's, which waits with its builders."""

    def _compile_builder(self, append_unknown: bool = True) -> Builder:  # noqa: FBT001, FBT002 - Werkzeug's own
        compiled = super()._compile_builder

        @cache
        def builder() -> Builder:
            return compiled(append_unknown)

        def build(rule: Rule, /, **values: Any) -> tuple[str, str]:
            return builder()(rule, **values)

        return build


class Application(APIFlask):
    """The framework's application with late rules."""

    url_rule_class = LateRule

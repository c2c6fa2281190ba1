"""Lists in pages: `limit` and `after` in the query, `next` in the reply. Every list of the API is one of these."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from http import HTTPStatus
from typing import Annotated, Any, Final, TypeVar

from apiflask import APIBlueprint, HTTPError
from flask import request
from pydantic import BeforeValidator, Field, ValidationError

from mykey_web.api_v1.models import Model

R = TypeVar("R")
T = TypeVar("T")
MOST: Final = 100
"""The most that one page holds, and how many there are when the caller does not say."""


def _decimal(text: object) -> object:
    """What is no plain decimal number stays as it is, and is refused: `5.0` and ` 5` are no numbers of entries."""
    return (
        int(text) if isinstance(text, str) and text.isascii() and text.isdecimal() and len(text) <= len("100") else text
    )


class PageQuery(Model):
    """Which page: at most `limit` entries, those that follow `after`, which is the `next` of the page before."""

    limit: Annotated[int, BeforeValidator(_decimal), Field(strict=True, ge=1, le=MOST)] = MOST
    after: Annotated[str, Field(max_length=64)] = ""


def paged(api: APIBlueprint) -> Callable[[Callable[..., R]], Callable[..., R]]:
    """Give the view its `page`, strictly checked: an unknown or repeated member of the query is refused."""

    def decorate(view: Callable[..., R]) -> Callable[..., R]:
        @wraps(api.input(PageQuery, location="query", arg_name="page")(view))
        def checked(*args: Any, **kwargs: Any) -> R:
            given = {name: values[0] if len(values) == 1 else values for name, values in request.args.lists()}
            try:
                page = PageQuery.model_validate(given)
            except ValidationError as error:
                raise HTTPError(HTTPStatus.UNPROCESSABLE_ENTITY, detail={"query": error.errors()}) from error
            return view(*args, **kwargs, page=page)

        return checked

    return decorate


def cut(entries: Sequence[T], page: PageQuery, key: Callable[[T], str]) -> tuple[list[T], str | None]:
    """(the entries of the page, its `next` or None at the end) of a short list that is sorted by `key`."""
    rest = [entry for entry in entries if key(entry) > page.after]
    found = rest[: page.limit]
    return found, key(found[-1]) if len(rest) > page.limit else None

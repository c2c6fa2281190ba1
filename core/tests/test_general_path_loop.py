"""Path validation and downloads work where the caller's thread already runs an event loop."""

from __future__ import annotations

import asyncio

from mykey_core.trust.run_async import run_async


async def _answer() -> int:
    await asyncio.sleep(0)
    return 42


def test_a_coroutine_runs_with_and_without_a_loop() -> None:
    """The same call from plain code and from inside a coroutine."""

    async def inside() -> int:
        return run_async(_answer())

    assert [run_async(_answer()), asyncio.run(inside())] == [42, 42]

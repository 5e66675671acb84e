"""Open pages hear of news, of that which they ask for, and come to an end with the server."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from alula import runtime, workflow
from alula.testing import Turnstile
from alula.web._dashboard._live import Live
from tests.workflow.bodies import add, held

Body = Callable[[Live, asyncio.Event], Awaitable[None]]
CHANGE = "event: change\ndata:\n\n"


def run(body: Body) -> None:
    async def main() -> None:
        ending = asyncio.Event()
        async with asyncio.timeout(30):
            await body(Live(ending), ending)

    with ThreadPoolExecutor(1) as apart:  # the browser of other tests has a loop in this thread
        apart.submit(lambda: asyncio.run(main())).result()


async def begun(live: Live, *topics: str) -> AsyncGenerator[str, None]:
    """Open a page; give its events without the first ones, which each page gets."""
    events = live.events(topics)
    assert (await anext(events)).startswith("retry")
    assert await anext(events) == CHANGE
    return events


async def change(events: AsyncGenerator[str, None]) -> None:
    while await anext(events) != CHANGE:
        pass


@pytest.fixture(autouse=True)
def _a_store_of_their_own(executor: None, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Each test has one; and time goes by more quickly."""
    monkeypatch.setattr("alula.web._dashboard._live._TICK", 0.01)
    runtime.close_default()
    yield
    runtime.close_default()


def test_a_page_hears_of_the_end_of_a_workflow() -> None:
    async def body(live: Live, ending: asyncio.Event) -> None:
        events = await begun(live, "workflows")
        await asyncio.to_thread(workflow.run, add.bind(1))
        await change(events)
        await events.aclose()

    run(body)


def test_a_page_of_one_workflow_hears_of_each_of_its_records(turnstile: Turnstile) -> None:
    workflow.run_async(add.bind(held.bind(turnstile, 1), 2), workflow_id="w")

    async def body(live: Live, ending: asyncio.Event) -> None:
        events = await begun(live, "workflow/w")
        turnstile.let()
        await change(events)
        await events.aclose()

    run(body)


def test_nobody_listens_when_no_page_is_open() -> None:
    async def body(live: Live, ending: asyncio.Event) -> None:
        first, second = await begun(live, "workflows"), await begun(live, "tick")
        ear = live._ear
        await first.aclose()
        assert live._ear is ear
        await second.aclose()
        assert live._ear is None
        assert ear is not None
        await ear._task
        await change(await begun(live, "tick"))

    run(body)


def test_the_end_of_the_server_ends_every_page() -> None:
    async def body(live: Live, ending: asyncio.Event) -> None:
        events = await begun(live, "workflows")
        ending.set()
        assert CHANGE not in [each async for each in events]

    run(body)

"""Show the answer to a click as a modal: the details of an account, and every answer to a click inside a view."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from bot.blocks.answers import replies
from bot.blocks.context import RenderContext
from bot.ports import BlockAction, Message, ShownView, View, ViewRefused, Views

AT_ONCE = 0.3  # seconds that a modal waits for its content before it opens without
EARLY_AFTER = 1.0  # seconds after which content of an earlier read is shown until the new one is there
LONGEST_WAIT = 10.0  # seconds that an update waits after HTTP 429

Make = Callable[[], Awaitable[Message]]


async def update_patiently(views: Views, view_id: str, view: View, *, version: str = "") -> ShownView | ViewRefused:
    """Update a view; once more after HTTP 429, or if Slack did not answer. To repeat an update is safe."""
    shown = await views.update(view_id, view, version=version)
    if isinstance(shown, ViewRefused) and (shown.wait or shown.is_unanswered):
        await asyncio.sleep(min(shown.wait, LONGEST_WAIT))
        shown = await views.update(view_id, view, version=version)
    return shown


@dataclass(frozen=True, slots=True)
class Announcement:
    """The modal until its content is there.

    Attributes:
        reading: what it shows.
        show: returns the modal that takes its place if the content cannot be made.
        context: the reader, as far as it is known.
    """

    reading: View
    show: Callable[[Message], View]
    context: RenderContext

    @asynccontextmanager
    async def lasts(self, views: Views, shown: ShownView) -> AsyncIterator[None]:
        """Replace the announcement if the block raises, or the process stops: else it would never go away."""
        try:
            yield
        except asyncio.CancelledError:
            await views.update(shown.id, self.show(replies.restarting(self.context)))
            raise
        except Exception:
            await views.update(shown.id, self.show(replies.failed(self.context)))
            raise


@dataclass(frozen=True, slots=True)
class ModalAnswer:
    """What a modal shows.

    Attributes:
        make: returns the answer; it reads WeChat, the store or both.
        view: returns the modal of an answer.
        announcement: the modal until the answer is there.
        early: returns the answer from an earlier read; None if there is no recent one.
    """

    make: Make
    view: Callable[[Message], Awaitable[View]]
    announcement: Announcement
    early: Callable[[], Awaitable[Message | None]] | None = None


class ViewAnswers:
    """Opens, pushes or updates the modal of an answer, whichever fits the place of the click."""

    def __init__(self, views: Views) -> None:
        self._views = views

    async def show(self, click: BlockAction, answer: ModalAnswer) -> Message | None:
        """Show an answer as a modal.

        Return the answer itself if Slack does not open a modal: it is then sent to the person who clicked. After a
        click in a view it has no other place.
        """
        making = asyncio.ensure_future(answer.make())
        try:
            await asyncio.wait([making], timeout=AT_ONCE)
            reading = answer.announcement.reading
            first = await answer.view(await making) if making.done() else reading
            shown = await self._place(click, first)
            if isinstance(shown, ViewRefused):
                return None if click.view else await making
            if first is reading:
                async with answer.announcement.lasts(self._views, shown):
                    await self._fill(shown, answer, making)
            return None
        finally:
            making.cancel()

    async def _fill(self, shown: ShownView, answer: ModalAnswer, making: asyncio.Future[Message]) -> None:
        """Replace the announcement by the answer, or first by what an earlier read has shown."""
        version = shown.version
        if answer.early:
            await asyncio.wait([making], timeout=EARLY_AFTER - AT_ONCE)
            if not making.done() and (recent := await answer.early()):
                updated = await update_patiently(self._views, shown.id, await answer.view(recent), version=version)
                if isinstance(updated, ViewRefused):
                    return
                version = updated.version
        await update_patiently(self._views, shown.id, await answer.view(await making), version=version)

    async def _place(self, click: BlockAction, view: View) -> ShownView | ViewRefused:
        clicked = click.view
        if clicked is None or clicked.is_home:
            return await self._views.open(click.trigger_id, view)
        if clicked.callback_id == view["callback_id"]:  # a refresh, or another page
            return await self._views.update(clicked.id, view, version=clicked.version)
        return await self._views.push(click.trigger_id, view)

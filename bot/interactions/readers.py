"""The language, the time zone and the name of each person who gets an answer, cached.

Start the lookup as soon as a command or a click has arrived, so that it runs beside the read of WeChat, and ask for
the context when the answer is rendered. An acknowledgement comes before both.

    lookup = readers.look_up(user_id)  # does not wait
    snapshot = await read_wechat()
    context = await lookup.context(base)  # waits until one second after the first line at most

A lookup that comes too late for an answer goes on in the background, and is known for the next one.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

from bot.blocks.context import RenderContext
from bot.interactions.language_choices import LanguageChoices
from bot.language import Language
from bot.ports import Reader, UnknownReaderError
from bot.runtime.logs import LogEvent
from bot.runtime.tasks import BackgroundTasks

log = logging.getLogger(__name__)

WAIT_SECONDS = 1.0  # from the start of a lookup; then the answer is in the language of the channel
KNOWN_SECONDS = 86_400.0
FAILURE_SECONDS = 300.0  # until a person whose lookup failed is looked up again; and between two lines in the log
MOST_PEOPLE = 2_000
USER_ID = re.compile(r"[UW][A-Z0-9]{1,40}")


def language_of(reader: Reader, default: Language) -> Language:
    """Return the language of a person's Slack, if the bot has it, else the default."""
    try:
        return Language(re.split("[-_]", reader.locale.lower())[0])
    except ValueError:
        return default


def _in_their_language(reader: Reader | None, choice: Language | None, base: RenderContext) -> RenderContext:
    if reader is None:
        return replace(base, language=choice) if choice else base
    language = choice or language_of(reader, base.language)
    return replace(base, language=language, text_zone=reader.timezone or base.text_zone)


@dataclass(frozen=True, slots=True)
class _Entry:
    """What is known of a person. A reader that is out of date is used until a lookup succeeds."""

    reader: Reader | None
    good_until: float  # by `elapsed`; then the person is looked up again


@dataclass(frozen=True, slots=True)
class Lookup:
    """A lookup of one person for one answer: already known, or in progress."""

    known: Callable[[RenderContext], RenderContext]  # adds what is known by now
    pending: tuple[asyncio.Event, ...]  # to wait for
    until: float  # by `elapsed`: how long the answer waits
    elapsed: Callable[[], float]

    async def context(self, base: RenderContext) -> RenderContext:
        """Return `base` with the person's language and time zone, as far as they are known in time."""
        if self.pending:
            with suppress(TimeoutError):
                both = asyncio.gather(*(event.wait() for event in self.pending))
                await asyncio.wait_for(both, max(0.0, self.until - self.elapsed()))
        return self.known(base)


class Readers:
    """Looks people up in Slack, one request at a time for each, and keeps the last ones."""

    def __init__(
        self,
        request: Callable[[str], Awaitable[Reader]],
        tasks: BackgroundTasks,
        elapsed: Callable[[], float] = time.monotonic,
        most: int = MOST_PEOPLE,
        choices: LanguageChoices | None = None,
    ) -> None:
        """Take the request, which raises UnknownReaderError, its tasks, and how many people to keep at most.

        With `choices`, the choice of a person comes before the language of their Slack.

        `SingleFlight` would not do: it has one lifetime, and its calls are not waited for at shutdown.
        """
        self._request = request
        self._tasks = tasks
        self._elapsed = elapsed
        self._most = most
        self._choices = choices
        self._entries: OrderedDict[str, _Entry] = OrderedDict()  # least recently used first
        self._running: dict[str, asyncio.Event] = {}
        self._paused_until = float("-inf")  # no request for any person would succeed before
        self._logged_at = float("-inf")
        self._scope_logged = False

    async def context(self, user_id: str, base: RenderContext, within: float = WAIT_SECONDS) -> RenderContext:
        """Look a person up, wait at most `within` seconds, and return their context."""
        return await self.look_up(user_id, within).context(base)

    def look_up(self, user_id: str, within: float = WAIT_SECONDS) -> Lookup:
        """Start the lookup of a person, or join the one in progress, without waiting.

        `within` counts from now: an answer that is rendered later does not wait.
        """
        pending = list[asyncio.Event | None]()
        if USER_ID.fullmatch(user_id):
            pending = [self._choices.look_up(user_id) if self._choices else None, self._ask(user_id)]
        until = self._elapsed() + within
        return Lookup(partial(self.known, user_id), tuple(filter(None, pending)), until, self._elapsed)

    def name(self, user_id: str) -> str:
        """Return the name that Slack shows for a person, as far as it is known now; "" if it is not."""
        reader = self._reader(user_id)
        return reader.name if reader else ""

    def known(self, user_id: str, base: RenderContext) -> RenderContext:
        """Return the context of a person as far as it is known now, without a lookup."""
        choice = self._choices.known(user_id) if self._choices else None
        return _in_their_language(self._reader(user_id), choice, base)

    def _reader(self, user_id: str) -> Reader | None:
        entry = self._entries.get(user_id)
        return entry.reader if entry else None

    def _ask(self, user_id: str) -> asyncio.Event | None:
        """Start a request unless the person is known. Return the event that ends the one in progress."""
        entry, now = self._entries.get(user_id), self._elapsed()
        if entry:
            self._entries.move_to_end(user_id)
        if user_id not in self._running:
            if now < self._paused_until or (entry and now < entry.good_until):
                return None
            self._running[user_id] = asyncio.Event()
            self._tasks.start(self._run(user_id))
        return self._running[user_id]

    async def _run(self, user_id: str) -> None:
        try:
            self._keep(user_id, await self._request(user_id), KNOWN_SECONDS)
        except UnknownReaderError as error:
            self._keep(user_id, self._reader(user_id), FAILURE_SECONDS)
            self._note(user_id, error)
        finally:
            self._running.pop(user_id).set()

    def _keep(self, user_id: str, reader: Reader | None, seconds: float) -> None:
        self._entries[user_id] = _Entry(reader, self._elapsed() + seconds)
        self._entries.move_to_end(user_id)
        if len(self._entries) > self._most:
            self._entries.popitem(last=False)

    def _note(self, user_id: str, error: UnknownReaderError) -> None:
        """Pause requests that would fail, and log the failure: a missing scope once, others once in a while."""
        now = self._elapsed()
        pause = FAILURE_SECONDS if error.lacks_scope else min(error.wait, FAILURE_SECONDS)
        self._paused_until = max(self._paused_until, now + pause)
        if error.lacks_scope:
            if not self._scope_logged:
                log.warning(LogEvent("answers are in KF_LANGUAGE until the app is installed again with users:read"))
            self._scope_logged = True
        elif now - self._logged_at >= FAILURE_SECONDS:
            self._logged_at = now
            log.warning(LogEvent("language of a reader not available", user=user_id, error=error.code))

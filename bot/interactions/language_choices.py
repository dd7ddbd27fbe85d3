"""The language that each person chose in App Home, from the store, cached for seconds."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable

from bot.language import Language
from bot.runtime.logs import LogEvent, fault_words
from bot.runtime.tasks import BackgroundTasks, with_timeout
from bot.store import chosen_languages
from bot.store.database import Store
from bot.store.store_errors import FaultKind, StoreError

log = logging.getLogger(__name__)

STORE_SECONDS = 1.0  # the time limit of one request
MIGRATION_GLANCE = 0.02  # seconds between two looks at whether the tables exist
KNOWN_SECONDS = 5.0  # another process may have stored a newer choice
FAILURE_SECONDS = 30.0  # until the store is asked again after a failure; the last known choice is used meanwhile
MOST_PEOPLE = 2_000


class LanguageChoices:
    """Reads and stores choices. While the store does not answer, the last choice known here stays."""

    def __init__(
        self, store: Store | None, tasks: BackgroundTasks, elapsed: Callable[[], float] = time.monotonic
    ) -> None:
        """Take the store; None: no choice can be stored."""
        self._store = store
        self._tasks = tasks
        self._elapsed = elapsed
        self._known: OrderedDict[str, tuple[Language | None, float]] = OrderedDict()  # with the end of its validity
        self._running: dict[str, asyncio.Event] = {}

    @property
    def can_store(self) -> bool:
        return self._store is not None

    def known(self, user_id: str) -> Language | None:
        """Return the choice of a person as far as it is known now."""
        return self._known.get(user_id, (None, 0.0))[0]

    def look_up(self, user_id: str) -> asyncio.Event | None:
        """Start to read a choice, or join the read in progress. Return the event of its end; None if known."""
        if self._store is None:
            return None
        if user_id not in self._running:
            known = self._known.get(user_id)
            if known and self._elapsed() < known[1]:
                return None
            self._running[user_id] = asyncio.Event()
            self._tasks.start(self._run(self._store, user_id))
        return self._running[user_id]

    async def choose(self, user_id: str, language: Language | None) -> None:
        """Store the choice of a person; None clears it. The person's next answer follows it.

        Raises:
            bot.store.store_errors.StoreError, TimeoutError: the store does not answer; nothing has changed.
        """
        if self._store is None:
            return
        await with_timeout(_put(self._store, user_id, language), STORE_SECONDS)
        self._keep(user_id, language, KNOWN_SECONDS)

    async def _run(self, store: Store, user_id: str) -> None:
        before = self._known.get(user_id)
        try:
            if not await _is_opened(store):
                return  # the next answer asks again
            found = await with_timeout(_get(store, user_id), STORE_SECONDS)
            if self._known.get(user_id) is before:  # else the person has chosen meanwhile
                self._keep(user_id, found, KNOWN_SECONDS)
        except (*StoreError, TimeoutError) as exc:
            log.info(LogEvent("choice of a language not available", user=user_id, error=fault_words(exc)))
            self._keep(user_id, self.known(user_id), FAILURE_SECONDS)
        finally:
            self._running.pop(user_id).set()

    def _keep(self, user_id: str, language: Language | None, seconds: float) -> None:
        self._known[user_id] = language, self._elapsed() + seconds
        self._known.move_to_end(user_id)
        if len(self._known) > MOST_PEOPLE:
            self._known.popitem(last=False)


async def _is_opened(store: Store) -> bool:
    """Wait for the migration at a start: a failed read would count as a fault. Return False if it takes long."""
    until = time.monotonic() + STORE_SECONDS
    while not store.migrated and (store.fault is None or store.fault.kind is FaultKind.SCHEMA):
        if time.monotonic() > until:
            return False
        await asyncio.sleep(MIGRATION_GLANCE)
    return True


async def _get(store: Store, user_id: str) -> Language | None:
    async with store.begin() as tx:
        return await chosen_languages.language_of(tx, user_id)


async def _put(store: Store, user_id: str, language: Language | None) -> None:
    async with store.begin() as tx:
        if language:
            await chosen_languages.set_language(tx, user_id, language)
        else:
            await chosen_languages.clear_language(tx, user_id)

"""The choice of a language: stored on both databases, cached, and before the language of Slack."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from bot.interactions.language_choices import FAILURE_SECONDS, KNOWN_SECONDS, LanguageChoices
from bot.interactions.readers import Readers
from bot.language import Language
from bot.ports import Reader, UnknownReaderError
from bot.runtime.tasks import BackgroundTasks
from bot.store import chosen_languages
from bot.store.database import Store, Tx
from bot.store.store_errors import FaultKind, StoreError, StoreFault
from tests.conftest import APPID
from tests.samples import CONTEXT

LIN, MEI = "U0LIN", "U0MEI"


async def stored(store: Store, user_id: str = LIN) -> Language | None:
    async with store.begin() as tx:
        return await chosen_languages.language_of(tx, user_id)


@pytest.mark.both_stores
async def test_choice_is_stored_replaced_and_cleared_for_each_person(store):
    async with store.begin() as tx:
        await chosen_languages.set_language(tx, LIN, Language.CHINESE)
        await chosen_languages.set_language(tx, MEI, Language.ENGLISH)
    assert (await stored(store), await stored(store, MEI)) == (Language.CHINESE, Language.ENGLISH)
    async with store.begin() as tx:
        await chosen_languages.set_language(tx, LIN, Language.ENGLISH)
        await chosen_languages.clear_language(tx, MEI)
        await chosen_languages.clear_language(tx, "U0GONE")
    assert (await stored(store), await stored(store, MEI)) == (Language.ENGLISH, None)


@pytest.mark.both_stores
async def test_choices_at_the_same_time_leave_one(store):
    async def choose(language: Language) -> None:
        async with store.begin() as tx:
            await chosen_languages.set_language(tx, LIN, language)

    await asyncio.gather(*(choose(language) for language in [*Language] * 3))
    assert await stored(store) in Language


@pytest.mark.story
async def test_another_official_account_has_its_own_choices(store, store_url, clock):
    async with store.begin() as tx:
        await chosen_languages.set_language(tx, LIN, Language.CHINESE)
    other = Store.from_url(store_url, "wx_other", clock=clock)
    assert await stored(other) is None
    await other.close()


@pytest.mark.story
async def test_language_of_a_later_release_is_no_choice(store):
    async with store.begin() as tx:
        await chosen_languages.set_language(tx, LIN, "fr")
    assert await stored(store) is None


class People:
    """Readers on a store, with Slack's locales."""

    def __init__(self, store: Store | None, **locales: str) -> None:
        self.locales = locales
        self.time = 100.0
        self.tasks = BackgroundTasks()
        self.choices = LanguageChoices(store, self.tasks, lambda: self.time)
        self.readers = Readers(self, self.tasks, lambda: self.time, choices=self.choices)

    async def __call__(self, user_id: str) -> Reader:
        if user_id not in self.locales:
            raise UnknownReaderError("user_not_found")
        return Reader(self.locales[user_id])

    async def language(self, user_id: str = LIN) -> Language:
        return (await self.readers.context(user_id, CONTEXT, 5)).language


class LateStore:
    """A store whose transactions end when they may."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.migrated, self.fault = True, None
        self.has_read = asyncio.Event()
        self.may_return = asyncio.Event()

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Tx]:
        async with self.store.begin() as tx:
            yield tx
        self.has_read.set()
        await self.may_return.wait()


@pytest.mark.both_stores
async def test_choice_comes_before_the_language_of_slack_and_works_at_once(store):
    people = People(store, U0LIN="en-US", U0MEI="zh-CN")
    assert [await people.language(LIN), await people.language(MEI)] == [Language.ENGLISH, Language.CHINESE]
    await people.choices.choose(LIN, Language.CHINESE)
    await people.choices.choose(MEI, Language.ENGLISH)
    assert [await people.language(LIN), await people.language(MEI)] == [Language.CHINESE, Language.ENGLISH]
    await people.choices.choose(LIN, None)
    assert await people.language(LIN) is Language.ENGLISH


@pytest.mark.story
async def test_choice_counts_for_a_person_whom_slack_does_not_return(store):
    people = People(store)
    await people.choices.choose(LIN, Language.CHINESE)
    assert await people.language() is Language.CHINESE


@pytest.mark.story
async def test_choice_of_another_process_follows_within_seconds(store):
    here, there = People(store, U0LIN="en-US"), People(store, U0LIN="en-US")
    assert await here.language() is Language.ENGLISH
    await there.choices.choose(LIN, Language.CHINESE)
    assert await here.language() is Language.ENGLISH
    here.time += KNOWN_SECONDS
    assert await here.language() is Language.CHINESE


async def test_unreachable_store_leaves_the_language_of_slack(tmp_path):
    store = Store.from_url(f"sqlite:///{tmp_path / 'missing' / 'kf.db'}", APPID)
    people = People(store, U0LIN="zh-CN")
    with pytest.raises(StoreError):
        await people.choices.choose(LIN, Language.ENGLISH)
    assert [await people.language(), await people.language()] == [Language.CHINESE] * 2
    await store.close()
    await asyncio.sleep(0.2)  # the driver's thread reports its failed connection to this loop


@pytest.mark.story
async def test_last_known_choice_is_used_while_the_store_fails(store):
    people = People(store, U0LIN="en-US")
    await people.choices.choose(LIN, Language.CHINESE)
    people.time += KNOWN_SECONDS
    people.choices._store = away = Store.from_url("sqlite:////nowhere/kf.db", APPID)
    with pytest.raises(StoreError):
        async with away.begin():
            pass
    assert await people.language() is Language.CHINESE
    people.choices._store = store
    async with store.begin() as tx:
        await chosen_languages.clear_language(tx, LIN)
    assert await people.language() is Language.CHINESE
    people.time += FAILURE_SECONDS
    assert await people.language() is Language.ENGLISH


@pytest.mark.story
async def test_choice_is_read_as_soon_as_a_starting_process_has_its_tables(store):
    people = People(store, U0LIN="en-US")
    await people.choices.choose(LIN, Language.CHINESE)
    starting = People(store, U0LIN="en-US").choices
    store.migrated, store.fault = False, StoreFault(FaultKind.SCHEMA, "no such table")  # another read was too early
    read = starting.look_up(LIN)
    await asyncio.sleep(0.01)
    assert not read.is_set()
    store.migrated = True
    await read.wait()
    assert starting.known(LIN) is Language.CHINESE


@pytest.mark.story
async def test_choice_that_is_made_during_a_read_is_not_lost(store):
    late = LateStore(store)
    people = People(late, U0LIN="en-US")
    looking = people.choices.look_up(LIN)
    await late.has_read.wait()
    people.choices._store = store
    await people.choices.choose(LIN, Language.CHINESE)
    late.may_return.set()
    await looking.wait()
    assert people.choices.known(LIN) is Language.CHINESE


async def test_without_a_store_nothing_is_chosen():
    people = People(None, U0LIN="zh-CN")
    await people.choices.choose(LIN, Language.ENGLISH)
    assert await people.language() is Language.CHINESE
    assert not people.choices.can_store

"""The history of accounts, read in the store, and `/kf history` from the request to the message."""

from __future__ import annotations

from dataclasses import replace

import pytest
import sqlalchemy as sa

from bot.actions import NEXT_PAGE, PREVIOUS_PAGE, RETRY, SHOW, decode
from bot.alerting.episode import AlertKind, EpisodeState
from bot.interactions.history_reading import HistoryReader
from bot.operations.account_history import PAGE, AccountHistoryPage, EpisodeNote, NoteKind
from bot.operations.operation import Operation, OperationKind, OperationState
from bot.requests import History, parse_command
from bot.store import episodes, operation_rows
from bot.store.database import Store
from bot.store.tables import operation as operation_table
from tests.accounts import account
from tests.bots import Bot, rejected
from tests.conftest import APPID, NOW
from tests.episodes import buttons, fields_of, shown
from tests.operations import operation
from tests.samples import ANNA, CHEN, DATABASE_AWAY, HOUR, MINUTE, NOON
from tests.test_commands import WeChat, answers
from wechat_kf import KfList, TransportError

pytestmark = pytest.mark.mostly_sqlite

INVITE, ADD, RENAME, DELETE = OperationKind
KEY = "chen@harbour_tea"


async def insert(store: Store, *done: Operation) -> None:
    async with store.begin() as tx:
        for one in done:
            assert (await operation_rows.insert(tx, one)).is_new


def crowd(number: int, name: str = "chen", **fields: object) -> list[Operation]:
    return [operation(DELETE, name, at=NOW - MINUTE * index, **fields) for index in range(number)]


@pytest.mark.both_stores
async def test_page_of_all_has_ten_operations_and_knows_whether_there_are_more(store):
    await insert(store, *crowd(PAGE), *crowd(PAGE, "dee"), operation(at=NOW - HOUR))
    reader = HistoryReader(store)
    pages = [await reader.page((), number) for number in (1, 2, 3, 4, 999_999_999)]
    assert [(page.number, len(page.entries), page.has_next) for page in pages] == [
        (1, 10, True),
        (2, 10, True),
        (3, 1, False),
        (3, 1, False),
        (3, 1, False),
    ]
    assert pages[0].entries[0].asked_at == NOW
    assert pages[2].entries[0].asked_at == NOW - HOUR


async def test_page_of_all_without_an_operation_is_empty(store):
    assert await HistoryReader(store).page((), 7) == AccountHistoryPage()


async def test_page_of_an_account_joins_its_operations_with_its_invitations(store, clock):
    bot = Bot(store, clock)
    await bot.reads(rejected("chen"), rejected("dee"))
    noticed = clock.now
    await bot.clicks("alert.ack", f"v1:{await bot.episode_id('chen')}")
    await insert(store, operation(at=noticed + HOUR, name="chen"), operation(at=noticed + HOUR, name="dee"))
    page = await HistoryReader(store).page([KEY], 1)
    newest, *notes = page.entries
    assert (newest.kind, newest.account_key, page.account_key, page.kf_nick) == (INVITE, KEY, KEY, "Chen")
    assert [(note.kind, note.state) for note in notes] == [
        (NoteKind.ACKNOWLEDGED, EpisodeState.WAITING),
        (NoteKind.FIRST_SEEN, EpisodeState.REJECTED),
    ]


async def test_problem_of_a_replaced_invitation_has_the_time_of_its_report(store, clock):
    bot = Bot(store, clock)
    await bot.reads(account("chen"))
    await bot.reads(replace(rejected("chen"), invitation=replace(rejected("chen").invitation, status="waiting")))
    await bot.reads(rejected("chen"))
    reported = clock.now
    new = replace(rejected("chen").invitation, status="waiting", expires_at=clock.now + 72 * HOUR, invite_wx="new")
    await bot.reads(account("chen", invitation=new))
    async with store.begin() as tx:
        newest, earlier = await episodes.of_account(tx, KEY, 10)
        assert [one.episode.id for one in await episodes.of_account(tx, KEY, 1)] == [newest.episode.id]
        assert await episodes.of_account(tx, "nobody", 10) == []
    assert (newest.episode.invite_wx, earlier.episode.state) == ("new", EpisodeState.REPLACED)
    assert abs(earlier.reported[AlertKind.REJECTED] - reported) < MINUTE
    page = await HistoryReader(store).page([KEY], 1)
    assert [one.state for one in page.entries if isinstance(one, EpisodeNote)] == [
        EpisodeState.WAITING,
        EpisodeState.REJECTED,
        EpisodeState.WAITING,
    ]


async def test_first_spelling_with_a_history_counts(store):
    await insert(store, operation(DELETE, "dee"))
    page = await HistoryReader(store).page(["Dee", "dee", "dee@harbour_tea"], 1)
    assert (page.account_key, page.kf_nick, len(page.entries)) == ("dee@harbour_tea", "Dee", 1)
    assert await HistoryReader(store).page(["eve", "eve@harbour_tea"], 1) == AccountHistoryPage(account_key="eve")


@pytest.mark.both_stores
async def test_damaged_rows_are_left_out(store):
    await insert(store, operation(), operation(DELETE, at=NOW - HOUR))
    async with store.begin() as tx:
        await tx.run(sa.update(operation_table).where(operation_table.c.kind == "delete").values(kind="unheard of"))
    reader = HistoryReader(store)
    for found in ((await reader.page((), 1)).entries, (await reader.page([KEY], 1)).entries):
        assert [one.kind for one in found] == [INVITE]
    assert len(await reader.operations(KEY)) == 1


async def test_another_official_account_has_its_own_history(store, store_url, clock):
    await insert(store, operation())
    other = Store.from_url(store_url, "wxother", clock=clock)
    other.migrated = True
    page = await HistoryReader(other).page([KEY], 1)
    await other.close()
    assert page.entries == ()


async def test_store_without_an_answer_has_no_history():
    away = Store.from_url("postgresql://kf@127.0.0.1:9/kf", APPID)
    assert await HistoryReader(away).page((), 1) is None
    assert await HistoryReader(away).page([KEY], 1) is None
    assert await HistoryReader(away).operations(KEY) == ()
    await away.close()


async def test_bot_without_a_store_has_an_empty_history():
    reader = HistoryReader(None)
    assert await reader.page((), 1) == AccountHistoryPage()
    assert await reader.page([KEY], 1) == AccountHistoryPage(account_key=KEY)
    assert await reader.operations(KEY) == ()


def handler(store, wechat, clock=None):
    reader = HistoryReader(store)
    return answers(wechat, clock, history=reader.page, operations=reader.operations)


@pytest.mark.parametrize(
    ("typed", "title"),
    [
        ("history", "What people changed"),
        ("操作记录", "What people changed"),
        ("history chen", "History of Chen"),
        ("操作记录chen", "History of Chen"),
        ("history CHEN@harbour_tea", "History of Chen"),
        ("history dee@harbour_tea", "History of Dee"),
        ("history ＤＥＥ＠harbour_tea", "History of Dee"),
        ("history Dee", "History of Dee"),  # the other accounts have its suffix
        ("history 午班", "History of 午班"),
        ("history harbour", "*No account matches “harbour”.*"),
        ("history @harbour", "3 accounts match “@harbour”"),
        ("histroy chen", "Showing */kf history chen*"),
        ("histroy", "Showing */kf history*"),
        ("delte dee", "*No account matches “delte dee”.*"),
    ],
)
async def test_history_is_that_of_the_account_that_is_meant(store, typed, title):
    await insert(store, operation(), operation(DELETE, "dee"))
    message = await handler(store, WeChat(CHEN, NOON, ANNA)).answer(parse_command(typed))
    assert shown(message)[0].split("\n")[0] == title


async def test_page_is_turned_by_its_buttons(store):
    await insert(store, *crowd(PAGE + 1))
    kf = handler(store, WeChat(CHEN))
    for request in (History(), History(KEY)):
        first = await kf.answer(request)
        second = await kf.answer(decode(NEXT_PAGE, buttons(first)[NEXT_PAGE]))
        again = await kf.answer(decode(PREVIOUS_PAGE, buttons(second)[PREVIOUS_PAGE]))
        assert fields_of(again) == fields_of(first)
        assert shown(second) != shown(first)
    assert (await kf.answer(decode(SHOW, buttons(first)[SHOW]))).text.startswith("Rejected: Chen")


async def test_deleted_account_turns_its_pages_too(store):
    await insert(store, *crowd(PAGE + 1, "dee"))
    kf = handler(store, WeChat(CHEN))
    first = await kf.answer(History("dee"))
    second = await kf.answer(decode(NEXT_PAGE, buttons(first)[NEXT_PAGE]))
    assert shown(second)[0] == "History of Dee"
    assert list(buttons(second)) == [PREVIOUS_PAGE]


async def test_history_is_shown_while_wechat_does_not_answer(store, clock):
    await insert(store, operation(), operation(DELETE, "dee"))
    wechat = WeChat(CHEN)
    kf = handler(store, wechat, clock)
    silence = wechat.listing = TransportError("ReadTimeout", attempts=3, timed_out=True)
    assert shown(await kf.answer(History()))[0] == "What people changed"
    assert wechat.reads == 0
    assert shown(await kf.answer(History("dee@harbour_tea")))[0] == "History of Dee"
    unknown = await kf.answer(History("chen", 3))
    assert unknown.text.startswith("WeChat did not answer within 10 s.")
    assert decode(RETRY, buttons(unknown)[RETRY]) == History("chen", 3)
    wechat.listing = KfList((CHEN,))
    await kf.answer(History("chen"))
    wechat.listing = silence
    clock.forward(minutes=1)
    assert shown(await kf.answer(History("chen")))[0] == "History of Chen"


async def test_history_says_that_the_database_does_not_answer():
    away = Store.from_url("postgresql://kf@127.0.0.1:9/kf", APPID)
    kf = handler(away, WeChat(CHEN))
    for request in (History(), History("chen"), History("nobody")):
        assert fields_of(await kf.answer(request)) == fields_of(DATABASE_AWAY)
    await away.close()


async def test_operation_with_a_typing_error_is_suggested_without_a_button(store):
    message = await handler(store, WeChat(CHEN)).answer(parse_command("delte dee"))
    assert "Did you mean */kf delete dee*?" in shown(message)[0]
    assert list(buttons(message)) == ["kf.list"]


async def test_details_show_the_operations_of_the_present_invitation(store, clock):
    bot = Bot(store, clock)
    await bot.reads(rejected("chen"))
    refused = operation(at=clock.now + MINUTE, status="rejected", state=OperationState.FAILED)
    await insert(store, refused, operation(at=NOW - 100 * HOUR))
    reader = HistoryReader(store)
    async with store.begin() as tx:
        (episode,) = await episodes.latest(tx, [KEY])

    async def newest(_):
        return episode

    wechat = WeChat(rejected("chen"))
    line = "👤 invited again by <@U0LIN> · "
    for listing in (wechat.listing, KfList(()), TransportError("ReadTimeout", attempts=1)):
        wechat.listing = listing
        kf = answers(wechat, newest_episode=newest, history=reader.page, operations=reader.operations)
        (timeline,) = [text for text in shown(await kf.about(episode)) if "*This invitation*" in text]
        assert timeline.count(line) == 1
        assert timeline.endswith("· did not happen")

"""One bad row, one bad message: it is logged once, shown and given up, and all others go on."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from bot.demo import blockkit
from bot.health.facts import ProblemKind
from bot.interactions.account_reader import AccountReader
from bot.interactions.commands import CommandHandler
from bot.interactions.status_reporter import StatusReporter
from bot.ports import Message, RetryLater
from bot.requests import parse_command
from bot.settings.values import Settings
from bot.status import Status
from bot.store import poll_state, stats
from bot.store.database import Store
from bot.store.tables import episode, message
from tests.accounts import bound, invited
from tests.bots import Bot, rejected
from tests.conftest import APPID, NOW, VirtualClock
from tests.fakes import FakeAccounts
from tests.samples import CONTEXT
from wechat_kf import KfAccount

# For PostgreSQL, too: what its tables refuse, which there ends a transaction without a savepoint.
pytestmark = pytest.mark.mostly_sqlite

HOUR = timedelta(hours=1)


@pytest.fixture
async def bot(store: Store, clock: VirtualClock) -> Bot:
    made = Bot(store, clock)
    await made.reads(invited("bad"), invited("bo"), invited("dee"), after=timedelta(0))
    return made


async def refuse(store: Store, table: str, condition: str, *, event: str = "UPDATE") -> None:
    """Let the database refuse rows that fulfil a condition on NEW."""
    name = f"refuse_{table}_{event.lower()}"
    async with store.begin() as tx:
        if store.kind == "SQLite":
            await tx.run(
                sa.text(
                    f"CREATE TRIGGER {name} BEFORE {event} ON {table} WHEN {condition} "
                    "BEGIN SELECT RAISE(ABORT, 'refused'); END"
                )
            )
            return
        await tx.run(
            sa.text(
                f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS "
                f"$$ BEGIN IF {condition} THEN RAISE EXCEPTION 'refused'; END IF; RETURN NEW; END $$"
            )
        )
        await tx.run(
            sa.text(f"CREATE TRIGGER {name} BEFORE {event} ON {table} FOR EACH ROW EXECUTE FUNCTION {name}()")
        )


async def accept(store: Store, table: str, *, event: str = "UPDATE") -> None:
    name = f"refuse_{table}_{event.lower()}"
    async with store.begin() as tx:
        await tx.run(sa.text(f"DROP TRIGGER {name}{'' if store.kind == 'SQLite' else f' ON {table}'}"))


async def failing(store: Store) -> list[str]:
    async with store.begin() as tx:
        return list((await poll_state.load(tx)).failing)


def logged(caplog: pytest.LogCaptureFixture, name: str) -> list[str]:
    return [str(record.msg) for record in caplog.records if str(record.msg).startswith(name)]


def posted_titles(bot: Bot) -> list[str]:
    return [text.split(" (")[0] for text in bot.slack.texts]


@pytest.mark.both_stores
@pytest.mark.parametrize("event", ["UPDATE", "INSERT"])
async def test_row_that_the_database_refuses_does_not_stop_the_events_of_others(bot, store, caplog, event):
    await refuse(store, "episode", "NEW.kf_nick = 'Bad'", event=event)
    if event == "INSERT":
        await refuse(store, "episode", "NEW.kf_nick = 'Bad'")
    for _ in range(3):
        await bot.reads(rejected("bad"), rejected("bo"), invited("dee"))
    assert posted_titles(bot) == ["Rejected: Bo"]
    assert await failing(store) == ["bad@harbour_tea"]
    assert len(logged(caplog, "row failed account=ba•••ea error=")) == 1
    await bot.reads(rejected("bad"), rejected("bo"), rejected("dee"))
    assert posted_titles(bot) == ["Rejected: Bo", "Rejected: Dee"]


async def test_row_that_is_refused_for_a_while_is_reported_afterwards(bot, store, caplog):
    caplog.set_level(logging.INFO)
    await refuse(store, "episode", "NEW.kf_nick = 'Bad'")
    await bot.reads(rejected("bad"), invited("bo"))
    await accept(store, "episode")
    await bot.reads(rejected("bad"), invited("bo"))
    assert posted_titles(bot) == ["Rejected: Bad"]
    assert await failing(store) == []
    assert len(logged(caplog, "row recovered account=ba•••ea")) == 1


@pytest.mark.both_stores
async def test_message_that_the_database_refuses_does_not_stop_the_events_of_others(bot, store):
    bad = await bot.episode_id("bad")
    like = f"CAST(NEW.episode_ids AS TEXT) LIKE '%{bad}%'"
    await refuse(store, "message", like, event="INSERT")
    await bot.reads(rejected("bad"), rejected("bo"), invited("dee"))
    assert posted_titles(bot) == ["Rejected: Bo"]
    assert await failing(store) == ["bad@harbour_tea"]


@pytest.mark.both_stores
async def test_storm_with_one_refused_row_is_still_one_digest(bot, store):
    names = [f"kf{number}" for number in range(7)]
    await bot.reads(*map(invited, names), invited("bad"))
    await refuse(store, "episode", "NEW.kf_nick = 'Bad'")
    await bot.reads(*map(rejected, names), rejected("bad"))
    (parent, *_) = bot.slack.texts
    assert parent.startswith("7 invitations changed at once")


@pytest.mark.both_stores
async def test_deadline_of_a_refused_row_does_not_stop_the_deadlines_of_others(bot, store):
    await bot.reads(invited("bad", expires_in=HOUR), invited("bo", expires_in=HOUR))
    await refuse(store, "episode", "NEW.kf_nick = 'Bad' AND NEW.state = 'expired'")
    bot.wechat.go_down()
    before = len(bot.slack.posted)
    bot.clock.now += 2 * HOUR
    for _ in range(3):
        await bot.watcher.tick()
        await bot.deliver()
        bot.clock.forward(seconds=15)
    assert posted_titles(bot)[before:] == ["Expired: Bo"]
    assert await failing(store) == ["bad@harbour_tea"]


@pytest.mark.parametrize("values", [{"state": "pondered"}, {"acked": {"user": "U0MEI"}}])
async def test_stored_row_that_cannot_be_read_does_not_stop_the_events_of_others(bot, store, values):
    async with store.begin() as tx:
        await tx.run(sa.update(episode).where(episode.c.kf_nick == "Bad").values(**values))
    for _ in range(2):
        await bot.reads(rejected("bad"), rejected("bo"), invited("dee"))
    assert posted_titles(bot) == ["Rejected: Bo"]
    assert await failing(store) == ["bad@harbour_tea"]
    await bot.reads(rejected("bo"), rejected("dee"))
    assert posted_titles(bot) == ["Rejected: Bo", "Rejected: Dee"]


@pytest.mark.parametrize(
    "place",
    [
        "bot.alerting.lifecycle.account_status",
        "bot.alerting.lifecycle._with_fields",
        "bot.outbox.planner._alert",
        "bot.store.episodes.next_timer",
    ],
)
async def test_exception_in_the_rules_for_one_account_does_not_stop_the_others(bot, store, monkeypatch, place):
    inject(monkeypatch, place)
    for _ in range(2):
        await bot.reads(rejected("bad"), rejected("bo"), invited("dee"))
    assert posted_titles(bot) == ["Rejected: Bo"]
    assert await failing(store) == ["bad@harbour_tea"]


async def test_account_that_fails_and_leaves_the_list_is_forgotten(store, clock):
    bot = Bot(store, clock)
    await bot.reads(bound("bo"))
    await refuse(store, "episode", "NEW.kf_nick = 'Bad'", event="INSERT")
    await bot.reads(bound("bo"), rejected("bad"))
    assert await failing(store) == ["bad@harbour_tea"]
    await bot.reads(bound("bo"))
    assert await failing(store) == []


async def test_lost_connection_is_not_the_fault_of_a_row(bot, store, monkeypatch):
    async with store.begin() as tx:
        await tx.run(sa.text("DROP TABLE emitted_event"))
    bot.clock.forward(seconds=301)
    bot.wechat.listed = (rejected("bo"),)
    with pytest.raises(sa.exc.SQLAlchemyError):
        await bot.watcher.tick()
    assert await failing(store) == []


# Posts and edits


async def dead(store: Store) -> list[str | None]:
    async with store.begin() as tx:
        found = await tx.run(sa.select(message.c.reason).where(message.c.status == "dead"))
        return [row.reason for row in found]


async def counted(store: Store, bot: Bot) -> tuple[int, int]:
    async with store.begin() as tx:
        waiting = await stats.queue_stats(tx, bot.clock())
    return waiting.failed, waiting.stale


async def test_message_that_cannot_be_rendered_is_given_up_and_others_are_posted(bot, store, monkeypatch, caplog):
    inject(monkeypatch, "bot.blocks.channel.alerts._facts")
    for _ in range(3):
        await bot.reads(rejected("bad"), rejected("bo"), invited("dee"))
    assert posted_titles(bot) == ["Rejected: Bo"]
    assert await dead(store) == ["failed"]
    assert await counted(store, bot) == (1, 0)
    assert len(logged(caplog, "message failed, given up")) == 1
    assert "bad_example" not in caplog.text


async def test_message_that_failed_is_posted_when_its_episode_moves_and_it_can_be_rendered(bot, store, monkeypatch):
    with monkeypatch.context() as patch:
        inject(patch, "bot.blocks.channel.alerts._facts")
        await bot.reads(rejected("bad"), invited("bo"))
        assert await dead(store) == ["failed"]
    await bot.reads(rejected("bad"), invited("bo"))
    assert posted_titles(bot) == []
    await bot.reads(invited("bad", status="rejected", kf_nick="Good"), invited("bo"))
    assert posted_titles(bot) == ["Rejected: Good"]


async def test_message_that_cannot_be_rendered_again_does_not_stop_the_edits_of_others(
    bot, store, monkeypatch, caplog
):
    await bot.reads(rejected("bad"), rejected("bo"), invited("dee"))
    with monkeypatch.context() as patch:
        inject(patch, "bot.blocks.channel.alerts._facts")
        for _ in range(3):
            await bot.reads(bound("bad"), bound("bo"), invited("dee"))
        texts = [bot.slack.text_now(posted.ts).split(" (")[0] for posted in bot.slack.posted[:2]]
        assert sorted(texts) == ["Bound: Bo", "Rejected: Bad"]
        assert await counted(store, bot) == (0, 1)
        assert len(logged(caplog, "message cannot be updated")) == 1
    bot.clock.forward(seconds=15)
    await bot.deliver()
    texts = [bot.slack.text_now(posted.ts).split(" (")[0] for posted in bot.slack.posted[:2]]
    assert sorted(texts) == ["Bound: Bad", "Bound: Bo"]
    assert await counted(store, bot) == (0, 0)


@pytest.mark.both_stores
async def test_fault_of_an_edit_that_cannot_be_recorded_does_not_stop_other_edits(bot, store, monkeypatch):
    await bot.reads(rejected("bad"), rejected("bo"), invited("dee"))
    await refuse(store, "message", "NEW.error IS NOT NULL")
    inject(monkeypatch, "bot.blocks.channel.alerts._facts")
    await bot.reads(bound("bad"), bound("bo"), invited("dee"))
    texts = [bot.slack.text_now(posted.ts).split(" (")[0] for posted in bot.slack.posted[:2]]
    assert sorted(texts) == ["Bound: Bo", "Rejected: Bad"]


async def test_store_that_fails_during_an_edit_is_no_fault_of_the_message(bot, store):
    await bot.reads(rejected("bad"), rejected("bo"), invited("dee"))

    async def update(*_: object, **__: object) -> None:
        raise ConnectionResetError

    bot.slack.update = update
    with pytest.raises(ConnectionResetError):
        await bot.reads(bound("bad"), bound("bo"), invited("dee"))
    assert await counted(store, bot) == (0, 0)


async def test_unreadable_member_of_a_digest_has_a_placeholder(bot, monkeypatch, caplog):
    names = ["bad", *(f"kf{number}" for number in range(6))]
    await bot.reads(*map(invited, names))
    inject(monkeypatch, "bot.blocks.channel.episode_text.icon")
    await bot.reads(*map(rejected, names))
    parent = bot.slack.posted[0].message
    assert parent.text.startswith("7 invitations changed at once")
    assert "bad@harbour_tea" in str(parent.blocks)
    await bot.reads(*map(bound, names))
    assert "all settled" in bot.slack.text_now(bot.slack.posted[0].ts)
    assert len(logged(caplog, "account cannot be shown")) == len({posted.ts for posted in bot.slack.posted[:2]})


@pytest.mark.parametrize("place", ["bot.outbox.coalescing.is_relevant", "bot.outbox.coalescing.should_postpone"])
async def test_message_whose_turn_raises_is_given_up_and_others_are_posted(bot, store, monkeypatch, place):
    inject(monkeypatch, place, about=await bot.episode_id("bad"))
    await bot.reads(rejected("bad"), rejected("bo"), invited("dee"))
    assert posted_titles(bot) == ["Rejected: Bo"]
    assert await dead(store) == ["failed"]


async def test_message_whose_post_raises_is_tried_again_and_given_up(bot, store):
    post = bot.slack.post

    async def faulty(message, **options):
        if "Bad" in message.text:
            raise ZeroDivisionError("bad_example")
        return await post(message, **options)

    bot.slack.post = faulty
    await bot.reads(rejected("bad"), rejected("bo"), invited("dee"))
    assert posted_titles(bot) == ["Rejected: Bo"]
    for _ in range(3):
        await bot.waits_out_a_lease()
        bot.clock.forward(seconds=60)
        await bot.deliver()
    assert await dead(store) == ["failed"]


@pytest.mark.both_stores
@pytest.mark.parametrize("condition", ["NEW.status = 'sending'", "NEW.status = 'sent'", "NEW.status <> 'pending'"])
async def test_message_that_the_database_does_not_let_change_does_not_stop_the_others(
    bot, store, caplog, condition
):
    bad = await bot.episode_id("bad")
    await refuse(store, "message", f"CAST(NEW.episode_ids AS TEXT) LIKE '%{bad}%' AND {condition}")
    for _ in range(4):
        await bot.reads(rejected("bad"), rejected("bo"), invited("dee"))
        await bot.waits_out_a_lease()
    await bot.reads(rejected("bad"), rejected("bo"), rejected("dee"))
    assert [text for text in posted_titles(bot) if text != "Rejected: Bad"] == ["Rejected: Bo", "Rejected: Dee"]
    assert posted_titles(bot).count("Rejected: Bad") <= 1
    await bot.reads(rejected("bad"), bound("bo"), bound("dee"))
    shown = [bot.slack.text_now(posted.ts).split(" (")[0] for posted in bot.slack.posted]
    assert {"Bound: Bo", "Bound: Dee"} <= set(shown)


async def test_failing_rows_and_messages_are_problems_of_the_health(bot, store, monkeypatch):
    await bot.reads(invited("bad"), rejected("bo"), rejected("dee"))
    await refuse(store, "episode", "NEW.kf_nick = 'Bad'")
    await bot.reads(rejected("bad"), rejected("bo"), bound("dee"))
    inject(monkeypatch, "bot.blocks.channel.alerts._facts", about="'Bo'")
    bot.clock.forward(seconds=15)
    await bot.deliver()
    settings = Settings(wechat_appid=APPID, wechat_secret="secret", slack_bot_token="xoxb-token")
    standing = StatusReporter(store, settings, token_expires_at=lambda: None, clock=bot.clock)
    problems = {problem.kind: problem for problem in await standing.problems()}
    assert problems[ProblemKind.ROWS_FAILED].names == ("bad@harbour_tea",)
    assert problems[ProblemKind.MESSAGES_STALE].count == 1


@pytest.mark.both_stores
async def test_edit_that_the_database_refuses_does_not_stop_the_edits_of_others(bot, store):
    await bot.reads(rejected("bad"), rejected("bo"), invited("dee"))
    bad = await bot.episode_id("bad")
    await refuse(store, "message", f"CAST(NEW.episode_ids AS TEXT) LIKE '%{bad}%' AND NEW.applied_hash IS NULL")
    await bot.reads(bound("bad"), bound("bo"), invited("dee"))
    shown = [bot.slack.text_now(posted.ts).split(" (")[0] for posted in bot.slack.posted[:2]]
    assert sorted(shown) == ["Bound: Bo", "Rejected: Bad"]


@pytest.mark.parametrize("values", [{"kind": "hologram"}, {"status": "sent", "payload": [1], "ts": "1.000000"}])
async def test_message_row_that_cannot_be_read_does_not_stop_the_others(bot, store, values, caplog):
    bot.slack.outcomes = [RetryLater(60, "ratelimited")]
    await bot.reads(rejected("bad"), invited("bo"), invited("dee"))
    async with store.begin() as tx:
        await tx.run(sa.update(message).values(channel_id="C0ALERTS", next_edit_at=bot.clock(), **values))
    await bot.reads(rejected("bad"), rejected("bo"), invited("dee"))
    await bot.reads(rejected("bad"), bound("bo"), invited("dee"))
    assert [bot.slack.text_now(posted.ts).split(" (")[0] for posted in bot.slack.posted[:1]] == ["Bound: Bo"]
    assert logged(caplog, "message failed, given up") or logged(caplog, "stored row cannot be read")


async def test_unreadable_episode_does_not_stop_the_edits_of_others(bot, store, caplog):
    await bot.reads(rejected("bad"), rejected("bo"), invited("dee"))
    async with store.begin() as tx:
        await tx.run(sa.update(episode).where(episode.c.kf_nick == "Bad").values(state="pondered"))
    before = [bot.slack.text_now(posted.ts) for posted in bot.slack.posted]
    await bot.reads(bound("bad"), bound("bo"), invited("dee"))
    after = [bot.slack.text_now(posted.ts) for posted in bot.slack.posted[:2]]
    assert [text.split(" (")[0] for text in sorted(set(after) - set(before))] == ["Bound: Bo"]
    assert await counted(store, bot) == (0, 1)


@pytest.mark.both_stores
async def test_refused_row_of_a_digest_does_not_stop_the_acknowledgement_of_the_others(bot, store, caplog):
    names = ["bad", *(f"kf{number}" for number in range(6))]
    await bot.reads(*map(invited, names))
    await bot.reads(*map(rejected, names))
    await refuse(store, "episode", "NEW.kf_nick = 'Bad'")
    digest = next(row["id"] for row in await bot.rows() if row["kind"] == "digest")
    done = await bot.clicks("alert.ack", f"v1:batch:{digest}")
    assert sorted(one.kf_nick for one in done.changed) == [f"Kf{number}" for number in range(6)]
    assert len(logged(caplog, "action not performed")) == 1
    with pytest.raises(sa.exc.SQLAlchemyError):
        await bot.clicks("alert.ack", f"v1:{await bot.episode_id('bad')}")


# Answers


class CommandAnswers:
    """Answers of `/kf` about three accounts, one of them "Bad"."""

    def __init__(self, *accounts: KfAccount) -> None:
        self.wechat = FakeAccounts(accounts or (rejected("bad"), rejected("bo"), bound("dee")))
        reader = AccountReader(
            self.wechat, now=lambda: NOW, policy=CONTEXT.policy, owned=no_accounts, elapsed=lambda: 0.0
        )
        self.answers = CommandHandler(
            reader,
            now=lambda: NOW,
            context=CONTEXT,
            channel="C0ALERTS",
            status=nothing,
            newest_episode=no_episode,
            notice_after=10,
        )

    async def to(self, text: str) -> Message:
        message = await self.answers.answer(parse_command(text))
        assert blockkit.problems({"text": message.text, "blocks": list(message.blocks)}) == []
        return message


async def nothing() -> Status:
    return Status("1.0.0")


async def no_episode(account: KfAccount) -> None:
    return None


async def no_accounts() -> tuple[()]:
    return ()


RENDERED = [
    "bot.accounts.account_status",
    "bot.accounts._place",
    "bot.blocks.answers.account_rows.head",
    "bot.blocks.answers.account_rows.facts",
    "bot.blocks.answers.account_rows.label_of",
    "bot.blocks.answers.account_rows.account",
]


@pytest.mark.parametrize("place", RENDERED)
@pytest.mark.parametrize("text", ["", "list", "attention", "find bo"])
async def test_account_that_cannot_be_shown_does_not_stop_the_answer(monkeypatch, caplog, place, text):
    inject(monkeypatch, place)
    answers = CommandAnswers()
    for _ in range(3):
        message = await answers.to(text)
        assert "Bo" in message.text
    if text != "find bo":
        assert "*(no name)* · cannot be shown" in str(message.blocks)
        assert "bad@harbour_tea" in str(message.blocks)
        assert len(logged(caplog, "account cannot be shown account=ba•••ea")) == 1
    assert "bad_example" not in caplog.text


@pytest.mark.parametrize(
    "place", ["bot.accounts._words", "bot.blocks.answers.account_details._facts", "bot.accounts.account_status"]
)
@pytest.mark.parametrize("text", ["show bad", "find bad", "show bad@harbour_tea"])
async def test_details_of_an_account_that_cannot_be_shown_name_it(monkeypatch, place, text):
    inject(monkeypatch, place)
    message = await CommandAnswers().to(text)
    assert message.text.startswith("bad@harbour_tea cannot be shown.")


async def test_account_is_shown_again_when_it_can_be(monkeypatch):
    answers = CommandAnswers()
    with monkeypatch.context() as patch:
        inject(patch, "bot.blocks.answers.account_rows.facts")
        assert "cannot be shown" in str((await answers.to("list")).blocks)
    assert "cannot be shown" not in str((await answers.to("list")).blocks)


async def test_history_that_cannot_be_shown_is_left_out(caplog):
    answers = CommandAnswers()

    async def faulty(account: KfAccount) -> str:
        raise ZeroDivisionError("bad_example")

    answers.answers._newest_episode = faulty
    assert (await answers.to("show bo")).text.startswith("Rejected: Bo")
    assert len(logged(caplog, "account cannot be shown")) == 1


async def test_deadline_in_the_last_hours_of_the_calendar_is_listed(monkeypatch):
    last = datetime.max.replace(tzinfo=UTC) - NOW
    answers = CommandAnswers(invited("bad", expires_in=last), rejected("bo"))
    answers.answers._base_context = replace(CONTEXT, text_zone=ZoneInfo("Asia/Shanghai"))
    for text in ("", "list", "show bad"):
        assert "cannot be shown" not in str((await answers.to(text)).blocks)


def inject(monkeypatch: pytest.MonkeyPatch, place: str, about: str = "'Bad'") -> None:
    """Let a function raise when any of its arguments is about the account "Bad"."""
    module, _, name = place.rpartition(".")
    original = getattr(__import__(module, fromlist=[name]), name)

    def faulty(*arguments, **options):
        if about in repr([*arguments, *options.values()]):
            raise ZeroDivisionError("bad_example")
        return original(*arguments, **options)

    monkeypatch.setattr(f"{module}.{name}", faulty)

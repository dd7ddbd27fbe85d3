"""Faults of single rows and messages: what can be written or shown is, and the memory of faults is bounded."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from bot.alerting.episode import Episode
from bot.alerting.incidents import Cause, ErrorDetails, Incident
from bot.delivery.failing_messages import MOST, FailingMessages
from bot.delivery.placeholders import with_placeholders
from bot.ports import Message
from bot.store import incident_rows
from bot.store.isolation import isolated
from bot.store.tables import episode as episode_table
from tests.episodes import episode

pytestmark = pytest.mark.mostly_sqlite


@pytest.mark.both_stores
async def test_keys_that_are_accepted_alone_but_not_together_are_written_one_after_the_other(store):
    emitted = {"a": "1", "b": "2", "c": "2"}  # b and c are the same event

    async def write(keys: Sequence[str]) -> Sequence[str]:
        async with tx.savepoint():
            for key in keys:
                event = {"kind": emitted[key]}
                await tx.run(
                    sa.text("INSERT INTO emitted_event VALUES ('e', :kind, 0, 'posted', '2026-11-23', NULL)"), event
                )
        return keys

    async with store.begin() as tx:
        written, failures = await isolated(tx, ["a", "b", "c"], write)
    assert (written, list(failures)) == ([["a"], ["b"]], ["c"])
    async with store.begin() as tx:
        assert (await tx.run(sa.text("SELECT kind FROM emitted_event ORDER BY kind"))).scalars().all() == ["1", "2"]


@pytest.mark.parametrize("fails", ["alone", "together", "one after the other"])
async def test_error_that_concerns_no_row_is_raised(store, fails):
    calls = 0

    async def write(keys: Sequence[str]) -> None:
        nonlocal calls
        calls += 1
        stage = {1: "first", 2: "alone", 3: "alone", 4: "together", 5: "one after the other"}[calls]
        if stage == fails:
            raise ConnectionResetError
        if len(keys) > 1:
            raise ValueError("not together")

    async def write_all() -> None:
        async with store.begin() as tx:
            await isolated(tx, ["a", "b"], write)

    with pytest.raises(ConnectionResetError):
        await write_all()


def test_message_of_which_no_member_can_be_rendered_fails():
    def render(_members: Sequence[Episode]) -> Message:
        raise ValueError("nothing can be shown")

    members = [episode(name="bo"), episode(name="dee")]
    with pytest.raises(ValueError, match="nothing can be shown"):
        with_placeholders(render, members, "message", None)


def test_oldest_of_many_faults_is_forgotten_and_logged_again():
    faults = FailingMessages()
    assert [faults.is_new(ValueError("x"), str(number)) for number in range(MOST + 1)] == [True] * (MOST + 1)
    assert faults.is_new(ValueError("x"), "0")
    assert not faults.is_new(ValueError("x"), str(MOST))


@pytest.mark.both_stores
async def test_incident_that_cannot_be_read_is_skipped_and_reported(store):
    now = datetime(2026, 11, 23, tzinfo=UTC)
    down = Incident("source_down-wx-1", Cause.SOURCE_DOWN, now, ErrorDetails("TransportError"))
    async with store.begin() as tx:
        await incident_rows.record(tx, None, down)
        assert await incident_rows.load(tx, down.id) == down
        await tx.run(sa.update(episode_table).values(detail={"kind": "TransportError"}))
        assert await incident_rows.load(tx, down.id) is None
        assert isinstance(tx.unreadable[down.id].error, KeyError)

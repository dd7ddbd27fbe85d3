"""Processes that share tokens renew each of them once, and a kill delays the next renewal by the lease."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from bot.sealing import new_key
from bot.store.database import Store
from tests.renewals import PLATFORM, Issuer, Plan, Renewal, mistakes, prepare, renewals_of, renewing
from tests.running import until

FEW = Plan(processes=3, tokens=20, life=2, margin=1, lease=0.5, kept=0.2, seconds=2.5)
MANY = Plan(processes=8, tokens=1000, life=20, margin=5, lease=2, kept=1, seconds=40)


async def run(plan: Plan, store_url: str, report: Path) -> dict[str, list[Renewal]]:
    """Run a plan, check each renewal, and return them by the owner of their token."""
    plan = replace(plan, store_url=store_url, key=new_key(), report=str(report))
    store = Store.from_url(store_url, "")
    await prepare(store, plan)
    await store.close()
    issuer = Issuer(plan)
    async with issuer.served() as url, renewing(replace(plan, issuer_url=url)):
        async with asyncio.timeout(30):
            while not issuer.asked:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        await asyncio.sleep(plan.seconds)
        await until(
            lambda: has_followed_a_kill(renewals_of(report, issuer)), within=30
        )  # at once, if it is not busy
    renewals = renewals_of(report, issuer)
    assert [mistake for each in renewals.values() for mistake in mistakes(each, plan)] == []
    return renewals


def has_followed_a_kill(renewals: Mapping[str, Sequence[Renewal]]) -> bool:
    """Return whether some renewal was cut off by a kill, and another of its token has followed."""
    return any(one.is_killed for each in renewals.values() for one in each[:-1])


@pytest.mark.process
@pytest.mark.mostly_sqlite
async def test_few_processes_renew_each_token_in_turn(store_url, tmp_path):
    renewals = await run(FEW, store_url, tmp_path / "report")
    assert renewals.keys() == {PLATFORM, *FEW.accounts}
    stored = sum(one.storing_at > 0 for each in renewals.values() for one in each)
    assert stored > len(renewals)


@pytest.mark.process
@pytest.mark.test_all
async def test_many_processes_renew_each_token_in_turn(store_url, tmp_path):
    renewals = await run(MANY, store_url, tmp_path / "report")
    stored = sum(one.storing_at > 0 for each in renewals.values() for one in each)
    assert stored > len(renewals) > MANY.tokens / 2


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (Renewal(0, 0.1, 0.2, 0.4, storing_at=0.5), Renewal(0.2, 0.3, 0.35, 0.6)),  # during the one before
        (Renewal(0, 0.1, 0.2, 0.4, storing_at=0.5), Renewal(1.3, 1.4)),  # earlier than the margin
        (Renewal(0, 0.1, 0.2, 0.4, is_killed=True), Renewal(0.3, 0.45)),  # within the lease
    ],
)
def test_mistakes_of_renewals_are_found(before, after):
    assert [*mistakes([before, after], FEW)]
    late = replace(after, claiming_at=3, claimed_at=3, asked_at=3, answered_at=3)
    assert not [*mistakes([before, late], FEW)]

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


async def run(plan: Plan, store_url: str, report: Path, *, owners: int) -> dict[str, list[Renewal]]:
    """Run a plan until the tokens of so many `owners` are renewed, and return all renewals by owner.

    Each renewal is checked. On a busy machine the run lasts longer than the plan says.
    """
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
        await until(lambda: is_complete(renewals_of(report, issuer), owners), within=30)
    renewals = renewals_of(report, issuer)
    assert [mistake for each in renewals.values() for mistake in mistakes(each, plan)] == []
    return renewals


def is_complete(renewals: Mapping[str, Sequence[Renewal]], owners: int) -> bool:
    """Return whether so many `owners` had a renewal, some had two, and one followed a renewal that a kill ended."""
    stored = sum(one.storing_at > 0 for each in renewals.values() for one in each)
    has_followed_a_kill = any(one.is_killed for each in renewals.values() for one in each[:-1])
    return stored > len(renewals) >= owners and has_followed_a_kill


@pytest.mark.process
@pytest.mark.mostly_sqlite
async def test_few_processes_renew_each_token_in_turn(store_url, tmp_path):
    owners = {PLATFORM, *FEW.accounts}
    assert (await run(FEW, store_url, tmp_path / "report", owners=len(owners))).keys() == owners


@pytest.mark.process
@pytest.mark.test_all
async def test_many_processes_renew_each_token_in_turn(store_url, tmp_path):
    await run(MANY, store_url, tmp_path / "report", owners=MANY.tokens // 2 + 1)


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

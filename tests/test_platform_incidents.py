"""The one notice about trouble of a third-party platform: from the row of the platform to the default channel."""

from __future__ import annotations

import asyncio
from dataclasses import asdict, dataclass
from datetime import timedelta

import pytest
import sqlalchemy as sa

from bot.alerting.incidents import Cause, ErrorDetails, Incident
from bot.alerting.platform_faults import PlatformHealth
from bot.blocks.answers.status_answer import status_answer
from bot.health.facts import HealthFacts, PlatformFacts, Problem, ProblemKind
from bot.health.problem_rules import diagnose
from bot.interactions.status_reporter import StatusReporter
from bot.readiness import about_platform, problems_of_several
from bot.runtime.metrics import Figures, Metrics
from bot.store import platform_health, platform_rows, tenants
from bot.store.database import Store
from bot.store.tables import tenant
from bot.store.tenants import PLATFORM
from bot.tenant_states import TenantState
from bot.tenants.tenant import Tenant, TenantOrigin
from bot.watcher.incident_reporting import CommonNotices
from bot.watcher.platform_incidents import PlatformIncidents
from tests.authorizations import platform_settings
from tests.bots import Bot
from tests.conftest import NOW, VirtualClock
from tests.samples import CONTEXT, HOUR, MINUTE
from wechat_kf.errors import api_error

APPID = "wx00000000000000c0"
ADDRESS = ErrorDetails.of(api_error(61004, "access clientip is not registered", address="203.0.113.7"))
SECRET = ErrorDetails.of(api_error(40125, "invalid appsecret"))


@dataclass
class Place:
    """A process between the store and the default channel, and a platform that two accounts authorise."""

    store: Store
    clock: VirtualClock
    bot: Bot
    incidents: PlatformIncidents

    async def push_ticket(self) -> None:
        async with self.store.begin() as tx:
            await platform_rows.take_ticket(tx, APPID, tx.now, "sealed")

    async def fail(self, fault: ErrorDetails) -> None:
        async with self.store.begin() as tx:
            await platform_rows.record_fault(tx, APPID, asdict(fault))

    async def work_again(self) -> None:
        async with self.store.begin() as tx:
            await platform_rows.clear_fault(tx, APPID)

    async def check(self, after: timedelta = MINUTE) -> None:
        """Let time pass, check the platform, and deliver every message."""
        self.clock.now += after
        await self.incidents.check(self.store)
        await self.bot.deliver()

    async def health(self) -> PlatformHealth:
        async with self.store.begin() as tx:
            return await platform_health.load(tx, APPID)

    @property
    def posts(self) -> list[str]:
        """Return the first sentence of each message in the channel."""
        return [one.message.text.split(". ")[0] for one in self.bot.slack.posted]

    @property
    def edit(self) -> str:
        """Return the text of the last edit."""
        return self.bot.slack.edited[-1][1].text


@pytest.fixture
async def place(store, clock) -> Place:
    await store.open()
    bot = Bot(store, clock)
    made = Place(bot.store, clock, bot, PlatformIncidents(APPID, CommonNotices(bot.recorder, bot.slack.id)))
    states = {"kiosk": TenantState.ACTIVE, "orchid": TenantState.DOUBTFUL, "tea": TenantState.REVOKED, "x": "newer"}
    async with made.store.begin() as tx:
        for slug, state in states.items():
            row = {"appid": f"wx-{slug}", "slug": slug, "origin": PLATFORM, "state": state}
            row |= {"platform_appid": APPID, "created_at": tx.now, "changed_at": tx.now}
            await tx.run(sa.insert(tenant).values(row))
    await made.push_ticket()
    return made


@pytest.mark.both_stores
async def test_fault_of_the_platform_is_one_notice_which_is_edited_when_it_ends(place):
    await place.fail(ADDRESS)
    await place.check()
    await place.check()
    assert place.posts == ["WeChat refused this server's address for the platform, 203.0.113.7"]
    shown = str(place.bot.slack.posted[0].message.blocks)
    assert "It concerns 2 Official Accounts of the platform, which have no notices of their own." in shown
    assert "203.0.113.7" in shown
    assert "Check now" not in shown
    await place.work_again()
    await place.check()
    assert place.edit == "The platform works again. Out for 3 min."
    assert place.posts[1:] == ["The platform works again, after 3 min."]


async def test_other_fault_changes_the_notice_and_is_reported_in_its_thread(place):
    await place.fail(ADDRESS)
    await place.check()
    await place.work_again()
    await place.fail(SECRET)
    await place.check()
    assert place.posts[1:] == ["WeChat refused the AppSecret of the platform"]
    assert place.edit.startswith("WeChat refused the AppSecret of the platform. Put the AppSecret")


async def test_processes_that_check_at_once_make_one_notice(place):
    await place.fail(ADDRESS)
    await asyncio.gather(*(place.incidents.check(place.store) for _ in range(3)))
    await place.check()
    assert len(place.posts) == 1


async def test_missing_tickets_are_a_notice_after_half_an_hour(place):
    await place.check(30 * MINUTE)
    assert place.posts == []
    await place.check()
    assert place.posts == ["WeChat sends the platform no tickets"]
    await place.check(3 * HOUR)
    await place.push_ticket()
    await place.check()
    assert place.edit.startswith("The platform works again. Out for 3 h")


async def test_second_holder_is_a_notice_for_an_hour(place):
    for _ in range(2):
        async with place.store.begin() as tx:
            await platform_rows.note_refusal(tx, APPID)
    await place.check()
    assert place.posts == ["Another system renews the platform's token"]
    place.clock.now += HOUR
    await place.push_ticket()
    await place.check()
    assert place.edit.startswith("The platform works again.")


async def test_fault_of_another_release_is_ignored(place):
    async with place.store.begin() as tx:
        await platform_rows.record_fault(tx, APPID, {"kind": "New", "severity": 3})
    assert (await place.health()).fault is None
    await place.check()
    assert place.posts == []


async def test_accounts_of_a_platform_are_counted_by_state(place):
    async with place.store.begin() as tx:
        numbers = await tenants.count(tx, platform_appid=APPID)
        others = await tenants.count(tx, platform_appid="wx-another")
        assert await platform_health.load(tx, "wx-another") == PlatformHealth()
    counted = {state: number for state, number in numbers.items() if number}
    # A state of a newer release counts as paused, as everywhere.
    states = (TenantState.ACTIVE, TenantState.PAUSED, TenantState.DOUBTFUL, TenantState.REVOKED)
    assert counted == dict.fromkeys(states, 1)
    assert set(others.values()) == {0}


async def test_health_and_status_show_the_incident_and_the_accounts(place):
    await place.fail(SECRET)
    await place.check()

    def reporter(*, of_platform: bool) -> StatusReporter:
        settings = platform_settings(platform_appid=APPID)
        several = {"is_one_of_several": True, "is_of_platform": of_platform}
        return StatusReporter(place.store, settings, lambda: None, place.clock, **several)

    facts = await reporter(of_platform=False).facts()
    assert facts.platform
    assert facts.platform.accounts[TenantState.ACTIVE] == 1
    (problem,) = [one for one in diagnose(facts) if one.kind is ProblemKind.PLATFORM_FAILING]
    assert problem.concerns_all
    assert problem.has_no_account
    # The status of an account that does not authorise the platform does not show it.
    assert (await reporter(of_platform=False).status()).facts.platform is None
    status = await reporter(of_platform=True).status()
    shown = status_answer(status, place.clock(), CONTEXT).text
    assert "WeChat refused the AppSecret of the platform" in shown
    assert "Platform: last ticket 1 min ago, 1 watched, 1 paused, 1 doubtful, 1 withdrawn." in shown
    line = about_platform(facts.platform, place.clock())
    assert line == "Platform: last ticket 1 min ago, 1 watched, 1 paused, 1 doubtful, 1 withdrawn"


def test_line_about_a_platform_before_its_first_ticket_and_account():
    assert about_platform(PlatformFacts(), NOW) == "Platform: no ticket yet, no account has authorised it yet"
    ahead = PlatformFacts(NOW + HOUR)
    assert about_platform(ahead, NOW).startswith("Platform: last ticket less than 1 min ago")


def test_trouble_of_the_platform_is_a_line_of_readyz_without_an_account():
    incident = Incident("1", Cause.PLATFORM_PROBLEM, NOW, SECRET)
    problem = Problem(ProblemKind.PLATFORM_FAILING, NOW, incident=incident)
    tenant = Tenant("harbour", "Harbour", (), TenantOrigin.PLATFORM, platform_settings())
    (line,) = problems_of_several([(tenant, [problem])])
    assert line.startswith("WeChat refused the AppSecret of the platform.")


def test_ticket_age_is_a_metric_of_a_platform_alone():
    facts = HealthFacts(NOW + 5 * MINUTE, platform=PlatformFacts(NOW))
    text = Metrics().render(Figures(facts, {})).decode()
    assert "wechat_kf_platform_ticket_age_seconds 300.0" in text
    assert "ticket_age" not in Metrics().render(Figures(HealthFacts(NOW), {})).decode()

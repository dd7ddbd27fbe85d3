"""What a process builds for a platform, what it builds without one, and what it does without any account."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from bot import console
from bot.app import Process
from bot.blocks.context import RenderContext
from bot.doctor import running
from bot.doctor.findings import Unset
from bot.fleet import Fleet, build_fleet
from bot.health.facts import ProblemKind
from bot.health.problem_rules import diagnose
from bot.interaction_wiring import with_administration
from bot.interactions.no_accounts import NoAccounts
from bot.outbox.event_keys import EventKeys
from bot.platform.services import AuthorizerTokens
from bot.ports import BlockAction, Command, FieldErrors, HomeOpened, Submission, unannounced
from bot.store.tables import poll_state
from bot.store.tenants import StoredTenant
from bot.tenant_states import TenantState
from bot.tenants.accounts_file import AccountsFile
from bot.tenants.loading import DefinedAccounts, load
from bot.tenants.stored_accounts import StoredAccounts
from bot.tenants.tenant import Tenant, TenantOrigin
from bot.wiring import Services
from tests.authorizations import platform_settings
from tests.conftest import VirtualClock
from tests.platforms import PLATFORM_SECRET, SHOP
from tests.vectors_of_pushes import PLATFORM_APPID
from wechat_kf import StableToken


def of_platform(appid: str = SHOP, state: TenantState = TenantState.ACTIVE) -> Tenant:
    settings = replace(platform_settings(), wechat_appid=appid)
    return Tenant("shop", "Shop", (), TenantOrigin.PLATFORM, settings, "platform", state)


@asynccontextmanager
async def fleet_of(url: str, *tenants: Tenant, clock: VirtualClock | None = None) -> AsyncIterator[Fleet]:
    settings = replace(platform_settings(), database_url=url, slack_api_url="http://127.0.0.1:9/")
    async with build_fleet(settings, tenants, clock or VirtualClock(), role="web") as fleet:
        yield fleet


async def test_account_of_the_platform_gets_its_tokens_and_its_key(tmp_path):
    async with fleet_of(f"sqlite:///{tmp_path / 'kf.db'}", of_platform()) as fleet:
        services = fleet.accounts[SHOP]
        assert isinstance(services.tokens, AuthorizerTokens)
        assert services.tokens.expires_at is None
        assert services.tokens is fleet.shared.tokens_of(services.tenant)
        assert event_key(services) == EventKeys(PLATFORM_SECRET, SHOP).message_key("x")


async def test_account_beside_it_keeps_its_own(tmp_path):
    own = replace(of_platform("wx1"), origin=TenantOrigin.COMMAND, source="secret")
    own = replace(own, secret="own")
    async with fleet_of(f"sqlite:///{tmp_path / 'kf.db'}", own, of_platform()) as fleet:
        services = fleet.accounts["wx1"]
        assert isinstance(services.tokens, StableToken)
        assert event_key(services) == EventKeys("own", "wx1").message_key("x")


def event_key(services: Services) -> str:
    assert services.recorder
    return services.recorder.event_keys.message_key("x")


async def test_shared_problems_are_reported_by_an_account_that_is_polled(tmp_path):
    revoked = of_platform("wx1", TenantState.REVOKED)
    async with fleet_of(f"sqlite:///{tmp_path / 'kf.db'}", revoked, of_platform()) as fleet:
        assert fleet.first.tenant.appid == SHOP
        assert fleet.accounts["wx1"].context.is_withdrawn
        assert not fleet.first.context.is_withdrawn


@pytest.mark.mostly_sqlite
async def test_process_without_accounts_is_healthy_once_its_store_is_open(store_url, clock):
    async with fleet_of(store_url, clock=clock) as fleet:
        store = fleet.shared.store
        assert store
        await store.open()
        await fleet.first.status_reporter.register()
        assert await fleet.problems() == []
        assert await fleet.check() == []
        figures = await fleet.figures()
        assert figures.messages is not None
        assert fleet.shared.metrics.render(figures)
        Process(fleet, "web", print)


async def test_everything_is_answered_with_one_sentence(tmp_path):
    async with fleet_of(f"sqlite:///{tmp_path / 'kf.db'}") as fleet:
        handler = NoAccounts(fleet.shared.readers, RenderContext.from_settings(fleet.shared.settings))
        said = await handler.handle_command(Command("", "U0MEI", "mei", ""), unannounced)
        click = BlockAction("refresh", "x", "U0MEI", "mei")
        assert said == await handler.handle_action(click, unannounced)
        assert said
        assert "No account has authorised the platform yet: /kf accounts link" in said.text
        refused = await handler.handle_submission(Submission("", "", "", "", {"a": "b"}, "U0MEI"))
        assert isinstance(refused, FieldErrors)
        assert list(refused.errors) == ["a"]
        await handler.handle_home_opened(HomeOpened("U0MEI", True, ""))
        assert handler.failed("U0MEI").text
        assert handler.restarting("U0MEI").text
        await fleet.shared.tasks.drain(0)


@pytest.mark.parametrize("appid", ["", PLATFORM_APPID])
async def test_commands_of_administrators_are_answered_without_one_if_there_is_a_platform(tmp_path, appid):
    async with fleet_of(f"sqlite:///{tmp_path / 'kf.db'}") as fleet:
        settings = replace(fleet.shared.settings, platform_appid=appid)
        others = NoAccounts(fleet.shared.readers, RenderContext.from_settings(settings))
        defined = DefinedAccounts(settings, (), AccountsFile())
        assert fleet.shared.store
        handler = with_administration(others, fleet.shared, [], defined, fleet.shared.store)
        assert (handler is others) == (appid == "")


@pytest.mark.mostly_sqlite
async def test_check_polls_no_account_that_was_withdrawn(store_url, capsys):
    revoked = of_platform(state=TenantState.REVOKED)
    settings = replace(revoked.settings, database_url=store_url, slack_api_url="http://127.0.0.1:9/")
    await console.check(settings, [replace(revoked, settings=settings)])
    assert "WeChat" not in capsys.readouterr().out


def test_alerts_go_to_the_first_route_of_a_label_or_to_the_common_channel():
    file = """
[[account]]
handle = "own"
appid = "wx1"
secret = "env:OWN"

[[route]]
label = "tea"
channel = "C0TEA"
"""
    rows = [
        StoredTenant(appid, appid, "", "platform", platform_appid=PLATFORM_APPID, own=own)
        for appid, own in (
            ("wx2", {"labels": ["tea"]}),
            ("wx3", {}),
            ("wx4", {"channel": "C0OWN", "labels": ["tea"]}),
        )
    ]
    settings = platform_settings(accounts_toml=file)
    tenants = load(settings, {"OWN": "secret"}, str, StoredAccounts(tuple(rows)))
    channels = {one.appid: one.settings.slack_alert_channel for one in tenants}
    assert channels == {"wx1": "C0ALERTS", "wx2": "C0TEA", "wx3": "C0ALERTS", "wx4": "C0OWN"}
    assert {one.source for one in tenants} == {"secret", "platform"}


@pytest.mark.mostly_sqlite
@pytest.mark.parametrize("state", [TenantState.ACTIVE, TenantState.REVOKED])
async def test_doctor_finds_only_accounts_late_that_are_polled(store, clock, state):
    store.include([SHOP])
    await store.open()
    async with store.begin() as tx:
        ago = {"polled_at": clock() - timedelta(hours=9), "next_poll_at": clock() - timedelta(hours=9)}
        await tx.run(sa.update(poll_state).values(**ago, watching_since=clock() - timedelta(days=1)))
    shop = of_platform(state=state)
    read = await running.read(store.of, shop.settings, [shop], {}, Unset({}), clock)
    assert read
    kinds = [problem.kind for problem in diagnose(read.facts)]
    assert (ProblemKind.POLL_OVERDUE in kinds) == state.is_polled

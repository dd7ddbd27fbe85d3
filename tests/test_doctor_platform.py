"""The doctor's checks of a third-party platform: they renew no token, and change nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from bot.alerting.incidents import ErrorDetails
from bot.doctor import platform_checks
from bot.doctor.findings import Finding, Unset
from bot.fleet import build_fleet
from bot.ports import utc_now
from bot.sealing import StoreKeys
from bot.settings.values import Settings
from bot.store import platform_rows
from bot.store.inspection import read_only_stores
from bot.store.tables import platform, secret, token
from bot.store.token_leases import StoredTokens
from bot.tenants.tenant import Tenant, TenantOrigin
from bot.wiring import build_shared
from tests.authorizations import KEYS
from tests.doctors import about
from tests.platforms import SHOP
from tests.samples import MINUTE
from tests.served_platforms import ServedPlatform, owners_page, served_platform
from tests.vectors_of_pushes import PLATFORM_APPID
from wechat_kf import KfError
from wechat_kf.errors import api_error
from wechat_kf.platform import AUTHORIZER_TOKEN, QUOTA
from wechat_kf.simulator import Fault, FaultMode

pytestmark = pytest.mark.server


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[ServedPlatform]:
    """Serve a platform that one shop has authorised, and for which a process has a token."""
    async with served_platform(tmp_path, utc_now()) as made:
        await made.push_ticket()
        made.wechat.authorize(SHOP)
        async with made.process() as shared:
            assert shared.platform
            await shared.platform.list.read_if_due(always=True)
        yield made


async def examined(place: ServedPlatform, **changed: object) -> Sequence[Finding]:
    settings = replace(place.settings, **changed)
    async with (
        owners_page(403, settings, **{"Referrer-Policy": "origin"}) as reached,
        read_only_stores(settings.database_url) as store_of,
        build_shared(replace(reached, alerts=False), place.clock) as shared,
    ):
        used = settings if "platform_url" in changed else reached
        report = await platform_checks.examine(store_of, used, shared, Unset({}))
    return report.findings


def verdicts(findings: Sequence[Finding]) -> dict[str, str]:
    return {finding.check: finding.verdict for finding in findings}


async def fail(place: ServedPlatform, errcode: int, path: str = QUOTA) -> None:
    place.wechat.world.component_api.inject(Fault(FaultMode.ERRCODE, errcode=errcode, path=path))


async def test_platform_that_works_is_well_and_no_token_is_renewed(place):
    before = len(place.wechat.world.component_api.log)
    findings = await examined(place)
    assert set(verdicts(findings).values()) == {"ok"}
    assert [finding.check for finding in findings] == [
        "ticket",
        "platform token",
        "quota",
        "single holder",
        "PLATFORM_URL",
    ]
    called = [call.path for call in [*place.wechat.world.component_api.log][before:]]
    assert called == [QUOTA, QUOTA]
    assert "reaches this installation" in about([*findings], "PLATFORM_URL").said


async def test_installation_without_a_platform_has_no_findings(place):
    assert await examined(place, platform_appid="") == ()


async def test_platform_without_a_ticket_is_wrong_and_one_without_tables_unknown(tmp_path):
    async with served_platform(tmp_path, utc_now()) as new:
        findings = await examined(new)
        assert about([*findings], "platform").verdict == "unknown"
        async with new.process():
            pass
        findings = await examined(new)
        assert about([*findings], "ticket").said.startswith("none has arrived")
        assert about([*findings], "platform token").verdict == "unknown"


async def test_old_ticket_is_wrong_with_its_age(place):
    await place.in_store(lambda tx: tx.run(sa.update(platform).values(pushed_at=place.clock.now - 40 * MINUTE)))
    found = about([*await examined(place)], "ticket")
    assert (found.verdict, "ago" in found.said) == ("wrong", True)
    assert "PLATFORM_URL" in found.remedy


async def test_refused_address_is_named(place):
    await fail(place, 61004)
    found = about([*await examined(place)], "platform token")
    assert found.verdict == "wrong"
    assert "refused this server's address for the platform" in found.said


async def test_recorded_fault_is_shown_while_there_is_no_token(place):
    fault = asdict(ErrorDetails.of(api_error(40125, "invalid appsecret")))
    await place.in_store(lambda tx: platform_rows.record_fault(tx, PLATFORM_APPID, fault))
    await place.in_store(lambda tx: tx.run(sa.delete(token)))
    findings = await examined(place)
    assert "WeChat refused the AppSecret of the platform" in about([*findings], "platform").said
    assert "platform token" not in verdicts(findings)


async def test_second_holder_of_the_token_is_wrong(place):
    await place.in_store(lambda tx: tx.run(sa.update(platform).values(rival_at=tx.now - MINUTE)))
    assert "Another system renews" in about([*await examined(place)], "single holder").said


async def test_quota_that_is_too_small_for_the_accounts_is_wrong():
    quota = platform_checks.Quota
    few = platform_checks._quotas(quota(100, 10, 90), quota(1000, 0, 1000), 100)
    assert [finding.verdict for finding in few] == ["wrong"]
    assert "71 accounts that are polled all day; 100 are polled" in few[0].said
    spent = platform_checks._quotas(quota(100, 98, 2), quota(100_000, 0, 100_000), 100)
    assert [finding.verdict for finding in spent] == ["wrong", "ok"]
    assert platform_checks._quotas(quota(None, None, None), quota(None, None, None), 1)[0].verdict == "unknown"


async def test_secrets_that_no_key_opens_are_counted(place):
    findings = await examined(place, store_keys=("22" * 32,))
    assert about([*findings], "keys").said.startswith(
        "2 secrets of the platform cannot be opened: STORE_KEYS lacks"
    )
    await place.in_store(lambda tx: tx.run(sa.update(secret).values(owner="wx-moved")))
    assert "changed in the database" in about([*await examined(place)], "keys").said


@pytest.mark.parametrize(("status", "said"), [(404, "HTTP 404"), (403, "HTTP 403")])
async def test_address_that_leads_elsewhere_is_wrong(place, status, said):
    async with owners_page(status, place.settings) as elsewhere:
        found = about([*await examined(place, platform_url=elsewhere.platform_url)], "PLATFORM_URL")
    assert (found.verdict, said in found.said) == ("wrong", True)
    assert "/wechat/platform/*" in found.remedy


async def test_address_that_does_not_answer_is_wrong(place):
    found = about([*await examined(place, platform_url="http://127.0.0.1:9")], "PLATFORM_URL")
    assert "does not answer" in found.said


async def test_account_is_read_with_the_token_that_the_processes_have(place):
    settings: Settings = replace(place.settings, wechat_appid=SHOP)
    shop = Tenant("shop", "", (), TenantOrigin.PLATFORM, settings, "platform")
    async with build_fleet(settings, [shop], place.clock) as fleet:
        platform = fleet.shared.platform
        assert platform

        async def verdicts_now() -> dict[str, str]:
            async with read_only_stores(settings.database_url) as store_of:
                stored = StoredTokens(store_of("", ""), StoreKeys(KEYS))
                report = await platform_checks.examine_account(fleet.first, stored, Unset({}), "WECHAT_PROXY_URL")
            return verdicts(report.findings)

        assert await verdicts_now() == {"WeChat token": "unknown"}
        await platform.tokens_of(SHOP).get()
        assert (await verdicts_now())["customer service"] == "ok"
        report = await platform_checks.examine_account(fleet.first, None, Unset({}), "WECHAT_PROXY_URL")
        assert verdicts(report.findings) == {"WeChat token": "unknown"}


async def test_renewals_of_tokens_are_counted_by_kind_and_result(place):
    async with place.process() as shared:
        assert shared.platform
        await shared.platform.tokens_of(SHOP).get()
        await fail(place, 61023, AUTHORIZER_TOKEN)
        with pytest.raises(KfError):
            await shared.platform.tokens_of("wx-unknown").get()
        metrics = shared.metrics
    assert metrics.number("renewal", "authorizer", "ok") == 1
    assert metrics.number("renewal", "authorizer", "refused") == 1

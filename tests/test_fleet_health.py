"""What is wrong with all Official Accounts is a problem once; what is wrong with one is a problem of that one."""

from __future__ import annotations

from dataclasses import replace

from bot.fleet import build_fleet
from bot.health.facts import HealthFacts, ProblemKind, RejectedRequests
from bot.runtime.metrics import Metrics
from bot.settings.values import Settings
from bot.tenants.model import Origin, Tenant
from tests.conftest import NOW
from tests.samples import MINUTE

LATE = HealthFacts(NOW, polled_at=NOW - 60 * MINUTE, started_at=NOW - 90 * MINUTE)


def tenant(slug: str) -> Tenant:
    settings = Settings(f"wx-{slug}", "secret", "xoxb-token", slack_alert_channel="C0ALERTS", alerts=False)
    return Tenant(slug, slug.capitalize(), (), Origin.FILE, settings)


async def test_trouble_that_all_accounts_share_is_not_repeated_for_each():
    tenants = [tenant("harbour"), tenant("kiosk")]
    async with build_fleet(tenants[0].settings, tenants) as fleet:
        fleet.known = {"wx-kiosk": replace(LATE, rejected=RejectedRequests("signature", 3, NOW))}
        _, (kiosk, problems) = await fleet.check()
    assert (kiosk.tenant.slug, [problem.kind for problem in problems]) == ("kiosk", [ProblemKind.POLL_OVERDUE])


async def test_health_of_the_other_accounts_is_not_read_at_every_poll():
    tenants = [tenant("harbour"), tenant("kiosk")]
    async with build_fleet(tenants[0].settings, tenants) as fleet:
        await fleet.problems()
        fleet.known = {"wx-kiosk": LATE}
        _, (_, problems) = await fleet.problems()
    assert [problem.kind for problem in problems] == [ProblemKind.POLL_OVERDUE]


async def test_metrics_show_a_problem_of_any_account_and_the_oldest_poll():
    tenants = [tenant("harbour"), tenant("kiosk")]
    async with build_fleet(tenants[0].settings, tenants) as fleet:
        fleet.known = {"wx-kiosk": LATE}
        text = Metrics().render(await fleet.figures()).decode()
    assert 'wechat_kf_problem{kind="poll_overdue"} 1.0' in text
    assert "wechat_kf_last_successful_poll_age_seconds 3600.0" in text
    assert "kiosk" not in text

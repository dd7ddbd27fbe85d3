"""An Official Account that authorises the platform: its state wherever people read about the account."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import sqlalchemy as sa

from bot import actions
from bot.accounts import Snapshot
from bot.accounts_cli import listing
from bot.actions import HomeList
from bot.blocks.account_states import state_words
from bot.blocks.answers.fleet_accounts import accounts_page
from bot.blocks.answers.read_failure import read_failure
from bot.blocks.answers.status_answer import status_answer
from bot.blocks.channel.incident_notices import explain_old_states
from bot.blocks.home.board import unavailable
from bot.blocks.home.home_view import HomeUser
from bot.blocks.problems import explain_error
from bot.doctor.account_checks import representatives
from bot.fleet_overview import TenantFigures, TenantName, TenantOverview
from bot.health.facts import HealthFacts, ProblemKind
from bot.health.problem_rules import diagnose, may_be_silent
from bot.interactions.account_reader import AccountReader
from bot.ports import Message
from bot.settings.values import Settings
from bot.store.database import Store
from bot.store.tables import tenant
from bot.tenant_requests import AccountsOverview, parse_fleet
from bot.tenant_states import AUTHORISATION, NotPolled, NotPolledError, TenantState
from bot.tenants.installation import Installation, Paused
from bot.tenants.stored_accounts import read
from bot.tenants.tenant import Tenant, TenantOrigin
from tests.conftest import NOW, at_now
from tests.episodes import assert_fit
from tests.fleets import AT_HARBOUR, fleet_world
from tests.running import CARE, bot_in_loop, final_answer, sqlite
from tests.samples import CONTEXT, HOUR, shown
from tests.test_blocks_fleet import BUSY, CALM, CHINESE
from tests.test_health_table import WELL
from tests.test_report import WELL as STATUS
from tests.test_settings import PLATFORM
from tests.test_tenants import SLACK
from wechat_kf.errors import api_error

ROSE = "wxaaaaaaaaaaaaaaaa"
NEXT = "send the owner a new link, which `/kf accounts link` makes"
TITLES = {
    TenantState.UNEXCHANGED: "The authorisation is not complete",
    TenantState.UNGRANTED: "The owner has not granted customer service",
    TenantState.DOUBTFUL: "WeChat does not find the authorisation",
    TenantState.REVOKED: "The owner has withdrawn the authorisation",
    TenantState.CLOSED: "WeChat has closed or frozen the account",
}
STATES = pytest.mark.parametrize("state", AUTHORISATION)


def shop(state: TenantState, slug: str = "shop", figures: TenantFigures = CALM.figures) -> TenantOverview:
    return TenantOverview(TenantName(f"wx-{slug}", slug, slug.capitalize()), figures, state)


def page(*rows: TenantOverview, request: AccountsOverview = AccountsOverview()) -> Message:  # noqa: B008  frozen
    return accounts_page(rows, request, NOW, CONTEXT)


def test_every_state_of_an_authorisation_has_words_and_no_other_state_has():
    assert {state: words.title for state in TenantState if (words := state_words(state, CONTEXT))} == TITLES
    assert set(TITLES) == set(AUTHORISATION)


@STATES
def test_state_takes_the_place_of_a_list_with_one_next_step(state):
    error = NotPolledError(state)
    message = read_failure(explain_error(error, CONTEXT), NOW, CONTEXT, retry="v1:overview", last_good=None)
    assert shown(message)[0].startswith(f"⚠️ *{TITLES[state]}*\n")
    assert shown(message)[1].startswith("*Next:* ")
    assert_fit(message)


@STATES
def test_home_shows_the_state(state):
    why = explain_old_states(NotPolledError(state), CONTEXT)
    view = unavailable(why, None, replace(STATUS, state=state), HomeUser("U0MEI"), HomeList(), NOW, CONTEXT)
    assert view["blocks"][0]["text"]["text"] == f"⚠️ {TITLES[state]}"
    assert f"*The bot* · ⚠️ {TITLES[state]}" in str(view["blocks"])


@STATES
def test_status_of_the_account_shows_the_state_before_its_facts(state):
    message = status_answer(replace(STATUS, state=state), NOW, CONTEXT)
    assert shown(message)[0] == f"⚠️ {TITLES[state]}"
    assert "*Next:* " in shown(message)[1]
    assert message.text.startswith(TITLES[state])
    assert_fit(message)


def test_status_shows_a_problem_of_the_bot_before_the_state():
    facts = replace(STATUS.facts, differing_settings=("HOST",))
    message = status_answer(replace(STATUS, facts=facts, state=TenantState.REVOKED), NOW, CONTEXT)
    assert shown(message)[0] == "⚠️ The processes have different settings"
    assert shown(message)[2].startswith("*Also:* The owner has withdrawn the authorisation. *Next:* if that was")


def test_status_announces_no_read_of_an_account_that_is_not_polled():
    facts = replace(STATUS.facts, next_poll_at=NOW + HOUR)
    assert "next read" in status_answer(replace(STATUS, facts=facts), NOW, CONTEXT).text
    withdrawn = replace(STATUS, facts=replace(facts, is_polled=False), state=TenantState.REVOKED)
    assert "next read" not in status_answer(withdrawn, NOW, CONTEXT).text


def test_account_that_is_not_polled_is_never_late():
    late = HealthFacts(NOW, **WELL | {"polled_at": NOW - 9 * HOUR})
    assert [problem.kind for problem in diagnose(late)] == [ProblemKind.POLL_OVERDUE]
    assert not may_be_silent(diagnose(replace(late, is_polled=False)))
    assert diagnose(replace(late, is_polled=False, pending=1, overdue=1))[0].kind is ProblemKind.ALERTS_OVERDUE


async def test_account_that_is_not_polled_is_not_read():
    async def owned() -> tuple[()]:
        return ()

    reader = AccountReader(NotPolled(TenantState.REVOKED), now=at_now, policy=CONTEXT.policy, owned=owned)
    with pytest.raises(NotPolledError) as failed:
        await reader.read()
    assert failed.value.state is TenantState.REVOKED
    assert await reader.online() is None
    assert isinstance(reader.last(), Snapshot | None)


@pytest.mark.parametrize(
    ("errcode", "state"),
    [
        (61003, TenantState.DOUBTFUL),
        (61007, TenantState.UNGRANTED),
        (61002, TenantState.UNGRANTED),
        (61016, TenantState.UNGRANTED),
        (61017, TenantState.UNGRANTED),
        (61023, TenantState.DOUBTFUL),
    ],
)
def test_errcode_is_explained_in_the_words_of_its_state(errcode, state):
    explanation = explain_error(api_error(errcode, "x", rid="abc"), CONTEXT)
    assert (explanation.title, explanation.facts) == (TITLES[state], (f"errcode {errcode}", "rid abc"))


@STATES
def test_overview_of_accounts_shows_the_state_and_the_next_step(state):
    lines = shown(page(shop(state), BUSY))
    place = next(place for place, line in enumerate(lines) if line.endswith("*Shop* · @shop"))
    assert lines[place + 1].startswith(f"{TITLES[state]} · 1 ") or lines[place + 1].startswith(TITLES[state])
    assert lines[place + 2].startswith("*Next:* ")
    assert f"Shop ({TITLES[state]}" in page(shop(state), BUSY).text
    assert_fit(page(shop(state)))


def test_accounts_whose_owner_needs_a_link_come_first_and_those_that_are_over_last():
    names = [TenantState.REVOKED, TenantState.CLOSED, TenantState.DOUBTFUL, TenantState.UNGRANTED]
    rows = [shop(state, state) for state in names]
    message = page(*rows, BUSY)
    order = [line.split("@")[1] for line in shown(message) if " · @" in line]
    assert order == ["ungranted", "harbour", "doubtful", "closed", "revoked"]
    assert shown(message)[0] == "5 Official Accounts · 2 need attention"


@pytest.mark.parametrize(
    ("typed", "state", "number"),
    [
        ("accounts revoked", TenantState.REVOKED, 1),
        ("accounts ungranted 2", TenantState.UNGRANTED, 2),
        ("公众号已取消授权", TenantState.REVOKED, 1),
        ("公众号 授权未完成 第2页", TenantState.UNEXCHANGED, 2),
        ("公众号 封禁", TenantState.CLOSED, 1),
    ],
)
def test_accounts_in_a_state_are_asked_for_by_its_word(typed, state, number):
    request = AccountsOverview(number, tenant_state=state)
    assert parse_fleet(typed) == request
    assert actions.decode_fleet(actions.encode(request)) == request


@pytest.mark.parametrize("typed", ["accounts revoked shop", "accounts revoked rejected", "all revoked"])
def test_word_of_a_state_beside_other_words_is_a_text(typed):
    request = parse_fleet(typed)
    assert request is None or getattr(request, "tenant_state", None) is None


def test_forged_state_of_a_button_is_not_taken():
    assert actions.decode_fleet("v1:accounts:1:active:") is None
    assert actions.decode_fleet("v1:accounts:0:revoked:") is None


def test_overview_of_a_state_counts_its_accounts_alone():
    revoked = AccountsOverview(tenant_state=TenantState.REVOKED)
    lines = shown(page(shop(TenantState.REVOKED), BUSY, request=revoked))
    assert lines[0] == "1 Official Account · The owner has withdrawn the authorisation"
    assert "@harbour" not in " ".join(lines[:3])
    assert shown(page(BUSY, CALM, request=revoked))[0] == "*No Official Account is in this state.*"


def test_account_that_is_not_polled_is_no_example_of_one_to_read():
    assert "/kf @harbour reads one now" in shown(page(shop(TenantState.UNGRANTED), BUSY))[-1]
    assert "reads one now" not in shown(page(shop(TenantState.UNGRANTED)))[-1]
    new = shop(TenantState.REVOKED, figures=TenantFigures())
    assert shown(page(new))[-1] == "1 was not read yet"


def test_link_is_the_next_step_in_both_languages():
    words = state_words(TenantState.UNEXCHANGED, CONTEXT)
    assert words
    assert words.next.startswith(NEXT)
    chinese = state_words(TenantState.UNEXCHANGED, CHINESE)
    assert chinese
    assert chinese.next == "用 `/kf accounts link` 生成新链接，发给账号管理员。"


def shops() -> list[Tenant]:
    """Return accounts of a platform, in a state each."""
    settings, _ = Settings.read(SLACK | PLATFORM | {"DATABASE_URL": "sqlite:///absent.db"})
    states = (TenantState.ACTIVE, TenantState.REVOKED, TenantState.DOUBTFUL)
    return [
        Tenant(
            state, "", (), TenantOrigin.PLATFORM, replace(settings, wechat_appid=f"wx-{state}"), "platform", state
        )
        for state in states
    ]


def test_doctor_examines_every_account_that_is_not_polled():
    assert [one.slug for one in representatives(shops(), ())] == ["active", "revoked"]


async def test_table_of_accounts_has_the_state_and_the_next_step(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    tenants = shops()
    listed = Installation(tenants, [Paused(tenants[1], "paused")])
    assert await listing.show(tenants[0].settings, listed, as_json=False) == 0
    table = capsys.readouterr().out
    assert "next step" in table
    assert "revoked: The owner has withdrawn the authorisation" in " ".join(table.replace("│", " ").split())
    active = Installation(tenants[:1], [])
    assert await listing.show(tenants[0].settings, active, as_json=False) == 0
    assert "next step" not in capsys.readouterr().out


async def test_accounts_are_listed_by_state_as_json(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    tenants = shops()

    async def slugs(state: str) -> dict[str, str | None]:
        await listing.show(tenants[0].settings, Installation(tenants, []), listing.Chosen(state), as_json=True)
        return {one["handle"]: one.get("next_step") for one in json.loads(capsys.readouterr().out)}

    assert await slugs("watched") == {
        "active": None,
        "doubtful": "Nothing yet. If the owner has not withdrawn it, this ends without any action.",
    }
    assert await slugs("revoked") == {
        "revoked": "If that was a mistake, send the owner a new link, which /kf accounts link makes."
    }
    assert await slugs("paused") == {}


@pytest.mark.server
async def test_running_bot_answers_with_the_state_of_an_account_and_reads_nothing(sqlite_url, tmp_path):
    async with fleet_world(sqlite_url) as world:
        store = Store.from_url(sqlite(tmp_path), "")
        await store.open()
        async with store.begin() as tx:
            values = {"appid": ROSE, "slug": "rose", "name": "Rose", "origin": "platform", "state": "revoked"}
            values |= {"platform_appid": PLATFORM["PLATFORM_APPID"], "created_at": tx.now, "changed_at": tx.now}
            await tx.run(sa.insert(tenant).values(values))
            stored = await read(tx)
        await store.close()
        async with bot_in_loop(world, stored=stored, SLACK_ALERT_CHANNEL=AT_HARBOUR, **PLATFORM):
            answer = await final_answer(await world.slack.command("@rose", channel=CARE))
            assert answer.text == (
                "Rose · The owner has withdrawn the authorisation. "
                "If that was a mistake, send the owner a new link, which /kf accounts link makes."
            )
            status = await final_answer(await world.slack.command("@rose status", channel=CARE))
            assert status.text.startswith("Rose · The owner has withdrawn the authorisation.")
            listed = await final_answer(await world.slack.command("accounts revoked", channel=CARE))
            assert listed.text.startswith("1 Official Account · The owner has withdrawn the authorisation: Rose (")
            fleet = await final_answer(await world.slack.command("status", channel=CARE))
            assert "Platform: no ticket yet, 1 withdrawn" in fleet.text

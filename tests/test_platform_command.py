"""The command `platform`: the state, the link for an owner, the list of accounts, and evidence without secrets."""

from __future__ import annotations

import argparse
import json
from collections.abc import AsyncIterator
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from bot import console, platform_command
from bot.alerting.incidents import ErrorDetails
from bot.command_parser import make_parser
from bot.platform.evidence import redacted
from bot.platform.links import PURPOSE, verified
from bot.sealing import StoreKeys
from bot.store import platform_rows
from bot.tenant_states import TenantState
from tests.authorizations import KEYS
from tests.conftest import driver_threads, driver_threads_ended
from tests.platforms import KIOSK, SHOP
from tests.running import NOWHERE
from tests.samples import MINUTE
from tests.served_platforms import ServedPlatform, served_platform
from tests.test_account_listing import run as run_main
from tests.test_platform_wiring import of_platform
from tests.test_settings import PLATFORM
from tests.test_tenants import SLACK
from tests.vectors_of_pushes import PLATFORM_APPID
from wechat_kf.errors import api_error
from wechat_kf.platform import PRE_AUTH_CODE
from wechat_kf.simulator import Fault, FaultMode

pytestmark = pytest.mark.server


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[ServedPlatform]:
    async with served_platform(tmp_path) as made:
        yield made


async def run(place: ServedPlatform, *arguments: str) -> int:
    given = make_parser().parse_args(["platform", *arguments])
    return await platform_command.run(given, place.settings, place.clock)


async def test_list_of_authorised_accounts_is_read_at_once(place, capsys):
    await place.push_ticket()
    for appid in (SHOP, KIOSK):
        place.wechat.platform.grant(appid, (6,), place.clock())
        place.wechat.authorize(appid)
    assert await run(place, "sync") == 0
    assert capsys.readouterr().out == "2 watched\n"
    assert await run(place, "sync") == 0
    async with place.process() as shared:
        assert shared.store
        async with shared.store.begin() as tx:
            row = await platform_rows.load(tx, PLATFORM_APPID)
            assert await platform_rows.claim_list(tx, PLATFORM_APPID, MINUTE, 0 * MINUTE)
    assert row.listed_at == place.clock()
    assert await run(place, "sync") == 1
    assert capsys.readouterr().err == "Another process reads the list at this moment.\n"


async def test_list_that_cannot_be_read_is_reported_with_the_reason(place, capsys):
    assert await run(place, "sync") == 1
    assert "no ticket has been pushed yet" in capsys.readouterr().err


async def test_state_names_ticket_token_list_and_accounts(place, capsys):
    assert await run(place, "status") == 0
    new = capsys.readouterr().out
    assert "ticket              none yet\n" in new
    assert "platform token      none now\n" in new
    assert "accounts            no account has authorised it yet\n" in new
    await place.push_ticket()
    place.wechat.authorize(SHOP)
    assert await run(place, "sync") == 0
    place.clock.now += 4 * MINUTE
    capsys.readouterr()
    assert await run(place, "status") == 0
    lines = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines() if line[0] != "l")
    assert lines["ticket"] == "4 min ago"
    assert lines["platform"].startswith((PLATFORM_APPID, "token"))
    assert lines["accounts"] == "1 watched"
    assert lines["fault"] == "none"


async def test_state_of_a_platform_with_a_fault_has_the_next_step_and_status_1(place, capsys):
    fault = asdict(ErrorDetails.of(api_error(40125, "invalid appsecret")))
    await place.in_store(lambda tx: platform_rows.record_fault(tx, PLATFORM_APPID, fault))
    assert await run(place, "status") == 1
    out = capsys.readouterr().out
    assert "fault               WeChat refused the AppSecret of the platform." in out
    assert "into PLATFORM_SECRET, and restart." in out


async def test_link_alone_is_on_standard_output(place, capsys):
    assert await run(place, "link") == 0
    link, said = capsys.readouterr()
    request = verified(link.strip().partition("?s=")[2], StoreKeys(KEYS).derived(PURPOSE), place.clock())
    assert request
    assert request.user_id == ""
    assert said == "Send it to the owner of the account. It works for 24 hours.\n"


async def test_evidence_shows_the_form_of_answers_and_no_text_of_them(place, capsys):
    await place.push_ticket()
    info = place.wechat.authorize(SHOP)
    assert await run(place, "status", "--evidence") == 0
    out = capsys.readouterr().out
    for secret in (SHOP, PLATFORM_APPID, info["authorizer_refresh_token"], "Harbour"):
        assert secret not in out
    found = json.loads(out)
    assert found["/cgi-bin/component/api_create_preauthcode"]["pre_auth_code"].startswith("text of ")
    assert found["/cgi-bin/component/api_create_preauthcode"]["expires_in"] in (600, "600", 1800, "1800")
    assert str(found["/cgi-bin/component/api_get_authorizer_list"]["total_count"]) == "1"
    assert "authorizer_info" in found["/cgi-bin/component/api_get_authorizer_info"]
    assert len(found) == 5


async def test_evidence_has_the_errcodes_of_refused_calls(place, capsys):
    await place.push_ticket()
    refusal = Fault(FaultMode.ERRCODE, errcode=61028, path=PRE_AUTH_CODE)
    place.wechat.world.component_api.inject(refusal)
    assert await run(place, "status", "--evidence") == 0
    found = json.loads(capsys.readouterr().out)
    assert found[PRE_AUTH_CODE]["errcode"] == 61028


def test_redacted_answers_keep_small_numbers_and_the_length_of_texts():
    answer = {"n": 7200, "s": "7200", "t": "ticket@@@x", "l": [1, 2, 3, 4], "b": True, "none": None, "big": 10**9}
    assert redacted(answer) == {
        "n": 7200,
        "s": "7200",
        "t": "text of 10",
        "l": [1, 2, 3, "and 1 more"],
        "b": True,
        "none": None,
        "big": "number of 10 digits",
    }


async def test_command_needs_a_platform(place, capsys):
    without = replace(place.settings, platform_appid="")
    given = argparse.Namespace(action="status", evidence=False)
    assert await platform_command.run(given, without, place.clock) == 2
    assert "docs/platform.md" in capsys.readouterr().err


async def test_store_that_cannot_be_opened_is_one_line(place, capsys, tmp_path):
    elsewhere = replace(place.settings, database_url=f"sqlite:///{tmp_path / 'no' / 'kf.db'}")
    given, others = argparse.Namespace(action="status", evidence=False), driver_threads()
    assert await platform_command.run(given, elsewhere, place.clock) == 1
    await driver_threads_ended(others)
    assert capsys.readouterr().err.startswith("The store cannot be used (")


def test_settings_of_slack_are_not_needed_for_a_link(tmp_path, monkeypatch, capsys):
    assert run_main(monkeypatch, tmp_path, PLATFORM, "platform", "link") == 0
    assert capsys.readouterr().out.startswith("https://kf.example/wechat/platform/start?s=")
    assert run_main(monkeypatch, tmp_path, SLACK, "platform", "link") == 2


async def test_list_prints_the_accounts_that_owners_have_authorised(place, capsys):
    await place.push_ticket()
    for appid in (SHOP, KIOSK):
        place.wechat.platform.grant(appid, (6,), place.clock())
        place.wechat.authorize(appid)
    assert await run(place, "sync") == 0
    place.wechat.world[SHOP].add_account("bo@harbour_tea", "Bo")
    capsys.readouterr()
    accounts = of_platform(), replace(of_platform(KIOSK, TenantState.REVOKED), slug="kiosk", name="Kiosk")
    assert await console.show_list(place.settings, accounts, as_json=False) == 1
    out, err = capsys.readouterr()
    assert ("Shop\n" in out, "bo@harbour_tea" in out, "Kiosk" in out) == (True, True, False)
    assert err == (
        "Kiosk: The owner has withdrawn the authorisation. If that was a mistake, send the owner a new link, which "
        "/kf accounts link makes.\n"
    )


async def test_list_fails_if_the_store_with_the_tokens_is_away(place, capsys):
    settings = replace(place.settings, database_url=NOWHERE)
    assert await console.show_list(settings, [of_platform()], as_json=False) == 1
    assert capsys.readouterr().err.startswith("The store cannot be used (")

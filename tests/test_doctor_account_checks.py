"""The doctor with several Official Accounts: each is examined, and the same fault of several is one finding."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from bot import environment
from bot.accounts_cli.listing import choose
from bot.alerting.circuit_breaker import CircuitBreaker
from bot.alerting.incidents import Cause, ErrorDetails, Incident
from bot.demo.servers import serve_slack, serve_token_service, serve_wechat
from bot.demo.slack_simulator import Channel, SlackSimulator
from bot.doctor import account_checks, operations, running
from bot.doctor.account_checks import Scope
from bot.doctor.findings import Finding, Unset, unknown, well, wrong
from bot.doctor.shared_findings import grouped
from bot.settings.values import Settings
from bot.store import circuit_breaker_row
from bot.store.database import Store
from bot.store.inspection import read_only_stores
from bot.store.processes import ProcessInfo, touch
from bot.store.tables import poll_state
from bot.store.tenants import StoredTenant, record
from bot.tenants.loading import load
from bot.tenants.shared_digests import shared_digests
from bot.tenants.tenant import handles
from tests.doctors import ASKED_OF_SLACK, SIGNING_SECRET, about, examined
from tests.doctors import wrong as wrong_ones
from tests.fleets import APPIDS, FleetWorld, table
from tests.running import utc_now
from tests.test_tenants import BOTH, SLACK
from wechat_kf import simulator
from wechat_kf.simulator import Fault, FaultMode, Simulator, TokenService, World

HANDLES = tuple(APPIDS)


def file_of(folder: Path, handles: Sequence[str] = HANDLES, more: str = "") -> str:
    tables = [table(folder, handle, "C0ORCHID" if handle == "orchid" else "C0TEA") for handle in handles]
    return "\n".join([*tables, more])


@asynccontextmanager
async def several(folder: Path, more: str = "", handles: Sequence[str] = HANDLES) -> AsyncIterator[FleetWorld]:
    """Serve a correct setup with these accounts, of which two share a channel."""
    wechat = simulator.World(Simulator(appid, f"hush-{handle}") for handle, appid in APPIDS.items())
    for handle in HANDLES:
        (folder / handle).write_text(f"hush-{handle}")
        wechat[APPIDS[handle]].add_account(f"bo@{handle}", "Bo")
    slack = SlackSimulator(channels=[Channel("C0TEA", "tea"), Channel("C0ORCHID", "orchid")])
    slack.signing_secret = SIGNING_SECRET
    slack.expect_only(*ASKED_OF_SLACK)
    async with serve_slack(slack), serve_wechat(wechat) as wechat_url:
        environ = {
            "SLACK_BOT_TOKEN": slack.bot_token,
            "SLACK_SIGNING_SECRET": SIGNING_SECRET,
            "SLACK_API_URL": slack.api_url,
            "WECHAT_API_URL": wechat_url,
            "DATABASE_URL": f"sqlite:///{folder / 'kf.db'}",
            "KF_ACCOUNTS_FILE": str(folder / "accounts.toml"),
        }
        (folder / "accounts.toml").write_text(file_of(folder, handles, more))
        yield FleetWorld(slack, wechat, environ)


def said(findings: Sequence[Finding], check: str) -> list[str]:
    return [finding.said for finding in findings if finding.check == check]


async def test_correct_accounts_are_named_once_and_nothing_is_wrong(tmp_path):
    async with several(tmp_path) as place:
        findings = await examined(place)
        asked = [call.method for call in place.slack.calls]
    assert wrong_ones(findings) == []
    assert said(findings, "accounts") == ["3: @harbour, @kiosk, @orchid"]
    assert said(findings, "WeChat token") == ["3 accounts: is given (@harbour, @kiosk, @orchid)"]
    assert said(findings, "customer service") == ["3 accounts: the list is read (@harbour, @kiosk, @orchid)"]
    assert said(findings, "WeChat") == ["127.0.0.1 answers"]
    assert asked.count("conversations.info") == 2
    assert [finding.check for finding in findings].count("store") == 1


async def test_same_fault_of_two_accounts_is_one_finding_and_that_of_one_names_it(tmp_path):
    async with several(tmp_path) as place:
        for handle in ("harbour", "kiosk"):
            place.wechat[APPIDS[handle]].inject(Fault(FaultMode.ERRCODE, times=None, errcode=48001))
        (tmp_path / "orchid").write_text("hush-wrong")
        findings = await examined(place)
    one, other = wrong_ones(findings)
    assert one.said.startswith("2 accounts: WeChat refuses:")
    assert one.said.endswith("(@harbour, @kiosk)")
    assert "48001" in one.said
    assert other.said.startswith("@orchid: WeChat refuses:")


async def test_mistakes_in_the_file_are_findings_with_their_lines(tmp_path):
    async with several(tmp_path, '[[account]]\nhandle = "tea"\nchannel = "nowhere"\n') as place:
        findings = await examined(place)
    mistakes = [finding.said for finding in wrong_ones(findings)]
    assert [mistake.split(": ")[0] for mistake in mistakes] == ["accounts.toml, line 16 (@tea)"] * 3
    assert {mistake.split(": ")[1].split()[0] for mistake in mistakes} == {"channel", "appid", "secret"}
    assert about(findings, "WeChat").said == "not checked: the accounts have mistakes"
    assert about(findings, "Slack token").verdict == "ok"


async def test_file_that_is_missing_is_named(tmp_path):
    async with several(tmp_path) as place:
        (tmp_path / "accounts.toml").unlink()
        (found,) = wrong_ones(await examined(place))
    assert found.said == "KF_ACCOUNTS_FILE names a file that cannot be read: No such file or directory"


async def test_single_account_of_a_file_is_examined_as_one_of_the_environment(tmp_path):
    async with several(tmp_path, handles=["harbour"]) as place:
        findings = await examined(place)
    assert said(findings, "accounts") == []
    assert said(findings, "WeChat token") == [f"is given for {APPIDS['harbour']}"]
    assert said(findings, "customer service") == ["1 account read"]


async def test_account_of_a_token_service_is_examined_there_first(tmp_path):
    async with several(tmp_path, handles=["harbour", "kiosk"]) as place:
        service = TokenService({APPIDS["orchid"]: place.wechat[APPIDS["orchid"]].tokens})
        more = (
            f'[[account]]\nhandle = "orchid"\nappid = "{APPIDS["orchid"]}"\nsource = "service"\nchannel = "C0TEA"\n'
        )
        (tmp_path / "accounts.toml").write_text(file_of(tmp_path, ["harbour", "kiosk"], more))
        async with serve_token_service(service) as url:
            findings = await examined(place, {"TOKEN_SERVICE_URL": f"{url}/token/{{appid}}"})
            served = f"127.0.0.1 gives a token for {APPIDS['orchid']}"
            assert about(findings, "token service").said == f"@orchid: {served}"
            assert len(service.log) == 1
            assert said(findings, "WeChat token") == ["3 accounts: is given (@harbour, @kiosk, @orchid)"]
            service.authorization = "Bearer hush"
            findings = await examined(place, {"TOKEN_SERVICE_URL": f"{url}/token/{{appid}}"})
    assert about(findings, "token service").said.startswith("@orchid: 127.0.0.1 wants an authorization")
    assert "@orchid: not checked: the token service gives no token" in said(findings, "WeChat")


async def test_silent_wechat_is_not_reported_as_reached_by_the_token_of_a_service(tmp_path):
    async with several(tmp_path, handles=[]) as place:
        orchid = place.wechat[APPIDS["orchid"]]
        orchid.inject(Fault(FaultMode.DOWN, times=None))
        table = f'[[account]]\nappid = "{orchid.appid}"\nsource = "service"\nchannel = "C0TEA"\n'
        (tmp_path / "accounts.toml").write_text(table)
        async with serve_token_service(TokenService({orchid.appid: orchid.tokens})) as url:
            findings = await examined(place, {"TOKEN_SERVICE_URL": f"{url}/token/{{appid}}"})
    (found,) = wrong_ones(findings)
    assert (found.check, found.said[:26]) == ("WeChat", "127.0.0.1 does not answer ")
    assert about(findings, "WeChat token").said == f"is given for {orchid.appid}"
    assert [finding.verdict for finding in findings if finding.check in ("allow-list", "customer service")] == [
        "unknown",
        "unknown",
    ]
    assert said(findings, "proxy") == []


async def test_accounts_share_the_few_connections_of_one_process(postgres_url):
    environ = SLACK | BOTH | {"DATABASE_URL": postgres_url, "KF_OPERATORS": "U0MEI"}
    environ["KF_ACCOUNTS"] = "\n".join(
        f'[[account]]\nappid = "wx{number:03}"\nsecret = "env:KIOSK_SECRET"\n' for number in range(12)
    )
    settings = Settings.from_environ(environ)
    tenants = load(settings, environ, environment.read_file)
    store = Store.from_url(postgres_url, tenants[0].appid)
    for tenant in tenants[1:]:
        store.of(tenant.appid, "")
    await store.open()
    await store.close()
    opened: list[object] = []

    def note(connection: object, _record: object) -> None:
        opened.append(connection)

    sa.event.listen(sa.pool.Pool, "connect", note)
    try:
        async with read_only_stores(postgres_url) as store_of:
            reports = await asyncio.gather(
                running.examine(running.read(store_of, settings, tenants, {}, Unset.of([]), utc_now), tenants),
                operations.examine(store_of, settings, tenants, Unset.of([])),
            )
    finally:
        sa.event.remove(sa.pool.Pool, "connect", note)
    assert [[finding.said for finding in report.findings] for report in reports] == [
        ["no process of this release uses the database now"],
        ["on: WeChat has refused none lately"],
    ]
    assert 1 <= len(opened) <= 4


async def test_channel_of_one_account_that_is_archived_is_wrong(tmp_path):
    async with several(tmp_path) as place:
        place.slack.channels["C0ORCHID"].is_archived = True
        (found,) = wrong_ones(await examined(place))
    assert found.said.startswith("#orchid (public) is archived")


async def test_running_process_with_another_file_is_wrong_for_all_and_said_once(tmp_path):
    async with several(tmp_path) as place:
        settings = Settings.from_environ(place.environ)
        digests = shared_digests(settings, load(settings, place.environ, environment.read_file)[:2])
        store = Store.from_url(place.environ["DATABASE_URL"], "")
        for appid in APPIDS.values():
            store.of(appid, "")
        await store.open()
        async with store.begin() as tx:
            await touch(tx, ProcessInfo("other", "web", utc_now(), True, digests, of_all=True), utc_now())
        await store.close()
        findings = wrong_ones(await examined(place))
    assert len([found for found in findings if "settings_differ" in found.said]) == 1
    assert any("KF_ACCOUNTS_FILE" in found.said + found.remedy for found in findings)


async def test_accounts_for_which_no_time_is_left_are_named(tmp_path, monkeypatch):
    monkeypatch.setattr(account_checks, "SECONDS", 0.3)
    async with several(tmp_path) as place:
        place.wechat[APPIDS["kiosk"]].inject(Fault(FaultMode.SLOW, times=None, seconds=5))
        findings = await examined(place)
    left = [found for found in findings if found.verdict == "unknown" and "kiosk" in found.said]
    assert [found.check for found in left] == ["WeChat"]


async def test_no_more_accounts_are_examined_at_once_than_allowed(tmp_path):
    busy, most = 0, 0
    environ = (
        SLACK
        | BOTH
        | {
            "KF_ACCOUNTS": "\n".join(
                f'[[account]]\nhandle = "a{number}"\nappid = "wx{number:03}"\nsecret = "env:KIOSK_SECRET"\n'
                for number in range(40)
            )
        }
    )
    tenants = load(Settings.from_environ(environ), environ, environment.read_file)

    async def examine(_tenant):
        nonlocal busy, most
        busy += 1
        most = max(most, busy)
        await asyncio.sleep(0.01)
        busy -= 1
        return account_checks.Report((well("WeChat token", "is given for it"),))

    (found,) = (await account_checks._each(tenants, "WeChat", examine, Scope())).findings
    assert most == account_checks.AT_ONCE == 16
    assert found.said == "40 accounts: is given (@a0, @a1, @a2, @a3, @a4 and 35 more)"


# Many accounts


@asynccontextmanager
async def crowd(folder: Path, number: int = 20) -> AsyncIterator[FleetWorld]:
    """Serve many accounts, of whom all processes have stored the last poll, and one has failed."""
    async with several(folder) as place:
        place.wechat = World(Simulator(f"wx{one:016}", "hush") for one in range(number))
        (folder / "secret").write_text("hush")
        (folder / "accounts.toml").write_text(
            "\n".join(
                f'[[account]]\nhandle = "brand{one}"\nappid = "wx{one:016}"\nsecret = "file:{folder}/secret"\n'
                'channel = "C0TEA"\n'
                for one in range(number)
            )
        )
        store = Store.from_url(place.environ["DATABASE_URL"], "")
        store.include(place.wechat.accounts)
        await store.open()
        async with store.begin() as tx:
            await record(
                tx, [StoredTenant(appid, f"brand{int(appid[2:])}", "", "file") for appid in place.wechat.accounts]
            )
            await tx.run(sa.update(poll_state).values(polled_at=tx.now, poll_wait=300))
            failing = poll_state.c.appid == f"wx{7:016}"
            await tx.run(sa.update(poll_state).where(failing).values(failed_polls=1, failing_since=tx.now))
            await touch(tx, ProcessInfo("one", "web", utc_now(), True, of_all=True), utc_now())
        await store.close()
        async with serve_wechat(place.wechat) as url:
            place.environ["WECHAT_API_URL"] = url
            yield place


def asked_about(place: FleetWorld) -> list[int]:
    return [int(appid[2:]) for appid, account in place.wechat.accounts.items() if account.log]


async def test_of_many_accounts_one_of_each_source_and_those_with_a_problem_are_examined(tmp_path):
    async with crowd(tmp_path) as place:
        findings = await examined(place)
        assert asked_about(place) == [0, 7]
    assert "2 of 20 are examined: one of each source of tokens" in said(findings, "accounts")[1]
    assert said(findings, "WeChat token") == ["2 accounts: is given (@brand0, @brand7)"]
    well_ones, failed = said(findings, "running bot")
    assert failed.startswith("@brand7: WeChat did not answer the last read")
    assert well_ones.startswith("19 accounts: works normally: 1 process (@brand0, @brand1, ")


async def test_every_account_is_examined_if_that_is_asked_for(tmp_path, monkeypatch):
    monkeypatch.setattr(account_checks, "REPORTED", 5)
    lines: list[str] = []
    async with crowd(tmp_path) as place:
        findings = await examined(place, scope=Scope(every=True, progress=lines.append))
        assert len(asked_about(place)) == 20
    assert lines == [f"{number} of 20 accounts are examined" for number in (5, 10, 15, 20)]
    assert said(findings, "WeChat token") == [
        "20 accounts: is given (@brand0, @brand1, @brand2, @brand3, @brand4 and 15 more)"
    ]


async def test_one_account_is_examined_as_the_only_one(tmp_path):
    async with crowd(tmp_path) as place:
        findings = await examined(place, scope=Scope(choose=lambda loaded: choose(loaded, "@brand7")))
        assert asked_about(place) == [7]
    assert said(findings, "customer service") == ["0 accounts read"]
    (failed,) = said(findings, "running bot")
    assert failed.startswith("WeChat did not answer the last read")


async def test_outage_of_all_accounts_is_said_once(tmp_path):
    async with crowd(tmp_path, 3) as place:
        store = Store.from_url(place.environ["DATABASE_URL"], f"wx{0:016}")
        async with store.begin() as tx:
            down = Incident("source_down-all-1", Cause.SOURCE_DOWN, tx.now, ErrorDetails("TransportError"))
            breaker = CircuitBreaker(3, since=tx.now, probe_at=tx.now, incident=down)
            await circuit_breaker_row.record(tx, await circuit_breaker_row.load(tx, lock=True), breaker)
        await store.close()
        (of_all,) = said(await examined(place), "running bot")
        alone = await examined(place, scope=Scope(choose=lambda loaded: choose(loaded, "@brand1")))
    assert of_all.startswith("WeChat does not answer")
    assert said(alone, "running bot") == [of_all]


async def test_accounts_are_examined_though_the_store_hangs(monkeypatch):
    monkeypatch.setattr(account_checks, "STORE_SECONDS", 0.01)
    assert await account_checks._troubled(asyncio.create_task(asyncio.sleep(5, None))) == ()


def test_first_account_of_a_token_service_represents_the_others():
    served = [replace(one, secret="") for one in tenants("c", "d")]
    chosen = account_checks.representatives([*tenants("a", "b"), *served], {"wx-d"})
    assert [one.slug for one in chosen] == ["a", "c", "d"]


def tenants(*names: str):
    text = "\n".join(
        f'[[account]]\nhandle = "{one}"\nappid = "wx-{one}"\nsecret = "env:KIOSK_SECRET"\n' for one in names
    )
    environ = SLACK | BOTH | {"KF_ACCOUNTS": text}
    return load(Settings.from_environ(environ), environ, environment.read_file)


def test_handles_are_five_and_a_count():
    assert handles(tenants("a", "b")) == "@a, @b"
    assert handles(tenants(*"abcde")) == "@a, @b, @c, @d, @e"
    assert handles(tenants(*"abcdefg")) == "@a, @b, @c, @d, @e and 2 more"


@pytest.mark.parametrize("made", [wrong, unknown])
def test_number_of_the_call_does_not_keep_findings_apart(made):
    one, other, third = tenants("a", "b", "c")
    found = grouped(
        (tenant, [made("WeChat token", f"{tenant.appid} is refused (errcode 40164, rid 6a-{number})", "Look.")])
        for number, tenant in enumerate((one, other))
    )
    assert [finding.said for finding in found] == ["2 accounts: the account is refused (errcode 40164) (@a, @b)"]
    (single,) = grouped([(third, [made("WeChat token", "no (errcode 40164, rid 6a-1)", "Look.")])])
    assert single.said == "@c: no (errcode 40164, rid 6a-1)"


def test_different_remedies_stay_apart_and_checks_stay_together():
    one, other = tenants("a", "b")
    found = grouped(
        [
            (one, [wrong("allow-list", "no", "Add it."), well("WeChat token", "is given for it")]),
            (other, [wrong("allow-list", "no", "Wait."), well("WeChat token", "is given for it")]),
        ]
    )
    assert [(finding.check, finding.said) for finding in found] == [
        ("allow-list", "@a: no"),
        ("allow-list", "@b: no"),
        ("WeChat token", "2 accounts: is given (@a, @b)"),
    ]

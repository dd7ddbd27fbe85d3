"""A correct setup for the doctor, and its findings."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from bot import environment
from bot.demo.slack_simulator import UserGroup
from bot.doctor import runner, running
from bot.doctor.account_checks import Scope
from bot.doctor.findings import Finding, Unset
from bot.settings.values import Settings
from bot.store.inspection import read_only_stores
from bot.tenants.tenant import of_environment
from tests.running import Surroundings, World, utc_now, world
from wechat_kf import protocol

SIGNING_SECRET = "0123456789abcdef" * 2
EVERYTHING = Scope()
ASKED_OF_SLACK = {"auth.test", "conversations.info", "usergroups.list", "apps.connections.open"}
ASKED_OF_WECHAT = {protocol.TOKEN, protocol.KF_LIST}


@asynccontextmanager
async def set_up_well(tmp_path: Path) -> AsyncIterator[World]:
    """Serve a correct setup. Fail the test on any unexpected call to Slack."""
    async with world(f"sqlite:///{tmp_path / 'kf.db'}") as made:
        made.invite("bo")
        made.slack.signing_secret = made.environ["SLACK_SIGNING_SECRET"] = SIGNING_SECRET
        made.slack.usergroups["S0CARE"] = UserGroup("S0CARE", "care", ("U0MEI", "U0TOM"))
        made.slack.expect_only(*ASKED_OF_SLACK)
        yield made
        assert made.texts == []
        assert {call.path for call in made.wechat.log} <= ASKED_OF_WECHAT
        assert not (tmp_path / "kf.db").exists()


async def examined(
    place: Surroundings, changed: dict[str, str] | None = None, scope: Scope = EVERYTHING
) -> list[Finding]:
    """Return the findings of an in-process run, and assert that they quote no secret."""
    environ = place.environ | (changed or {})
    findings = await runner.examine(environ, [], utc_now, environment.read_file, scope)
    secrets = {environ.get(name, "") for name in runner.SECRETS} | {"hush"}
    text = "".join(finding.said + finding.remedy for finding in findings)
    assert [secret for secret in secrets - {""} if secret in text] == []
    return findings


async def running_bot(settings: Settings) -> Sequence[Finding]:
    """Return the findings about the processes on a store."""
    async with read_only_stores(settings.database_url) as store_of:
        tenants = [of_environment(settings)]
        reading = running.read(store_of, settings, tenants, settings.shared_digests, Unset.of([]), utc_now)
        report = await running.examine(reading, tenants)
    return report.findings


async def printed(environ: dict[str, str], *, as_json: bool = False) -> tuple[int, str]:
    """Return the exit status and what is printed, in this process."""
    out = io.TextIOWrapper(io.BytesIO(), "utf-8")
    status = await runner.run(
        environ,
        ignored=[],
        as_json=as_json,
        out=out,
        exit_now=lambda _status: None,
        clock=utc_now,
        read_file=environment.read_file,
    )
    out.seek(0)
    return status, out.read()


def about(findings: list[Finding], check: str) -> Finding:
    [found] = [finding for finding in findings if finding.check == check]
    return found


def wrong(findings: list[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.verdict == "wrong"]

"""Several Official Accounts between simulators: their file, the surroundings of a bot, and its polls."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bench.testbed import PYTHONPATH
from bot.demo.process import environ_of
from bot.demo.servers import serve_slack, serve_wechat
from bot.demo.slack_simulator import Channel, SlackSimulator
from bot.outbox import shared_channels
from tests.conftest import driver_threads, driver_threads_ended
from tests.running import ALERTS, APPID, CARE, SECRET, invite, until
from wechat_kf import protocol
from wechat_kf.simulator import Simulator, World

AT_HARBOUR, AT_ORCHID = "C0HARBOUR", "C0ORCHID"
HARBOUR, KIOSK, ORCHID = "wx1111111111111111", "wx2222222222222222", "wx3333333333333333"
ACCOUNTS = f"""
[[account]]
handle = "harbour"
appid = "{HARBOUR}"
secret = "env:HARBOUR_SECRET"
name = "Harbour Tea"
channel = "{AT_HARBOUR}"

[[account]]
handle = "kiosk"
appid = "{KIOSK}"
secret = "env:KIOSK_SECRET"
name = "Night Kiosk"
channel = "{AT_HARBOUR}"

[[account]]
handle = "orchid"
appid = "{ORCHID}"
secret = "env:ORCHID_SECRET"
name = "兰花"
channel = "{AT_ORCHID}"
language = "zh"
"""
APPIDS = {"harbour": HARBOUR, "kiosk": KIOSK, "orchid": ORCHID}  # by handle
SECRETS = {HARBOUR: "secret-of-harbour", KIOSK: "secret-of-kiosk", ORCHID: "secret-of-orchid"}
BO, CHEN = "bo@harbour_tea", "chen@harbour_tea"


@dataclass
class FleetWorld:
    """WeChat with several Official Accounts, Slack, and the variables that lead the bot to both."""

    slack: SlackSimulator
    wechat: World
    environ: dict[str, str]

    def invite(self, appid: str, *names: str) -> None:
        """Invite people to accounts whose keys are the same in every Official Account, to be mixed up."""
        for name in names:
            invite(self.wechat[appid], name)

    def texts(self, channel: str) -> list[str]:
        return [message.text for message in self.slack.messages(channel)]


@asynccontextmanager
async def fleet_world(
    store_url: str, *, own: bool = False, invited: Sequence[str] = (), **of_slack: Any
) -> AsyncIterator[FleetWorld]:
    """Serve the simulators, with three Official Accounts in two channels, and that of the environment if `own`.

    Each of the three has an account for each of the names in `invited`, with an open invitation. Bots of the test's
    process let no message wait for those of other accounts.
    """
    secrets, others = SECRETS | ({APPID: SECRET} if own else {}), driver_threads()
    wechat = World(Simulator(appid, secret) for appid, secret in secrets.items())
    channels = [Channel(CARE, "care"), Channel(AT_HARBOUR, "harbour"), Channel(AT_ORCHID, "orchid")]
    if own:
        channels.append(Channel(ALERTS, "kf-alerts"))
    slack = SlackSimulator(channels=channels, **of_slack)
    async with serve_slack(slack), serve_wechat(wechat) as wechat_url, posts_at_once():
        environ = environ_of(slack, wechat_url, APPID, SECRET, ALERTS, PYTHONPATH=PYTHONPATH)
        if not own:
            for name in ("WECHAT_APPID", "WECHAT_SECRET", "SLACK_ALERT_CHANNEL"):
                del environ[name]
        environ |= {"DATABASE_URL": store_url, "POLL_SECONDS": "1", "HOST": "127.0.0.1", "KF_ACCOUNTS": ACCOUNTS}
        environ |= {f"{handle.upper()}_SECRET": SECRETS[appid] for handle, appid in APPIDS.items()}
        place = FleetWorld(slack, wechat, environ)
        for appid in SECRETS:
            place.invite(appid, *invited)
        yield place
    await driver_threads_ended(others)
    assert slack.take_unexpected() == []


@asynccontextmanager
async def posts_at_once() -> AsyncIterator[None]:
    with pytest.MonkeyPatch.context() as policy:
        policy.setattr(shared_channels, "WINDOW", timedelta(0))
        yield


def table(folder: Path, handle: str, channel: str) -> str:
    """Write the table of an account in a file, with its secret in the file of its name in `folder`."""
    return (
        f'[[account]]\nhandle = "{handle}"\nappid = "{APPIDS[handle]}"\nchannel = "{channel}"\n'
        f'secret = "file:{folder}/{handle}"'
    )


async def polled(around: FleetWorld, times: int = 2, appids: Collection[str] = ()) -> None:
    """Wait until each account, or each of these, has been polled so often; all polls but the last are stored."""
    accounts = [around.wechat[appid] for appid in appids or around.wechat.accounts]
    expected = [polls(account) + times for account in accounts]
    await until(lambda: all(polls(account) >= number for account, number in zip(accounts, expected, strict=True)))


def polls(account: Simulator) -> int:
    return len([call for call in account.log if call.path == protocol.KF_LIST])

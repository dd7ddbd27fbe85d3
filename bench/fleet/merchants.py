"""The Official Accounts of the fleet, by number: at WeChat, and in the file and the variables of the bot."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from bot.demo.slack_simulator import Channel
from wechat_kf.simulator import Simulator

SEATS = 20  # kf accounts of each
CHANNEL = Channel("C0FLEET001", "fleet")


def appid(number: int) -> str:
    return f"wx{number:016x}"


def number_of(appid: str) -> int:
    return int(appid.removeprefix("wx"), 16)


def simulate(appid: str) -> Simulator:
    """Create an account at WeChat, whose kf accounts are all bound."""
    account = Simulator(appid, _secret(appid))
    for seat in range(SEATS):
        account.add_account(f"kf{seat}@{appid}", f"客服 {seat}", kf_wx=f"person_{seat}")
    return account


def accounts_file(accounts: int) -> str:
    """Write the file of accounts."""
    tables = (
        f'[[account]]\nhandle = "m{number}"\nappid = "{appid(number)}"\nsecret = "env:{_variable(number)}"\n'
        for number in range(accounts)
    )
    return "\n".join([f'[defaults]\nchannel = "{CHANNEL.id}"\n', *tables])


def secrets(accounts: int) -> Mapping[str, str]:
    """Return the variables that the file refers to."""
    return {_variable(number): _secret(appid(number)) for number in range(accounts)}


def _variable(number: int) -> str:
    return f"M{number}"


def _secret(appid: str) -> str:
    return hashlib.sha256(appid.encode()).hexdigest()[:32]

"""The Official Accounts of the fleet, by number: at WeChat, and in the file and the variables of the bot."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime

from bot.demo.slack_simulator import Channel
from wechat_kf.simulator import Simulator

SEATS = 20  # kf accounts of each


def appid(number: int) -> str:
    return f"wx{number:016x}"


def number_of(appid: str) -> int:
    return int(appid.removeprefix("wx"), 16)


def channels(number: int) -> list[Channel]:
    """Return so many channels, to which the accounts post in turn."""
    return [Channel(f"C0FLEET{one:03}", f"fleet-{one}") for one in range(number)]


def simulate(appid: str) -> Simulator:
    """Create an account at WeChat, whose kf accounts are all bound."""
    account = Simulator(appid, _secret(appid))
    for seat in range(SEATS):
        account.add_account(f"kf{seat}@{appid}", f"客服 {seat}", kf_wx=f"person_{seat}")
    return account


def reject(account: Simulator, people: int, until: datetime) -> None:
    """Let so many people of an account be unbound, be invited again, and refuse."""
    for seat in account.seats[:people]:
        account.unbind(seat.key)
        account.invite(seat.key, f"person_{seat.kf_id}", until)
        account.reject(seat.key)


def accounts_file(accounts: int, posting_to: Sequence[Channel]) -> str:
    """Write the file of accounts."""
    tables = (
        f'[[account]]\nhandle = "m{number}"\nappid = "{appid(number)}"\nsecret = "env:{_variable(number)}"\n'
        f'channel = "{posting_to[number % len(posting_to)].id}"\n'
        for number in range(accounts)
    )
    return "\n".join([f'[defaults]\nchannel = "{posting_to[0].id}"\n', *tables])


def secrets(accounts: int) -> Mapping[str, str]:
    """Return the variables that the file refers to."""
    return {_variable(number): _secret(appid(number)) for number in range(accounts)}


def _variable(number: int) -> str:
    return f"M{number}"


def _secret(appid: str) -> str:
    return hashlib.sha256(appid.encode()).hexdigest()[:32]

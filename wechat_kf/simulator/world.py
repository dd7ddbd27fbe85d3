"""Several simulated Official Accounts behind one address, as WeChat serves them all."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping

from wechat_kf import protocol
from wechat_kf.simulator.api import Simulator
from wechat_kf.simulator.faults import Fault
from wechat_kf.simulator.issuer import token_prefix

PREFIX_LENGTH = len(token_prefix(""))


class World:
    """Simulated Official Accounts. A request reaches the one whose AppID or access token it has."""

    def __init__(
        self, accounts: Iterable[Simulator] = (), create: Callable[[str], Simulator | None] = lambda _appid: None
    ) -> None:
        """Keep the accounts, whose AppIDs differ.

        Args:
            create: makes an account when its first token is requested; None for an AppID that does not exist.
        """
        self.accounts: dict[str, Simulator] = {}
        self._by_prefix: dict[str, Simulator] = {}  # of tokens
        self._create = create
        self._unknown = Simulator("", "")  # answers requests of unknown accounts: 40013, 40001
        for account in accounts:
            self._add(account)

    def __getitem__(self, appid: str) -> Simulator:
        return self.accounts[appid]

    def inject(self, *faults: Fault) -> None:
        """Inject faults into every account. See `Simulator.inject`."""
        for account in self.accounts.values():
            account.inject(*faults)

    def clear_faults(self) -> None:
        """Remove all faults of all accounts."""
        for account in self.accounts.values():
            account.clear_faults()

    def addressed(self, path: str, query: Mapping[str, str], body: bytes) -> Simulator:
        """Return the account that a request reaches; an account without seats if it names none of them."""
        if path != protocol.TOKEN:
            return self._by_prefix.get(query.get("access_token", "")[:PREFIX_LENGTH], self._unknown)
        appid = _appid(body)
        if appid not in self.accounts and (created := self._create(appid)):
            self._add(created)
        return self.accounts.get(appid, self._unknown)

    def _add(self, account: Simulator) -> None:
        self.accounts[account.appid] = account
        self._by_prefix[token_prefix(account.appid)] = account


def _appid(body: bytes) -> str:
    """Return the AppID in the body of a request for a token; "" if there is none."""
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    return str(data.get("appid", "")) if isinstance(data, dict) else ""

"""Several simulated Official Accounts behind one address, as WeChat serves them all."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from wechat_kf import protocol
from wechat_kf.simulator.api import Simulator
from wechat_kf.simulator.faults import Fault


class World:
    """Simulated Official Accounts. A request reaches the one whose AppID or access token it has."""

    def __init__(self, accounts: Iterable[Simulator]) -> None:
        """Keep the accounts, whose AppIDs differ."""
        self.accounts: Mapping[str, Simulator] = {one.appid: one for one in accounts}
        self._unknown = Simulator("", "")  # answers requests of unknown accounts: 40013, 40001

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
        if path == protocol.TOKEN:
            return self.accounts.get(_appid(body), self._unknown)
        token = query.get("access_token", "")
        accounts = self.accounts.values()
        return next((one for one in accounts if token in one.tokens.issued), self._unknown)


def _appid(body: bytes) -> str:
    """Return the AppID in the body of a request for a token; "" if there is none."""
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    return str(data.get("appid", "")) if isinstance(data, dict) else ""

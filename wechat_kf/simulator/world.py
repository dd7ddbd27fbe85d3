"""Several simulated Official Accounts and a platform behind one address, as WeChat serves them all."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping

from wechat_kf import protocol
from wechat_kf.simulator.api import Simulator
from wechat_kf.simulator.component.component_api import ComponentApi
from wechat_kf.simulator.component.third_party_platform import ThirdPartyPlatform
from wechat_kf.simulator.endpoint import Endpoint
from wechat_kf.simulator.faults import Fault
from wechat_kf.simulator.issuer import PREFIX_LENGTH, token_prefix


class World:
    """Simulated Official Accounts. A request reaches the one whose AppID or access token it has."""

    def __init__(
        self,
        accounts: Iterable[Simulator] = (),
        create: Callable[[str], Simulator | None] = lambda _appid: None,
        *,
        platform: ThirdPartyPlatform | None = None,
    ) -> None:
        """Keep the accounts, whose AppIDs differ.

        Args:
            create: makes an account on its first use; None for an AppID that does not exist.
            platform: may be authorised by the owners of the accounts.
        """
        self.platform = platform
        self.component_api = ComponentApi(platform, self) if platform else None
        self.accounts: dict[str, Simulator] = {}
        self._by_prefix: dict[str, Simulator] = {}  # of tokens
        self._create = create
        self._unknown = Simulator("", "")  # answers requests of unknown accounts: 40013, 40001
        for account in accounts:
            self._add(account)

    def __getitem__(self, appid: str) -> Simulator:
        return self.accounts[appid]

    def inject(self, *faults: Fault) -> None:
        """Inject faults into every account and the platform. See `Simulator.inject`."""
        for endpoint in self._endpoints():
            endpoint.inject(*faults)

    def clear_faults(self) -> None:
        """Remove all faults of all accounts and the platform."""
        for endpoint in self._endpoints():
            endpoint.clear_faults()

    def addressed(self, path: str, query: Mapping[str, str], body: bytes) -> Endpoint:
        """Return the platform or the account that a request reaches; one without seats if it names none of them."""
        token = query.get("component_access_token") or query.get("access_token", "")
        appid = _appid(body) if path == protocol.TOKEN else ""
        if self.component_api and self.component_api.is_addressed(path, token, appid):
            return self.component_api
        account = self.find(appid) if appid else self.of_token(token) or self._delegated(token)
        return account or self._unknown

    def find(self, appid: str) -> Simulator | None:
        """Return an account, created on its first use; None if it does not exist."""
        if appid not in self.accounts and (created := self._create(appid)):
            self._add(created)
        return self.accounts.get(appid)

    def of_token(self, token: str) -> Simulator | None:
        """Return the account for which a token was issued to itself; None for another token."""
        return self._by_prefix.get(token[:PREFIX_LENGTH])

    def _delegated(self, token: str) -> Simulator | None:
        appid = self.platform.grants.appid_of(token) if self.platform else None
        return self.find(appid) if appid else None

    def _endpoints(self) -> list[Endpoint]:
        return [*self.accounts.values(), *([self.component_api] if self.component_api else [])]

    def _add(self, account: Simulator) -> None:
        account.delegated = self.component_api
        self.accounts[account.appid] = account
        self._by_prefix[token_prefix(account.appid)] = account


def _appid(body: bytes) -> str:
    """Return the AppID in the body of a request for a token; "" if there is none."""
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    return str(data.get("appid", "")) if isinstance(data, dict) else ""

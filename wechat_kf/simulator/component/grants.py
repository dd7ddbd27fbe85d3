"""The authorisations of a platform: codes, permission sets and refresh tokens."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from wechat_kf.simulator.component.overlapping_issuer import OverlappingIssuer
from wechat_kf.simulator.errcodes import ErrcodeRefusal
from wechat_kf.simulator.issuer import PREFIX_LENGTH, token_prefix

COVERING_SETS = frozenset({1, 6, 19, 100, 101})  # each includes the customer-service calls
CODE_LIFE = timedelta(hours=1)


@dataclass(slots=True)
class Grant:
    """The authorisation of one account, in force until its owner withdraws it."""

    appid: str
    sets: tuple[int, ...]
    refresh_token: str = field(repr=False)
    granted_at: datetime
    is_exchanged: bool = False  # the list leaves out the refresh token until then

    @property
    def facts(self) -> Mapping[str, object]:
        """Return the `authorization_info`, without tokens."""
        func_info = [{"funcscope_category": {"id": number}} for number in self.sets]
        return {"authorizer_appid": self.appid, "func_info": func_info}

    @property
    def covers_customer_service(self) -> bool:
        return not COVERING_SETS.isdisjoint(self.sets)


@dataclass(frozen=True, slots=True)
class AuthorizationCode:
    """What an owner's consent gives the platform, to be exchanged once."""

    code: str = field(repr=False)
    appid: str
    expires_at: datetime


class Grants:
    """The grants in force, in their order, and the codes that were issued for them."""

    def __init__(self, platform_appid: str, *, token_life: timedelta, overlap: timedelta) -> None:
        self._platform_appid = platform_appid
        self._token_life = token_life
        self._overlap = overlap
        self._in_force: dict[str, Grant] = {}
        self._issuers: dict[str, OverlappingIssuer] = {}
        self._appids: dict[str, str] = {}  # by the prefix of their tokens
        self._codes: dict[str, AuthorizationCode] = {}
        self._secrets = 0  # issued so far: no two are equal

    @property
    def in_force(self) -> list[Grant]:
        return list(self._in_force.values())

    def find(self, appid: str) -> Grant | None:
        """Return the grant in force; None without one."""
        return self._in_force.get(appid)

    def required(self, appid: str) -> Grant:
        """Return the grant in force.

        Raises:
            ErrcodeRefusal: the account's owner has not authorised the platform, or withdrew it (61003).
        """
        if (grant := self._in_force.get(appid)) is None:
            raise ErrcodeRefusal(61003)
        return grant

    def issuer(self, appid: str) -> OverlappingIssuer:
        """Return the issuer of the platform's tokens of an account."""
        if appid not in self._issuers:
            owner = f"{self._platform_appid} {appid}"  # their prefix differs from that of the account's own tokens
            self._issuers[appid] = OverlappingIssuer(owner, life=self._token_life, overlap=self._overlap)
            self._appids[token_prefix(owner)] = appid
        return self._issuers[appid]

    def appid_of(self, token: str) -> str | None:
        """Return the AppID of the account for which the platform got this token; None for another token."""
        return self._appids.get(token[:PREFIX_LENGTH])

    def grant(self, appid: str, sets: tuple[int, ...], now: datetime) -> AuthorizationCode:
        """Authorise the platform, or change the sets of a grant in force, and issue a code for it."""
        if (grant := self._in_force.get(appid)) is None:
            self._in_force[appid] = Grant(appid, sets, self._secret("refreshtoken"), now)
        else:
            grant.sets = sets
        code = AuthorizationCode(self._secret("queryauthcode"), appid, now + CODE_LIFE)
        self._codes[code.code] = code
        return code

    def withdraw(self, appid: str) -> None:
        """End a grant with all its tokens. Raises KeyError without one in force."""
        del self._in_force[appid]
        self.issuer(appid).kill()
        self._codes = {code: issued for code, issued in self._codes.items() if issued.appid != appid}

    def replace_refresh_token(self, appid: str) -> None:
        """Issue another refresh token, which the list has. The one before is refused."""
        self._in_force[appid].refresh_token = self._secret("refreshtoken")

    def lose_refresh_token(self, appid: str) -> None:
        """Issue another refresh token, which the list has only once another code was exchanged."""
        self.replace_refresh_token(appid)
        self._in_force[appid].is_exchanged = False

    def exchange(self, code: str, now: datetime) -> Grant:
        """Use up a code.

        Raises:
            ErrcodeRefusal: it is unknown or used (61009), or expired (61010).
        """
        if code not in self._codes:
            raise ErrcodeRefusal(61009)
        if now >= self._codes[code].expires_at:
            raise ErrcodeRefusal(61010)
        grant = self.required(self._codes.pop(code).appid)
        grant.is_exchanged = True
        return grant

    def _secret(self, kind: str) -> str:
        """Return a new code or token that begins with its kind."""
        self._secrets += 1
        return f"{kind}@@@{hashlib.sha256(f'{self._platform_appid} {self._secrets}'.encode()).hexdigest()}"

"""The API of a platform: check its calls as documented, and answer them. No I/O, no clock."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar, Protocol

from wechat_kf import protocol
from wechat_kf.simulator.api import OK, UNCHANGED, Simulator
from wechat_kf.simulator.component import paths
from wechat_kf.simulator.component.authorizer_page import authorizer_page
from wechat_kf.simulator.component.grants import Grant
from wechat_kf.simulator.component.profiles import Profile
from wechat_kf.simulator.component.third_party_platform import ThirdPartyPlatform
from wechat_kf.simulator.endpoint import Endpoint, decode
from wechat_kf.simulator.errcodes import ErrcodeRefusal
from wechat_kf.simulator.faults import RequestFault
from wechat_kf.simulator.issuer import TOKEN_FORM, Issued, token_prefix

SECRET_NAMES = {
    paths.START_PUSH: "component_secret",
    paths.COMPONENT_TOKEN: "component_appsecret",
    paths.CLEAR_QUOTA: "appsecret",
}


class KnownAccounts(Protocol):
    """The accounts at WeChat, whether they have authorised the platform or not."""

    def find(self, appid: str) -> Simulator | None:
        """Return an account; None if it does not exist."""

    def of_token(self, token: str) -> Simulator | None:
        """Return the account for which a token was issued to itself; None for another token."""


class ComponentApi(Endpoint):
    """The calls of one platform, and the access of its tokens to the calls of accounts."""

    METHODS: ClassVar[Mapping[str, str]] = {
        **Simulator.METHODS,  # each of which is refused
        **dict.fromkeys(paths.COMPONENT_PATHS, "POST"),
        paths.QUOTA: "POST",
    }

    def __init__(self, platform: ThirdPartyPlatform, accounts: KnownAccounts) -> None:
        super().__init__(platform.appid)
        self._platform = platform
        self._accounts = accounts

    def is_addressed(self, path: str, token: str, appid: str) -> bool:
        """Return whether a request is the platform's: by its path, its token, or the AppID that it names."""
        is_own = token.startswith(token_prefix(self.appid)) or appid == self.appid
        return is_own or path == paths.QUOTA or path in paths.COMPONENT_PATHS

    def admits(self, appid: str, token: str, path: str, now: datetime, client_ip: str) -> bool:
        """Return whether the platform was issued this token for the account, and may make the call.

        Raises:
            ErrcodeRefusal: it was, and may not.
        """
        grants = self._platform.grants
        if grants.appid_of(token) != appid:
            return False
        self.check_address(client_ip, 61004)
        grant = grants.required(appid)
        grants.issuer(appid).check(token, now)
        if not grant.covers_customer_service:
            raise ErrcodeRefusal(61007)
        self._platform.quotas.count(appid, path, now)
        return True

    def _answer(
        self,
        path: str,
        query: Mapping[str, str],
        body: bytes,
        now: datetime,
        client_ip: str,
        fault: RequestFault,
    ) -> Mapping[str, object]:
        if path in Simulator.METHODS:
            raise ErrcodeRefusal(61024 if path == protocol.TOKEN else 61015)
        self.check_address(client_ip, 61004)
        data = decode(body)
        token = query.get("component_access_token") or query.get("access_token", "")
        if path == paths.QUOTA:
            return self._quota(token, str(data.get("cgi_path", "")), now)
        if path in SECRET_NAMES:
            self._check_secret(data, SECRET_NAMES[path])
            return self._with_secret(path, data, now)
        self._check_token(token, now)
        self._check_appid(data)
        self._platform.quotas.count(self.appid, path, now)
        return self._with_token(path, data, now)

    def _with_secret(self, path: str, data: Mapping[str, object], now: datetime) -> Mapping[str, object]:
        platform = self._platform
        if path == paths.START_PUSH:
            was_running, platform.tickets.is_running = platform.tickets.is_running, True
            return UNCHANGED if was_running else OK
        if path == paths.CLEAR_QUOTA:
            if (appid := _text(data, "appid")) != self.appid:
                platform.grants.required(appid)
            platform.quotas.clear(appid, now)
            return OK
        platform.tickets.check(str(data.get("component_verify_ticket", "")), now)
        platform.quotas.count(self.appid, path, now)
        issued = platform.tokens.renewed(now)
        return {"component_access_token": issued.token, "expires_in": _life(issued, now)}

    def _with_token(self, path: str, data: Mapping[str, object], now: datetime) -> Mapping[str, object]:
        platform = self._platform
        match path:
            case paths.PRE_AUTH_CODE:
                life = int(platform.pre_auth_codes.life.total_seconds())
                return {"pre_auth_code": platform.pre_auth_codes.issue(now), "expires_in": life}
            case paths.QUERY_AUTH:
                grant = platform.grants.exchange(_text(data, "authorization_code"), now)
                tokens = self._tokens(grant.appid, now) if grant.sets else {}
                return {"authorization_info": {**grant.facts, **tokens}}
            case paths.AUTHORIZER_TOKEN:
                grant = platform.grants.required(_text(data, "authorizer_appid"))
                if data.get("authorizer_refresh_token") != grant.refresh_token:
                    raise ErrcodeRefusal(61023)
                return self._tokens(grant.appid, now)
            case paths.AUTHORIZER_LIST:
                omits_empty = platform.omits_empty_refresh_tokens
                return authorizer_page(platform.grants.in_force, data, omits_empty=omits_empty)
        return self._info(platform.grants.required(_text(data, "authorizer_appid")))

    def _info(self, grant: Grant) -> Mapping[str, object]:
        if (account := self._accounts.find(grant.appid)) is None:
            raise ErrcodeRefusal(40013)
        profile = self._platform.profiles.get(grant.appid) or Profile.of(account)
        refresh_token = {"authorizer_refresh_token": grant.refresh_token} if grant.is_exchanged else {}
        return {
            "authorizer_info": profile.facts(account),
            "authorization_info": {**grant.facts, **refresh_token},
        }

    def _tokens(self, appid: str, now: datetime) -> Mapping[str, object]:
        grants = self._platform.grants
        issued = grants.issuer(appid).renewed(now)
        return {
            "authorizer_access_token": issued.token,
            "expires_in": _life(issued, now),
            "authorizer_refresh_token": grants.required(appid).refresh_token,
        }

    def _quota(self, token: str, path: str, now: datetime) -> Mapping[str, object]:
        grants = self._platform.grants
        if appid := grants.appid_of(token):
            grants.required(appid)
            grants.issuer(appid).check(token, now)
        else:
            self._check_token(token, now)
        if path not in (Simulator.METHODS if appid else paths.COMPONENT_PATHS):
            raise ErrcodeRefusal(76021)
        return self._platform.quotas.facts(appid or self.appid, path, now)

    def _check_token(self, token: str, now: datetime) -> None:
        if self._platform.grants.appid_of(token) or self._accounts.of_token(token):
            raise ErrcodeRefusal(61014)
        if token and not token.startswith(TOKEN_FORM):
            raise ErrcodeRefusal(40014)
        self._platform.tokens.check(token, now)

    def _check_secret(self, data: Mapping[str, object], name: str) -> None:
        self._check_appid(data)
        secret = data.get(name)
        if not secret:
            raise ErrcodeRefusal(41004)
        if secret != self._platform.secret:
            raise ErrcodeRefusal(40125)

    def _check_appid(self, data: Mapping[str, object]) -> None:
        appid = _text(data, "component_appid")
        if appid != self.appid:
            raise ErrcodeRefusal(61011 if self._accounts.find(appid) else 40013)


def _text(data: Mapping[str, object], name: str) -> str:
    """Return a required field: an AppID or a code."""
    value = data.get(name)
    if not isinstance(value, str) or not value:
        raise ErrcodeRefusal(41002 if name.endswith("appid") else 40097)
    return value


def _life(issued: Issued, now: datetime) -> int:
    return int((issued.expires_at - now).total_seconds())

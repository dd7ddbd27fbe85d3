"""A third-party platform as its operator and the owners of accounts see it: settings, consents and pushes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from wechat_kf.simulator.api import Simulator
from wechat_kf.simulator.component import paths
from wechat_kf.simulator.component.consent import ConsentLink, LinkRefusedError, parse_link
from wechat_kf.simulator.component.grants import AuthorizationCode, Grants
from wechat_kf.simulator.component.overlapping_issuer import OverlappingIssuer
from wechat_kf.simulator.component.pre_auth_codes import PreAuthCodes
from wechat_kf.simulator.component.profiles import Profile
from wechat_kf.simulator.component.quotas import Quotas
from wechat_kf.simulator.component.sealed_push import PushKeys, SealedPush, event_xml, seal
from wechat_kf.simulator.component.tickets import Tickets

RENEWALS_A_DAY = 10_000  # of the platform's own token, as quota/get shows it


@dataclass(frozen=True, slots=True)
class Consent:
    """An owner has authorised the platform: where the browser is sent, and the push."""

    address: str = field(repr=False)
    push: SealedPush


class ThirdPartyPlatform:
    """One platform: what it registered at WeChat, and what WeChat issued for it."""

    def __init__(
        self,
        appid: str,
        secret: str,
        *,
        push_token: str,
        aes_key: str,
        start_domain: str = "",
        sets: Iterable[int] = (6, 19),
        token_life: timedelta = timedelta(hours=2),
        overlap: timedelta = timedelta(minutes=5),
    ) -> None:
        """Register a platform.

        Args:
            start_domain: the host of the pages that lead to WeChat's, and of those to which it redirects.
            sets: the permission sets that it requests.
            overlap: how long a token is accepted after the next one was issued. WeChat's support states five
                minutes for the platform's token; that it applies to those of authorizers is an assumption.
        """
        self.appid = appid
        self.secret = secret
        self.keys = PushKeys(appid, push_token, aes_key)  # replace it to change the EncodingAESKey
        self.start_domain = start_domain
        self.sets = tuple(sets)
        self.is_published = True
        self.test_list: set[str] = set()  # AppIDs that can authorise it before it is published
        self.has_relative_expiry = False  # the pushes state how long a code is valid, and not until when
        self.omits_empty_refresh_tokens = False  # the list has no such field, where it would be empty
        self.profiles: dict[str, Profile] = {}  # by AppID
        self._token_life = token_life
        self._overlap = overlap
        self._pushes = 0
        self.start_over()

    def start_over(self) -> None:
        """Forget all that was issued and granted. What was registered stays."""
        self.tickets = Tickets(self.appid)
        self.pre_auth_codes = PreAuthCodes(self.appid)
        self.tokens = OverlappingIssuer(self.appid, life=self._token_life, overlap=self._overlap)
        self.grants = Grants(self.appid, token_life=self._token_life, overlap=self._overlap)
        self.quotas = Quotas({paths.COMPONENT_TOKEN: RENEWALS_A_DAY})

    def push_ticket(self, now: datetime) -> SealedPush:
        """Issue a ticket, and return its push."""
        return self._push("component_verify_ticket", now, ComponentVerifyTicket=self.tickets.issue(now))

    def due_ticket(self, now: datetime) -> SealedPush | None:
        """Return the push of a ticket, if the service runs and pushes one now."""
        return self.push_ticket(now) if self.tickets.is_due(now) else None

    def open_page(self, link: str, now: datetime, *, referer: str = "") -> ConsentLink:
        """Open WeChat's page of consent, on which the owner then chooses an account.

        Raises:
            LinkRefusedError: the page shows an error.
        """
        page = parse_link(link, start_domain=self.start_domain, referer=referer)
        if page.component_appid != self.appid:
            raise LinkRefusedError("component_appid is of no platform", 61011)
        self.pre_auth_codes.check(page.pre_auth_code, now)
        return page

    def authorize(
        self, link: str, account: Simulator, sets: Iterable[int], now: datetime, *, referer: str = ""
    ) -> Consent:
        """Let the owner of an account grant permission sets on WeChat's page.

        Args:
            link: the address of the page, as the platform made it.
            referer: the page on which the link was clicked.

        Raises:
            LinkRefusedError: the page shows an error.
            ValueError: the platform requests no such set.
        """
        page = self.open_page(link, now, referer=referer)
        if not page.admits(account.appid, account.account_type):
            raise LinkRefusedError("this account cannot be chosen here")
        if not self.is_published and account.appid not in self.test_list:
            raise LinkRefusedError("the platform is not published, and the account is not on its test list", 61028)
        self.pre_auth_codes.use(page.pre_auth_code)
        code, push = self._grant(account.appid, sets, page.pre_auth_code, now)
        life = int((code.expires_at - now).total_seconds())
        return Consent(page.redirect(code.code, life), push)

    def grant(self, appid: str, sets: Iterable[int], now: datetime) -> SealedPush:
        """Authorise the platform for an account, or change the sets of a grant in force, and return the push."""
        return self._grant(appid, sets, self.pre_auth_codes.issue(now), now)[1]

    def withdraw(self, appid: str, now: datetime) -> SealedPush:
        """End the grant of an account, as its owner can in the console, and return the push.

        Raises:
            KeyError: it has none.
        """
        self.grants.withdraw(appid)
        return self._push("unauthorized", now, AuthorizerAppid=appid)

    def _grant(
        self, appid: str, sets: Iterable[int], pre_auth_code: str, now: datetime
    ) -> tuple[AuthorizationCode, SealedPush]:
        chosen = tuple(sets)
        if unknown := set(chosen) - set(self.sets):
            raise ValueError(f"the platform does not request {sorted(unknown)}")
        kind = "updateauthorized" if self.grants.find(appid) else "authorized"
        code = self.grants.grant(appid, chosen, now)
        life = int((code.expires_at - now).total_seconds())
        until = life if self.has_relative_expiry else int(code.expires_at.timestamp())
        push = self._push(
            kind,
            now,
            AuthorizerAppid=appid,
            AuthorizationCode=code.code,
            AuthorizationCodeExpiredTime=until,
            PreAuthCode=pre_auth_code,
        )
        return code, push

    def _push(self, info_type: str, now: datetime, **fields: str | int) -> SealedPush:
        self._pushes += 1
        digest = hashlib.sha256(f"{self.appid} push {self._pushes}".encode())
        return seal(
            event_xml(self.appid, info_type, now, **fields),
            self.keys,
            timestamp=int(now.timestamp()),
            nonce=str(int(digest.hexdigest()[:8], 16)),
            random=digest.digest()[:16],
        )

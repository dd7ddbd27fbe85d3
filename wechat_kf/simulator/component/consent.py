"""WeChat's page on which an owner authorises a platform: the checks of its address."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from wechat_kf.simulator.account_type import AccountType

PHONE_PATH = "/wxaopen/safe/bindcomponent"
DESKTOP_PATH = "/cgi-bin/componentloginpage"
AUTH_TYPES = {
    "1": frozenset({AccountType.VERIFIED, AccountType.UNVERIFIED}),
    "2": frozenset({AccountType.MINI_PROGRAM}),
    "3": frozenset(AccountType),
}
PHONE_ONLY = {"action": "bindcomponent", "no_scan": "1"}


class LinkRefusedError(Exception):
    """The page shows an error in place of the consent. `errcode` is 0 where it names none."""

    def __init__(self, reason: str, errcode: int = 0) -> None:
        super().__init__(reason)
        self.errcode = errcode


@dataclass(frozen=True, slots=True)
class ConsentLink:
    """The address of the page."""

    component_appid: str
    pre_auth_code: str = field(repr=False)
    redirect_uri: str
    auth_type: str  # "" if `biz_appid` names the account
    biz_appid: str

    def admits(self, appid: str, account_type: AccountType) -> bool:
        """Return whether the owner of this account can authorise the platform here."""
        return appid == self.biz_appid or account_type in AUTH_TYPES.get(self.auth_type, frozenset())

    def redirect(self, auth_code: str, expires_in: int) -> str:
        """Return the address to which the browser is sent after the consent."""
        parts = urlsplit(self.redirect_uri)
        answer = urlencode({"auth_code": auth_code, "expires_in": expires_in})
        return urlunsplit(parts._replace(query=f"{parts.query}&{answer}" if parts.query else answer))


def parse_link(link: str, *, start_domain: str, referer: str) -> ConsentLink:
    """Parse the address. `referer` is the page on which it was clicked, "" without one.

    Raises:
        LinkRefusedError: the page does not open.
    """
    parts = urlsplit(link)
    query = dict(parse_qsl(parts.query))
    problem = next(_problems(parts.path, parts.fragment, query, start_domain, referer), "")
    if problem:
        raise LinkRefusedError(problem)
    names = ("component_appid", "pre_auth_code", "redirect_uri", "auth_type", "biz_appid")
    return ConsentLink(*(query.get(name, "") for name in names))


def _problems(path: str, fragment: str, query: dict[str, str], start_domain: str, referer: str) -> Iterator[str]:
    known = {"component_appid", "pre_auth_code", "redirect_uri", "auth_type", "biz_appid"}
    if path == PHONE_PATH:
        known |= PHONE_ONLY.keys()
        if fragment != "wechat_redirect":
            yield "the address does not end in #wechat_redirect"
        yield from (f"{name} is not {value}" for name, value in PHONE_ONLY.items() if query.get(name) != value)
    elif path != DESKTOP_PATH:
        yield "there is no such page"
    elif urlsplit(referer).hostname != start_domain:
        yield f"the entry page's domain is {urlsplit(referer).hostname or 'empty'}, not {start_domain}"
    # A `redirect_uri` that is not encoded as a whole leaves its own parameters in the query.
    yield from (f"unknown parameter {name}" for name in query if name not in known)
    if ("auth_type" in query) == ("biz_appid" in query):
        yield "exactly one of auth_type and biz_appid is needed"
    if "auth_type" in query and query["auth_type"] not in AUTH_TYPES:
        yield "auth_type is not 1, 2 or 3"
    if urlsplit(query.get("redirect_uri", "")).hostname != start_domain:
        yield f"redirect_uri is not on {start_domain}"

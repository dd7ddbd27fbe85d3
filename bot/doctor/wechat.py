"""Checks of WeChat: the route, the proxy, the allow-list, the token and the accounts. Force no new token."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TypeGuard
from urllib.parse import urlsplit

from bot import hosting
from bot.doctor.findings import Finding, Report, Time, Unset, unknown, well, wrong
from bot.wiring import Services
from wechat_kf import (
    APIError,
    BusyError,
    KfError,
    KfList,
    QuotaError,
    ResponseError,
    ServiceToken,
    TokenError,
    TransportError,
)

SECONDS = 9.5  # for the token and the list together
TOKEN_SECONDS = 6.5
LIST_SECONDS = 2.5  # the minimum left for the list
ADDRESSES = {40164, 61004, *range(89501, 89508)}  # errcodes about the caller's address
REDIRECTS = range(300, 400)
BOTH = "A proxy add-on uses either of two addresses: add both, which its page shows."


class Route:
    """The route to WeChat, direct or through the proxy of a variable, and its findings."""

    def __init__(self, services: Services, variable: str) -> None:
        proxy = urlsplit(services.settings.wechat_proxy_url)
        self.host = urlsplit(services.settings.wechat_api_url).hostname or ""
        self.proxy = f"{proxy.hostname} ({variable})" if proxy.hostname else ""
        self.variable = variable
        host = services.settings.hosted_by_without_proxy
        self.first = hosting.advice(host) if host else ""  # before an address is allowed

    def open(self) -> list[Finding]:
        """Return the findings that hold once WeChat itself has answered."""
        if self.proxy:
            return [well("proxy", f"{self.proxy} lets WeChat's traffic through"), self.reached()]
        return [well("proxy", "none: WeChat is called from this machine's own address", self.first), self.reached()]

    def reached(self) -> Finding:
        return well("WeChat", f"{self.host} answers")

    def closed(self, error: TransportError | ResponseError) -> Finding:
        """Explain why WeChat did not answer."""
        if isinstance(error, ResponseError) or (error.status or 0) in REDIRECTS:
            remedy = "Look at WECHAT_API_URL, and for a proxy or a sign-in page that answers in WeChat's place."
            return wrong("WeChat", f"something else than WeChat answers at {self.host} ({error})", remedy)
        if error.proxy and error.status == 407:
            remedy = f"Copy {self.variable} anew from the add-on's page, and see there whether the plan is used up."
            return wrong("proxy", f"{self.proxy} refuses its user, password or plan (HTTP 407)", remedy)
        if error.proxy and error.status:
            remedy = f"Ask its provider why; or take another proxy in {self.variable}."
            return wrong("proxy", f"{self.proxy} does not connect to {self.host} (HTTP {error.status})", remedy)
        if error.proxy:
            remedy = f"See that it runs, and that host and port in {self.variable} are right."
            return wrong("proxy", f"{self.proxy} cannot be reached ({error})", remedy)
        way = f" through {self.proxy}" if self.proxy else ""
        remedy = f"Let this machine reach {self.host} (name service, firewall), and look at WECHAT_API_URL."
        if self.proxy:
            remedy = f"See whether {self.variable} is up and passes on to {self.host}, and look at WECHAT_API_URL."
        return wrong("WeChat", f"{self.host} does not answer{way} ({error})", remedy)

    def refused_address(self, error: APIError) -> Finding:
        """Report that WeChat refuses the address that the call came from."""
        address = error.address or "of this server"
        number = f"errcode {error.errcode}, rid {error.rid}" if error.rid else f"errcode {error.errcode}"
        text = f"WeChat refuses the address {address} ({number})"
        remedy = " ".join(filter(None, [self.first, error.advice, BOTH if self.proxy else ""]))
        return wrong("allow-list", text, remedy)


async def examine(services: Services, unset: Unset, variable: str) -> Report:
    """Get a token as the bot does, then the accounts. `variable` is the one that names the proxy."""
    if why := unset.why_not("WeChat", "WECHAT_APPID", "WECHAT_SECRET", "WECHAT_API_URL", variable):
        return Report((why,))
    route = Route(services, variable)
    loop = asyncio.get_running_loop()
    until = loop.time() + SECONDS
    try:
        await _token(services)
    except KfError as exc:
        return Report(tuple(_without_token(exc, route)))
    token = well("WeChat token", f"is given for {services.tenant.appid}")
    accepted = well("allow-list", "WeChat takes the address of this server", BOTH if route.proxy else "")
    findings = [*route.open(), accepted, token]
    began = services.shared.clock()
    try:
        listed = await services.accounts.kf_list(within=max(LIST_SECONDS, until - loop.time()), attempts=2)
    except KfError as exc:
        if isinstance(services.tokens, ServiceToken) and isinstance(exc, TransportError | ResponseError):
            # The token came from another service: nothing shows that WeChat can be reached.
            return Report((route.closed(exc), token, *_left_out("allow-list", "customer service")))
        if _refuses_address(exc):
            # WeChat checks each call, and two calls through a proxy may come from two addresses.
            return Report((*route.open(), route.refused_address(exc), token, *_left_out("customer service")))
        if isinstance(exc, TokenError):
            return Report((*findings[:-1], _refused("WeChat token", exc), *_left_out("customer service")))
        return Report((*findings, _refused("customer service", exc)))
    times = (Time("WeChat", began, listed.served_at, services.shared.clock()),) if listed.served_at else ()
    return Report((*findings, _read(listed)), times)


async def _token(services: Services) -> None:
    """Get a token, the one that every process of the bot gets."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(TOKEN_SECONDS):
            await services.tokens.get()
            return
    raise TransportError(f"no answer within {TOKEN_SECONDS:g} s", timed_out=True)


def _without_token(error: KfError, route: Route) -> list[Finding]:
    if isinstance(error, TransportError | ResponseError):
        return [route.closed(error), *_left_out("allow-list", "WeChat token", "customer service")]
    if _refuses_address(error):
        refused = route.refused_address(error)
        return [*route.open(), refused, *_left_out("WeChat token", "customer service")]
    open_ = unknown("allow-list", "not known: WeChat refuses for another reason")
    return [*route.open(), open_, _refused("WeChat token", error), *_left_out("customer service")]


def _refuses_address(error: KfError) -> TypeGuard[APIError]:
    return isinstance(error, APIError) and error.errcode in ADDRESSES


def _refused(check: str, error: KfError) -> Finding:
    advice = error.advice if isinstance(error, APIError) else "Run this again in a while."
    if isinstance(error, BusyError | TransportError):
        return unknown(check, f"not known: {error}", advice)
    if isinstance(error, QuotaError):
        return wrong(check, f"the quota of today is spent ({error})", advice)
    return wrong(check, f"WeChat refuses: {error}", advice)


def _read(listed: KfList) -> Finding:
    count = len(listed.accounts)
    text = f"{count} account{'' if count == 1 else 's'} read"
    if listed.complete:
        return well("customer service", text)
    unreadable = f"{text}, and {listed.unreadable} more that cannot be read"
    return unknown(
        "customer service", unreadable, "Report this as a bug. The accounts that can be read are watched."
    )


def _left_out(*checks: str) -> list[Finding]:
    return [unknown(check, "not checked: what comes before it failed") for check in checks]

"""Check the third-party platform: ticket, token, quota of renewals, and the address for WeChat. Read only.

No token is renewed: the check uses the one that the running processes have.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from urllib.parse import urlsplit

import aiohttp

from bot.alerting.incidents import ErrorDetails
from bot.alerting.platform_faults import NO_TICKET, NO_TICKET_AFTER, RIVAL, RIVAL_FOR
from bot.blocks.answers.diagnosis import ENGLISH, in_plain_words
from bot.blocks.platform_problems import explain_platform
from bot.blocks.times import span
from bot.doctor import wechat
from bot.doctor.findings import Finding, Report, Unset, unknown, well, wrong
from bot.doctor.running import StoreOf
from bot.sealing import DamagedSecretError, StoreKeys, UnknownKeyError, sealing_key
from bot.settings.values import Settings
from bot.store import platform_health, platform_rows, sealed_secrets, tenants
from bot.store.database import Tx
from bot.store.inspection import is_absent
from bot.store.platform_rows import PlatformRow
from bot.store.sealed_secrets import REFRESH_TOKEN, TICKET
from bot.store.store_errors import StoreError
from bot.store.token_leases import StoredTokens
from bot.tenant_states import POLLED
from bot.text import many
from bot.web.platform_endpoint import START_PATH
from bot.wiring import Services, SharedServices
from wechat_kf import APIError, FixedToken, KfClient, KfError, platform
from wechat_kf.platform import Quota
from wechat_kf.token_store import TokenKind, TokenRow
from wechat_kf.transport import send

CHECK = "platform"
SECONDS = 6.0  # for the page of the platform
RENEWALS = 14  # a day and account, of tokens that last for two hours and are renewed some minutes before
REACHED = "its page for owners answers"
RESTORE = "Put it into STORE_KEYS of every process. Without it the next ticket, token and list replace the secrets."


@dataclass(frozen=True, slots=True)
class _Known:
    """What the store has of the platform."""

    row: PlatformRow
    now: datetime
    polled: int  # accounts
    token: TokenRow
    unopened: Sequence[str]  # why a secret cannot be opened, for each


async def examine(store_of: StoreOf, settings: Settings, shared: SharedServices, unset: Unset) -> Report:
    """Report on the platform; nothing without one."""
    if not settings.has_platform:
        return Report(())
    if why := unset.why_not(CHECK, *unset.problems.keys() & {"DATABASE_URL", "STORE_KEYS", *_SETTINGS}):
        return Report((why,))
    known, reached = await asyncio.gather(_read(store_of, settings), _reached(settings))
    if known is None:
        absent = unknown(CHECK, "not checked: the database has no tables of a platform yet", "Start the bot.")
        return Report((absent, reached))
    found = [*_tickets(known), *_keys(known), *await _token(known, shared), _holder(known), reached]
    return Report(tuple(found))


_SETTINGS = ("PLATFORM_APPID", "PLATFORM_SECRET", "PLATFORM_TOKEN", "PLATFORM_AES_KEY", "PLATFORM_URL")


async def _read(store_of: StoreOf, settings: Settings) -> _Known | None:
    """Read the rows of the platform; None if there are none that can be read."""
    if is_absent(settings.database_url):
        return None
    store, keys, appid = store_of("", ""), StoreKeys(settings.store_keys), settings.platform_appid
    try:
        token = await StoredTokens(store, keys).get(appid, TokenKind.COMPONENT)
        async with store.begin() as tx:
            numbers = await tenants.count(tx, platform_appid=appid)
            return _Known(
                await platform_rows.load(tx, appid),
                tx.now,
                sum(numbers[state] for state in POLLED),
                token,
                await _unopened(tx, appid, keys),
            )
    except StoreError:
        return None


async def _unopened(tx: Tx, appid: str, keys: StoreKeys) -> Sequence[str]:
    """Return why secrets of the platform cannot be opened, one entry for each."""
    sealed = {
        (owner, REFRESH_TOKEN): value for owner, value in (await sealed_secrets.of_name(tx, REFRESH_TOKEN)).items()
    }
    if ticket := await sealed_secrets.load(tx, appid, TICKET):
        sealed[appid, TICKET] = ticket
    found = []
    for (owner, name), value in sealed.items():
        try:
            keys.open(owner, name, value)
        except UnknownKeyError:
            found.append(f"STORE_KEYS lacks the key {sealing_key(value)}")
        except DamagedSecretError:
            found.append("they were changed in the database")
    return found


def _tickets(known: _Known) -> list[Finding]:
    row = known.row
    if row.pushed_at is None:
        return [
            wrong(
                "ticket",
                "none has arrived: WeChat pushes one every 10 minutes to the authorisation event URL",
                "Wait for ten minutes after the first start. Then compare that address, the token and the key at "
                "WeChat with docs/platform.md, and look for `request rejected` in the log.",
            )
        ]
    age = known.now - row.pushed_at
    arrived = f"the last one arrived {span(max(age, timedelta(0)), ENGLISH)} ago"
    if age > NO_TICKET_AFTER:
        return [wrong("ticket", arrived, _words(ErrorDetails(NO_TICKET))[1])]
    return [well("ticket", arrived)]


def _keys(known: _Known) -> list[Finding]:
    return [
        wrong(
            "keys", f"{many(known.unopened.count(why), 'secret')} of the platform cannot be opened: {why}", RESTORE
        )
        for why in dict.fromkeys(known.unopened)
    ]


async def _token(known: _Known, shared: SharedServices) -> list[Finding]:
    """Try the platform's token by asking for the quotas of renewals, which costs none of them."""
    fault = platform_health.fault_of(known.row.fault)
    recorded = [wrong(CHECK, *_words(fault))] if fault else []
    if not known.token.value or known.token.left <= timedelta(0):
        hint = "A running process gets one with the next ticket, or when an account needs it."
        return recorded or [unknown("platform token", "there is none now, and this check makes none", hint)]
    token, proxied = known.token.value, bool(shared.settings.wechat_proxy_url)
    try:
        component, authorizers = [
            platform.parse_quota((await send(shared.wechat, platform.quota(path, token), proxied=proxied)).answer)
            for path in (platform.COMPONENT_TOKEN, platform.AUTHORIZER_TOKEN)
        ]
    except KfError as error:
        return recorded or [_failed(error)]
    left = span(known.token.left, ENGLISH)
    accepted = well("platform token", f"WeChat takes it, for {left} more")
    return [accepted, *recorded, *_quotas(component, authorizers, known.polled)]


def _failed(error: KfError) -> Finding:
    if isinstance(error, APIError):
        details = replace(ErrorDetails.of(error), rid=error.rid or "")
        return wrong("platform token", *_words(details))
    return unknown("platform token", f"not known: {error}", "Run this again in a while.")


def _quotas(component: Quota, authorizers: Quota, accounts: int) -> list[Finding]:
    found = []
    if component.remain is not None and component.remain < RENEWALS:
        remedy = "Find the other system that renews it. Renewals go on after midnight in Shanghai."
        found.append(
            wrong("quota", f"{many(component.remain, 'renewal')} of the platform's token left today", remedy)
        )
    if authorizers.daily_limit is None or authorizers.remain is None:
        return [*found, unknown("quota", "WeChat does not say how many renewals of accounts' tokens are left")]
    enough = authorizers.daily_limit // RENEWALS
    said = (
        f"{authorizers.remain:,} of {authorizers.daily_limit:,} renewals of accounts' tokens left today, which "
        f"suffice for {many(enough, 'account')} that are polled all day; {accounts} are polled"
    )
    if enough < accounts or authorizers.remain == 0:
        remedy = "Raise POLL_IDLE_SECONDS above two hours: an account that is polled less often needs fewer."
        return [*found, wrong("quota", said, remedy)]
    return [*found, well("quota", said)]


def _holder(known: _Known) -> Finding:
    rival_at = known.row.rival_at
    if rival_at and known.now - rival_at < RIVAL_FOR:
        return wrong("single holder", *_words(ErrorDetails(RIVAL)))
    return well("single holder", "no other system has renewed the platform's token in the last hour")


async def _reached(settings: Settings) -> Finding:
    """Open the owner's page by the public address, without a link: it refuses, and costs nothing."""
    address, check = f"{settings.platform_url}{START_PATH}", "PLATFORM_URL"
    host = urlsplit(settings.platform_url).hostname
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=SECONDS)) as session,
            session.get(address, allow_redirects=False) as response,
        ):
            status, is_ours = response.status, response.headers.get("Referrer-Policy") == "origin"
    except (aiohttp.ClientError, TimeoutError) as exc:
        remedy = (
            f"Check DNS, certificate, firewall and reverse proxy of {host}. If only this machine does not reach "
            f"it, open {address} in a browser: it shows that the link is not valid."
        )
        return wrong(check, f"{host} does not answer ({type(exc).__name__})", remedy)
    if status == 403 and is_ours:
        return well(check, f"{host} reaches this installation: {REACHED}")
    remedy = "Let the reverse proxy pass /wechat/platform/* to the `web` process, which needs PLATFORM_APPID, too."
    return wrong(check, f"{host} does not lead to the bot: HTTP {status} for {START_PATH}", remedy)


async def examine_account(services: Services, stored: StoredTokens | None, unset: Unset, variable: str) -> Report:
    """Check WeChat for an account of the platform, with the token that the running processes have."""
    row = TokenRow()
    if stored:
        try:
            row = await stored.get(services.tenant.appid, TokenKind.AUTHORIZER)
        except StoreError:
            row = TokenRow()
    if not row.value or row.left <= timedelta(0):
        hint = "Run this again after the next poll, which gets one."
        return Report((unknown("WeChat token", "not checked: there is none now, and this check makes none", hint),))
    tokens = FixedToken(row.value)
    http, proxied = services.shared.wechat, bool(services.settings.wechat_proxy_url)
    present = replace(services, tokens=tokens, accounts=KfClient(http, tokens, proxied=proxied))
    return await wechat.examine(present, unset, variable)


def _words(fault: ErrorDetails) -> tuple[str, str]:
    what, step = in_plain_words(explain_platform(fault, ENGLISH))
    address = f" ({fault.address})" if fault.address else ""
    return f"{what.rstrip('.')}{address}", step

"""Where the bot runs: its clock, the proxies of its host, and whoever waits for its heartbeat. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import urlsplit

from bot.blocks.times import span
from bot.doctor.findings import Finding, Time, Unset, unknown, well, wrong
from bot.outages import CLOCK_BOUND, clock_error
from bot.settings import Settings

NOT_FIXED = {
    "QUOTAGUARD_URL": "has no fixed address: take QuotaGuard Static",
    "FIXIE_SOCKS_HOST": "speaks SOCKS, which is not supported: take Fixie",
}


def clock(times: Iterable[Time]) -> Finding:
    """This machine's clock against those that answered, within the bound that the watcher has, too."""
    errors = {time.of: clock_error(time.served_at, time.began, time.now) for time in times}
    if not errors:
        return unknown("clock", "not known: nobody said what time it is")
    off = {of: error for of, error in errors.items() if error > CLOCK_BOUND}
    if not off:
        return well("clock", "agrees with " + " and ".join(f"{of}'s" for of in errors) + " within a minute")
    said = " and ".join(f"{span(error)} from {of}'s" for of, error in off.items())
    remedy = (
        "Set this machine's clock (NTP): reminders come early or late, and from 5 min on Slack's requests fail."
    )
    if len(off) < len(errors):
        remedy = "The two do not agree with each other: see whether a proxy answers with old pages."
    return wrong("clock", f"differs by {said}", remedy)


def ambient(names: Sequence[str], *, slack_reached: bool | None) -> Finding:
    """Proxies of the whole environment. Slack's client takes them, WeChat's does not."""
    if not names:
        return well("ambient proxies", "none")
    said = f"{', '.join(names)}: Slack's traffic goes through, WeChat's does not"
    if slack_reached is not False:
        return well("ambient proxies", said, "Unset it, unless Slack cannot be reached otherwise.")
    remedy = "Unset it, or mend that proxy. WeChat's own is set with WECHAT_PROXY_URL."
    return wrong("ambient proxies", f"{said}; Slack was not reached", remedy)


def unused_proxies(environ: Mapping[str, str], settings: Settings) -> list[Finding]:
    """Proxies of add-ons that are there and cannot serve."""
    if settings.wechat_proxy_url:
        return []
    return [
        well("proxy", f"{name} is set and not used", f"It {why}.")
        for name, why in NOT_FIXED.items()
        if environ.get(name, "").strip()
    ]


def heartbeat(settings: Settings, unset: Unset) -> list[Finding]:
    """Whoever waits for the heartbeat is not called: that would say that all is well."""
    if "HEARTBEAT_URL" in unset.problems or not settings.heartbeat_url:
        return []
    host = urlsplit(settings.heartbeat_url).hostname
    hint = "See at that service whether calls arrive once the bot runs: about one every POLL_SECONDS."
    return [unknown("heartbeat", f"not called: a call to {host} would say that all is well", hint)]

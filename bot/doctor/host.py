"""Checks of the host: its clock, its proxies, unused variables and the heartbeat. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from bot.alerting.incidents import CLOCK_BOUND, clock_error
from bot.blocks.answers.diagnosis import ENGLISH
from bot.blocks.times import span
from bot.doctor.findings import Finding, Time, Unset, unknown, well, wrong
from bot.settings.values import Settings

NOT_FIXED = {
    "QUOTAGUARD_URL": "has no fixed address: take QuotaGuard Static",
    "FIXIE_SOCKS_HOST": "speaks SOCKS, which is not supported: take Fixie",
}
PROXIES = "ambient proxies"
USABLE = "Unset it, or set it to http://HOST:PORT. SOCKS is not supported."
CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR")
ALL_PROXY = "For Slack set HTTPS_PROXY if it cannot be reached otherwise, for WeChat WECHAT_PROXY_URL."
NOT_USED = {
    "ALL_PROXY": ALL_PROXY,
    "all_proxy": ALL_PROXY,
    "SSLKEYLOGFILE": "With that file everybody who has it could read the bot's traffic.",
}


def clock(times: Iterable[Time]) -> Finding:
    """Compare this machine's clock with those of the servers that answered, within the watcher's bound."""
    errors = {time.of: clock_error(time.served_at, time.began, time.now) for time in times}
    if not errors:
        return unknown("clock", "not known: nobody said what time it is")
    off = {of: error for of, error in errors.items() if error > CLOCK_BOUND}
    if not off:
        return well("clock", "agrees with " + " and ".join(f"{of}'s" for of in errors) + " within a minute")
    text = " and ".join(f"{span(error, ENGLISH)} from {of}'s" for of, error in off.items())
    remedy = (
        "Set this machine's clock (NTP): reminders come early or late, and from 5 min on Slack's requests fail."
    )
    if len(off) < len(errors):
        remedy = "The two do not agree with each other: see whether a proxy answers with old pages."
    return wrong("clock", f"differs by {text}", remedy)


def ambient(settings: Settings, *, slack_reached: bool | None) -> list[Finding]:
    """Report the proxy of the whole environment, which Slack's traffic uses and WeChat's does not."""
    proxy = settings.ambient_proxy
    unusable = [
        wrong(PROXIES, f"{problem.name} {problem.why}; it is not used", problem.remedy or USABLE)
        for problem in proxy.unusable
    ]
    if not proxy.variable:
        return unusable or [well(PROXIES, "none")]
    if not settings.slack_proxy_url:
        return [*unusable, well(PROXIES, f"{proxy.variable}: not used for Slack, which NO_PROXY exempts")]
    text = f"{proxy.variable}: Slack's traffic goes through, WeChat's does not"
    if slack_reached is not False:
        return [*unusable, well(PROXIES, text, "Unset it, unless Slack cannot be reached otherwise.")]
    remedy = "Unset it, or repair that proxy. WeChat's own is set with WECHAT_PROXY_URL."
    return [*unusable, wrong(PROXIES, f"{text}; Slack was not reached", remedy)]


def ignored(names: Iterable[str]) -> list[Finding]:
    """Report variables that other programs use and the bot does not."""
    findings = []
    for name in names:
        if name in CERTIFICATES:
            text = f"{name} leads to no certificate that can be read; it is not used"
            findings.append(
                wrong("certificates", text, f"Correct {name}, or unset it: the system's are used then.")
            )
        elif name in NOT_USED:
            findings.append(well("environment", f"{name} is set and not used", NOT_USED[name]))
    return findings


def unused_proxies(environ: Mapping[str, str], settings: Settings) -> list[Finding]:
    """Report proxies of add-ons that are set but cannot be used."""
    if settings.wechat_proxy_url:
        return []
    return [
        well("proxy", f"{name} is set and not used", f"It {why}.")
        for name, why in NOT_FIXED.items()
        if environ.get(name, "").strip()
    ]


def heartbeat(settings: Settings, unset: Unset) -> list[Finding]:
    """Report the heartbeat as unchecked: a call would signal that the bot is well."""
    if "HEARTBEAT_URL" in unset.problems or not settings.heartbeat_url:
        return []
    host = urlsplit(settings.heartbeat_url).hostname
    hint = "See at that service whether calls arrive once the bot runs: about one every POLL_SECONDS."
    return [unknown("heartbeat", f"not called: a call to {host} would say that all is well", hint)]

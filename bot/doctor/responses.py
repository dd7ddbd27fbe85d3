"""Check the host of responses to commands and clicks, which differs from that of the Web API."""

from __future__ import annotations

from urllib.parse import urlsplit

from aiohttp import ClientSession

from bot.doctor.findings import Finding, well, wrong
from bot.settings.values import Settings
from bot.slack.response_url import responses_url, unreachable

SECONDS = 4.5
CHECK = "Slack responses"


async def examine(settings: Settings, session: ClientSession) -> Finding:
    """Check that the host of `response_url`s can be reached, without posting to it."""
    url = responses_url(settings.slack_api_url)
    host, error = urlsplit(url).hostname or "", await unreachable(session, url, SECONDS)
    way = f" through {settings.ambient_proxy.variable}" if settings.slack_proxy_url else ""
    if not error:
        return well(CHECK, f"{host}, where answers to /kf go, is reached{way}")
    remedy = f"Let this machine reach {host} (name service, firewall)."
    if way:
        remedy = f"Let the proxy of {settings.ambient_proxy.variable} pass on to {host}, or unset the variable."
    return wrong(CHECK, f"{host} cannot be reached{way} ({error}): /kf would never answer", remedy)

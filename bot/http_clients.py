"""Build the HTTP clients for WeChat and for services other than Slack."""

from __future__ import annotations

import ssl
from functools import cache, partial
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx

from bot.settings.values import Settings
from wechat_kf.connections import SeparateConnections


def wechat_client(settings: Settings) -> httpx.AsyncClient:
    """Create the client for WeChat's API, and for its platform's."""
    # Ambient proxies must not carry WeChat's traffic: it goes through the one that is set for it, or none.
    connection = partial(
        httpx.AsyncHTTPTransport,
        proxy=settings.wechat_proxy_url or None,
        trust_env=False,
        verify=_certificates(),
    )
    return httpx.AsyncClient(
        base_url=settings.wechat_api_url,
        trust_env=False,
        cookies=_no_cookies(),
        transport=SeparateConnections(connection),
        timeout=httpx.Timeout(10, connect=5),
    )


@cache
def _certificates() -> ssl.SSLContext:
    """Return the certificates that httpx trusts: reading them takes 20 ms, so a process does it once."""
    return httpx.create_ssl_context(trust_env=False)


def service_client(proxy_url: str) -> httpx.AsyncClient:
    """Create a client for services other than Slack and WeChat. `proxy_url` is "" for direct connections.

    It trusts the same certificates as Slack's client.
    """
    return httpx.AsyncClient(
        proxy=proxy_url or None,
        trust_env=False,
        verify=_certificates_of_slack(),
        cookies=_no_cookies(),
    )


@cache
def _certificates_of_slack() -> ssl.SSLContext:
    """Return the certificates that aiohttp trusts, read once in a process."""
    return ssl.create_default_context()


def _no_cookies() -> CookieJar:
    """Return a jar that keeps no cookie: a cookie of one account would go out with the next one's request."""
    return CookieJar(DefaultCookiePolicy(allowed_domains=()))

"""Check a central token service by requesting the token of one account, as the bot does."""

from __future__ import annotations

from urllib.parse import urlsplit

from bot.doctor.findings import Finding, well, wrong
from bot.settings.values import Settings
from wechat_kf import KfError, ServiceToken, TransportError
from wechat_kf.service_protocol import HTML

CHECK = "token service"
REDIRECTS = range(300, 400)
FAILURES = range(500, 600)
ANSWERS = "a JSON object with access_token (or token), or the token alone on one line"


async def examine(settings: Settings, appid: str, tokens: ServiceToken) -> Finding:
    """Request a token, which `tokens` keep. It is not reported as refused, so the service renews nothing."""
    host = urlsplit(settings.token_service_url).hostname or ""
    try:
        await tokens.get()
    except TransportError as error:
        if error.status is None:
            return _unanswered(settings, host, error)
        return _refused(settings, appid, host, error.status)
    except KfError as error:
        return _unreadable(host, error)
    return well(CHECK, f"{host} gives a token for {appid}")


def _refused(settings: Settings, appid: str, host: str, status: int) -> Finding:
    """Explain an HTTP status that is not 2xx."""
    said, remedy = f"{host} refuses the request", "Look at TOKEN_SERVICE_URL, and at the log of the service."
    if status in (401, 403) and not settings.token_service_auth:
        said = f"{host} wants an authorization, and TOKEN_SERVICE_AUTH is not set"
        remedy = "Set TOKEN_SERVICE_AUTH to the value of the Authorization header that the service expects."
    elif status in (401, 403):
        said = f"{host} refuses TOKEN_SERVICE_AUTH"
        remedy = (
            f"Copy TOKEN_SERVICE_AUTH again, with its scheme such as Bearer, and see whether it covers {appid}."
        )
    elif status == 404:
        said = f"{host} does not know the account {appid}"
        remedy = "Add the account there; or look at the path in TOKEN_SERVICE_URL, if the service knows it."
    elif status in REDIRECTS:
        said = f"{host} redirects, which the bot does not follow"
        remedy = "Put the final address into TOKEN_SERVICE_URL. If that is a page to sign in, let the bot past it."
    elif status in FAILURES:
        said = f"{host} has failed"
        remedy = "Look at the service and its log, and at the proxy in front of it; then run this again."
    return wrong(CHECK, f"{said} (HTTP {status})", remedy)


def _unanswered(settings: Settings, host: str, error: TransportError) -> Finding:
    if not settings.token_service_proxy_url:
        remedy = f"Let this machine reach {host} (name service, firewall), and see that the service runs."
        return wrong(CHECK, f"{host} does not answer ({error})", remedy)
    variable = settings.ambient_proxy.variable
    remedy = f"Let the proxy of {variable} pass on to {host}, or add {host} to NO_PROXY; see that the service runs."
    return wrong(CHECK, f"{host} does not answer through {variable} ({error})", remedy)


def _unreadable(host: str, error: KfError) -> Finding:
    if HTML in str(error):
        remedy = "Look at TOKEN_SERVICE_URL, and for a proxy or a sign-in page that answers in the service's place."
        return wrong(CHECK, f"{host} answers with a page of HTML", remedy)
    remedy = f"Look at TOKEN_SERVICE_URL. It must lead to {ANSWERS}."
    return wrong(CHECK, f"the answer of {host} is not a token ({error})", remedy)

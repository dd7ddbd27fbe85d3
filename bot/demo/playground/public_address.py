"""The public address of the bot's platform in the playground, and beside it WeChat's page of consent.

An owner's browser finds the present bot here, on whatever port it runs. The links of the bot's page lead to WeChat;
they are turned to the page of consent that is served here.
"""

from __future__ import annotations

import aiohttp
from aiohttp import web

from bot.demo.playground.consent_page import HEADERS, choice_page, refusal_page
from bot.demo.playground.origin_guard import guard
from bot.demo.playground.platform_consents import PlatformConsents
from bot.language import Language
from wechat_kf.simulator.component import LinkRefusedError
from wechat_kf.simulator.component.consent import DESKTOP_PATH, PHONE_PATH

WECHAT_PAGES = ("https://open.weixin.qq.com", "https://mp.weixin.qq.com")
PASSED_ON = ("Accept-Language", "User-Agent")
RETURNED = ("Content-Type", "Content-Security-Policy", "Referrer-Policy", "Cache-Control", "X-Content-Type-Options")
MAX_BODY = 10_000  # bytes


def application(consents: PlatformConsents, session: aiohttp.ClientSession) -> web.Application:
    """Return the application."""

    async def pass_on(request: web.Request) -> web.StreamResponse:
        headers = {name: request.headers[name] for name in PASSED_ON if name in request.headers}
        try:
            asked = session.get(f"{consents.bot_url()}{request.path_qs}", headers=headers, allow_redirects=False)
            async with asked as answer:
                body = await answer.text()
        except aiohttp.ClientError:
            return web.Response(status=502, text="The bot does not answer.\n")
        for address in WECHAT_PAGES:
            body = body.replace(address, str(request.url.origin()))
        returned = {name: answer.headers[name] for name in RETURNED if name in answer.headers}
        return web.Response(status=answer.status, body=body.encode(), headers=returned)

    async def choose(request: web.Request) -> web.StreamResponse:
        try:
            shops = consents.choices(_link(request), request.headers.get("Referer", ""))
        except LinkRefusedError as refused:
            return _refusal(request, refused)
        return _page(choice_page(_language(request), shops))

    async def authorize(request: web.Request) -> web.StreamResponse:
        form = await request.post()
        sets = {int(text) for text in form.getall("set", []) if isinstance(text, str) and text.isdecimal()}
        try:
            address = consents.authorize(
                _link(request), str(form.get("appid", "")), sets, request.headers.get("Referer", "")
            )
        except LinkRefusedError as refused:
            return _refusal(request, refused)
        return web.Response(status=303, headers={"Location": address})

    app = web.Application(client_max_size=MAX_BODY, middlewares=[guard])
    app.router.add_get("/wechat/platform/{name}", pass_on)
    for path in (PHONE_PATH, DESKTOP_PATH):
        app.router.add_get(path, choose)
        app.router.add_post(path, authorize)
    return app


def _link(request: web.Request) -> str:
    # Browsers send no fragment, and the one that WeChat's app requires says nothing else.
    fragment = "#wechat_redirect" if request.path == PHONE_PATH else ""
    return f"{request.path_qs}{fragment}"


def _language(request: web.Request) -> Language:
    is_chinese = request.headers.get("Accept-Language", "").lower().startswith("zh")
    return Language.CHINESE if is_chinese else Language.ENGLISH


def _refusal(request: web.Request, refused: LinkRefusedError) -> web.Response:
    errcode = f" ({refused.errcode})" if refused.errcode else ""
    return _page(refusal_page(_language(request), f"{refused}{errcode}"))


def _page(html: str) -> web.Response:
    return web.Response(text=html, content_type="text/html", headers=HEADERS)

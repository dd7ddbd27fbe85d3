"""WeChat's page of consent in the playground, in English and Chinese. Pure: it has no script."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from html import escape

from bot.demo.playground.platform_consents import ShopChoice
from bot.language import Language

SETS: Mapping[Language, Mapping[int, str]] = {
    Language.ENGLISH: {6: "Customer service", 19: "Customer service of Mini Programs"},
    Language.CHINESE: {6: "客服管理", 19: "小程序客服管理"},
}
TEXTS: Mapping[Language, Mapping[str, str]] = {
    Language.ENGLISH: {
        "title": "Authorise a third-party platform",
        "lead": "The platform WeChat KF asks for these permissions. You decide which of them it gets.",
        "set": "permission set {number}",
        "authorize": "Authorise",
        "note": "In WeChat you would scan a QR code here, as the administrator of your account.",
        "refused": "WeChat cannot open this page",
    },
    Language.CHINESE: {
        "title": "授权第三方平台",
        "lead": "第三方平台 WeChat KF 申请以下权限，由你决定授予哪些。",
        "set": "权限集 {number}",
        "authorize": "授权",
        "note": "在微信里，你会以账号管理员的身份扫码打开这一页。",
        "refused": "微信无法打开这个页面",
    },
}
STYLE = """
:root { color-scheme: light dark; --ink: #1a1a1a; --soft: #666; --line: #ddd; --page: #f4f4f4; --card: #fff; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #eee; --soft: #aaa; --line: #444; --page: #111; --card: #1e1e1e; }
}
body {
  margin: 0 auto; max-width: 30rem; padding: 1.5rem 1rem; color: var(--ink); background: var(--page);
  font: 1rem/1.5 system-ui, "PingFang SC", "Noto Sans CJK SC", sans-serif;
}
h1 { font-size: 1.3rem; }
form {
  margin: 1rem 0; padding: 1rem; border: 1px solid var(--line); border-radius: .6rem; background: var(--card);
}
h2 { font-size: 1.05rem; margin: 0 0 .6rem; overflow-wrap: anywhere; }
label { display: block; padding: .3rem 0; }
small, p.note { color: var(--soft); }
button {
  width: 100%; margin-top: .8rem; padding: .7rem; border: 0; border-radius: .4rem; font: inherit; font-weight: 600;
  color: #fff; background: #067a3c;
}
"""
_STYLE_DIGEST = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
HEADERS: Mapping[str, str] = {
    # The form leads to the bot's page, which is at the same address.
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_STYLE_DIGEST}'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
}


def choice_page(language: Language, shops: Sequence[ShopChoice]) -> str:
    """Return the page with a form for each account."""
    texts = TEXTS[language]
    forms = "".join(_form(language, shop) for shop in shops)
    return _page(language, texts["title"], f'<p>{texts["lead"]}</p>{forms}<p class="note">{texts["note"]}</p>')


def refusal_page(language: Language, reason: str) -> str:
    """Return the page in place of the choice. The reason is WeChat's, in English."""
    return _page(language, TEXTS[language]["refused"], f"<p>{escape(reason)}</p>")


def _form(language: Language, shop: ShopChoice) -> str:
    texts = TEXTS[language]
    boxes = "".join(
        f'<label><input type="checkbox" name="set" value="{number}" checked> {SETS[language][number]} '
        f"<small>{texts['set'].format(number=number)}</small></label>"
        for number in shop.sets
    )
    return (
        f'<form method="post" aria-label="{escape(shop.name)}"><h2>{escape(shop.name)}</h2>'
        f'<input type="hidden" name="appid" value="{escape(shop.appid)}">{boxes}'
        f"<button>{texts['authorize']}</button></form>"
    )


def _page(language: Language, title: str, content: str) -> str:
    tag = "zh-CN" if language is Language.CHINESE else "en"
    return (
        f'<!doctype html><html lang="{tag}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{STYLE}</style></head><body><main><h1>{title}</h1>{content}</main></body></html>"
    )

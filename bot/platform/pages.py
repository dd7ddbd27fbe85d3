"""The two pages that an owner sees: what will be asked for, and how it ended. Pure: they have no script."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from html import escape
from urllib.parse import urlencode

from bot.language import Language, catalogue, gettext_noop
from bot.platform.authorization import MINI_SET, OFFICIAL_SET
from bot.text import NAME, clean
from bot.web.platform_endpoint import OwnerPage

ON_PHONE = "https://open.weixin.qq.com/wxaopen/safe/bindcomponent"
ON_DESKTOP = "https://mp.weixin.qq.com/cgi-bin/componentloginpage"
OF_BOTH = 3  # `auth_type`: Official Accounts and Mini Programs

STYLE = """
:root { color-scheme: light dark; --ink: #1d1c1d; --soft: #5a5a5e; --line: #d9d9de; --page: #fff; --go: #06793f; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #ececee; --soft: #a9a9b0; --line: #3d3d44; --page: #18181b; --go: #3ecb7f; }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; max-width: 34rem; padding: 2rem 1.25rem; color: var(--ink); background: var(--page);
  font: 1.0625rem/1.6 -apple-system, "PingFang SC", "Noto Sans CJK SC", "Segoe UI", sans-serif;
}
h1 { font-size: 1.5rem; line-height: 1.3; margin: 0 0 1rem; overflow-wrap: anywhere; }
p { margin: 0 0 1rem; overflow-wrap: anywhere; }
a {
  display: block; margin: 0 0 .75rem; padding: .85rem 1rem; border: 1px solid var(--go); border-radius: .6rem;
  color: var(--go); font-weight: 600; text-align: center; text-decoration: none;
}
a:first-of-type { background: var(--go); color: var(--page); }
a:focus-visible { outline: 3px solid var(--ink); outline-offset: 2px; }
.small { color: var(--soft); font-size: .9375rem; border-top: 1px solid var(--line); padding-top: 1rem; }
"""
_STYLE_DIGEST = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
HEADERS: Mapping[str, str] = {
    # WeChat refuses a click that does not come from a page of the platform's domain.
    "Referrer-Policy": "origin",
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_STYLE_DIGEST}'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
}


class Ending(StrEnum):
    """What a page says that has no link to WeChat."""

    ADDED = "added"
    PENDING = "pending"
    UNGRANTED = "ungranted"
    CLOSED = "closed"
    PAUSED = "paused"
    CODE_REFUSED = "code refused"
    UNPUBLISHED = "unpublished"
    LINK_OVER = "link over"
    NOT_READY = "not ready"


_STATUS = {Ending.LINK_OVER: 403, Ending.NOT_READY: 503}  # else 200
# The title, and what there is to do.
_SENTENCES: Mapping[Ending, tuple[str, str]] = {
    Ending.ADDED: (
        gettext_noop("{name} is authorised"),
        gettext_noop("Its customer service is watched from now on. You can close this page."),
    ),
    Ending.PENDING: (
        gettext_noop("Your authorisation has arrived"),
        gettext_noop(
            "WeChat does not answer right now. The rest happens by itself within some minutes: you can close this "
            "page."
        ),
    ),
    Ending.UNGRANTED: (
        gettext_noop("{name} is authorised, but without customer service"),
        gettext_noop(
            "Without that permission nothing can be watched. Open the link again, and leave customer service "
            "selected when WeChat asks."
        ),
    ),
    Ending.CLOSED: (
        gettext_noop("{name} is authorised, but WeChat has frozen or closed it"),
        gettext_noop("See the notice in the WeChat console. Once the account works again, it is watched."),
    ),
    Ending.PAUSED: (
        gettext_noop("{name} is authorised"),
        gettext_noop("It is paused, so it is not watched at present. Tell the person who sent you the link."),
    ),
    Ending.CODE_REFUSED: (
        gettext_noop("This authorisation was used before, or has expired"),
        gettext_noop("Open the link again, and authorise once more."),
    ),
    Ending.UNPUBLISHED: (
        gettext_noop("This account cannot authorise yet"),
        gettext_noop(
            "The third-party platform is not published, so WeChat admits only accounts on its test list. Tell the "
            "person who sent you the link."
        ),
    ),
    Ending.LINK_OVER: (
        gettext_noop("This link is not valid"),
        gettext_noop("A link is good for 24 hours. Ask the person who sent it for a new one."),
    ),
    Ending.NOT_READY: (
        gettext_noop("This does not work right now"),
        gettext_noop("WeChat has not answered. Open the link again in some minutes."),
    ),
}


@dataclass(frozen=True, slots=True)
class _Words:
    """The sentences of a language, for HTML."""

    language: Language

    def say(self, sentence: str, **values: object) -> str:
        texts = {name: escape(str(value)) for name, value in values.items()}
        return escape(catalogue(self.language).gettext(sentence), quote=False).format(**texts)


def reader_language(accept: str, default: Language) -> Language:
    """Return the language that a browser prefers, by its `Accept-Language`."""
    wanted: list[tuple[float, Language]] = []
    for item in accept[:200].split(","):
        tag, _, weight = item.partition(";")
        known = tag.strip().lower()[:2]
        if known in (Language.ENGLISH, Language.CHINESE):
            wanted.append((_weight(weight), Language(known)))
    return max(wanted, key=lambda one: one[0], default=(0.0, default))[1]


def _weight(text: str) -> float:
    try:
        return float(text.strip().removeprefix("q=") or 1)
    except ValueError:
        return 0.0


def start_page(
    language: Language, *, appid: str, pre_auth_code: str, redirect_url: str, minutes: int, operates: bool
) -> OwnerPage:
    """Return the page with the two ways to authorise.

    Args:
        appid: of the platform.
        redirect_url: where WeChat sends the owner afterwards.
        minutes: how long the code is good.
        operates: people may change customer service from Slack, and not only watch it.
    """
    words = _Words(language)
    query = {"component_appid": appid, "pre_auth_code": pre_auth_code, "redirect_uri": redirect_url}
    desktop = f"{ON_DESKTOP}?{urlencode({**query, 'auth_type': OF_BOTH})}"
    phone = {"action": "bindcomponent", "no_scan": 1, **query, "auth_type": OF_BOTH}
    purpose = (
        words.say("It lets them see your customer-service accounts and invitations, and change them from Slack.")
        if operates
        else words.say("It lets them see your customer-service accounts and who has declined an invitation.")
    )
    asked = words.say(
        "WeChat will ask you for one permission, customer service: permission set {official} of an Official "
        "Account, {mini} of a Mini Program.",
        official=OFFICIAL_SET,
        mini=MINI_SET,
    )
    return _page(
        language,
        words.say("Authorise alerts about your customer service"),
        [
            words.say("The person who sent you this link asks to watch the customer service of your account."),
            _joined(language, asked, purpose),
            words.say("They get no password and no AppSecret, and read no message of your customers."),
        ],
        links=[
            (f"{ON_PHONE}?{urlencode(phone)}#wechat_redirect", words.say("Authorise on this phone, in WeChat")),
            (desktop, words.say("Authorise on a computer, with a QR code")),
        ],
        small=words.say(
            "These buttons work for {minutes} minutes: reload the page for new ones. You can withdraw the "
            "authorisation in the WeChat console at any time.",
            minutes=minutes,
        ),
    )


def ending_page(language: Language, ending: Ending, name: str = "") -> OwnerPage:
    """Return a page that says how it ended. `name` is the account's, as its owner wrote it."""
    words = _Words(language)
    shown = clean(name, NAME) or words.say("The account")
    title, sentence = _SENTENCES[ending]
    return _page(language, words.say(title, name=shown), [words.say(sentence)], status=_STATUS.get(ending, 200))


def _joined(language: Language, *sentences: str) -> str:
    """Put sentences one after another. Chinese has no blank after its full stop."""
    return ("" if language is Language.CHINESE else " ").join(sentences)


def _page(
    language: Language,
    title: str,
    paragraphs: Sequence[str],
    *,
    links: Sequence[tuple[str, str]] = (),
    small: str = "",
    status: int = 200,
) -> OwnerPage:
    """Lay out a page. All texts are escaped already, and addresses are not."""
    body = [f"<h1>{title}</h1>", *(f"<p>{one}</p>" for one in paragraphs)]
    body += [f'<a href="{escape(address)}">{text}</a>' for address, text in links]
    body += [f'<p class="small">{small}</p>'] if small else []
    tag = "zh-CN" if language is Language.CHINESE else "en"
    html = "\n".join(
        (
            "<!doctype html>",
            f'<html lang="{tag}"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{title}</title><style>{STYLE}</style></head><body>",
            *body,
            "</body></html>",
        )
    )
    return OwnerPage(status, html, HEADERS)

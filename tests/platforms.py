"""A simulated third-party platform between accounts, and the calls of whatever runs it."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote, urlencode
from xml.etree import ElementTree

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from tests.conftest import VirtualClock
from tests.vectors_of_pushes import AES_KEY, PLATFORM_APPID, TOKEN
from wechat_kf import protocol
from wechat_kf.simulator import AccountType, Simulator, World
from wechat_kf.simulator.component import SealedPush, ThirdPartyPlatform, paths

PLATFORM_SECRET = "secret-of-the-platform"
SHOP, KIOSK, APP = "wx00000000000000a1", "wx00000000000000a2", "wx00000000000000a3"
DOMAIN = "bot.example"
START = f"https://{DOMAIN}/wechat/platform/start"
AUTHORIZED = f"https://{DOMAIN}/wechat/platform/authorized?s=EXAMPLE&x=1"
PHONE = "https://open.weixin.qq.com/wxaopen/safe/bindcomponent"
DESKTOP = "https://mp.weixin.qq.com/cgi-bin/componentloginpage"
SERVER = "203.0.113.7"


def platform(**options: Any) -> ThirdPartyPlatform:
    return ThirdPartyPlatform(
        PLATFORM_APPID, PLATFORM_SECRET, push_token=TOKEN, aes_key=AES_KEY, start_domain=DOMAIN, **options
    )


def opened(push: SealedPush, aes_key: str = AES_KEY) -> dict[str, str]:
    """Return the fields of a push, without any of the checks that a reader needs."""
    key = base64.b64decode(f"{aes_key}=")
    sealed = ElementTree.fromstring(push.body).findtext("Encrypt")
    decryptor = Cipher(algorithms.AES(key), modes.CBC(key[:16])).decryptor()
    plain = decryptor.update(base64.b64decode(str(sealed))) + decryptor.finalize()
    length = int.from_bytes(plain[16:20], "big")
    return {field.tag: str(field.text) for field in ElementTree.fromstring(plain[20 : 20 + length])}


class PlatformCaller:
    """Calls the API with the credentials of a platform, at the moment that its clock shows."""

    def __init__(self, **options: Any) -> None:
        self.clock = VirtualClock()
        self.platform = platform(**options)
        self.world = World(
            [
                Simulator(SHOP, "secret-of-shop"),
                Simulator(KIOSK, "secret-of-kiosk", suffix="kiosk", account_type=AccountType.UNVERIFIED),
                Simulator(APP, "secret-of-app", suffix="app", account_type=AccountType.MINI_PROGRAM),
            ],
            platform=self.platform,
        )
        self.ticket = ""

    def raw(self, method: str, path: str, body: bytes, ip: str = SERVER, **query: str) -> dict[str, Any]:
        endpoint = self.world.addressed(path, query, body)
        status, answer = endpoint.answer(method, path, query, body, self.clock(), ip)
        assert status == 200
        return dict(json.loads(answer))

    def post(self, path: str, *, token: str = "", ip: str = SERVER, **data: object) -> dict[str, Any]:
        query = {"component_access_token": token} if token else {}
        return self.raw("POST", path, json.dumps(data).encode(), ip, **query)

    def component_token(self, **given: object) -> dict[str, Any]:
        data = {
            "component_appid": PLATFORM_APPID,
            "component_appsecret": PLATFORM_SECRET,
            "component_verify_ticket": self.ticket or self.new_ticket(),
        }
        return self.post(paths.COMPONENT_TOKEN, **{**data, **given})

    def new_ticket(self) -> str:
        self.ticket = self.platform.tickets.issue(self.clock())
        return self.ticket

    def token(self) -> str:
        """Return a new token of the platform."""
        return str(self.component_token()["component_access_token"])

    def call(self, path: str, **data: object) -> dict[str, Any]:
        """Make a call with a new token of the platform."""
        return self.post(path, token=self.token(), component_appid=PLATFORM_APPID, **data)

    def code(self) -> str:
        return str(self.call(paths.PRE_AUTH_CODE)["pre_auth_code"])

    def exchange(self, code: str) -> dict[str, Any]:
        return self.call(paths.QUERY_AUTH, authorization_code=code)

    def authorize(self, appid: str = SHOP, sets: Iterable[int] = (6,)) -> dict[str, Any]:
        """Let an owner authorise the platform, and exchange the code."""
        code = self.platform.grants.grant(appid, tuple(sets), self.clock()).code
        return dict(self.exchange(code)["authorization_info"])

    def renew(self, appid: str, refresh_token: str) -> dict[str, Any]:
        return self.call(paths.AUTHORIZER_TOKEN, authorizer_appid=appid, authorizer_refresh_token=refresh_token)

    def listed(self, offset: int = 0, count: int = 500) -> dict[str, Any]:
        return self.call(paths.AUTHORIZER_LIST, offset=offset, count=count)

    def kf_list(self, token: str, ip: str = SERVER) -> dict[str, Any]:
        return self.raw("GET", protocol.KF_LIST, b"", ip, access_token=token)


def phone_link(code: str, **changes: str) -> str:
    """Return the address of WeChat's page for a phone; a parameter that is "" is left out."""
    return f"{_link(PHONE, code, {'action': 'bindcomponent', 'no_scan': '1', **changes})}#wechat_redirect"


def desktop_link(code: str, **changes: str) -> str:
    return _link(DESKTOP, code, changes)


def _link(page: str, code: str, changes: dict[str, str]) -> str:
    query = {
        "component_appid": PLATFORM_APPID,
        "pre_auth_code": code,
        "redirect_uri": AUTHORIZED,
        "auth_type": "3",
        **changes,
    }
    return f"{page}?{urlencode({name: value for name, value in query.items() if value}, quote_via=quote)}"

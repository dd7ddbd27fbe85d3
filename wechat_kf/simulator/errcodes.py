"""The refusals of the API: its errcodes with their messages."""

from __future__ import annotations

ERRMSGS = {
    -1: "system error",
    40001: "invalid credential, access_token is invalid or not latest, could get access_token by "
    "getStableAccessToken, more details at https://mmbizurl.cn/s/EXAMPLE",
    40002: "invalid grant_type",
    40013: "invalid appid",
    40014: "invalid access_token",
    40033: "invalid charset. please check your request, if include \\uxxxx will create fail!",
    40097: "invalid args",
    40125: "invalid appsecret",
    40132: "invalid username",
    40164: "invalid ip {ip} ipv6 ::ffff:{ip}, not in whitelist",
    40243: "invalid appsecret, the secret is frozen",
    41001: "access_token missing",
    41002: "appid missing",
    41004: "appsecret missing",
    42001: "access_token expired",
    43001: "require GET method",
    43002: "require POST method",
    44002: "empty post data",
    45009: "reach max api daily quota limit",
    45011: "api minute-quota reach limit, must slower, retry next minute",
    47001: "data format error",
    48001: "api unauthorized",
    48006: "forbid to clear quota because of reaching the limit",
    61000: "appid is not a component",
    61001: "appid and component do not match",
    61002: "function is not open to this component",
    61003: "component is not authorized by this account",
    61004: "access clientip is not registered requestIP: {ip}",
    61005: "component ticket is expired",
    61006: "component ticket is invalid",
    61007: "api is unauthorized to component",
    61009: "code is invalid",
    61010: "code is expired",
    61011: "invalid component",
    61014: "must use component token for component api",
    61015: "must use biz token for not component api",
    61016: "function category of API need be confirmed by component",
    61017: "function category is not authorized",
    61023: "refresh_token is invalid",
    61024: "must use api_component_token for component appid",
    61028: "component is not published",
    61450: "system error",
    61452: "invalid custom service account",
    61453: "custom service account exists",
    61454: "custom service account name is too long",
    61455: "custom service account name has illegal characters",
    61456: "number of custom service accounts has reached the limit",
    65400: "please enable new custom service, or wait for a while if you have enabled",
    65401: "invalid custom service account",
    65402: "the custom service account is not bound to a wechat user",
    65403: "invalid custom service nickname",
    65404: "illegal custom service account",
    65405: "number of custom service accounts has reached the limit",
    65406: "custom service account exists",
    65407: "the invited wechat user is already a custom service of this account",
    65408: "the wechat user has been invited and has not answered",
    65409: "invalid wechat id",
    65410: "the wechat user is bound to too many custom service accounts",
    65411: "a effective invitation to bind the custom service account exists",
    65412: "the custom service account has been bound to a wechat user",
    76021: "cgi_path not found, please check",
}


class ErrcodeRefusal(Exception):  # noqa: N818  it is an answer of the API, not an error of the simulator
    """The call is refused with this errcode."""

    def __init__(self, errcode: int) -> None:
        super().__init__(errcode)
        self.errcode = errcode


def errmsg(errcode: int, *, client_ip: str, rid: str) -> str:
    """Return the message of a refusal with WeChat's tail."""
    return f"{ERRMSGS.get(errcode, 'api error').replace('{ip}', client_ip)} rid: {rid}"

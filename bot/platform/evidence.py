"""Answers of a real platform, redacted: evidence for the points that WeChat's documents leave open."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from bot.platform.calls import PlatformCalls
from wechat_kf import APIError, KfError, platform
from wechat_kf.protocol import Request

MOST = 3  # rows of a list
SHORT_NUMBER = re.compile(r"-?[0-9]{1,7}")  # an errcode, a count, a state: it identifies no one
ADDRESS = re.compile(r"[0-9]{1,3}(\.[0-9]{1,3}){3}|[0-9a-f:]{6,}")


async def evidence(calls: PlatformCalls, appid: str) -> Mapping[str, Any]:
    """Return the answers to the calls that change nothing, by path, with each text replaced by its length."""
    found = {}
    requests: Mapping[str, Callable[[str], Request]] = {
        platform.PRE_AUTH_CODE: partial(platform.pre_auth_code, appid),
        platform.AUTHORIZER_LIST: partial(platform.authorizer_list, appid, 0),
        f"{platform.QUOTA} of {platform.COMPONENT_TOKEN}": partial(platform.quota, platform.COMPONENT_TOKEN),
        f"{platform.QUOTA} of {platform.AUTHORIZER_TOKEN}": partial(platform.quota, platform.AUTHORIZER_TOKEN),
    }
    for path, request in requests.items():
        found[path], answer = await _answer(calls, request)
        rows = answer.get("list") if answer else None
        if path == platform.AUTHORIZER_LIST and isinstance(rows, list) and rows:
            first = str(rows[0].get("authorizer_appid"))
            info = partial(platform.authorizer_info, appid, first)
            found[platform.AUTHORIZER_INFO], _ = await _answer(calls, info)
    return found


async def _answer(calls: PlatformCalls, request: Callable[[str], Request]) -> tuple[Any, Mapping[str, Any] | None]:
    """Return an answer redacted, and as it is; for an error, what it is and None."""
    try:
        answer = await calls.call(request)
    except APIError as error:
        return {"errcode": error.errcode, "errmsg": ADDRESS.sub("…", error.errmsg)}, None
    except KfError as error:
        return type(error).__name__, None
    return redacted(answer), answer


def redacted(value: Any) -> Any:
    """Redact a JSON value: keep the names of fields and small numbers, and replace each text by its length."""
    if isinstance(value, Mapping):
        return {str(name): redacted(each) for name, each in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        more = [f"and {len(value) - MOST} more"] if len(value) > MOST else []
        return [*(redacted(each) for each in value[:MOST]), *more]
    if isinstance(value, str) and not SHORT_NUMBER.fullmatch(value):
        return f"text of {len(value)}"
    if isinstance(value, int) and not isinstance(value, bool) and not SHORT_NUMBER.fullmatch(str(value)):
        return f"number of {len(str(value))} digits"
    return value

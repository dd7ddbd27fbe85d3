"""The calls that change accounts, sans-I/O: build their requests, check their answers.

https://developers.weixin.qq.com/doc/service/en/api/customer/servicermanage/
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from wechat_kf.errors import SYSTEM_ERRORS, APIError, KfError, ResponseError, TransportError
from wechat_kf.protocol import Answer, Request

# Without `cgi-bin`, unlike the lists.
ADD = "/customservice/kfaccount/add"
DELETE = "/customservice/kfaccount/del"
INVITE = "/customservice/kfaccount/inviteworker"
UPDATE = "/customservice/kfaccount/update"
PATHS = (INVITE, ADD, UPDATE, DELETE)


def post(path: str, fields: Mapping[str, str], access_token: str) -> Request:
    """Build a write. Texts about it mask its fields like its token: they are names and private WeChat IDs."""
    # Raw UTF-8: parts of the API refuse \u escapes (40033). A lone surrogate, which has no UTF-8, becomes "?".
    body = json.dumps(fields, ensure_ascii=False).encode(errors="replace")
    return Request(
        "POST", path, {"access_token": access_token}, body=body, secrets=(access_token, *fields.values())
    )


def check(answer: Answer) -> None:
    """Accept the answer of a write that was carried out, whatever its `errmsg`.

    Raises:
        ResponseError: the answer has no errcode, which only reads and tokens may lack.
    """
    if not answer.get("errcode"):
        raise ResponseError("the answer to a write has no errcode")


def may_have_taken_effect(error: KfError) -> bool:
    """Return whether WeChat may have carried out the write that ended with this error."""
    if isinstance(error, TransportError):
        return error.sent
    return not isinstance(error, APIError) or error.errcode in SYSTEM_ERRORS

"""The list of the accounts that have authorised a platform, in pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from wechat_kf.simulator.component.grants import Grant
from wechat_kf.simulator.errcodes import ErrcodeRefusal

MOST = 500  # accounts in a page


def authorizer_page(
    grants: Sequence[Grant], data: Mapping[str, object], *, omits_empty: bool
) -> Mapping[str, object]:
    """Return the page that a request asks for, as of this moment: pages are not those of one snapshot.

    Raises:
        ErrcodeRefusal: `offset` or `count` is no number, or out of range (40097).
    """
    offset, count = data.get("offset"), data.get("count")
    if not (isinstance(offset, int) and isinstance(count, int) and offset >= 0 and 0 < count <= MOST):
        raise ErrcodeRefusal(40097)
    rows = [_row(grant, omits_empty=omits_empty) for grant in grants[offset : offset + count]]
    return {"total_count": len(grants), "list": rows}


def _row(grant: Grant, *, omits_empty: bool) -> Mapping[str, object]:
    refresh_token = grant.refresh_token if grant.is_exchanged else ""
    shown = {} if omits_empty and not refresh_token else {"refresh_token": refresh_token}
    return {"authorizer_appid": grant.appid, **shown, "auth_time": int(grant.granted_at.timestamp())}

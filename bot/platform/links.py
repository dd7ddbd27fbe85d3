"""The link that an owner opens: who asked for it, its end, and a signature over both. Pure."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from bot.sealing import StoreKeys
from bot.settings.values import Settings
from bot.web.platform_endpoint import START_PATH

VALID = timedelta(hours=24)
PURPOSE = "wechat-kf owner's link"
SIGNATURE_BYTES = hashlib.sha256().digest_size
LONGEST = 200  # characters of an `s`: more is not read


class LinkRequest(NamedTuple):
    """Who asked for a link, and until when it is good."""

    user_id: str  # of the person in Slack; "" on the command line
    until: datetime


def make_link(settings: Settings, user_id: str, now: datetime) -> str:
    """Return the address that an owner opens to authorise the platform."""
    s = signed(LinkRequest(user_id, now + VALID), StoreKeys(settings.store_keys).derived(PURPOSE))
    return f"{settings.platform_url}{START_PATH}?s={s}"


def signed(request: LinkRequest, keys: Sequence[bytes]) -> str:
    """Return the parameter `s` of a link, signed by the first key."""
    encoded = f"{request.user_id}:{int(request.until.timestamp())}".encode()
    return base64.urlsafe_b64encode(encoded + _signature(encoded, keys[0])).rstrip(b"=").decode()


def verified(s: str, keys: Sequence[bytes], now: datetime) -> LinkRequest | None:
    """Return the request of an `s` that one of these keys has signed; None if it is not, or no longer, good."""
    try:
        value = base64.b64decode(s[:LONGEST] + "=" * (-len(s) % 4), b"-_", validate=True)
    except ValueError:
        return None
    encoded, signature = value[:-SIGNATURE_BYTES], value[-SIGNATURE_BYTES:]
    if not any(hmac.compare_digest(_signature(encoded, key), signature) for key in keys):
        return None
    user_id, _, until = encoded.decode().rpartition(":")
    request = LinkRequest(user_id, datetime.fromtimestamp(int(until), UTC))
    return request if now < request.until else None


def _signature(encoded: bytes, key: bytes) -> bytes:
    return hmac.new(key, encoded, hashlib.sha256).digest()

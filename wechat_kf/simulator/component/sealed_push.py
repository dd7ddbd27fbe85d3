"""The pushes of WeChat to a platform: their XML, encrypted and signed. Shares no code with its readers."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

PAD = 32  # bytes, though AES has blocks of 16


@dataclass(frozen=True, slots=True)
class SealedPush:
    """A push to post: the body, and the query of the address."""

    body: bytes = field(repr=False)
    query: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class PushKeys:
    """What WeChat seals the pushes of a platform with."""

    appid: str
    token: str = field(repr=False)
    aes_key: str = field(repr=False)  # 43 characters: EncodingAESKey


def event_xml(appid: str, info_type: str, created_at: datetime, **fields: str | int) -> str:
    """Write the message of a push."""
    numbers = {"CreateTime": int(created_at.timestamp())}
    return _xml({"AppId": appid, **numbers, "InfoType": info_type, **fields})


def seal(message: str, keys: PushKeys, *, timestamp: int, nonce: str, random: bytes) -> SealedPush:
    """Encrypt and sign a message. `random` are the 16 bytes at its beginning."""
    # Imported here, since most simulated accounts have no platform.
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    content = message.encode()
    plain = random + len(content).to_bytes(4, "big") + content + keys.appid.encode()
    pad = PAD - len(plain) % PAD
    key = base64.b64decode(f"{keys.aes_key}=")
    encryptor = Cipher(algorithms.AES(key), modes.CBC(key[:16])).encryptor()
    sealed = base64.b64encode(encryptor.update(plain + bytes([pad]) * pad) + encryptor.finalize()).decode()
    query = {
        "signature": _signature(keys.token, str(timestamp), nonce),
        "timestamp": str(timestamp),
        "nonce": nonce,
        "encrypt_type": "aes",
        "msg_signature": _signature(keys.token, str(timestamp), nonce, sealed),
    }
    return SealedPush(_xml({"AppId": keys.appid, "Encrypt": sealed}).encode(), query)


def _xml(fields: Mapping[str, str | int]) -> str:
    texts = (
        f"<{name}>{value if isinstance(value, int) else f'<![CDATA[{value}]]>'}</{name}>"
        for name, value in fields.items()
    )
    return f"<xml>{''.join(texts)}</xml>"


def _signature(*parts: str) -> str:
    return hashlib.sha1("".join(sorted(parts)).encode(), usedforsecurity=False).hexdigest()

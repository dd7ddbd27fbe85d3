"""The envelope of WeChat's pushes to a third-party platform: verify, decrypt, parse. Sans-I/O.

A push is authentic if its `msg_signature` is: only this one covers the body. Every failure from there on raises the
same error with the same text, so that a sender learns nothing about the key. `cryptography` and `defusedxml` are
imported with the first push: most installations receive none.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

AES_KEY = re.compile(r"[A-Za-z0-9]{43}")  # as WeChat shows it: EncodingAESKey
MAX_BODY = 64 * 1024  # bytes; a push has about 1,000
_MOST_MARKUP = 100  # tags and quotes outside: a push has about 10, and thousands keep the parser busy for 50 ms

# Values of InfoType. A platform receives others too.
TICKET = "component_verify_ticket"
AUTHORIZED = "authorized"
UPDATEAUTHORIZED = "updateauthorized"
UNAUTHORIZED = "unauthorized"

_QUERY = {
    "timestamp": re.compile(r"[0-9]{1,20}"),
    "nonce": re.compile(r"[!-~]{1,128}"),
    "msg_signature": re.compile(r"[0-9a-f]{40}"),
}
_NEEDED = {
    TICKET: ("ComponentVerifyTicket",),
    AUTHORIZED: ("AuthorizerAppid", "AuthorizationCode"),
    UPDATEAUTHORIZED: ("AuthorizerAppid", "AuthorizationCode"),
    UNAUTHORIZED: ("AuthorizerAppid",),
}
_SECONDS = re.compile(r"[0-9]{1,11}")
# A declaration of another encoding. Python would look for a codec of that name, and keep each unknown name.
_OTHER_ENCODING = re.compile(r"\ufeff?<\?xml\b[^>]*\bencoding\s*=\s*[\"'](?!utf-8[\"'])", re.IGNORECASE)
# `AuthorizationCodeExpiredTime` is documented as seconds, without a starting point.
_LEAST_MOMENT = 10**9
_BLOCK = 16  # bytes, of AES
_MOST_PADDING = 32  # WeChat pads to 32 bytes, twice the block of AES
_RANDOM = 16  # bytes before the length of the message
_LENGTH = 4  # bytes of that length


class MalformedPushError(ValueError):
    """The request is not a push as WeChat sends it. The text quotes nothing of it."""


class RefusedPushError(ValueError):
    """Signature, seal or what is sealed is not WeChat's for this platform. The text does not say which."""

    def __init__(self) -> None:
        super().__init__("the push is not for this platform")


@dataclass(frozen=True, slots=True)
class Push:
    """One event of the platform. A field that its kind does not have is "", or None."""

    kind: str  # InfoType
    created_at: datetime  # CreateTime; aware, UTC
    appid: str = ""  # of the account
    ticket: str = field(default="", repr=False)
    code: str = field(default="", repr=False)  # of the authorisation
    code_until: datetime | None = None  # None if it is not known


def open_push(body: bytes, query: Mapping[str, str], *, token: str, keys: Sequence[str], appid: str) -> Push:
    """Verify, decrypt and parse a push.

    Args:
        token: the platform's verify token.
        keys: each EncodingAESKey in use, the present one first.
        appid: of the platform.

    Raises:
        MalformedPushError: body or query is not what WeChat sends.
        RefusedPushError: the signature, or what is sealed under it, is not WeChat's for this platform.
    """
    if len(body) > MAX_BODY:
        raise MalformedPushError("the body is too long")
    if not all(pattern.fullmatch(query.get(name, "")) for name, pattern in _QUERY.items()):
        raise MalformedPushError("the query is incomplete or malformed")
    if sum(map(body.count, (b"<", b'"', b"'"))) > _MOST_MARKUP:
        raise MalformedPushError("the body has too many tags or attributes")
    outside = _fields(body)
    sealed = outside.get("Encrypt", "")
    if not sealed:
        raise MalformedPushError("the body has no Encrypt")
    # Before any decryption: the sender of a forged body must not learn how it decrypts.
    if not hmac.compare_digest(
        _signature((token, query["timestamp"], query["nonce"], sealed)), query["msg_signature"]
    ):
        raise RefusedPushError
    message = _opened(sealed, keys, appid.encode())
    # The AppID outside is not signed.
    if message is None or outside.get("AppId", appid) != appid:
        raise RefusedPushError
    with suppress(MalformedPushError):
        return _push(_fields(message))
    raise RefusedPushError


def _fields(document: bytes) -> dict[str, str]:
    """Return the text of each child of the root."""
    root = None
    with suppress(ValueError, SyntaxError):  # ParseError is a SyntaxError
        root = _root(document)
    # Raised outside the handler: a chained exception of the parser would quote it.
    if root is None or (root.text or "").strip() or any((one.tail or "").strip() for one in root):
        raise MalformedPushError("not an XML document as WeChat writes it")
    return {one.tag: (one.text or "").strip() for one in root}


def _root(document: bytes) -> Element:
    """Parse XML in UTF-8 without a DTD.

    Raises:
        ValueError, SyntaxError: it is something else.
    """
    from defusedxml import ElementTree

    decoded = document.decode()
    if "\0" in decoded or _OTHER_ENCODING.match(decoded):  # with the former the parser would take it for UTF-16
        raise ValueError
    # Of a text the parser ignores the declaration; it would follow that of the bytes.
    root: Element = ElementTree.fromstring(decoded, forbid_dtd=True)
    return root


def _signature(parts: Iterable[str]) -> str:
    joined = b"".join(sorted(part.encode() for part in parts))
    return hashlib.sha1(joined).hexdigest()  # noqa: S324  WeChat's choice


def _opened(sealed: str, keys: Sequence[str], appid: bytes) -> bytes | None:
    """Return the message, sealed for this AppID with one of the keys; else None."""
    try:
        ciphertext = base64.b64decode(sealed, validate=True)
    except ValueError:
        return None
    if not ciphertext or len(ciphertext) % _BLOCK:
        return None
    for key in keys:
        plaintext = _unpadded(_decrypted(ciphertext, key))
        start = _RANDOM + _LENGTH
        end = start + int.from_bytes(plaintext[_RANDOM:start])
        if plaintext[end:] == appid:
            return plaintext[start:end]
    return None


def _decrypted(ciphertext: bytes, key: str) -> bytes:
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    # The last of the 43 characters has two bits that are not of the key, and may be set.
    decoded = base64.b64decode(f"{key}=")
    decryptor = Cipher(algorithms.AES(decoded), modes.CBC(decoded[:_BLOCK])).decryptor()
    return decryptor.update(ciphertext) + decryptor.finalize()


def _unpadded(plaintext: bytes) -> bytes:
    """Remove the padding, which a library would refuse above 16 bytes; return b"" if it is malformed."""
    padding = plaintext[-1]
    is_padded = 1 <= padding <= _MOST_PADDING and plaintext.endswith(bytes([padding]) * padding)
    return plaintext[:-padding] if is_padded else b""


def _push(fields: Mapping[str, str]) -> Push:
    kind, created_at = fields.get("InfoType", ""), _moment(fields.get("CreateTime", ""))
    if not kind or created_at is None or not all(map(fields.get, _NEEDED.get(kind, ()))):
        raise MalformedPushError("the message lacks a field")
    return Push(
        kind,
        created_at,
        appid=fields.get("AuthorizerAppid", ""),
        ticket=fields.get("ComponentVerifyTicket", ""),
        code=fields.get("AuthorizationCode", ""),
        code_until=_end(fields.get("AuthorizationCodeExpiredTime", ""), created_at),
    )


def _end(text: str, created_at: datetime) -> datetime | None:
    """Return the end of a code, which is written as a moment or as the seconds since the push."""
    if not _SECONDS.fullmatch(text):
        return None
    return _moment(text) if int(text) > _LEAST_MOMENT else created_at + timedelta(seconds=int(text))


def _moment(text: str) -> datetime | None:
    return datetime.fromtimestamp(int(text), UTC) if _SECONDS.fullmatch(text) else None

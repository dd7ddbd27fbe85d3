"""Seal secrets for the store: AES-256-GCM, bound to the row that a secret belongs to. Pure, apart from the nonce.

A sealed secret is written `<id of the key>:<Base64 of nonce, ciphertext and tag>`. `cryptography` is imported with
the first secret that is sealed or opened: most installations store none.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32
NONCE_BYTES = 12  # random ones may repeat after some 2^32 secrets under one key: NIST SP 800-38D, section 8.3
MOST_KEYS = 9
HEX_KEY = re.compile(r"[0-9A-Fa-f]{64}")
SEALED = re.compile(r"([0-9a-f]{8}):([A-Za-z0-9+/]+={0,2})")


class UnknownKeyError(Exception):
    """A secret was sealed with a key that is not among these."""

    def __init__(self, key_id: str) -> None:
        super().__init__(f"no key {key_id}")
        self.key_id = key_id


class DamagedSecretError(Exception):
    """A sealed secret was changed, or belongs to another row."""


class StoreKeys:
    """The keys of an installation. The first one seals, and all of them open."""

    def __init__(self, keys: Sequence[str]) -> None:
        """Take keys that `parse_keys` has accepted."""
        self._keys = {key_id(key): _decoded(key) for key in keys}
        self._ciphers: dict[str, AESGCM] = {}

    def __bool__(self) -> bool:
        return bool(self._keys)

    @property
    def ids(self) -> tuple[str, ...]:
        """Return the IDs of the keys, the one that seals first."""
        return tuple(self._keys)

    def seal(self, owner: str, name: str, secret: str) -> str:
        """Seal a secret with the first key. It opens only for the same owner and name."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        sealed = self._cipher(self.ids[0]).encrypt(nonce, secret.encode(), _row(owner, name))
        return f"{self.ids[0]}:{base64.b64encode(nonce + sealed).decode()}"

    def open(self, owner: str, name: str, sealed: str) -> str:
        """Open a sealed secret.

        Raises:
            UnknownKeyError: its key is missing.
            DamagedSecretError: it is not what was sealed for this owner and name. The text quotes nothing.
        """
        match = SEALED.fullmatch(sealed)
        if match is None:
            raise DamagedSecretError("the value is not a sealed secret")
        if match[1] not in self._keys:
            raise UnknownKeyError(match[1])
        from cryptography.exceptions import InvalidTag

        try:
            value = base64.b64decode(match[2], validate=True)
            opened = self._cipher(match[1]).decrypt(value[:NONCE_BYTES], value[NONCE_BYTES:], _row(owner, name))
        except (InvalidTag, ValueError):
            raise DamagedSecretError("the sealed secret was changed, or is another row's") from None
        return opened.decode()

    def opened(self, owner: str, name: str, sealed: str) -> str:
        """Open a secret; "" without one, and for one that none of these keys opens."""
        try:
            return self.open(owner, name, sealed) if sealed else ""
        except (UnknownKeyError, DamagedSecretError):
            return ""

    def derived(self, purpose: str) -> list[bytes]:
        """Return a key for another purpose from each key, the first one first: HKDF-SHA256 of RFC 5869."""
        return [_expanded(hmac.digest(bytes(KEY_BYTES), key, "sha256"), purpose) for key in self._keys.values()]

    def _cipher(self, wanted: str) -> AESGCM:
        if wanted not in self._ciphers:
            from cryptography.hazmat.primitives.ciphers.aead import AESGCM

            self._ciphers[wanted] = AESGCM(self._keys[wanted])
        return self._ciphers[wanted]


def new_key() -> str:
    """Return a new key, as 64 hexadecimal digits."""
    return secrets.token_hex(KEY_BYTES)


def key_id(key: str) -> str:
    """Return the public name of a key: the first 8 digits of its SHA-256."""
    return hashlib.sha256(_decoded(key)).hexdigest()[:8]


def parse_keys(text: str) -> tuple[str, ...]:
    """Return the keys of a text, which has commas between them.

    Raises:
        ValueError: what they must be, in words that follow the name of a setting. No key is quoted.
    """
    keys = tuple(part.strip() for part in text.split(","))
    if len(keys) > MOST_KEYS or not all(map(_is_key, keys)):
        raise ValueError(
            f"must be 1 to {MOST_KEYS} keys with commas between them, each of 64 hexadecimal digits or of 44 "
            "characters of Base64",
            "`python -m bot keys new` prints one.",
        )
    if len({_decoded(key) for key in keys}) < len(keys):
        raise ValueError("has the same key twice")
    return keys


def sealing_key(sealed: str) -> str:
    """Return the ID of the key that a secret was sealed with."""
    return sealed.partition(":")[0]


def _is_key(text: str) -> bool:
    try:
        return len(_decoded(text)) == KEY_BYTES
    except ValueError:  # binascii.Error is one
        return False


def _decoded(key: str) -> bytes:
    return bytes.fromhex(key) if HEX_KEY.fullmatch(key) else base64.b64decode(key, validate=True)


def _expanded(key: bytes, purpose: str) -> bytes:
    """Return the first block that HKDF expands a key to, which is as long as it needs to be."""
    return hmac.digest(key, purpose.encode() + b"\x01", "sha256")


def _row(owner: str, name: str) -> bytes:
    """Return the associated data that binds a sealed secret to its row."""
    return f"v1\0kf\0{owner}\0{name}".encode()

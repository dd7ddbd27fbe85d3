"""Pushes of WeChat to a third-party platform, sealed by another implementation of the envelope."""

from __future__ import annotations

from dataclasses import dataclass

TOKEN = "kf_example_token"
AES_KEY = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
AES_KEY_BYTES = bytes.fromhex("69b71d79f8218a39259a7a29aabb2dbafc31cb3d35db7e39ebbf3d0010831051")
PREVIOUS_AES_KEY = "GFEDCBA9876543210zyxwvutsrqponmlkjihgfedcba"
PLATFORM_APPID = "wx00000000000000c0"
RANDOM = b"0123456789abcdef"
TIMESTAMP, NONCE = "1795003200", "1372623149"
BARE_SIGNATURE = "044e5a01751343ade79881ddfba1d89727ed5ae4"  # of token, timestamp and nonce; proves nothing


@dataclass(frozen=True)
class Vector:
    """One push: the message, what WeChat makes of it, and the signature."""

    message: str
    encrypt: str
    msg_signature: str
    key: str = AES_KEY

    @property
    def body(self) -> bytes:
        sealed = f"<Encrypt><![CDATA[{self.encrypt}]]></Encrypt>"
        return f"<xml><AppId><![CDATA[{PLATFORM_APPID}]]></AppId>{sealed}</xml>".encode()

    @property
    def query(self) -> dict[str, str]:
        return {
            "signature": BARE_SIGNATURE,
            "timestamp": TIMESTAMP,
            "nonce": NONCE,
            "encrypt_type": "aes",
            "msg_signature": self.msg_signature,
        }


TICKET = Vector(
    message=(
        "<xml><AppId><![CDATA[wx00000000000000c0]]></AppId><CreateTime>1795003200</CreateTime><InfoType><![CDATA[co"
        "mponent_verify_ticket]]></InfoType><ComponentVerifyTicket><![CDATA[ticket@@@EXAMPLE-not-a-real-ticket]]></"
        "ComponentVerifyTicket></xml>"
    ),
    encrypt=(
        "Q3stYC6hdFzMh9T8HCvyDB0hNHEw9mFAsIuM70reDflO+wNKXohJMUkfXgnKRLWmp/f6MzmgDOb/opHBCmN6dHzerSzuuz+yYM7nLRhEJ5"
        "oro0UBT35buewrB/kcr46q3yNatWXGLRjco0fPQLwHmXj3+z84Ez6wNV+FI9BeNzM5sQff3Vcr5w/bjI80trZaH6qCKVgcHJdBlvTTU2Wo"
        "a8QgT6vgPXxbbkXjVu14UsxRw4ttdo5ptUEAIepXq8w7OOuhh7LRTtO6nSwAV+Kv1yxwJV+UOV+NI8n4fK6oJgNRPgMryeJzZHfWiK1prG"
        "hv+PPa2M5qvTHYMoyx1zRbrGHkOz3K+ZrSxAd5nAJxtMwocm9ukWcVSY+nJy5KymFG"
    ),
    msg_signature="9ff9cb85d56d4b94a00c16d80de5e0bc7b96b8d9",
)
WITHDRAWAL = Vector(
    message=(
        "<xml><AppId>wx00000000000000c0</AppId><CreateTime>1795003320</CreateTime><InfoType>unauthorized</InfoType>"
        "<AuthorizerAppid>wx00000000000000a1</AuthorizerAppid></xml>"
    ),
    encrypt=(
        "Q3stYC6hdFzMh9T8HCvyDCinFLjxMHM9wYGiOxfD4FJURrcHXD0n3vLaGKUDFouW8mPfGAff+vamfCy7/vZ8y4WJL+4eq5Wfb6QZqbUFEZ"
        "DIAlBieZpdB56q+NSyM3px1O5DBsA8IQyufhQv7HChpXwEsU1HDt3U7mAQqJsgkU1suVhja8iYNl4X48k17KUK75vUGDY56Vd5pu9blIYW"
        "Mlmbx6+FJCC/CWnSxKVfaqqUzeriPHAu4IlnZD7zIFgV57arjfCvsX/Quq3zKNRnZm9ZiHAN8Nu7Vcu674Flyqg="
    ),
    msg_signature="040291b1a48f165ea7d4fa0452aa70fffcdba071",
)
AUTHORISATION = Vector(
    message=(
        "<xml><AppId>wx00000000000000c0</AppId><CreateTime>1795003260</CreateTime><InfoType>authorized</InfoType><A"
        "uthorizerAppid>wx00000000000000a1</AuthorizerAppid><AuthorizationCode>queryauthcode@@@EXAMPLE</Authorizati"
        "onCode><AuthorizationCodeExpiredTime>1795006860</AuthorizationCodeExpiredTime><PreAuthCode>preauthcode@@@E"
        "XAMPLE</PreAuthCode></xml>"
    ),
    encrypt=(
        "Q3stYC6hdFzMh9T8HCvyDMH6IazU641n6RTAITAAtQKbiHuW2t1f21BD/dct9ySHZKgn9ORvrJnityYI2qQms70wsO0sDOYbwpPRT+Pwkq"
        "bJZ0HF9DGeERLfJ3MXnVzk7Xv4UjnoqbRV0dIlnB0ZAGFQTXvVEI2G6DqrTFKqEipW10zFHevwFBxS2f96NQQ0HCFeF7PGWUB9hN6OMmNj"
        "KH9aF8V+U0+ZFGpJpMPFeivsgmyi2KmMMGj6jiiSBB0QQ0D8KQgZP/Sw5EZ2O2YWqjBDpMRANDwpzAqAdFWMN4KwfVyeUZGGDL7WrgQacc"
        "UUAWX4vbXELi0alTSSudevjTiBUGlv2bSSalCEEFm4B5KR2Wp2m7/e4/OZGeXCnY7VpR/LpSY0D76pKDhuLWNNzu0rtg+NDe1lqmqIIdsn"
        "wAolA2V4SlprGNDDRZ5tGFCaNEEL/A7c2vjWGUxHQgY/8tmU6hKaNQErZ5tH6TLZPCW6BIpV19w2QcPCX/bOlQas"
    ),
    msg_signature="fa5b2a19013783802d19e33ad66f834c114eabe8",
)
OLD_KEY = Vector(
    TICKET.message,
    (
        "2fIBjbJiufRC2+np8Wp7v3/TSnKGXprBo9sCHa152/GbtVEFPzD4po6GP0EO4S6vDTTyi+VTeHgMMk3UuT8CNSwfWiecoAfARTy3tLfZTq"
        "I9nBDqsraEId3I+jvcFpMe3kEpqvKCFgKCGvBCnapDqCw2zyu/AMHsLKuumSTiJNoODLouI3rkmESqnhAySxdOJrZ9nQUZN3/ezuZGL/RU"
        "9xiY4nw3cMQ5+xwOcu6CEvYsULT3XkIEKPZHVXIoukrzOIw0HaUltqMOhtgUrRrvIiso11Y4+LsAbMOOiZnljb0Q6EmakkBzkXw9e7GmLV"
        "5EYsymgMj60CGwyfGN+8xMacT73Qsz0RWYEmwPndiv8vdiU1+Zeq6vZGq9cOEHx6j9"
    ),
    "7ef926cc7a103d5c05056806d59175b2999e0e2c",
    PREVIOUS_AES_KEY,
)
VECTORS = (TICKET, WITHDRAWAL, AUTHORISATION, OLD_KEY)

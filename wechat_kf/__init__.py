"""A typed client of WeChat's customer-service (kf) interfaces."""

from wechat_kf.advice import Advice, Next
from wechat_kf.client import KfClient, TokenSource
from wechat_kf.errors import (
    APIError,
    BusyError,
    KfError,
    QuotaError,
    ResponseError,
    SetupError,
    TokenError,
    TransportError,
)
from wechat_kf.models import Invitation, KfAccount, KfList, OnlineKf
from wechat_kf.service_token import ServiceToken
from wechat_kf.tokens import CallableToken, FixedToken, StableToken

__all__ = [
    "APIError",
    "Advice",
    "BusyError",
    "CallableToken",
    "FixedToken",
    "Invitation",
    "KfAccount",
    "KfClient",
    "KfError",
    "KfList",
    "Next",
    "OnlineKf",
    "QuotaError",
    "ResponseError",
    "ServiceToken",
    "SetupError",
    "StableToken",
    "TokenError",
    "TokenSource",
    "TransportError",
]

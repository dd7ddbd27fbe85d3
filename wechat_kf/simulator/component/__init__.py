"""A simulated third-party platform, WeChat's `component`: its pushes, its API and the owners who authorise it.

    platform = ThirdPartyPlatform(appid, secret, push_token=token, aes_key=key, start_domain="bot.example")
    world = World(accounts, platform=platform)
    push = platform.push_ticket(now)    # the caller posts push.body to the authorisation event URL with push.query
    consent = platform.authorize(link, account, sets, now)    # the browser goes to consent.address

Its API is an endpoint like an account: `world.addressed(…)` finds it, `world.component_api` takes its faults
and its list of addresses. Each errcode of the documentation is the answer to a state or to a mistake of the caller,
but 61000, 61001, 61002, 61016, 61017 and a 61003 by mistake: these are faults, of the platform or of an account.
"""

from wechat_kf.simulator.component.component_api import ComponentApi
from wechat_kf.simulator.component.consent import LinkRefusedError
from wechat_kf.simulator.component.grants import COVERING_SETS
from wechat_kf.simulator.component.profiles import Profile
from wechat_kf.simulator.component.sealed_push import PushKeys, SealedPush, seal
from wechat_kf.simulator.component.third_party_platform import Consent, ThirdPartyPlatform

__all__ = [
    "COVERING_SETS",
    "ComponentApi",
    "Consent",
    "LinkRefusedError",
    "Profile",
    "PushKeys",
    "SealedPush",
    "ThirdPartyPlatform",
    "seal",
]

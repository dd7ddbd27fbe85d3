"""What WeChat shows of an account to the platforms that it has authorised."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

from wechat_kf.simulator.account_type import AccountType
from wechat_kf.simulator.api import Simulator


@dataclass(frozen=True, slots=True)
class Profile:
    """The facts of an account that its owner enters, or WeChat decides."""

    nick_name: str = ""
    alias: str = ""
    principal_name: str = ""
    service_type: int = 2  # 0 and 1 subscription account, 2 service account
    account_status: int = 1  # 1 normal, 14 closed, 16 banned, 18 warned, 19 frozen

    @classmethod
    def of(cls, account: Simulator) -> Profile:
        """Return the profile of an account that has none of its own."""
        return cls(nick_name=account.suffix, alias=account.suffix, principal_name=f"{account.suffix} Ltd")

    def facts(self, account: Simulator) -> Mapping[str, object]:
        """Return the `authorizer_info` of an account."""
        facts: dict[str, object] = {
            "nick_name": self.nick_name,
            "head_img": f"http://wx.qlogo.example/{account.appid}/0",
            "service_type_info": {"id": self.service_type},
            "verify_type_info": {"id": -1 if account.account_type is AccountType.UNVERIFIED else 0},
            "user_name": f"gh_{sha256(account.appid.encode()).hexdigest()[:12]}",
            "alias": self.alias,
            "principal_name": self.principal_name,
            "account_status": self.account_status,
        }
        if account.account_type is AccountType.MINI_PROGRAM:
            facts["service_type_info"] = {"id": 0}
            facts["MiniProgramInfo"] = {"network": {"RequestDomain": []}, "categories": [], "visit_status": 0}
        return facts

"""The envelope of WeChat's pushes to a third-party platform: verify, decrypt, parse. Sans-I/O."""

from __future__ import annotations

import re

AES_KEY = re.compile(r"[A-Za-z0-9]{43}")  # as WeChat shows it: EncodingAESKey

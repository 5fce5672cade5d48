"""A credential for an emulator on this machine: a fixed token, good for nothing else."""

import time
from typing import Any

from azure.core.credentials import AccessToken

_LIFETIME = 3600


class EmulatorCredential:
    """Settings accept it only when every endpoint is a loopback address."""

    def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        return AccessToken("emulator", int(time.time()) + _LIFETIME)

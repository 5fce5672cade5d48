"""Which keys the host knows, and what each of them opens."""

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import Enum


class Level(Enum):
    """What a key proves; each opens its own kind of path, and the master's opens all."""

    ANONYMOUS = "anonymous"
    FUNCTION = "function"
    SYSTEM = "system"
    ADMIN = "admin"


def refusal(level: Level, wanted: Level) -> int:
    """Return the status that refuses a call of the host itself: 401, or 403 for a key of another kind; 0 for none."""
    if level in (wanted, Level.ADMIN):
        return 0
    return 401 if level is Level.ANONYMOUS else 403


def _new() -> str:
    return secrets.token_urlsafe(32)


@dataclass(frozen=True, slots=True)
class Keys:
    """
    The master key, the key of all functions, and the Event Grid extension's system key; each function has its own, too.

    Rules of AuthenticationLevelHandler.cs (github.com/Azure/azure-functions-host): the header wins over the query.
    """

    master: str = field(default_factory=_new)
    function: str = field(default_factory=_new)
    system: str = field(default_factory=_new)

    def of_function(self, name: str) -> str:
        """Return the key that opens one function only."""
        return hashlib.sha256(f"{self.function} {name}".encode()).hexdigest()

    def level(self, headers: Mapping[str, str], query: Mapping[str, str], function: str = "") -> Level:
        """Return what the key of a request proves; that of one function proves something on its own path only."""
        key = headers.get("x-functions-key") or query.get("code")
        if not key:
            return Level.ANONYMOUS
        if key == self.master:
            return Level.ADMIN
        if key == self.function or (function and key == self.of_function(function)):
            return Level.FUNCTION
        return Level.SYSTEM if key == self.system else Level.ANONYMOUS

    def to_json(self) -> dict[str, str]:
        """Give them to a process that takes over, as ``Keys(**members)``."""
        return asdict(self)

"""What a test or a scenario may change about the emulated service."""

from collections.abc import Mapping
from dataclasses import dataclass, fields


@dataclass(slots=True)
class Switches:
    """
    Behaviour that is uncertain on the real service, or that a test provokes.

    Attributes:
        require_api_version: refuse ``/datamap`` requests without ``api-version``.
        strict_revival: a removed link that is listed again at its old place stays deleted.
        max_bulk: most entities in one request.
        max_url: longest path and query, in bytes, that the gateway lets pass.
        max_attribute_bytes: longest attribute value (the documented quota is 32 KB).
        search_lag: how many of the latest writes the first search after them does not see; the next one does.
        refuse: qualifiedNames that are refused, and with them the whole request.
        enforce_permissions: look at the metadata policies before answering; otherwise everybody may do everything.
        scan_error: why runs of scans fail; empty if they do not.
        commit_ms: how long a write takes from its check to its commit; others go on meanwhile, also with 0.
        lock_rate: how many writes are answered 500 if another one touched one of their entities meanwhile, of 1.
    """

    require_api_version: bool = True
    strict_revival: bool = True
    max_bulk: int = 1000
    max_url: int = 8192
    max_attribute_bytes: int = 32768
    search_lag: int = 1
    refuse: tuple[str, ...] = ()
    enforce_permissions: bool = False
    scan_error: str = ""
    commit_ms: float = 0.0
    lock_rate: float = 0.0

    def update(self, changes: Mapping[str, object]) -> None:
        """Set switches by name; an unknown name or a value of the wrong type is refused, and nothing is set."""
        known = {item.name: getattr(self, item.name) for item in fields(self)}
        accepted: dict[str, object] = {}
        for name, value in changes.items():
            if name not in known:
                raise ValueError(f"unknown switch {name!r}; known are {', '.join(sorted(known))}")
            wanted = type(known[name])
            given = tuple(str(item) for item in value) if wanted is tuple and isinstance(value, list | tuple) else value
            given = float(given) if wanted is float and type(given) is int else given
            if type(given) is not wanted:
                raise ValueError(f"switch {name!r} takes a {wanted.__name__}, not {value!r}")
            accepted[name] = given
        for name, value in accepted.items():
            setattr(self, name, value)

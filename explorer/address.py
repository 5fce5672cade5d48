"""The page's address: everything that says what is shown, so that a reload or a link shows the same."""

from dataclasses import dataclass, fields, replace
from typing import Any, Self
from urllib.parse import parse_qsl, urlencode

from explorer.filters import Filter

BOTH, UP, DOWN, ALL = "both", "up", "down", "all"
MODES = (BOTH, UP, DOWN, ALL)
LINEAGE, HEALTH = "lineage", "health"
CLOSED, DETAILS, LIST, COMPARE = "", "details", "list", "compare"
TABS = (CLOSED, DETAILS, LIST, COMPARE)
_KEPT = ("mode", "fold", "hide", "status", "since", "until")
"""What stays when another asset is put in the middle."""


@dataclass(frozen=True, slots=True)
class Address:
    """
    What is shown.

    Attributes:
        view: lineage, or what is missing.
        asset: the qualifiedName, or the name, of the asset in the middle.
        mode: what of its lineage: both sides, one, or everything connected.
        open, shut: `{guid}.up` or `.down`: a side of a node that is shown beyond `mode`, or is not.
        fold: ids of pipelines that are one node.
        hide, status: kinds and statuses that are left out.
        start, end: keys of the nodes between which paths are shown.
        select: the key of the node that details are shown of.
        tab: of the panel beside the picture; "" where that is closed.
        against: the guid of the model version that the selected one is compared with.
    """

    view: str = LINEAGE
    asset: str = ""
    mode: str = BOTH
    open: tuple[str, ...] = ()
    shut: tuple[str, ...] = ()
    fold: tuple[str, ...] = ()
    hide: tuple[str, ...] = ()
    status: tuple[str, ...] = ()
    since: str = ""
    until: str = ""
    start: str = ""
    end: str = ""
    page: int = 0
    select: str = ""
    tab: str = CLOSED
    against: str = ""

    @classmethod
    def parse(cls, query: str) -> Self:
        """
        Read the query of a URL; what it does not know, or cannot be, is as if it were not there.

        >>> Address.parse("?asset=m&mode=sideways&page=x&hide=run&hide=model").hide
        ('run', 'model')
        """
        given: dict[str, list[str]] = {}
        for name, value in parse_qsl(query.removeprefix("?")):
            given.setdefault(name, []).append(value)
        values: dict[str, object] = {}
        for field in fields(cls):
            if field.name in given:
                several = tuple(dict.fromkeys(given[field.name]))
                values[field.name] = several if isinstance(field.default, tuple) else given[field.name][-1]
        page = str(values.get("page", "0"))
        values["page"] = int(page) if page.isdecimal() and len(page) < 6 else 0
        for name, allowed in (("mode", MODES), ("tab", TABS), ("view", (LINEAGE, HEALTH))):
            if values.get(name) not in allowed:
                values.pop(name, None)
        return cls(**values)  # type: ignore[arg-type]

    def to_query(self) -> str:
        """Write what `parse` reads; what is as usual is left out."""
        pairs: list[tuple[str, str]] = []
        for field in fields(self):
            value = getattr(self, field.name)
            if value != field.default:
                pairs += [(field.name, str(each)) for each in (value if isinstance(value, tuple) else (value,))]
        return f"?{urlencode(pairs)}" if pairs else ""

    @property
    def picture(self) -> Self:
        """Everything that decides what is drawn, and nothing else."""
        return replace(self, select="", tab=CLOSED, against="")

    @property
    def filter(self) -> Filter:
        return Filter(frozenset(self.hide), frozenset(self.status), self.since, self.until)

    def centred(self, asset: str) -> "Address":
        """Put an asset in the middle; how things are shown stays."""
        return Address(asset=asset, **{name: getattr(self, name) for name in _KEPT})

    def toggled(self, name: str, value: str) -> Self:
        """
        >>> Address(hide=("run",)).toggled("hide", "run").hide
        ()
        """
        now: tuple[str, ...] = getattr(self, name)
        then = tuple(each for each in now if each != value) if value in now else (*now, value)
        changed: dict[str, Any] = {name: then, "page": 0}
        return replace(self, **changed)

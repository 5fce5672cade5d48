"""How kinds are drawn: their icons, and the kinds of nodes that are several entities."""

from urllib.parse import quote

from shared.catalog.kinds import KINDS, PROCESS, Kind, Role
from shared.catalog.kinds import kind_of as kind_in_catalog

PIPELINE, MORE = "pipeline", "more"
_SEVERAL = {
    PIPELINE: Kind(PIPELINE, Role.PROCESS, "pipeline", "stack", "run", super_type=PROCESS),
    MORE: Kind(MORE, Role.DATA, "more", "dots", "link"),
}
"""Nodes that are several entities; the catalog has no such types."""

ICONS = {
    "play": '<circle cx="12" cy="12" r="9"/><path d="M10 8.5v7l5.5-3.5z"/>',
    "stack": '<path d="M12 3l9 5-9 5-9-5z"/><path d="M3 13l9 5 9-5"/>',
    "flask": '<path d="M9 3h6M10 3v6l-5 9a2 2 0 0 0 2 3h10a2 2 0 0 0 2-3l-5-9V3"/>',
    "tag": '<path d="M3 11V4a1 1 0 0 1 1-1h7l10 10-8 8z"/><circle cx="7.5" cy="7.5" r="1.3"/>',
    "arrow": '<path d="M3 12h17M14 6l6 6-6 6"/>',
    "rocket": '<path d="M12 20V6M6 11l6-7 6 7M5 21h14"/>',
    "cloud": '<path d="M7 18a4.5 4.5 0 0 1-.5-9A6 6 0 0 1 18 10a4 4 0 0 1 0 8z"/>',
    "cube": '<path d="M12 2.8l8 4.6v9.2l-8 4.6-8-4.6V7.4z"/><path d="M4 7.4l8 4.6 8-4.6M12 12v9.2"/>',
    "table": '<rect x="3" y="4" width="18" height="16" rx="1.5"/><path d="M3 9.5h18M3 14.8h18M9.5 9.5V20"/>',
    "sliders": '<path d="M4 7h9M17 7h3M4 17h3M11 17h9"/><circle cx="15" cy="7" r="2"/><circle cx="9" cy="17" r="2"/>',
    "gauge": '<path d="M4 18a9 9 0 1 1 16 0"/><path d="M12 15l4-6"/><circle cx="12" cy="15.5" r="1.2"/>',
    "box": '<path d="M3.5 7.5h17V20h-17z"/><path d="M3.5 7.5L6 3.5h12l2.5 4M9.5 12h5"/>',
    "disk": '<ellipse cx="12" cy="6" rx="8" ry="3"/><path d="M4 6v12c0 4 16 4 16 0V6M4 12c0 4 16 4 16 0"/>',
    "file": '<path d="M6 2.8h8l5 5V21H6z"/><path d="M14 2.8v5h5"/>',
    "files": '<path d="M9 2.8h6l4 4V17H9z"/><path d="M15 17v4H5V7h4"/>',
    "chart": '<path d="M4 3v17h17"/><path d="M9 16v-5M13.5 16V7M18 16v-3"/>',
    "dots": '<circle cx="5" cy="12" r="1.5"/><circle cx="12" cy="12" r="1.5"/><circle cx="19" cy="12" r="1.5"/>',
}  # fmt: skip
"""Drawings, 24 by 24, in one colour."""


def kind_of(type_name: str) -> Kind:
    """Return the kind of a node."""
    return _SEVERAL.get(type_name) or kind_in_catalog(type_name)


def list_looks() -> list[tuple[str, str]]:
    """Return family and icon of every kind, also of types that the table does not have."""
    kinds = (*KINDS.values(), *_SEVERAL.values(), kind_in_catalog(""))
    return sorted({(kind.family, kind.icon) for kind in kinds})


def icon(name: str, colour: str) -> str:
    """Return an icon as a data URI, which needs no request."""
    drawing = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24" width="48" height="48" fill="none" '
        f'stroke="{colour}" stroke-width="1.9" stroke-linecap="round" stroke-linejoin="round">{ICONS[name]}</svg>'
    )
    return f"data:image/svg+xml;utf8,{quote(drawing)}"

"""What the search field suggests while somebody types."""

from collections.abc import Sequence

from dash import html

from explorer.looks import kind_of
from explorer.parts.buttons import Part, button
from shared.catalog.entities import Found


def suggestions(hits: Sequence[Found]) -> list[Part]:
    """List hits; choosing one puts it in the middle."""
    return [_hit(hit) for hit in hits] or [remark("Nothing is found. Search lags behind what is written.")]


def remark(words: str) -> Part:
    return html.Li(words, className="remark", role="status")


def _hit(hit: Found) -> Part:
    name = str(hit.ref.qualified_name)
    words = [
        html.Span(hit.name or name, className="found"),
        html.Span(kind_of(hit.ref.type_name).word, className="kind"),
        html.Span(name, className="name"),
    ]
    return html.Li(button(words, "centre", name, at=f"search {hit.guid}", style="suggestion"))

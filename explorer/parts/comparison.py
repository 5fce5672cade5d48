"""Two model versions side by side: only what is different."""

from collections.abc import Iterable

from dash import html

from explorer.details import Details
from explorer.parts.buttons import Part, button
from questions.diff import SECTIONS, Difference


def comparison(details: Details | None, against: str, differences: Iterable[Difference]) -> list[Part]:
    """Show what changed between the selected model version and another, the older one first."""
    if details is None or not details.comparable:
        return [html.P("Select a model that has several versions, then “Compare” beside one of them.")]
    others = [version for version in details.versions if version.guid != details.asset.guid]
    choice = html.Div(
        [html.Span(f"{details.asset.name} with")]
        + [
            button(version.name, "against", version.guid, at="compare", pressed=version.guid == against)
            for version in others
        ],
        className="actions",
    )
    names = {version.guid: version.name for version in details.versions}
    if against not in names:
        return [html.H2("Compare", className="title"), choice]
    found = list(differences)
    if not found:
        return [html.H2("Compare", className="title"), choice, html.P("Nothing of what is recorded differs.")]
    before, after = in_order(details, against)
    tables = [
        _table(section, names[before], names[after], rows)
        for section in SECTIONS
        if (rows := [each for each in found if each.section == section])
    ]
    return [html.H2("What changed", className="title"), choice, *tables]


def in_order(details: Details, against: str) -> tuple[str, str]:
    """Return the guids of the two versions, the older one first."""
    order = [version.guid for version in details.versions]
    first, second = sorted((details.asset.guid, against), key=order.index, reverse=True)
    return first, second


def _table(section: str, before: str, after: str, differences: list[Difference]) -> Part:
    head = html.Tr(
        [html.Th(section.capitalize(), scope="col"), html.Th(before, scope="col"), html.Th(after, scope="col")]
    )
    rows = [
        html.Tr([html.Th(each.name, scope="row"), _cell(each.before, "old"), _cell(each.after, "new")])
        for each in differences
    ]
    return html.Table([html.Thead(head), html.Tbody(rows)], className="changes")


def _cell(value: str, style: str) -> Part:
    return html.Td(value or "–", className=style if value else "none")  # noqa: RUF001

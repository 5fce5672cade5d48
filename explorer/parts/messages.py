"""What stands where the picture would be: a welcome, a trouble."""

from collections.abc import Sequence

from dash import html

from explorer.parts.buttons import Part, button
from explorer.trouble import Trouble
from shared.catalog.entities import Found


def welcome(models: Sequence[Found]) -> Part:
    """Begin with some models; say what to do where there are none."""
    if not models:
        return html.Div(
            [
                html.H2("There is no lineage in this catalog yet"),
                html.P("No model was published here. What runs in Azure ML from now on appears by itself once the "
                       "app is deployed; `lineage backfill` publishes what ran before."),
                html.P("Data of others can be looked at all the same: search for it above."),
            ],
            className="welcome",
        )  # fmt: skip
    return html.Div(
        [
            html.H2("Which lineage would you like to see?"),
            html.P("Search above for a model, a file, a run or a report, or begin with a model:"),
            html.Div(
                [button(model.name, "centre", str(model.ref.qualified_name), at="welcome") for model in models],
                className="actions",
            ),
        ],
        className="welcome",
    )


def trouble_box(trouble: Trouble) -> Part:
    """Say what went wrong and what to do."""
    return html.Div(
        [html.H2(trouble.title), html.P(trouble.words, className="words"), html.P(trouble.advice)],
        className="welcome trouble",
        role="alert",
    )

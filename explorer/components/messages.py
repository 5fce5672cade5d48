"""What the page says instead of a picture: a welcome, what went wrong and what to do, and suggestions of the search."""

from collections.abc import Sequence
from dataclasses import dataclass

from dash import html

from explorer.components.buttons import Component, button
from explorer.looks import kind_of
from questions.find import AmbiguousAssetError, AssetNotFoundError
from shared.catalog.entities import Found
from shared.errors import AccessDeniedError, LineageError, RequestRefusedError, ServiceUnavailableError


@dataclass(frozen=True, slots=True)
class Trouble:
    """A title, what the service said, and what to do."""

    title: str
    words: str
    advice: str


def explain(error: LineageError, *, endpoint: str) -> Trouble:
    """Say what an error of reading the catalog means for the person at the page."""
    words = str(error)
    match error:
        case AccessDeniedError():
            return Trouble(
                "The catalog does not let you in",
                words,
                "Sign in (az login), and have the role Data Reader given to you in the collection of the lineage. "
                "`lineage doctor` says which role is missing. Then press Refresh.",
            )
        case ServiceUnavailableError():
            return Trouble(
                "The catalog cannot be reached",
                words,
                f"It is looked for at {endpoint}. Check PURVIEW_ENDPOINT, your network and VPN; `lineage doctor` "
                "finds out where it ends. Then press Refresh.",
            )
        case AmbiguousAssetError():
            return Trouble("That is not one asset", words, "Pick one of the suggestions of the search field.")
        case AssetNotFoundError():
            return Trouble(
                "There is no such asset",
                words,
                "Look for it in the search field. What was published a moment ago is found by its qualifiedName.",
            )
        case RequestRefusedError():
            return Trouble("The catalog refuses the request", words, "`lineage doctor` checks the catalog.")
        case _:
            return Trouble("The catalog could not be read", words, "`lineage doctor` checks the catalog.")


def welcome(models: Sequence[Found]) -> Component:
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


def trouble_box(trouble: Trouble) -> Component:
    """Say what went wrong and what to do."""
    return html.Div(
        [html.H2(trouble.title), html.P(trouble.words, className="words"), html.P(trouble.advice)],
        className="welcome trouble",
        role="alert",
    )


def suggestions(hits: Sequence[Found]) -> list[Component]:
    """List hits; choosing one puts it in the middle."""
    return [_hit(hit) for hit in hits] or [remark("Nothing is found. Search lags behind what is written.")]


def remark(words: str) -> Component:
    return html.Li(words, className="remark", role="status")


def _hit(hit: Found) -> Component:
    name = str(hit.ref.qualified_name)
    words = [
        html.Span(hit.name or name, className="found"),
        html.Span(kind_of(hit.ref.type_name).word, className="kind"),
        html.Span(name, className="name"),
    ]
    return html.Li(button(words, "centre", name, at=f"search {hit.guid}", style="suggestion"))

"""The view of coverage and dead letters: what is missing in the catalog, what waits, and the command that helps."""

from collections.abc import Sequence

from dash import html

from explorer.components.buttons import Component, copy_button
from questions.health import KIND_WORDS, Health, replay_command
from shared.reconciling.coverage import Coverage, Gap
from shared.state.ports import DeadLetter

_ROWS = 200
"""Rows of a table; `lineage status --all` prints the rest."""
_BODY = 2_000


def coverage_and_dead_letters(health: Health) -> list[Component]:
    """Make the page of coverage and dead letters."""
    return [
        html.H2("Coverage"),
        *([_workspace(coverage) for coverage in health.coverages] or [_nothing_looked_at()]),
        html.H2(f"Dead letters ({health.open})"),
        *(
            [
                _reason(reason, each.count, [letter for letter in health.oldest if letter.reason == reason])
                for reason, each in health.dead_letters.items()
            ]
            or [html.P("None is open: every event was understood and published.")]
        ),
    ]


def _nothing_looked_at() -> Component:
    return html.P("No workspace has been looked at yet: the timer `reconcile` does so after the app is deployed.")


def _workspace(coverage: Coverage) -> Component:
    seen = "" if coverage.complete else ", as far as it was looked through"
    return html.Article(
        [
            html.H3(coverage.workspace.rpartition("/")[2]),
            html.P(coverage.workspace, className="name"),
            html.Meter(value=str(coverage.percent), min="0", max="100"),
            html.P(f"{coverage.percent} % are linked{seen} (looked at {coverage.at or 'never'})"),
            *([html.P(f"Not known for sure: {coverage.problem}")] if coverage.problem else []),
            html.Ul(
                [
                    html.Li(f"{KIND_WORDS.get(kind, kind)}: {coverage.linked[kind]} of {total}")
                    for kind, total in coverage.totals.items()
                ]
            ),
            *([_gaps(coverage.gaps)] if coverage.gaps else []),
        ],
        className="card",
    )


def _gaps(gaps: Sequence[Gap]) -> Component:
    head = html.Tr([html.Th(word, scope="col") for word in ("Missing", "Name", "Why", "What happens")])
    rows = [
        html.Tr(
            [
                html.Td(gap.kind),
                html.Td(f"{gap.name}:{gap.version}" if gap.version else gap.name),
                html.Td(gap.reason),
                html.Td(gap.follows),
            ]
        )
        for gap in gaps[:_ROWS]
    ]
    more = len(gaps) - len(rows)
    return html.Div(
        [
            html.Table([html.Thead(head), html.Tbody(rows)], className="changes"),
            *([html.P(f"… and {more:,} more; `lineage status --all` prints them.")] if more else []),
        ]
    )


def _reason(reason: str, count: int, letters: Sequence[DeadLetter]) -> Component:
    command = replay_command(reason)
    more = count - len(letters)
    return html.Article(
        [
            html.H3(f"{reason} ({count})"),
            html.Div(
                [html.Code(command), copy_button(command, label=f"Copy the command for {reason}")], className="command"
            ),
            html.Ul([_letter(letter) for letter in letters], className="letters"),
            *([html.P(f"… and {more:,} more.")] if more else []),
        ],
        className="card",
    )


def _letter(letter: DeadLetter) -> Component:
    body = letter.body if len(letter.body) <= _BODY else f"{letter.body[:_BODY]} …"
    return html.Li(
        [
            html.P(letter.detail),
            html.P(f"{letter.at:%Y-%m-%d %H:%M:%S} UTC, attempt {letter.attempts}", className="near"),
            html.Details([html.Summary("What came"), html.Pre(body)]),
        ]
    )

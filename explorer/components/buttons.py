"""
Buttons that do something to the address.

What they do is in attributes that the page's script reads. Dash's own way, an input for each button, calls for each
that appears on the page, and drops a click that is under way then.
"""

from typing import Any

from dash import html

Component = Any
"""A component of Dash, or a list of them, or text."""


def wild(**attributes: str) -> dict[str, Any]:
    """
    Name attributes that Dash takes but Python cannot name.

    >>> wild(aria_label="Close")
    {'aria-label': 'Close'}
    """
    return {name.replace("_", "-"): value for name, value in attributes.items()}


def button(
    words: Component,
    verb: str,
    value: str = "",
    *,
    at: str,
    label: str = "",
    pressed: bool | None = None,
    style: str = "",
) -> Component:
    """
    Make a button.

    Args:
        at: where on the page it is, so that two that do the same differ.
        label: what a screen reader says where `words` are not enough.
        pressed: whether a toggle is on; None for what is not a toggle.
    """
    more = wild(data_do=verb, data_value=value, data_key=f"{at} {verb} {value}")
    if label:
        more["aria-label"] = label
    if pressed is not None:
        more["aria-pressed"] = "true" if pressed else "false"
    return html.Button(words, className=f"button {style}".strip(), type="button", **more)


def copy_button(text: str, *, label: str) -> Component:
    """Make a button that copies a text; the script of the page does that."""
    return html.Button("Copy", className="button copy", type="button", **wild(data_copy=text, aria_label=label))


def menu(title: str, children: Component, *, name: str) -> Component:
    """Make a menu that opens below its title."""
    return html.Details([html.Summary(title, className="button"), html.Div(children, className="menu")], id=name)

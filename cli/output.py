"""What the verbs print: names and messages that others chose command no terminal and make no line of their own."""

import click

from shared.printable import lines_of, one_line


def say(*lines: str, mark: str = "", err: bool = False) -> None:
    """
    Print lines.

    Args:
        mark: comes first, in colours of its own.
        err: to stderr.
    """
    click.echo(mark + "\n".join(map(one_line, lines)), err=err)


def say_text(text: str) -> None:
    """Print JSON, or a drawing whose labels are one line each."""
    click.echo(lines_of(text))

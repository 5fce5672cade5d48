"""`lineage explore`: a page in the browser that shows lineage."""

import sys
import webbrowser
from importlib.util import find_spec
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import click

from cli.output import say

if TYPE_CHECKING:
    from shared.bootstrap import Services

PORT = 8050
INSTALL = "pip install -e .[cli,explore]"


@click.command(short_help="Look at lineage in the browser.")
@click.argument("asset", default="")
@click.option("--port", default=PORT, show_default=True, type=click.IntRange(0, 65535), help="0 takes any free one.")
@click.option("--no-browser", is_flag=True, help="Print the address and open nothing.")
def explore(*, asset: str, port: int, no_browser: bool) -> None:
    """
    Serve a page on this machine that draws the lineage of any asset in the catalog, until Ctrl-C.

    ASSET is a qualifiedName, or a name such as `creditrisk_model` (its latest version); without it, the page begins
    with a search. The catalog is read with your identity. No other machine can open the page; other users of this one
    can.

    Example: lineage explore creditrisk_model
    """
    from cli.session import open_reading_services

    if not is_installed():
        raise click.UsageError(f"the page needs packages that are not installed: {INSTALL}")
    explore_catalog(open_reading_services(), asset, port=port, browser=not no_browser)


def is_installed() -> bool:
    """Whether the packages of the page are there."""
    return all(find_spec(name) for name in ("dash", "dash_cytoscape"))


def explore_catalog(services: "Services", asset: str, *, port: int, browser: bool) -> None:
    """
    Serve the page until Ctrl-C; the packages it needs are there.

    Raises:
        click.UsageError: the port is taken.
    """
    from explorer.server import HOST, make_explorer

    try:
        server = make_explorer(services, port=port)
    except OSError as error:
        raise click.UsageError(f"port {port} cannot be used ({error}); --port 0 takes any that is free") from error
    query = f"?{urlencode({'asset': asset})}" if asset else ""
    url = f"http://{HOST}:{server.port}/{query}"
    say(f"Lineage is shown at {url} (Ctrl-C ends it).")
    sys.stdout.flush()
    if browser:
        webbrowser.open(url)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        say("")
    finally:
        server.server_close()

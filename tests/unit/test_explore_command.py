"""How `lineage explore` begins, and what it says where it cannot."""

import socket
import webbrowser
from collections.abc import Mapping

import pytest
from click.testing import CliRunner

from cli import explore
from cli.main import cli as lineage

ENVIRONMENT: Mapping[str, str] = {
    "PURVIEW_ENDPOINT": "https://contoso.purview.azure.com",
    "LINEAGE_WORKSPACES": "/subscriptions/00000000-0000-0000-0000-000000000000",
    "LINEAGE_STORAGE": "sqlite:///never-made.sqlite",
}


@pytest.mark.parametrize("command", [["explore"], ["demo", "--explore"]])
def test_missing_packages_are_named_with_the_command_that_installs_them(
    monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    """Before anything is started."""
    monkeypatch.setattr(explore, "is_installed", lambda: False)
    result = CliRunner().invoke(lineage, command, env=ENVIRONMENT)
    assert result.exit_code == 2
    assert "pip install -e .[cli,explore]" in result.stderr


def test_port_that_is_taken_is_said_and_another_is_offered() -> None:
    """No traceback of a server."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = CliRunner().invoke(lineage, ["explore", "--no-browser", "--port", str(port)], env=ENVIRONMENT)
    assert result.exit_code == 2
    assert f"port {port} cannot be used" in result.stderr
    assert "--port 0" in result.stderr


def test_page_is_opened_at_the_asset(monkeypatch: pytest.MonkeyPatch) -> None:
    """The address is printed, the browser is sent there, and Ctrl-C ends it without a word."""
    from explorer import server

    class Interrupted:
        port = 8123

        def serve_forever(self) -> None:
            raise KeyboardInterrupt

        def server_close(self) -> None:
            pass

    opened: list[str] = []
    monkeypatch.setattr(server, "make_explorer", lambda *_, **__: Interrupted())
    monkeypatch.setattr(webbrowser, "open", opened.append)
    result = CliRunner().invoke(lineage, ["explore", "credit model:1"], env=ENVIRONMENT)
    assert result.exit_code == 0
    assert opened == ["http://127.0.0.1:8123/?asset=credit+model%3A1"]
    assert opened[0] in result.stdout

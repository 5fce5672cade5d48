"""What `make check` runs starts no server."""

import subprocess

import pytest


@pytest.mark.parametrize("program", ["node_modules/azurite/dist/src/azurite.js", "/usr/bin/chromium", "google-chrome"])
def test_test_without_the_marker_cannot_start_a_server(program: str) -> None:
    """Every test is held to this in every run, so a server that is started by mistake shows at once."""
    with pytest.raises(RuntimeError, match="has no marker `servers`, but starts"):
        subprocess.Popen(["true", program])  # noqa: S603, S607


@pytest.mark.servers
def test_test_with_the_marker_starts_what_it_needs() -> None:
    """The marker is the only reason to refuse."""
    assert subprocess.run(["true", "azurite.js"], check=False).returncode == 0  # noqa: S607


@pytest.mark.usefixtures("azurite_server")
def test_test_that_asks_for_azurite_has_the_marker(request: pytest.FixtureRequest) -> None:
    """No one has to think of it."""
    assert request.node.get_closest_marker("servers")

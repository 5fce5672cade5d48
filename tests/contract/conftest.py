"""Clients of the emulated Purview (pyapacheatlas, and bare HTTP for what it cannot say), and every store in turn."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pyapacheatlas.auth.base import AtlasAuthBase
from pyapacheatlas.core.client import AtlasClient

from emulator.server import Emulator
from shared.settings import Azurite
from shared.state import azure_storage, sqlite
from shared.state.ports import State
from tests.contract.atlas import TIMEOUT, Atlas, composition, entity_type
from tests.contract.stores import Clock, Open
from tests.harness.storage import empty, no_token


class AnyToken(AtlasAuthBase):
    """A bearer token, which is all the emulator asks for."""

    def get_authentication_headers(self, **_: object) -> dict[str, str]:
        """Return the headers of every request."""
        return {"Authorization": "Bearer any", "Content-Type": "application/json"}


@pytest.fixture
def client(emulator: Emulator) -> AtlasClient:
    """The genuine client, on the legacy base path because it sends no api-version."""
    return AtlasClient(
        endpoint_url=f"{emulator.url}/catalog/api/atlas/v2",
        authentication=AnyToken(),  # type: ignore[no-untyped-call] # it inherits an untyped __init__
        requests_verify=emulator.ca_bundle,
        requests_timeout=TIMEOUT,
    )


@pytest.fixture
def atlas(emulator: Emulator) -> Iterator[Atlas]:
    """Bare HTTP on the current base path."""
    atlas = Atlas(emulator)
    with atlas.session:
        yield atlas


@pytest.fixture
def shelves(atlas: Atlas) -> Atlas:
    """A catalog with shelves that own books."""
    types = [entity_type("shelf"), entity_type("book")]
    relationships = [composition("shelf_books", "shelf", "books", "book", "shelf")]
    atlas.ok("POST", "/types/typedefs", {"entityDefs": types, "relationshipDefs": relationships})
    return atlas


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["sqlite", pytest.param("azurite", marks=pytest.mark.servers)])
def reopen(request: pytest.FixtureRequest, clock: Clock, tmp_path: Path) -> Iterator[Open]:
    """Every adapter in turn; each call opens the same store once more."""
    opened: list[State] = []

    def open_sqlite() -> State:
        opened.append(sqlite.open_state(str(tmp_path / "state.sqlite"), now=clock))
        return opened[-1]

    def open_azurite() -> State:
        opened.append(azure_storage.open_state(where, token=no_token, now=clock))
        return opened[-1]

    if request.param == "sqlite":
        yield open_sqlite
    else:
        where = Azurite(request.getfixturevalue("azurite_server").base_port)
        empty(where)
        yield open_azurite
    for state in opened:
        state.close()


@pytest.fixture
def state(reopen: Open) -> State:
    return reopen()

"""Clients of the emulated Purview: the genuine pyapacheatlas, and bare HTTP for what it cannot say."""

from collections.abc import Iterator

import pytest
from pyapacheatlas.auth.base import AtlasAuthBase
from pyapacheatlas.core.client import AtlasClient

from emulator.server import Emulator
from tests.contract.atlas import TIMEOUT, Atlas, composition, entity_type


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

"""A Microsoft Purview Data Map: the Atlas v2 API with Purview's extras, in memory."""

from emulator.purview.api.routes import purview_routes
from emulator.purview.service import Purview

__all__ = ["Purview", "purview_routes"]

"""What is around a workspace in Azure Resource Manager: Event Grid, metrics, storage and the Purview account."""

from emulator.arm.routes import arm_routes
from emulator.arm.state import Arm

__all__ = ["Arm", "arm_routes"]

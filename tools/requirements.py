"""Reads pinned requirements, as `make lock` writes them."""

from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name


def read_pins(text: str) -> dict[NormalizedName, Requirement]:
    """
    Return the requirements that hold for this Python, by the name of the distribution.

    >>> str(read_pins("Azure_Core==1.41.0\\n    # via azure-identity")["azure-core"])
    'Azure_Core==1.41.0'
    """
    lines = (line.strip() for line in text.splitlines())
    found = [Requirement(line) for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(each.name): each for each in found if each.marker is None or each.marker.evaluate()}

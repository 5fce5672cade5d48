"""Labels on models, endpoints and predictions that say which classified data they were made of."""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from shared.catalog.entities import Entity, Found, Ref
from shared.catalog.kinds import MODEL, Role, kind_of
from shared.catalog.qualified_names import QualifiedName
from shared.ports import Catalog

PREFIX = "upstream_"
"""Labels that begin so are ours to set and to take away; people's labels are left alone."""
_LONGEST = 50


def label_of(classification: str) -> str:
    """
    Format a classification as a label, which has letters, digits, `_` and `-`, fifty of them at most.

    >>> label_of("MICROSOFT.PERSONAL.EMAIL")
    'upstream_MICROSOFT_PERSONAL_EMAIL'
    """
    label = PREFIX + re.sub(r"[^A-Za-z0-9_-]", "_", classification)
    if len(label) <= _LONGEST:
        return label
    return f"{label[: _LONGEST - 9]}_{hashlib.sha256(classification.encode()).hexdigest()[:8]}"


def list_labelled(entities: Iterable[Entity]) -> tuple[QualifiedName, ...]:
    """Return which of some entities are to have labels: models, endpoints, and what a run writes that reads a model."""
    names: dict[QualifiedName, None] = {}
    for entity in entities:
        if kind_of(entity.ref.type_name).labelled:
            names[entity.ref.qualified_name] = None
        if any(ref.type_name == MODEL for ref in entity.inputs or ()):
            names.update((ref.qualified_name, None) for ref in entity.outputs or () if _is_prediction(ref))
    return tuple(names)


def _is_prediction(ref: Ref) -> bool:
    """Whether what a run wrote that reads a model is data: no model again, and nothing that describes the run."""
    kind = kind_of(ref.type_name)
    return kind.role is Role.DATA and not kind.labelled


@dataclass(frozen=True, slots=True)
class ClassificationLabels:
    """Keeps labels in step with what the catalog says of the data upstream. May raise what its port raises."""

    catalog: Catalog

    def refresh(self, names: Iterable[QualifiedName]) -> None:
        """Set the labels of some entities; two requests or so for each, and one for each that changes."""
        for found in self.catalog.find(tuple(names)).values():
            self._refresh(found)

    def _refresh(self, found: Found) -> None:
        wanted = {label_of(each) for each in self.catalog.get_classifications_above(found)}
        present = {label for label in found.labels if label.startswith(PREFIX)}
        if missing := sorted(wanted - present):
            self.catalog.add_labels(found, missing)
        for label in sorted(present - wanted):
            self.catalog.remove_label(found, label)

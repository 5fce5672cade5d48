"""What publishing an event would write, or why it would write nothing."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from shared.catalog.entities import Entity, Ref
from shared.catalog.qualified_names import QualifiedName
from shared.places.matching import Match
from shared.publishing.rows import explain
from shared.state.ports import Row


@dataclass(frozen=True, slots=True)
class Skip:
    """There is nothing to publish; `reason` is for people, `rows` are noted all the same."""

    reason: str
    rows: tuple[Row, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """
    What publishing would write.

    Attributes:
        root: what the plan is about: the root run of the tree, the endpoint, the model version.
        changed: those of `entities` that differ from what was written last.
        matches: what stands for each place; `looked_up` are those of them that the catalog was asked for just now.
        models: for each run of the tree, the model versions registered from it that `entities` take into account.
        homes: for each run of the tree, the root it ran below; another than `root` if the step was reused.
    """

    subject: str
    root: QualifiedName
    entities: tuple[Entity, ...]
    changed: tuple[Entity, ...]
    rows: tuple[Row, ...]
    matches: Mapping[Ref, Match] = field(default_factory=dict)
    looked_up: Mapping[Ref, Match] = field(default_factory=dict)
    models: Mapping[QualifiedName, frozenset[QualifiedName]] = field(default_factory=dict)
    homes: Mapping[QualifiedName, QualifiedName] = field(default_factory=dict)

    @property
    def roots(self) -> tuple[QualifiedName, ...]:
        """What one worker at a time may write."""
        return tuple(sorted({self.root, *self.homes.values()}))

    @property
    def explained(self) -> dict[str, str]:
        """Say how each place was found: qualifiedName → "exact", "resource set" or "placeholder"."""
        return explain(self.matches)

    @property
    def rules(self) -> dict[str, str]:
        """Say which naming rule found each place, or why none did; nothing for what was remembered without."""
        return {str(place.qualified_name): match.rule for place, match in self.matches.items() if match.rule}

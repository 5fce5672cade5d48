"""Writes the tables of docs/coverage.md: what each golden case records, and how sure bodies and names are."""

import argparse
import json
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from shared.catalog.kinds import (
    ADLS_PATH,
    BLOB_PATH,
    DEPLOYMENT,
    LINK,
    OTHER_DATA,
    REGISTRATION,
    STEP,
    Role,
    kind_of,
    list_ours,
)
from shared.model import Location
from shared.places.platforms import PLATFORMS, place_of
from tests.references.naming_table import Row, read_rows
from tests.worlds.golden_case import GRADES, Case, case_names

PAGE = Path(__file__).parents[1] / "docs" / "coverage.md"
GROUPS = ("Runs", "Models", "Deployments", "Data", "Environments", "Power BI")
_OF_NO_PLATFORM = {"own": "registered assets", "no_place": "no place"}
"""Groups of the naming table, and what the page calls them."""
_BEGIN, _END = "<!-- Tables: python -m tools.coverage -->", "<!-- End of tables -->"
_IN_ORDER = (REGISTRATION, STEP, DEPLOYMENT, LINK)
"""Processes as data flows through them."""
_BOLD = frozenset({STEP, DEPLOYMENT})
_SERVICES = {ADLS_PATH: "ADLS path", BLOB_PATH: "Blob path"}
"""Where the page says more than the word for a kind: a storage path of one service is read in another form."""
_ALWAYS = frozenset(
    {
        "compute_target", "experiment", "run_type", "status", "version", "data_type", "path", "datastore", "model_type",
        "compute_type", "scoring_uri", "state", "account_name", "container_name", "datastore_type", "endpoint",
        "protocol", "registry", "format",
    }
)  # fmt: skip
"""Attributes that most things of a kind have; the page says so once."""
_STANDS_FOR = {"unscanned": "what no scan has found yet", "unresolved": "what Azure ML could not place"}
_NAMES = {"columnMapping": "columns", "column_mapping_source": "columns", "instance_type": "instance type"}


def main() -> int:
    argparse.ArgumentParser(prog="python -m tools.coverage", description=__doc__).parse_args()
    PAGE.write_text(render(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


def render(page: str) -> str:
    """Return the page with new tables; what people wrote around them stays."""
    before, _, rest = page.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    cases = [Case.load(name) for name in case_names()]
    tables = "\n".join(_table(group, [case for case in cases if case.group == group]) for group in GROUPS)
    return f"{before}{_BEGIN}\n\n{tables}\n{_names()}\n{_END}{after}"


def _table(group: str, cases: Iterable[Case]) -> str:
    rows = (_row(case) for case in sorted(cases, key=lambda case: case.kind.casefold()))
    return "\n".join(
        [f"## {group}", "", "| kind | ends recorded | also filled | evidence |", "|---|---|---|---|", *rows, ""]
    )


def _row(case: Case) -> str:
    lineage = json.loads(case.lineage_file.read_text(encoding="utf-8"))
    evidence = (f"{grade}: {source}" for grade, source in sorted(case.evidence, key=lambda each: GRADES.index(each[0])))
    cells = (list_ends(lineage), _filled(lineage["nodes"]), evidence)
    return f"| {' | '.join((_link(case), *map('<br>'.join, cells)))} |"


def _link(case: Case) -> str:
    return f"[{case.kind}](../tests/golden/{case.name}/case.yaml)"


def list_ends(lineage: Mapping[str, Any]) -> Iterator[str]:
    """Say for each type of process which types lead into it and out of it; for things without any, what they are."""
    processes = dict.fromkeys((*_IN_ORDER, *(kind.type_name for kind in list_ours() if kind.role is Role.PROCESS)))
    types = {node["qualifiedName"]: node["type"] for node in lineage["nodes"]}
    into: dict[str, set[str]] = defaultdict(set)
    out_of: dict[str, set[str]] = defaultdict(set)
    for edge in lineage["edges"]:
        source, target = (types[name] for name in edge.removesuffix(" (removed)").split(" -> "))
        if target in processes:
            into[target].add(_word(source))
        if source in processes:
            out_of[source].add(_word(target))
    for process in processes:
        if process in types.values():
            ends = (", ".join(sorted(into[process])), _word(process), ", ".join(sorted(out_of[process])))
            yield " → ".join(end for end in ends if end)
    if not {*types.values()} & {*processes}:
        yield ", ".join(sorted({_word(each) for each in types.values()})) or "nothing"


def _filled(nodes: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Name the attributes that are filled beyond what every thing of the type has, and what placeholders are for."""
    filled: dict[str, set[str]] = defaultdict(set)
    for node in nodes:
        # What a run has of a batch endpoint is its own; of a datastore it is the address.
        own = {"endpoint"} if node["type"] == STEP else set()
        names = {_attribute(key) for key in set(node.get("attributes", {})) - (_ALWAYS - own)}
        if node["type"] == OTHER_DATA:
            names = {_STANDS_FOR[label] for label in node.get("labels", ())}
        filled[_word(node["type"]).strip("*")] |= names
    for word, names in sorted(filled.items()):
        if names:
            yield f"{word}: {', '.join(sorted(names))}"


def _names() -> str:
    """Count the rows of the naming table by platform and grade, and list what no public source shows."""
    rows = read_rows()
    platforms: dict[str, list[Row]] = {
        name: [] for name in (*_OF_NO_PLATFORM.values(), *(each.platform for each in PLATFORMS))
    }
    for row in rows:
        platforms[_OF_NO_PLATFORM.get(row.group) or place_of(Location(row.name)).platform].append(row)
    unverified = Counter(source for row in rows for source in row.sources if source.grade == "unverified")
    return "\n".join(
        [
            *("## Names", "", f"| platform | rows | {' | '.join(GRADES)} |", f"|{'---|' * (len(GRADES) + 2)}"),
            *(_counts(platform, found) for platform, found in platforms.items() if found),
            _counts("**all**", rows),
            *("", "| unverified | rows |", "|---|---|"),
            *(f"| {source.shows} ([source]({source.url})) | {count} |" for source, count in unverified.items()),
            "",
        ]
    )


def _counts(platform: str, rows: Sequence[Row]) -> str:
    grades = Counter(row.grade for row in rows)
    return f"| {platform} | {len(rows)} | {' | '.join(str(grades[grade] or '') for grade in GRADES)} |"


def _attribute(key: str) -> str:
    """
    >>> _attribute("git_commit"), _attribute("pipeline_status"), _attribute("traffic")
    ('git', 'pipeline', 'traffic')
    """
    prefix = re.match(r"git|pipeline", key)
    return prefix.group() if prefix else _NAMES.get(key, key)


def _word(type_name: str) -> str:
    word = _SERVICES.get(type_name) or kind_of(type_name).word
    return f"**{word}**" if type_name in _BOLD else word


if __name__ == "__main__":
    sys.exit(main())

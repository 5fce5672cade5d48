"""Prints what the product costs: requests, connections, memory and ratios within one run, no absolute promises."""

import argparse
import sys
from collections.abc import Callable
from functools import partial

from rich.console import Console
from rich.table import Table

from benchmarks import backfill, scale, throughput
from benchmarks.backfill import measure_backfill
from benchmarks.claims import measure_claims
from benchmarks.indexing import measure_indexing
from benchmarks.publication import measure_publication
from benchmarks.receiving import measure_bursts, measure_receiving
from benchmarks.scale import measure_letters, measure_rematching, measure_reporting, measure_scale
from benchmarks.table import measure_table
from benchmarks.throughput import measure_throughput


def main() -> int:
    """Run the benchmarks that are asked for, or all of them, and print a table of each."""
    measure: dict[str, Callable[[argparse.Namespace], Table]] = {
        "indexing": lambda _: measure_indexing(),
        "publication": lambda _: measure_publication(),
        "bursts": lambda _: measure_bursts(),
        "receiving": lambda _: measure_receiving(),
        "table": lambda _: measure_table(),
        "claims": lambda _: measure_claims(),
        "throughput": lambda options: measure_throughput(options.events),
        "scale": lambda options: measure_scale(options.rows),
        "letters": lambda options: measure_letters(options.letters),
        "rematching": lambda _: measure_rematching(),
        "reporting": lambda options: measure_reporting(options.reported),
        "backfill": lambda options: measure_backfill(options.runs),
    }
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(measure)}; default: all of them")
    parser.add_argument("--runs", type=int, default=backfill.RUNS, help="runs that are backfilled")
    parser.add_argument("--events", type=int, default=throughput.EVENTS, help="events that go through the whole path")
    parser.add_argument("--rows", type=int, nargs="+", default=scale.ROWS, help="rows of the ledger, fewest first")
    parser.add_argument(
        "--letters", type=int, nargs="+", default=scale.OPEN_LETTERS, help="open dead letters, fewest first"
    )
    parser.add_argument("--reported", type=int, nargs="+", default=scale.REPORTED, help="OpenLineage events of one run")
    options = parser.parse_args()
    if unknown := set(options.names) - set(measure):
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}")
    say = partial(print, file=sys.stderr, flush=True)
    for name in options.names or measure:
        say(f"{name} ...")
        Console(width=140).print(measure[name](options))
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Run a soak: ``python -m benchmarks.soak --deliveries 20000 --kills 50``."""

import argparse
import random
import secrets
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote

from rich.console import Console
from rich.table import Table

from benchmarks.soak.deliveries import Event, plan_deliveries, read_events
from benchmarks.soak.deployment import Deployment
from benchmarks.soak.job_runs import make_events, send
from benchmarks.soak.verdict import (
    HOPELESS,
    TICKS,
    Accounts,
    compare_catalogs,
    compare_coverage,
    publish_cleanly,
    read_truth,
    settle_accounts,
)
from emulator.event_grid.sender import Sender
from shared.intake.message import REPLAY
from shared.intake.receive import list_messages
from shared.state.azure_storage import DEAD_LETTERS, POISON_QUEUE, Storage

QUEUE_FULL = 600
"""Messages on the queue at which Event Grid is made to wait: a longer queue shows nothing more."""
FEW = 50
"""Messages on the queue with which publishers are busy, so that killing them meets work."""
IDLE = 2.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, print what became of it, and return 1 if anything was lost, doubled or wrong."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--deliveries", type=int, default=20_000)
    parser.add_argument("--kills", type=int, default=50, help="at least this often; the soak goes on until then")
    parser.add_argument("--runs", type=int, default=0, help="root runs of the fleet; by default deliveries / 25")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10_000))
    parser.add_argument("--rate", type=float, default=0.2, help="share of requests to Azure ML and Purview that fail")
    parser.add_argument("--storage-rate", type=float, default=0.02, help="share of requests to storage that fail")
    parser.add_argument("--life", type=float, default=16.0, help="seconds a publisher lives at most beside the next")
    parser.add_argument("--minutes", type=float, default=90.0, help="give up after this long")
    parser.add_argument("--keep", type=Path, help="leave the workers' logs here")
    options = parser.parse_args(arguments)
    _say(f"seed {options.seed}")
    with tempfile.TemporaryDirectory(prefix="soak-") as temporary:
        folder = options.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        return _run(options, folder)


def _run(options: argparse.Namespace, folder: Path) -> int:
    started = time.monotonic()
    deadline = started + 60 * options.minutes
    runs = options.runs or max(20, options.deliveries // 25)
    with Deployment(
        folder, runs=runs, seed=options.seed, storage_rate=options.storage_rate, longest_life=options.life
    ) as deployment:
        events = read_events(deployment.control)
        job_events = make_events(max(20, options.deliveries // 10), seed=options.seed)
        _say(f"{runs} root runs with {len(events)} events in three workspaces")
        deployment.start_faults(options.rate)
        deployment.start_killing()
        chance = random.Random(f"order {options.seed}")  # noqa: S311 - an order, not a secret
        notebooks = chance.sample([*job_events, *job_events], 2 * len(job_events))
        send(deployment.lineage_url, notebooks[: len(job_events)])
        delivered = _deliver(deployment, events, options, deadline)
        send(deployment.lineage_url, notebooks[len(job_events) :])
        while deployment.kills < options.kills and time.monotonic() < deadline:
            if deployment.services.queue.count() > FEW:
                time.sleep(0.2)
            else:
                delivered += _deliver(deployment, events, options, deadline, count=30)
        deployment.stop_killing()
        _wait_until_idle(deployment, deadline)
        injected = deployment.stop_faults()
        letters = deployment.services.dead_letters.list_open()
        accounts = settle_accounts(folder, letters, closed=_list_closed(deployment), delivered=delivered)
        _replay_hopeful(deployment)
        _wait_until_idle(deployment, deadline)
        left = [letter for letter in deployment.services.dead_letters.list_open() if letter.reason not in HOPELESS]
        accounts.problems += [f"a replay did not help: {letter.reason}: {letter.detail}" for letter in left]
        deployment.stop_ticking()
        for _ in range(TICKS):
            deployment.services.reconciler.tick()
            _wait_until_idle(deployment, deadline)
        coverage, actual = read_truth(deployment.services), deployment.control.state()["purview"]
        deployment.control.use("fleet", runs=runs, seed=options.seed)
        expected, truth = publish_cleanly(deployment.control, deployment.environment, [*events, *job_events])
        accounts.problems += [*compare_catalogs(actual, expected), *compare_coverage(coverage, truth)]
        table = _to_table(accounts, delivered, deployment, injected, time.monotonic() - started, options.seed)
    Console(width=120).print(table)
    for problem in accounts.problems:
        _say(f"PROBLEM: {problem}")
    _say(f"seed {options.seed}: {'failed' if accounts.problems else 'nothing lost, nothing doubled, nothing partial'}")
    return 1 if accounts.problems else 0


def _deliver(
    deployment: Deployment, events: Sequence[Event], options: argparse.Namespace, deadline: float, count: int = 0
) -> int:
    queue = deployment.services.queue
    seed = options.seed + deployment.kills * bool(count)
    delivered = 0
    with Sender(
        deployment.webhook,
        topic="fleet",
        subscription_name="soak",
        max_events_per_batch=3,
        max_attempts=50,
        delays=(0.2,),
        workers=4,
    ) as sender:
        sender.handshake()
        chosen = events[: count or None]
        for burst in plan_deliveries(chosen, count=count or options.deliveries, seed=seed):
            while queue.count() > QUEUE_FULL and time.monotonic() < deadline:
                time.sleep(0.2)
            report = sender.send(burst)
            if report.dead_lettered:
                raise RuntimeError(f"the receiver refused {len(report.dead_lettered)} events for good")
            delivered += len(report.delivered)
            print(f"\r{delivered} delivered, {deployment.kills} kills ", end="", file=sys.stderr, flush=True)  # noqa: T201
            if time.monotonic() > deadline:
                raise TimeoutError("the soak takes too long")
    return delivered


def _wait_until_idle(deployment: Deployment, deadline: float) -> None:
    """Wait until both queues have been empty for a while: a message that is worked on counts too."""
    storage = Storage(deployment.services.settings.storage, lambda: None)  # type: ignore[arg-type,return-value]
    queues = [storage.queue(), storage.queue(POISON_QUEUE)]
    empty_since = 0.0
    while not empty_since or time.monotonic() - empty_since < IDLE:
        if time.monotonic() > deadline:
            raise TimeoutError("the queue does not run empty")
        left = sum(queue.get_queue_properties().approximate_message_count or 0 for queue in queues)
        empty_since = (empty_since or time.monotonic()) if not left else 0.0
        print(f"\r{left} messages left ", end="", file=sys.stderr, flush=True)  # noqa: T201
        time.sleep(0.2)
    storage.close()


def _list_closed(deployment: Deployment) -> set[str]:
    """List the dead letters that are closed: their events were published when a tick replayed them."""
    storage = Storage(deployment.services.settings.storage, lambda: None)  # type: ignore[arg-type,return-value]
    names = storage.container(DEAD_LETTERS).list_blob_names(name_starts_with="closed/")
    closed = {unquote(Path(name).stem) for name in names}
    storage.close()
    return closed


def _replay_hopeful(deployment: Deployment) -> None:
    """Replay what was dead-lettered because of faults and kills, as an engineer on call would."""
    services = deployment.services
    for letter in services.dead_letters.list_open():
        if letter.reason not in HOPELESS:
            messages = list_messages(
                letter.body,
                source=REPLAY,
                now=services.now,
                open_dead_letters=lambda: services.dead_letters,
                closes=letter.id,
            )
            for message in messages:
                services.queue.put(message)


def _to_table(
    accounts: Accounts,
    delivered: int,
    deployment: Deployment,
    injected: dict[str, dict[str, int]],
    seconds: float,
    seed: int,
) -> Table:
    table = Table(title=f"Soak, seed {seed}, {seconds / 60:.1f} minutes", show_header=False)
    ends = accounts.ends
    rows = {
        "deliveries answered with success": delivered,
        "accepted": accounts.accepted,
        "published + skipped + dead-lettered": (
            f"{ends['published']} + {ends['skipped']} + {ends['dead_lettered']} = {ends.total() - ends['lost']}"
        ),
        "dead letters by reason": ", ".join(f"{count} {reason}" for reason, count in accounts.reasons.most_common()),
        "kills": deployment.kills,
        "deferrals, attempts that ended": f"{accounts.deferrals}, {accounts.attempts}",
        "storage requests of ours": deployment.faults.counts["requests"],
    }
    rows |= {
        f"faults of {service}": ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items()))
        for service, counts in injected.items()
    }
    for name, value in rows.items():
        table.add_row(name, str(value))
    return table


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201 - progress


if __name__ == "__main__":
    sys.exit(main())

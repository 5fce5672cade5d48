"""``python -m samples.credit_risk``: make the data, run the four steps on it, print how good the model is."""

import argparse
import json
import os
import sys
from functools import partial
from pathlib import Path

from samples.credit_risk.data import write_data
from samples.credit_risk.definitions import read_pipeline
from samples.credit_risk.run import Local, StepFailedError

_LINES_SHOWN = 20


def main() -> int:
    """Run the sample; 1 means that a step failed, and which one is said."""
    parser = argparse.ArgumentParser(prog="python -m samples.credit_risk", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("out/sample"), help="folder for all files (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="equal seeds make equal data (%(default)s)")
    options = parser.parse_args()
    say = partial(print, file=sys.stderr, flush=True)
    local = Local(options.out, read_pipeline())
    loan, borrower = write_data(options.out / "data", seed=options.seed)
    try:
        local.run({"LoanData": loan, "BorrowerData": borrower}, environ=os.environ, say=say)
    except StepFailedError as error:
        said = error.log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LINES_SHOWN:]
        say("\n".join(said), f"{error}; all it said is in {error.log}", sep="\n")
        return 1
    metrics = json.loads((local.output("train_model", "metrics_data") / "metrics.json").read_text(encoding="utf-8"))
    lines = (
        f"accuracy {metrics['Accuracy']:.2f}, AUC {metrics['AUC']:.2f}",
        f"data         {options.out / 'data'}",
        f"model        {local.output('train_model', 'model_data')}",
        f"predictions  {local.output('run_batch_inference', 'batchinfer_data') / 'predictions.csv'}",
        f"MLflow runs  {local.tracking}",
    )
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

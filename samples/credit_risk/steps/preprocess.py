"""Step PrepareData: join loans with their borrowers, keep what a model may learn from, make the label a number."""

import argparse
from pathlib import Path

import pandas as pd

LABEL = "loanStatus"
# Keys and dates say nothing of a new loan; the grade is the lender's own opinion; the state must not decide.
DROPPED = ["memberId", "loanId", "date", "grade", "residentialState"]


def prepare(loans: pd.DataFrame, borrowers: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each loan whose borrower is known, with categories as text and all else as floats."""
    joined = loans.merge(borrowers, on="memberId", how="inner", validate="many_to_one").drop(columns=DROPPED)
    label = (joined.pop(LABEL) == "Default").astype(int)
    for name in joined.columns:
        if pd.api.types.is_bool_dtype(joined[name]):
            # As a word: readers of a CSV differ in what they take true for.
            joined[name] = joined[name].map({True: "yes", False: "no"})
        elif not pd.api.types.is_numeric_dtype(joined[name]):
            joined[name] = joined[name].fillna("unknown").astype(str).str.lower()
        else:
            # Floats even where whole: a column that may have gaps is one, and the model's signature is enforced.
            joined[name] = joined[name].astype(float)
    return joined.assign(**{LABEL: label})


def main() -> None:
    """Read two files and write one into a folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--loan", type=Path, required=True, help="CSV of loans")
    parser.add_argument("--borrower", type=Path, required=True, help="CSV of borrowers")
    parser.add_argument("--out", type=Path, required=True, help="folder for data.csv")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    prepare(pd.read_csv(options.loan), pd.read_csv(options.borrower)).to_csv(options.out / "data.csv", index=False)


if __name__ == "__main__":
    main()

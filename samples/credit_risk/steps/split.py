"""Step TestTrainDataSplit: four fifths to learn from, one fifth to score."""

import argparse
from pathlib import Path

import pandas as pd
from sklearn.model_selection import train_test_split

LABEL = "loanStatus"


def main() -> None:
    """Read a folder and write two, with as many defaults in proportion."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with data.csv")
    parser.add_argument("--train", type=Path, required=True, help="folder for the part to learn from")
    parser.add_argument("--test", type=Path, required=True, help="folder for the part to score")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    data = pd.read_csv(options.data / "data.csv")
    parts = train_test_split(data, test_size=0.2, random_state=options.seed, stratify=data[LABEL])
    for part, folder in zip(parts, (options.train, options.test), strict=True):
        folder.mkdir(parents=True, exist_ok=True)
        part.to_csv(folder / "data.csv", index=False)


if __name__ == "__main__":
    main()

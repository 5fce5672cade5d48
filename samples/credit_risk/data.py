"""
Made-up loans and their borrowers, for a model to learn from.

Only the standard library draws the numbers: its random streams stay the same
from release to release, which NumPy does not promise, and equal seeds have to
give equal bytes.
"""

import csv
import math
import random
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path

BORROWER_COLUMNS = (
    "memberId", "residentialState", "yearsEmployment", "homeOwnership", "annualIncome", "incomeVerified", "dtiRatio",
    "lengthCreditHistory", "numTotalCreditLines", "numOpenCreditLines", "numOpenCreditLines1Year", "revolvingBalance",
    "revolvingUtilizationRate", "numDerogatoryRec", "numDelinquency2Years", "numChargeoff1year", "numInquiries6Mon",
)  # fmt: skip
LOAN_COLUMNS = (
    "loanId", "memberId", "date", "purpose", "isJointApplication", "loanAmount", "term", "interestRate",
    "monthlyPayment", "grade", "loanStatus",
)  # fmt: skip
STATES = ("AZ", "CA", "CO", "FL", "GA", "IL", "MI", "NC", "NJ", "NY", "OH", "PA", "TX", "VA", "WA")
PURPOSES = {"debtconsolidation": 55, "homeimprovement": 18, "business": 9, "medical": 8, "wedding": 6, "vacation": 4}
HOMES = {"mortgage": 48, "rent": 40, "own": 12}
GRADES = "ABCDEFG"
FIRST_DAY = date(2023, 1, 2)
DAYS = 3 * 365
BORROWERS, LOANS = 3000, 4000
# With this log-odds of an average borrower about a fifth of the loans default.
BASE_RISK = -2.05

Row = dict[str, str | int | float | None]


def write_data(folder: Path, *, seed: int, borrowers: int = BORROWERS, loans: int = LOANS) -> tuple[Path, Path]:
    """Write ``loan.csv`` and ``borrower.csv`` and return their paths in this order."""
    folder.mkdir(parents=True, exist_ok=True)
    members = [borrower(random.Random(f"{seed}/borrower/{number}"), number) for number in range(borrowers)]  # noqa: S311 - repeatable
    taken = (_loan_of(seed, number, members) for number in range(loans))
    loan_csv, borrower_csv = folder / "loan.csv", folder / "borrower.csv"
    _write(loan_csv, LOAN_COLUMNS, taken)
    _write(borrower_csv, BORROWER_COLUMNS, members)
    return loan_csv, borrower_csv


def borrower(dice: random.Random, number: int) -> Row:
    """Draw one borrower; a few do not say how long they have been employed."""
    income = min(400_000, max(12_000, round(dice.lognormvariate(math.log(62_000), 0.5), -2)))
    total = 2 + _count(dice, 20)
    utilization = round(100 * dice.betavariate(2.0, 2.2), 1)
    return {
        "memberId": 100_000 + number,
        "residentialState": dice.choice(STATES),
        "yearsEmployment": None if dice.random() < 0.03 else min(10, int(dice.expovariate(1 / 5))),
        "homeOwnership": _pick(dice, HOMES),
        "annualIncome": int(income),
        "incomeVerified": str(dice.random() < 0.6),
        "dtiRatio": round(45 * dice.betavariate(2.2, 3.2), 2),
        "lengthCreditHistory": 1 + _count(dice, 13),
        "numTotalCreditLines": total,
        "numOpenCreditLines": max(1, round(total * dice.uniform(0.3, 0.7))),
        "numOpenCreditLines1Year": _count(dice, 1.6),
        "revolvingBalance": round(income * dice.uniform(0.02, 0.5) * (0.2 + utilization / 100)),
        "revolvingUtilizationRate": utilization,
        "numDerogatoryRec": _count(dice, 0.25),
        "numDelinquency2Years": _count(dice, 0.35),
        "numChargeoff1year": int(dice.random() < 0.04),
        "numInquiries6Mon": _count(dice, 0.8),
    }


def loan(dice: random.Random, number: int, member: Mapping[str, str | int | float | None]) -> Row:
    """Draw one loan of a borrower; the lender sees part of the risk and asks for interest accordingly."""
    figure = {name: float(value) for name, value in member.items() if isinstance(value, int | float)}
    amount = min(40_000.0, max(1_000.0, round(figure["annualIncome"] * dice.uniform(0.04, 0.45) / 100) * 100))
    term = 60 if dice.random() < 0.1 + amount / 70_000 else 36
    risk = _risk(figure, member["homeOwnership"], amount, term)
    rate = round(min(30.0, max(5.0, 12.5 + 2.6 * risk + dice.gauss(0, 1.6))), 2)
    defaults = dice.random() < 1 / (1 + math.exp(-(BASE_RISK + 1.7 * risk)))
    return {
        "loanId": 500_000 + number,
        "memberId": member["memberId"],
        "date": (FIRST_DAY + timedelta(days=dice.randrange(DAYS))).isoformat(),
        "purpose": _pick(dice, PURPOSES),
        "isJointApplication": str(dice.random() < 0.08),
        "loanAmount": int(amount),
        "term": term,
        "interestRate": rate,
        "monthlyPayment": round(_annuity(amount, rate / 1200, term), 2),
        "grade": GRADES[min(len(GRADES) - 1, int((rate - 5) / 3.6))],
        "loanStatus": "Default" if defaults else dice.choice(("Current", "Fully Paid")),
    }


def _loan_of(seed: int, number: int, members: Sequence[Row]) -> Row:
    dice = random.Random(f"{seed}/loan/{number}")  # noqa: S311 - repeatable is what is wanted
    return loan(dice, number, dice.choice(members))


def _risk(figure: Mapping[str, float], home: object, amount: float, term: int) -> float:
    """Sum what makes a loan risky; about 0 for an average loan."""
    return (
        0.055 * (figure["dtiRatio"] - 18.5)
        + 0.018 * (figure["revolvingUtilizationRate"] - 47)
        + 1.6 * (amount / figure["annualIncome"] - 0.25)
        + 0.45 * figure["numDelinquency2Years"]
        + 0.5 * figure["numDerogatoryRec"]
        + 0.9 * figure["numChargeoff1year"]
        + 0.2 * (figure["numInquiries6Mon"] - 0.8)
        - 0.07 * (figure.get("yearsEmployment", 4) - 4)
        - 0.03 * (figure["lengthCreditHistory"] - 13)
        + (0.35 if home == "rent" else 0.0)
        + (0.4 if term == 60 else 0.0)
        - 0.65
    )


def _annuity(amount: float, monthly_rate: float, months: int) -> float:
    return amount * monthly_rate / (1 - (1 + monthly_rate) ** -months)


def _count(dice: random.Random, mean: float) -> int:
    """Draw a whole number with many small and few large values."""
    return int(dice.gammavariate(1.5, (mean + 0.5) / 1.5))


def _pick(dice: random.Random, weights: Mapping[str, int]) -> str:
    return dice.choices(list(weights), weights=list(weights.values()))[0]


def _write(path: Path, columns: Sequence[str], rows: Iterable[Row]) -> None:
    # newline="" and "\n": the same bytes on Windows too.
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)

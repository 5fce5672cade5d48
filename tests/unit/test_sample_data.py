"""The sample's made-up loans and borrowers."""

import csv
import hashlib
from pathlib import Path

import pytest

from samples.credit_risk.data import BORROWERS, GRADES, HOMES, LOANS, PURPOSES, STATES, write_data

Rows = list[dict[str, str]]
# As Microsoft's accelerator has them, whose users look for these columns.
LOAN = "loanId,memberId,date,purpose,isJointApplication,loanAmount,term,interestRate,monthlyPayment,grade,loanStatus"
BORROWER = (
    "memberId,residentialState,yearsEmployment,homeOwnership,annualIncome,incomeVerified,dtiRatio,lengthCreditHistory,"
    "numTotalCreditLines,numOpenCreditLines,numOpenCreditLines1Year,revolvingBalance,revolvingUtilizationRate,"
    "numDerogatoryRec,numDelinquency2Years,numChargeoff1year,numInquiries6Mon"
)


def _rows(path: Path) -> Rows:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _hashes(paths: tuple[Path, Path]) -> list[str]:
    return [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths]


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> tuple[Rows, Rows]:
    """Loans and borrowers, of the usual number."""
    loan_csv, borrower_csv = write_data(tmp_path_factory.mktemp("data"), seed=0)
    return _rows(loan_csv), _rows(borrower_csv)


def test_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    """Both files, of two runs."""
    first = write_data(tmp_path / "first", seed=3, borrowers=50, loans=80)
    again = write_data(tmp_path / "again", seed=3, borrowers=50, loans=80)
    assert _hashes(first) == _hashes(again)


def test_other_seed_gives_other_bytes(tmp_path: Path) -> None:
    """Neither file depends on its number of rows alone."""
    first = write_data(tmp_path / "first", seed=3, borrowers=50, loans=80)
    other = write_data(tmp_path / "other", seed=4, borrowers=50, loans=80)
    assert not set(_hashes(first)) & set(_hashes(other))


def test_files_have_the_accelerators_columns(tables: tuple[Rows, Rows]) -> None:
    """In its order, and no others."""
    loans, borrowers = tables
    assert (",".join(loans[0]), ",".join(borrowers[0])) == (LOAN, BORROWER)
    assert (len(loans), len(borrowers)) == (LOANS, BORROWERS)


def test_every_loan_has_exactly_one_borrower(tables: tuple[Rows, Rows]) -> None:
    """Ids are unique; a member may have several loans or none."""
    loans, borrowers = tables
    members = {row["memberId"] for row in borrowers}
    assert len(members) == len(borrowers)
    assert len({row["loanId"] for row in loans}) == len(loans)
    assert {row["memberId"] for row in loans} < members


def test_about_a_fifth_of_the_loans_default(tables: tuple[Rows, Rows]) -> None:
    """Enough to learn from, and still the exception."""
    statuses = [row["loanStatus"] for row in tables[0]]
    assert set(statuses) == {"Current", "Fully Paid", "Default"}
    assert 0.15 <= statuses.count("Default") / len(statuses) <= 0.25


@pytest.mark.parametrize(
    ("column", "low", "high"),
    [("loanAmount", 1000, 40_000), ("interestRate", 5, 30), ("monthlyPayment", 15, 1700)],
)
def test_figures_of_loans_are_realistic(tables: tuple[Rows, Rows], column: str, low: float, high: float) -> None:
    """Of every loan."""
    assert [row for row in tables[0] if not low <= float(row[column]) <= high] == []


@pytest.mark.parametrize(
    ("column", "low", "high"),
    [
        ("annualIncome", 12_000, 400_000),
        ("dtiRatio", 0, 45),
        ("lengthCreditHistory", 1, 100),
        ("revolvingUtilizationRate", 0, 100),
        ("numChargeoff1year", 0, 1),
        ("numInquiries6Mon", 0, 20),
    ],
)
def test_figures_of_borrowers_are_realistic(tables: tuple[Rows, Rows], column: str, low: float, high: float) -> None:
    """Of every borrower."""
    assert [row for row in tables[1] if not low <= float(row[column]) <= high] == []


def test_open_credit_lines_are_among_all(tables: tuple[Rows, Rows]) -> None:
    """A figure that includes another is not smaller."""
    assert all(1 <= int(row["numOpenCreditLines"]) <= int(row["numTotalCreditLines"]) for row in tables[1])


def test_categories_are_those_that_are_known(tables: tuple[Rows, Rows]) -> None:
    """Each is met, so that a model learns of it; the rarest grades may be missing."""
    loans, borrowers = tables
    assert {row["purpose"] for row in loans} == set(PURPOSES)
    assert {row["term"] for row in loans} == {"36", "60"}
    assert {row["grade"] for row in loans} <= set(GRADES)
    assert {row["homeOwnership"] for row in borrowers} == set(HOMES)
    assert {row["residentialState"] for row in borrowers} == set(STATES)
    assert {row["isJointApplication"] for row in loans} == {"True", "False"}


def test_some_borrowers_do_not_say_how_long_they_are_employed(tables: tuple[Rows, Rows]) -> None:
    """Real files have gaps, and the model has to cope."""
    silent = sum(row["yearsEmployment"] == "" for row in tables[1])
    assert 0 < silent < len(tables[1]) / 10

"""One word for one thing: the glossary is short and leads to the code, and old words do not come back."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GLOSSARY = (ROOT / "docs/glossary.md").read_text(encoding="utf-8")
WORDS = dict(re.findall(r"^\| ([a-z][^|]*) \| [^|]*\. \| `([^`|]+)` \|$", GLOSSARY, re.MULTILINE))
PATHS = sorted(set(re.findall(r"`((?:\w+/)+(?:\w+\.py)?)`", GLOSSARY)))

PLACES = (
    *("README.md", "CONTRIBUTING.md", "SECURITY.md", "docs", "infra", ".github"),
    *("shared", "functions", "questions", "cli", "explorer", "emulator", "benchmarks", "samples", "tools", "tests"),
)
EXEMPT = ("tests/golden/", "tests/unit/test_words.py")
"""What a golden case is about stays as its lineage has it."""
TEXT = {".md", ".py", ".bicep", ".json", ".sh", ".ps1", ".css", ".js", ".yml", ".yaml", ".ipynb"}
OLD_WORDS = re.compile(
    r"""(?<![a-z])(?:
        whoever | nobody | somebody | anew | mend(?:s|ed|ing)? | lest | thereof | wherein
        | spel(?:l|ls|t|led|ling|lings) | speaks? | hears? | news | told | tells?\ of
        | hints? | strangers? | stand[-_]ins? | stands?\ in\ for | sets?\ aside | setting\ aside | what\ is\ none
    )(?![a-z])""",
    re.IGNORECASE | re.VERBOSE,
)
ALLOWED = (
    r"told/",  # keys in the ledger of every deployment
    r"param_hint=",  # an argument of click's
    r"get_type_hints",  # of Python
)


def test_glossary_has_at_most_forty_words() -> None:
    """More would be a language of its own."""
    assert 30 <= len(WORDS) <= 40
    assert len(WORDS) == len(re.findall(r"^\| [a-z]", GLOSSARY.partition("## Where")[0], re.MULTILINE)) - 1  # the head


@pytest.mark.parametrize("path", sorted({*WORDS.values(), *PATHS}))
def test_glossary_names_modules_that_exist(path: str) -> None:
    """A module that is moved takes its words along."""
    assert (ROOT / path).exists()


def test_glossary_names_files_of_a_folder_that_exist() -> None:
    """In the table of folders, a file is named without its folder."""
    rows = re.findall(r"^\| `([\w/]+/)`(.*)$", GLOSSARY, re.MULTILINE)
    files = [f"{folder}{name}" for folder, text in rows for name in re.findall(r"`(\w+\.py)`", text)]
    assert len(files) > 8
    assert [file for file in files if not (ROOT / file).exists()] == []


def find_old_words(text: str) -> list[str]:
    """Return each line of a text that has an old word, after its number."""
    plain = re.sub("|".join(ALLOWED), "", text)
    return [f"{number}: {line.strip()}" for number, line in enumerate(plain.splitlines(), 1) if OLD_WORDS.search(line)]


@pytest.mark.parametrize("place", PLACES)
def test_old_words_do_not_come_back(place: str) -> None:
    """A reader who learned English as a third language does not know them."""
    files = [ROOT / place] if (ROOT / place).is_file() else sorted((ROOT / place).rglob("*"))
    names = [file.relative_to(ROOT).as_posix() for file in files if file.suffix in TEXT]
    found = [
        f"{name}:{line}"
        for name in names
        if not name.startswith(EXEMPT)
        for line in find_old_words((ROOT / name).read_text(encoding="utf-8"))
    ]
    assert found == []


@pytest.mark.parametrize(
    "text", ["Nobody knows.", "it is told", "told_of_runs", "a stand-in", "Spells names", "a hint"]
)
def test_old_words_are_found(text: str) -> None:
    """In sentences and in identifiers."""
    assert find_old_words(text)


@pytest.mark.parametrize(
    "text", ["told/{name}", "param_hint='ID'", "recommended", "an amendment", "newsletter", "dispel"]
)
def test_other_words_are_not(text: str) -> None:
    """A key of the ledger, and words that contain an old one."""
    assert not find_old_words(text)

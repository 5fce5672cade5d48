"""Builds the package that a deployment sends, as .funcignore says: a folder to look at, and a zip."""

import os
import shutil
import sys
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import click
from pathspec import GitIgnoreSpec

from tools.imports import third_party
from tools.requirements import read_pins

ROOT = Path(__file__).parents[1]
OUT = ROOT / "build"
FILES = ("function_app.py", "host.json", "requirements.txt")
FOLDERS = ("functions", "shared")
"""What the app consists of, Python files in the folders; anything else is a stray file."""
OPTIONAL = ("downstream.yaml",)
"""What the deploying person may put beside them."""
_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The earliest time a zip can hold: the same files give the same zip, byte for byte."""


class StrayFileError(Exception):
    """Files that are none of the app's would be sent; the message names them."""


@dataclass(frozen=True, slots=True)
class Package:
    """A package that was built; `files` are relative to its folder, sorted."""

    folder: Path
    zip: Path
    files: tuple[str, ...]

    @property
    def size(self) -> int:
        """Bytes of all files, unpacked."""
        return sum((self.folder / name).stat().st_size for name in self.files)

    def imports(self) -> dict[str, str | None]:
        """Map the third-party modules that the code imports to their pins, None for what is not pinned."""
        pins = read_pins((self.folder / "requirements.txt").read_text(encoding="utf-8"))
        sources = [self.folder / name for name in self.files if name.endswith(".py")]
        own = (*FOLDERS, *(Path(name).stem for name in FILES))
        found = third_party(sources, own)
        return {module: str(pins[owner]) if owner in pins else None for module, owner in found.items()}


def list_files(root: Path) -> list[str]:
    """
    List what a deployment from this folder would send, sorted.

    Like azd and Core Tools this takes all files in the folder: neither git nor .gitignore is asked.
    """
    ignored = GitIgnoreSpec.from_lines((root / ".funcignore").read_text(encoding="utf-8").splitlines())
    return sorted(_walk(root, ignored))


def _walk(root: Path, ignored: GitIgnoreSpec) -> Iterator[str]:
    for folder, folders, names in os.walk(root):
        here = Path(folder).relative_to(root)
        folders[:] = [name for name in folders if not ignored.match_file(f"{(here / name).as_posix()}/")]
        paths = ((here / name).as_posix() for name in names)
        yield from (path for path in paths if not ignored.match_file(path))


def find_strays(files: Sequence[str]) -> list[str]:
    """
    Return the files that are none of the app's.

    >>> find_strays(["function_app.py", "notes.txt", "shared/errors.py", "shared/sample.csv"])
    ['notes.txt', 'shared/sample.csv']
    """
    return [
        name
        for name in files
        if name not in (*FILES, *OPTIONAL)
        and not (name.partition("/")[0] in FOLDERS and "/" in name and name.endswith(".py"))
    ]


def build_package(root: Path, out: Path) -> Package:
    """
    Copy what would be sent to `out`/package and zip it beside.

    Raises:
        StrayFileError: something would be sent that .funcignore does not know.
    """
    files = list_files(root)
    if strays := find_strays(files):
        raise StrayFileError(f"these would be deployed; remove them or add them to .funcignore: {', '.join(strays)}")
    package = Package(out / "package", out / "package.zip", tuple(files))
    shutil.rmtree(package.folder, ignore_errors=True)
    for name in files:
        (package.folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(root / name, package.folder / name)
    with zipfile.ZipFile(package.zip, "w") as archive:
        for name in files:
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, (package.folder / name).read_bytes(), zipfile.ZIP_DEFLATED, 9)
    return package


def main() -> int:
    """Build the package and say what is in it; 1 if it cannot be deployed as it is."""
    try:
        package = build_package(ROOT, OUT)
    except StrayFileError as error:
        click.echo(f"No package: {error}", err=True)
        return 1
    folder, archive = (path.relative_to(ROOT) for path in (package.folder, package.zip))
    click.echo(f"{folder}: {len(package.files)} files, {package.size:,} bytes")
    click.echo(f"{archive}: {package.zip.stat().st_size:,} bytes\n")
    imports = package.imports()
    width = max(map(len, imports))
    click.echo(f"{'it imports'.ljust(width)}  from")
    for module, pin in imports.items():
        click.echo(f"{module.ljust(width)}  {pin or 'nothing in requirements.txt'}")
    return int(None in imports.values())


if __name__ == "__main__":
    sys.exit(main())

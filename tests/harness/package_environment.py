"""The environment that Azure makes of a package: its requirements and nothing else, in a process of its own."""

import importlib.metadata
import shutil
import subprocess
import sys
from collections.abc import Collection, Mapping
from pathlib import Path

from packaging.utils import NormalizedName, canonicalize_name

from emulator.functions_host.runtime import TARGET

VENV = Path(sys.prefix) / "deployed"
"""Where `make` installs requirements.txt; the path is the same as in the Makefile."""
PYTHON = VENV / "bin" / "python"
TIMEOUT = 100.0
_HOST = ("emulator", "emulator.functions_host", "emulator.functions_host.bindings", "emulator.functions_host.runtime")


def missing() -> str:
    """Say what keeps a package from being booted here; empty if nothing does."""
    if not (VENV / ".ready").is_file():
        return f"{VENV} is missing; run make deployed"
    if not (TARGET / "azure_functions_runtime").is_dir():
        return f"{TARGET} is missing; run make"
    return ""


def site_packages() -> Path:
    """Return where the environment has its packages."""
    [folder] = VENV.glob("lib/python*/site-packages")
    return folder


def installed() -> dict[NormalizedName, str]:
    """Return the versions of what is installed, but for the installer itself."""
    found = importlib.metadata.distributions(path=[str(site_packages())])
    versions = {canonicalize_name(each.metadata["Name"]): each.version for each in found}
    return {name: version for name, version in versions.items() if name not in ("pip", "setuptools")}


def run(
    program: str,
    *arguments: str,
    package: Path,
    paths: Collection[Path] = (),
    env: Mapping[str, str],
    site: bool = True,
) -> subprocess.CompletedProcess[str]:
    """
    Run a program in the folder of a package.

    Of the environment variables of the tests none is passed on, and `paths` is all that may be imported beside the
    package and what is installed; without `site`, also instead of what is installed.
    """
    return subprocess.run(  # noqa: S603
        [str(PYTHON), *(() if site else ("-S",)), "-c", program, *arguments],
        env={"PATH": "", "PYTHONNOUSERSITE": "1", "PYTHONPATH": ":".join(map(str, paths)), **env},
        cwd=package,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )


def copy_host(folder: Path) -> Path:
    """Copy the few modules that boot an app, so that nothing else of the checkout can be imported beside them."""
    for name in _HOST:
        source = Path(str(sys.modules[name].__file__))
        target = folder / "/".join(name.split(".")[: None if source.name == "__init__.py" else -1]) / source.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    return folder


def link_distributions(names: Collection[NormalizedName], folder: Path) -> Path:
    """Make a folder of packages that has these distributions of the environment only: links take no time."""
    root = site_packages()
    for distribution in importlib.metadata.distributions(path=[str(root)]):
        if canonicalize_name(distribution.metadata["Name"]) in names:
            for file in distribution.files or ():
                if ".." not in file.parts and file.suffix != ".pyc":
                    target = folder / Path(file)
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.symlink_to(root / Path(file))
    return folder

"""Takes the README's picture: the lineage that `make demo` wrote, drawn by mermaid in a headless Chromium."""

import argparse
import re
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

_COLOURS = {
    "run": "fill:#dbeafe,stroke:#2563eb",
    "registration": "fill:#f1f5f9,stroke:#64748b",
    "deployment": "fill:#f1f5f9,stroke:#64748b",
    "process": "fill:#f1f5f9,stroke:#64748b",
    "model": "fill:#dcfce7,stroke:#16a34a,stroke-width:2px",
    "endpoint": "fill:#fef9c3,stroke:#ca8a04",
    "powerbi": "fill:#ffedd5,stroke:#ea580c",
}
"""By the last word of a node's label, or the first of it for Power BI."""
_PAGE = """<!doctype html><meta charset="utf-8"><body style="margin:16px;font-family:sans-serif;background:#fff">
<pre class="mermaid">{flowchart}</pre>
<script src="mermaid.min.js"></script>
<script>mermaid.initialize({{startOnLoad: true, theme: "neutral", flowchart: {{nodeSpacing: 22, rankSpacing: 42,
useMaxWidth: true}}}})</script>"""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.picture", description=__doc__)
    parser.add_argument("flowchart", type=Path, help="a Mermaid flowchart, such as out/lineage.mmd")
    parser.add_argument("picture", type=Path, help="the PNG to write")
    parser.add_argument("--mermaid", type=Path, required=True, help="mermaid.min.js")
    options = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        parser.error("Chromium is not installed")
    with TemporaryDirectory() as folder:
        page = Path(folder) / "page.html"
        page.write_text(_PAGE.format(flowchart=colour(options.flowchart.read_text(encoding="utf-8"))), encoding="utf-8")
        shutil.copy(options.mermaid, folder)
        subprocess.run(  # noqa: S603
            [
                chromium,
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--no-first-run",
                "--disable-background-networking",
                f"--user-data-dir={folder}/profile",
                "--hide-scrollbars",
                "--force-device-scale-factor=1.5",
                "--virtual-time-budget=10000",
                "--window-size=1680,262",
                f"--screenshot={options.picture.resolve()}",
                page.as_uri(),
            ],
            check=True,
            capture_output=True,
            timeout=120,
        )
    return 0


def colour(flowchart: str) -> str:
    """
    Give nodes colours by what they are.

    >>> colour('flowchart LR\\n    n0["m:1 (model)"]').splitlines()[-1]
    '    class n0 model'
    """
    lines = [f"    classDef {name} {style}" for name, style in _COLOURS.items()]
    for node, kind in re.findall(r'^\s*(n\d+)[\[(]+"[^"]*\(([a-z0-9 ]+)\)"', flowchart, re.MULTILINE):
        name = next((word for word in (kind.split()[0], kind.split()[-1]) if word in _COLOURS), "")
        if name:
            lines.append(f"    class {node} {name}")
    return "\n".join([flowchart.rstrip(), *lines])


if __name__ == "__main__":
    sys.exit(main())

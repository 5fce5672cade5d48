"""Names as people give them, as odd as Azure ML takes them for each kind of thing."""

from hypothesis import strategies as st

_ODD = [*"abX1é%:{}#.-_'@+ ", "日本", "🙂", "%20", "%2F", "{N}"]
"""No `*` and `?`, which make a glob or a query of a path; no letters that could make a word like `key`."""
_PLAIN = ["a", "B", "x1", "-", "_", "ß", "日"]


def _joined(pieces: list[str], *, most: int) -> st.SearchStrategy[str]:
    return st.lists(st.sampled_from(pieces), min_size=1, max_size=most).map("".join)


def _is_segment(text: str) -> bool:
    """Storage takes no segment that ends in a dot, and Purview trims spaces."""
    return text == text.strip() and not text.endswith(".")


segments = _joined(_ODD, most=5).filter(_is_segment)
"""Parts of paths in storage."""
paths = st.lists(segments, min_size=1, max_size=3).map("/".join)
addresses = st.lists(_joined(_PLAIN, most=3), min_size=1, max_size=3).map("/".join)
"""Paths of public URLs, without what a URL would have to encode."""
free = _joined([*_ODD, "/"], most=6).filter(lambda text: text == text.strip())
"""Names of experiments and display names."""
ports = segments
"""Names of inputs and outputs; that of an output becomes part of a path."""

asset_names = st.builds(lambda first, rest: first + rest, st.sampled_from("abZ9"), st.text("aB1_.-", max_size=5))
"""Names of data and models: letters, digits, `_`, `-`, `.`."""
versions = st.sampled_from(["1", "2", "10", "2024-05-01", "v1.0", "a_b"])
run_prefixes = st.sampled_from(["train", "A-b", "dcid", "job_1_0", "runs", "x_output_data_y", "versions", "config"])
"""Beginnings of the ids of top-level runs: letters, digits, `-` and `_`, some of them words that our own names use."""
stages = st.sampled_from(["", "Production", "Archived"])
sets = [
    ("{Year}/{Month}/{Day}/sales.csv", ("2024/01/31/sales.csv", "2024/02/01/sales.csv")),
    ("mydata{N}.csv", ("mydata1.csv", "mydata22.csv")),
    ("{GUID}/data.csv", ("aaaaaaaa-0000-0000-0000-000000000001/data.csv",)),
    ("{SparkPartitions}", ("part-00000-a.snappy.parquet",)),
]
"""Resource sets by what Purview replaces, and files in them, as its documentation has them."""

"""The page that gathers what was reached and what was missed."""

from __future__ import annotations

from benchmarks.__main__ import PARTS, readme, verdicts

PAGE = """# Photos

- reached: 12 MP: 5.0 times (at least 4)
- **missed**: 2 MP: 60 % (at least 85 %), since decoding
  takes both cores
- the question after that: 3 ms
"""


def test_verdicts_are_found_with_their_reasons() -> None:
    found = verdicts(PAGE)
    assert [line.startswith("- **missed**") for line in found] == [False, True]
    assert found[1].endswith("takes both cores")


def test_what_was_missed_or_not_measured_is_told() -> None:
    page = readme({"indexing": PAGE}, 12.4, ["indexing"])
    assert "1 of 2 targets reached in 12 minutes" in page
    assert page.count("**missed**: it was not measured") == len(PARTS) - 1
    assert "It ended with an error this time" in page
    assert all(f"]({name}.md)" in page for name in (*PARTS, "relevance", "duplicates"))

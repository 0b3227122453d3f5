"""Every weakness that is known has a test that bears its name, or a reason why it has none."""

from __future__ import annotations

import ast
import re
from collections import Counter
from pathlib import Path

import pytest

from tests.security.weaknesses import NOT_OURS, WEAKNESSES

HERE = Path(__file__).parent
NUMBER = re.compile(r"20\d\d-\d{4,7}")
ROWS = {test: numbers.split() for tests in WEAKNESSES.values() for test, numbers in tests.items()}


def named_here() -> dict[str, str]:
    """Names of all tests of this folder but these, and the modules they are in."""
    found = {}
    for path in HERE.glob("test_*.py"):
        if path.name != Path(__file__).name:
            for node in ast.parse(path.read_text()).body:
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                    assert node.name not in found
                    found[node.name] = path.name
    return found


def test_every_weakness_has_its_test_and_every_test_its_weakness() -> None:
    assert set(ROWS) == set(named_here())


def test_every_number_stands_once_and_is_one() -> None:
    numbers = [number for test, row in ROWS.items() for number in row if not test.startswith("test_cve_2021_41945_nor")]
    numbers += [number for row in NOT_OURS.values() for number in row.split()]
    assert [number for number in numbers if not NUMBER.fullmatch(number)] == []
    assert [number for number, count in Counter(numbers).items() if count > 1] == []
    assert len(numbers) == 261


@pytest.mark.parametrize("test", [test for test, numbers in ROWS.items() if numbers])
def test_a_test_bears_the_number_of_its_weakness(test: str) -> None:
    named = re.match(r"test_cve_(\d{4})_(\d+)_", test)
    if named is not None:
        assert f"{named[1]}-{named[2]}" in ROWS[test]
    else:
        assert not test.startswith("test_cve")


def test_the_documentation_lists_every_class(pytestconfig: pytest.Config) -> None:
    text = (pytestconfig.rootpath / "docs/security.md").read_text()
    section = text.partition("\n## Weakness classes and their tests\n")[2]
    assert [title for title in WEAKNESSES if title not in section] == []
    assert [reason for reason in NOT_OURS if reason not in section] == []

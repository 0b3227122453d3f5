"""The fuzz targets, as far as CI goes: everything in the corpus, and the same few hundred changes of it each time."""

from __future__ import annotations

from random import Random

import pytest

from tests.fuzz.__main__ import NAMES
from tests.fuzz.mutation import mutant
from tests.fuzz.targets import TARGETS, corpus_of

CASES = [(name, file) for name in TARGETS for file in corpus_of(name)]
MUTANTS = 300


@pytest.mark.parametrize(("name", "file"), CASES, ids=lambda value: value)
def test_what_is_in_the_corpus_breaks_nothing(name: str, file: str) -> None:
    TARGETS[name](corpus_of(name)[file])


@pytest.mark.parametrize("name", TARGETS)
def test_changes_of_the_corpus_break_nothing(name: str) -> None:
    seeds, chance = list(corpus_of(name).values()), Random(f"{name} 1")
    for _ in range(MUTANTS):
        data = mutant(chance, seeds)
        try:
            TARGETS[name](data)
        except Exception as error:
            error.add_note(f"by the input {data!r}")
            raise


@pytest.mark.parametrize("name", TARGETS)
def test_nothing_at_all_breaks_nothing(name: str) -> None:
    TARGETS[name](b"")
    for byte in range(0, 256, 5):
        TARGETS[name](bytes([byte]))


def test_each_target_has_a_corpus() -> None:
    assert sorted(TARGETS) == NAMES
    assert all(corpus_of(name) for name in TARGETS)

"""``python -m tests.fuzz NAME [--seconds N]``: look for bytes that break a target.

With atheris installed (dependency group ``fuzz``) the search is guided by coverage; without, it is random changes of the
corpus. What fails is written to ``build/fuzz/NAME``; ``python -m tests.fuzz NAME FILE...`` runs it again. Mend what it
shows, and keep the file in ``tests/fuzz/corpus/NAME`` under a name that says what it was.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

NAMES = sorted(path.name for path in Path(__file__).with_name("corpus").iterdir())
INSTRUMENTED = ["hyperhttp", "hyperhttp_brotli", "hyperhttp_zstd", "tests.fuzz"]
LONGEST = 4096


def main() -> None:
    """Fuzz one target, or replay files."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__.splitlines()[0])
    parser.add_argument("name", choices=NAMES)
    parser.add_argument("files", nargs="*", type=Path, help="run these instead of searching")
    parser.add_argument("--seconds", type=int, default=60, help="how long to search (default: 60)")
    parser.add_argument("--seed", type=int, help="repeat a search without atheris")
    parser.add_argument("--plain", action="store_true", help="do without atheris")
    options = parser.parse_args()
    folder = Path("build/fuzz") / options.name
    if options.files:
        target = find_target(options.name)
        for file in options.files:
            target(file.read_bytes())
            print(f"{file}: passed")
    elif find_spec("atheris") is None or options.plain or options.seed is not None:
        seed = int.from_bytes(os.urandom(4)) if options.seed is None else options.seed
        search(options.name, folder, options.seconds, seed)
    else:
        search_with_atheris(options.name, folder, options.seconds)


def find_target(name: str) -> Callable[[bytes], None]:
    """The target of that name; imported here, after atheris has had its say about imports."""
    from tests.fuzz.targets import TARGETS

    return TARGETS[name]


def search(name: str, folder: Path, seconds: int, seed: int) -> None:
    """Change the corpus at random until the time is over or something fails."""
    from tests.fuzz.mutation import mutant
    from tests.fuzz.targets import corpus_of

    print(f"{name}: seed {seed}, {seconds} s, without coverage", flush=True)
    target, seeds, chance = find_target(name), list(corpus_of(name).values()), Random(seed)
    end = time.monotonic() + seconds
    runs = 0
    while time.monotonic() < end:
        data = mutant(chance, seeds, LONGEST)
        try:
            target(data)
        except Exception:
            folder.mkdir(parents=True, exist_ok=True)
            kept = folder / f"crash-{sha256(data).hexdigest()[:16]}"
            kept.write_bytes(data)
            print(f"{name}: run {runs} failed; its input is in {kept}: {data!r}", flush=True)
            raise
        runs += 1
    print(f"{name}: {runs} runs passed")


def search_with_atheris(name: str, folder: Path, seconds: int) -> None:
    """Let libFuzzer look for new ways through the code; it ends the process."""
    import atheris

    with atheris.instrument_imports(include=INSTRUMENTED):
        target = find_target(name)
        from tests.fuzz.mutation import TOKENS

    grown = folder / "corpus"
    grown.mkdir(parents=True, exist_ok=True)
    dictionary = folder / "tokens.dict"
    words = ["".join(f"\\x{byte:02X}" for byte in token) for token in TOKENS]
    dictionary.write_text("".join(f'"{word}"\n' for word in words))
    arguments = [
        sys.argv[0],
        f"-max_total_time={seconds}",
        f"-max_len={LONGEST}",
        f"-dict={dictionary}",
        f"-artifact_prefix={folder}/",
        "-timeout=10",
        "-rss_limit_mb=2048",
        "-print_final_stats=1",
        str(grown),
        str(Path(__file__).with_name("corpus") / name),
    ]
    atheris.Setup(arguments, target)
    atheris.Fuzz()


if __name__ == "__main__":
    main()

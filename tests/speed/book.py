"""`make bench NAME=book`: a book of 100,000 policies from its file to premiums whose total is kept, on two cores.

Invented policies with claims (tests/serving/book_world.py), and a relativity as if fitted. Import reads and checks a CSV and an
XLSX file; rating makes the facts, the price score of every policy as a prospect, its insured loss, the model's relativity and
the premium; the off-balance keeps the total to the cent; the page is drawn. Each is a process of its own, timed from when its
modules are loaded. The floor is the least that the same premiums can cost: the products of the same decimals alone, without
facts, score, limits or steps.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

from serving.underwriting import rulebook as rulebooks
from serving.underwriting.rulebook import Rulebook
from training.enterprise.relativity_document import Relativity, keep

THREADS, SEED = 2, 5
RULEBOOK, STARTS = "zhongshan-example", date(2026, 1, 1)
SECONDS = 60.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "forewarn-bench", help="keeps the inputs")
    parser.add_argument("--policies", type=int, default=100_000)
    parser.add_argument("--quick", action="store_true", help="5,000 policies")
    parser.add_argument("--job", help=argparse.SUPPRESS)
    args = parser.parse_args()
    count = 5_000 if args.quick else args.policies
    place = args.folder / f"book-{count}"
    if args.job:
        print(json.dumps(JOBS[args.job](place, args.folder)))
        return 0
    made(place, count)
    found = {}
    for name in JOBS:
        command = [
            sys.executable,
            "-m",
            "tests.speed.book",
            "--folder",
            str(args.folder),
            "--policies",
            str(count),
            "--job",
            name,
        ]
        found[name] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        print(f"{name:>12}  {found[name]['seconds']:7.2f} s  {found[name]['peak_gb']:5.2f} GB")
    print(f"rating over the floor of bare products: {found['rating']['seconds'] / found['floor']['seconds']:.1f} x")
    limit = SECONDS * count / 100_000
    missed = found["rating"]["seconds"] > limit or found["off_balance"]["off"] != "0.00"
    print(f"rating: wanted at most {limit:.1f} s: {'MISSED' if found['rating']['seconds'] > limit else 'reached'}")
    print(f"off-balance: {found['off_balance']['off']} off the total")
    print("policies, claims and the relativity (level 1.5, weight 0.6) are invented: seconds are measured here, no premiums")
    return int(missed)


def made(place: Path, count: int) -> None:
    """The files of the book, made once, and a bundle of the shipped size."""
    from tests.serving import book_world
    from tests.speed.enterprises import bundle_of

    if not (place / "done").exists():
        place.mkdir(parents=True, exist_ok=True)
        policies, claims = book_world.book(count, SEED)
        book_world.write_csv(place / "policies.csv", policies)
        book_world.write_csv(place / "claims.csv", claims)
        book_world.write_xlsx(place / "book.xlsx", Policies=policies, Claims=claims)
        (place / "done").touch()
    bundle = bundle_of(place.parent)
    bundle_id = json.loads((bundle / "manifest.json").read_text())["bundle_id"]
    link = place / "home" / "bundles" / bundle_id
    if not link.exists():
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(bundle)
    keep(place / "home", weighed(rulebooks.load(RULEBOOK), bundle_id))


def weighed(rulebook: Rulebook, bundle_id: str) -> Relativity:
    """A relativity as if fitted: what it says does not matter to the time, that it is reckoned with does."""
    moment = datetime(2025, 1, 1, tzinfo=UTC)
    return Relativity(
        rulebook=rulebook.id, version=rulebook.version, digest=rulebook.digest, bundle_id=bundle_id, snapshot_id="invented",
        made_at=moment, first=moment, last=moment, rows=1, left_out=0, enterprises=1, accidents=1.0,
        level=1.5, level_low=1.0, level_high=2.0, weight=0.6, weight_low=0.4, weight_high=0.8,
    ).sealed()  # fmt: skip


def _import_csv(place: Path, _folder: Path) -> dict[str, object]:
    from serving.books.importing import read_book

    return _timed(lambda: len(read_book(place / "policies.csv", place / "claims.csv")))


def _import_xlsx(place: Path, _folder: Path) -> dict[str, object]:
    from serving.books.importing import read_book

    return _timed(lambda: len(read_book(place / "book.xlsx")))


def _rating(place: Path, _folder: Path) -> dict[str, object]:
    from features.settings import Settings
    from serving.books.importing import read_book
    from serving.books.rate import rate

    book = read_book(place / "policies.csv", place / "claims.csv")
    config = Settings(home=place / "home", threads=THREADS)
    bundle = next((place / "home" / "bundles").iterdir()).name
    rate(config, book.only(_first(len(book), 300)), [(RULEBOOK, bundle)], starts=STARTS)  # kernels are compiled
    return _timed(lambda: len(rate(config, book, [(RULEBOOK, bundle)], starts=STARTS)[0].rated))


def _off_balance(place: Path, _folder: Path) -> dict[str, object]:
    from serving.books.importing import read_book
    from serving.underwriting.off_balance import CENT, balance

    book = read_book(place / "policies.csv")
    amounts = [(Decimal(repr(one)) * Decimal("0.7231")).quantize(CENT) for one in book.policies.column("premium").to_pylist()]
    keys, least = book.policies.column("policy_id").to_pylist(), [Decimal(1_000)] * len(book)
    found = _timed(lambda: balance(amounts, keys, book.charged, least=least).amounts)
    paid = found.pop("result")
    assert isinstance(paid, tuple)
    return found | {"off": str(sum(paid, Decimal(0)) - book.charged)}


def _page(place: Path, _folder: Path) -> dict[str, object]:
    from features.settings import Settings
    from serving.books import result as book_result
    from serving.books.importing import read_book
    from serving.books.rate import rate

    book = read_book(place / "policies.csv", place / "claims.csv")
    found = rate(Settings(home=place / "home", threads=THREADS), book, [(RULEBOOK, "none")], starts=STARTS)[0]
    return _timed(lambda: book_result.write_rated(place / "book.html", found).stat().st_size)


def _floor(place: Path, _folder: Path) -> dict[str, object]:
    """Base and factors as decimals that are there already, multiplied and rounded; on one core."""
    from features.settings import Settings
    from serving.books.importing import read_book
    from serving.books.rate import rate

    book = read_book(place / "policies.csv")
    rated = rate(Settings(home=place / "home", threads=THREADS), book, [(RULEBOOK, "none")], starts=STARTS)[0].rated
    rows = [
        tuple(Decimal(repr(value)) for value in row) for row in zip(*(s.ratio.tolist() for s in rated.steps[:-1]), strict=True)
    ]

    def products() -> int:
        for row in rows:
            amount = Decimal(1)
            for one in row:
                amount *= one
            amount.quantize(Decimal("0.01"), ROUND_HALF_UP)
        return len(rows)

    return _timed(products)


def _first(count: int, some: int) -> object:
    import pyarrow as pa

    return pa.array([place < some for place in range(count)])


def _timed(work: Callable[[], object]) -> dict[str, object]:
    started = time.perf_counter()
    result = work()
    seconds = time.perf_counter() - started
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    found = {"seconds": seconds, "peak_gb": int(status["VmHWM"].split()[0]) / 1024**2}
    return found | ({"result": result} if isinstance(result, tuple) else {})


JOBS = {
    "import csv": _import_csv, "import xlsx": _import_xlsx, "floor": _floor, "rating": _rating, "off_balance": _off_balance,
    "page": _page,
}  # fmt: skip

if __name__ == "__main__":
    sys.exit(main())

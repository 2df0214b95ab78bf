"""Whether bands cover a number's whole range, each number once."""

from collections.abc import Iterator, Sequence
from decimal import Decimal

from serving.underwriting.rulebook_facts import Finding, Kind, Place
from serving.underwriting.rulebook_parts import Band


def banded(bands: Sequence[Band], kind: Kind, place: Place) -> Iterator[Finding]:
    """Faults of bands, each at the band at fault: one that is empty, overlaps the one before it, or leaves a gap before it.

    The bands must reach from the least value that the fact can have to the most.
    """
    if not bands:
        yield Finding(place, "incomplete: no bands", "add them")
        return
    for number, band in enumerate(bands):
        if not _holds_any(band):
            yield Finding((*place, number), f"the band '{band.bounds}' holds no number", "correct its bounds")
            return
    first, last = bands[0], bands[-1]
    if first.start is not None and (kind.least is None or not _reaches_down(first, kind.least)):
        what = f"gap: nothing below the band '{first.bounds}'"
        yield Finding((*place, 0), what, "let the first band begin at the least value, or leave its beginning out")
    for number in range(1, len(bands)):
        before, band = bands[number - 1], bands[number]
        meets = _meets(before, band)
        if meets > 0:
            what = f"overlapping: the band '{band.bounds}' begins before '{before.bounds}' ends"
            yield Finding((*place, number), what, "let each band begin where the one before it ends")
        elif meets < 0:
            what = f"gap: nothing between the bands '{before.bounds}' and '{band.bounds}'"
            yield Finding((*place, number), what, "let each band begin where the one before it ends")
    if last.end is not None and (kind.most is None or not _reaches_up(last, kind.most)):
        what = f"gap: nothing beyond the band '{last.bounds}'"
        yield Finding((*place, len(bands) - 1), what, "let the last band end at the most value, or leave its end out")


def _holds_any(band: Band) -> bool:
    if band.start is None or band.end is None or band.start < band.end:
        return True
    return band.start == band.end and band.at_least is not None and band.up_to is not None


def _meets(before: Band, band: Band) -> int:
    """0 where one ends exactly where the other begins; 1 where they share a number; -1 where a number lies between them."""
    if before.end is None or band.start is None:
        return 1
    if before.end != band.start:
        return 1 if band.start < before.end else -1
    ends_in, begins_in = before.up_to is not None, band.at_least is not None
    return int(ends_in) + int(begins_in) - 1


def _reaches_down(band: Band, least: Decimal) -> bool:
    return band.start is None or band.start < least or band.at_least == least


def _reaches_up(band: Band, most: Decimal) -> bool:
    return band.end is None or band.end > most or band.up_to == most

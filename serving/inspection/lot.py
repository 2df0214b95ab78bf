"""The draw by lot: a share of visits, and of inspectors for them, that nobody can foresee and anybody can check later.

Each candidate is ranked by HMAC-SHA256 of its name under the seed. So the draw hangs on nothing but the seed and the names:
the order of a file, a score or a version of a library changes nothing. The seed is made when the plan is, of 128 bits, and
is stored with it: before that nobody knows it.
"""

import hashlib
import hmac
import secrets
from collections.abc import Iterable, Mapping, Sequence

SEED_BYTES = 16


def new_seed() -> str:
    """A seed that nobody can foresee, as hexadecimal text."""
    return secrets.token_hex(SEED_BYTES)


def _ranked(seed: str, what: str, names: Iterable[str]) -> list[str]:
    def rank(name: str) -> tuple[bytes, str]:
        return hmac.new(bytes.fromhex(seed), f"{what}\x00{name}".encode(), hashlib.sha256).digest(), name

    return sorted(set(names), key=rank)


def draw(seed: str, what: str, names: Iterable[str], count: int) -> tuple[str, ...]:
    """`count` of the names by lot (all where there are fewer), in the order drawn. what: keeps draws of one seed apart."""
    if count < 0:
        raise ValueError(f"{count} cannot be drawn")
    return tuple(_ranked(seed, what, names)[:count])


def whole(seed: str, what: str, expected: float) -> int:
    """A number that is `expected` on average, however small that is: what is over a whole number is decided by lot."""
    if not 0.0 <= expected < float("inf"):
        raise ValueError(f"{expected} is no number to draw")
    over = hmac.new(bytes.fromhex(seed), f"{what}\x00count".encode(), hashlib.sha256).digest()
    return int(expected) + (int.from_bytes(over[:8]) < (expected % 1.0) * 2.0**64)


def pairs(seed: str, drawn: Sequence[str], able: Mapping[str, Iterable[str]], share: float) -> dict[str, str]:
    """Inspectors by lot for a share of the drawn sites: site -> inspector, of those who are able to go there.

    Which sites get one is drawn too; a site that nobody is able to visit gets none.
    """
    open_to = [site for site in drawn if any(True for _ in able.get(site, ()))]
    chosen = draw(seed, "pairs", open_to, whole(seed, "pairs", share * len(drawn)))
    return {site: _ranked(seed, f"inspector of {site}", able[site])[0] for site in chosen}

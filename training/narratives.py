"""Accident narratives in English as words that tell who did what to whom.

In "the truss fell on the carpenter" and "the painter fell off the truss" the words are nearly the same; who fell is the cause.
So people of all trades become one word, the forms of verbs of accidents one form, and dates, times and numbers go. Words are
then paired with those that follow within a few words of the same sentence.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

PERSON, NUMBER = "person", "num"
REACH = 5  # How many words a pair of words spans at most, both included.

# Trades by their commonest words; any other trade stays a word of its own.
_TRADES = (
    "employees?|employers?|workers?|co-?workers?|victims?|decedents?|laborers?|carpenters?|painters?|roofers?|drivers?|operators?"
    "|fore(?:man|men)|supervisors?|superintendents?|electricians?|plumbers?|welders?|masons?|bricklayers?|iron ?workers?"
    "|line(?:man|men)|mechanics?|helpers?|apprentices?|technicians?|installers?|contractors?|owners?|managers?|engineers?"
    "|journey(?:man|men)|flaggers?|crew|man|men"
)
_MONTHS = "january|february|march|april|may|june|july|august|september|october|november|december"
_REPLACED = (
    (rf"\b(?:{_MONTHS})\s+\d+\b(?:\s*,?\s*\d{{4}}\b)?", " "),
    (r"\b\d+(?::\d+)?\s*[ap]\.?\s?m\b\.?", " "),
    (rf"\b(?:{_TRADES}|he|she|him|they|them)\b(?:\s*#?\s*\d+\b)?", f" {PERSON} "),
    (r"\d[\d,./-]*", f" {NUMBER} "),
    (r"[^a-z.]+", " "),
    (r"\.", " . "),
)
_FORMS = {
    "fall": "fell falls falling fallen", "strike": "struck strikes striking", "collapse": "collapsed collapses collapsing",
    "tip": "tipped tips tipping", "overturn": "overturned overturns overturning", "crush": "crushed crushes crushing",
    "pin": "pinned pinning", "catch": "caught", "slip": "slipped slips slipping", "burn": "burned burns burning burnt",
    "explode": "exploded explodes exploding explosion", "electrocute": "electrocuted electrocutes electrocution",
    "run": "ran running", "back": "backed backs backing", "die": "died dies", "kill": "killed kills", "drown": "drowned drowns",
    "amputate": "amputated amputates", "lacerate": "lacerated lacerates", "truss": "trusses", "wall": "walls",
    "trench": "trenches", "ladder": "ladders", "scaffold": "scaffolds scaffolding", "truck": "trucks",
}  # fmt: skip
_FORM_OF = {form: word for word, forms in _FORMS.items() for form in forms.split()}
# Words between those that matter. Prepositions stay: falling off a thing is not a thing falling on somebody.
_WEAK = "the a an of to in at and was were is that his her it its for as had been which be while"
_BETWEEN = frozenset(_WEAK.split())


@dataclass(frozen=True)
class Cases:
    """Cases in row order: what their title and their narrative say, line breaks and runs of blanks put right."""

    titles: Sequence[str]
    texts: Sequence[str]

    @classmethod
    def of(cls, titles: Sequence[str], texts: Sequence[str]) -> "Cases":
        """Raises ValueError if there are not as many titles as texts."""
        if len(titles) != len(texts):
            raise ValueError(f"{len(titles)} titles and {len(texts)} texts")
        return cls([" ".join(one.split()) for one in titles], [" ".join(one.split()) for one in texts])

    def __len__(self) -> int:
        return len(self.texts)

    def take(self, rows: Sequence[int]) -> "Cases":
        return Cases([self.titles[row] for row in rows], [self.texts[row] for row in rows])

    @cached_property
    def whole(self) -> list[str]:
        """Title and narrative as they stand."""
        return [f"{title}. {text}" for title, text in zip(self.titles, self.texts, strict=True)]

    @cached_property
    def roles(self) -> list[str]:
        """Title and narrative in the words of `roles`."""
        return [roles(one) for one in self.whole]

    @cached_property
    def title_roles(self) -> list[str]:
        return [roles(one) for one in self.titles]


def roles(text: str) -> str:
    """Lower case words and full stops; trades and pronouns of people are `person`, numbers `num`, verb forms one form."""
    text = text.lower()
    for pattern, by in _REPLACED:
        text = re.sub(pattern, by, text)
    words = [_FORM_OF.get(word, word) for word in text.split()]
    # "Employee #1, a carpenter" is one person.
    return " ".join(word for place, word in enumerate(words) if word != PERSON or words[place - 1 : place] != [PERSON])


def pairs(text: str) -> list[str]:
    """Each word of a text of `roles`, and each pair of words within `REACH` of one another in a sentence, as `first~second`."""
    return list(_pairs(text))


def _pairs(text: str) -> Iterator[str]:
    for sentence in text.split("."):
        words = [word for word in sentence.split() if word not in _BETWEEN]
        yield from words
        for place, first in enumerate(words):
            yield from (f"{first}~{second}" for second in words[place + 1 : place + REACH])

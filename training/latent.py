"""Spaces in which narratives with like words lie close, learned from narratives without any tag.

Two of them: latent semantic analysis (Deerwester et al. 1990), the leading singular vectors of the TF-IDF matrix of documents;
and word vectors, the leading singular vectors of the positive pointwise mutual information of words within a few words of one
another, contexts smoothed by the power 0.75 (Levy, Goldberg & Dagan 2015), averaged over a document by TF-IDF.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

Floats = npt.NDArray[np.float64]
SMOOTHING = 0.75


@dataclass(frozen=True)
class Latent:
    """Fitted spaces; documents come back with length 1 in each, so that a product of two is their likeness."""

    tfidf: Any
    documents: Any
    words: Floats
    centre: Floats

    @classmethod
    def fit(cls, texts: Sequence[str], dimensions: int, reach: int, least: int, seed: int = 0) -> "Latent":
        """texts: documents in words apart by blanks; reach: how many words apart two words still meet; least: the number of
        documents that a word must stand in.

        Raises ValueError if no word stands in so many.
        """
        from sklearn.decomposition import TruncatedSVD
        from sklearn.feature_extraction.text import TfidfVectorizer

        tfidf = TfidfVectorizer(min_df=least, stop_words="english", sublinear_tf=True)
        weighted = tfidf.fit_transform(texts)
        # Arpack starts where it is told to; the randomised solver leaves more noise in the small vectors.
        size = min(dimensions, min(weighted.shape) - 1)
        documents = TruncatedSVD(size, algorithm="arpack", random_state=seed).fit(weighted)
        mutual = mutual_information(texts, tfidf.vocabulary_, reach)
        solver = TruncatedSVD(min(size, mutual.shape[0] - 1), algorithm="arpack", random_state=seed)
        words = solver.fit_transform(mutual) / np.sqrt(np.maximum(solver.singular_values_, 1e-12))
        words = _unit(np.asarray(words))
        return cls(tfidf, documents, words, np.asarray((weighted @ words).mean(axis=0)))

    def places(self, texts: Sequence[str]) -> list[Floats]:
        """The documents in each space: float64[documents, dimensions]."""
        weighted = self.tfidf.transform(texts)
        return [_unit(np.asarray(self.documents.transform(weighted))), _unit(weighted @ self.words - self.centre)]


def mutual_information(texts: Sequence[str], vocabulary: dict[str, int], reach: int) -> sparse.csr_matrix:
    """[words, words]: log of how much oftener two words meet within `reach` words than if they met at random, 0 if not oftener.

    Words outside the vocabulary are passed over, so that two words meet across them.
    """
    numbered = [[vocabulary[word] for word in text.split() if word in vocabulary] for text in texts]
    word = np.array([one for text in numbered for one in text], dtype=np.int64)
    text_of = np.repeat(np.arange(len(numbered)), [len(text) for text in numbered])
    size = len(vocabulary)
    met = sparse.csr_matrix((size, size))
    for apart in range(1, reach + 1):
        together = text_of[apart:] == text_of[: max(0, len(text_of) - apart)]
        first, second = word[: max(0, len(word) - apart)][together], word[apart:][together]
        met += sparse.csr_matrix((np.ones(len(first)), (first, second)), (size, size))
    met = (met + met.T).tocoo()
    of_word = np.asarray(met.sum(axis=1)).ravel()
    context = of_word**SMOOTHING
    chance = of_word[met.row] * context[met.col] / max(context.sum(), 1e-300)
    found = np.log(met.data / chance)
    return sparse.csr_matrix((np.maximum(found, 0.0), (met.row, met.col)), (size, size))


def _unit(rows: Floats) -> Floats:
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12))

"""Causes of narratives: roles of people and things, the learned spaces, the model, and what it must not depend on."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from tests.training.stories import stories
from training import causes, latent
from training.narratives import Cases, pairs, roles

SMALL = causes.CausesConfig(strictness=(0.1,), latent=(1.0,), folds=3, dimensions=8, word_least=2)


def cases(table: pd.DataFrame) -> Cases:
    return Cases.of(table["title"].tolist(), table["Summary2"].tolist())


def tags(table: pd.DataFrame) -> np.ndarray:
    return table["Tagged2"].to_numpy(dtype=str)


@pytest.fixture(scope="module")
def told() -> pd.DataFrame:
    return stories(20, seed=1)


@pytest.fixture(scope="module")
def fitted(told: pd.DataFrame) -> causes.CauseModel:
    return causes.fit(cases(told), tags(told), SMALL)


def test_people_are_one_word_and_verbs_one_form() -> None:
    said = roles("On August 27, 2013, at 6:30 a.m. Employee #1, a carpenter, fell 22 feet; trusses were falling on him.")
    assert said == "on at person a person fall num feet truss were fall on person ."
    assert roles("Worker Worker") == "person"


def test_pairs_stay_within_a_sentence_and_reach() -> None:
    found = pairs("person fall off truss . wall one two three four collapse")
    assert {"person~fall", "fall~off", "person~truss", "wall~four"} <= set(found)
    assert not {"truss~wall", "wall~collapse", "fall~person"} & set(found)
    assert "person" in found and "collapse" in found


def test_who_fell_is_told_apart_though_the_words_are_the_same() -> None:
    fell, dropped = (set(pairs(roles(text))) for text in ("The painter fell off the truss", "The truss fell off the painter"))
    assert fell != dropped
    assert "person~fall" in fell and "person~fall" not in dropped


def test_as_many_titles_as_texts() -> None:
    with pytest.raises(ValueError, match="1 titles and 2 texts"):
        Cases.of(["a"], ["b", "c"])


def test_mutual_information_is_as_counted_by_hand() -> None:
    texts = ["a b c", "a b", "c c"]
    vocabulary = {"a": 0, "b": 1, "c": 2}
    found = latent.mutual_information(texts, vocabulary, 1).toarray()
    met = np.zeros((3, 3))
    for text in texts:
        words = text.split()
        for one, other in pairwise(words):
            met[vocabulary[one], vocabulary[other]] += 1
            met[vocabulary[other], vocabulary[one]] += 1
    context = met.sum(axis=0) ** 0.75
    with np.errstate(divide="ignore"):
        expected = np.log(met / met.sum(axis=1, keepdims=True) / (context / context.sum()))
    np.testing.assert_allclose(found, np.maximum(expected, 0.0), atol=1e-12)


def test_a_model_in_coordinates_is_the_model_on_the_terms(told: pd.DataFrame) -> None:
    """What a linear classifier says by likenesses is what it says on the terms themselves."""
    from sklearn.svm import LinearSVC

    random = np.random.default_rng(0)
    terms, asked = random.normal(size=(60, 200)), random.normal(size=(10, 200))
    code = np.unique(tags(told), return_inverse=True)[1]
    spread, turn = causes.coordinates(terms @ terms.T)
    np.testing.assert_allclose(spread @ spread.T, terms @ terms.T, atol=1e-8)

    def said(rows: np.ndarray, others: np.ndarray) -> np.ndarray:
        classifier = LinearSVC(C=0.1, tol=1e-8, max_iter=100_000, random_state=0)
        return np.asarray(classifier.fit(rows, code).decision_function(others))

    np.testing.assert_allclose(said(spread, asked @ terms.T @ turn), said(terms, asked), atol=1e-5)


def test_new_narratives_are_told_apart(fitted: causes.CauseModel) -> None:
    other = stories(15, seed=2)
    decisions = fitted.decide(cases(other))
    assert np.mean(np.array(fitted.cause(decisions)) == tags(other)) > 0.9
    probabilities = fitted.probabilities(decisions)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0)
    right = probabilities[np.arange(len(other)), np.searchsorted(fitted.causes, tags(other))]
    assert right.mean() > 0.7


def test_shuffled_tags_teach_nothing(told: pd.DataFrame) -> None:
    shuffled = np.random.default_rng(3).permutation(tags(told))
    other = stories(15, seed=2)
    blind = causes.fit(cases(told), shuffled, SMALL)
    assert np.mean(np.array(blind.cause(blind.decide(cases(other)))) == tags(other)) < 0.6


def test_a_case_is_said_alike_whatever_is_asked_beside_it(fitted: causes.CauseModel) -> None:
    other = cases(stories(4, seed=5))
    together = fitted.decide(other)
    alone = np.concatenate([fitted.decide(other.take([row])) for row in range(len(other))])
    np.testing.assert_allclose(alone, together, atol=1e-9)
    assert np.isfinite(fitted.decide(Cases.of(["", "??"], ["", "zzz qqq"]))).all()


def test_cases_without_titles_are_told_by_their_text(told: pd.DataFrame) -> None:
    bare = causes.fit(Cases.of([""] * len(told), told["Summary2"].tolist()), tags(told), SMALL)
    other = stories(15, seed=2)
    assert np.mean(np.array(bare.cause(bare.decide(cases(other)))) == tags(other)) > 0.9


def test_two_causes_have_two_columns(told: pd.DataFrame) -> None:
    two = told[told["Tagged2"] != "electrocution"]
    model = causes.fit(cases(two), tags(two), SMALL)
    decisions = model.decide(cases(two))
    assert decisions.shape == (len(two), 2)
    assert np.mean(np.array(model.cause(decisions)) == tags(two)) > 0.9


def test_a_cause_needs_a_case_for_each_fold(told: pd.DataFrame) -> None:
    lone = told[(told["Tagged2"] != "electrocution") | (told["Tagged2"] == "electrocution").cumsum().le(2)]
    with pytest.raises(ValueError, match="3 kinds for 3 folds"):
        causes.fit(cases(lone), tags(lone), SMALL)

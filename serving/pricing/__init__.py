"""Premiums from facts and scores: quotes, prospects, what-if, rulebooks of a home, the term of a policy."""

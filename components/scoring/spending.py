"""How small a p-value must be, when the same test set has been asked before.

Every model that is compared on a test set is another chance for noise to look like progress: of 365 equal models, nine
would pass at 2.5 %. So the k-th question may use up only 4 % / (k * (k + 1)). These sum to 4 % however long one asks:
1/(k(k+1)) = 1/k - 1/(k+1), so k questions have used up 4 % * k / (k + 1). By the union bound, that is the most that the
chance of ever pushing a model that is no better can be, whatever the models have in common (alpha spending: Foster and
Stine, Journal of the Royal Statistical Society B 70, 2008, section 2). What comes back from a question is a yes or no,
and mostly no, so little of the test fields can leak into the next candidates (Blum and Hardt, The Ladder, ICML 2015).

The promise is 5 %, and 2.5 % for a single question. The rest is kept back: p-values are exact between models that err
alike, and only nearly so between models of other strengths. 6 / (pi^2 k^2), the other usual sequence, begins higher and
falls as fast.
"""

TOTAL = 0.04


def alpha_of(question: int) -> float:
    """Returns the largest p-value that counts as better, for the question of this number, from 1."""
    if question < 1:
        raise ValueError(f"questions are numbered from 1, got {question}")
    return TOTAL / (question * (question + 1))

"""The ledger of a test set: which candidates were compared on it, and what that has used up.

It lies beside the models, at `gate/<test set>.json` under models_uri, and moves by compare-and-swap, so that of two
gates at once each has a number of its own. A candidate is one question for each version of production that it is
compared with: whoever repeats a decision gets the number it had.

Every comparison counts, also of a model that is refused for another reason: what is left out because of its result
would count for nothing in the sum that keeps the promise.
"""

from collections.abc import Callable

import msgspec

from components import storage
from components.contracts import Ledger, Question
from components.errors import AgrivisionError, DataError
from components.scoring.spending import alpha_of

_MAX_TRIES = 100  # each means that somebody else got through


def ledger_uri(models_uri: str, test_set: str) -> str:
    """Returns the URI of a test set's ledger."""
    return storage.join(models_uri, "gate", f"{test_set[:16]}.json")


def ask(
    models_uri: str, test_set: str, training_id: str, production_version: str, answer: Callable[[int, float], Question]
) -> tuple[int, Question]:
    """Records a question and its answer; returns its number, from 1, and the answer.

    Args:
      answer: Answers the question of a number, at an alpha; called again if another gate came first.

    Raises:
      DataError: if the ledger cannot be read, or is that of another test set.
      AgrivisionError: if others kept coming first.
    """
    uri = ledger_uri(models_uri, test_set)
    for _ in range(_MAX_TRIES):
        content, token = storage.read_pointer(uri)
        ledger = Ledger(test_set=test_set) if content is None else Ledger.from_json(content, uri)
        if ledger.test_set != test_set:
            raise DataError(
                f"{uri!r} is the ledger of test set {ledger.test_set[:16]}, not {test_set[:16]}; {Ledger.way_out}"
            )
        asked = [
            number
            for number, question in enumerate(ledger.questions, start=1)
            if (question.training_id, question.production_version) == (training_id, production_version)
        ]
        number = asked[0] if asked else len(ledger.questions) + 1
        before = ledger.questions[number - 1] if asked else None
        question = answer(number, alpha_of(number))  # not the one in the ledger, which anybody may have written
        if question == before:
            return number, question
        questions = (*ledger.questions[: number - 1], question, *ledger.questions[number:])
        try:
            storage.compare_and_swap(uri, token, msgspec.structs.replace(ledger, questions=questions).to_json())
        except storage.Conflict:
            continue
        return number, question
    raise AgrivisionError(f"other gates wrote {uri!r} {_MAX_TRIES} times in a row; run the gate again")

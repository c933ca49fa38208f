"""The ledger of what a test set has been asked: counted once each, also by gates at the same time."""

import multiprocessing

import pytest

from components import storage
from components.contracts import Ledger, Question
from components.errors import AgrivisionError, DataError
from components.gate import ledger
from components.gate.ledger import ask, ledger_uri
from components.scoring.spending import alpha_of

TEST_SET = "a" * 64


def answering(training_id, outcome="not_better", version="v1"):
    def answer(number, alpha):
        return Question(
            training_id=training_id,
            production_version=version,
            alpha=alpha,
            p_value=0.5,
            outcome=outcome,
            candidate_macro_f1=0.5,
            production_macro_f1=0.5,
        )

    return answer


def asked(models_uri, training_id, **changes):
    version = changes.get("version", "v1")
    return ask(models_uri, TEST_SET, training_id, version, answering(training_id, **changes))


def test_a_question_keeps_its_number_and_its_alpha(tmp_path):
    models_uri = str(tmp_path)
    assert [asked(models_uri, name)[0] for name in ("a", "b", "c", "b", "a", "d")] == [1, 2, 3, 2, 1, 4]
    assert asked(models_uri, "b")[1].alpha == alpha_of(2)


def test_a_decision_that_comes_out_otherwise_with_other_settings_is_noted_under_its_number(tmp_path):
    models_uri = str(tmp_path)
    asked(models_uri, "a"), asked(models_uri, "b")
    assert asked(models_uri, "a", outcome="push")[0] == 1
    uri = ledger_uri(models_uri, TEST_SET)
    outcomes = [question.outcome for question in Ledger.from_json(storage.read_bytes(uri), uri).questions]
    assert outcomes == ["push", "not_better"]


def _ask_some(models_uri, worker, results):
    results.put([asked(models_uri, f"w{worker}n{number}")[0] for number in range(10)])


def test_gates_at_the_same_time_never_share_a_number(tmp_path):
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    gates = [context.Process(target=_ask_some, args=(str(tmp_path), worker, results)) for worker in range(4)]
    for gate in gates:
        gate.start()
    numbers = [number for _ in gates for number in results.get(timeout=60)]
    for gate in gates:
        gate.join()
    assert sorted(numbers) == list(range(1, 41))


def test_whoever_always_comes_second_is_told(tmp_path, monkeypatch):
    def conflict(*_):
        raise storage.Conflict("moved")

    monkeypatch.setattr(ledger.storage, "compare_and_swap", conflict)
    with pytest.raises(AgrivisionError, match=r"other gates wrote .*json' 100 times in a row; run the gate again"):
        asked(str(tmp_path), "a")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "is not a ledger that this version can read"),
        (Ledger(test_set="b" * 64).to_json(), "is the ledger of test set bbbbbbbbbbbbbbbb, not aaaaaaaaaaaaaaaa"),
    ],
)
def test_a_damaged_ledger_is_named_with_the_way_out(tmp_path, content, message):
    storage.write_bytes(ledger_uri(str(tmp_path), TEST_SET), content)
    with pytest.raises(DataError, match=rf"{message}.*; restore it, or remove it to count the questions"):
        asked(str(tmp_path), "a")


@pytest.mark.parametrize("alpha", [0.9, 1.0, 7.0, 0.0, -1.0, 5e-324])
def test_an_alpha_that_somebody_wrote_into_the_ledger_decides_nothing(tmp_path, alpha):
    forged = answering("a")(1, alpha)
    uri = ledger_uri(str(tmp_path), TEST_SET)
    storage.write_bytes(uri, Ledger(test_set=TEST_SET, questions=(forged,)).to_json())
    number, question = asked(str(tmp_path), "a")
    assert (number, question.alpha) == (1, alpha_of(1))
    assert Ledger.from_json(storage.read_bytes(uri), uri).questions == (question,)

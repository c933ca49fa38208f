"""Whatever the process of a model sends or does, who asks it gets an answer of the right form or one line."""

import io
import os
import threading

import msgspec
import numpy as np
import pytest

from components.errors import DataError
from components.saved_model import asking
from components.saved_model.asking import AskedModel, CannotAnswer, ModelProcess
from components.saved_model.checked_answers import tiles_with_maps
from components.saved_model.messages import (
    LARGEST_REPLY_BYTES,
    Array,
    Reply,
    Request,
    receive,
    receive_request,
    send,
    send_pixels,
)

pytestmark = pytest.mark.hostile
LOADED = Reply(arguments={"masked": ("rgb", "valid_mask")})
IMAGES = {"rgb": [b"a", b"b"], "valid_mask": [b"", b""]}


def message(*replies: Reply) -> bytes:
    pipe = io.BytesIO()
    for reply in replies:
        send(pipe, reply)
    return pipe.getvalue()


def probabilities(values: object, kind: str = "float32") -> Reply:
    array = np.array(values, kind)
    return Reply(results={"probabilities": Array(array.shape, kind, array.tobytes())})


def asked(replies: bytes) -> AskedModel:
    return AskedModel(ModelProcess(io.BytesIO(), io.BytesIO(replies), lambda: None), "models/v")


def test_an_answer_is_an_array() -> None:
    model = asked(message(LOADED, probabilities([[0.25, 0.5], [0.0, 1.0]])))
    np.testing.assert_array_equal(model.probabilities("masked", IMAGES, 2), [[0.25, 0.5], [0.0, 1.0]])


@pytest.mark.parametrize(
    ("replies", "error"),
    [
        (b"", "breaks down: its process has ended"),
        (b"\0\0\1\0short", "breaks down: its process has ended"),
        (b"\xff\xff\xff\xff", r"breaks down: it sent a message of 4,294,967,295 bytes"),
        (b"\0\0\0\5abcde", "breaks down: it sent "),
        (
            message(Reply(error="its graph uses the operation 'ReadFile'")),
            "cannot load the SavedModel at 'models/v': its",
        ),
        (message(Reply()), "the SavedModel at 'models/v' has no signature 'masked'"),
        (message(Reply(arguments={"masked": ("rgb", "password")})), "asks for password, which no tile has"),
        (message(LOADED), "breaks down: its process has ended"),
        (message(LOADED, Reply()), r"must answer float32 .2, 2., got nothing"),
        (message(LOADED, probabilities([0.5, 0.5])), r"must answer float32 .2, 2., got float32 .2."),
        (message(LOADED, probabilities([[0.5] * 7] * 2)), r"must answer float32 .2, 2., got float32 .2, 7."),
        (message(LOADED, probabilities([[True] * 2] * 2, "bool")), r"must answer float32 .2, 2., got bool .2, 2."),
        (
            message(LOADED, Reply(results={"probabilities": Array((1 << 40, 1 << 40), "float32", b"1234")})),
            "breaks down: its answer is ",
        ),
        (
            message(LOADED, Reply(results={"probabilities": Array(((1 << 64) - 1,), "float32", b"1234")})),
            "breaks down: its answer is ",
        ),
        (
            message(LOADED, Reply(results={"probabilities": Array((2, 2), "object", b"")})),
            "an array of the kind 'object'",
        ),
    ],
)
def test_what_is_no_answer_is_one_line(replies: bytes, error: str) -> None:
    with pytest.raises(DataError, match=error) as raised:
        asked(replies).probabilities("masked", IMAGES, 2)
    assert "\n" not in str(raised.value)


def test_logits_are_an_array_and_of_an_earlier_export_there_are_none() -> None:
    loaded = Reply(arguments={"logits_encoded": ("rgb", "valid_mask")})
    array = np.array([[-3.0], [40.0]], np.float32)
    logits = Reply(results={"logits": Array(array.shape, "float32", array.tobytes())})
    np.testing.assert_array_equal(asked(message(loaded, logits)).logits(IMAGES, 1), array)
    earlier = Reply(arguments={"predict_encoded": ("rgb", "valid_mask")})
    with pytest.raises(DataError, match=r"no function 'logits_encoded'; if an earlier version .* trains it again"):
        asked(message(earlier)).logits(IMAGES, 1)


def test_a_refused_batch_is_told_from_a_broken_model() -> None:
    with pytest.raises(CannotAnswer, match=r"^no JPEG$"):
        asked(message(LOADED, Reply(error="no JPEG"))).ask("masked", IMAGES)


def test_a_model_that_never_answers_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "_LIMIT_SECONDS", 0.1)
    reading, writing = os.pipe()
    ended = threading.Event()

    def kill() -> None:
        ended.set()
        os.close(writing)

    with os.fdopen(reading, "rb") as replies:
        model = AskedModel(ModelProcess(io.BytesIO(), replies, kill), "models/v")
        with pytest.raises(DataError, match="breaks down: it did not answer within 0 s"):
            model.arguments("masked")
    assert ended.is_set()


def test_two_threads_that_ask_at_once_get_each_its_own_answer() -> None:
    """The process echoes a number; the second batch is sent before the first is answered."""
    (requests, to_process), (from_process, replies) = os.pipe(), os.pipe()
    both_sent = threading.Event()
    with (
        os.fdopen(requests, "rb") as theirs,
        os.fdopen(replies, "wb") as out,
        os.fdopen(to_process, "wb") as stdin,
        os.fdopen(from_process, "rb") as stdout,
    ):

        def echo() -> None:
            send(out, Reply(arguments={"masked": ("rgb",)}))
            for _ in range(30):
                first, second = (receive(theirs, Request, 1 << 20) for _ in range(2))
                both_sent.set()
                for request in (first, second):
                    assert request is not None
                    send(out, probabilities([[float(request.images["rgb"][0])]]))

        model = AskedModel(ModelProcess(stdin, stdout, stdin.close), "models/v")
        process = threading.Thread(target=echo)
        process.start()
        model.arguments("masked")
        found: dict[int, list[float]] = {0: [], 1: []}

        def ask(number: int) -> None:
            for turn in range(30):
                answer = model.probabilities("masked", {"rgb": [b"%d" % (100 * number + turn)]}, 1)
                found[number].append(float(answer[0, 0]))

        threads = [threading.Thread(target=ask, args=(number,)) for number in (0, 1)]
        for thread in threads:
            thread.start()
        for thread in (*threads, process):
            thread.join(20)

    assert both_sent.is_set()
    assert found == {0: [float(turn) for turn in range(30)], 1: [100.0 + turn for turn in range(30)]}


def test_texts_take_the_room_they_have() -> None:
    texts = Array((3,), "text", text=(b"a" * (1 << 20), b"", b""))
    assert texts.values().nbytes < 100
    with pytest.raises(ValueError, match="cannot reshape"):
        msgspec.structs.replace(texts, shape=(4,)).values()


def test_maps_are_an_array_of_four_axes_and_of_an_earlier_export_there_are_none() -> None:
    loaded = Reply(arguments={"maps_encoded": ("rgb", "valid_mask")})
    array = np.arange(12, dtype=np.float32).reshape(2, 3, 2, 1)
    maps = Reply(results={"maps": Array(array.shape, "float32", array.tobytes())})
    model = asked(message(loaded, maps))
    assert model.has("maps_encoded")
    np.testing.assert_array_equal(model.maps(IMAGES, 1), array)
    assert not asked(message(LOADED)).has("maps_encoded")
    flat = Reply(results={"maps": Array((2, 6), "float32", array.tobytes())})
    with pytest.raises(DataError, match=r"must answer float32 .2, 1, 1, 1., got float32 .2, 6."):
        asked(message(loaded, flat)).maps(IMAGES, 1)
    with pytest.raises(DataError, match=r"must answer float32 .2, 3, 2, 5., got float32 .2, 3, 2, 1."):
        asked(message(loaded, maps)).maps(IMAGES, 5)


def test_a_dense_head_answers_for_tiles_and_places_at_once() -> None:
    loaded = Reply(arguments={"dense_encoded": ("rgb", "valid_mask")})
    maps, logits = np.arange(12, dtype=np.float32).reshape(2, 3, 2, 1), np.ones((2, 1), np.float32)
    both = {name: Array(of.shape, "float32", of.tobytes()) for name, of in (("logits", logits), ("maps", maps))}
    found = asked(message(loaded, Reply(results=both))).dense(IMAGES, 1)
    np.testing.assert_array_equal(found[0], logits)
    np.testing.assert_array_equal(found[1], maps)
    with pytest.raises(DataError, match=r"must answer float32 .2, 1., got nothing"):
        asked(message(loaded, Reply(results={"maps": both["maps"]}))).dense(IMAGES, 1)
    with pytest.raises(DataError, match="has no function 'dense_encoded'; if an earlier version"):
        asked(message(LOADED)).dense(IMAGES, 1)


@pytest.mark.parametrize(
    ("size_px", "num_classes", "most"), [(128, 9, 910), (512, 9, 56), (1024, 15, 8), (8_192, 15, 1)]
)
def test_no_more_tiles_are_asked_for_maps_than_a_reply_has_room_for(size_px, num_classes, most) -> None:
    assert tiles_with_maps(size_px, num_classes) == most
    assert most == 1 or most * (size_px // 8) ** 2 * num_classes * 4 < LARGEST_REPLY_BYTES


@pytest.mark.hostile
@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.zeros((2, 0, 0, 1), np.float32), r"must answer float32 .2, 1, 1, 1., got float32 .2, 0, 0, 1."),
        (np.zeros((2, 3, 0, 1), np.float32), r"must answer float32 .2, 3, 1, 1., got float32 .2, 3, 0, 1."),
        (np.full((2, 1, 1, 1), np.nan, np.float32), "its maps are not finite"),
        (np.full((2, 1, 1, 1), -np.inf, np.float32), "its maps are not finite"),
    ],
)
def test_maps_that_cannot_be_drawn_are_refused(array: np.ndarray, said: str) -> None:
    loaded = Reply(arguments={"maps_encoded": ("rgb", "valid_mask")})
    reply = Reply(results={"maps": Array(array.shape, "float32", array.tobytes())})
    with pytest.raises(DataError, match=said):
        asked(message(loaded, reply)).maps(IMAGES, 1)


PIXELS = Reply(arguments={"pixels": ("rgb", "valid")})
BATCH = {"rgb": np.full((2, 4, 4, 3), 7, np.uint8), "valid": np.ones((2, 4, 4, 1), np.uint8)}


def test_arrays_arrive_as_they_were_sent() -> None:
    pipe = io.BytesIO()
    send_pixels(pipe, "pixels", BATCH | {"turned": np.arange(6, dtype=np.uint8).reshape(2, 3).T})
    pipe.seek(0)
    found = receive_request(pipe)
    assert found is not None
    assert found[0].function == "pixels"
    np.testing.assert_array_equal(found[1]["rgb"], BATCH["rgb"])
    np.testing.assert_array_equal(found[1]["turned"], [[0, 3], [1, 4], [2, 5]])
    assert receive_request(pipe) is None
    cut = io.BytesIO(pipe.getvalue()[:-1])
    assert receive_request(cut) is None


def test_a_request_that_claims_too_much_is_refused() -> None:
    pipe = io.BytesIO()
    send(pipe, Request("pixels", pixels={"rgb": (1 << 20, 1 << 20, 3)}))
    pipe.seek(0)
    with pytest.raises(ValueError, match=r"a message of 3,298,534,883,328 bytes"):
        receive_request(pipe)


def test_batches_are_answered_in_order_and_an_error_in_reading_them_comes_after_the_answers() -> None:
    def batches():
        yield BATCH
        yield BATCH
        raise DataError("the source is damaged")

    model = asked(message(PIXELS, probabilities([[0.25]]), probabilities([[0.5]])))
    found = model.answers_ahead("pixels", batches())
    assert [float(next(found)["probabilities"][0, 0]) for _ in range(2)] == [0.25, 0.5]
    with pytest.raises(DataError, match="the source is damaged"):
        next(found)


def test_a_model_that_breaks_down_among_batches_is_one_line() -> None:
    found = asked(message(PIXELS, probabilities([[0.25]]))).answers_ahead("pixels", [BATCH, BATCH, BATCH])
    next(found)
    with pytest.raises(DataError, match="breaks down: its process has ended"):
        next(found)
    with pytest.raises(DataError, match=r"has no signature 'pixels'"):
        next(asked(message(LOADED)).answers_ahead("pixels", [BATCH]))

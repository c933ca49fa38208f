import numpy as np
import tensorflow as tf

from components.train.augment import augment

RNG = np.random.default_rng(0)
IMAGE = RNG.integers(0, 255, (64, 6, 6, 4), np.uint8)
VALID = (IMAGE[..., :1] > 100).astype(np.uint8)  # so that it can be seen to move along


def run(step: int, positions: np.ndarray, seed: int = 5) -> tuple[np.ndarray, np.ndarray]:
    image, valid = augment(
        tf.constant(IMAGE[positions]),
        tf.constant(VALID[positions]),
        seed,
        tf.constant(step, tf.int64),
        tf.constant(positions, tf.int32),
        len(IMAGE),
    )
    return image.numpy(), valid.numpy()


def test_every_tile_comes_in_one_of_its_eight_orientations_and_all_occur() -> None:
    image, valid = run(3, np.arange(64))
    seen = set()
    for tile, mask, source in zip(image, valid, IMAGE, strict=True):
        turned = [np.rot90(flipped, turns) for flipped in (source, source[:, ::-1]) for turns in range(4)]
        matches = [number for number, candidate in enumerate(turned) if np.array_equal(candidate, tile)]
        assert len(matches) == 1
        seen.update(matches)
        np.testing.assert_array_equal(mask, tile[..., :1] > 100)
    assert seen == set(range(8))


def test_a_tile_is_turned_alike_by_one_worker_and_by_two() -> None:
    whole, _ = run(3, np.arange(64))
    halves = [run(3, positions)[0] for positions in (np.arange(32), np.arange(32, 64))]
    np.testing.assert_array_equal(whole, np.concatenate(halves))


def test_another_step_or_seed_turns_otherwise() -> None:
    images = [run(3, np.arange(64))[0], run(4, np.arange(64))[0], run(3, np.arange(64), seed=6)[0]]
    assert not np.array_equal(images[0], images[1])
    assert not np.array_equal(images[0], images[2])


def test_it_does_the_same_inside_a_graph() -> None:
    positions = tf.range(64)
    graph = tf.function(lambda step: augment(tf.constant(IMAGE), tf.constant(VALID), 5, step, positions, 64))
    np.testing.assert_array_equal(graph(tf.constant(3, tf.int64))[0], run(3, np.arange(64))[0])

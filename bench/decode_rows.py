"""The reader against decoding alone: TensorFlow's decoder, libjpeg-turbo and DALI's CPU pipeline."""

import concurrent.futures
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from bench.dataset import Dataset, tile_size_px
from bench.pairs import Row, Side
from bench.run_settings import Setup
from bench.sides import compare
from components.measuring.turns import stream_turn, work_turn

_DISTINCT_TILES = 256  # for the decoders' sides; more than fit into a processor's cache


def reader_side(setup: Setup, image_size_px: int, more: str = "", dataset: Dataset | None = None) -> Side:
    """Returns the training reader as the side "ours", on `dataset` or else the setup's."""
    batches = (dataset or setup.dataset).batches(setup.num_threads, image_size_px, setup.batch_size)
    what = (
        f"components.train.input.reader, {setup.num_threads} threads: shuffled records checked and parsed, RGB, NIR "
        f"and valid mask decoded to {image_size_px} px uint8, batches of {setup.batch_size}{more}"
    )
    return Side(what, stream_turn(batches, setup.batch_size, setup.num_batches))


def in_threads(function: Callable[[tuple[bytes, bytes]], Any], setup: Setup) -> Callable[[], None]:
    """Returns work that calls `function` on (rgb, nir) of the tiles of a turn, in threads, and drops the results."""
    records = setup.dataset.records(min(_DISTINCT_TILES, setup.num_tiles))
    pool = concurrent.futures.ThreadPoolExecutor(setup.num_threads)

    def part(thread: int) -> None:
        for tile in range(thread, setup.num_tiles, setup.num_threads):
            function(records[tile % len(records)])

    def work() -> None:
        list(pool.map(part, range(setup.num_threads)))

    return work


def tf_decode(setup: Setup, target: float) -> Row:
    """The reader against `tf.io.decode_jpeg` alone on the same bytes, in memory."""
    size = tile_size_px(setup.dataset.manifest)

    def decode(tile: tuple[bytes, bytes]) -> None:
        tf.io.decode_jpeg(tile[0], channels=3, dct_method="INTEGER_ACCURATE")
        tf.io.decode_jpeg(tile[1], channels=1, dct_method="INTEGER_ACCURATE")

    what = f"tf.io.decode_jpeg, {setup.num_threads} threads: RGB and NIR from memory, nothing else"
    other = Side(what, work_turn(in_threads(decode, setup), setup.num_tiles))
    return compare("reader_vs_tf_decode", reader_side(setup, size), other, setup, target)


def turbojpeg(setup: Setup, target: float) -> Row:
    """The reader against libjpeg-turbo alone on the same bytes, in memory."""
    import simplejpeg

    size = tile_size_px(setup.dataset.manifest)

    def decode(tile: tuple[bytes, bytes]) -> None:
        simplejpeg.decode_jpeg(tile[0], "RGB")
        simplejpeg.decode_jpeg(tile[1], "GRAY")

    what = f"libjpeg-turbo (simplejpeg {simplejpeg.__version__}), {setup.num_threads} threads: RGB and NIR from memory"
    other = Side(what, work_turn(in_threads(decode, setup), setup.num_tiles))
    return compare("reader_vs_turbojpeg", reader_side(setup, size), other, setup, target)


def dali(setup: Setup, target: float) -> Row:
    """The reader against DALI's CPU pipeline on the same TFRecord files."""
    import nvidia.dali as dali_package
    from nvidia.dali import fn, pipeline_def, tfrecord, types

    size = tile_size_px(setup.dataset.manifest)
    folder = tempfile.mkdtemp()
    indices = [_dali_index(path, Path(folder)) for path in setup.dataset.shard_paths]

    @pipeline_def(batch_size=setup.batch_size, num_threads=setup.num_threads, device_id=None)
    def pipeline() -> Any:
        text = tfrecord.FixedLenFeature((), tfrecord.string, "")
        tile = fn.readers.tfrecord(
            path=setup.dataset.shard_paths,
            index_path=indices,
            features={"rgb": text, "nir": text},
            random_shuffle=True,
            initial_fill=256,
        )
        rgb = fn.decoders.image(tile["rgb"], device="cpu", output_type=types.RGB)
        nir = fn.decoders.image(tile["nir"], device="cpu", output_type=types.GRAY)
        return rgb, nir  # separate, as in our reader

    built = pipeline()
    built.build()

    def batches() -> Iterator[Any]:
        while True:
            yield [output.as_tensor() for output in built.run()]

    what = (
        f"NVIDIA DALI {dali_package.__version__} CPU pipeline, {setup.num_threads} threads: shuffled TFRecords, "
        "RGB and NIR decoded, no valid mask"
    )
    other = Side(what, stream_turn(batches(), setup.batch_size, setup.num_batches))
    return compare("reader_vs_dali", reader_side(setup, size), other, setup, target)


def _dali_index(path: str, folder: Path) -> str:
    """Writes the index that DALI needs for a TFRecord file: a line "<offset> <length>" per record."""
    content = Path(path).read_bytes()
    lines, offset = [], 0
    while offset < len(content):
        length = int.from_bytes(content[offset : offset + 8], "little") + 16
        lines.append(f"{offset} {length}\n")
        offset += length
    index = folder / f"{Path(path).name}.idx"
    index.write_text("".join(lines))
    return str(index)


def half_vs_decode_resize(setup: Setup, target: float) -> Row:
    """The reader at half size, scaled by the decoder, against decoding at full size and resizing with antialiasing."""
    size = tile_size_px(setup.dataset.manifest)
    half = size // 2
    records = setup.dataset.records(min(_DISTINCT_TILES, setup.num_tiles))

    def whole(rgb: Any, nir: Any) -> Any:
        bands = [tf.io.decode_jpeg(rgb, channels=3, dct_method="INTEGER_ACCURATE")]
        bands.append(tf.io.decode_jpeg(nir, channels=1, dct_method="INTEGER_ACCURATE"))
        resized = tf.image.resize(tf.concat(bands, -1), [half, half], antialias=True)
        return tf.cast(tf.clip_by_value(tf.round(resized), 0, 255), tf.uint8)

    options = tf.data.Options()
    options.threading.private_threadpool_size = setup.num_threads
    dataset = (
        tf.data.Dataset.from_tensor_slices(([rgb for rgb, _ in records], [nir for _, nir in records]))
        .repeat()
        .map(whole, num_parallel_calls=setup.num_threads)
        .batch(setup.batch_size)
        .prefetch(2)
        .with_options(options)
    )
    what = (
        f"tf.data, {setup.num_threads} threads: RGB and NIR from memory, decoded whole, tf.image.resize(antialias=True)"
    )
    other = Side(what, stream_turn(dataset, setup.batch_size, setup.num_batches))
    ours = reader_side(setup, half, ", the decoder scales")
    difference = _pixel_difference(setup, records, whole, half)
    note = f"mean absolute pixel difference {difference:.2f} of 255"
    return compare("reader_half_vs_decode_resize", ours, other, setup, target, note)


def _pixel_difference(
    setup: Setup, records: Sequence[tuple[bytes, bytes]], whole: Callable[[bytes, bytes], Any], half: int
) -> float:
    from components.records import tfrecords

    bands = setup.dataset.manifest.bands
    ratio = tfrecords.decoder_ratio(list(setup.dataset.manifest.tile_sizes), half)
    differences = []
    for rgb, nir in records[:64]:
        scaled, _ = tfrecords.decode_image(rgb, nir, b"", bands, half, ratio)
        differences.append(np.abs(scaled.numpy().astype(int) - whole(rgb, nir).numpy().astype(int)).mean())
    return float(np.mean(differences))

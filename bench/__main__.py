"""`make bench`: prints a table and writes bench.json. Each row runs in its own process."""

import argparse
import importlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from bench import pairs
from bench.pairs import Row

# name, module and function, smallest ratio that passes
ROWS: tuple[tuple[str, str, float | None], ...] = (
    ("reader_vs_tf_decode", "decode_rows.tf_decode", 0.95),
    ("reader_vs_turbojpeg", "decode_rows.turbojpeg", 0.85),
    ("reader_vs_dali", "decode_rows.dali", 0.9),
    ("reader_half_vs_decode_resize", "decode_rows.half_vs_decode_resize", 2.5),
    ("reader_vs_keras_directory", "directory_rows.keras_directory", 2.0),
    ("reader_vs_keras_directory_256", "directory_rows.keras_directory_256", None),
    ("reader_vs_keras_directory_128", "directory_rows.keras_directory_128", None),
    ("reader_stored_256_vs_keras_directory_256", "directory_rows.keras_directory_stored_256", None),
    ("reader_vs_grain", "peer_rows.grain", 1.5),
    ("reader_vs_torch", "peer_rows.torch_loader", 2.0),
    ("reader_vs_image_data_generator", "directory_rows.image_data_generator", 15.0),
    (
        "reader_stored_256_vs_image_data_generator_256",
        "directory_rows.image_data_generator_stored_256",
        None,
    ),
    ("shard_vs_decode", "shard_rows.shard_vs_decode", 0.8),
    ("shard_masks_vs_without", "shard_rows.shard_masks_vs_without", 0.95),
    ("passthrough_vs_tar", "shard_rows.passthrough_vs_tar", 0.8),
    ("passthrough_vs_tar_unsynced", "shard_rows.passthrough_vs_tar_unsynced", None),
    ("starvation_small", "train_rows.starvation_small", 0.98),
    ("starvation_resnet50", "train_rows.starvation_resnet50", 0.98),
    ("starvation_small_shared", "train_rows.starvation_small_shared", None),
    ("starvation_resnet50_shared", "train_rows.starvation_resnet50_shared", None),
    ("two_workers_vs_twice_one", "train_rows.two_workers_vs_twice_one", 0.9),
    ("steps_per_call", "train_rows.steps_per_call", None),
    ("train_vs_keras_fit", "fit_rows.train_vs_keras_fit", 1.0),
    ("checkpoint_stall_seconds", "train_rows.checkpoint_stall_seconds", None),
    ("evaluate_vs_forward", "evaluate_rows.evaluate_vs_forward", 0.9),
    ("evaluate_two_models_vs_one", "evaluate_rows.evaluate_two_models_vs_one", None),
    ("evaluate_300_classes", "classes_rows.evaluate_300_classes", 0.9),
    ("score_vs_forward", "map_rows.score_vs_forward", 0.9),
    ("score_small_vs_forward", "map_rows.score_small_vs_forward", None),
    ("score_memory_growth", "map_rows.score_memory_growth", 1.0),
    ("serve_vs_model", "serving.serve_rows.serve_vs_model", 0.85),
    ("serve_small_vs_model", "serving.serve_rows.serve_small_vs_model", None),
    ("serve_vs_mlserver", "serving.mlserver_rows.serve_vs_mlserver", 2.0),
    ("serve_vs_tuned_mlserver", "serving.mlserver_rows.serve_vs_tuned_mlserver", 1.0),
    ("serve_vs_bentoml", "serving.bentoml_rows.serve_vs_bentoml", 2.0),
    ("serve_p99_vs_p50", "serving.serve_rows.serve_p99_vs_p50", 1.0),
    ("serve_memory", "serving.serve_rows.serve_memory", 1.0),
    ("bootstrap_seconds", "scoring_rows.bootstrap_seconds", 1.0),
    ("dense_metric_ms", "dense_rows.dense_metric_ms", 1.0),
    ("evaluate_memory", "evaluate_rows.evaluate_memory", 1.0),
    ("memory_growth", "memory_rows.memory_growth", 0.909),  # 10 % more
    ("inventory_10_million", "scale_rows.inventory_10_million", None),
    ("manifest_10_million", "memory_rows.manifest_10_million", None),
    ("retrain_unchanged", "retrain_rows.retrain_unchanged", 0.833),  # 1.2 times the listing's own time
)
_WITHOUT_DATASET = (
    "train_vs_keras_fit",
    "evaluate_300_classes",
    "score_vs_forward",
    "score_small_vs_forward",
    "score_memory_growth",
    "bootstrap_seconds",
    "dense_metric_ms",
    "evaluate_memory",
    "memory_growth",
    "inventory_10_million",
    "manifest_10_million",
    "retrain_unchanged",
)  # these make their own

_OURS = ("bench", "components", "pipeline")


def main() -> int:
    """Runs the requested rows; returns 1 if one broke for a reason other than a missing package.

    `python -m bench gate`, `forecast` and `study_method` are other commands: see gate_study.py, forecast_study.py and
    study_method.py.
    """
    if sys.argv[1:2] == ["gate"]:
        from bench import gate_study

        return gate_study.main(sys.argv[2:])
    if sys.argv[1:2] == ["forecast"]:
        from bench import forecast_study

        return forecast_study.main(sys.argv[2:])
    if sys.argv[1:2] == ["study_method"]:
        from bench import study_method

        return study_method.main(sys.argv[2:])
    options = _options()
    if options.row:
        _run_row(options)
        return 0
    rows, broken = [], 0
    chosen = options.only or [name for name, _, _ in ROWS]
    if set(chosen) - set(_WITHOUT_DATASET):
        _make_dataset(options)
    for name, _, target in ROWS:
        if name not in chosen:
            continue
        row = _in_own_process(name, target)
        broken += row.verdict == "broken"
        rows.append(row)
        print(pairs.table([row], header=len(rows) == 1), flush=True)
    print()
    print(pairs.legend(rows))
    document = {row.name: row.as_json() for row in rows}
    Path(options.output).write_text(json.dumps(document, indent=2) + "\n")
    print(f"\nwrote {options.output}")
    return 1 if broken else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "--only", action="append", choices=[name for name, _, _ in ROWS], help="run only this row; repeatable"
    )
    parser.add_argument("--output", default="bench.json", metavar="FILE")
    parser.add_argument("--folder", default="demo/bench", metavar="FOLDER", help="where to make and keep the tiles")
    parser.add_argument("--num-tiles", type=int, default=600, help="tiles in the dataset")
    parser.add_argument("--tile-size-px", type=int, default=512)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="threads for each side")
    parser.add_argument("--batch-size", type=int, default=32, help="the default is that of training and Keras")
    parser.add_argument("--batches", type=int, default=20, help="timed batches in each turn")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument(
        "--memory-tiles",
        type=int,
        nargs=2,
        default=(10_000, 100_000),
        metavar=("FEW", "MANY"),
        help="the two numbers of tiles that memory_growth compares",
    )
    parser.add_argument(
        "--scale-tiles",
        type=int,
        default=10_000_000,
        help="tiles in the rows named ..._10_million, and names in retrain_unchanged; 1.2 kB of temporary disk each",
    )
    parser.add_argument(
        "--mlserver",
        type=Path,
        metavar="FOLDER",
        help="environment in which MLServer is installed, see serving/mlserver_rows.py",
    )
    parser.add_argument(
        "--bentoml",
        type=Path,
        metavar="FOLDER",
        help="environment in which BentoML is installed, see serving/bentoml_rows.py",
    )
    parser.add_argument("--row", help=argparse.SUPPRESS)
    parser.add_argument("--side", default="", help=argparse.SUPPRESS)
    return parser.parse_args()


def _make_dataset(options: argparse.Namespace) -> None:
    from bench.dataset import make_dataset

    make_dataset(Path(options.folder), options.num_tiles, options.tile_size_px)


def _in_own_process(name: str, target: float | None) -> Row:
    """Runs one row in a fresh process, so that libraries cannot disturb each other, and returns it."""
    with tempfile.NamedTemporaryFile(suffix=".json") as result:
        arguments = [*sys.argv[1:], "--row", name, "--output", result.name]
        log = subprocess.run(
            [sys.executable, "-m", "bench", *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        content = Path(result.name).read_text()
    if log.returncode or not content:
        sys.stderr.write(log.stdout[-4000:])
        last = (log.stdout.strip().splitlines() or ["no output"])[-1]
        return Row(name=name, verdict="broken", target=target, note=f"exit {log.returncode}: {last[:200]}")
    return Row(name=name, **json.loads(content))


def _run_row(options: argparse.Namespace) -> None:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import tensorflow as tf

    # For the whole process, because some peers set up a tf.data of their own.
    tf.config.threading.set_intra_op_parallelism_threads(options.threads)
    tf.config.threading.set_inter_op_parallelism_threads(options.threads)
    from bench.run_settings import Setup

    where, target = next((where, target) for name, where, target in ROWS if name == options.row)
    module, _, function = where.rpartition(".")
    try:
        setup = Setup(
            folder=Path(options.folder),
            num_dataset_tiles=options.num_tiles,
            tile_size_px=options.tile_size_px,
            num_threads=options.threads,
            batch_size=options.batch_size,
            num_batches=options.batches,
            num_rounds=options.rounds,
            memory_tiles=tuple(options.memory_tiles),
            scale_tiles=options.scale_tiles,
            mlserver=options.mlserver,
            bentoml=options.bentoml,
            side=options.side,
        )
        row = getattr(importlib.import_module(f"bench.{module}"), function)(setup, target)
    except ImportError as error:
        if (error.name or "").partition(".")[0] in _OURS:
            raise  # a name of ours that has moved, not a peer that is not installed
        row = pairs.skipped(options.row, f"{error}", target)
    Path(options.output).write_text(json.dumps(row.as_json()))
    sys.stdout.flush()
    os._exit(0)  # some peers' threads and workers would survive a normal exit


if __name__ == "__main__":
    sys.exit(main())

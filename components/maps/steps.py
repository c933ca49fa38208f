"""What the steps of the scoring pipeline do: plan, ask about a share of the windows, and make the maps."""

from collections.abc import Sequence
from pathlib import Path

from components import report, storage
from components.contracts.maps import MapShare, MapShareDone, MapsPlan
from components.errors import DataError
from components.maps.score import num_parts_of, score_share, score_source
from components.maps.settings import MapSettings, ScoreSettings
from components.predict.pushed_model import find_model
from components.progress import StepLog

_PAGE = ".html"


def plan_maps(where: MapSettings, settings: ScoreSettings, log: StepLog) -> MapsPlan:
    """Returns the plan of a run, once the source and the model are known to fit.

    Raises:
      SettingsError: if the source, the model or a setting is not one that can be worked with.
      DataError: if the source or the model cannot be read.
    """
    model = find_model(where.model_uri)
    count = num_parts_of(where.source_uri, model.uri, where.target_uri, settings, log)
    num_shares = min(where.num_partitions, max(count, 1))
    log.summary = f"{count:,} parts for {num_shares} tasks, model {model.card.version}"
    return MapsPlan(
        source_uri=where.source_uri,
        model_uri=model.uri,
        target_uri=where.target_uri,
        bands=settings.bands,
        window_px=settings.window_px,
        overlap=settings.overlap,
        shares=tuple(MapShare(share=share, num_shares=num_shares) for share in range(num_shares)),
    )


def do_share(plan: MapsPlan, share: int, log: StepLog) -> MapShareDone:
    """Asks the model about one share of the windows.

    Raises:
      SettingsError, DataError: as score_source does.
    """
    num_shares = len(plan.shares)
    count = score_share(
        plan.source_uri, plan.model_uri, plan.target_uri, _settings(plan), log, share=share, num_shares=num_shares
    )
    log.summary = f"{count:,} parts are there"
    return MapShareDone(share=share, num_shares=num_shares, num_parts=count)


def merge_maps(plan: MapsPlan, done: Sequence[MapShareDone], page_path: str, log: StepLog) -> list[str]:
    """Makes the files of the maps; returns where they are, and writes a page about them to `page_path`.

    Raises:
      DataError: if a share is missing, or a part.
    """
    if missing := {each.share for each in plan.shares} - {each.share for each in done}:
        raise DataError(f"share {min(missing)} of {len(plan.shares)} is not done; run the pipeline again")
    files = score_source(plan.source_uri, plan.model_uri, plan.target_uri, _settings(plan), log)
    pages = [file for file in files if file.endswith(_PAGE)]
    if len(pages) == 1:
        Path(page_path).parent.mkdir(parents=True, exist_ok=True)
        Path(page_path).write_bytes(storage.read_bytes(pages[0]))
    else:
        blocks = [
            report.paragraph(
                f"Each map has a page of its own, beside its mosaic and its regions in {plan.target_uri}."
            ),
            report.table(["Map"], [[page] for page in pages]),
        ]
        report.write_page(page_path, f"{len(pages):,} maps", blocks)
    log.summary = f"{len(pages):,} maps in {plan.target_uri}"
    return files


def _settings(plan: MapsPlan) -> ScoreSettings:
    return ScoreSettings(bands=plan.bands, window_px=plan.window_px, overlap=plan.overlap)

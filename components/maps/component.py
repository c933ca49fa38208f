"""KFP wrappers of the steps of the scoring pipeline."""

from typing import List  # noqa: UP035  (kfp reads the annotation List[...], not list[...])

from kfp import dsl

from components import environment


@dsl.component(base_image=environment.container_image(), install_kfp_package=False)
def plan_windows(
    source_uri: str,
    model_uri: str,
    target_uri: str,
    num_partitions: int,
    bands: str,
    window_px: int,
    overlap: float,
    maps_plan: dsl.Output[dsl.Dataset],
) -> List[str]:  # noqa: UP006
    """Looks at the source and the model, and plans who asks about which windows.

    Args:
      source_uri: A GeoTIFF, or a folder of tiles.
      model_uri: Models URI, or the folder of a version.
      target_uri: Where the maps go.
      num_partitions: Number of tasks at most.
      bands: Bands of a GeoTIFF.
      window_px: Side of the windows of a GeoTIFF.
      overlap: Share of a window that the next one covers again.
      maps_plan: What the tasks have in common.

    Returns:
      The numbers of the shares, as text, because KFP turns whole numbers inside a list into floats. This output has no
        name of its own: kfp.local runs a loop over no other.
    """
    from components.maps.settings import MapSettings, ScoreSettings
    from components.maps.steps import plan_maps
    from components.progress import step_log
    from components.storage import plain_place

    with step_log("plan") as log:
        places = {
            "source_uri": plain_place(source_uri),
            "model_uri": plain_place(model_uri),
            "target_uri": plain_place(target_uri),
        }
        where = MapSettings(num_partitions=num_partitions, **places)
        document = plan_maps(where, ScoreSettings(bands=bands, window_px=window_px, overlap=overlap), log)
        document.write(maps_plan.path)
        return [str(each.share) for each in document.shares]


@dsl.component(base_image=environment.container_image(), install_kfp_package=False)
def score_windows(partition: str, maps_plan: dsl.Input[dsl.Dataset], share_done: dsl.Output[dsl.Dataset]) -> None:
    """Asks the model about one share of the windows.

    Args:
      partition: The share's number.
      maps_plan: What was planned.
      share_done: What is there now.
    """
    from components.contracts.maps import MapsPlan
    from components.maps.steps import do_share
    from components.progress import step_log

    with step_log(f"score {partition}") as log:
        do_share(MapsPlan.read(maps_plan.path), int(partition), log).write(share_done.path)


@dsl.component(base_image=environment.container_image(), install_kfp_package=False)
def maps(
    maps_plan: dsl.Input[dsl.Dataset],
    shares_done: dsl.Input[List[dsl.Dataset]],  # noqa: UP006
    map_page: dsl.Output[dsl.HTML],
) -> None:
    """Blends the answers and writes the files of the maps.

    Args:
      maps_plan: What was planned.
      shares_done: What the tasks say.
      map_page: The map to look at; of several maps, a list.
    """
    from components.contracts.maps import MapShareDone, MapsPlan
    from components.maps.steps import merge_maps
    from components.progress import step_log

    with step_log("maps") as log:
        done = [MapShareDone.read(each.path) for each in shares_done]
        merge_maps(MapsPlan.read(maps_plan.path), done, map_page.path, log)

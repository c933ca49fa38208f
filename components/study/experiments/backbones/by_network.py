"""The experiment `backbones`: what each network learns, and why the original's three claims need more than this."""

from collections.abc import Sequence

from components.contracts.study import Finding, Words
from components.study.experiments.backbones.cells import cell_scores
from components.study.experiments.experiment import Bench, Result
from components.study.experiments.learning.sizes import preset_tiles

CLAIMS = ("nasnetlarge_good", "resnet50_bad", "mobilenet_bad")
_NO_WEIGHTS = Words(
    english=(
        "it is about frozen ImageNet weights and photographs of fields, and the study has drawn weights and generated "
        "tiles"
    ),
    spanish=(
        "trata de pesos de ImageNet congelados y fotografías de campos, y el estudio tiene pesos al azar y teselas "
        "generadas"
    ),
)


def run_by_network(bench: Bench) -> Sequence[Result]:
    """Returns a finding for each of three claims, all not run, and the heat maps of what ran."""
    return [
        *(Finding(claim=claim, not_run=_NO_WEIGHTS) for claim in CLAIMS),
        *cell_scores(bench, preset_tiles(bench.preset)),
    ]

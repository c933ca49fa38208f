"""What the study's page says in each of its two languages."""

import dataclasses
from collections.abc import Mapping

from components.contracts.study import CONFIRMED, NOT_RUN, REFUTED, UNDECIDED
from components.study.verdicts.numbers import spanish_number


@dataclasses.dataclass(frozen=True, kw_only=True)
class PageWords:
    """The page's own words; those of claims and verdicts come with them.

    Attributes:
      language: Name of the language among those of `Words`.
      code: Of the language, for browsers.
      verdicts: How a verdict is called.
      many: The same as the end of "3 of 27 claims are …".
      units: How a unit of claims.yaml is called.
    """

    language: str
    code: str
    title: str
    intro: str
    counts: str
    verdicts: Mapping[str, str]
    many: Mapping[str, str]
    units: Mapping[str, str]
    name: str
    claims: str
    effect: str
    interval: str
    bound: str
    at_least: str
    at_most: str
    theirs: str
    within: str
    above: str
    below: str
    partly: str
    where: str
    their_words: str
    shown: str
    measured: str
    reason: str
    ratios: str
    ratios_caption: str
    no_ratios: str
    slower_of: str
    figures: str
    band: str
    rounds: str
    rounds_of: str
    arm: str
    median: str
    to_first: str
    again: str
    machine: str
    machine_rows: tuple[str, ...]
    none: str
    method: str
    method_text: str
    process: str
    process_rows: tuple[tuple[str, str], ...]
    to: str

    def number(self, value: float, digits: str = "") -> str:
        """Returns a number as the language writes it; without `digits`, so that it says something and is short."""
        digits = digits or _digits(value)
        return spanish_number(value, digits) if self.language == "spanish" else f"{value:{digits}}"

    def range(self, ends: tuple[float, float] | None) -> str:
        """Returns an interval, or a dash if there is none."""
        return f" {self.to} ".join(map(self.number, ends)) if ends else "–"


ENGLISH = PageWords(
    language="english",
    code="en",
    title="The study: every claim with a verdict",
    intro=(
        "Can an image classifier be trained on data that do not fit in memory, and what makes it fast? A study of 2021 "
        "made claims about formats, devices, parallel training and networks. Each is asked again here, one thing at a "
        "time, by rules that were fixed before anything was measured."
    ),
    counts="Of {total} claims, {parts}.",
    verdicts={CONFIRMED: "confirmed", REFUTED: "refuted", UNDECIDED: "undecided", NOT_RUN: "not run here"},
    many={
        CONFIRMED: "{count} confirmed",
        REFUTED: "{count} refuted",
        UNDECIDED: "{count} undecided",
        NOT_RUN: "{count} not run here",
    },
    units={"times": "times", "share": "share", "accuracy": "accuracy", "macro F1": "macro F1", "USD": "USD"},
    name="name",
    claims="The claims",
    effect="effect",
    interval="its interval",
    bound="what matters",
    at_least="at least",
    at_most="at most",
    theirs="their figure",
    within="within our interval",
    above="above our interval",
    below="below our interval",
    partly="partly within our interval",
    where="where it is said",
    their_words="their figures",
    shown="what their notebooks show",
    measured="what is measured",
    reason="why",
    ratios="Ratios of times, beside A/A",
    ratios_caption=(
        "Median of the rounds' ratios with its interval (dark), an arm against itself in the same rounds (grey, A/A), "
        "and the smallest ratio that matters (dotted). A ratio that A/A shows as well is no effect."
    ),
    no_ratios="No ratio of times was measured here.",
    slower_of="ratio of times",
    figures="What else was measured",
    band="The band is what was measured or simulated at least and at most",
    rounds="The rounds",
    rounds_of="{count} rounds of {planned}, in {unit}, with ratios to the first arm; the factor is {factor}",
    arm="arm",
    median="median",
    to_first="ratio",
    again="A/A",
    machine="The machine",
    machine_rows=("processor", "cores", "memory", "system", "Python", "TensorFlow", "accelerators"),
    none="none",
    method="How it was measured",
    method_text=(
        "The arms of a comparison differ in one thing; anything else that differs is refused. Each has a process of "
        "its own, stopped while others have their turn. In each round every arm has a turn, in an order that is "
        "drawn, and the first arm has two (A/A). The number of rounds was fixed before. Intervals are exact for any "
        "noise, and hold for all claims of this page at once with 95 %. A claim is confirmed if its whole interval "
        "reaches the smallest difference that matters, refuted if no part of it does, and undecided otherwise."
    ),
    process="The steps of the Team Data Science Process, and where each is here",
    process_rows=(
        (
            "business understanding: the question",
            "can data that do not fit in memory be trained on? the claims, with what matters of each, are claims.yaml",
        ),
        (
            "data acquisition and understanding",
            "ingest, shard and merge, with the data report; in this study, generated tiles",
        ),
        ("modelling", "train and evaluate; this study of formats, memory, parallel SGD, batches and scale"),
        ("deployment", "gate and push, the registry of models, the server and its canary, retraining when data change"),
    ),
    to="to",
)

SPANISH = PageWords(
    language="spanish",
    code="es",
    title="El estudio: cada afirmación con su veredicto",
    intro=(
        "¿Se puede entrenar un clasificador de imágenes con datos que no caben en memoria, y qué lo hace rápido? Un "
        "estudio de 2021 hizo afirmaciones sobre formatos, dispositivos, entrenamiento en paralelo y redes. Aquí se "
        "pone a prueba cada una, cambiando una sola cosa a la vez, con reglas fijadas antes de medir."
    ),
    counts="De {total} afirmaciones, {parts}.",
    verdicts={
        CONFIRMED: "confirmada",
        REFUTED: "refutada",
        UNDECIDED: "sin decidir",
        NOT_RUN: "no se ejecutó aquí",
    },
    many={
        CONFIRMED: "{count} confirmadas",
        REFUTED: "{count} refutadas",
        UNDECIDED: "{count} sin decidir",
        NOT_RUN: "{count} no ejecutadas aquí",
    },
    units={"times": "veces", "share": "proporción", "accuracy": "exactitud", "macro F1": "F1 macro", "USD": "USD"},
    name="nombre",
    claims="Las afirmaciones",
    effect="efecto",
    interval="su intervalo",
    bound="lo que importa",
    at_least="al menos",
    at_most="como máximo",
    theirs="su cifra",
    within="dentro de nuestro intervalo",
    above="por encima de nuestro intervalo",
    below="por debajo de nuestro intervalo",
    partly="en parte dentro de nuestro intervalo",
    where="dónde se afirma",
    their_words="sus cifras",
    shown="qué muestran sus cuadernos",
    measured="qué se mide",
    reason="por qué",
    ratios="Cocientes de tiempos, junto a A/A",
    ratios_caption=(
        "Mediana de los cocientes de las rondas con su intervalo (oscuro), un brazo frente a sí mismo en las mismas "
        "rondas (gris, A/A) y el menor cociente que importa (punteado). Un cociente que A/A también muestra no es un "
        "efecto."
    ),
    no_ratios="Aquí no se midió ningún cociente de tiempos.",
    slower_of="cociente de tiempos",
    figures="Qué más se midió",
    band="La banda va del menor al mayor valor medido o simulado",
    rounds="Las rondas",
    rounds_of="{count} rondas de {planned}, en {unit}, con cocientes respecto al primer brazo; el factor es {factor}",
    arm="brazo",
    median="mediana",
    to_first="cociente",
    again="A/A",
    machine="La máquina",
    machine_rows=("procesador", "núcleos", "memoria", "sistema", "Python", "TensorFlow", "aceleradores"),
    none="ninguno",
    method="Cómo se midió",
    method_text=(
        "Los brazos de una comparación difieren en una sola cosa; si difieren en algo más, se rechaza. Cada uno tiene"
        " su propio proceso, detenido mientras es el turno de otro. En cada ronda todos tienen un turno, en un orden "
        "sorteado, y el primero tiene dos (A/A). El número de rondas se fijó de antemano. Los intervalos son exactos "
        "con cualquier ruido y valen para todas las afirmaciones de esta página a la vez con el 95 %. Una afirmación "
        "se confirma si todo su intervalo alcanza la menor diferencia que importa, se refuta si ninguna parte la "
        "alcanza, y en otro caso queda sin decidir."
    ),
    process="Los pasos del Team Data Science Process y dónde está cada uno",
    process_rows=(
        (
            "comprensión del negocio: la pregunta",
            "¿se puede entrenar con datos que no caben en memoria? claims.yaml tiene las afirmaciones y lo que importa",
        ),
        (
            "adquisición y comprensión de los datos",
            "ingest, shard y merge, con el informe de datos; en este estudio, imágenes generadas",
        ),
        ("modelado", "train y evaluate; este estudio de formatos, memoria, SGD paralelo, lotes y escala"),
        (
            "despliegue",
            "gate y push, el registro de modelos, el servidor y su canary; reentrenar si cambian los datos",
        ),
    ),
    to="a",
)


def _digits(value: float) -> str:
    """Returns how a number is written so that it says something and is no longer than a cell."""
    if value == 0:
        return ".0f"
    return ",.0f" if abs(value) >= 1000 else ".0e" if abs(value) < 0.001 else ".3f"

"""Names of arms, lines, rows and columns in Spanish; results have them in English, as what experiments call them."""

import re
from collections.abc import Mapping

_NUMBER = re.compile(r"\d+(?:\.\d+)?")
# "#" stands for any number. Names of networks and of files' formats are the same in both languages.
_SPANISH: Mapping[str, str] = {
    "all epochs": "todas las épocas",
    "as they are": "sin cambios",
    "augmented": "con aumento de datos",
    "averaged of #": "promedio de #",
    "batch #": "lote de #",
    "best epoch": "mejor época",
    "bytes sent": "bytes enviados",
    "computed": "calculado",
    "counted": "contado",
    "data parallel": "paralelismo de datos",
    "delay #": "retardo #",
    "difference": "diferencia",
    "folder": "carpeta",
    "four workers": "cuatro procesos",
    "generator": "generador",
    "gradients": "gradientes",
    "hybrid": "híbrido",
    "load everything": "carga todo",
    "MB by data": "MB, por datos",
    "MB by hybrid": "MB, híbrido",
    "measured": "medido",
    "mirrored": "con MirroredStrategy",
    "multiplications in convolutions": "multiplicaciones en convoluciones",
    "no strategy": "sin estrategia",
    "noise scale": "escala de ruido",
    "one file": "un archivo",
    "one worker": "un proceso",
    "original": "como el original",
    "partitioned": "particionado",
    "raw": "sin comprimir",
    "reader": "nuestro lector",
    "records": "TFRecord",
    "rgb nir, augmentation off": "rgb nir, sin aumento de datos",
    "rgb nir, augmentation on": "rgb nir, con aumento de datos",
    "rgb, augmentation off": "rgb, sin aumento de datos",
    "rgb, augmentation on": "rgb, con aumento de datos",
    "same rate": "misma tasa",
    "scaled rate": "tasa escalada",
    "scaled rate after warm-up": "tasa escalada tras calentamiento",
    "sequential": "secuencial",
    "shards": "nuestras particiones",
    "simulated": "simulado",
    "simulated / measured": "simulado / medido",
    "single files": "archivos sueltos",
    "stored small": "guardado pequeño",
    "stored whole": "guardado entero",
    "train": "entrenamiento",
    "two workers": "dos procesos",
    "updates": "actualizaciones",
    "val": "validación",
    "weights in dense": "pesos en capas densas",
}


def shown_name(name: str, language: str) -> str:
    """Returns a name as people read it; one that has no Spanish form, such as a network's, stays as it is."""
    if (pattern := _pattern(name)) is None:
        return name
    if language != "spanish":
        return name.replace("_", " ")
    numbers = iter(_NUMBER.findall(name))
    return re.sub("#", lambda _: next(numbers), _SPANISH[pattern])


def has_spanish(name: str) -> bool:
    """Tells whether a name has a Spanish form, or is a number, which needs none."""
    return _pattern(name) is not None or _NUMBER.fullmatch(name) is not None


def _pattern(name: str) -> str | None:
    read = name.replace("_", " ")
    return next((each for each in (read, _NUMBER.sub("#", read)) if each in _SPANISH), None)

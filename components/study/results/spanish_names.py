"""Names of arms, lines, rows and columns in Spanish; results have them in English, as what experiments call them."""

import re
from collections.abc import Mapping

_NUMBER = re.compile(r"\d+(?:\.\d+)?")
# "#" stands for any number. Names of networks and of files' formats are the same in both languages.
_SPANISH: Mapping[str, str] = {
    "# or more": "# o más",
    "# workers": "# procesos",
    "advised": "aconsejado",
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
    "efficiency": "eficiencia",
    "folder": "carpeta",
    "four workers": "cuatro procesos",
    "generator": "generador",
    "gradients": "gradientes",
    "hours": "horas",
    "hybrid": "híbrido",
    "load everything": "carga todo",
    "longest": "el más largo",
    "MB by data": "MB, por datos",
    "MB by hybrid": "MB, híbrido",
    "mean": "media",
    "measured": "medido",
    "median": "mediana",
    "minutes to a checkpoint": "minutos hasta un checkpoint",
    "mirrored": "con MirroredStrategy",
    "mobilenet v# at # px": "mobilenet_v# a # px",
    "multiplications in convolutions": "multiplicaciones en convoluciones",
    "no strategy": "sin estrategia",
    "noise scale": "escala de ruido",
    "one file": "un archivo",
    "one worker": "un proceso",
    "original on a CPU from a folder": "original en CPU, carpeta",
    "original on a CPU from TFRecord": "original en CPU, TFRecord",
    "original on a P# from a folder": "original en una P#, carpeta",
    "original on a V# from TFRecord": "original en una V#, TFRecord",
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
    "scaled rate after warm-up": "tasa escalada tras calentamiento",
    "scaled rate": "tasa escalada",
    "sequential": "secuencial",
    "shards": "nuestras particiones",
    "simulated / measured": "simulado / medido",
    "simulated": "simulado",
    "single files": "archivos sueltos",
    "small at # px": "small a # px",
    "stored small": "guardado pequeño",
    "stored whole": "guardado entero",
    "tiles/s": "teselas/s",
    "train": "entrenamiento",
    "two workers": "dos procesos",
    "updates": "actualizaciones",
    "USD an hour": "USD por hora",
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

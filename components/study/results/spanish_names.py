"""Names of arms, tables, factors and units in Spanish; results have them in English, as what experiments call them."""

import re
from collections.abc import Mapping

_NUMBER = re.compile(r"\d+(?:\.\d+)?")
# "#" stands for any number. Names of networks and of files' formats are the same in both languages.
_SPANISH: Mapping[str, str] = {
    "# or more": "# o más",
    "# workers": "# procesos",
    "advised": "aconsejado",
    "all epochs": "todas las épocas",
    "as the original": "como el original",
    "as the original disk": "como el original, disco",
    "as the original peak memory": "como el original, pico de memoria",
    "as the original waiting": "como el original, espera",
    "as they are": "sin cambios",
    "augmentation": "aumento de datos",
    "augmentation test": "aumento de datos, prueba",
    "augmentation train": "aumento de datos, entrenamiento",
    "augmented": "con aumento de datos",
    "averaged of #": "promedio de #",
    "averaged time": "tiempo con promedio",
    "averaging": "promedio",
    "averaging at best rate": "promedio, con la mejor tasa",
    "batch #": "lote de #",
    "batch size at equal epochs": "tamaño de lote, mismas épocas",
    "batch size at equal updates": "tamaño de lote, mismas actualizaciones",
    "batch time": "tiempo por lote",
    "best epoch": "mejor época",
    "by tile": "por tesela",
    "bytes sent": "bytes enviados",
    "compression": "compresión",
    "compression disk": "compresión, disco",
    "computed": "calculado",
    "conversion": "conversión",
    "conversion seconds": "segundos de la conversión",
    "counted": "contado",
    "data parallel": "paralelismo de datos",
    "data size": "tamaño de los datos",
    "delay": "retardo",
    "delay #": "retardo #",
    "delay at best rate": "retardo, con la mejor tasa",
    "device": "dispositivo",
    "devices": "dispositivos",
    "difference": "diferencia",
    "efficiency": "eficiencia",
    "epochs": "épocas",
    "epochs val loss": "épocas, pérdida de validación",
    "folder": "carpeta",
    "format": "formato",
    "formats gpu": "formatos en GPU",
    "formats strategy": "formatos con estrategia",
    "four workers": "cuatro procesos",
    "generator": "generador",
    "gradients": "gradientes",
    "h, share, USD, min": "h, proporción, USD, min",
    "hours": "horas",
    "hybrid": "híbrido",
    "input": "entrada",
    "load everything": "carga todo",
    "longest": "el más largo",
    "loss": "pérdida",
    "macro F1": "F1 macro",
    "MB by data": "MB, por datos",
    "MB by hybrid": "MB, híbrido",
    "mean": "media",
    "measured": "medido",
    "median": "mediana",
    "memory curve": "curva de memoria",
    "minutes to a checkpoint": "minutos hasta un checkpoint",
    "mirrored": "con MirroredStrategy",
    "mobilenet v# at # px": "mobilenet_v# a # px",
    "multiplications in convolutions": "multiplicaciones en convoluciones",
    "no strategy": "sin estrategia",
    "noise scale": "escala de ruido",
    "num files": "número de archivos",
    "num workers": "número de procesos",
    "numbers or difference": "números o diferencia",
    "one file": "un archivo",
    "one worker": "un proceso",
    "original": "como el original",
    "original on a CPU from a folder": "original en CPU, carpeta",
    "original on a CPU from TFRecord": "original en CPU, TFRecord",
    "original on a P# from a folder": "original en una P#, carpeta",
    "original on a V# from TFRecord": "original en una V#, TFRecord",
    "partitioned": "particionado",
    "partitions": "particiones",
    "raw": "sin comprimir",
    "reader": "nuestro lector",
    "records": "TFRecord",
    "rgb nir, augmentation off": "rgb nir, sin aumento de datos",
    "rgb nir, augmentation on": "rgb nir, con aumento de datos",
    "rgb, augmentation off": "rgb, sin aumento de datos",
    "rgb, augmentation on": "rgb, con aumento de datos",
    "same pixels": "los mismos píxeles",
    "same pixels disk": "los mismos píxeles, disco",
    "same pixels peak memory": "los mismos píxeles, pico de memoria",
    "same pixels waiting": "los mismos píxeles, espera",
    "same rate": "misma tasa",
    "scale": "escala",
    "scaled rate": "tasa escalada",
    "scaled rate after warm-up": "tasa escalada tras calentamiento",
    "sequential": "secuencial",
    "shards": "nuestras particiones",
    "share": "proporción",
    "share or MB": "proporción o MB",
    "simulated": "simulado",
    "simulated / measured": "simulado / medido",
    "single files": "archivos sueltos",
    "small at # px": "small a # px",
    "stored size": "tamaño guardado",
    "stored small": "guardado pequeño",
    "stored whole": "guardado entero",
    "strategy": "estrategia",
    "tiles/s": "teselas/s",
    "tiles/s, h, USD": "teselas/s, h, USD",
    "times": "veces",
    "train": "entrenamiento",
    "two workers": "dos procesos",
    "updates": "actualizaciones",
    "USD an hour": "USD por hora",
    "val": "validación",
    "weights in dense": "pesos en capas densas",
}


def shown_name(name: str, language: str) -> str:
    """Returns a name as people read it; one that has no Spanish form, such as a network's, stays as it is."""
    is_spanish = language == "spanish"
    if (pattern := _pattern(name)) is None:
        return name.replace(".", ",") if is_spanish and _NUMBER.fullmatch(name) else name
    if not is_spanish:
        return name.replace("_", " ")
    numbers = iter(_NUMBER.findall(name))
    return re.sub("#", lambda _: next(numbers), _SPANISH[pattern])


def has_spanish(name: str) -> bool:
    """Tells whether a name has a Spanish form, or is a number, which has a comma there."""
    return _pattern(name) is not None or _NUMBER.fullmatch(name) is not None


def _pattern(name: str) -> str | None:
    read = name.replace("_", " ")
    return next((each for each in (read, _NUMBER.sub("#", read)) if each in _SPANISH), None)

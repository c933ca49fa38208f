"""Random sources by name: a good one, to which a few things were done that happen to people's folders."""

import dataclasses
import random
import re

from tile_listing import release_files, tile_name

from components.agrivision import CHALLENGE_2020, CLASS_FOLDERS, PAPER_2020, SUPERVISED_2021
from components.contracts import SourceFile, WhyIgnored
from components.ignored import LeftOut
from components.ingest.layouts import CLASSES

CLASS_NAMES = ("crop", "soil", "weed")
_FORMATS = ("tif", "gif", "npy", "bmp", "PNG", "JPEG", "txt", "json", "")
_LEFT_OUT = (WhyIgnored.LINK_TO_NOTHING, WhyIgnored.SPECIAL, WhyIgnored.HIDDEN, WhyIgnored.LITTER)
_TILE = re.compile(r"[^_]+_(\d+)-(\d+)-(\d+)-(\d+)")


@dataclasses.dataclass
class RandomSource:
    """A source: files by path, each with the reason if it is none to read."""

    layout: str
    entries: dict[str, WhyIgnored | None]

    @property
    def listing(self) -> list[SourceFile | LeftOut]:
        return [LeftOut(path, reason) if reason else SourceFile(path, 9, "1") for path, reason in self.entries.items()]

    @property
    def files(self) -> list[str]:
        return [path for path, reason in self.entries.items() if reason is None]


def random_source(seed: int) -> RandomSource:
    chance = random.Random(seed)
    layout = chance.choice((CLASS_FOLDERS, CHALLENGE_2020, SUPERVISED_2021, PAPER_2020))
    paths = _class_folders(chance) if layout == CLASS_FOLDERS else _release(layout, chance)
    source = RandomSource(layout, dict.fromkeys(paths))
    for _ in range(chance.randrange(8)):
        _harm(source, chance)
    return RandomSource(layout, dict(chance.sample(list(source.entries.items()), len(source.entries))))


def _class_folders(chance: random.Random) -> list[str]:
    splits = chance.choice([("",), ("train/", "val/", "test/"), ("Training/", "VALID/", "Testing/")])
    return [
        f"{split}{name}/{chance.choice((f'{name}{number}', tile_name(f'{name}{number // 2}', number)))}.jpg"
        for split in splits
        for name in CLASS_NAMES
        for number in range(chance.randrange(4, 9))
    ]


def _release(layout: str, chance: random.Random) -> list[str]:
    places = (
        ("data2017_miniscale",) if layout == PAPER_2020 else chance.choice((("train", "val"), ("Train", "validation")))
    )
    folder = "field_labels" if layout == PAPER_2020 else "labels"
    paths = []
    for place in places:
        names = [tile_name(f"{place[:2].upper()}{number // 2}", number) for number in range(chance.randrange(8, 16))]
        paths += release_files(layout, place, names, labelled=True)
        is_dense = chance.random() < 0.5
        for name in CLASSES[layout]:
            paths += [f"{place}/{folder}/{name}/{tile}.png" for tile in names if is_dense or chance.random() < 0.3]
    return list(dict.fromkeys(paths))


def _harm(source: RandomSource, chance: random.Random) -> None:
    path = chance.choice(list(source.entries))
    folder, _, name = path.rpartition("/")
    stem, _, suffix = name.rpartition(".")
    start = f"{folder}/" if folder else ""
    number = len(source.entries) + chance.randrange(10**6)
    match chance.randrange(7):
        case 0:
            del source.entries[path]
        case 1:
            del source.entries[path]
            source.entries[f"{start}{stem}_mask{number}.{suffix}"] = None
        case 2:
            del source.entries[path]
            source.entries[f"{start}{stem}.{chance.choice(_FORMATS)}".rstrip(".")] = None
        case 3:
            source.entries[path] = chance.choice(_LEFT_OUT[:2])
        case 4:
            where = chance.choice((start, "", "notes/", f"{start}deeper/"))
            source.entries[f"{where}new{number}.{chance.choice((*_FORMATS, 'jpg', 'png'))}".rstrip(".")] = None
        case 5:
            source.entries[f"{start}left{number}"] = chance.choice(_LEFT_OUT)
        case 6:
            source.entries[f"{start}{stem}.{chance.choice(('png', 'jpg', 'xml', 'jpg.aux.xml'))}"] = None


def labels_of(source: RandomSource) -> dict[str, int]:
    """Counts, by class, the files that give a good tile the class; by other means than ingest's."""
    counts: dict[str, int] = {}
    if source.layout == CLASS_FOLDERS:
        for path in source.files:
            match = re.fullmatch(
                r"(?i:(?:(?:train|val|test|training|valid|testing)/)?)(\w+)/[^/]+\.(?i:jpe?g|png|tiff?|webp)", path
            )
            if match and path.count("/") == max(each.count("/") for each in source.files if "/deeper/" not in each):
                counts[match[1]] = counts.get(match[1], 0) + 1
        return counts
    there = {path.rpartition(".")[0] for path in source.files if _is_read(path)}
    paper = source.layout == PAPER_2020
    images, bounds, masks, labels = (
        ("field_images", "field_bounds", "field_masks", "field_labels")
        if paper
        else ("images", "boundaries", "masks", "labels")
    )
    for path in sorted(there):
        match = re.fullmatch(rf"(\w+)/{images}/rgb/([^/]+)", path)
        if not match or not _TILE.fullmatch(match[2]):
            continue
        top, name = match.groups()
        if not {f"{top}/{images}/nir/{name}", f"{top}/{bounds}/{name}", f"{top}/{masks}/{name}"} <= there:
            continue
        unread = [
            path
            for path, reason in source.entries.items()
            if path.startswith(f"{top}/{labels}/")
            and (_is_unread(path, name) if reason is None else reason is WhyIgnored.SPECIAL and _stem(path) == name)
        ]
        if any(f"{top}/{labels}/{each.split('/')[2]}/{name}" not in there for each in unread):
            continue  # a mask that is not read makes a bad tile
        for class_name in CLASSES[source.layout]:
            if f"{top}/{labels}/{class_name}/{name}" in there:
                counts[class_name] = counts.get(class_name, 0) + 1
    return counts


def _is_read(path: str) -> bool:
    suffixes = r"jpe?g|png|tiff?|webp" if re.search(r"/(rgb|nir)/", path) else "png|tiff?"
    return re.search(rf"\.(?i:{suffixes})$", path) is not None


def _stem(path: str) -> str:
    name = path.rpartition("/")[2]
    return name.rpartition(".")[0] or name


def _is_unread(path: str, name: str) -> bool:
    return _stem(path) == name and not re.search(r"(?i)\.(png|tiff?|txt|json|xml)$", path)

"""The card of a version as Markdown: README.md beside its card.json, the page of a run, and `agrivision models show`.

All of it follows from card.json, so the page can be made again, and the two cannot say different things. Names and
texts come from the data and from whoever ran the pipeline; each is escaped where it enters the page.
"""

from collections.abc import Iterator

from components.contracts import ModelCard
from components.markdown import bullets, code
from components.registry.card.front_matter import front_matter
from components.registry.card.limits import limit_blocks, use_blocks
from components.registry.card.scores import metric_blocks
from components.registry.card.trust import trust_blocks
from components.registry.card.wording import as_interval
from components.registry.card.written import data_blocks, export_blocks, lineage_blocks, training_blocks

PAGE = "README.md"


def card_page(card: ModelCard) -> str:
    """Returns the content of README.md: front matter for the Hugging Face Hub, then the blocks."""
    return "\n\n".join([front_matter(card).rstrip("\n"), *card_blocks(card)]) + "\n"


def card_blocks(card: ModelCard) -> Iterator[str]:
    """Yields the blocks of Markdown, without front matter."""
    yield f"# Crop patterns in aerial tiles, model {code(card.version)}"
    yield _headline(card)
    yield from use_blocks(card)
    yield from limit_blocks(card)
    yield from metric_blocks(card)
    yield from trust_blocks(card)
    yield from data_blocks(card)
    yield from training_blocks(card)
    yield from _calling(card)
    yield from export_blocks(card)
    yield from lineage_blocks(card)


def _headline(card: ModelCard) -> str:
    scores = card.scores
    fields = f" of {card.lineage.num_test_fields:,} fields" if card.lineage and card.lineage.num_test_fields else ""
    takes = f"{code(card.backbone)} at {card.image_size_px} px, on {', '.join(map(code, card.bands))}"
    return (
        f"{takes}. On {card.num_test_tiles:,} test tiles{fields}: macro F1 {scores.macro_f1:.3f}"
        f"{as_interval(scores.intervals.get('macro_f1'), ' ({})')}, mAP {scores.map:.3f}"
        f"{as_interval(scores.intervals.get('map'), ' ({})')}. Ranges in brackets are 95 % intervals over fields."
    )


def _calling(card: ModelCard) -> Iterator[str]:
    if card.usage:
        yield "## How to call it"
        yield "It is a TensorFlow SavedModel. Its signatures:"
        yield bullets((name, code(text)) for name, text in sorted(card.usage.items()))

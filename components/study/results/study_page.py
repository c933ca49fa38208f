"""The study's page: English and then Spanish, one file, no script; readable from 480 pixels on."""

from collections.abc import Iterator
from pathlib import Path

from components import report
from components.contracts.study import NOT_RUN, StudyResult
from components.study.claims.claims_file import Claims
from components.study.results.forest_plot import draw_forest
from components.study.results.page_data import ArmRow, ClaimRow, StudyPage, in_language, page_data
from components.study.results.page_words import ENGLISH, SPANISH, PageWords
from components.study.results.spanish_names import shown_name
from components.study.results.study_figures import figure_blocks
from components.words import NOTHING, Number

_STYLE = (
    "section + section { border-top: 3px solid #d9e0db; margin-top: 3em; } .switch { text-align: right; } "
    ".stacked tr { column-gap: .8em; }"
)


def write_study_page(result: StudyResult, claims: Claims, path: str | Path) -> None:
    """Writes the page as one HTML file."""
    data = page_data(result, claims)
    blocks = [
        _switch(SPANISH, "Español"),
        *_section(data, ENGLISH),
        _switch(ENGLISH, "English"),
        *_section(data, SPANISH),
    ]
    report.write_page(path, ENGLISH.title, blocks, _STYLE)


def _switch(words: PageWords, name: str) -> str:
    return f'<p class="switch"><a href="#{words.code}" lang="{words.code}">{name}</a></p>'


def _section(data: StudyPage, words: PageWords) -> Iterator[str]:
    yield f'<section id="{words.code}" lang="{words.code}">'
    if words is not ENGLISH:  # the page's own heading is in English
        yield report.heading(words.title)
    parts = ", ".join(words.many[word].format(count=count) for word, count in data.counts)
    yield report.paragraph(words.intro)
    yield report.paragraph(words.counts.format(total=len(data.claims), parts=parts))
    yield report.heading(words.ratios)
    if data.ratios:
        yield report.figure(draw_forest(data.ratios, words), words.ratios_caption)
    else:
        yield report.paragraph(words.no_ratios)
    yield report.heading(words.claims)
    for row in data.claims:
        yield _claim(row, words)
    if data.result.curves or data.result.matrices:
        yield report.heading(words.figures)
        yield from figure_blocks(data.result.curves, data.result.matrices, words)
    if data.tables:
        yield report.heading(words.rounds)
    for table, rows in data.tables:
        note = words.rounds_of.format(
            count=len(table.rounds),
            planned=table.num_planned,
            unit=shown_name(table.unit, words.language),
            factor=shown_name(table.factor, words.language),
        )
        yield report.subheading(shown_name(table.name, words.language), note)
        header = (words.arm, words.median, words.to_first, words.interval)
        yield report.table(header, [_arm(row, words) for row in rows], stacked=True)
    yield report.heading(words.machine)
    yield report.table(("", ""), _machine(data, words))
    yield report.heading(words.method)
    yield report.paragraph(words.method_text)
    yield report.heading(words.process)
    yield report.table(("", ""), words.process_rows)
    yield "</section>"


def _claim(row: ClaimRow, words: PageWords) -> str:
    claim, verdict = row.claim, row.verdict
    cells = [(words.name, claim.id), (words.reason, in_language(verdict.reason, words.language))]
    if verdict.verdict != NOT_RUN:
        if verdict.estimate is not None:
            unit = words.units[claim.unit]
            cells.append((words.effect, f"{words.number(verdict.estimate)} ({unit})"))
        if verdict.interval is not None:
            cells.append((words.interval, words.range(verdict.interval)))
        if verdict.again is not None:
            cells.append((words.again, f"{words.number(verdict.again)} ({words.range(verdict.again_interval)})"))
    if claim.bound is not None:
        which = words.at_least if claim.how_judged.at_least else words.at_most
        cells.append((words.bound, f"{which} {words.number(claim.bound, 'g')}"))
    if row.place:
        figures = f" {words.to} ".join(words.number(value, "g") for value in claim.theirs)
        cells.append((words.theirs, f"{figures}: {getattr(words, row.place)}"))
    cells += [(words.measured, in_language(claim.effect, words.language))]
    if claim.figure is not None:
        cells.append((words.their_words, in_language(claim.figure, words.language)))
    cells += [
        (words.shown, in_language(claim.shown, words.language)),
        (words.where, in_language(claim.where, words.language)),
    ]
    note = words.verdicts[verdict.verdict]
    if verdict.estimate is not None:
        note += f": {words.number(verdict.estimate)}"
    if verdict.interval is not None:
        note += f" ({words.range(verdict.interval)})"
    return report.folded(in_language(claim.claim, words.language), note, [report.table(("", ""), cells)])


def _arm(row: ArmRow, words: PageWords) -> tuple[object, ...]:
    name = shown_name(row.name, words.language)
    if row.not_run is not None:
        reason = in_language(row.not_run, words.language)
        return name, (Number(words.verdicts[NOT_RUN]), reason), NOTHING, NOTHING
    numbers = (NOTHING if value is None else Number(words.number(value)) for value in (row.median, row.ratio))
    return name or words.again, *numbers, Number(words.range(row.interval))


def _machine(data: StudyPage, words: PageWords) -> list[tuple[str, str]]:
    machine = data.result.machine
    values = (
        machine.cpu,
        f"{machine.num_cores}",
        f"{words.number(machine.memory_bytes / 2**30, '.1f')} GiB",
        machine.system,
        machine.python,
        machine.tensorflow,
        ", ".join(machine.accelerators) or words.none,
    )
    return list(zip(words.machine_rows, values, strict=True))

"""The verdicts as Markdown: a table of claims for a terminal and for Kubeflow's page."""

from components.contracts.study import StudyResult
from components.markdown import code, markdown_table, plain
from components.study.claims.claims_file import Claims
from components.study.results.page_data import page_data
from components.study.results.page_words import ENGLISH


def study_in_short(result: StudyResult, claims: Claims) -> list[str]:
    """Returns how many claims got which verdict, and a row for each claim, in English."""
    data = page_data(result, claims)
    parts = ", ".join(ENGLISH.many[word].format(count=count) for word, count in data.counts)
    rows = []
    for row in data.claims:
        verdict = row.verdict
        effect = "–" if verdict.estimate is None else f"{ENGLISH.number(verdict.estimate)} {row.claim.unit}"
        rows.append(
            (
                code(verdict.claim),
                plain(ENGLISH.verdicts[verdict.verdict]),
                plain(effect),
                plain(ENGLISH.range(verdict.interval)),
            )
        )
    return [
        plain(ENGLISH.counts.format(total=len(data.claims), parts=parts)),
        markdown_table(("claim", "verdict", "effect", "interval"), rows),
    ]

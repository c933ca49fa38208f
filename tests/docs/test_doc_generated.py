"""The site's tables say all that is in the code."""

import re

import pytest
from doc_pages import PAGES, ROOT, load_generator

from components.train.settings.config import TrainConfig
from components.train.settings.node_pools import PROFILES
from components.train.settings.strategies import STRATEGIES

GENERATOR = load_generator()
BUILT = {path.name: GENERATOR.with_tables(path.read_text()) for path in PAGES}


def test_every_table_has_one_place():
    places = [name for path in PAGES for name in re.findall(r"<!-- generated: (.*) -->", path.read_text())]

    assert sorted(places) == sorted(GENERATOR.GENERATED)
    assert "<!-- generated" not in "".join(BUILT.values())


def test_a_table_that_nothing_makes_is_refused():
    with pytest.raises(ValueError, match=r"unknown table 'pools'; expected one of .*node-pools"):
        GENERATOR.with_tables("<!-- generated: pools -->\nx\n<!-- end -->")


@pytest.mark.parametrize(
    ("page", "names"),
    [
        ("parameters.md", [row.name for row in GENERATOR.parameter_rows()]),
        ("train-config.md", TrainConfig.keys()),
        ("node-pools.md", [*PROFILES, *STRATEGIES]),
        ("command.md", ["0", "1", "2", "42", "75", "130"]),
    ],
)
def test_a_page_lists_every_name(page, names):
    cells = re.split(r"[|\n]", re.sub(r"</?code>|\[|\]\([^)]*\)", "", BUILT[page]))
    listed = {name for cell in cells for name in cell.strip().split(", ")}

    assert names
    assert [name for name in names if name not in listed] == []


def test_the_command_page_has_every_command_with_every_option():
    text = BUILT["command.md"]
    parameters = {row.name for row in GENERATOR.parameter_rows()}
    for name, command in GENERATOR.commands().items():
        section = re.search(rf"^## {name}\n(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE)[1]
        takes_run = "Takes every [run parameter]" in section
        for each in command.params:
            if not (takes_run and each.name in parameters):
                assert (each.opts[0] if each.opts[0].startswith("-") else each.name.upper()) in section
                assert each.help


def test_every_parameter_and_every_key_is_explained():
    rows = [*GENERATOR.parameter_rows(), *GENERATOR.train_config_rows()]

    assert [row.name for row in rows if not row.meaning] == []


@pytest.mark.parametrize(
    ("key", "default", "choices"),
    [
        ("loss", '"cross_entropy"', ("cross_entropy", "focal")),
        ("bands", '"auto"', ("auto", "rgb", "rgb_nir", "rgb_nir_ndvi")),
        ("weights", '""', ()),  # any file
        ("augment", "true", ()),
        ("weight_decay", "0.0001", ()),
    ],
)
def test_a_key_has_its_default_as_json_and_the_names_that_it_may_be(key, default, choices):
    row = {row.name: row for row in GENERATOR.train_config_rows()}[key]

    assert (row.default, row.choices) == (default, choices)


def test_what_a_help_text_has_in_angle_brackets_is_shown_and_not_taken_for_html():
    assert "gs://&lt;bucket&gt;/&lt;folder&gt;" in BUILT["parameters.md"]


def test_every_exit_code_of_submit_is_explained():
    from pipeline.kubeflow.submit import EXIT_CODES

    table = re.findall(r"^\| ([\d, ]+) \|", (ROOT / "docs/cluster.md").read_text(), re.MULTILINE)

    assert {str(code) for code in EXIT_CODES.values()} <= {code for row in table for code in row.split(", ")}

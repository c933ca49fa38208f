"""The commands that the documents show can be typed as they are."""

import json
import re

import pytest
from doc_pages import DOCUMENTS, PAGES, README, ROOT, calls, load_generator

from components.train.settings.config import TrainConfig

MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = set(re.findall(r"^([a-z-]+):.*## ", MAKEFILE, re.MULTILINE))
VARIABLES = set(re.search(r"^OWN := (.*)$", MAKEFILE, re.MULTILINE)[1].split()) | {"BENCH", "FAULTS"}
GENERATOR = load_generator()
PARAMETERS = {row.name for row in GENERATOR.parameter_rows()}
COMMANDS = GENERATOR.commands()


def named(path):
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", DOCUMENTS, ids=named)
def test_every_make_target_exists(path):
    text = path.read_text()
    targets = set(re.findall(r"`make ([a-z][a-z-]*)", text))
    targets |= {word for words in calls(text, "make") for word in words if re.fullmatch(r"[a-z][a-z-]*", word)}

    assert sorted(targets - TARGETS) == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=named)
def test_every_setting_in_capitals_is_a_run_parameter_or_a_variable_of_make(path):
    text = path.read_text()
    given = {word.partition("=")[0] for words in calls(text, "make") for word in words if "=" in word}
    # In a sentence, those of a stage only: environment variables are written the same way.
    given |= {name for name in re.findall(r"`([A-Z][A-Z0-9_]+)(?:=[^`]*)?`", text) if is_of_a_stage(name)}

    assert sorted(name for name in given - VARIABLES if name.lower() not in PARAMETERS) == []


def is_of_a_stage(name):
    return name.startswith(("INGEST_", "SHARD_", "TRAIN_", "GATE_"))


@pytest.mark.parametrize("path", DOCUMENTS, ids=named)
def test_every_subcommand_exists_and_takes_what_it_is_given(path):
    text = path.read_text()
    for name in re.findall(r"`(?:\.venv/bin/)?agrivision ([a-z]+)", text):
        assert name in COMMANDS
    for words in calls(text, "agrivision"):
        if words == ["--help"]:
            continue
        name, *given = words
        # Refuses unknown options, values of the wrong type, and arguments that are missing or too many.
        COMMANDS[name].make_context(name, given)


@pytest.mark.parametrize("path", [README, *PAGES], ids=named)
def test_every_train_config_is_accepted(path):
    text = path.read_text()
    given = [
        word.partition("=")[2] for words in calls(text, "make") for word in words if word.startswith("TRAIN_CONFIG")
    ]
    for words in calls(text, "agrivision"):
        given += [words[place + 1] for place, word in enumerate(words) if word == "--train-config"]
    given += re.findall(r"^train_config: '(.*)'$", text, re.MULTILINE)
    # What a sentence or a table says is an object without its braces.
    given += [f"{{{pairs}}}" for pairs in re.findall(r'`("\w+": [^`]*)`', text)]

    for config in given:
        TrainConfig.from_object(json.loads(config))


def test_the_examples_are_found():
    everything = "\n".join(path.read_text() for path in [README, *PAGES])

    assert len(calls(everything, "make")) > 20
    assert {words[0] for words in calls(everything, "agrivision")} >= {"run", "submit", "predict", "rollback", "synth"}
    assert "TRAIN_CONFIG=" in everything

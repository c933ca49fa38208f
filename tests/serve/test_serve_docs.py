"""The examples of docs/serving.md do what they say."""

import json
import subprocess

import numpy as np
import pytest
from doc_pages import FENCE, ROOT

TEXT = (ROOT / "docs/serving.md").read_text()
EXAMPLES = [match["text"] for match in FENCE.finditer(TEXT) if match["language"] == "bash"]


@pytest.mark.parametrize("example", EXAMPLES, ids=["base64", "bytes"])
def test_an_example_is_answered(server, models, tmp_path, example):
    (tmp_path / "rgb.jpg").write_bytes(models.tiles[0].rgb)
    (tmp_path / "nir.jpg").write_bytes(models.tiles[0].nir)
    script = example.replace("http://127.0.0.1:8000", server.url)
    done = subprocess.run(
        ["bash", "-euc", script], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60
    )
    outputs = {each["name"]: each["data"] for each in json.loads(done.stdout)["outputs"]}

    assert models.tiles[0].valid_mask == b""
    expected = models.expected[models.first]["probabilities"][0]
    assert np.abs(np.array(outputs["probabilities"]) - expected).max() <= 1e-5
    assert outputs["class_names"] == ["water", "weed_cluster", "drydown"]

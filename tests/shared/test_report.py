import base64
import io
import re

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from components.report import figure, heading, image, page, paragraph, table


def test_text_from_the_data_cannot_become_markup():
    text = page("<b>", [heading("<i>"), paragraph("a & b"), table(["<th>"], [["<script>"]])])

    assert "<script>" not in text
    assert "&lt;script&gt;" in text
    assert "<title>&lt;b&gt;</title>" in text
    assert "a &amp; b" in text


def test_a_page_needs_nothing_from_outside():
    plot = Figure(figsize=(3, 2))
    plot.subplots().plot([0, 1], [1, 0])
    text = page("report", [figure(plot, "a line"), image(np.zeros((4, 4), np.uint8), "black")])

    links = re.findall(r'(?:src|href)="([^"]*)"', text)
    assert len(links) == 2
    assert all(link.startswith("data:image/") for link in links)


def test_pixels_are_shown_as_they_are():
    pixels = np.full((8, 8, 3), (200, 100, 50), np.uint8)

    data = re.search(r"base64,([^\"]+)", image(pixels, "orange", quality=100))[1]

    shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(data)))).astype(int)
    assert np.abs(shown - pixels).max() <= 3


def test_numbers_read_as_numbers():
    assert "<td>1,234</td><td>0.500</td>" in table(["name", "count", "share"], [["a", 1234, 0.5]])


def test_equal_figures_are_equal_bytes():
    def draw():
        plot = Figure(figsize=(3, 2))
        plot.subplots().bar(["a", "b"], [1, 2])
        return figure(plot, "bars")

    assert draw() == draw()

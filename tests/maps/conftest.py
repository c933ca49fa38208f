"""Models are run in the test's process where a test asks for it, and one is there to be asked."""

import pytest
from map_rasters import pushed_colours
from models_here import models_here

__all__ = ["models_here"]


@pytest.fixture(scope="session")
def models_uri(tmp_path_factory):
    """A models folder, with a model in production that takes four bands."""
    return pushed_colours(tmp_path_factory.mktemp("pushed"))[0]

"""Models are run in the test's process where a test asks for it."""

from models_here import models_here

__all__ = ["models_here"]

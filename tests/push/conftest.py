"""Models are run in the test's process where a test asks for it; two trainings are made once for all tests."""

from models_here import models_here
from pushing import two_trainings

__all__ = ["models_here", "two_trainings"]

"""Progress on standard error, since standard output is for the answer."""

from components.progress import StepLog, one_line
from pipeline.terminal import say


class StderrLog(StepLog):
    """A step's log, for a command that is no step."""

    def line(self, text: str) -> None:
        """See StepLog."""
        say(f"{self.step} | {one_line(text)}", error=True)

"""The console command in this process, which has imported everything, for tests that are not about the process."""

import contextlib
import io
import subprocess
import sys
from unittest import mock

from pipeline import cli


def agrivision_here(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Runs the command with its output kept, and returns what a process of its own would have come to."""
    argv = ["agrivision", *map(str, arguments)]
    output, errors = io.StringIO(), io.StringIO()
    code: object = 0
    with (
        mock.patch.object(sys, "argv", argv),
        contextlib.redirect_stdout(output),
        contextlib.redirect_stderr(errors),
    ):
        try:
            cli.main()
        except SystemExit as ended:
            code = ended.code
    return subprocess.CompletedProcess(argv, int(code or 0), output.getvalue(), errors.getvalue())

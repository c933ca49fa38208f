"""The commit of the code that runs, where that is a checkout without changes."""

import subprocess
from pathlib import Path

_ROOT = Path(__file__).parents[1]


def checked_out_commit() -> str:
    """Returns the checked-out commit of this project; empty if there are changes, or no checkout."""

    def git(*arguments: str) -> str | None:
        try:
            result = subprocess.run(["git", "-C", _ROOT, *arguments], capture_output=True, text=True, check=False)
        except OSError:  # there is no git
            return None
        return result.stdout.strip() if result.returncode == 0 else None

    # An installed package may be in an environment inside another project's checkout.
    if git("ls-files", "--error-unmatch", "pipeline/agrivision-training.yaml") is None:
        return ""
    return "" if git("status", "--porcelain", "--untracked-files=no") else git("rev-parse", "HEAD") or ""

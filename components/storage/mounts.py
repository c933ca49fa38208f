"""Tells whether a folder is a mounted bucket, which looks like a disk but keeps fewer promises.

A program's file system (FUSE) that stands for a bucket has no locks between machines, and renames a folder by copying
its files one by one. Nothing depends on this beyond a line in the log: a lock that is refused there fails by itself.
"""

import os

_MOUNTS = "/proc/self/mountinfo"
# File systems of programs that stand for a disk or for a server with locks and whole renames.
_LIKE_A_DISK = ("ceph", "fuse-overlayfs", "glusterfs", "juicefs", "lxcfs", "ntfs-3g", "unionfs-fuse", "virtiofs")


def file_system_of(folder: str, mounts: str | None = None) -> str:
    """Returns the type of the file system of a folder that may not exist yet, e.g. "ext4"; empty if unknown.

    Args:
      mounts: The system's table of mounts; None reads it.
    """
    if mounts is None:
        try:
            with open(_MOUNTS, encoding="utf-8", errors="surrogateescape") as file:
                mounts = file.read()
        except OSError:  # not Linux
            return ""
    real = os.path.realpath(folder)
    best, kind = "", ""
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        fields, described = before.split(" "), after.split(" ")
        if len(fields) < 5 or len(described) < 2:
            continue
        place = _unescaped(fields[4])
        # Of two mounts at one place, the later hides the earlier.
        if len(place) >= len(best) and (place == "/" or real == place or real.startswith(f"{place}/")):
            best, kind = place, described[0] if described[0] != "fuse" else f"fuse.{described[1]}"
    return kind


def bucket_note(name: str, folder: str, mounts: str | None = None) -> str:
    """Returns a line for the log if a local folder lies on a mounted bucket; empty if not.

    Args:
      name: The setting that names the folder, e.g. "data_root".
    """
    kind = file_system_of(folder, mounts)
    program = kind.removeprefix("fuse.")
    if program == kind or program in _LIKE_A_DISK:
        return ""
    return (
        f"{name} {folder!r} lies on a mounted bucket or the like ({kind}), which may have neither locks nor whole "
        "renames: let one run at a time use it, or give the bucket's own gs:// URI"
    )


def _unescaped(place: str) -> str:
    """Returns a mount's place, in which the table writes spaces and the like in octal."""
    for code in ("040", "011", "012", "134"):
        place = place.replace(f"\\{code}", chr(int(code, 8)))
    return place

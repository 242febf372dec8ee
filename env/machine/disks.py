"""The disk under a folder: free space, file system, and whether it is a network mount."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

# flock and rename are weaker guarantees there, and a write costs a round trip
NETWORK_FILE_SYSTEMS = frozenset(
    {
        "9p", "afpfs", "afs", "beegfs", "ceph", "cifs", "fuse.ceph", "fuse.davfs", "fuse.gcsfuse", "fuse.glusterfs",
        "fuse.juicefs", "fuse.rclone", "fuse.s3fs", "fuse.sshfs", "gfs2", "glusterfs", "gpfs", "lustre", "ncpfs", "nfs",
        "nfs4", "ocfs2", "orangefs", "panfs", "pvfs2", "smb3", "smbfs", "vboxsf", "wekafs",
    }
)  # fmt: skip
IN_MEMORY_FILE_SYSTEMS = frozenset({"tmpfs", "ramfs"})


@dataclass(frozen=True, slots=True)
class Disk:
    """``folder`` is the requested one or its nearest existing parent; ``kind`` is the file-system type or ""."""

    folder: str
    free_gb: float | None
    kind: str
    mount: str
    is_writable: bool

    @property
    def is_network(self) -> bool:
        return self.kind in NETWORK_FILE_SYSTEMS

    @property
    def is_in_memory(self) -> bool:
        """Whether what is written there is gone after a reboot."""
        return self.kind in IN_MEMORY_FILE_SYSTEMS


def disk(folder: Path, mounts_file: Path = Path("/proc/self/mounts")) -> Disk:
    """Return the facts of the disk that holds ``folder`` (or would hold it, where it does not exist yet)."""
    existing = folder.absolute()
    while not existing.is_dir() and existing != existing.parent:
        existing = existing.parent
    existing = existing.resolve()
    try:
        free_gb: float | None = round(shutil.disk_usage(existing).free / 1e9, 2)
    except OSError:
        free_gb = None
    try:
        mounts = mounts_file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        mounts = ""
    mount, kind = mount_of(existing, mounts)
    return Disk(str(existing), free_gb, kind, mount, os.access(existing, os.W_OK | os.X_OK))


def mount_of(folder: Path, mounts: str) -> tuple[str, str]:
    """Return mount point and type of the mount that holds ``folder``, by the text of /proc/self/mounts."""
    best = ("", "")
    for line in mounts.splitlines():
        words = line.split()
        if len(words) < 3:
            continue
        # the kernel writes space, tab, newline and backslash in a mount point as octal
        point = words[1].encode("ascii", "backslashreplace").decode("unicode_escape")
        # of mounts on one point the last one listed is the visible one
        if folder.is_relative_to(point) and len(point) >= len(best[0]):
            best = (point, words[2])
    return best

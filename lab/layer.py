"""The layer: folders of files merged into one, to lie over a guest's root file system."""

from __future__ import annotations

import os
import shutil
from pathlib import Path


def lay(tree: Path, layer: Path, root: Path) -> None:
    """Copy tree into layer, over what is there, for a guest whose root file system is root.

    All of it belongs to root in the guest. A folder that root has too keeps root's mode and owner: a tree
    made under a narrow umask must not close the guest's /etc. A folder whose name is a symbolic link in root
    (/lib, /var/run) goes where the link points: as a folder it would hide all that is behind the link.
    """
    for folder, folders, files in os.walk(tree):
        inside = real(Path(folder).relative_to(tree), root)
        add_folder(inside, layer, root, Path(folder))
        for name in files + [name for name in folders if Path(folder, name).is_symlink()]:
            add_file(Path(folder, name), layer / inside / name)


def add_folder(inside: Path, layer: Path, root: Path, source: Path) -> None:
    """Make layer/inside with mode and owner of root/inside, or with source's mode when root has none."""
    for part in (*reversed(inside.parents), inside):
        (layer / part).mkdir(exist_ok=True)
        like = (root / part) if (root / part).is_dir() else source
        status = like.stat()
        os.chown(layer / part, *((status.st_uid, status.st_gid) if like != source else (0, 0)))
        (layer / part).chmod(status.st_mode & 0o7777)


def add_file(source: Path, target: Path) -> None:
    """Copy a file or a symbolic link (as a link), with its mode, in place of what target was."""
    target.unlink(missing_ok=True)
    shutil.copy2(source, target, follow_symlinks=False)
    os.chown(target, 0, 0, follow_symlinks=False)
    if target.name == "chap-secrets":  # git keeps no such mode, and pppd warns of any other
        target.chmod(0o600)


def real(inside: Path, root: Path) -> Path:
    """The path, relative to root, with every symbolic link that root has in it followed."""
    place = Path()
    for part in inside.parts:
        place /= part
        if (root / place).is_symlink():
            goal = os.path.normpath(Path("/", place.parent, os.readlink(root / place)))
            place = real(Path(goal).relative_to("/"), root)
    return place

"""The cached root file system of a suite, a plain directory that guests boot from and never write to."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cache
import kernel
import mirror

PACKAGES = (
    "systemd",
    "systemd-sysv",
    "dbus",
    "ppp",
    "pptp-linux",
    "pptpd",
    "iproute2",
    "iputils-ping",
    "kmod",
    "procps",
    "polkitd",
    "python3-gi",
    "python3-jeepney",
    "python3-pydbus",
    "python3-pyroute2",
    "python3-yaml",
    "python3-sdnotify",
    "python3-pytest",
    "python3-hypothesis",
    "busybox",
    "curl",
    "tcpdump",
    "make",
    "network-manager",
    "network-manager-pptp",
    "nftables",
    "udev",
    "systemd-resolved",
    "dnsmasq-base",
    "apt-utils",
    "bash-completion",
    "zsh",
    "fish",
    "iperf3",
    "openssh-server",
    "ansible-core",
    "python3-apt",
    "systemd-journal-remote",
    "python3-prometheus-client",
    "prometheus-node-exporter",
)
# Packages that conflict with one of those: their files are in /lab/unpacked/NAME, for a test to put in place.
UNPACKED = ("openresolv", "resolvconf")
# What pptp-manager's package depends on, and what that does: in /lab/archive, for apt to install from.
ARCHIVED = (
    *("python3-gi", "python3-jeepney", "python3-pydbus", "python3-pyroute2", "python3-yaml"),
    *("python3-sdnotify", "gir1.2-glib-2.0", "ppp", "pptp-linux", "polkitd", "nftables"),
)
# Hooks of mmdebstrap's; $1 is the root.
ARCHIVE = f"""
    mkdir -p "$1/lab/archive" && cd "$1/lab/archive" || exit
    export APT_CONFIG="$MMDEBSTRAP_APT_CONFIG"
    apt-get -qq download $(apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks \
        --no-replaces --no-enhances {" ".join(ARCHIVED)} | grep "^[a-z0-9]" | sort -u |
        xargs apt-cache show --no-all-versions 2>/dev/null | sed -n "s/^Package: //p" | sort -u) || exit
    chroot "$1" sh -c "cd /lab/archive && apt-ftparchive packages . >Packages" """
UNPACK = f"""
    mkdir -p "$1/lab/unpacked" && cd "$1/lab/unpacked" || exit
    for package in {" ".join(UNPACKED)}; do
        APT_CONFIG="$MMDEBSTRAP_APT_CONFIG" apt-get -qq download "$package" &&
        dpkg-deb -x "$package"_*.deb "$package" && rm "$package"_*.deb || exit
    done"""
# Units that cost boot time, or that would run where no lab wants them; a test that wants one unmasks it.
MASKED_UNITS = (
    "pptpd.service",
    "getty.target",
    "getty@.service",
    "serial-getty@.service",
    "console-getty.service",
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "e2scrub_reap.service",
    "fstrim.timer",
    "man-db.timer",
    "systemd-tmpfiles-clean.timer",
    "systemd-logind.service",
    "systemd-update-utmp.service",
    "systemd-update-utmp-runlevel.service",
    "systemd-random-seed.service",
    "systemd-pcrphase.service",
    "systemd-pcrphase-sysinit.service",
    "systemd-timesyncd.service",
    "systemd-remount-fs.service",
    "systemd-ask-password-console.path",
    "systemd-ask-password-wall.path",
    "systemd-binfmt.service",
    "proc-sys-fs-binfmt_misc.automount",
    "dev-hugepages.mount",
    "dev-mqueue.mount",
    "sys-kernel-debug.mount",
    "sys-kernel-tracing.mount",
    "sys-fs-fuse-connections.mount",
    "modprobe@configfs.service",
    "modprobe@drm.service",
    "modprobe@efi_pstore.service",
    "modprobe@fuse.service",
    "modprobe@dm_mod.service",
    "modprobe@loop.service",
    "sys-kernel-config.mount",
    "systemd-journal-flush.service",
    "systemd-journal-catalog-update.service",
    "ldconfig.service",
    "systemd-user-sessions.service",
    "systemd-pstore.service",
    "systemd-repart.service",
    "systemd-hwdb-update.service",
    "NetworkManager.service",
    "NetworkManager-dispatcher.service",
    "NetworkManager-wait-online.service",
    "systemd-udevd.service",
    "systemd-udevd-control.socket",
    "systemd-udevd-kernel.socket",
    "systemd-udev-trigger.service",
    "systemd-udev-load-credentials.service",
    "systemd-resolved.service",
    "ssh.service",
    "ssh.socket",
    "prometheus-node-exporter.service",
)
INIT = Path(__file__).parent / "init"
MACHINE_ID = "6c61620070707470206c616220677565"


def key(suite: str, kernel_version: str) -> str:
    """Changes with all that the suite's root file system is made of, except the archive's own updates."""
    digest = hashlib.sha256()
    for part in (suite, *PACKAGES, kernel_version):
        digest.update(part.encode() + b"\0")
    for file in (Path(__file__), INIT):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


@contextmanager
def used(suite: str) -> Iterator[Path]:
    """The root file system, built if absent; it is not removed by anybody as long as the context lasts."""
    root = ensure(suite)
    with cache.used(root):
        yield root


def ensure(suite: str) -> Path:
    """The suite's root file system, built now if the cache has none of this key."""
    modules = kernel.ensure().modules
    return cache.ensure(suite, key(suite, modules.name), lambda root: build(suite, root, modules))


def build(suite: str, root: Path, modules: Path) -> None:
    """A minimal Debian with PACKAGES in the folder root, which does not exist yet; modules: the kernel's."""
    mirror.bootstrap(
        suite,
        root,
        "--variant=minbase",
        f"--include={','.join(PACKAGES)}",
        f"--customize-hook={UNPACK}",
        f"--customize-hook={ARCHIVE}",
    )
    shutil.copytree(modules, root / "lib/modules" / modules.name, symlinks=True)
    subprocess.run(["chroot", root, "depmod", "--all", modules.name], check=True)
    configure(root)


def configure(root: Path) -> None:
    """What makes a boot quick and the same each time, and the lab's own folders."""
    units = root / "etc/systemd/system"
    for unit in MASKED_UNITS:
        (units / unit).unlink(missing_ok=True)
        (units / unit).symlink_to("/dev/null")
    # Each generator is a fork+exec at boot and at every daemon-reload, and none has anything to find here.
    generators = root / "etc/systemd/system-generators"
    generators.mkdir(exist_ok=True)
    for generator in (root / "usr/lib/systemd/system-generators").iterdir():
        (generators / generator.name).symlink_to("/dev/null")
    # With an id that is there before the boot, systemd does not take this for a first boot (presets, setup).
    (root / "etc/machine-id").write_text(f"{MACHINE_ID}\n")
    (root / "etc/hostname").write_text("lab\n")
    (root / "etc/fstab").write_text("")
    # systemd-resolved's package puts a link to its own there; a test that runs it does so, too.
    (root / "etc/resolv.conf").unlink(missing_ok=True)
    shutil.copyfile("/etc/resolv.conf", root / "etc/resolv.conf")
    for folder in ("run", "out", "src", "old"):
        (root / "lab" / folder).mkdir(parents=True)
    shutil.copy(INIT, root / "lab/init")
    (root / "lab/init").chmod(0o755)

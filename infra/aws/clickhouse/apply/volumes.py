"""The node's volumes: found by their id, formatted only if blank, grown when they have grown, mounted at every boot."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from .files import Files
from .run import Failed, run, say

BY_ID = "/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_{serial}"
DEVICE_SECONDS = 180
OPTIONS = "defaults,noatime,nofail,x-systemd.device-timeout=180s"


def device(files: Files, volume_id: str, seconds: float = DEVICE_SECONDS) -> str:
    """The device of an EBS volume: NVMe names change over boots, its serial number is the volume's id."""
    path = files.at(BY_ID.format(serial=volume_id.replace("-", "")))
    deadline = time.monotonic() + seconds
    while not path.exists():
        if time.monotonic() > deadline:
            raise Failed(f"volume {volume_id} is not attached: {path} is missing after {seconds:g} s")
        time.sleep(0.5)
    return str(path)


def mount(files: Files, volumes: Sequence[Mapping[str, str]]) -> None:
    """Every volume at its place, by its file system's UUID."""
    lines = []
    for volume in volumes:
        where, path = volume["mount"], device(files, volume["id"])
        kind = _file_system(path)
        if not kind:
            run(["mkfs.xfs", "-q", path])
            say(f"{volume['id']}: blank, formatted for {where}")
        elif kind != "xfs":
            raise Failed(
                f"volume {volume['id']} holds {kind}, not xfs: it is not one of this node's; nothing was touched"
            )
        uuid = run(["blkid", "-s", "UUID", "-o", "value", path]).strip()
        lines.append(f"UUID={uuid} {where} xfs {OPTIONS} 0 2 # agent-telemetry")
        files.at(where).mkdir(parents=True, exist_ok=True)
    if _write_fstab(files, lines):
        run(["systemctl", "daemon-reload"])
    for volume in volumes:
        where = volume["mount"]
        if not _mounted(files, where):
            run(["mount", where])
        run(["xfs_growfs", where])


def _file_system(path: str) -> str:
    # Asked past blkid's cache; it ends with 2 when there is nothing.
    found = run(["sh", "-c", 'blkid -p -s TYPE -o value "$1" || test $? = 2', "sh", path])
    return found.strip()


def _mounted(files: Files, where: str) -> bool:
    return any(line.split()[1] == where for line in files.at("/proc/mounts").read_text().splitlines())


def _write_fstab(files: Files, lines: Sequence[str]) -> bool:
    path = files.at("/etc/fstab")
    before = path.read_text().splitlines() if path.exists() else []
    kept = [line for line in before if not line.endswith("# agent-telemetry")]
    if before == [*kept, *lines]:
        return False
    new = Path(f"{path}.new")
    new.write_text("\n".join([*kept, *lines]) + "\n")
    new.replace(path)
    return True

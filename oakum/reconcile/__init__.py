"""A host that keeps itself to its policy: from a source that must verify, by a timer, on record.

Here is where everything of it lies on the host, and how files are written so that none is ever
half there.
"""

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Places:
    """The paths of one host, below ``root``; ``owner`` is the user id that is trusted there."""

    root: Path = Path("/")
    owner: int = 0

    @property
    def config(self) -> Path:
        return self.root / "etc/oakum/reconcile.yml"

    @property
    def signers(self) -> Path:
        return self.root / "etc/oakum/reconcile.signers"

    @property
    def state(self) -> Path:
        """Where oakum lives on a host; 0700."""
        return self.root / "var/lib/oakum"

    @property
    def folder(self) -> Path:
        """Records, lock and private copies; 0700."""
        return self.state / "reconcile"

    @property
    def mark(self) -> Path:
        """Stands there while the host reconciles itself: ``oakum.facts.RECONCILES``."""
        return self.state / "reconciles"

    @property
    def service(self) -> Path:
        return self.root / "etc/systemd/system/oakum-reconcile.service"

    @property
    def timer(self) -> Path:
        return self.root / "etc/systemd/system/oakum-reconcile.timer"

    @property
    def systemd(self) -> Path:
        """A folder that is there where systemd is the init that runs, sd_booted(3)."""
        return self.root / "run/systemd/system"

    def textfile(self, wanted: str | None) -> Path:
        """Where the metrics go: as wanted, else where Debian's node_exporter looks, else beside
        the records."""
        if wanted:
            return Path(wanted)
        usual = self.root / "var/lib/prometheus/node-exporter"
        return (usual if usual.is_dir() else self.state) / "oakum.prom"


def prepare(places: Places) -> None:
    """Make the private folders; raises OSError."""
    for folder in (places.state, places.folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    places.folder.chmod(0o700)


TEMPORARY = ".oakum-"
"""How names begin that a run which was killed may leave behind."""


def write(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Put a file in place as a whole, or leave what is there; raises OSError."""
    number, name = tempfile.mkstemp(prefix=TEMPORARY, dir=path.parent)
    try:
        with open(number, "wb") as file:
            file.write(content)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        os.rename(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)

"""A repository laid out like Docker's, served inside a host to itself and signed by a key of ours.

Played packaging of real binaries: Debian's docker.io, containerd and runc under the names and the
version scheme of Docker's own packages. What they need of Debian's is installed beforehand.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from .hosts import LabHost

PORT = 8099
URL = f"http://127.0.0.1:{PORT}/linux/debian"
RELEASE = "20.10.24"

BUILD = r"""
set -e
exec >/dev/null
mkdir -p /srv/build /srv/mirror/linux/debian/dists/bookworm/pool/stable/amd64
cd /srv/build
apt-get update
apt-get -y --no-install-recommends install tini
for name in docker.io containerd runc; do
    set -- /var/cache/apt/archives/${name}_*.deb
    [ -e "$1" ] || { apt-get download $name; set -- ${name}_*.deb; }
    dpkg-deb -R "$1" $name
done
cd /srv/build; pool=/srv/mirror/linux/debian/dists/bookworm/pool/stable/amd64
pack() { # pack NAME VERSION FOLDER DEPENDS
    {
        printf '%s\n' "Package: $1" "Version: $2" "Depends: $4" 'Architecture: amd64' \
            'Maintainer: nobody <nobody@example.org>' 'Description: played packaging'
    } >"$3/DEBIAN/control"
    rm -f "$3/DEBIAN/md5sums"
    dpkg-deb -Znone -b "$3" "$pool/${1}_$(echo "$2" | tr -d :)_amd64.deb"
}
mkdir -p cli/usr/bin cli/DEBIAN
mv docker.io/usr/bin/docker cli/usr/bin/
cp -a runc/usr/sbin runc/usr/bin containerd/usr/ 2>/dev/null || :
pack containerd.io 1.6.20-1 containerd libc6
pack docker-ce-cli 5:20.10.24-1~debian.12~bookworm cli libc6
pack docker-ce 5:20.10.24-1~debian.12~bookworm docker.io \
    'containerd.io, docker-ce-cli, iptables, tini'
# An older release, and one whose number begins like it; never installed, so an empty one will do.
for version in 5:20.10.2-1~debian.12~bookworm 5:23.0.1-1~debian.12~bookworm; do
    for name in docker-ce docker-ce-cli; do
        mkdir -p none/DEBIAN
        pack $name $version none libc6
    done
done
rm -rf /srv/build
"""

INDEX = r"""
set -e
cd /srv/mirror/linux/debian
mkdir -p dists/bookworm/stable/binary-amd64
for deb in dists/bookworm/pool/stable/amd64/*.deb; do
    dpkg-deb -f "$deb"
    printf '%s\n' "Filename: $deb" "Size: $(stat -c %s "$deb")" \
        "SHA256: $(sha256sum <"$deb" | cut -d' ' -f1)" ''
done >dists/bookworm/stable/binary-amd64/Packages
cd dists/bookworm
packages=stable/binary-amd64/Packages
cat >Release <<X
Origin: Docker
Label: Docker CE
Suite: bookworm
Codename: bookworm
Date: $(date -u '+%a, %d %b %Y %H:%M:%S UTC')
Architectures: amd64
Components: stable
SHA256:
 $(sha256sum <$packages | cut -d' ' -f1) $(stat -c %s $packages) $packages
X
cat Release
"""

SERVE = f"""
systemctl stop mirror.service 2>/dev/null
systemd-run -q --unit=mirror busybox httpd -f -p 127.0.0.1:{PORT} -h /srv/mirror
for _ in $(seq 100); do
    busybox wget -q -O /dev/null {URL}/dists/bookworm/Release && exit 0
    sleep 0.1
done
exit 1
"""


class Key:
    """A key that signs, in a keyring of its own."""

    def __init__(self, folder: Path, name: str) -> None:
        self.home = folder / name
        self.home.mkdir(mode=0o700)
        self._gpg("--quick-gen-key", f"{name} <{name}@example.org>", "rsa2048", "sign", "never")
        rows = self._gpg("--with-colons", "--list-keys").splitlines()
        self.fingerprint = next(row.split(":")[9] for row in rows if row.startswith("fpr:"))
        self.armored = self._gpg("--armor", "--export")

    def signed(self, text: str) -> str:
        return self._gpg("--armor", "--clearsign", stdin=text)

    def _gpg(self, *words: str, stdin: str = "") -> str:
        command = ["gpg", "--homedir", str(self.home), "--batch", "--pinentry-mode", "loopback"]
        return subprocess.run(
            [*command, "--passphrase", "", *words],
            input=stdin,
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        ).stdout

    def close(self) -> None:
        """End the agent that gpg has started for it."""
        subprocess.run(
            ["gpgconf", "--homedir", str(self.home), "--kill", "all"], check=False, timeout=20
        )


class Mirror:
    """The repository in a host."""

    def __init__(self, host: LabHost) -> None:
        self.host = host
        self.dists = "/srv/mirror/linux/debian/dists/bookworm"
        host.run(BUILD, timeout=300)

    def sign(self, key: Key) -> None:
        """Index it anew, signed by this key, and serve it."""
        self.host.write(f"{self.dists}/InRelease", key.signed(self.host.run(INDEX).stdout))
        self.host.run(SERVE)

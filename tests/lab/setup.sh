#!/bin/sh
# Installs what the lab needs on this machine (Debian or a relative, as root). Safe to run again.
set -eu

[ "$(id -u)" -eq 0 ] || { echo "tests/lab/setup.sh: run me as root" >&2; exit 1; }

needed='debootstrap debian-archive-keyring openssh-client openssh-server iproute2 iptables gnupg'
# Any engine will do, and the machine may have one from elsewhere.
command -v dockerd >/dev/null && command -v docker >/dev/null || needed="$needed docker.io"

missing=
for package in $needed; do
    dpkg-query -W -f '${Status}\n' "$package" 2>/dev/null | grep -q ' installed$' ||
        missing="$missing $package"
done
[ -n "$missing" ] || exit 0

# The lab starts an engine and sshds of its own; no packaged service must come up because of us.
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
    printf '#!/bin/sh\nexit 101\n' >$policy
    chmod 755 $policy
    trap 'rm -f $policy' EXIT
    trap 'exit 1' HUP INT TERM
fi

export DEBIAN_FRONTEND=noninteractive
apt-get update
# shellcheck disable=SC2086  # a list of words
apt-get install -y --no-install-recommends $missing

# Nor at the next boot.
case $missing in
    *docker.io*)
        ! command -v systemctl >/dev/null ||
            systemctl --quiet disable docker.service docker.socket containerd.service
        ;;
esac
case $missing in
    *openssh-server*)
        ! command -v systemctl >/dev/null || systemctl --quiet disable ssh.service
        ;;
esac

#!/bin/sh
# Builds the root filesystem of the lab's hosts and hands it to the lab's engine as two images,
# $REPOSITORY/bare:$TAG and, the same with Docker installed, $REPOSITORY/docker:$TAG.
#
# Environment: DOCKER_HOST (the lab's engine), REPOSITORY, TAG, SUITE, MIRROR (for debootstrap),
# SOURCES (the text of the hosts' sources.list), PROXY (apt.conf lines, may be empty),
# WORK (a directory that this script creates, and removes at the end).
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$WORK/root
export DEBIAN_FRONTEND=noninteractive LC_ALL=C

# systemd, sshd and what an ordinary minimal server has; busybox is for containers without a registry.
packages=systemd,systemd-sysv,dbus,openssh-server,sudo,iproute2,iptables,procps,ca-certificates
packages=$packages,busybox-static

# Nothing to do in a lab host; without them it is up in half the time.
needless='
    apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer
    systemd-tmpfiles-clean.timer e2scrub_reap.service systemd-pstore.service
    getty.target console-getty.service getty-static.service systemd-logind.service
    systemd-ask-password-wall.path systemd-ask-password-console.path
    systemd-firstboot.service systemd-sysusers.service systemd-machine-id-commit.service
    systemd-update-utmp.service systemd-update-utmp-runlevel.service systemd-random-seed.service
    systemd-journal-flush.service systemd-repart.service systemd-binfmt.service
    proc-sys-fs-binfmt_misc.automount sys-fs-fuse-connections.mount sys-kernel-config.mount
    sys-kernel-debug.mount sys-kernel-tracing.mount dev-hugepages.mount'

in_root() {
    chroot "$root" "$@"
}

import() {
    in_root apt-get clean
    rm -rf "$root/var/lib/apt/lists" "$root/var/cache/apt" "$root/var/log/apt" "$root/tmp"
    mkdir -p "$root/var/lib/apt/lists/partial" "$root/var/cache/apt/archives/partial"
    mkdir "$root/tmp" && chmod 1777 "$root/tmp"
    # A running host starts what it installs, like any other.
    rm -f "$root/usr/sbin/policy-rc.d"
    tar -C "$root" --exclude='./dev/*' -c . |
        docker import -c 'ENV GOGC=400' -c 'CMD ["/usr/local/sbin/lab-init"]' - "$REPOSITORY/$1:$TAG"
}

keep_services_down() {
    printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
    chmod 755 "$root/usr/sbin/policy-rc.d"
}

trap 'rm -rf "$WORK"' EXIT
trap 'exit 1' HUP INT TERM
mkdir -p "$root"

debootstrap --variant=minbase --include="$packages" "$SUITE" "$root" "$MIRROR"

rm -rf "$root"/usr/share/doc/* "$root"/usr/share/locale/* "$root"/usr/share/man/*
cp -R "$here/rootfs/." "$root/"
chmod 440 "$root/etc/sudoers.d/lab"
printf '%s\n' "$SOURCES" >"$root/etc/apt/sources.list"
printf '%s\n' "$PROXY" >"$root/etc/apt/apt.conf.d/99lab"
: >"$root/etc/machine-id"
rm -f "$root"/etc/ssh/ssh_host_*

for user in op nopass plain; do
    in_root useradd --create-home --shell /bin/bash "$user"
done
# An ampersand and a space, for whoever passes it through a shell.
echo 'op:tar&hemp 1' | in_root chpasswd

# shellcheck disable=SC2086  # a list of words
in_root env SYSTEMD_OFFLINE=1 systemctl --quiet mask $needless
in_root env SYSTEMD_OFFLINE=1 systemctl --quiet set-default multi-user.target
import bare

keep_services_down
in_root apt-get update
in_root apt-get install -y --no-install-recommends docker.io
import docker

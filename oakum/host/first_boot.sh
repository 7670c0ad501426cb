#!/bin/sh
# What a new host does at its first boot with what `oakum cloud-init` printed: gets an engine that is
# kept from starting, gives it its files, and lets it start. It stands at the end of that text, behind
# launch.sh and the functions that say what is wanted: transaction_sh, packages_sh, installation,
# hardening, architecture; and WANTED, ENGINES, VALUES, FLAGS, KNOWN.
#
# Asked again it completes what was cut off, and says so when nothing is left to do.
# Exit: 0 Docker runs hardened · 1 nothing was changed · 2 rolled back, Docker is kept from starting ·
# 3 who knows
# shellcheck disable=SC2154,SC2153,SC2034  # what stands before

HOOK=/var/lib/cloud/scripts/per-boot/oakum # calls this at every boot until it is done
DAEMON_JSON=/etc/docker/daemon.json
nl='
'

say() { printf 'oakum: %s\n' "$*"; }

stop() {
    printf 'oakum: stopped: %s\n' "$*" >&2
    exit 1
}

# hardened: whether this very plan, or a bootstrap from elsewhere, was confirmed here and not taken
# back since.
hardened() {
    [ ! -e "$STATE/held" ] && awk -v plan="$WANTED" '
        / torn$/ { next }
        $3 == "begin" && ($6 == plan || $4 == "bootstrap" && $5 != "cloud-init") { ours[$2] }
        $3 == "confirmed" && $2 in ours { done = 1 }
        $3 == "undoes" && $4 in ours { done = 0 }
        END { exit !done }' "$STATE/ledger" 2>/dev/null
}

# finish_former: what was cut off ends first, however it ends; each by its own means.
finish_former() {
    for script in "$STATE"/txn/*/transaction.sh; do
        other=${script%/*}
        [ ! -e "$script" ] || (follow "${other##*/}")
    done
}

# look: what is here, and whether it is a new host's.
look() {
    held=no
    [ ! -e "$STATE/held" ] || held=yes
    ! grep -lsx dockerd /proc/[0-9]*/comm >/dev/null ||
        stop "Docker runs here already; oakum apply hardens it"
    [ ! -e /snap/docker/current ] ||
        stop "Docker is a snap here; snap remove docker (after saving what it holds) comes first"
    client=$(command -v docker)
    case "$(readlink -f "${client:-/}") $(readlink -f /var/run/docker.sock)" in
        *podman*) podman=yes ;;
        *) podman=no ;;
    esac
    has dockerd || ! grep -qs podman "${client:-/nonexistent}" || podman=yes
    [ "$podman" = no ] ||
        stop "podman answers to Docker's name here; remove its shim, the package podman-docker"
    [ "$held" = yes ] || [ ! -d /var/lib/docker/containers ] ||
        stop "Docker ran here before, and is stopped; start it yourself, and use oakum apply"
    if [ -e $DAEMON_JSON ] || [ -L $DAEMON_JSON ]; then
        packaged || stop "there is a $DAEMON_JSON, which would be lost; remove it, or let oakum" \
            "bootstrap merge it from a control machine"
    fi
}

has() { command -v "$1" >/dev/null; }

# packaged: daemon.json came with the engine's package, and nobody has run that engine yet.
packaged() { has dockerd && has rpm && rpm -qf $DAEMON_JSON >/dev/null 2>&1; }

# find_distribution: $manager, $distribution (or other), $suite and $major, by which packages are
# chosen.
find_distribution() {
    manager=none
    for program in pacman apk zypper yum dnf apt-get; do
        ! has $program || manager=${program%-get}
    done
    # shellcheck source=/dev/null
    words=$(
        set +u
        . /etc/os-release
        printf '%s\n' "${ID:-linux} $ID_LIKE" "$UBUNTU_CODENAME" "$DEBIAN_CODENAME" "$VERSION_CODENAME" \
            "${VERSION_ID%%.*}"
    )
    line() { printf '%s\n' "$words" | sed -n "$1p" | tr -cd 'A-Za-z0-9 ._-'; }
    distribution=other
    for word in $(line 1); do
        case $word in
            ol) distribution=rhel && break ;; # by its own account a relative of fedora
            debian | ubuntu | raspbian | fedora | rhel | centos | amzn)
                distribution=$word
                break
                ;;
        esac
    done
    suite=$(line 4) major=$(line 5)
    case $distribution in
        ubuntu) own=$(line 2) ;;
        debian) own=$(line 3) ;;
        *) own= ;;
    esac
    suite=${own:-$suite}
}

# find_kind: what of this host decides about its files, in $kind.
find_kind() {
    version=$(dockerd --version 2>/dev/null | awk '{ sub(/[^0-9.].*/, "", $3); print $3; exit }')
    engine=$(printf '%s\n' "$version" | awk -v engines="$ENGINES" '
        function number(text, parts) { split(text, parts, "."); return (parts[1] * 1000 + parts[2]) * 1000 + parts[3] }
        { count = split(engines, known, " ")
          for (i = 1; i <= count; i++) if (number(known[i]) <= number($0)) found = known[i]
          print found }')
    [ -n "$engine" ] || stop "Docker ${version:-unknown} is older than the ${ENGINES%% *} of this plan"
    init=other
    if [ -d /run/systemd/system ]; then
        init=systemd-v1
        [ ! -e /sys/fs/cgroup/cgroup.controllers ] || init=systemd-v2
    fi
    selinux=none
    [ "$(cat /sys/fs/selinux/enforce 2>/dev/null)" != 1 ] || selinux=enforcing
    values=kept
    if ! in_container; then
        for value in $VALUES; do
            [ ! -w "$value" ] || [ "$(cat "$value")" != 0 ] || values='set'
        done
    fi
    find_flags
    kind=$engine:$init:$selinux:$values:$flags
}

# in_container: whether the kernel is another host's.
in_container() {
    if has systemd-detect-virt; then
        systemd-detect-virt -q -c
    else
        [ -e /.dockerenv ] || tr '\0' '\n' </proc/1/environ | grep -q '^container='
    fi
}

# find_flags: in $flags what dockerd is given as a flag and its file would say too; with both it does
# not start. Some distributions' packages do that, and there are plans for what is known of them.
find_flags() {
    words=$({
        systemctl cat docker.service
        cat /etc/sysconfig/docker /etc/default/docker /etc/conf.d/docker
    } 2>/dev/null | grep -v '^[[:space:]]*#' | tr -s "=\"' \t" '\n' | sed -n 's/^--//p')
    flags=
    for flag in $FLAGS; do
        ! printf '%s\n' "$words" | grep -qxF -e "$flag" || flags=${flags:+$flags+}$flag
    done
    flags=${flags:--}
    case " $KNOWN " in *" $flags "*) return ;; esac
    stop "dockerd gets --$flags as flags (systemctl cat docker, /etc/sysconfig/docker), and daemon.json" \
        "is to say that; take them out there and run this again, or let oakum bootstrap go on, which" \
        "leaves them alone"
}

# ranges: the calls that give the user dockremap subordinate ids which nobody has; from 28.0 on
# dockerd would take some that another user has.
ranges() {
    first=$({
        cat /etc/subuid
        echo
        cat /etc/subgid
    } 2>/dev/null | awk -F: '
        NF == 3 && !/#/ && $2 ~ /^[0-9]+$/ && $3 ~ /^[0-9]+[ \t]*$/ && $2 + $3 > most { most = $2 + $3 }
        END { if (most < 100000) most = 100000
              printf "%.0f", most + (65536 - (most - 100000) % 65536) % 65536 }')
    for file in /etc/subuid /etc/subgid; do
        ! grep -Eqs '^dockremap:[0-9]+:[0-9]+' $file || continue
        former=$(cat $file 2>/dev/null && echo .)
        former=${former%.}
        case $former in
            '' | *"$nl") ;;
            *) former=$former$nl ;;
        esac
        printf 'file %s %s any ' $file "$(stat -c '%a %u %g' $file 2>/dev/null || echo 644 0 0)"
        quoted "${former}dockremap:$first:65536$nl"
        echo
    done
}

quoted() {
    printf "'"
    printf '%s' "$1" | sed "s/'/'\\\\''/g"
    printf "'"
}

# carry_out CALLS…: a transaction of its own, whose end is waited for.
carry_out() {
    calls=$("$@" && echo '# end')
    name=$(date -u +%Y%m%dT%H%M%SZ)-$(od -An -N4 -tx1 /dev/urandom | tr -d ' \n')
    (
        begin "$name"
        {
            transaction_sh >"$dir/transaction.sh" && packages_sh >"$dir/packages.sh" &&
                printf '%s\n' "$calls" >"$dir/manifest"
        } || give_up
        start
        follow "$name"
    )
    code=$?
    [ "$code" = 0 ] || say "not done: $name (exit $code); it is tried again when this is run again"
    [ "$code" = 0 ] || exit "$code"
}

# here: the calls of the installation; what this host does not say of itself stays between two @.
here() {
    installation | sed -e "s/@suite@/${suite:-@suite@}/" -e "s/@major@/${major:-@major@}/" \
        -e "s/@architecture@/$architecture/"
}

first_boot() {
    id=-
    [ "$(id -u)" = 0 ] || stop "not root"
    sync                                    # cloud-init does not write it again after a power cut
    [ ! -d "$STATE" ] || chmod 700 "$STATE" # cloud-init made it, for this script
    hardened || finish_former
    if hardened; then
        rm -f "$HOOK"
        say "nothing to do: Docker was hardened here before its first start"
        return
    fi
    look
    if ! has dockerd || { [ "$held" = yes ] && [ ! -e "$STATE/installed" ]; }; then
        find_distribution
        architecture
        if ! here | grep -q '^engine ' || here | grep -q '@[a-z]*@'; then
            stop "no engine as oakum_engine wants it for $distribution ${suite:-$major}" \
                "($(uname -m)) with $manager"
        fi
        say "installing Docker, kept from starting"
        carry_out here
        look
    fi
    find_kind
    say "hardening Docker $version, and starting it for the first time ($kind)"
    carry_out hardening
    rm -f "$HOOK"
    say "done: Docker runs here, hardened before its first start"
}

first_boot

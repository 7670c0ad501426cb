#!/bin/sh
# What package managers do for a transaction that installs an engine: read by transaction.sh, which
# has said `manager`, `release` (or -), `hold_version` (yes or no), `names` and `install` (seconds).
# Of each name: NAME= is of that release, NAME? is taken where there is such a package.
#
# Every function leaves the reason of a failure in $heard.
# shellcheck disable=SC2154,SC2034  # what transaction.sh gives and takes
# shellcheck disable=SC2086  # lists of words

# allow: from now on, all that is done here together takes no longer than the policy says.
allow() { packages_end=$(($(centiseconds) / 100 + install)) quiet=0; }

# in_rest COMMAND…: with nobody to ask, in what is left of that time. A daemon that it starts must
# not hold our lock.
in_rest() {
    [ -n "${packages_end-}" ] || allow
    now_left=$((packages_end - $(centiseconds) / 100))
    [ "$now_left" -gt 0 ] || now_left=1
    timeout "$now_left" "$@" </dev/null 9>&-
}

quietly() {
    in_rest env DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=l ZYPP_LOCK_TIMEOUT=300 \
        "$@" >"$dir/packages.log" 2>&1
    quiet=$?
    case $quiet in
        # What GNU's and busybox' timeout end with.
        124 | 143) echo "error: took longer than $install s: $1" >>"$dir/packages.log" ;;
    esac
    return "$quiet"
}

# complaint: what a package manager said that sounds like a reason, the surest first.
complaint() {
    case $quiet in
        124 | 143)
            printable "$(tail -n 1 "$dir/packages.log")"
            return
            ;;
    esac
    for pattern in 'No space left on device' \
        '^(E:|dpkg: error|ERROR|fatal|[Ee]rror:|Problem:|No )|rror: ' '^(Err|W)[: ]'; do
        said=$(grep -aE "$pattern" "$dir/packages.log" | grep -av 'does not have a stable CLI' |
            head -n 2 | tr '\n' ' ')
        [ -z "$said" ] || break
    done
    printable "${said:-$(tail -n 1 "$dir/packages.log")}"
}

apt_get() {
    quietly apt-get -q -y -o DPkg::Lock::Timeout=300 -o Acquire::Retries=2 \
        -o Acquire::http::Timeout=20 -o Acquire::https::Timeout=20 \
        -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold \
        --no-install-recommends "$@"
}

apt_install() { apt_get --allow-change-held-packages --allow-downgrades install "$@"; }

# zypper_quietly: it ends well, too, where the machine or zypper itself had better be started again,
# or some other repository failed.
zypper_quietly() {
    quietly zypper --non-interactive "$@"
    case $? in 0 | 102 | 103 | 106) ;; *) return 1 ;; esac
}

# unlocked COMMAND…: again while another one has a lock that this one does not wait for, as a new
# machine's first upgrade may.
unlocked() {
    tries=60
    until "$@"; do
        [ "$tries" -gt 0 ] && grep -aqE \
            'Could not get lock|lock was locked|[Uu]nable to lock|is locked' "$dir/packages.log" ||
            return "$quiet"
        tries=$((tries - 1))
        sleep 5
    done
}

# madison NAME: VERSION SOURCE of all packages, and not of what one could be built from.
madison() {
    apt-cache madison "$1" | awk -F' *[|] *' '$3 !~ / Sources *$/ { split($3, from, " "); print $2, from[1] }'
}

# versions NAME: all there are, the newest first, as the package manager wants them told.
versions() {
    case $manager in
        apt) madison "$1" | cut -d' ' -f1 ;;
        dnf | yum)
            # Oldest first.
            in_rest "$manager" -q list --showduplicates "$1" | awk -v name="$1" '
                index($1, name ".") == 1 { print $2 }' | awk '{ rows[NR] = $1 }
                END { for (i = NR; i; i--) print rows[i] }'
            ;;
        zypper)
            in_rest zypper --non-interactive -q search -s -t package --match-exact "$1" |
                awk -F' *[|] *' -v name="$1" '$2 == name { print $4 }'
            ;;
    esac 2>/dev/null
}

# of_release NAME: the newest version there that is of the release.
of_release() {
    versions "$1" | awk -v want="$release" '
        { bare = $1; sub(/^[0-9]+:/, "", bare); rest = substr(bare, length(want) + 1, 1) }
        index(bare, want) == 1 && rest !~ /[0-9]/ { print $1; exit }'
}

# wanted_names: as the package manager takes them, in $wanted_list.
wanted_names() {
    wanted_list=
    for name in $names; do
        case $name in
            *'?')
                name=${name%?}
                is_available "$name" || continue
                ;;
            *=)
                name=${name%=}
                case $manager:$release in
                    *:- | pacman:*) ;;
                    # It looks for a release itself, by its parts: 20.10.2 is not 20.10.24.
                    apk:*) name="$name=~$release" ;;
                    *)
                        exact=$(of_release "$name")
                        if [ -z "$exact" ]; then
                            heard="no $name of release $release here"
                            return 1
                        fi
                        case $manager in
                            apt | zypper) name=$name=$exact ;;
                            # yum knows no epoch in that place, and dnf needs none.
                            *) name=$name-${exact#*:} ;;
                        esac
                        ;;
                esac
                ;;
        esac
        wanted_list="$wanted_list $name"
    done
}

# is_available NAME: of the families whose names have a ? at their end.
is_available() {
    case $manager in
        apt) [ -n "$(madison "$1" 2>/dev/null)" ] ;;
        dnf | yum) in_rest "$manager" -q info "$1" >/dev/null 2>&1 ;;
    esac
}

# refresh: the lists of what there is. A repository of somebody else that fails is no reason to
# stop; what is said of it is the reason when the engine is then not to be had.
refresh() {
    update_said=
    case $manager in
        apt)
            # A run that was ended left packages that are not configured yet; what they still lack
            # comes with the engine, or that says why not.
            unlocked quietly dpkg --configure -a
            unlocked apt_get update
            # apt goes on with what it has of a list that was cut off, be it of another one by now.
            if grep -aq 'GPG error' "$dir/packages.log"; then
                unlocked apt_get update
            else
                [ "$quiet" = 0 ]
            fi
            ;;
        dnf) quietly dnf -q makecache ;;
        yum) quietly yum -q makecache fast ;;
        zypper) quietly zypper --non-interactive refresh ;;
        apk) quietly apk --wait 300 update ;;
        pacman)
            # One that was killed leaves its lock; one that is at it has it open.
            pacman_lock=/var/lib/pacman/db.lck
            # shellcheck disable=SC2010 # the name of one file
            [ ! -e "$pacman_lock" ] || ls -l /proc/[0-9]*/fd 2>/dev/null | grep -q " $pacman_lock\$" ||
                rm -f "$pacman_lock"
            [ -e /var/lib/pacman/sync/core.db ] || unlocked quietly pacman -Sy --noconfirm
            ;;
    esac || update_said=$(complaint)
    # apt ends well where a list could not be had, and says so by the way.
    [ -n "$update_said" ] ||
        update_said=$(grep -aE '^[EW]: ' "$dir/packages.log" 2>/dev/null | head -n 1)
    update_said=$(printable "$update_said")
}

add_packages() { # add_packages NAME…
    case $manager in
        apt)
            unlocked apt_install "$@" && return
            # What was unpacked and lacks what it needs: apt does not see to both at once.
            grep -aq 'fix-broken' "$dir/packages.log" &&
                unlocked apt_get --no-remove --fix-broken install && unlocked apt_install "$@"
            ;;
        dnf | yum) quietly "$manager" -y install "$@" ;;
        zypper) zypper_quietly install --no-recommends "$@" ;;
        apk) quietly apk --wait 300 add "$@" ;;
        pacman) unlocked quietly pacman -S --noconfirm --needed "$@" ;;
    esac
}

# install_engine: the packages are there, and nothing that they brought has started dockerd.
install_engine() {
    allow
    refresh
    if [ "$manager" = apt ] && [ ! -e /etc/ssl/certs/ca-certificates.crt ] &&
        grep -rqs '^URIs: https' /etc/apt/sources.list.d/oakum-docker.sources; then
        add_packages ca-certificates || {
            heard="ca-certificates: $(complaint)"
            return 1
        }
        refresh
    fi
    wanted_names || {
        heard="$heard${update_said:+; $update_said}"
        return 1
    }
    add_packages $wanted_list || {
        heard="$manager: $(complaint)${update_said:+; $update_said}"
        return 1
    }
    hash -r
    if ! command -v dockerd >/dev/null || ! command -v docker >/dev/null; then
        heard="$manager installed$wanted_list, and there is no dockerd or no docker"
        return 1
    fi
    [ "$hold_version" != yes ] || hold_packages ||
        step "install its version is not held: $(complaint)"
    rm -f "$dir/packages.log"
}

bare_names() {
    for name in $names; do
        name=${name%[=?]}
        ! is_installed "$name" || printf '%s ' "$name"
    done
}

is_installed() {
    case $manager in
        apt)
            # shellcheck disable=SC2016  # dpkg-query's own variable
            case $(dpkg-query -W -f '${db:Status-Abbrev}' "$1" 2>/dev/null) in
                '' | un* | ?n* | ?c*) return 1 ;;
            esac
            ;;
        apk) apk info -e "$1" >/dev/null 2>&1 ;;
        pacman) pacman -Q "$1" >/dev/null 2>&1 ;;
        *) rpm -q "$1" >/dev/null 2>&1 ;;
    esac
}

# anything_installed: whether a package of the engine is there, be it only in part.
anything_installed() {
    for name in $names; do
        ! is_installed "${name%[=?]}" || return 0
    done
    return 1
}

# hold_packages: no upgrade of the whole machine takes a newer engine, which would restart it. What
# was held by us is noted, for the way back.
hold_packages() {
    held_names=$(bare_names)
    case $manager in
        apt) held_names=$(not_among "$(apt-mark showhold 2>/dev/null)" $held_names) ;;
    esac
    [ -n "$held_names" ] || return 0
    printf '%s\n' "$manager $held_names" >"$dir/version-held" || return
    case $manager in
        apt) quietly apt-mark hold $held_names ;;
        dnf | yum)
            quietly "$manager" versionlock add $held_names && return
            quietly "$manager" -y install 'dnf-command(versionlock)' ||
                quietly "$manager" -y install yum-plugin-versionlock
            quietly "$manager" versionlock add $held_names
            ;;
        zypper) quietly zypper --non-interactive addlock $held_names ;;
        apk) [ "$release" != - ] || # its world has the release then
            { echo "apk: set oakum_engine.release" >"$dir/packages.log" && false; } ;;
        pacman) echo "pacman: put it into IgnorePkg of pacman.conf" >"$dir/packages.log" && false ;;
    esac
}

not_among() { # not_among LIST NAME…
    listed=" $(printf '%s' "$1" | tr '\n' ' ') "
    shift
    for name; do
        case $listed in *" $name "*) ;; *) printf '%s ' "$name" ;; esac
    done
}
# end

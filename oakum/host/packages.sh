#!/bin/sh
# What package managers do for a transaction that installs an engine: read by transaction.sh, which
# has said `manager`, `release` (or -), `hold_version` (yes or no), `names` and `install` (seconds).
# Of each name: NAME= is of that release, NAME? is taken where there is such a package.
#
# Every function leaves the reason of a failure in $heard.
# shellcheck disable=SC2154,SC2034  # what transaction.sh gives and takes
# shellcheck disable=SC2086  # lists of words

# quietly COMMAND…: with nobody to ask, for as long as the policy allows. A daemon that it starts
# must not hold our lock.
quietly() {
    DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=l timeout "$install" "$@" \
        </dev/null >"$dir/packages.log" 2>&1 9>&-
}

# complaint: what a package manager said last that sounds like a reason.
complaint() {
    said=$(grep -aE '^(E|Err|W|[Ee]rror|ERROR|WARNING|fatal|dpkg|Problem|No )[: ]|rror: ' "$dir/packages.log" |
        grep -av 'apt does not have a stable CLI' | head -n 2 | tr '\n' ' ')
    printable "${said:-$(tail -n 1 "$dir/packages.log")}"
}

apt_get() {
    quietly apt-get -q -y -o DPkg::Lock::Timeout=300 -o Acquire::Retries=2 \
        -o Acquire::http::Timeout=20 -o Acquire::https::Timeout=20 \
        -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold \
        --no-install-recommends "$@"
}

# apt_version NAME: the newest version there that is of the release.
apt_version() {
    apt-cache madison "$1" 2>/dev/null | awk -F' *[|] *' -v want="$release" '
        { bare = $2; sub(/^[0-9]+:/, "", bare); rest = substr(bare, length(want) + 1, 1) }
        index(bare, want) == 1 && rest !~ /[0-9]/ { print $2; exit }'
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
                if [ "$release" != - ]; then
                    case $manager in
                        apt)
                            exact=$(apt_version "$name")
                            if [ -z "$exact" ]; then
                                heard="no $name of release $release here"
                                return 1
                            fi
                            name=$name=$exact
                            ;;
                        dnf | yum) name=$name-$release ;;
                        zypper) name=$name=$release ;;
                        apk) name="$name=~$release" ;;
                    esac
                fi
                ;;
        esac
        wanted_list="$wanted_list $name"
    done
}

is_available() {
    case $manager in
        apt) [ -n "$(apt-cache madison "$1" 2>/dev/null)" ] ;;
        dnf | yum) "$manager" -q info "$1" >/dev/null 2>&1 9>&- ;;
        zypper) zypper --non-interactive search --match-exact "$1" >/dev/null 2>&1 9>&- ;;
        apk) [ -n "$(apk search -e "$1" 2>/dev/null)" ] ;;
        pacman) pacman -Si "$1" >/dev/null 2>&1 ;;
    esac
}

# refresh: the lists of what there is. A repository of somebody else that fails is no reason to
# stop; what is said of it is the reason when the engine is then not to be had.
refresh() {
    case $manager in
        apt)
            # A run that was ended left packages that are not configured yet.
            quietly dpkg --configure -a || {
                heard="dpkg --configure -a: $(complaint)"
                return 1
            }
            apt_get update
            ;;
        zypper) quietly zypper --non-interactive refresh ;;
        apk) quietly apk update ;;
        pacman) [ -e /var/lib/pacman/sync/core.db ] || quietly pacman -Sy --noconfirm ;;
    esac
    update_said=$(grep -aE '^(E|W|Err|ERROR|WARNING|error)' "$dir/packages.log" 2>/dev/null |
        head -n 1)
}

add_packages() { # add_packages NAME…
    case $manager in
        apt) apt_get --allow-change-held-packages --allow-downgrades install "$@" ;;
        dnf | yum) quietly "$manager" -y install "$@" ;;
        zypper) quietly zypper --non-interactive install --no-recommends "$@" ;;
        apk) quietly apk add "$@" ;;
        pacman) quietly pacman -S --noconfirm --needed "$@" ;;
    esac
}

# install_engine: the packages are there, and nothing that they brought has started dockerd.
install_engine() {
    refresh || return
    if [ "$manager" = apt ] && [ ! -e /etc/ssl/certs/ca-certificates.crt ] &&
        grep -rqs '^URIs: https' /etc/apt/sources.list.d/oakum-docker.sources; then
        add_packages ca-certificates || {
            heard="ca-certificates: $(complaint)"
            return 1
        }
        refresh || return
    fi
    wanted_names || {
        heard="$heard${update_said:+; $(printable "$update_said")}"
        return 1
    }
    add_packages $wanted_list || {
        heard="$manager: $(complaint)${update_said:+ $(printable "$update_said")}"
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

# hold_packages: no upgrade of the whole machine takes a newer engine, which would restart it.
hold_packages() {
    held_names=$(bare_names)
    case $manager in
        apt) quietly apt-mark hold $held_names ;;
        dnf | yum)
            quietly "$manager" -y install 'dnf-command(versionlock)' ||
                quietly "$manager" -y install yum-plugin-versionlock
            quietly "$manager" versionlock add $held_names
            ;;
        zypper) quietly zypper --non-interactive addlock $held_names ;;
        apk) [ "$release" != - ] ;; # its world has the release then
        pacman) echo "pacman: put it into IgnorePkg of pacman.conf" >"$dir/packages.log" && false ;;
    esac
}
# end

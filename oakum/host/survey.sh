#!/bin/sh
# What a migration of this host would have to carry, read in one run that changes nothing there.
#
# oakum.migrating sends this text with one call behind it:
#   survey ARCHIVE-FOLDER TARGET-ROOT|-
#
# Prints readings between two markers, as probe.sh does:
#   root                       docker's data root, as docker tells it
#   layers                     what `docker system df` says of all images
#   images                     a line for each: tags, digests without a tag
#   volumes                    name, driver, kilobytes or -, options or -
#   containers                 name, state, privileged, userns, network and pid mode, auto-remove,
#                              whether a swarm put it there
#   networks                   name, driver, of those that are not the engine's own
#   space                      folder, device, kilobytes free: of the data root and of the archive
#   aside                      kilobytes that lie in the target root already, - where it is not there
#   tools                      what is missing here
#   migrations                 id, kind, state, switch, folder of the archive
# migration.py reads it. House rules as in probe.sh.

exec </dev/null 2>/dev/null
LC_ALL=C
PATH="$PATH:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
export LC_ALL PATH
set -f # what a host says is no pattern

state=/var/lib/oakum
most=5000 # lines of one block

client() { DOCKER_CONFIG=/nonexistent timeout 600 docker -H unix:///var/run/docker.sock "$@"; }
command -v timeout >/dev/null || timeout() { shift; "$@"; }

# block NAME: the lines of its input, as printable text.
block() {
    echo "<$1"
    tr -cd '\11\12\40-\176' | head -n $most | cut -c1-1000 | sed 's/^/|/'
    echo ">$1"
}

# value NAME TEXT
value() {
    if [ -n "$2" ]; then
        printf '=%s %s\n' "$1" "$(printf '%s' "$2" | tr -cd '\40-\176' | cut -c1-1000)"
    else
        printf '!%s the host did not say\n' "$1"
    fi
}

kilobytes() { du -sk "$1/." | cut -f1; } # of what a link points to, too
tab=$(printf '\t')

# nearest FOLDER: itself, or the parent that there is.
nearest() {
    at=$1
    while [ ! -d "$at" ] && [ -n "$at" ]; do at=${at%/*}; done
    echo "${at:-/}"
}

say_space() {
    for folder; do
        at=$(nearest "$folder")
        printf '%s\t%s\t%s\n' "$folder" "$(stat -c %d "$at")" \
            "$(df -Pk "$at" | awk 'NR == 2 { print $4 }')"
    done | block space
}

# Clients built with a Go before 1.16 take no line end within braces. One that cannot be inspected
# is a row that nobody understands, unless it has gone meanwhile.
say_volumes() {
    # shellcheck disable=SC2016  # Go templates
    form="{{.Name}}$tab{{.Driver}}$tab{{.Mountpoint}}$tab"'{{range $k, $v := .Options}}{{printf "%q=%q," $k $v}}{{end}}'
    client volume ls -q | while read -r name; do
        client volume inspect --format "$form" "$name" || ! client volume ls -q | grep -qxF -e "$name" ||
            echo "$name"
    done | while IFS=$tab read -r name driver at options; do
        size=-
        case $driver:$options in
            local:*'"type"='* | local:*'"device"='*) ;; # a quota is an option, too
            local:*) size=$(kilobytes "$at") options= ;;
        esac
        printf '%s\t%s\t%s\t%s\n' "$name" "$driver" "${size:--}" "${options:--}"
    done | block volumes
}

say_containers() {
    # shellcheck disable=SC2016  # a Go template
    form='{{.Name}},{{.State.Status}},{{.HostConfig.Privileged}},{{or .HostConfig.UsernsMode "-"}}'
    form=$form',{{or .HostConfig.NetworkMode "-"}},{{or .HostConfig.PidMode "-"}},{{.HostConfig.AutoRemove}}'
    form=$form',{{if index .Config.Labels "com.docker.swarm.task.id"}}task{{else}}-{{end}}'
    # shellcheck disable=SC2046  # one word for each
    set -- $(client ps -aq --no-trunc)
    [ $# = 0 ] || client inspect --format "$(printf '%s' "$form" | tr , '\t')" "$@" | sed 's/^\///'
}

say_migrations() {
    # shellcheck disable=SC2012  # names are ours
    ls -1 "$state/migrations" | while read -r folder; do
        at=$state/migrations/$folder
        [ -f "$at/state" ] || continue
        printf '%s\t%s\t%s\t%s\t%s\n' "$folder" "$(cat "$at/kind")" "$(cat "$at/state")" \
            "$(cat "$at/switching" || echo -)" "$(cat "$at/scratch")"
    done | block migrations
}

survey() {
    echo 'oakum-probe 1 begin'
    value root "$(client info --format '{{.DockerRootDir}}')"
    value layers "$(client system df --format '{{.Type}} {{.Size}}' | awk '$1 == "Images" { print $2 }')"
    # shellcheck disable=SC2046  # one word for each
    set -- "$1" "$2" $(client images -q --no-trunc | sort -u)
    archive=$1 target=$2
    shift 2
    { [ $# = 0 ] || client image inspect --format '{{len .RepoTags}} {{len .RepoDigests}}' "$@"; } |
        tr ' ' '\t' | block images
    say_volumes
    say_containers | block containers
    client network ls --format "{{.Name}}$tab{{.Driver}}$tab{{.Scope}}" |
        grep -vE "^(bridge|host|none)$tab" | block networks
    say_space "$(client info --format '{{.DockerRootDir}}')" "$archive"
    if [ -d "$target" ]; then value aside "$(kilobytes "$target")"; else value aside -; fi
    for tool in awk cp du find flock sha256sum sort stat tar; do
        command -v $tool >/dev/null || echo $tool
    done | block tools
    say_migrations
    echo 'oakum-probe 1 end'
    exit 0
}

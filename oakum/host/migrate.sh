#!/bin/sh
# A migration of one host: what dockerd would not see any more after a change of its data root or
# storage driver is saved, the change is made by an ordinary transaction, and it is brought back.
#
# oakum.migrating lays this, `wanted` and `switch.sh` down in /var/lib/oakum/migrations/ID/next and
# calls
#   launch ID        take up what lies there unless a process is at it; then follow it
#   follow ID        tell what it does until there is a verdict
#   run ID           carry it out from wherever it stands; detached
#   undo ID          the way back, from wherever it stands; detached
#   recover ID       a process of it is gone: containers that it stopped run again if need be
#
# The folder: `state` is how far it came (begun saved switched loaded copied done undoing undone),
# and every step before it holds. `images`, `volumes/`, `networks/` and `ran` say what was there,
# `before` is the digests of the files, `tree.NAME` of a volume, `former` where the images were,
# `switched` the transaction that made the change. The former data root is only ever read.
#
# Prints `step NAME DETAIL` as the steps are done, `refused:` or `failed:` with the reason on
# stderr, and at last `verdict WORD ID`: confirmed · refused, all is as before · rolled-back, too,
# and dockerd was restarted · unfinished, to be called again or undone · broken.
#
# Crash points (`point NAME`) are for tests, and dead but on hosts marked as the lab's.
# shellcheck disable=SC2015  # in `A && B || fail` what fails does not come back
# shellcheck disable=SC1091,SC2154  # `wanted` sets way kind scratch template value users groups
# shellcheck disable=SC2016  # templates of docker, and words for other shells
set -u
export LC_ALL=C
PATH="$PATH:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
umask 077
trap '' HUP PIPE

STATE=/var/lib/oakum
verb=$1 id=$2
dir=$STATE/migrations/$id

printable() { printf '%s' "$*" | tr '\n\t' '  ' | tr -cd '\040-\176' | cut -c1-300; }
journal() { printf '%s %s\n' "$(date +%s)" "$*" >>"$dir/journal"; }
step() { journal "step $(printable "$*")"; }
nap() { sleep 0.2 2>/dev/null || sleep 1; }
flush() { sync "$@" 2>/dev/null || sync; }
command -v timeout >/dev/null || timeout() { shift; "$@"; }

# keep NAME: its input, whole or not at all, on the disk when this returns.
keep() { cat >"$dir/$1.new" && flush "$dir/$1.new" && mv -f "$dir/$1.new" "$dir/$1"; }
reached() { printf '%s\n' "$1" | keep state || fail "cannot write $dir"; }
at() { cat "$dir/state"; }

within() {
    patience=$1
    shift
    DOCKER_CONFIG=/nonexistent timeout "$patience" docker -H unix:///var/run/docker.sock "$@" 9>&-
}
client() { within 60 "$@"; }

point() {
    case $(cat "$dir/crash" 2>/dev/null) in
        "$1:kill")
            rm -f "$dir/crash"
            kill -KILL $$
            ;;
        "$1:pause")
            rm -f "$dir/crash"
            echo "$1 $$" >/run/oakum-point.new && mv /run/oakum-point.new /run/oakum-point
            ticks=0
            while [ -e /run/oakum-point ] && [ "$ticks" -lt 600 ]; do
                nap
                ticks=$((ticks + 1))
            done
            ;;
    esac
}

# --- Beginning and following ---

launch() {
    [ "$(id -u)" = 0 ] || turn_away "not root"
    if [ -n "${OAKUM_CRASH-}" ] && [ ! -e /etc/oakum-lab-host ]; then
        turn_away "OAKUM_CRASH is for hosts of the lab"
    fi
    if is_free; then
        for name in wanted switch.sh migrate.sh; do
            [ "$(tail -n 1 "$dir/next/$name" 2>/dev/null)" = "# end" ] || turn_away "cannot write $STATE"
        done
        mv -f "$dir/next/wanted" "$dir/next/switch.sh" "$dir/next/migrate.sh" "$dir" ||
            turn_away "cannot write $STATE"
        rm -rf "$dir/next"
        rm -f "$dir/crash"
        [ -z "${OAKUM_CRASH-}" ] || printf '%s' "$OAKUM_CRASH" >"$dir/crash"
        [ ! -e "$dir/journal" ] || cat "$dir/journal" >>"$dir/journal.former"
        printf '' >"$dir/journal" || turn_away "cannot write $STATE"
        unset OAKUM_CRASH
        . "$dir/wanted"
        printf '%s\n' "$kind" | keep kind && printf '%s\n' "$scratch" | keep scratch &&
            { [ -e "$dir/state" ] || echo begun | keep state; } || turn_away "cannot write $STATE"
        detach "$way"
    else
        rm -rf "$dir/next"
        other=$(cat "$STATE/migrations/lock")
        [ "$other" = "$id" ] || {
            rmdir "$dir" 2>/dev/null
            turn_away "the migration $(printable "$other") is on its way here; wait for its end"
        }
    fi
    follow
}

turn_away() {
    printf 'refused: %s\n' "$*" >&2
    conclude refused
}

# detach VERB: as a unit of systemd, which sees when it ends; else on its own.
detach() {
    if [ -d /run/systemd/system ]; then
        timeout 60 systemd-run --quiet --collect --no-block --unit="oakum-migrate-$id-$$" \
            -p TimeoutStopSec=1800 -p "ExecStopPost=-/bin/sh $dir/migrate.sh recover $id" \
            /bin/sh "$dir/migrate.sh" "$1" "$id" 2>"$dir/start" && return
        turn_away "systemd-run: $(printable "$(tail -n 1 "$dir/start")")"
    elif command -v setsid >/dev/null; then
        setsid sh "$dir/migrate.sh" "$1" "$id" </dev/null >/dev/null 2>&1 &
    else
        (trap '' HUP && exec sh "$dir/migrate.sh" "$1" "$id") </dev/null >/dev/null 2>&1 &
    fi
}

is_free() { [ ! -e "$STATE/migrations/lock" ] || (flock -n 8) 8<"$STATE/migrations/lock"; }

follow() {
    told=0 idle=0 tries=0
    while :; do
        [ -d "$dir" ] || conclude unknown
        lines=$(sed -n "$((told + 1)),\$p" "$dir/journal" 2>/dev/null)
        while IFS=' ' read -r _ word rest; do
            [ -n "$word" ] || continue
            told=$((told + 1)) idle=0
            case $word in
                step) printf 'step %s\n' "$rest" ;;
                verdict) conclude "$rest" ;;
                *) printf '%s: %s\n' "$word" "$rest" >&2 ;;
            esac
        done <<LINES
$lines
LINES
        nap
        if is_free; then idle=$((idle + 1)); else idle=0; fi 2>/dev/null
        if [ "$idle" -ge 150 ]; then
            idle=0 tries=$((tries + 1))
            [ "$tries" -lt 3 ] || conclude unknown
            sh "$dir/migrate.sh" recover "$id"
        fi
    done
}

conclude() {
    printf 'verdict %s %s\n' "$1" "$id"
    case $1 in
        confirmed) exit 0 ;;
        refused) exit 1 ;;
        rolled-back) exit 2 ;;
        *) exit 3 ;;
    esac
}

# lock: the kernel takes it back when this process ends, however it ends. Who follows takes it for a
# moment to look, so that one try is never enough.
lock() {
    exec 9<>"$STATE/migrations/lock" || exit 1
    tries=50
    until flock -n 9; do
        tries=$((tries - 1))
        [ "$tries" -gt 0 ] || exit 1
        nap
    done
    printf '%s\n' "$id" >"$STATE/migrations/lock"
}

# ended VERDICT: the last line; who is called again begins a journal of its own.
ended() {
    journal "verdict $1"
    exit 0
}

# fail REASON: as far as it came holds. Before the change, containers run again.
fail() {
    journal "failed $(printable "$*")"
    give_back
}

give_back() {
    case $(at) in
        begun | saved)
            [ -e "$dir/archive.sha256" ] || forget_archive
            start_again || ended broken
            ended "${1-refused}"
            ;;
        *) ended unfinished ;;
    esac
}

recover() {
    ! grep -q '^[0-9]* verdict ' "$dir/journal" || exit 0
    lock
    . "$dir/wanted"
    # A transaction that runs ends by itself; only then it is known what dockerd runs under.
    [ "$(cat "$dir/switching" 2>/dev/null)" != "$transaction" ] || [ "$(at)" != saved ] || switch_outcome
    [ "$(at)" != saved ] || ! is_switched || past_the_switch
    journal "failed the migration was ended on its way; call it again, or undo it"
    give_back
}

# --- Forward ---

run() {
    lock
    . "$dir/wanted"
    case $(at) in
        undoing | undone) ended refused ;;
        done) ended confirmed ;;
    esac
    keep forward <"$dir/wanted" || fail "cannot write $dir"
    point begun
    await_docker || fail "dockerd does not answer"
    ! is_switched || past_the_switch
    case $(at) in begun | saved) prepare ;; esac
    case $(at) in switched | loaded) expected_root ;; esac
    [ "$(at)" != switched ] || load
    [ "$(at)" != loaded ] || bring
    [ "$(at)" != copied ] || finish
    ended confirmed
}

# `template` is one of docker info, `value` what it says after the change.
is_switched() { [ "$(client info --format "$template" 2>/dev/null)" = "$value" ]; }

# expected_root: engines are not of one mind about a user with several ranges.
expected_root() {
    [ -n "$users" ] || return 0
    root=$(client info --format '{{.DockerRootDir}}') || fail "dockerd does not answer"
    [ "${root##*/}" = "${target##*/}" ] ||
        fail "dockerd has its data in $root, and $target was expected; undo this"
}
await_docker() {
    ticks=0
    until client version --format '{{.Server.Version}}' >/dev/null 2>&1; do
        ticks=$((ticks + 1))
        [ "$ticks" -lt 150 ] || return 1
        nap
    done
}

# The change was made, and its end not written down.
past_the_switch() {
    case $(at) in begun) fail "it is on already, and nothing was saved" ;; saved) ;; *) return ;; esac
    [ -e "$dir/switching" ] || fail "somebody else made the change; what was saved is in $scratch"
    switched_now
}
switched_now() {
    cp "$dir/switching" "$dir/switched.new" && mv -f "$dir/switched.new" "$dir/switched" &&
        flush "$dir/switched" || fail "cannot write $dir"
    reached switched
    step switch
}

prepare() {
    enough_room
    files_now | keep before || fail "cannot write $dir"
    former=$(client info --format '{{.DockerRootDir}}/image/{{.Driver}}') && [ -d "$former" ] ||
        fail "dockerd does not say where its data is"
    printf '%s' "$former" | keep former || fail "cannot write $dir"
    [ -z "$users" ] || layers_within_range
    save
    record_volumes
    [ -z "$users" ] || within_range
    record_networks
    reached saved
    point saved
    stop_all
    point stopped
    list_images >"$dir/images.now" || fail "cannot list the images"
    cmp -s "$dir/images" "$dir/images.now" || {
        step "save again, for images came or went meanwhile"
        rm -f "$dir/archive.sha256"
        [ -z "$users" ] || layers_within_range
        save
    }
    record_volumes
    [ -z "$users" ] || within_range
    put_aside
    point switch
    switch
}

# needs: KILOBYTES FOLDER lines, from what was counted before.
enough_room() {
    [ ! -e "$dir/archive.sha256" ] || return 0
    printf '%s\n' "$needs" | while read -r kilobytes folder; do
        [ -n "$folder" ] || continue
        parent=$folder
        while [ ! -d "$parent" ]; do parent=${parent%/*}; parent=${parent:-/}; done
        free=$(df -Pk "$parent" | awk 'NR == 2 { print $4 }')
        [ "$free" -ge "$kilobytes" ] || {
            echo "$folder needs $kilobytes kB, and $free are free"
            break
        }
    done >"$dir/room"
    [ ! -s "$dir/room" ] || fail "$(cat "$dir/room")"
}

files_now() {
    for file in "$config" /etc/subuid /etc/subgid; do
        if [ -e "$file" ]; then sha256sum "$file"; else echo "absent $file"; fi
    done
}

# list_images: `ID NAME:TAG`, or `ID -` of one without a name.
list_images() {
    client images --no-trunc --format '{{.ID}} {{.Repository}}:{{.Tag}}' >"$dir/listed" || return
    sed 's/ [^ ]*<none>.*$/ -/' "$dir/listed" | sort -u | awk '
        $2 == "-" { bare[$1] = 1; next } { print; named[$1] = 1 }
        END { for (one in bare) if (!(one in named)) print one, "-" }' | sort
}

save() {
    archive=$scratch/images.tar
    if [ -e "$dir/archive.sha256" ]; then
        former=$(sed 's/^[^ ]*  //' "$dir/archive.sha256")
        # Another call may have named another folder for it.
        [ "$former" = "$archive" ] && sha256sum -c "$dir/archive.sha256" >/dev/null 2>&1 && return 0
        rm -f "$former" "$dir/archive.sha256"
        rmdir "${former%/*}" 2>/dev/null
    fi
    forget_archive
    mkdir -p "$scratch" || fail "cannot make $scratch"
    list_images >"$dir/images.new" && flush "$dir/images.new" && mv -f "$dir/images.new" "$dir/images" ||
        fail "cannot list the images"
    if [ ! -s "$dir/images" ]; then
        printf '' >"$archive" || fail "cannot write $archive"
    else
        # shellcheck disable=SC2046  # names and ids have neither blanks nor patterns
        set -- $(awk '{ print ($2 == "-" ? $1 : $2) }' "$dir/images")
        point save-begins
        tell saving size_of "$scratch"
        within 86400 save -o "$archive" "$@" >"$dir/said" 2>&1
        told
        [ -s "$archive" ] && whole_archive || {
            rm -f "$archive"
            fail "docker save: $(tail -n 1 "$dir/said")"
        }
    fi
    sha256sum "$archive" | keep archive.sha256 || fail "cannot write $dir"
    step "save $(sort -u "$dir/images" | cut -d' ' -f1 | uniq | wc -l | tr -d ' ') images, $(size_of "$archive")"
}

# tell WORD COMMAND…: a step with what the command prints, every ten seconds until `told`.
tell() {
    word=$1 began=$(date +%s)
    shift
    printf '' >"$dir/telling" || fail "cannot write $dir"
    (
        last=$began
        while [ -e "$dir/telling" ] && kill -0 $$ 2>/dev/null; do
            nap
            [ $(($(date +%s) - last)) -ge 10 ] || continue
            last=$(date +%s)
            step "$word $("$@")"
        done
    ) 9>&- &
}
told() { rm -f "$dir/telling" && wait; }
size_of() { du -sk "$1" 2>/dev/null | awk '{ printf "%.1f MB", $1 / 1000 }'; }
seconds() { echo "$(($(date +%s) - began)) s"; }

# whole_archive: it can be read to its end, and its index has each image.
whole_archive() {
    tar -tf "$archive" >/dev/null 2>&1 || return
    tar -xOf "$archive" manifest.json >"$dir/index" 2>/dev/null || return
    while read -r image _; do
        grep -q "\"Config\":\"[a-z0-9/]*${image#sha256:}" "$dir/index" || {
            echo "the archive lacks $image" >>"$dir/said"
            return 1
        }
    done <"$dir/images"
}

# record_volumes: of each local volume a file of `driver`, `label` and `opt` lines, the latter in hex.
record_volumes() {
    # Clients built with a Go before 1.16 take no line end within braces.
    form='{{println "driver" .Driver}}{{println "at" .Mountpoint}}'
    form=$form'{{range $k, $v := .Labels}}{{printf "label %x\n" (printf "%s=%s" $k $v)}}{{end}}'
    form=$form'{{range $k, $v := .Options}}{{printf "opt %x\n" (printf "%s=%s" $k $v)}}{{end}}'
    rm -rf "$dir/volumes.new"
    mkdir -p "$dir/volumes.new" && client volume ls -q >"$dir/listed" || fail "cannot list the volumes"
    while read -r name; do
        case $name in *[!A-Za-z0-9_.-]* | .* | '') fail "a volume has no name of Docker's: $name" ;; esac
        client volume inspect --format "$form" "$name" >"$dir/volumes.new/$name" ||
            fail "cannot inspect the volume $name"
        grep -qx 'driver local' "$dir/volumes.new/$name" || rm -f "$dir/volumes.new/$name"
    done <"$dir/listed"
    rm -rf "$dir/volumes"
    mv "$dir/volumes.new" "$dir/volumes" && flush || fail "cannot write $dir"
}
volumes() { names_in "$dir/volumes"; }
networks() { names_in "$dir/networks"; }
# shellcheck disable=SC2012  # names are Docker's, and were looked at
names_in() { ls -1 "$1"; }
# has_data_here: what is mounted there has a type or a device, in hex; a size is a quota.
has_data_here() { ! grep -qE '^opt (747970653d|6465766963653d)' "$dir/volumes/$1"; }
mountpoint_of() { sed -n 's/^at //p' "$dir/volumes/$1"; }

# within_range: an owner that has no number in the range could not be written down.
within_range() {
    for name in $(volumes); do
        has_data_here "$name" || continue
        odd=$(beyond "$(mountpoint_of "$name")")
        [ -z "$odd" ] || fail "a file of the volume $name belongs to $odd"
    done
}
# layers_within_range: nor does docker load take such a file in a layer.
layers_within_range() {
    graph=${former%/image/*}/${former##*/}
    for file in "$former"/layerdb/sha256/*/cache-id; do
        [ -e "$file" ] || continue
        layer=$(cat "$file")
        for folder in "$graph/$layer/diff" "$graph/dir/$layer" "$graph/diff/$layer" "$graph/subvolumes/$layer"; do
            [ -d "$folder" ] || continue
            odd=$(beyond "$folder")
            [ -z "$odd" ] || fail "a file of the image $(image_with "$layer") belongs to $odd"
        done
    done
}
# image_with LAYER: one that has it, as far as docker tells.
image_with() {
    # shellcheck disable=SC2046  # one word for each
    set -- "$1" $(client images -q --no-trunc)
    layer=$1
    shift
    client image inspect --format '{{range .RepoTags}}{{.}} {{end}}{{.ID}} {{.GraphDriver.Data}}' "$@" 2>/dev/null |
        grep -F "$layer" | cut -d ' ' -f 1 | head -n 1
}
# beyond FOLDER: an id of a file in it that the range does not have, and how to find the file.
beyond() {
    owners "$1" | awk -v users="$(ids "$users")" -v groups="$(ids "$groups")" -v folder="$1" '
        function say(what, id, all) {
            printf "%s %s, beyond the %s of the range: find %s -%sid %s", what, id, all, folder, substr(what, 1, 1), id
            exit
        }
        $1 >= users { say("user", $1, users) }
        $2 >= groups { say("group", $2, groups) }'
}
# owners FOLDER: `USER GROUP` of what is in it, by number, each pair once.
owners() { (cd "$1" && find . -exec stat -c '%u %g' {} + 2>/dev/null | sort -u); }
# ids RANGES: how many there are in `FIRST:COUNT FIRST:COUNT…`
ids() { echo "$1" | tr ' ' '\n' | awk -F: '{ all += $2 } END { print all + 0 }'; }

# record_networks: of each network that can be made anew, by its id, its name and the arguments that
# do it, in hex.
record_networks() {
    [ -n "$users" ] || return 0
    form='{{printf "name %x\n" .Name}}{{printf "a %x\n" (printf "--driver=%s" .Driver)}}'
    form=$form'{{if .Internal}}{{printf "a %x\n" "--internal"}}{{end}}'
    form=$form'{{if .Attachable}}{{printf "a %x\n" "--attachable"}}{{end}}'
    form=$form'{{if .EnableIPv6}}{{printf "a %x\n" "--ipv6"}}{{end}}'
    form=$form'{{printf "a %x\n" (printf "--ipam-driver=%s" .IPAM.Driver)}}{{range .IPAM.Config}}'
    form=$form'{{printf "a %x\n" (printf "--subnet=%s" .Subnet)}}'
    form=$form'{{printf "a %x\n" (printf "--gateway=%s" .Gateway)}}'
    form=$form'{{printf "a %x\n" (printf "--ip-range=%s" .IPRange)}}'
    form=$form'{{range $k, $v := .AuxAddress}}{{printf "a %x\n" (printf "--aux-address=%s=%s" $k $v)}}{{end}}{{end}}'
    form=$form'{{range $k, $v := .IPAM.Options}}{{printf "a %x\n" (printf "--ipam-opt=%s=%s" $k $v)}}{{end}}'
    form=$form'{{range $k, $v := .Labels}}{{printf "a %x\n" (printf "--label=%s=%s" $k $v)}}{{end}}'
    form=$form'{{range $k, $v := .Options}}{{printf "a %x\n" (printf "--opt=%s=%s" $k $v)}}{{end}}'
    rm -rf "$dir/networks.new"
    mkdir -p "$dir/networks.new"
    list_networks || fail "cannot list the networks"
    while read -r network driver scope name; do
        case $driver:$scope:$name in
            bridge:local:bridge) continue ;;
            bridge:local:* | macvlan:local:* | ipvlan:local:*) ;;
            *) continue ;;
        esac
        client network inspect --format "$form" "$network" >"$dir/networks.new/$network" ||
            fail "cannot inspect the network $name"
    done <"$dir/listed"
    rm -rf "$dir/networks"
    mv "$dir/networks.new" "$dir/networks" || fail "cannot write $dir"
}
list_networks() {
    client network ls --no-trunc --format '{{.ID}} {{.Driver}} {{.Scope}} {{.Name}}' >"$dir/listed"
}

# unhex DIGITS: with a mark behind it, for the shell takes line ends away.
unhex() {
    digits=$1
    while [ -n "$digits" ]; do
        rest=${digits#??}
        # shellcheck disable=SC2059  # three digits in octal
        printf "\\$(printf %03o "0x${digits%"$rest"}")"
        digits=$rest
    done
    printf .
}

# --- Containers ---

# stop_all: with live-restore they would live on as nobody's children.
stop_all() {
    client ps --no-trunc --format '{{.ID}} {{.Names}}' >"$dir/ran.now" || fail "cannot list the containers"
    touch "$dir/ran"
    sort -u "$dir/ran" "$dir/ran.now" | keep ran || fail "cannot write $dir"
    stop_running
    step "stop $(wc -l <"$dir/ran" | tr -d ' ') containers"
}
stop_running() {
    # shellcheck disable=SC2046  # one word for each
    set -- $(client ps -q --no-trunc)
    [ $# = 0 ] || within 3600 stop "$@" >/dev/null 2>"$dir/said" || :
    [ -z "$(client ps -q)" ] || fail "a container does not stop: $(tail -n 1 "$dir/said")"
}

# start_again: those that ran before, as far as they are there and do not run. One may need another
# to run first, so all are tried until a round starts none.
start_again() {
    [ -e "$dir/ran" ] || return 0
    await_docker || return
    left=
    while start_each; [ "$stay" != 0 ]; do
        if [ "$stay" = "$left" ]; then
            journal "failed $name does not start: $reason"
            return 1
        fi
        left=$stay
    done
    step "start $(wc -l <"$dir/ran" | tr -d ' ') containers"
    rm -f "$dir/ran"
}
# start_each: $stay is how many did not start, $name and $reason are of one of them.
start_each() {
    stay=0
    while read -r container called; do
        [ "$(client inspect --format '{{.State.Running}}' "$container" 2>/dev/null)" = false ] || continue
        within 120 start "$container" >/dev/null 2>"$dir/said" </dev/null || {
            stay=$((stay + 1)) name=$called reason=$(printable "$(tail -n 1 "$dir/said")")
        }
    done <"$dir/ran"
}

# --- The change ---

# put_aside: what an earlier remap left in the data root to be is none of ours.
put_aside() {
    [ -n "$users" ] && [ -d "$target" ] && [ ! -e "$dir/switching" ] || return 0
    mv "$target" "$target.aside-$id" || fail "cannot put $target aside"
    step "aside $target is $target.aside-$id now"
}

switch() {
    printf '%s\n' "$transaction" | keep switching || fail "cannot write $dir"
    switch_outcome
    case $outcome in
        confirmed) switched_now ;;
        refused | rolled-back) give_back "$outcome" ;;
        *)
            is_switched || start_again
            ended broken
            ;;
    esac
    point switched
    forget_bridges
}

# switch_outcome: the transaction is begun, or followed where it was begun already.
switch_outcome() {
    sh "$dir/switch.sh" >"$dir/switch.out" 2>"$dir/switch.err" 9>&-
    outcome=$(sed -n 's/^verdict \([a-z-]*\) .*/\1/p' "$dir/switch.out" | tail -n 1)
    [ "$outcome" = confirmed ] || while IFS= read -r line; do
        journal "failed $(printable "${line#*: }")"
    done <"$dir/switch.err"
}

# forget_bridges: those of networks that dockerd does not know any more keep its addresses.
forget_bridges() {
    [ -d "$dir/networks" ] && command -v ip >/dev/null || return 0
    known=$(client network ls -q --no-trunc) || return 0
    for network in $(networks); do
        case $known in *"$network"*) continue ;; esac
        ip link del "br-$(printf '%s' "$network" | cut -c1-12)" 2>/dev/null
    done
    return 0
}

# --- In the new data root ---

load() {
    forget_bridges
    archive=$scratch/images.tar
    if [ -s "$dir/images" ]; then
        sha256sum -c "$dir/archive.sha256" >/dev/null 2>&1 || fail "the archive $archive is not what was saved; undo this"
        point load-begins
        tell loading seconds
        within 86400 load -q -i "$archive" >"$dir/said" 2>&1 || fail "docker load: $(tail -n 1 "$dir/said")"
        told
    fi
    have_images
    reached loaded
    step "load $(wc -l <"$dir/images" | tr -d ' ') names"
    point loaded
}

have_images() {
    look_for_images
    [ -z "$lacking" ] || fail "an image is not there: $lacking"
}
# look_for_images: $lacking is one that is not there.
look_for_images() {
    list_images >"$dir/images.now" || fail "cannot list the images"
    lacking=$(awk 'FNR == NR { have[$0] = id[$1] = 1; next }
        $2 == "-" ? !($1 in id) : !($0 in have) { print $1, $2; exit }' "$dir/images.now" "$dir/images")
}

bring() {
    if [ -n "$users" ]; then
        for network in $(networks); do make_network; done
        for name in $(volumes); do carry_volume "$name"; done
        step "volumes $(volumes | wc -l | tr -d ' '), networks $(networks | wc -l | tr -d ' ')"
    fi
    reached copied
    point copied
}

make_network() {
    name=$(unhex "$(sed -n 's/^name //p' "$dir/networks/$network")")
    name=${name%.}
    client network ls --format '{{.Name}}' >"$dir/listed" || fail "cannot list the networks"
    ! grep -qxF -e "$name" "$dir/listed" || return 0
    set --
    while read -r word digits; do
        [ "$word" = a ] || continue
        argument=$(unhex "$digits")
        case $argument in
            # What it has not is told as nothing, or by the client of Docker 29 as invalid.
            --subnet=[!0-9a-f:]* | --gateway=[!0-9a-f:]* | --ip-range=[!0-9a-f:]*) continue ;;
            --gateway=*/*) argument=${argument%%/*}. ;; # so are those of IPv6 told that it chose
        esac
        set -- "$@" "${argument%.}"
    done <"$dir/networks/$network"
    client network create "$@" -- "$name" >/dev/null 2>"$dir/said" ||
        step "network $name was not made: $(tail -n 1 "$dir/said")"
}

# carry_volume NAME: into a folder beside its data first, where no container sees it; there it is
# compared with the original, and takes its place by renaming.
carry_volume() {
    volume=$1
    [ ! -e "$dir/carried.$volume" ] || return 0
    make_volume "$volume"
    has_data_here "$volume" || return 0
    from=$(mountpoint_of "$volume")
    to=$(client volume inspect --format '{{.Mountpoint}}' "$volume") && [ -n "$to" ] && [ "$to" != "$from" ] ||
        fail "the volume $volume has no place of its own"
    part=${to%/*}/oakum-$id
    if [ ! -e "$dir/placing.$volume" ]; then
        [ -z "$(ls -A "$to")" ] || fail "somebody wrote into the new volume $volume; put away what is in $to"
        rm -rf "$part"
        point copy
        tell "copying $volume" size_of "$part"
        copy "$from" "$part"
        tree "$from" "$users" "$groups" | keep "tree.$volume" || fail "cannot write $dir"
        [ "$(tree "$part" '' '')" = "$(cat "$dir/tree.$volume")" ] ||
            fail "the copy of the volume $volume is not like the original"
        told
        flush
        printf '' | keep "placing.$volume" || fail "cannot write $dir"
        point placing
    fi
    if [ -d "$part" ]; then
        [ ! -d "$to" ] || rmdir "$to" 2>/dev/null ||
            fail "somebody wrote into the new volume $volume; put away what is in $to"
        mv "$part" "$to" && flush || fail "cannot put the copy of the volume $volume into place"
    fi
    printf '' | keep "carried.$volume" || fail "cannot write $dir"
}

make_volume() {
    volume=$1
    set --
    while read -r word digits; do
        case $word in label | opt) ;; *) continue ;; esac
        argument=$(unhex "$digits")
        set -- "$@" "--$word" "${argument%.}"
    done <"$dir/volumes/$volume"
    client volume create --driver local "$@" "$volume" >/dev/null 2>"$dir/said" ||
        fail "cannot make the volume $volume: $(tail -n 1 "$dir/said")"
}

# copy FROM TO: everything as it is, links as links; then owners by pairs, as the original has them,
# and last what a new owner takes away: setuid bits and capabilities.
copy() {
    mkdir "$2" && cp -a "$1/." "$2/" 2>"$dir/said" || fail "cp: $(tail -n 1 "$dir/said")"
    cd "$1" || fail "cannot enter $1"
    owners . >"$dir/owners"
    while read -r user group; do
        owner=$(shifted "$user" "$users"):$(shifted "$group" "$groups")
        find . -user "$user" -group "$group" -exec sh -c \
            'owner=$1 && cd "$2" && shift 2 && exec chown -h "$owner" "$@"' sh "$owner" "$2" {} + 2>"$dir/said" ||
            fail "chown: $(tail -n 1 "$dir/said")"
    done <"$dir/owners"
    if cp --attributes-only --help >/dev/null 2>&1; then
        find . -type f -exec sh -c \
            'to=$1 && shift && exec cp --attributes-only --parents --preserve=mode,timestamps,xattr -P -- "$@" "$to"' \
            sh "$2" {} + 2>"$dir/said"
    else
        find . -type f \( -perm -4000 -o -perm -2000 \) -exec sh -c \
            'to=$1; shift; for one; do chmod "$(stat -c %a "$one")" "$to/$one" || exit; done' sh "$2" {} +
    fi || fail "modes: $(tail -n 1 "$dir/said")"
    # What was made below a folder has made it younger.
    find . -depth -type d -exec sh -c \
        'to=$1; shift; for one; do chmod "$(stat -c %a "$one")" "$to/$one" && touch -r "$one" "$to/$one" || exit; done' \
        sh "$2" {} + || fail "cannot set the times of folders"
    cd /
}

# shifted ID RANGES: the number that the range gives to an id.
shifted() {
    echo "$2" | tr ' ' '\n' | awk -F: -v id="$1" '
        id - past < $2 { printf "%.0f\n", $1 + id - past; exit } { past += $2 }'
}

# tree FOLDER USERS GROUPS: one digest of paths, kinds, modes, owners (shifted), times, contents,
# links and capabilities. Of hard links those count that are in it: a backup may have others.
tree() {
    (
        cd "$1" || exit
        find . -type d -exec stat -c '=%a %u %g - %Y %F %N' {} +
        find . ! -type d -exec stat -c '=%a %u %g %s %Y %t %T %F %N' {} +
        find . ! -type d -exec stat -c '%h %i %n' {} + | grep -v '^1 ' | sort -k 3 |
            awk '{ one = $2; $1 = $2 = ""; if (one in first) print "same", first[one], $0; else first[one] = $0 }'
        find . -type f -exec sha256sum {} +
        ! command -v getcap >/dev/null || getcap -r . 2>/dev/null
    ) | awk -v users="$2" -v groups="$3" '
        function shift_by(id, ranges, all, n, i, one, past) {
            if (ranges == "") return id
            n = split(ranges, all, " ")
            for (i = 1; i <= n; i++) {
                split(all[i], one, ":")
                if (id - past < one[2]) return sprintf("%.0f", one[1] + id - past)
                past += one[2]
            }
            return "none"
        }
        /^=/ { $2 = shift_by($2, users); $3 = shift_by($3, groups) }
        !/^=/ { $1 = $1 }
        { print }' | sort | sha256sum
}

finish() {
    have_images
    for name in $(volumes); do
        client volume inspect "$name" >/dev/null 2>&1 || fail "the volume $name is not there"
    done
    reached 'done'
    # The former data root has all that the archive has.
    forget_archive
    rm -f "$dir/images.now" "$dir/listed" "$dir/index"
    step "verify images and volumes are the same"
}

# forget_archive: with what a client that was killed left beside it.
forget_archive() {
    case $scratch in */oakum-"$id") rm -rf "$scratch" ;; esac
    rm -f "$dir/archive.sha256"
}

# --- Back ---

undo() {
    lock
    . "$dir/wanted"
    [ "$(at)" != undone ] || ended confirmed
    # What the way forward knew of the new data root holds for the way back.
    value=never
    [ ! -e "$dir/forward" ] || eval "$(grep -E '^(template|value|users|groups|target)=' "$dir/forward")"
    await_docker || fail "dockerd does not answer"
    [ ! -e "$dir/former" ] || [ -d "$(cat "$dir/former")" ] ||
        fail "the former data was removed, there is no $(cat "$dir/former"): nothing to go back to"
    reached undoing
    point undoing
    # Now, for containers that start by themselves write at once.
    [ -e "$dir/compared" ] || compare_volumes
    now=$(client info --format "$template" 2>/dev/null) || fail "dockerd does not say what it runs under"
    if [ "$now" = "$value" ]; then
        if [ -z "$transaction" ]; then
            step "verify the change is none of ours and stays; nothing is undone but the archive"
            forget_archive
            reached undone
            ended confirmed
        fi
        stop_running
        step "stop what runs since"
        note_networks
        point undo-switch
        switch_outcome
        [ "$outcome" = confirmed ] || ended unfinished
        step "switch back"
    fi
    point undo-switched
    forget_bridges
    compare_former
    point restored
    start_again || ended unfinished
    forget_archive
    reached undone
    [ -z "$users" ] || [ ! -d "$target" ] ||
        step "kept what was written meanwhile is in $target, $(size_of "$target")"
    ended confirmed
}

# note_networks: so that the bridges of those that were made since go, too.
note_networks() {
    [ -n "$users" ] || return 0
    mkdir -p "$dir/networks"
    list_networks || return 0
    while read -r network driver scope name; do
        case $driver:$scope:$name in
            bridge:local:bridge) ;;
            bridge:local:*) [ -e "$dir/networks/$network" ] || printf '' >"$dir/networks/$network" ;;
        esac
    done <"$dir/listed"
}

# compare_volumes: those of the former data root with what was seen when they were carried over.
compare_volumes() {
    [ -d "$dir/volumes" ] || return 0
    for name in $(volumes); do
        [ -e "$dir/tree.$name" ] || continue
        [ "$(tree "$(mountpoint_of "$name")" "$users" "$groups")" = "$(cat "$dir/tree.$name")" ] || {
            step "verify the volume $name is not as it was: somebody wrote to it"
            printf '' >"$dir/differs"
        }
    done
    printf '' | keep compared || fail "cannot write $dir"
}

# compare_former: that the state is that of before; what somebody else changed since is said.
compare_former() {
    what="images, volumes and files"
    if [ -s "$dir/images" ]; then
        look_for_images
        [ -z "$lacking" ] || step "verify an image is not there any more: $lacking"
        [ -z "$lacking" ] || printf '' >"$dir/differs"
    fi
    [ ! -e "$dir/differs" ] || what=files
    [ -e "$dir/before" ] || return 0
    files_now >"$dir/now"
    if cmp -s "$dir/before" "$dir/now"; then
        step "verify $what are as before"
    else
        step "verify these files are not as before, for they were changed since: $(
            awk 'FNR == NR { was[$0] = 1; next } !($0 in was) { print $2 }' "$dir/before" "$dir/now" |
                tr '\n' ' ')"
    fi
}

case $verb in
    launch | follow | run | undo | recover) "$verb" ;;
    *) exit 2 ;;
esac
# end

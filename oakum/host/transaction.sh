#!/bin/sh
# Changes files on this host and makes dockerd take them, or puts everything back.
#
# oakum.operations sends this text with the calls of one plan behind it: begin, file …, service,
# finish. Each step is written to the journal before it is done. Whatever fails, `undo` restores
# the former bytes and a dockerd that answers; the last line on stdout is the verdict.
#
# State: /var/lib/oakum/txn/ID/{journal,files} with the former file N as N.was (none: N.absent).
# Exit: 0 confirmed · 1 nothing was changed · 2 rolled back · 3 rolled back, dockerd is not well
#
# The steps preflight and arm (a shadow boot, a dead man's timer) are not here yet: a cut
# connection is survived because nothing below needs it, a power cut between swap and settle is not.
set -u
export LC_ALL=C
PATH="$PATH:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
exec </dev/null
umask 077
trap '' HUP PIPE

STATE=/var/lib/oakum
KEEP=10
count=0
swapped=0
was_running=
touched=no

say() { printf '%s\n' "$*"; }
step() {
    printf '%s %s\n' "$(date +%s)" "$*" >>"$dir/journal"
    say "step $*"
}

# Before the lock: nothing was touched, and nothing here is ours.
turn_away() {
    say "refused: $*" >&2
    say "verdict refused $id"
    exit 1
}

# Before anything was swapped: leave no trace but the journal.
refuse() {
    for staged in "$dir"/*.staged; do
        [ -f "$staged" ] && rm -f "$(cat "$staged")"
    done
    remove_parents
    [ -d "$dir" ] && step "refused: $*" >/dev/null
    rm -rf "$STATE/lock"
    turn_away "$*"
}

# The directories that `file` made, when nothing is left in them.
remove_parents() {
    for parent in "$dir"/*.parent; do
        [ -f "$parent" ] && rmdir "$(cat "$parent")" 2>/dev/null
    done
}

fail() {
    [ "$swapped" = 1 ] || refuse "$*"
    say "failed: $*" >&2
    step "failed: $*" >/dev/null
    undo
}

# begin ID
begin() {
    id=$1
    dir=$STATE/txn/$id
    [ "$(id -u)" = 0 ] || turn_away "not root"
    command -v sha256sum >/dev/null || turn_away "no sha256sum here"
    mkdir -p "$STATE/txn" || turn_away "cannot write $STATE"
    lock
    mkdir "$dir" || refuse "cannot write $dir"
    step begin
}

lock() {
    mkdir "$STATE/lock" 2>/dev/null || {
        # A lock without a pid is one that is being taken right now, or an old one.
        [ -s "$STATE/lock/pid" ] || sleep 1
        holder=$(cat "$STATE/lock/pid" 2>/dev/null)
        if [ -n "$holder" ] && kill -0 "$holder" 2>/dev/null; then
            turn_away "another oakum transaction runs here (pid $holder)"
        fi
        rm -rf "$STATE/lock"
        mkdir "$STATE/lock" || turn_away "cannot lock $STATE"
    }
    echo $$ >"$STATE/lock/pid"
}

digest() { sha256sum <"$1" | cut -d' ' -f1; }

# file PATH MODE OWNER GROUP SHA256-OF-THE-FORMER-BYTES|absent CONTENT
# Checks that the file is what the plan was made from, and lays the new one beside it.
file() {
    path=$1 mode=$2 owner=$3 group=$4 before=$5 content=$6
    count=$((count + 1))
    if [ -f "$path" ] && [ ! -L "$path" ]; then
        now=$(digest "$path")
    elif [ -e "$path" ] || [ -L "$path" ]; then
        refuse "stale: $path is no regular file"
    else
        now=absent
    fi
    [ "$now" = "$before" ] || refuse "stale: $path is no longer what the plan was made from"
    parent=${path%/*}
    if [ ! -d "$parent" ]; then
        (umask 022 && mkdir -p "$parent") || refuse "cannot make $parent"
        printf '%s' "$parent" >"$dir/$count.parent"
    fi
    staged=$parent/.${path##*/}.oakum-$id
    printf '%s' "$path" >"$dir/$count.path"
    printf '%s' "$staged" >"$dir/$count.staged"
    if [ "$now" = absent ]; then
        : >"$dir/$count.absent"
    else
        cp -p "$path" "$dir/$count.was" || refuse "cannot keep a copy of $path"
    fi
    printf '%s' "$content" >"$staged" || refuse "cannot write beside $path"
    chown "$owner:$group" "$staged" || refuse "cannot own $staged"
    chmod "$mode" "$staged" || refuse "cannot own $staged"
    step "staged $path"
}

# bridge PATH CONTENT
# The former daemon.json with live-restore on: a dockerd that starts without it stops the containers
# that outlived its predecessor, so the way back leads over a start under this.
bridge() {
    printf '%s' "$1" >"$dir/bridge.path"
    printf '%s' "$2" >"$dir/bridge"
}

cross_bridge() {
    [ -f "$dir/bridge" ] || return 1
    step bridge
    path=$(cat "$dir/bridge.path")
    cp "$dir/bridge" "$path.oakum-undo" && mv -f "$path.oakum-undo" "$path" || return 1
    restart_dockerd && await 60 answers
}

swap() {
    sync
    step swap
    swapped=1
    n=0
    while [ "$n" -lt "$count" ]; do
        n=$((n + 1))
        mv -f "$(cat "$dir/$n.staged")" "$(cat "$dir/$n.path")" || fail "cannot replace file $n"
    done
    sync
}

# service none|reload|restart LIVE-RESTORE-FIRST(yes|no) CONTAINERS(stay|may-stop)
service() {
    action=$1 first=$2 containers=$3
    if [ "$action" != none ]; then
        was_running=$(running) || refuse "cannot list the running containers"
    fi
    swap
    case $action in
        reload) reload ;;
        restart)
            [ "$first" = no ] || reload_live_restore
            step restart
            touched=restarted
            restart_dockerd || fail "dockerd did not restart: $(last_words)"
            ;;
    esac
    [ "$action" = none ] || settle
}

# finish: nothing more can fail.
finish() {
    [ "$swapped" = 1 ] || swap
    step confirmed
    cleanup
    say "verdict confirmed $id"
    exit 0
}

cleanup() {
    rm -rf "$STATE/lock"
    # shellcheck disable=SC2012  # names are ours: a time and hexadecimal digits
    ls -1 "$STATE/txn" | sort -r | tail -n +$((KEEP + 1)) | while read -r old; do
        rm -rf "$STATE/txn/${old:?}"
    done
}

command -v timeout >/dev/null || timeout() { shift; "$@"; }
client() { DOCKER_CONFIG=/nonexistent timeout 10 docker -H unix:///var/run/docker.sock "$@"; }
running() { client ps -q --no-trunc 2>/dev/null; }
answers() { client version --format '{{.Server.Version}}' >/dev/null 2>&1; }
live_restore() { client info --format '{{.LiveRestoreEnabled}}' 2>/dev/null; }

await() { # await SECONDS COMMAND…
    end=$(($(date +%s) + $1))
    shift
    until "$@"; do
        [ "$(date +%s)" -lt "$end" ] || return 1
        sleep 0.5 2>/dev/null || sleep 1
    done
}

last_words() {
    if [ -d /run/systemd/system ]; then
        journalctl -q -o cat --no-pager -u docker -n 20 2>/dev/null | grep -iE 'fail|error|unable' |
            tail -n 1 | tr -d '\000-\037\177' | cut -c1-300
    fi
}

restart_dockerd() {
    if [ -d /run/systemd/system ]; then
        systemctl reset-failed docker.service docker.socket 2>/dev/null
        timeout 120 systemctl restart docker.service
    elif command -v rc-service >/dev/null; then
        timeout 120 rc-service docker restart
    else
        timeout 120 service docker restart
    fi >/dev/null 2>&1
}

hang_up() {
    pid=$(cat /var/run/docker.pid 2>/dev/null)
    # Not to "": for busybox that is 0, everything in this process group.
    case $pid in '' | *[!0-9]*) return 1 ;; esac
    kill -HUP "$pid" 2>/dev/null
}

reload() {
    step reload
    touched=reloaded
    hang_up || fail "dockerd has no pid that could be told to reload"
}

live_restore_is_on() { [ "$(live_restore)" = true ]; }

reload_live_restore() {
    reload
    await 10 live_restore_is_on || fail "live-restore did not come on by reload: $(last_words)"
}

settle() {
    step settle
    await 60 answers || fail "dockerd does not answer: $(last_words)"
    [ "$containers" = stay ] || return 0
    await 10 all_running || fail "a container that ran before does not run now"
}

all_running() {
    now=$(running) || return 1
    for wanted in $was_running; do
        case $now in *"$wanted"*) ;; *) return 1 ;; esac
    done
}

undo() {
    step undo
    verdict=rolled-back code=2
    if [ "$touched" = restarted ] && cross_bridge; then
        touched=reloaded
    fi
    n=0
    while [ "$n" -lt "$count" ]; do
        n=$((n + 1))
        path=$(cat "$dir/$n.path")
        rm -f "$(cat "$dir/$n.staged")"
        if [ -f "$dir/$n.absent" ]; then
            rm -f "$path"
        else
            # Beside the target first, so that the rename is atomic.
            if ! cp -p "$dir/$n.was" "$path.oakum-undo" || ! mv -f "$path.oakum-undo" "$path"; then
                say "failed: cannot put $path back; its copy is $dir/$n.was" >&2
                verdict=broken code=3
            fi
        fi
    done
    remove_parents
    sync
    # A dockerd that was told nothing is left alone: a restart that it did not have would stop
    # containers. A reload is taken back by a reload, but a daemon that is gone has to be started.
    if [ "$touched" = reloaded ] && answers; then
        hang_up
    elif [ "$touched" != no ]; then
        restart_dockerd
    fi
    [ "$touched" = no ] || await 60 answers || { verdict=broken code=3; }
    step "$verdict"
    cleanup
    say "verdict $verdict $id"
    exit "$code"
}

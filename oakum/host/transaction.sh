#!/bin/sh
# The change of one host: everything that it takes, and the way back from wherever it ends.
#
# oakum.operations makes the manifest of a plan, launch.sh lays both in /var/lib/oakum/txn/ID and
# starts this, detached from the session that asked for it:
#   run ID       carry out the manifest; whatever fails puts everything back
#   recover ID   finish or undo a transaction whose process is gone
#   overdue ID   the same for one that takes too long: its process is ended first
#   boot         undo what a power cut left, before dockerd starts
#   watch ID     the dead man's switch where no systemd is there to be one
#   shadow ID F  inside namespaces of its own: start dockerd once under the file F
#   soak ID      long after it was confirmed: look once more at what settle looked at
#
# The folder of a transaction: `journal` for who follows it; of file N its path, what is wanted
# there (N.new or N.gone, N.stat) and what was there (N.was or N.absent, N.foreign for a stranger's
# edit that an undo had to replace). The ledger says who changed what and how it ended: its verdict
# line, fsynced, is the commit. Until it stands there, every way out of here leads back.
#
# Crash points (`point NAME`) are for the fault suite, and dead but on hosts marked as the lab's.
# shellcheck disable=SC2015  # in `A && B || fail` what fails does not come back
set -u
export LC_ALL=C
PATH="$PATH:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
umask 077
trap '' HUP PIPE

STATE=/var/lib/oakum
RUN=/run
RC_POLICY=/usr/sbin/policy-rc.d
BOOT_UNIT=/etc/systemd/system/oakum-recover.service
BOOT_LINK=/etc/systemd/system/docker.service.wants/oakum-recover.service
HELD=$STATE/held # there while Docker is kept from starting
INSTALLED=$STATE/installed # there while it is, and its packages have come
KEEP=10 # folders of transactions that are not in force

command=apply by=- plan=- controls=-
answer=60 watch=25 shadow=20 install=0 wanted=available
action=none live_restore_first=no containers=stay leaving=no
count=0 expects=0 undone='' loaders='' along=''

# --- What is written down ---

# printable WORDS: on one line, with nothing in it that a terminal obeys.
printable() { printf '%s' "$*" | tr '\n\t' '  ' | tr -cd '\040-\176' | cut -c1-300; }

journal() { printf '%s %s\n' "$(date +%s)" "$*" >>"$dir/journal"; }
step() { journal "step $*"; }

flush() { sync "$@" 2>/dev/null || sync; }

# mark_torn: a line that a power cut or a full disk tore is taken for nothing.
mark_torn() {
    [ ! -s "$STATE/ledger" ] || [ -z "$(tail -c 1 "$STATE/ledger")" ] ||
        printf ' torn\n' >>"$STATE/ledger"
}

# record WORDS: a line of the ledger, on the disk when this returns.
record() {
    mark_torn
    printf '%s %s %s\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$id" "$*" >>"$STATE/ledger" &&
        flush "$STATE/ledger"
}

# verdict: what the ledger says of how this ended, nothing while it has not.
verdict() {
    awk -v id="$id" '!/ torn$/ && $2 == id && $3 ~ /^(confirmed|rolled-back|refused|broken)$/ { print $3; exit }' \
        "$STATE/ledger" 2>/dev/null
}

# keep NAME TEXT: a file in the transaction's folder; written by `run`, known to the others.
keep() {
    [ "$verb" != run ] || printf '%s' "$2" >"$dir/$1" || refuse "cannot write $dir"
}

point() {
    case $crash in
        "$1:kill")
            rm -f "$dir/crash"
            kill -KILL $$
            ;;
        "$1:pause")
            rm -f "$dir/crash"
            crash=
            echo "$1 $$" >"$RUN/oakum-point.new" && mv "$RUN/oakum-point.new" "$RUN/oakum-point"
            ticks=0
            while [ -e "$RUN/oakum-point" ] && [ "$ticks" -lt 600 ]; do
                nap
                ticks=$((ticks + 1))
            done
            ;;
    esac
}

# --- The manifest ---

about() { command=$1 by=$2 plan=$3 controls=$4; }
limits() { answer=$1 watch=$2 shadow=$3 install=${4-0}; }
preflight() { wanted=$1; }
undoes() { undone="$undone $1"; }
leave() { leaving=yes; }
load() { loaders="$loaders $1"; } # load systemd|audit: who has to be told of files that changed

# file PATH MODE OWNER GROUP SHA256-OF-THE-FORMER-BYTES|absent|any CONTENT
file() {
    count=$((count + 1))
    keep "$count.path" "$1"
    keep "$count.stat" "$2 $3 $4"
    keep "$count.expected" "$5"
    keep "$count.new" "$6"
}

# remove PATH SHA256-OF-THE-FORMER-BYTES
remove() {
    count=$((count + 1))
    keep "$count.path" "$1"
    keep "$count.expected" "$2"
    keep "$count.gone" ''
}

# shadow_files CANDIDATE FORMER VALIDATED: the daemon.json to be and the former one, without the
# keys that the shadow boot sets itself; and without those whose validation changes the host.
shadow_files() {
    keep shadow.json "$1"
    keep shadow-former.json "$2"
    keep validate.json "$3"
}

# bridge PATH CONTENT
# The former daemon.json with live-restore on: a dockerd that starts without it stops the containers
# that outlived its predecessor, so the way back leads over a start under this.
bridge() {
    keep bridge.path "$1"
    keep bridge "$2"
}

# reset CONTENT: the former daemon.json with live-restore off, said aloud: a reload keeps what a key
# has set when the key is gone.
reset() { keep reset "$1"; }

# finally PATH RESET file|gone CONTENT: live-restore goes off last, by a reload under RESET, and then
# CONTENT takes the place of PATH; for the reasons of `bridge` and `reset`, on the way forward.
finally() {
    keep finally.path "$1"
    keep finally.reset "$2"
    keep finally.kind "$3"
    keep finally "$4"
}

# expect GO-TEMPLATE VALUE: what `docker info` has to say when all is done.
expect() {
    expects=$((expects + 1))
    keep "expect.$expects" "$1"
    keep "expected.$expects" "$2"
}

# engine MANAGER RELEASE|- HOLD-ITS-VERSION(yes|no) NAMES: what `install` gets, for packages.sh.
# shellcheck disable=SC2034  # packages.sh reads them
engine() { manager=$1 release=$2 hold_version=$3 names=$4; }

# calm PATH COMING FORMER: each daemon.json with live-restore off, by which containers end with the
# engine that runs, where another one is not to take them over.
calm() {
    keep calm.path "$1"
    keep calm "$2"
    keep calm-former "$3"
}

# service none|reload|restart|install|start|upgrade LIVE-RESTORE-FIRST(yes|no) CONTAINERS(stay|may-stop)
# install: get the engine, and keep it from starting; start: let it start, for the first time;
# upgrade: get a newer one in its place, and restart it.
service() { action=$1 live_restore_first=$2 containers=$3; }

# value PATH: a value of the kernel is written in place, for nothing can be renamed there.
value() { case $1 in /proc/sys/*) ;; *) return 1 ;; esac; }

each_file() { # each_file COMMAND…: with n, path and staged set
    n=0
    while [ "$n" -lt "$count" ]; do
        n=$((n + 1))
        [ -e "$dir/$n.path" ] || continue # it was ended before it had written that down
        path=$(cat "$dir/$n.path")
        staged=${path%/*}/.${path##*/}.oakum-$id
        ! value "$path" || staged=$dir/$n.staged
        "$@" || return
    done
}

# --- One after the other ---

# lock SECONDS: the kernel takes it back when this process ends, however it ends. Whoever follows or
# watches looks at it by taking it for a moment, so that one look is never enough.
lock() {
    touch "$STATE/lock" || return
    exec 9<>"$STATE/lock"
    tries=$(($1 * 5))
    until flock -n 9; do
        [ "$tries" -gt 0 ] || return
        tries=$((tries - 1))
        nap
    done
    printf '%s %s\n' "$id" "$$" >"$STATE/lock"
    mark_torn
}

holder() {
    read -r other pid <"$STATE/lock"
    who=$(awk -v id="$other" '$2 == id && $3 == "begin" { print $5, "since", $1 }' "$STATE/ledger")
    printable "another transaction runs here: $other${who:+ of $who} (pid $pid)"
}

run() {
    point begun
    lock 2 || turn_away "$(holder)"
    point locked
    recover_others
    read_manifest
    begin || refuse "cannot write $STATE/ledger"
    point recorded
    each_file check
    point checked
    arm_boot
    point armed-boot
    each_file keep_former
    [ ! -e "$dir/shadow.json" ] || has_dockremap || keep no-dockremap ''
    flush "$dir"/*.was
    point kept
    each_file stage
    point staged
    for other in $undone; do record "undoes $other" || refuse "cannot write $STATE/ledger"; done
    each_file announce
    step stage
    if [ "$action" = upgrade ]; then
        read_upgrade || refuse "cannot read $dir/upgrade.sh"
        prepare_upgrade || refuse "$heard"
    fi
    has_engine && fits
    count_containers
    arm_timer
    point armed-timer
    step arm
    swap
    tell_loaders || fail "$heard"
    act
    settle
    confirm
}

# shellcheck source=/dev/null
read_manifest() { . "$dir/manifest"; }

# read_upgrade: what only an upgrade needs.
# shellcheck source=/dev/null
read_upgrade() { . "$dir/packages.sh" && . "$dir/upgrade.sh"; }

begin() { record "begin $command $by $plan $controls"; }

digest() { sha256sum <"$1" | cut -d' ' -f1; }

# found PATH: $now is the digest of what is there, `absent`, or `odd` for what is no regular file.
found() {
    if [ -f "$1" ] && [ ! -L "$1" ]; then
        now=$(digest "$1")
    elif [ -e "$1" ] || [ -L "$1" ]; then
        now=odd
    else
        now=absent
    fi
}

check() {
    found "$path"
    [ "$now" != odd ] || refuse "stale: $path is no regular file"
    [ "$(cat "$dir/$n.expected")" != any ] || keep "$n.expected" "$now"
    [ "$now" = "$(cat "$dir/$n.expected")" ] ||
        refuse "stale: $path is no longer what the plan was made from"
}

keep_former() {
    if [ "$(cat "$dir/$n.expected")" = absent ]; then
        keep "$n.absent" ''
    else
        cp -p "$path" "$dir/$n.was" || refuse "cannot keep a copy of $path"
        [ "$(digest "$dir/$n.was")" = "$(cat "$dir/$n.expected")" ] ||
            refuse "stale: $path changed while it was copied"
    fi
}

stage() {
    [ ! -e "$dir/$n.gone" ] || return 0
    read -r mode owner group <"$dir/$n.stat" || :
    parent=${path%/*}
    if [ ! -d "$parent" ]; then
        keep "$n.parent" "$parent"
        (umask 022 && mkdir -p "$parent") || refuse "cannot make $parent"
    fi
    cat "$dir/$n.new" >"$staged" || refuse "cannot write beside $path"
    # A value keeps its own owner and mode.
    value "$path" || chown "$owner:$group" "$staged" && chmod "$mode" "$staged" ||
        refuse "cannot own $staged"
    [ "$(digest "$staged")" = "$(digest "$dir/$n.new")" ] || refuse "cannot write beside $path"
    flush "$staged"
}

announce() {
    new=absent
    if [ "$path" = "$(cat "$dir/finally.path" 2>/dev/null)" ]; then
        [ "$(cat "$dir/finally.kind")" = gone ] || new=$(digest "$dir/finally")
    elif [ ! -e "$dir/$n.gone" ]; then
        new=$(digest "$dir/$n.new")
    fi
    record "file $n $(cat "$dir/$n.expected") $new $path" || refuse "cannot write $STATE/ledger"
}

# dockerd makes this user for itself, the first time that it starts with userns-remap.
has_dockremap() { grep -q '^dockremap:' /etc/passwd; }

# forget_dockremap FOLDER: when the change of that folder is taken back.
forget_dockremap() {
    [ -e "$1/no-dockremap" ] && has_dockremap || return 0
    userdel dockremap || deluser dockremap
    ! grep -q '^dockremap:' /etc/group || groupdel dockremap || delgroup dockremap
} >/dev/null 2>&1

# --- Preflight ---

has_engine() { command -v dockerd >/dev/null; }

# fits: whether the engine that is installed starts under the file to be, tried beside the real one.
fits() {
    [ -e "$dir/shadow.json" ] || return 0
    trial_path=$PATH
    if [ "$action" = upgrade ]; then
        [ -d "$dir/new" ] || {
            without "shadow boot" "the new engine cannot be unpacked beside the old one"
            return
        }
        trial_path=$(new_path)
    fi
    validate
    point validated
    # Before a first start nothing has run under what lies there: an engine's defaults are the measure.
    [ "$action" != start ] || printf '{}' >"$dir/shadow-former.json" || refuse "cannot write $dir"
    start=$(centiseconds)
    shadow_boot shadow.json "$trial_path"
    case $? in
        0) step "preflight shadow boot answered after $(since "$start") s" ;;
        1)
            reason=$heard
            # What the former file fails on, too, is the shadow's fault and not the plan's; under the
            # former engine, where there is another.
            ! shadow_boot shadow-former.json "$PATH" && [ "$(unnumbered "$heard")" = "$(unnumbered "$reason")" ] ||
                refuse "preflight: $reason"
            without "shadow boot" "$reason"
            ;;
        *) without "shadow boot" "$heard" ;;
    esac
    point shadowed
}

unnumbered() { printf '%s' "$1" | tr -d '0-9'; }

# without WHAT REASON: a preflight that cannot be had here; the policy says whether that will do.
without() {
    [ "$wanted" = available ] ||
        refuse "preflight: no $1 here ($2), and oakum_preflight is $wanted"
    step "preflight no $1: $2"
}

# The loader's verdict, by a user who may change nothing: with --validate from 23.0 on; before, the
# loader comes first, and then the complaint that dockerd needs root.
validate() {
    trial=$RUN/oakum-$id.json
    if command -v setpriv >/dev/null; then
        as_nobody() { setpriv --reuid=65534 --regid=65534 --clear-groups "$@"; }
    else
        # shellcheck disable=SC2016  # for that shell
        as_nobody() { su -s /bin/sh nobody -c 'exec "$0" "$@"' -- "$@"; }
    fi
    validating=
    case $(PATH=$trial_path dockerd --version 2>/dev/null) in
        *" version "[01]?.* | *" version 20."* | *" version "?.*) ;;
        *) validating=--validate ;;
    esac
    if [ "$action" = upgrade ]; then
        # Nobody but root gets to where it was unpacked; it is nothing but read with this word.
        [ -n "$validating" ] || return 0
        as_nobody() { PATH=$trial_path "$@"; }
    fi
    cp "$dir/validate.json" "$trial" && chown 65534 "$trial" || refuse "cannot write $trial"
    # shellcheck disable=SC2086  # no word or one
    said=$(as_nobody timeout 10 dockerd $validating --config-file "$trial" 2>&1 9>&-)
    rm -f "$trial"
    said=$(printf '%s\n' "$said" | grep 'unable to configure the Docker daemon' | tail -n 1)
    [ -z "$said" ] || refuse "preflight: $(printable "$said" | sed "s|with file $trial: ||")"
}

# shadow_boot FILE PATH: 0 it answered, 1 it ended, 2 it could not be tried; the reason in $heard.
shadow_boot() {
    flags >"$dir/flags"
    mkdir -p "$dir/shadow"
    PATH=$2 unshare --mount --net --pid --ipc --uts --fork --propagation private --mount-proc \
        sh "$dir/transaction.sh" shadow "$id" "$1" >"$dir/shadow.out" 2>&1 9>&-
    ended=$?
    heard=$(printable "$(tail -n 1 "$dir/shadow.out")")
    rm -rf "$dir/shadow.out" "$dir/flags"
    rmdir "$dir/shadow"
    case $ended:$heard in
        0:*) return 0 ;;
        1:unshare:* | *:) heard=${heard:-unshare ended with $ended} && return 2 ;;
        *) return "$ended" ;;
    esac
}

# flags: what the running dockerd was started with, but for what the shadow sets itself.
flags() {
    pid=$(dockerd_pid) || return 0
    skip=no
    tr '\0' '\n' <"/proc/$pid/cmdline" | sed 1d | while IFS= read -r word; do
        if [ "$skip" = yes ]; then
            skip=no
            continue
        fi
        case $word in
            -H | --host | --containerd | --data-root | -g | --graph | --exec-root | -p | \
                --pidfile | --config-file) skip=yes ;;
            -H* | --host=* | --containerd=* | --data-root=* | -g* | --graph=* | \
                --exec-root=* | -p* | --pidfile=* | --config-file=*) ;;
            *) printf '%s\n' "$word" ;;
        esac
    done
}

# Inside: the first process of its own pid namespace, so that nothing outlives it. /run and /etc are
# private copies: dockerd adds a user for userns-remap, and would meet the sockets of the real one.
shadow() {
    base=$dir/shadow
    private() { "$@" 2>&1 || exit 2; }
    private mount -t tmpfs tmpfs "$base"
    mkdir "$base/run" "$base/up" "$base/work" "$base/plugins"
    [ ! -d /run/docker/plugins ] || private mount --bind /run/docker/plugins "$base/plugins"
    private mount -t overlay -o "lowerdir=/etc,upperdir=$base/up,workdir=$base/work" overlay /etc
    each_file lay_over || exit 2
    private mount --bind "$base/run" "$RUN"
    # Where engines look whether systemd runs, for the cgroup driver.
    mkdir -p "$RUN/docker/plugins" "$RUN/systemd/system" "$RUN/data" "$RUN/tmp"
    # Containers' root, which userns-remap makes an ordinary user, has to get to the data.
    chmod 755 "$RUN" "$RUN/data"
    private mount --bind "$base/plugins" "$RUN/docker/plugins"
    ip link set lo up
    set -- --config-file "$dir/$1" --data-root "$RUN/data" --exec-root "$RUN/oakum" \
        --pidfile "$RUN/oakum.pid" -H "unix://$RUN/oakum.sock"
    while IFS= read -r word; do
        set -- "$@" "$word"
    done <"$dir/flags"
    # A containerd that is slow to answer is killed by its dockerd, and leaves its stacks there.
    TMPDIR=$RUN/tmp dockerd "$@" >"$base/log" 2>&1 &
    pid=$!
    start=$(centiseconds)
    while :; do
        nap
        GOGC=400 DOCKER_CONFIG=/nonexistent timeout 5 docker -H "unix://$RUN/oakum.sock" version \
            >/dev/null 2>&1 && exit 0
        kill -0 "$pid" || complain
        passed=$(($(centiseconds) - start))
        # It would try for a quarter of a minute.
        [ "$passed" -lt 250 ] || ! grep -q 'Unable to locate plugin' "$base/log" || complain
        if [ "$passed" -gt "${shadow}00" ]; then
            echo "dockerd did not answer within $shadow s"
            exit 2
        fi
    done
}

lay_over() {
    case $path in
        /etc/*) if [ -e "$dir/$n.gone" ]; then rm -f "$path"; else cp -p "$staged" "$path"; fi ;;
    esac
}

# complain: what dockerd died of, by its last words; gRPC has more of them than anybody wants.
complain() {
    said=$(grep -av grpc "$base/log")
    last() { printf '%s\n' "$said" | grep -aE "$1" | tail -n 1; }
    why=$(last '^(failed to|unable to)')
    why=${why:-$(last 'level=(error|fatal)|Unable to locate plugin')}
    why=${why:-$(last .)}
    printf '%s\n' "${why:-dockerd ended without a word}" | sed -e 's/.*msg="//' -e 's/"$//'
    exit 1
}

# --- What runs here ---

nap() { sleep 0.2 2>/dev/null || sleep 1; }
command -v timeout >/dev/null || timeout() { shift; "$@"; }

centiseconds() {
    read -r up rest </proc/uptime
    echo "${up%.*}${up#*.}"
}
since() {
    passed=$(($(centiseconds) - $1))
    echo "$((passed / 100)).$((passed % 100 / 10))"
}

systemd() { [ -d /run/systemd/system ]; }

# within SECONDS COMMAND…: the Docker client, at the one socket that is the machine's own. What it
# starts must not hold the lock: busybox' timeout leaves a process behind that looks once a second.
# It is gone before its garbage matters: collecting that is a third of what a question costs.
within() {
    patience=$1
    shift
    GOGC=400 DOCKER_CONFIG=/nonexistent timeout "$patience" docker -H unix:///var/run/docker.sock "$@" 9>&-
}
client() { within 10 "$@"; }
running() { client ps -q --no-trunc 2>/dev/null; }
answers() { client version --format '{{.Server.Version}}' >/dev/null 2>&1; }
live_restore_is() { [ "$(client info --format '{{.LiveRestoreEnabled}}' 2>/dev/null)" = "$1" ]; }

await() { # await SECONDS COMMAND…
    end=$(($(centiseconds) + ${1}00))
    shift
    until "$@"; do
        [ "$(centiseconds)" -lt "$end" ] || return 1
        nap
    done
}

last_words() {
    if systemd; then
        said=$(journalctl -q -o cat --no-pager -u docker -n 30 2>/dev/null |
            grep -aE 'failed|error|[Uu]nable' | tail -n 1)
    else
        said=$(tail -n 30 /var/log/docker.log 2>/dev/null | grep -aE 'failed|error|[Uu]nable' | tail -n 1)
    fi
    printable "$(printf '%s' "$said" | sed -e 's/.*msg="//' -e 's/"$//')"
}

# dockerd_pid: systemd knows; a pid file may be stale, and its number belong to a stranger.
dockerd_pid() {
    pid=0
    if systemd; then
        pid=$(systemctl show -p MainPID docker.service 2>/dev/null)
        pid=${pid#MainPID=}
    fi
    case $pid in
        '' | 0 | *[!0-9]*)
            pid=$(cat /var/run/docker.pid 2>/dev/null)
            case $pid in '' | *[!0-9]*) return 1 ;; esac
            [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = dockerd ] || return 1
            ;;
    esac
    echo "$pid"
}

restart_dockerd() { # restart_dockerd SECONDS [start]: what never ran some scripts cannot restart
    if systemd; then
        systemctl reset-failed docker.service docker.socket 2>/dev/null
        # shellcheck disable=SC2086  # no unit or one
        timeout "$1" systemctl restart $along docker.service
    elif command -v rc-service >/dev/null; then
        timeout "$1" rc-service docker "${2-restart}"
    else
        timeout "$1" service docker "${2-restart}"
    fi >/dev/null 2>&1 9>&-
}

hang_up() {
    pid=$(dockerd_pid) || return
    kill -HUP "$pid" 2>/dev/null
}

# --- Before and after ---

count_containers() {
    case $action in none | install | start) return ;; esac
    was_running=$(running) || refuse "cannot list the running containers"
    printf '%s\n' "$was_running" >"$dir/running" || refuse "cannot write $dir"
    [ "$containers" = stay ] || printf '' >"$dir/may-stop"
    choose_dialer
    published >"$dir/ports" 2>/dev/null
    point counted
    if probe_container; then
        printf '' >"$dir/probe-ran"
    else
        step "preflight no probe container: $heard"
    fi
    point probed
}

# published: IP PORT HOST-IP HOST-PORT of the ports that answer, at the container and at the host.
published() {
    [ -n "$dialer" ] && [ -n "$was_running" ] || return 0
    # shellcheck disable=SC2016,SC2086  # a Go template; one word for each container
    client inspect --format '{{$ip := ""}}{{range .NetworkSettings.Networks}}{{$ip = .IPAddress}}{{end}}'\
'{{range $port, $to := .NetworkSettings.Ports}}{{range $to}}{{println $ip $port .HostIp .HostPort}}{{end}}{{end}}' \
        $was_running | grep '^[0-9.]* [0-9]*/tcp [0-9.]* [0-9]*$' | head -n 100 |
        while read -r ip port host at; do
            port=${port%/tcp}
            [ "$host" != 0.0.0.0 ] || host=127.0.0.1
            dial "$ip" "$port" && dial "$host" "$at" && echo "$ip $port $host $at"
        done
}

choose_dialer() {
    dialer=
    for tool in bash nc; do
        command -v "$tool" >/dev/null && dialer=$tool && return
    done
}

dial() {
    # shellcheck disable=SC2016  # for bash
    case $dialer in
        bash) timeout 2 bash -c 'exec 3<>"/dev/tcp/$0/$1"' "$1" "$2" </dev/null ;;
        nc) timeout 2 nc -z "$1" "$2" </dev/null ;;
    esac >/dev/null 2>&1 9>&-
}

# A port counts only while its container's own door is open: the proxy takes calls for a closed one.
silent_port() {
    while read -r ip port host at; do
        dial "$host" "$at" || ! dial "$ip" "$port" || {
            echo "$host:$at"
            return
        }
    done <"$dir/ports"
}
ports_answer() {
    silent=$(silent_port)
    [ -z "$silent" ]
}

# probe_container: the smallest container that can be had without a registry starts and ends well.
# 1 it does not, 2 it could not be had.
probe_container() {
    heard="no docker-init on this host"
    init=$(PATH="$PATH:/usr/libexec/docker:/usr/lib/docker" command -v docker-init) || return 2
    heard="cannot write $dir"
    mkdir -p "$dir/probe" && cp -L "$init" "$dir/probe/init" && chmod 755 "$dir/probe/init" || return 2
    heard=$(tar -C "$dir/probe" -c init | within 60 import - "oakum-probe:$id" 2>&1 >/dev/null) &&
        heard=$(within 60 run --rm --network none --name "oakum-probe-$id" "oakum-probe:$id" \
            /init --version 2>&1)
    ended=$?
    heard=$(printable "$(printf '%s\n' "$heard" | grep -v '^See ' | tail -n 1)")
    forget_probe
    [ "$ended" = 0 ]
}

forget_probe() {
    rm -rf "$dir/probe"
    client rm -f "oakum-probe-$id" >/dev/null 2>&1
    client rmi "oakum-probe:$id" >/dev/null 2>&1
}

# --- Kept from starting ---

# hold: by a condition of systemd, which the package's own start and a boot meet as well as anybody;
# without systemd by policy-rc.d, where package scripts start anything, and by no boot's starting it.
# Why it cannot be had is in $heard.
hold() {
    heard="cannot write $HELD"
    printf '' >"$HELD" && flush "$HELD" || return
    if systemd; then
        for unit in docker.service docker.socket; do
            folder=/etc/systemd/system/$unit.d
            heard="cannot write $folder"
            (umask 022 && mkdir -p "$folder" && printf '%s\n' '# Until oakum has hardened it.' \
                '[Unit]' "ConditionPathExists=!$HELD" >"$folder/oakum-held.conf") || return
        done
        timeout 60 systemctl daemon-reload >/dev/null 2>&1 9>&-
        # A first start that was cut off may have left it running.
        timeout "$answer" systemctl stop docker.service docker.socket >/dev/null 2>&1 9>&-
    elif command -v invoke-rc.d >/dev/null; then
        if [ ! -e "$RC_POLICY" ]; then
            # shellcheck disable=SC2016  # for that script
            (umask 022 && printf '%s\n' '#!/bin/sh' '# Until oakum has hardened it.' \
                'case $1 in docker) exit 101 ;; esac' >"$RC_POLICY.oakum" &&
                chmod 755 "$RC_POLICY.oakum" && mv "$RC_POLICY.oakum" "$RC_POLICY") || return
        elif ! policy_forbids; then
            heard="$RC_POLICY is somebody's own, and lets docker start"
            return 1
        fi
        timeout "$answer" service docker stop >/dev/null 2>&1 9>&-
        not_at_boot
    else
        timeout "$answer" rc-service docker stop >/dev/null 2>&1 9>&-
        not_at_boot
    fi
    heard="dockerd runs"
    ! dockerd_pid >/dev/null
}

# policy_forbids: asked as invoke-rc.d does, which takes only this answer for a plain no.
policy_forbids() {
    timeout 20 "$RC_POLICY" docker start >/dev/null 2>&1 9>&-
    [ $? = 101 ]
}

# not_at_boot: without systemd the script that a boot starts it by comes with the package.
not_at_boot() {
    if systemd; then
        return
    elif command -v update-rc.d; then
        timeout 20 update-rc.d docker disable
    else
        timeout 20 rc-update --all del docker
    fi >/dev/null 2>&1 9>&-
}

# release: what was kept from starting may start, and does so at every boot.
release() {
    rm -f "$HELD" "$INSTALLED" || return
    if systemd; then
        for unit in docker.service docker.socket; do
            folder=/etc/systemd/system/$unit.d
            rm -f "$folder/oakum-held.conf"
            rmdir "$folder" 2>/dev/null
        done
        timeout 60 systemctl daemon-reload >/dev/null 2>&1 9>&-
        timeout 60 systemctl enable docker.service >/dev/null 2>&1 9>&-
    elif command -v invoke-rc.d >/dev/null; then
        ! grep -qs '^# Until oakum' "$RC_POLICY" || rm -f "$RC_POLICY"
        timeout 20 update-rc.d docker enable >/dev/null 2>&1 9>&-
    else
        timeout 20 rc-update add docker default >/dev/null 2>&1 9>&-
    fi
    return 0
}

# hold_again: the way back from an install, or from a first start. Docker stays kept from starting
# as long as anything of it is there, since what it would start with is what nobody checked.
hold_again() {
    case $action in
        # The packages have come all the same.
        start) hold && printf '' >"$INSTALLED" || journal "failed $heard" ;;
        install)
            forget_version_hold "$dir"
            # shellcheck source=/dev/null
            [ ! -e "$dir/packages.sh" ] || . "$dir/packages.sh"
            rm -f "$INSTALLED"
            if has_engine || anything_installed; then not_at_boot; else release; fi
            ;;
    esac
}

# forget_version_hold FOLDER: what that transaction held of packages is upgraded again.
forget_version_hold() {
    [ -e "$1/version-held" ] || return 0
    read -r tool held_names <"$1/version-held" || return 0
    # shellcheck disable=SC2086  # a list of words
    case $tool in
        apt) timeout 60 apt-mark unhold $held_names ;;
        dnf | yum) timeout 60 "$tool" versionlock delete $held_names ;;
        zypper) timeout 60 zypper --non-interactive removelock $held_names ;;
    esac </dev/null >/dev/null 2>&1 9>&-
    rm -f "$1/version-held"
}

# --- Arm and disarm ---

arm_timer() {
    systemd || return 0 # there `watch` counts
    timeout 30 systemd-run --quiet --unit="oakum-undo-$id" --on-active="$(overdue_after)" \
        /bin/sh "$dir/transaction.sh" overdue "$id" >/dev/null 2>&1 9>&- ||
        refuse "cannot arm the timer that would undo this: systemd-run failed"
}

# overdue_after: seconds that no transaction takes, be it that every step waits for as long as it may.
overdue_after() {
    again=1
    [ "$action" != upgrade ] || again=2
    echo $((answer * 6 + watch + shadow * 2 + install * again + 300))
}

arm_boot() {
    if systemd; then
        write_boot_unit || refuse "cannot write $BOOT_UNIT"
    else
        step "arm no boot hook, for want of systemd: after a power cut run oakum again"
    fi
}

write_boot_unit() {
    wants=${BOOT_LINK%/*} boot_after=
    # Package managers want all of the file system.
    [ "$action" != upgrade ] || boot_after=' local-fs.target systemd-tmpfiles-setup.service'
    if [ ! -d "$wants" ]; then
        printf '' >"$dir/made-wants" && (umask 022 && mkdir "$wants") || return
    fi
    (umask 022 && cat >"$BOOT_UNIT") <<UNIT || return
[Unit]
Description=Undo what a power cut left of an oakum transaction
DefaultDependencies=no
RequiresMountsFor=$STATE /etc
After=systemd-sysctl.service$boot_after
Before=docker.service
ConditionPathExists=$dir/transaction.sh
# There until the next boot: a daemon-reload while this runs must not call the undo.
ConditionPathExists=!$RUN/oakum-$id

[Service]
Type=oneshot
ExecStart=/bin/sh $dir/transaction.sh boot
UNIT
    printf '' >"$RUN/oakum-$id" && ln -sf "$BOOT_UNIT" "$BOOT_LINK" && flush "$BOOT_UNIT" "$wants"
}

disarm() {
    rm -f "$BOOT_LINK" "$BOOT_UNIT" "$RUN/oakum-$id"
    [ ! -e "$dir/made-wants" ] || rmdir "${BOOT_LINK%/*}" 2>/dev/null
    systemd || return 0
    systemctl stop "oakum-undo-$id.timer" >/dev/null 2>&1
    # After a boot, or somebody's daemon-reload meanwhile, systemd knows the unit.
    case $(systemctl show -p LoadState oakum-recover.service 2>/dev/null) in
        *=loaded) timeout 60 systemctl daemon-reload >/dev/null 2>&1 9>&- ;;
    esac
}

# --- The change ---

swap() {
    point swap-begins
    each_file check
    printf '' >"$dir/swapping" || refuse "cannot write $dir"
    flush "$dir/swapping" "$dir"
    each_file put
    sync
    point swapped
    step swap
}

put() {
    if [ -e "$dir/$n.gone" ]; then
        rm -f "$path" || fail "cannot remove $path"
    elif value "$path"; then
        cat "$staged" >"$path" && [ "$(digest "$path")" = "$(digest "$staged")" ] ||
            fail "the kernel does not take $path"
        rm -f "$staged"
    else
        mv -f "$staged" "$path" || fail "cannot replace $path"
    fi
    [ "$n" -gt 1 ] || point swap-1
}

# ours: nobody else wrote meanwhile; dockerd must not be told to read what nobody checked.
ours() {
    found "$path"
    if [ -e "$dir/$n.gone" ]; then [ "$now" = absent ]; else
        [ "$now" = "$(digest "$dir/$n.new")" ]
    fi || fail "somebody else wrote $path meanwhile"
}

# tell_loaders: systemd and the audit rules are read anew; what went wrong is in $heard.
tell_loaders() {
    for loader in $loaders; do
        case $loader in
            systemd) ! systemd || heard=$(timeout 60 systemctl daemon-reload 2>&1 9>&-) ;;
            audit) heard=$(load_audit_rules 2>&1 9>&-) ;;
            *) heard="nobody here knows it" && false ;;
        esac || {
            heard=$(printable "$(printf '%s\n' "$heard" | tail -n 1)")
            heard="what changed could not be loaded into $loader: $heard"
            return 1
        }
    done
}

# Those of ours first go by their key: rules that nothing deletes before would be there twice, and
# those of a file that is gone would stay.
load_audit_rules() {
    timeout 20 auditctl -D -k oakum-docker && timeout 60 augenrules --load
}

touched() { printf '%s' "$1" >"$dir/touched" && flush "$dir/touched"; }

act() {
    case $action in
        none) return ;;
        install)
            install_held
            return
            ;;
        start) start_first ;;
        upgrade) upgrade_engine ;;
        reload) reload ;;
        restart)
            if [ "$live_restore_first" = yes ]; then
                reload
                await 10 live_restore_is true ||
                    fail "live-restore did not come on by reload: $(last_words)"
                point live-reloaded
            fi
            each_file ours
            touched restarted
            point restart
            restart_dockerd "$answer" || fail "dockerd did not restart: $(last_words)"
            step restart
            point restarted
            ;;
    esac
    await "$answer" answers || fail "dockerd does not answer: $(last_words)"
    point answered
    [ ! -e "$dir/finally.path" ] || put_finally
}

# install_held: from before the packages come until `start`, Docker cannot be started.
install_held() {
    point hold
    hold || fail "cannot keep Docker from starting: $heard"
    step hold
    # shellcheck source=/dev/null
    . "$dir/packages.sh" || fail "cannot read $dir/packages.sh"
    point installing
    install_engine || fail "$heard"
    point installed
    ! dockerd_pid >/dev/null || fail "dockerd was started while it was kept from starting"
    not_at_boot
    printf '' >"$INSTALLED" || fail "cannot write $INSTALLED"
    step install "$(dockerd --version 2>/dev/null | tr -cd '\040-\176' | cut -c1-100)"
}

start_first() {
    each_file ours
    touched started
    release || fail "cannot remove $HELD"
    point released
    restart_dockerd "$answer" start || fail "dockerd did not start: $(last_words)"
    step start
    point started
}

reload() {
    each_file ours
    touched reloaded
    hang_up || fail "dockerd has no pid that could be told to reload"
    point live-reload
    step reload
}

put_finally() {
    each_file ours
    path=$(cat "$dir/finally.path")
    put_spare "$dir/finally.reset" && hang_up && await 10 live_restore_is false ||
        fail "live-restore did not go off by reload: $(last_words)"
    each_file at_last
    flush "$dir"
    step reload
}

# put_spare FILE: a version of daemon.json that stands at $path for a moment only.
put_spare() {
    spare=${path%/*}/.${path##*/}.oakum-$id-undo
    cp "$1" "$spare" && flush "$spare" && mv -f "$spare" "$path"
}

at_last() {
    [ "$path" = "$(cat "$dir/finally.path")" ] || return 0
    if [ "$(cat "$dir/finally.kind")" = gone ]; then
        rm -f "$path" && mv "$dir/$n.new" "$dir/$n.gone" || fail "cannot remove $path"
    else
        read -r mode owner group <"$dir/$n.stat" || :
        cat "$dir/finally" >"$staged" && chown "$owner:$group" "$staged" &&
            chmod "$mode" "$staged" && flush "$staged" && cp "$dir/finally" "$dir/$n.new" &&
            mv -f "$staged" "$path" || fail "cannot replace $path"
    fi
}

settle() {
    case $action in none | install) return ;; esac
    [ "$action" != upgrade ] || serves_all || fail "$heard"
    read_back
    point read-back
    said=
    if [ "$containers" = stay ]; then
        await 10 all_running || fail "a container that ran before does not run now"
        point containers
        await 10 ports_answer || fail "the published port $silent does not answer any more"
        point ports
        said="$(wc -w <"$dir/running" | tr -d ' ') containers, $(wc -l <"$dir/ports" | tr -d ' ') ports"
    elif [ "$action" = upgrade ]; then
        bring_back
        await 30 all_back || fail "a container that ran before does not start under the new engine"
        point containers
        await 10 ports_answer || fail "the published port $silent does not answer any more"
        point ports
        said="$(wc -w <"$dir/running" | tr -d ' ') containers"
    fi
    if [ -e "$dir/probe-ran" ] || [ "$action" = start ]; then
        probe_container
        case $?:$action in
            0:*) said="${said:+$said, }probe container" ;;
            2:start) said="no probe container: $heard" ;;
            *) fail "no container starts any more: $heard" ;;
        esac
    fi
    point probed-after
    step "settle $said"
    look_after
    point watched
}

read_back() {
    i=0
    while [ "$i" -lt "$expects" ]; do
        i=$((i + 1))
        template=$(cat "$dir/expect.$i") value=$(cat "$dir/expected.$i")
        await 10 says || fail "dockerd says '$got' for $template, and the plan wants '$value'"
    done
}
says() {
    got=$(printable "$(client info --format "$template" 2>/dev/null)")
    [ "$got" = "$value" ]
}

all_running() {
    now=$(running) || return 1
    while read -r one; do
        case $now in *"$one"*) ;; *) return 1 ;; esac
    done <"$dir/running"
}

# look_after: a dockerd may die long after it began to answer.
look_after() {
    mine=$(dockerd_pid) || fail "dockerd is gone: $(last_words)"
    left=$watch
    while [ "$left" -gt 0 ]; do
        left=$((left - 1))
        sleep 1
        [ "$(dockerd_pid)" = "$mine" ] && kill -0 "$mine" ||
            fail "dockerd died $((watch - left)) s after it had begun to answer: $(last_words)"
    done
    await "$answer" answers || fail "dockerd does not answer any more: $(last_words)"
    [ "$containers" != stay ] || all_running || fail "a container that ran before has ended since"
    [ "$watch" = 0 ] || step "watch $watch s"
}

confirm() {
    each_file remove_made_folder
    if [ -e "$dir/shadow.json" ] && ! grep -q '"userns-remap"' "$dir/shadow.json"; then
        for other in $undone; do forget_dockremap "$STATE/txn/$other"; done
    fi
    for other in $undone; do forget_version_hold "$STATE/txn/$other"; done
    point confirm
    record confirmed || fail "cannot write $STATE/ledger"
    point confirmed
    step confirm
    conclude confirmed
}

# A folder that some transaction of ours made goes with the last file in it.
remove_made_folder() {
    parent=${path%/*}
    [ ! -e "$dir/$n.gone" ] || ! grep -qxF "$parent" "$STATE"/txn/*/*.parent 2>/dev/null ||
        rmdir -p "$parent" 2>/dev/null || :
}

# conclude WORD: the ledger says it; now nothing else may be left to say otherwise.
conclude() {
    forget_leavings
    [ "$action" != upgrade ] || [ ! -e "$dir/upgrade.sh" ] || leave_upgrade "$1"
    disarm
    point disarmed
    prune
    point pruned
    # What the ledger could not be told, or could not be removed, is left to the next run.
    rest=no
    [ -n "$(verdict)" ] && [ ! -e "$BOOT_UNIT" ] && each_file is_gone || rest=yes
    [ "$rest" = yes ] || rm -f "$dir/manifest" "$dir"/*.json "$dir/swapping"
    tell_verdict "$1"
    [ "$rest" = yes ] || rm -f "$dir/transaction.sh" "$dir"/packages.* "$dir/upgrade.sh"
    if [ "$1 $leaving" = "confirmed yes" ]; then
        [ ! -e "$HELD" ] || release
        rm -rf "$STATE"
    fi
    exit 0
}

leave_upgrade() {
    read_upgrade || return
    [ "$1" = refused ] && hold_those
    leave_nothing
}

# tell_verdict WORD: to who follows; on a full disk by a name, which needs no room.
tell_verdict() { journal "verdict $1" || mv -f "$dir/start" "$dir/verdict.$1"; }

forget_leavings() {
    [ ! -e "$dir/probe" ] || forget_probe
    rm -f "$RUN/oakum-$id.json"
    each_file remove_staged
}
is_gone() { [ ! -e "$staged" ] && [ ! -e "$staged-undo" ]; }
remove_staged() { rm -f "$staged" "$staged-undo"; }

prune() {
    # shellcheck disable=SC2012  # names are ours: a time and hexadecimal digits
    ls -1 "$STATE/txn" | awk '
        FNR == NR { if ($3 == "confirmed") ended[$2] = 1
                    if ($3 == "begin" && $4 == "rollback") back[$2] = 1
                    if ($3 == "undoes") undone[$4] = $2
                    next }
        !(ended[$1] && !back[$1] && !(undone[$1] in ended)) { print $1 }
    ' "$STATE/ledger" - | sort -r | tail -n +$((KEEP + 1)) | while read -r old; do
        [ "$old" = "$id" ] || rm -rf "$STATE/txn/${old:?}"
    done
}

# --- The way back ---

# Before the lock: nothing was touched.
turn_away() {
    journal "refused $(printable "$*")"
    rm -f "$dir/transaction.sh" "$dir/manifest"
    tell_verdict refused
    exit 0
}

# Before anything was swapped.
refuse() {
    reason=$(printable "$*")
    each_file remove_staged
    each_file remove_parent
    grep -q " $id begin " "$STATE/ledger" 2>/dev/null || begin
    record "refused $reason"
    journal "refused $reason"
    conclude refused
}

remove_parent() {
    [ ! -e "$dir/$n.parent" ] || rmdir -p "$(cat "$dir/$n.parent")" 2>/dev/null || :
}

fail() {
    [ -e "$dir/swapping" ] || refuse "$*"
    undo "$*"
}

# undo REASON [files-only]: may be ended anywhere and begun again.
undo() {
    reason=$(printable "$1") outcome=rolled-back
    journal "failed $reason"
    point undo
    was_touched=$(cat "$dir/touched" 2>/dev/null)
    [ $# = 1 ] && [ "$was_touched" != started ] || was_touched=
    hold_again
    forward=no
    if [ "$action" = upgrade ] && read_upgrade; then
        if [ $# = 1 ]; then back_from_upgrade; else back_from_upgrade "$2"; fi
    elif cross_bridge; then
        was_touched=reloaded
        touched reloaded
    fi
    [ "$was_touched" != reloaded ] || [ ! -e "$dir/reset" ] || reset_dockerd
    point bridged
    forget_dockremap "$dir"
    # Without a way back for the packages the file is the new engine's.
    if [ "$forward" = no ]; then
        each_file restore
        each_file remove_parent
    fi
    sync
    tell_loaders || journal "failed $heard"
    point restored
    # A dockerd that was told nothing is left alone: a restart that it did not have would stop
    # containers. A reload is taken back by a reload, but a daemon that is gone has to be started.
    if [ "$was_touched" = reloaded ] && answers; then
        hang_up
    elif [ -n "$was_touched" ]; then
        restart_dockerd $((answer + 100))
    fi
    [ -z "$was_touched" ] || healthy || outcome=broken
    point undone
    record "$outcome $reason"
    conclude "$outcome"
}

healthy() {
    await "$answer" answers || {
        journal "failed dockerd does not answer: $(last_words)"
        return 1
    }
    if [ "$action" = upgrade ] && [ "$containers" != stay ]; then
        bring_back
        await 30 all_back || {
            journal "failed a container that ran before does not run now"
            return 1
        }
    fi
    [ "$containers" != stay ] || [ ! -e "$dir/running" ] || await 30 all_running || {
        journal "failed a container that ran before does not run now"
        return 1
    }
}

# cross_bridge: dockerd runs with live-restore on; one that was only told to reload need not be
# restarted for that.
cross_bridge() {
    [ -n "$was_touched" ] && [ -e "$dir/bridge" ] || return
    path=$(cat "$dir/bridge.path")
    put_spare "$dir/bridge" || return
    if [ "$was_touched" = reloaded ]; then
        # What it was told may kill it a quarter of a minute later, and whoever starts it then, we
        # or systemd, has to find live-restore on.
        hang_up
        ! await 30 live_restore_is true || return 0
    elif answers && ! live_restore_is true; then
        # Live-restore has to be on in the dockerd that ends, too.
        hang_up && await 10 live_restore_is true
    fi
    restart_dockerd $((answer + 100)) && await "$answer" answers
}

reset_dockerd() {
    path=$(cat "$dir/bridge.path")
    put_spare "$dir/reset" && hang_up && await 10 live_restore_is false
}

restore() {
    rm -f "$staged"
    found "$path"
    new=absent was=absent
    [ ! -e "$dir/$n.new" ] || new=$(digest "$dir/$n.new")
    [ ! -e "$dir/$n.was" ] || was=$(digest "$dir/$n.was")
    [ "$now" != "$was" ] || [ "$now" = absent ] || value "$path" || same_stat || now=changed
    [ "$now" != "$was" ] || return 0
    # A stranger's edit is kept, and where it lies is said.
    case $now in
        "$new" | changed | absent | odd) ;;
        *) mid_way || {
            cp -p "$path" "$dir/$n.foreign" &&
                journal "failed somebody else's $path is kept in $dir/$n.foreign"
        } ;;
    esac
    if [ "$was" = absent ]; then
        rm -f "$path"
    elif value "$path"; then
        cat "$dir/$n.was" >"$path"
    else
        cp -p "$dir/$n.was" "$staged-undo" && flush "$staged-undo" && mv -f "$staged-undo" "$path"
    fi || {
        journal "failed cannot put $path back; its copy is $dir/$n.was"
        outcome=broken
    }
    return 0
}

# Bytes that we put there ourselves on the way: the bridge, or what stood before the final ones.
mid_way() {
    for step in "$dir/bridge" "$dir/reset" "$dir/finally.reset" "$dir/finally" \
        "$dir/calm" "$dir/calm-former"; do
        [ ! -e "$step" ] || [ "$now" != "$(digest "$step")" ] || return 0
    done
    return 1
}

same_stat() {
    # shellcheck disable=SC2012  # mode, owner and group alone are looked at
    [ "$(ls -ldn "$path" | awk '{ print $1, $3, $4 }')" = \
        "$(ls -ldn "$dir/$n.was" | awk '{ print $1, $3, $4 }')" ]
}

# recover [files-only]: for a transaction whose process is gone.
recover() {
    lock 300 || exit 0 # whoever holds it for so long is alive, and ends by itself
    [ -e "$dir/transaction.sh" ] || exit 0
    [ ! -e "$dir/manifest" ] || read_manifest
    ended=$(verdict)
    # Packages are put back at the boot, and not while everything ends.
    [ "$action $verb $#" != "upgrade recover 2" ] || [ -n "$ended" ] || [ ! -e "$dir/touched" ] || exit 0
    case $ended in
        '') ;;
        *) conclude "$ended" ;;
    esac
    [ -e "$dir/swapping" ] || refuse "the transaction was ended before it changed anything"
    undo "${2-the transaction was ended on its way}" ${1+"$1"}
}

# recover_others: what was never ended is undone before anything else begins. Each one takes the lock
# for itself, which is why ours is given away and taken again.
recover_others() {
    for script in "$STATE"/txn/*/transaction.sh; do
        other=${script%/*}
        other=${other##*/}
        [ "$other" != "$id" ] && [ -e "$script" ] || continue
        exec 9>&-
        sh "$script" recover "$other"
        lock 2 || turn_away "$(holder)"
    done
}

boot() {
    for folder in "$STATE"/txn/*/transaction.sh; do
        [ ! -e "$folder" ] || sh "$folder" booted "$(basename "${folder%/*}")"
    done
}

overdue() {
    systemctl kill --signal=KILL "oakum-$id.service" >/dev/null 2>&1
    recover
}

# watch: where systemd would have seen the process end, this looks every second.
watch() {
    read_manifest
    left=$(overdue_after) free=0
    while [ -e "$dir/transaction.sh" ]; do
        sleep 1
        left=$((left - 1))
        if (flock -n 8) 8<"$STATE/lock"; then free=$((free + 1)); else free=0; fi
        if [ "$left" = 0 ]; then
            read -r other pid <"$STATE/lock"
            [ "$other" != "$id" ] || kill -KILL "-$pid"
        fi
        [ "$free" -lt 3 ] || recover
    done
}

# soak: prints `held`, or why it did not hold; nothing is put back, for nobody knows what else has
# happened since.
soak() {
    fail() { # what settle does where it finds something
        printf 'failed: %s\n' "$(printable "$*")" >&2
        exit 1
    }
    all_running() { all_fine; }
    step() { :; }
    [ "$(verdict)" = confirmed ] || fail "the ledger of this host does not say that $id was confirmed"
    [ ! -e "$dir/running" ] || action=again
    [ ! -e "$dir/may-stop" ] || containers=may-stop
    while [ -e "$dir/expect.$((expects + 1))" ]; do expects=$((expects + 1)); done
    watch=0
    choose_dialer
    settle
    echo held
}

# all_fine: of the containers that ran, none has failed since; work that is done may end.
all_fine() {
    now=$(running) || return 1
    while read -r one; do
        case $now in *"$one"*) continue ;; esac
        code=$(client inspect --format '{{.State.ExitCode}}' "$one" 2>/dev/null) || continue
        [ "$code" = 0 ] || return 1
    done <"$dir/running"
}

verb=$1 id=${2-} dir=$STATE/txn/${2-} crash=
[ ! -e /etc/oakum-lab-host ] || crash=$(cat "$dir/crash" 2>/dev/null)
case $verb in
    run) run ;;
    recover)
        if systemd && [ "$(systemctl is-system-running 2>/dev/null)" = stopping ]; then
            recover files-only "the host was shut down on the way"
        fi
        recover
        ;;
    booted) recover files-only "the host was started again on the way" ;;
    boot) boot ;;
    overdue) overdue ;;
    watch) watch ;;
    soak) soak ;;
    shadow)
        read_manifest
        shadow "$3"
        ;;
esac
# end

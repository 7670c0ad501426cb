#!/bin/sh
# What the controller runs on a host: lays a transaction down, starts it where no lost connection
# can end it, and follows it. oakum.operations puts the two files and the calls behind this text.
#
# Prints `step NAME DETAIL` as the steps are done, `refused:` or `failed:` with the reason on
# stderr, and at last `verdict WORD ID`.
# Exit: 0 confirmed · 1 nothing was changed · 2 rolled back · 3 dockerd is not well, or who knows
# shellcheck disable=SC2015  # turn_away does not come back
set -u
export LC_ALL=C
PATH="$PATH:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
umask 077
STATE=/var/lib/oakum

turn_away() {
    printf 'refused: %s\n' "$*" >&2
    printf 'verdict refused %s\n' "$id"
    exit 1
}

# begin ID: the folder that the transaction's files are written to.
begin() {
    id=$1 dir=$STATE/txn/$1
    [ "$(id -u)" = 0 ] || turn_away "not root"
    for tool in sha256sum flock awk; do
        command -v "$tool" >/dev/null || turn_away "no $tool on this host"
    done
    if [ -n "${OAKUM_CRASH-}" ] && [ ! -e /etc/oakum-lab-host ]; then
        turn_away "OAKUM_CRASH is for hosts of the lab"
    fi
    # Who asks again under the same id was cut off, and finds what it began, if it came so far.
    ticks=0
    while [ -d "$dir" ] && [ ! -e "$dir/start" ] && [ "$ticks" -lt 20 ]; do
        nap
        ticks=$((ticks + 1))
    done
    [ ! -e "$dir/start" ] || follow "$id"
    rm -rf "$dir"
    mkdir -p "$STATE/txn" && mkdir "$dir" || turn_away "cannot write $STATE"
    [ -z "${OAKUM_CRASH-}" ] || printf '%s' "$OAKUM_CRASH" >"$dir/crash"
}

# The files could not be written whole.
give_up() {
    rm -rf "$dir"
    turn_away "cannot write $STATE"
}

# start: as a unit of systemd, which sees when it ends and lets it be undone; else on its own, with
# a second process that watches it.
start() {
    script=$dir/transaction.sh
    printf '' >"$dir/start" && printf '' >"$dir/journal" && [ "$(tail -n 1 "$dir/manifest")" = "# end" ] &&
        [ "$(tail -n 1 "$script")" = "# end" ] || give_up
    if [ -d /run/systemd/system ]; then
        timeout 60 systemd-run --quiet --collect --no-block --unit="oakum-$id" \
            -p TimeoutStopSec=1800 \
            -p "ExecStopPost=-/bin/sh -c 'test ! -e $script || exec /bin/sh $script recover $id'" \
            /bin/sh "$script" run "$id" 2>"$dir/start" && return
        reason=$(tail -n 1 "$dir/start" | tr -cd '\40-\176' | cut -c1-200)
        rm -rf "$dir"
        turn_away "systemd-run: $reason"
    fi
    detached run "$id"
    detached watch "$id"
}

detached() {
    if command -v setsid >/dev/null; then
        setsid sh "$script" "$@" </dev/null >/dev/null 2>&1 &
    else
        (trap '' HUP && exec sh "$script" "$@") </dev/null >/dev/null 2>&1 &
    fi
}

nap() { sleep 0.1 2>/dev/null || sleep 1; }

# follow ID: tells what a transaction does, from its beginning, until there is a verdict. `leaving`
# says that its own end is to leave nothing here.
follow() {
    id=$1 dir=$STATE/txn/$1 told=0 idle=0 tries=0
    leaving=${2-}
    while :; do
        if [ ! -d "$dir" ]; then
            # Nothing but a rollback that leaves removes its own folder, once it is confirmed.
            [ -n "$leaving" ] && conclude confirmed
            conclude unknown
        fi
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
        for mark in "$dir"/verdict.*; do
            [ ! -e "$mark" ] || {
                printf 'failed: the disk of /var/lib/oakum is full\n' >&2
                conclude "${mark##*.}"
            }
        done
        nap
        # Nobody has the lock and nobody says anything: whoever should have undone it is gone, too.
        if [ ! -e "$STATE/lock" ] || (flock -n 8) 8<"$STATE/lock"; then
            idle=$((idle + 1))
        else
            idle=0
        fi 2>/dev/null
        if [ "$idle" -ge 100 ]; then
            idle=0 tries=$((tries + 1))
            [ "$tries" -lt 3 ] && [ -e "$dir/transaction.sh" ] || conclude unknown
            sh "$dir/transaction.sh" recover "$id"
        fi
    done
}

conclude() {
    if [ "$1" = confirmed ] && [ -n "$leaving" ]; then
        ticks=0
        while [ -d "$STATE" ] && [ "$ticks" -lt 100 ]; do
            nap
            ticks=$((ticks + 1))
        done
    fi
    printf 'verdict %s %s\n' "$1" "$id"
    case $1 in
        confirmed) exit 0 ;;
        refused) exit 1 ;;
        rolled-back) exit 2 ;;
        *) exit 3 ;;
    esac
}

#!/bin/sh
# What oakum did on this host, read in one run that changes nothing there.
#
# oakum.history sends this text with one call behind it:
#   tell ledger        the ledger
#   tell stored        the ledger, what every confirmed transaction kept, and its files as they are
#   tell now PATH...   the ledger, and these files as they are
#
# Prints readings between two markers, as probe.sh does, but for these names:
#   ledger                        its bytes; none where there is no ledger
#   stored, tN.id, tN.files       how many transactions, their ids, how many files each has
#   tN.fN.path .was .new          a file, what it was before, and what the transaction made of it
#   now, nN.path, nN              how many files are looked at, and what each is now
# A file is .stat (mode, owner, group; or absent, gone, link, directory, other) and .bytes.
# ledger.py reads it. House rules as in probe.sh.

exec </dev/null 2>/dev/null
LC_ALL=C
PATH="$PATH:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
export LC_ALL PATH
set -f # what a host says is no pattern
IFS=' 
'

state=/var/lib/oakum
room=3900000         # bytes by which the output may still grow
most_ledger=1048576  # bytes
most_file=262144     # bytes
most_transactions=200
nl='
'

# reason SENTENCE NAME...
reason() {
    text=$(printf '%s' "$1" | tr -cd '\040-\176')
    shift
    for name; do printf '!%s %.300s\n' "$name" "${text:-no reason was given}"; done
}

# bytes NAME FILE MOST: the exact bytes of a file.
bytes() {
    size=$(stat -L -c %s "$2")
    # A value of the kernel says nothing of its size before it is read.
    case $2 in /proc/sys/*) [ ! -r "$2" ] || size=$(head -c 4096 "$2" | wc -c) ;; esac
    if [ -z "$size" ] || [ ! -r "$2" ]; then
        reason "permission denied: $2" "$1"
    elif [ "$size" -gt "$3" ] || [ $((2 * size)) -gt $room ]; then
        reason "$2 has $size bytes, too much to send" "$1"
    else
        hex=$(od -An -v -tx1 -N $((size + 1)) "$2" | tr -d ' \n')
        if [ ${#hex} = $((2 * size)) ]; then
            room=$((room - ${#hex}))
            printf '@%s %s\n' "$1" "$hex"
        else
            reason "$2 changed while it was read, or od is missing" "$1"
        fi
    fi
}

# text NAME TEXT: text of any kind, as bytes.
text() { printf '@%s %s\n' "$1" "$(printf '%s' "$2" | od -An -v -tx1 | tr -d ' \n')"; }

# copy NAME FILE [MODE-OWNER-GROUP]: a regular file; what it has now, or what is said of it.
copy() {
    stat=${3:-$(stat -c '%a %u %g' "$2")}
    case $stat in
        '' | *[!0-9\ ]*) reason "stat could not read $2" "$1.stat" ;;
        *) printf '=%s.stat %.40s\n' "$1" "$stat" ;;
    esac
    bytes "$1.bytes" "$2" $most_file
}

closed() { [ -d "$state" ] && { [ ! -r "$state" ] || [ ! -x "$state" ]; }; }

say_ledger() {
    if closed; then
        reason "permission denied: $state" ledger
    elif [ -e "$state/ledger" ]; then
        bytes ledger "$state/ledger" $most_ledger
    else
        echo '@ledger '
    fi
}

say_stored() {
    confirmed=$(sed -n 's/^[^ ]* \([0-9]\{8\}T[0-9]\{6\}Z-[0-9a-f]\{8\}\) confirmed.*$/\1/p' \
        "$state/ledger" | sort -r)
    transactions=0
    for id in $confirmed; do
        [ $transactions -lt $most_transactions ] || break
        [ -d "$state/txn/$id" ] || continue
        transactions=$((transactions + 1))
        say_transaction "t$transactions" "$id"
    done
    echo "=stored $transactions"
}

# say_transaction NAME ID
say_transaction() {
    echo "=$1.id $2"
    files=0
    while [ -f "$state/txn/$2/$((files + 1)).path" ]; do
        files=$((files + 1))
        say_kept "$1.f$files" "$state/txn/$2/$files"
    done
    echo "=$1.files $files"
}

# say_kept NAME STEM
say_kept() {
    path=$(cat "$2.path")
    text "$1.path" "$path"
    if [ -e "$2.absent" ]; then echo "=$1.was.stat absent"; else copy "$1.was" "$2.was"; fi
    if [ -e "$2.gone" ]; then
        echo "=$1.new.stat gone"
    else
        copy "$1.new" "$2.new" "$(cat "$2.stat")"
    fi
    case $nl$paths$nl in *"$nl$path$nl"*) ;; *) paths=$paths${paths:+$nl}$path ;; esac
}

say_now() {
    looked=0
    IFS=$nl
    for path in $paths; do
        looked=$((looked + 1))
        text "n$looked.path" "$path"
        say_present "n$looked" "$path"
    done
    echo "=now $looked"
}

# say_present NAME PATH
say_present() {
    if [ -L "$2" ]; then
        echo "=$1.stat link"
    elif [ -d "$2" ]; then
        echo "=$1.stat directory"
    elif [ -f "$2" ]; then
        copy "$1" "$2"
    elif [ -e "$2" ]; then
        echo "=$1.stat other"
    else
        echo "=$1.stat absent"
    fi
}

# tell ledger|stored|now PATH...
tell() {
    what=$1 paths=
    shift
    for path; do paths=$paths${paths:+$nl}$path; done
    echo 'oakum-probe 1 begin'
    say_ledger
    [ "$what" != stored ] || say_stored
    [ "$what" = ledger ] || say_now
    echo 'oakum-probe 1 end'
    exit 0
}

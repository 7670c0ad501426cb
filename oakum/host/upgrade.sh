#!/bin/sh
# What package managers do for a transaction that replaces an engine by a newer one: read after
# packages.sh by transaction.sh, which has said `manager`, `release`, `names` and `install`; and by
# the controller's question for what there is, `offer`, which changes nothing.
#
# Of each name: NAME= is of that release, NAME? is taken where there is such a package, NAME@ where it
# is installed already. In $dir: `packages`, lines of NAME VERSION|- of all that changes; `kept`, the
# files of those versions, without which nothing is put back; `incoming`, the files of the new ones;
# `new`, what is in them; `was-held`, the names that upgrades of the whole host leave alone.
#
# Every function leaves the reason of a failure in $heard.
# shellcheck disable=SC2154,SC2034  # what transaction.sh gives and takes
# shellcheck disable=SC2086,SC2046,SC2015  # lists of words; no `C` that could not follow both

APK=/etc/apk
GUARDED='docker.service docker.socket containerd.service'

# --- What there is ---

bare() { bare=${1%[@?]} bare=${bare%=}; }

# installed NAME: the version that is there, nothing where there is none.
installed() {
    is_installed "$1" || return
    # shellcheck disable=SC2016  # dpkg-query's own variable
    case $manager in
        apt) dpkg-query -W -f '${Version}\n' "$1" | head -n 1 ;; # of every architecture
        apk) apk info -e -v "$1" | sed "s/^$1-//" ;;
        *) rpm -q --qf '%{VERSION}-%{RELEASE}\n' "$1" | tail -n 1 ;;
    esac 2>/dev/null
}

# first_of: of lines VERSION SOURCE, newest first, the first one of the release.
first_of() {
    awk -v want="$1" '
        { bare = $1; sub(/^[0-9]+:/, "", bare); rest = substr(bare, length(want) + 1, 1) }
        want == "-" || (index(bare, want) == 1 && rest !~ /[0-9]/) { print $1, $2; exit }'
}

# available NAME: VERSION SOURCE of all there are, newest first, as far as the host knows.
available() {
    case $manager in
        apt) madison "$1" ;;
        dnf | yum)
            case $manager in
                dnf) dnf -q list --available --showduplicates "$1" ;;
                yum) yum -q --disableplugin=versionlock --showduplicates list available "$1" ;;
            esac |
                awk -v name="$1" 'index($1, name ".") == 1 { sub(/^[0-9]+:/, "", $2); print $2, $3 }' |
                sort -rV
            ;;
        zypper)
            zypper --non-interactive --quiet search -s --match-exact "$1" |
                awk -F' *[|] *' -v name="$1" '$2 == name && $6 !~ /^.System/ { gsub(/ /, "_", $6); print $4, $6 }' |
                sort -rV
            ;;
        apk)
            apk policy "$1" | awk '
                /^  [^ ].*:$/ { version = $1; sub(/:$/, "", version); next }
                /^    / && $1 !~ /^lib\/apk/ { print version, $NF }' | sort -rV
            ;;
    esac 2>/dev/null 9>&-
}

# candidate NAME...: as a name says it, in $exact and $origin; it fails where there is none.
candidate() {
    bare "$1"
    exact='' origin=''
    case $1 in
        *=*) of=$release ;;
        *) of=- ;;
    esac
    found=$(available "$bare" | first_of "$of")
    exact=${found%% *} origin=${found#* }
    [ -n "$exact" ]
}

is_held() {
    case $manager in
        apt) apt-mark showhold 2>/dev/null | grep -qxF "$1" ;;
        dnf | yum) "$manager" -q versionlock list 2>/dev/null | grep -Eq "^(Package name: )?([0-9]+:)?$1(-[0-9]|\$)" ;;
        zypper) zypper --non-interactive --quiet locks 2>/dev/null | awk -F' *[|] *' -v name="$1" '$2 == name { found = 1 } END { exit !found }' ;;
        apk) grep -Eqs "^$1[=~<>]" "$APK/world" ;;
    esac 9>&-
}

is_newer() { # is_newer VERSION THAN
    if [ "$manager" = apt ]; then
        dpkg --compare-versions "$1" gt "$2"
    else
        [ "$1" != "$2" ] && [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | tail -n 1)" = "$1" ]
    fi
}

# offer: a line for each package that is there or would come: NAME INSTALLED CANDIDATE SOURCE HELD.
offer() {
    word() { printf '%s' "${1:--}" | tr -cd '\041-\176' | cut -c1-"$2"; }
    for name in $names; do
        bare "$name"
        have=$(installed "$bare")
        case $name in *@) [ -n "$have" ] || continue ;; esac
        candidate "$name"
        [ -n "$have$exact" ] || continue
        # Nothing is made older.
        [ -z "$have" ] || [ -z "$exact" ] || is_newer "$exact" "$have" || exact=$have
        held=no
        ! is_held "$bare" || held=yes
        printf 'package %s %s %s %s %s\n' "$bare" "$(word "$have" 100)" "$(word "$exact" 100)" \
            "$(word "$origin" 200)" "$held"
    done
    echo end
}

# --- Before anything is stopped ---

# in_time: whether something is left of the seconds that all of the preparation has.
in_time() {
    heard="oakum_time_limits: install, $install s, have passed"
    [ $(($(centiseconds) / 100)) -lt "$packages_end" ]
}

# be_patient: dockerd ends with the containers, some of which may take their time for it.
be_patient() {
    [ "$containers" != stay ] && [ -z "${patient-}" ] || return 0
    patient=yes
    [ -s "$dir/slowest" ] ||
        client inspect --format '{{.Config.StopTimeout}}' $(running) 2>/dev/null |
        awk '$1 + 0 > most { most = $1 > 600 ? 600 : $1 } END { print most + 0 }' >"$dir/slowest"
    answer=$((answer + $(cat "$dir/slowest")))
}

# prepare_upgrade: the way back is to be had, and so are the new packages, which are tried later.
prepare_upgrade() {
    be_patient
    allow
    mkdir "$dir/kept" "$dir/incoming" || { heard="cannot write $dir"; return 1; }
    refresh && in_time && choose_packages && in_time || return
    for name in $(bare_names_of); do ! is_held "$name" || echo "$name"; done >"$dir/was-held"
    [ ! -e "$APK/world" ] || cp -p "$APK/world" "$dir/world" || { heard="cannot write $dir"; return 1; }
    lift_locks
    what_changes && in_time || return
    keep_packages || return
    in_time && fetch_packages || return
    step fetch "$(printf '%s' "$wanted_list" | tr -s ' ' | sed 's/^ //')"
    unpack
    point prepared
}

bare_names_of() {
    for name in $names; do
        bare "$name"
        ! is_installed "$bare" || printf '%s ' "$bare"
    done
}

# choose_packages: those that are to come, in $chosen, and with their versions in $wanted_list.
choose_packages() {
    chosen='' wanted_list=''
    for name in $names; do
        case $name in *@) bare "$name" && is_installed "$bare" || continue ;; esac
        if ! candidate "$name"; then
            case $name in *'?') continue ;; esac
            # What is there already may be of nobody's repository.
            case $name in *=*) ;; *) is_installed "$bare" && continue ;; esac
            heard="$manager has no $bare of release $release here${update_said:+; $(printable "$update_said")}"
            return 1
        fi
        # Nothing is made older.
        have=$(installed "$bare")
        [ -z "$have" ] || is_newer "$exact" "$have" || continue
        chosen="$chosen $bare"
        case $manager in
            dnf | yum) wanted_list="$wanted_list $bare-$exact" ;;
            *) wanted_list="$wanted_list $bare=$exact" ;;
        esac
    done
}

manage() { # manage install|download…: the new packages, by name, from $dir/incoming where that goes
    case $manager in
        apt)
            mkdir -p "$dir/incoming/partial"
            apt_get -o Dir::Cache::archives="$dir/incoming" --allow-change-held-packages "$@"
            ;;
        dnf | yum) quietly "$manager" -y "$@" ;;
        zypper) zypper_quietly --pkg-cache-dir "$dir/incoming" "$@" ;;
        apk) quietly apk --wait 300 "$@" ;;
    esac
}

# what_changes: each package that would be another afterwards, with what is there now.
what_changes() {
    if [ "$manager" = apt ]; then
        manage -s install $wanted_list || { heard="apt: $(complaint)"; return 1; }
        goes=$(awk '$1 == "Remv" { print $2 }' "$dir/packages.log" | tr '\n' ' ')
        if [ -n "$goes" ]; then
            heard="apt would remove $(printable "$goes")"
            return 1
        fi
        awk '$1 == "Inst" { was = $3; gsub(/[][]/, "", was)
            print $2, ($3 ~ /^\[/ ? was : "-") }' "$dir/packages.log" >"$dir/packages"
    else
        for name in $chosen; do
            was=$(installed "$name")
            echo "$name ${was:--}"
        done >"$dir/packages"
    fi
    heard="$manager has nothing newer than what is installed"
    [ -s "$dir/packages" ]
}

# keep_packages: without the files of what is there the policy says whether to go on.
keep_packages() {
    gone=
    while read -r name was; do
        [ "$was" != - ] || continue
        in_time || return
        keep_package "$name" "$was" || gone="$gone $name $was" why=$(complaint)
    done <"$dir/packages"
    [ -n "$gone" ] || return 0
    rm -rf "$dir/kept"
    heard="$manager does not give$gone again: $why"
    [ "$wanted" = available ] || { heard="preflight: no way back, for $heard"; return 1; }
    without "way back" "$heard"
}

keep_package() {
    case $manager in
        apt)
            file=${1%:*}_$(printf '%s' "$2" | sed 's/:/%3a/')_
            case $1 in *:*) file=$file${1#*:} ;; esac
            cp -p /var/cache/apt/archives/"$file"*.deb "$dir/kept/" 2>/dev/null ||
                (cd "$dir/kept" && apt_get download "$1=$2") || return
            ls "$dir/kept/$file"*.deb >/dev/null 2>&1
            ;;
        dnf) quietly dnf -y download --destdir "$dir/kept" "$1-$2" && is_the_same "$1-$2" "$dir/kept/$1-$2".*rpm ;;
        yum) quietly yumdownloader -y --destdir "$dir/kept" "$1-$2" ;;
        zypper)
            zypper_quietly --pkg-cache-dir "$dir/kept" install --download-only --force --oldpackage "$1=$2" &&
                is_the_same "$1-$2" $(find "$dir/kept" -name "$1-$2.*rpm")
            ;;
        apk) fetch_apk "$dir/kept" "$1" "$2" || cp -p "$APK/cache/$1-$2."*.apk "$dir/kept/" 2>/dev/null ;;
    esac
}

# is_the_same PACKAGE FILE: what was fetched is what is installed, to the last byte; its signature, if
# it has any, was checked when that came.
is_the_same() {
    form='%{SHA256HEADER}'
    header=$(rpm -q --qf "$form" "$1" 2>/dev/null)
    [ -n "$header" ] && [ "$header" = "$(rpm -qp --nosignature --qf "$form" "$2" 2>/dev/null)" ]
}

# fetch_apk FOLDER NAME VERSION: before its third release apk fetches by name alone, which is the
# newest one of all its repositories.
fetch_apk() {
    for word in "$2=$3" "$2"; do
        quietly apk --wait 300 fetch --output "$1" "$word"
        [ ! -e "$1/$2-$3.apk" ] || return 0
        rm -f "$1/$2-"[0-9]*.apk
    done
    return 1
}

fetch_packages() {
    case $manager in
        apt) manage --download-only install $wanted_list ;;
        dnf | yum) manage --downloadonly install $wanted_list ;;
        zypper) manage install --download-only $wanted_list ;;
        apk)
            for each in $wanted_list; do
                fetch_apk "$dir/incoming" "${each%%=*}" "${each#*=}" || break
            done
            [ -e "$dir/incoming/${each%%=*}-${each#*=}.apk" ]
            ;;
    esac || {
        heard="$manager: $(complaint)"
        return 1
    }
}

# unpack: what is in the new packages, in $dir/new, to be tried beside the old ones; nothing whose
# signature was not checked is run.
unpack() {
    mkdir "$dir/new" || return
    case $manager in
        apt)
            for file in "$dir"/incoming/*.deb; do
                [ ! -e "$file" ] || dpkg-deb -x "$file" "$dir/new" || break
            done
            ;;
        dnf)
            # The client, too: an old one may be none that the new engine speaks to.
            quietly dnf -y download --destdir "$dir/incoming" $wanted_list
            unpack_rpms
            ;;
        zypper) unpack_rpms ;;
        apk)
            for file in "$dir"/incoming/*.apk; do
                apk verify "$file" >/dev/null 2>&1 && tar -xzf "$file" -C "$dir/new" 2>/dev/null || break
            done
            ;;
    esac
    said=$(PATH="$(new_path)" dockerd --version 2>&1)
    is_release "${said#*version }" && [ -x "$(PATH="$(new_path)" command -v dockerd)" ] &&
        case $(PATH="$(new_path)" command -v dockerd) in "$dir"/*) ;; *) false ;; esac ||
        rm -rf "$dir/new"
}

unpack_rpms() {
    command -v rpm2cpio >/dev/null && command -v cpio >/dev/null || return
    find "$dir/incoming" -name '*.rpm' | while read -r file; do
        rpmkeys --checksig "$file" 2>/dev/null | grep -Eq '(pgp|signatures).* OK$' &&
            rpm2cpio "$file" | (cd "$dir/new" && cpio -idm --quiet) || break
    done
}

new_path() { printf '%s' "$dir/new/usr/sbin:$dir/new/usr/bin:$dir/new/sbin:$dir/new/bin:$PATH"; }

# is_release VERSION: whether it is of the release.
is_release() {
    case $1 in
        "$release"[0-9]*) return 1 ;;
        "$release"*) ;;
        *) return 1 ;;
    esac
}

# --- The change ---

# guard: nobody restarts dockerd, or stops it, until the packages are whole; what runs goes on. Nor
# containerd, with which some units of Docker's end dockerd. systemd refuses it to everybody; of
# Debian's scripts some fail on that, and none on what policy-rc.d denies it.
guard() {
    if systemd; then
        for unit in $GUARDED; do
            folder=$RUN/systemd/system/$unit.d
            heard="cannot write $folder"
            mkdir -p "$folder" && printf '%s\n' '[Unit]' 'RefuseManualStart=yes' 'RefuseManualStop=yes' \
                >"$folder/oakum-upgrade.conf" || return
        done
        heard="systemd does not read its units anew"
        timeout 60 systemctl daemon-reload >/dev/null 2>&1 9>&- || return
    fi
    ! command -v invoke-rc.d >/dev/null || is_denied || deny
}

is_denied() { grep -qs '^# Until oakum has upgraded' "$RC_POLICY"; }

# deny: what somebody else's policy-rc.d says of other services still counts.
deny() {
    heard="cannot write $RC_POLICY"
    rm -f "$dir/policy-rc.d"
    [ ! -e "$RC_POLICY" ] || cp -pP "$RC_POLICY" "$dir/policy-rc.d" || return
    # shellcheck disable=SC2016  # for that script
    (umask 022 && printf '%s\n' '#!/bin/sh' '# Until oakum has upgraded it.' \
        'case $1 in docker | docker.s* | containerd | containerd.service) exit 101 ;; esac' \
        "[ ! -x $dir/policy-rc.d ] || exec $dir/policy-rc.d \"\$@\"" >"$RC_POLICY.oakum" &&
        chmod 755 "$RC_POLICY.oakum" && mv -f "$RC_POLICY.oakum" "$RC_POLICY")
}

unguard() {
    if systemd; then
        for unit in $GUARDED; do
            rm -f "$RUN/systemd/system/$unit.d/oakum-upgrade.conf"
            rmdir "$RUN/systemd/system/$unit.d" 2>/dev/null
        done
        timeout 60 systemctl daemon-reload >/dev/null 2>&1 9>&-
    fi
    is_denied || return 0
    if [ -e "$dir/policy-rc.d" ]; then
        cp -pP "$dir/policy-rc.d" "$RC_POLICY.oakum" && mv -f "$RC_POLICY.oakum" "$RC_POLICY"
    else
        rm -f "$RC_POLICY"
    fi
}

# old_containerd: its unit, where another program runs there than lies on the disk by now.
old_containerd() {
    systemd || return 0
    pid=$(systemctl show -p MainPID containerd.service 2>/dev/null)
    case $(readlink "/proc/${pid#MainPID=}/exe" 2>/dev/null) in *' (deleted)') echo containerd.service ;; esac
}

upgrade_engine() {
    dockerd_pid >"$dir/pid"
    note_what_stays || fail "cannot note what is there, or write $dir"
    guard || fail "cannot keep dockerd from being restarted: $heard"
    point guarded
    touched packages
    point upgrading
    allow
    case $manager in
        apt) manage install $wanted_list ;;
        dnf | yum | zypper) manage install $wanted_list ;;
        apk) manage add $wanted_list ;;
    esac || fail "$manager: $(complaint)"
    hash -r
    point upgraded
    hold_those
    worldly || step "hold cannot write $APK/world, which names the versions that came"
    step install "$(dockerd --version 2>/dev/null | tr -cd '\040-\176' | cut -c1-100)"
    each_file ours
    if [ -e "$dir/calm" ]; then
        touched calmed
        (PATH=$dir/former:$PATH && calm_down "$dir/calm") || fail "live-restore did not go off by reload: $(last_words)"
        each_file put_again || fail "cannot replace $path"
        point calmed
    fi
    touched restarted
    unguard
    point restart
    along=$(old_containerd)
    restart_dockerd "$answer" || fail "dockerd did not restart: $(last_words)"
    step restart
    point restarted
}

# calm_down FILE: containers end with the dockerd that runs, for another engine might lose them. By a
# client of its own age: one of Docker 29 does not speak to every engine before it, nor they to 29.
calm_down() {
    ! live_restore_is false || return 0
    path=$(cat "$dir/calm.path")
    put_spare "$1" && hang_up && await 10 live_restore_is false
}

# put_again: what is to be there, after a version that stood there for a moment.
put_again() {
    [ "$path" = "$(cat "$dir/calm.path" 2>/dev/null)" ] || return 0
    read -r mode owner group <"$dir/$n.stat" || :
    cat "$dir/$n.new" >"$staged" && chown "$owner:$group" "$staged" && chmod "$mode" "$staged" &&
        flush "$staged" && mv -f "$staged" "$path"
}

# lift_locks: where a lock would hide other versions; hold_those sets them again, however it ends.
lift_locks() {
    held_names=$(tr '\n' ' ' <"$dir/was-held" 2>/dev/null)
    [ -n "$held_names" ] || return 0
    case $manager in
        dnf | yum) quietly "$manager" -y --disablerepo='*' versionlock delete $held_names ;;
        zypper) quietly zypper --non-interactive removelock $held_names ;;
    esac
    return 0
}

hold_those() {
    held_names=$(tr '\n' ' ' <"$dir/was-held" 2>/dev/null)
    [ -n "$held_names" ] || return 0
    case $manager in
        apt) quietly apt-mark hold $held_names ;;
        dnf | yum)
            # Of what is installed; no repository is asked.
            quietly "$manager" -y --disablerepo='*' versionlock delete $held_names
            quietly "$manager" -y --disablerepo='*' versionlock add $held_names
            ;;
        zypper) quietly zypper --non-interactive addlock $held_names ;;
        apk) ;; # by its world, see `worldly`
    esac || step "hold the version of $held_names is not held: $(complaint)"
}

# worldly: to apk, whoever names a version asks for it from then on. What was asked for before is so
# again; what was of a version, of the new release.
worldly() {
    [ "$manager" = apk ] && [ -e "$dir/world" ] || return 0
    while read -r word; do
        bare=${word%%[=~<>]*}
        case " $chosen " in *" $bare "*) [ "$word" = "$bare" ] || word="$bare=~$release" ;; esac
        printf '%s\n' "$word"
    done <"$dir/world" >"$dir/world.new" && cat "$dir/world.new" >"$APK/world"
}

# --- After it ---

# note_what_stays: containers that are not removed when they end, and whether there are images; and
# the client that can be asked for it.
note_what_stays() {
    mkdir "$dir/former" && cp -L "$(command -v docker)" "$dir/former/docker" || return
    those_that_ran '{{.ID}} {{.HostConfig.AutoRemove}}' | awk '$2 == "false" && NF == 2 { print $1 }' \
        >"$dir/lasting" && client info --format '{{.Images}}' >"$dir/images" 2>/dev/null
}

# those_that_ran FORMAT: a line for each container, with a word more for those that somebody else
# starts. Newest first, as Docker lists them. (With `.Id` for `.ID` all would have a word more.)
those_that_ran() {
    others='{{index .Config.Labels "com.docker.swarm.task.id"}}{{index .Config.Labels "io.kubernetes.pod.uid"}}'
    [ ! -s "$dir/running" ] || client inspect --format "$1 $others" $(cat "$dir/running") 2>/dev/null
    return 0
}

# still_down: what ran, is there and does not run; the oldest first, in whose network others may be.
still_down() {
    those_that_ran '{{.State.Running}} {{.ID}}' |
        awk '$1 == "false" && NF == 2 { id[++n] = $2 } END { while (n) print id[n--] }'
}

# bring_back: what ran and was stopped with the former engine, but for what somebody else starts.
bring_back() {
    still_down | while read -r one; do within 60 start "$one" </dev/null >/dev/null 2>&1; done
}

all_back() { [ -z "$(still_down)" ] && nothing_hidden; }

# nothing_hidden: an engine that took another data root, storage driver or image store sees nothing
# of what there was; that somebody removes a container meanwhile is another matter.
nothing_hidden() {
    [ -e "$dir/images" ] || return 0
    there=$(client ps -aq --no-trunc 2>/dev/null) || return
    [ ! -s "$dir/lasting" ] || printf '%s\n' "$there" | grep -qxFf "$dir/lasting" || return
    read -r were <"$dir/images" && are=$(client info --format '{{.Images}}' 2>/dev/null) || return
    [ "$were" = 0 ] || [ "${are:-0}" != 0 ]
}

# serves_all: the new engine answers, and sees what the former one saw.
serves_all() {
    heard="the dockerd that answers is not of release $release"
    is_release "$(client version --format '{{.Server.Version}}' 2>/dev/null)" || return
    heard="the new engine does not see the containers and images of before"
    await 10 nothing_hidden
}

# --- The way back ---

as_before() {
    while read -r name was; do
        now=$(installed "$name")
        [ "${now:--}" = "$was" ] && is_whole "$name" || return
    done <"$dir/packages"
}

is_whole() {
    [ "$manager" = apt ] && [ -n "$now" ] || return 0
    # shellcheck disable=SC2016  # dpkg-query's own variable
    case $(dpkg-query -W -f '${db:Status-Abbrev}' "$1" 2>/dev/null) in ?i*) ;; *) return 1 ;; esac
}

# packages_back: the former ones, from their files; it may be ended anywhere and begun again.
packages_back() {
    heard="the former packages were not to be had"
    [ -d "$dir/kept" ] || return
    allow
    came=
    while read -r name was; do
        [ "$was" != - ] || ! is_installed "$name" || came="$came $name"
    done <"$dir/packages"
    lift_locks
    as_before || put_back
    hash -r
    heard="${heard:-$manager: $(complaint)}"
    hold_those
    [ ! -e "$dir/world" ] || cp -p "$dir/world" "$APK/world"
    as_before
}

put_back() {
    heard=
    case $manager in
        apt)
            # By dpkg, for apt might fetch a file that it finds in a repository, too. What came goes
            # first: what replaces files of another package keeps them from coming back.
            patient_dpkg --configure -a
            [ -z "$came" ] || patient_dpkg --remove --force-depends $came
            patient_dpkg --install --force-downgrade --force-confdef --force-confold "$dir"/kept/*.deb
            ;;
        # A boot has no network yet.
        dnf) quietly dnf -y --disablerepo='*' --setopt=localpkg_gpgcheck=0 downgrade "$dir"/kept/*.rpm ;;
        yum) quietly yum -y --disablerepo='*' --setopt=localpkg_gpgcheck=1 downgrade "$dir"/kept/*.rpm ;;
        zypper)
            zypper_quietly --no-refresh install --allow-unsigned-rpm --oldpackage --force \
                $(find "$dir/kept" -name '*.rpm')
            ;;
        apk) quietly apk --wait 300 --no-network add "$dir"/kept/*.apk ;;
    esac && as_before
}

# patient_dpkg: a package manager that somebody else runs is waited for, as apt does it.
patient_dpkg() {
    waits=100
    while ! quietly dpkg "$@"; do
        [ "$waits" -gt 0 ] && grep -q 'lock' "$dir/packages.log" || return
        waits=$((waits - 1))
        sleep 3
    done
}

# back_from_upgrade [files-only]: packages first, then the caller puts files back. What dockerd was
# told is in $was_touched afterwards, in the words of `undo`.
back_from_upgrade() {
    told=$(cat "$dir/touched" 2>/dev/null)
    be_patient
    hold_those
    if [ -n "$told" ]; then
        guard || journal "failed $heard"
        packages_back || {
            journal "failed the packages are not as they were: $(printable "$heard")"
            outcome=broken
            # Either engine starts under the file that came, and the new one not under the former.
            forward=yes
            each_file put_again || journal "failed cannot replace $path"
        }
        point packages-back
    fi
    was_touched=
    case $told in
        restarted) was_touched=restarted ;;
        calmed) was_touched=reloaded ;;
        packages) [ "$(dockerd_pid)" = "$(cat "$dir/pid")" ] || was_touched=restarted ;;
    esac
    [ $# = 0 ] || was_touched=
    if [ "$was_touched" = restarted ] && [ -e "$dir/calm-former" ]; then
        (PATH=$(new_path) && { ! answers || calm_down "$dir/calm-former"; }) ||
            journal "failed live-restore did not go off by reload"
    fi
    along=$(old_containerd)
    unguard
}

leave_nothing() {
    [ ! -e "$RUN/systemd/system/docker.service.d/oakum-upgrade.conf" ] && ! is_denied || unguard
    rm -rf "$dir/kept" "$dir/incoming" "$dir/new" "$dir"/world* "$dir/policy-rc.d" "$dir/former"
}
# end

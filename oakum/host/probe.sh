#!/bin/sh
# Everything that oakum knows about a Docker host, read in one run that changes nothing there.
#
# Prints readings between two markers; each name once in every run:
#   =NAME VALUE           one line of text
#   @NAME HEX             the exact bytes of a file
#   <NAME |LINE... >NAME  a block of lines
#   !NAME REASON          the reading could not be had, and why
# facts.py reads it. A reading is what was seen, or the reason why it was not; never a guess.
#
# House rules: POSIX sh with coreutils or busybox; nothing is written, standard input is never
# read; the Docker client asks only the local socket, and only for so long; no environment, label
# or command of a container is printed, but whether it is a swarm's task; few processes, since each one costs a busy host dearly.
#
# The environment may set OAKUM_PROBE_LIMIT (seconds to wait for any one answer) and
# OAKUM_PROBE_PATH (where to look for programs).

# What fails is told as a reason on standard output; the programs' own complaints are noise.
exec </dev/null 2>/dev/null
LC_ALL=C
PATH=${OAKUM_PROBE_PATH:-$PATH:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/snap/bin}
DOCKER_CONFIG=/nonexistent/oakum
export LC_ALL PATH DOCKER_CONFIG
unset DOCKER_HOST DOCKER_CONTEXT DOCKER_TLS DOCKER_TLS_VERIFY DOCKER_CERT_PATH DOCKER_API_VERSION
set -f # what a host says is no pattern

patience=${OAKUM_PROBE_LIMIT:-10}
case $patience in *[!0-9]*) patience=10 ;; esac
nl='
'
tab=$(printf '\t')
blank=" $tab$nl"
IFS=$blank

# --- How things are said ---

room=3900000      # bytes by which the output may still grow
plain="$blank!-~" # in a bracket expression: the characters that need no care

# printable TEXT: $text is TEXT without control characters and in valid UTF-8.
printable() {
    text=$1
    case $text in *[!$plain]*) text=$(printf '%s\n' "$text" | mend) ;; esac
}

# A line that is not valid UTF-8, or holds a C1 control, keeps only its ASCII.
mend() {
    tr -d '\000-\010\013-\037\177' | sed "$(printf '
        h
        s/\302[\240-\277]/./g
        s/[\303-\337][\200-\277]/./g
        s/\340[\240-\277][\200-\277]/./g
        s/\355[\200-\237][\200-\277]/./g
        s/[\341-\354\356\357][\200-\277][\200-\277]/./g
        s/\360[\220-\277][\200-\277][\200-\277]/./g
        s/[\361-\363][\200-\277][\200-\277][\200-\277]/./g
        s/\364[\200-\217][\200-\277][\200-\277]/./g
        /[\200-\377]/{
            g
            s/[\200-\377]/?/g
            b
        }
        g
    ')"
}

# reason SENTENCE NAME...
reason() {
    text=${1:-no reason was given}
    case $text in *[!$plain]*) text=$(printf '%s' "$text" | tr -cd '\011\012\040-\176') ;; esac
    text=${text%%"$nl"*}
    shift
    for name; do printf '!%s %.300s\n' "$name" "$text"; done
}

# value NAME TEXT [REASON]: the first line of TEXT; the reason where it is empty.
value() {
    printable "${2%%"$nl"*}"
    if [ -z "$text" ] && [ -n "$3" ]; then
        reason "$3" "$1"
    elif [ ${#text} -gt 4096 ]; then
        reason "${#text} bytes on one line are too much" "$1"
    else
        room=$((room - ${#text}))
        printf '=%s %s\n' "$1" "$text"
    fi
}

# block NAME TEXT [REASON]: the lines of TEXT that are not empty; the reason where there are none.
block() {
    block=$1
    printable "$2"
    if [ -z "$text" ] && [ -n "$3" ]; then
        reason "$3" "$block"
        return
    fi
    IFS=$nl
    # shellcheck disable=SC2086 # one word for each line
    set -- $text
    IFS=$blank
    size=$((${#text} + $#))
    if [ $size -gt "${most:-262144}" ] || [ $size -gt $room ]; then
        reason "$size bytes are too much to send" "$block"
        return
    fi
    room=$((room - size))
    printf '<%s\n' "$block"
    [ $# = 0 ] || printf '|%s\n' "$@"
    printf '>%s\n' "$block"
}

# --- Small tools ---

has() { command -v "$1" >/dev/null; }

# limit SECONDS COMMAND...: ends COMMAND after SECONDS, with status 124 or 137. The timeout of
# busybox will not do: it keeps our pipe open for a second or two after the command has ended.
if timeout -k 1 5 timeout --version >/dev/null; then
    limit() { timeout -k 1 "$@"; }
else
    limit() {
        leash=$1
        shift
        "$@" &
        child=$!
        (
            trap '[ "$!" = "$child" ] || kill "$!"; exit' TERM
            sleep "$leash" &
            wait "$!" && kill -KILL "$child"
        ) >/dev/null 2>&1 3>&- &
        dog=$!
        wait "$child" 2>/dev/null # some shells tell of the death
        ended=$?
        kill "$dog"
        wait "$dog" 2>/dev/null
        return "$ended"
    }
fi

# last_line TEXT: $text is its last line that is not empty.
last_line() {
    text=$1
    while [ "$text" != "${text%"$nl"}" ]; do text=${text%"$nl"}; done
    text=${text##*"$nl"}
}

# hidden PATH: a directory on the way keeps us out, so that not seeing PATH means nothing.
hidden() {
    above=${1%/*}
    while [ -n "$above" ] && [ ! -d "$above" ]; do above=${above%/*}; done
    cause="permission denied: $above"
    [ -n "$above" ] && [ ! -x "$above" ]
}

# closed PATH: a directory whose names cannot be read.
closed() {
    cause="permission denied: $1"
    [ -d "$1" ] && { [ ! -r "$1" ] || [ ! -x "$1" ]; }
}

# absolute PATH: $target is PATH as a service sees it, whose directory is the root.
absolute() {
    case $1 in /*) target=$1 ;; *) target=/$1 ;; esac
}

# resolve PATH: $target is PATH with every symbolic link followed; no process where there is none.
resolve() {
    target=$1 part=$1
    while [ -n "$part" ]; do
        if [ -L "$part" ]; then
            target=$(readlink -f "$1")
            return
        fi
        part=${part%/*}
    done
}

# --- Host ---

# Two processes read every small file; dash's own `read` gets a single byte of those in /proc/sys.
read_small_files() {
    small=$(cd /proc/sys && grep -s '' /dev/null fs/nr_open fs/file-max user/max_user_namespaces \
        kernel/unprivileged_userns_clone kernel/panic kernel/panic_on_oops \
        net/ipv4/ip_forward net/ipv4/conf/all/route_localnet net/ipv6/conf/all/disable_ipv6 \
        net/bridge/bridge-nf-call-iptables net/bridge/bridge-nf-call-ip6tables)
    small=$small$nl$(grep -s '' /dev/null /etc/os-release /usr/lib/os-release \
        /proc/sys/kernel/random/boot_id /proc/sys/kernel/random/entropy_avail /proc/version \
        /proc/1/comm /sys/kernel/security/lsm /sys/module/apparmor/parameters/enabled \
        /sys/class/misc/hw_random/rng_current /sys/class/dmi/id/sys_vendor \
        /sys/class/dmi/id/product_name /sys/hypervisor/type /run/systemd/container)
    IFS=$nl
    for line in $small; do
        content=${line#*:}
        case $line in
            /etc/os-release:*) os=$os$content$nl ;;
            /usr/lib/os-release:*) os_usr=$os_usr$content$nl ;;
            *boot_id:*) boot=$content ;;
            *entropy_avail:*) entropy=$content ;;
            /proc/version:*) hardware="$hardware $content" ;;
            /proc/1/comm:*) init_comm=$content ;;
            */lsm:*) lsm=$content ;;
            */apparmor/*) [ "$content" != Y ] || lsm_guess=apparmor ;;
            */hw_random/*) hwrng=$content ;;
            /sys/*) hardware="$hardware $content" ;;
            /run/*) container=$content ;;
            [!/]*)
                IFS=/
                # shellcheck disable=SC2086 # split at the slashes, joined with dots
                set -- ${line%%:*}
                IFS=.
                sysctl=$sysctl$*=$content$nl
                IFS=$nl
                ;;
        esac
    done
    IFS=$blank
}

say_host() {
    # shellcheck disable=SC2046 # three words
    set -- $(uname -n -r -m)
    kernel=$2
    value host.name "$1" "uname is missing"
    value host.kernel "$2" "uname is missing"
    value host.arch "$3" "uname is missing"
    block host.os "${os:-$os_usr}" "neither /etc/os-release nor /usr/lib/os-release"
    find_virt
    value host.virt "$virt"
    find_init
    value host.init "$init"
    packages=none
    for program in pacman apk zypper yum dnf apt-get; do
        if has "$program"; then packages=${program%-get}; fi
    done
    value host.packages "$packages"
    value host.uid "$uid" "id is missing"
    value host.clock "$(date +%s)" "date is missing"
    value host.zone "$(date +%z)" "date is missing"
    value host.boot "$boot" "no /proc/sys/kernel/random/boot_id"
    cgroup=none
    [ ! -e /sys/fs/cgroup/devices/cgroup.procs ] || cgroup=v1
    [ ! -e /sys/fs/cgroup/memory/cgroup.procs ] || cgroup=v1
    [ ! -e /sys/fs/cgroup/unified/cgroup.controllers ] || cgroup=hybrid
    [ ! -e /sys/fs/cgroup/cgroup.controllers ] || cgroup=v2
    value host.cgroup $cgroup
    [ ! -e /sys/fs/selinux/enforce ] || lsm_guess=selinux
    value host.lsm "${lsm:-$lsm_guess}" "/sys/kernel/security is not mounted"
}

find_virt() {
    virt=$(systemd-detect-virt)
    [ -z "$virt" ] || return
    # Only root may see the environment of process 1.
    [ -n "$container" ] || container=$(tr '\0' '\n' </proc/1/environ | grep '^container=')
    container=${container#container=}
    case $hardware in
        *[Mm]icrosoft*WSL* | *-[Mm]icrosoft*) virt=wsl ;;
        *VMware*) virt=vmware ;;
        *QEMU* | *KVM*) virt=kvm ;;
        *' xen'* | *Xen*) virt=xen ;;
        *'Microsoft Corporation'*) virt=microsoft ;;
        *innotek*) virt=oracle ;;
        *) virt=none ;;
    esac
    if [ -n "$container" ]; then
        virt=${container%%[!a-z0-9-]*}
    elif [ -e /.dockerenv ]; then
        virt=docker
    elif [ -e /run/.containerenv ]; then
        virt=podman
    elif [ -d /proc/vz ] && [ ! -d /proc/bc ]; then
        virt=openvz
    elif [ "$virt" = none ]; then
        case $cpu in *' hypervisor '*) virt=vm-other ;; esac
    fi
}

find_init() {
    init=other
    case $init_comm in
        runit | runit-init) init=runit ;;
        init) [ ! -f /etc/inittab ] || init=sysvinit ;;
    esac
    [ ! -d /run/openrc ] || init=openrc
    [ ! -d /run/systemd/system ] || init=systemd
}

# --- Kernel ---

say_kernel_config() {
    wanted='^(# )?CONFIG_(USER_NS|SECCOMP|SECCOMP_FILTER|OVERLAY_FS|CGROUP_PIDS|BRIDGE_NETFILTER|NF_NAT|VETH)[= ]'
    if [ -r /proc/config.gz ] && has zcat; then
        block kernel.config "$(zcat /proc/config.gz | grep -E "$wanted")" "/proc/config.gz is unreadable"
        return
    fi
    why="no configuration of kernel $kernel in /proc, /boot or /lib/modules"
    options=
    for path in "/boot/config-$kernel" "/lib/modules/$kernel/config"; do
        [ -n "$options" ] || options=$(grep -sE "$wanted" "$path")
        if [ -e "$path" ] && [ ! -r "$path" ]; then why="permission denied: $path"; fi
    done
    block kernel.config "$options" "$why"
}

say_entropy() {
    value entropy.hwrng "${hwrng:-none}"
    case $cpu in
        '  ') reason "/proc/cpuinfo names no features" entropy.rdrand ;;
        *' rdrand '* | *' rng '*) value entropy.rdrand yes ;; # rng is what arm64 calls it
        *) value entropy.rdrand no ;;
    esac
    value entropy.available "$entropy" "no /proc/sys/kernel/random/entropy_avail"
    value entropy.daemons "${entropy_daemons:-$none}" "$unseen"
    if has haveged; then value entropy.haveged installed; else value entropy.haveged absent; fi
}

# --- Processes ---

# Names of interest among all processes, then the details of those that may be the engine. The
# kernel cuts names after 15 characters.
find_processes() {
    unseen='' none=none proxies=0
    names='dockerd|dockerd-current|docker-proxy|containerd|docker-containe|haveged|rngd|jitterentropy-r|egd|egd\.pl|kubelet'
    set +f
    rows=$(cd /proc && grep -sE "^($names)\$" [0-9]*/comm)
    ended=$?
    set -f
    if [ ! -d /proc/self ]; then
        unseen="/proc is not mounted"
    elif [ ! -r /proc/1/comm ]; then
        unseen="the processes of other users are hidden"
    elif [ $ended -gt 2 ]; then
        unseen="the list of processes could not be read"
    fi
    [ -z "$unseen" ] || none=''
    for row in $rows; do
        pid=${row%%/*} daemon=${row#*:}
        case $daemon in
            dockerd*) engines="$engines $pid" ;;
            containerd | docker-containe) containerds="$containerds $pid" ;;
            docker-proxy) proxies=$((proxies + 1)) ;;
            kubelet) kubelet=yes ;;
            *)
                case $daemon in
                    jitterentropy-r) daemon=jitterentropy-rngd ;;
                    egd*) daemon=egd ;;
                esac
                case " $entropy_daemons " in
                    *" $daemon "*) ;;
                    *) entropy_daemons="${entropy_daemons:+$entropy_daemons }$daemon" ;;
                esac
                ;;
        esac
    done
    set --
    for pid in 1 $engines $containerds; do
        set -- "$@" "/proc/$pid/status" "/proc/$pid/limits" "/proc/$pid/stat"
    done
    details=$(grep -sE '^(btime |State:|PPid:|Uid:|NSpid:|CapEff:|Limit |Max |[0-9]+ \()' /proc/stat "$@")
}

# look_at PID: the process_* variables tell what is known of it.
look_at() {
    process_state='' process_parent='' process_uid='' process_nested='' process_caps=''
    process_limits='' process_stat=''
    IFS=$nl
    for line in $details; do
        case $line in
            "/proc/$1/status:State:"*) process_state=${line#*State:"$tab"} ;;
            "/proc/$1/status:PPid:"*) process_parent=${line##*"$tab"} ;;
            "/proc/$1/status:Uid:"*) process_uid=${line##*"$tab"} ;;
            "/proc/$1/status:NSpid:"*) process_nested=${line#*NSpid:"$tab"} ;;
            "/proc/$1/status:CapEff:"*) process_caps=${line##*"$tab"} ;;
            "/proc/$1/limits:"*) process_limits=$process_limits${line#*:}$nl ;;
            "/proc/$1/stat:"*) process_stat=${line##*) } ;;
            /proc/stat:btime*) btime=${line##* } ;;
        esac
    done
    IFS=$blank
    process_state=${process_state%% *}
}

# ours PID: the process that look_at saw is not one of a container.
ours() {
    case $process_nested in
        *"$tab"*) return 1 ;;
        ?*) return 0 ;;
    esac
    # Kernels before 4.1 do not say NSpid.
    [ -r "/proc/$1/ns/pid" ] || return 0
    # shellcheck disable=SC2046 # inode, name, inode, name
    set -- $(ls -Li /proc/self/ns/pid "/proc/$1/ns/pid")
    [ "$1" = "$3" ]
}

# The machine's dockerd is the one of its unit, else of its pidfile, else root's; that of another user
# (rootless) counts where there is no other. $doubt is why it cannot be told.
find_dockerd() {
    doubt=$unseen roots='' others='' main='' noted='' rootless=''
    for pid in $engines; do
        look_at "$pid"
        ours "$pid" || continue
        if [ "$process_uid" = 0 ]; then roots="$roots $pid"; else others="$others $pid"; fi
    done
    all=$roots$others
    case $nl$unit in *"${nl}MainPID="*) main=${unit##*MainPID=} ;; esac
    [ ! -r /run/docker.pid ] || read -r noted </run/docker.pid
    for pid in "$noted" "${main%%"$nl"*}"; do # the last word is the unit's
        case "$all " in *" ${pid:-none} "*) roots=$pid ;; esac
    done
    # shellcheck disable=SC2086 # a list of processes
    set -- ${roots:-$others}
    if [ $# -gt 1 ]; then
        doubt="$# dockerds run outside of containers, and nothing tells which is the machine's: $*"
        return
    fi
    dockerd_pid=$1
    [ -n "$dockerd_pid" ] || return
    look_at "$dockerd_pid"
    dockerd_uid=$process_uid
    args=$(tr '\0' '\n' <"/proc/$dockerd_pid/cmdline")
    [ "${dockerd_uid:-0}" = 0 ] || rootless=yes
}

# The one that dockerd runs itself, else the system's, which is no other dockerd's.
find_containerd() {
    for pid in $containerds; do
        look_at "$pid"
        ours "$pid" || continue
        if [ "$process_parent" = "${dockerd_pid:-none}" ]; then
            containerd_pid=$pid
            return
        fi
        case " $engines " in *" $process_parent "*) continue ;; esac
        if [ "$pid" -lt "${containerd_pid:-99999999}" ]; then containerd_pid=$pid; fi
    done
}

say_dockerd() {
    look_at "$dockerd_pid"
    why=${doubt:-dockerd is not running}
    [ -z "$dockerd_pid" ] || why="/proc/$dockerd_pid could not be read"
    nobody=$none
    [ -z "$doubt" ] || nobody=''
    value dockerd.pid "${dockerd_pid:-$nobody}" "$doubt"
    if [ -n "$unseen" ]; then proxies=''; fi
    value dockerd.proxies "$proxies" "$unseen"
    block dockerd.args "$args" "$why"
    # The 22nd field of stat (the first here is the 3rd) is in clock ticks since the host's start.
    # shellcheck disable=SC2086 # fields
    set -- $process_stat
    if [ $# -ge 20 ] && [ -n "$btime" ]; then
        shift 19
        ticks=$(getconf CLK_TCK)
        dockerd_started=$((btime + $1 / ${ticks:-100}))
    fi
    value dockerd.started "$dockerd_started" "$why"
    value dockerd.state "$process_state" "$why"
    block dockerd.limits "$process_limits" "$why"
    value dockerd.caps "$process_caps" "$why"

    look_at "$containerd_pid"
    why=${unseen:-containerd is not running}
    [ -z "$containerd_pid" ] || why="/proc/$containerd_pid could not be read"
    value containerd.pid "${containerd_pid:-$none}" "$unseen"
    block containerd.limits "$process_limits" "$why"
    value containerd.caps "$process_caps" "$why"

    look_at 1
    why=${unseen:-/proc/1 could not be read}
    block init.limits "$process_limits" "$why"
    value init.caps "$process_caps" "$why"
}

# --- Unit ---

say_unit() {
    if [ $init != systemd ]; then
        reason "no systemd on this host" unit unit.slice
    else
        shown=$(limit "$patience" systemctl --no-pager show docker.service docker.socket oakum.slice \
            -p LoadState -p ActiveState -p SubState -p UnitFileState -p FragmentPath \
            -p DropInPaths -p ExecStart -p EnvironmentFiles -p NeedDaemonReload -p NRestarts \
            -p MainPID -p LimitNOFILE -p LimitCORE -p LimitNPROC -p LimitMEMLOCK -p LimitSTACK \
            -p TasksMax -p MemoryMax)
        ended=$?
        unit=${shown%%"$nl$nl"*}
        shown=${shown#"$unit"}
        shown=${shown#"$nl$nl"}
        socket_unit=${shown%%"$nl$nl"*}
        # A socket that listens for a stopped daemon starts it at the first question.
        case $socket_unit$nl in *"ActiveState=active$nl"*) wakes_up=yes ;; esac
        block unit "$unit" "systemctl show ended with status $ended"
        block unit.slice "${shown#"$socket_unit"}" "systemctl show said nothing of oakum.slice"
    fi
    say_unit_environment
}

say_unit_environment() {
    sources="/etc/default/docker /etc/sysconfig/docker /etc/conf.d/docker"
    IFS=$nl
    for line in $unit; do
        case $line in
            EnvironmentFile*=/*)
                path=${line#*=}
                path=${path%" (ignore_errors="*}
                case " $sources " in *" $path "*) ;; *) sources="$sources $path" ;; esac
                ;;
        esac
    done
    IFS=$blank
    for path in $sources; do
        if [ -e "$path" ] && [ ! -r "$path" ]; then
            reason "permission denied: $path" unit.environment
            return
        fi
    done
    # shellcheck disable=SC2086 # a list of files
    environment=$(grep -sE \
        "^[ $tab]*(export[ $tab]+)?[A-Za-z0-9_]*(OPTS|OPTIONS|ARGS|DOCKER)[A-Za-z0-9_]*=" \
        /dev/null $sources)
    block unit.environment "$environment"
}

# The words dockerd was started with, else those that the unit would start it with; one a line.
find_command() {
    command_line=$args
    [ -z "$args" ] || return
    IFS=$nl
    for line in $unit; do
        case $line in ExecStart=*'argv[]='*) command_line=${line#*'argv[]='} ;; esac
    done
    command_line=${command_line%%" ;"*}
    for line in $environment; do command_line="$command_line ${line#*:*=}"; done
    IFS=" \"'"
    # shellcheck disable=SC2086 # words
    set -- $command_line
    IFS=$nl
    command_line="$*"
    IFS=$blank
}

# flag --LONG [-SHORT]: $found is what the command line says.
flag() {
    found='' next=''
    IFS=$nl
    for word in $command_line; do
        if [ -n "$next" ]; then found=$word; fi
        next=
        case $word in
            "$1" | "${2:-$1}") next=yes ;;
            "$1="* | "${2:-$1}="*) found=${word#*=} ;;
        esac
    done
    IFS=$blank
}

# --- Engine ---

find_programs() {
    snap=/snap/docker/current/bin
    cli=$(command -v docker)
    client=$cli
    # What lies in /snap/bin would make directories in our home.
    case $cli in /snap/bin/*) [ ! -x $snap/docker ] || client=$snap/docker ;; esac
    dockerd=
    running=${args%%"$nl"*}
    case $running in [!/]*) running=$(readlink "/proc/$dockerd_pid/exe") ;; esac
    for path in "$running" "$(command -v dockerd)" /usr/libexec/docker/dockerd \
        /usr/bin/dockerd-current $snap/dockerd; do
        [ -n "$dockerd" ] || [ ! -x "$path" ] || dockerd=$path
    done
}

# $package is what brought dockerd, in the words of the host's own database; one question.
find_package() {
    owner=
    case $packages:$dockerd in
        *: | *:/usr/local/* | *:/opt/* | *:/home/*) ;;
        */snap/*) owner="snap $(readlink /snap/docker/current)" ;;
        apt:*)
            # shellcheck disable=SC2016 # dpkg-query's own variables
            rows=$(limit "$patience" dpkg-query -W -f='${db:Status-Abbrev}|${Package} ${Version}\n' \
                docker.io docker-ce moby-engine docker-engine docker-ce-rootless-extras)
            IFS=$nl
            for row in $rows; do
                case $row in ?i*) owner="${owner:+$owner, }${row#*'|'}" ;; esac
            done
            IFS=$blank
            ;;
        apk:*) # DOCKERD is owned by docker-engine-26.1.5-r0
            owner=$(limit "$patience" apk info -W "$dockerd") || owner=
            owner=${owner##* }
            name=${owner%-*-*}
            owner="$name${name:+ }${owner#"$name"-}"
            ;;
        pacman:*) # DOCKERD is owned by docker 1:26.1.4-1
            owner=$(limit "$patience" pacman -Qo "$dockerd") || owner=
            owner=${owner##*" by "}
            ;;
        *) owner=$(limit "$patience" rpm -qf --qf '%{NAME} %{VERSION}-%{RELEASE}\n' "$dockerd") || owner= ;;
    esac
    package=${owner:-none}
}

find_origin() {
    case $packages,$package in
        *,'snap '*) origin=snap ;;
        apk,docker-engine* | dnf,moby-engine* | yum,moby-engine*) origin=distro ;;
        *,docker-ce* | *,docker-engine*) origin=docker-ce ;;
        *,moby-engine*) origin=moby ;;
        *,none) origin=static ;;
        *) origin=distro ;;
    esac
    [ -n "$dockerd" ] || origin=none
    [ -z "$rootless" ] || origin=rootless
    case $info in
        *'"OperatingSystem":"Docker Desktop'*) origin=desktop ;;
        *'"name=rootless"'*) origin=rootless ;;
    esac
}

say_programs() {
    value engine.cli "${cli:-absent}"
    value engine.dockerd "${dockerd:-absent}"
    value engine.package "$package"
    if [ -z "$dockerd" ]; then
        reason "dockerd is not installed" engine.binary
    else
        version=$(limit "$patience" "$dockerd" --version | head -c 4000)
        value engine.binary "$version" "$dockerd --version said nothing"
    fi
}

# The socket on which dockerd listens: by its flags, else by its file, else by custom.
find_socket() {
    socket=/var/run/docker.sock
    [ -z "$rootless" ] || socket=/run/user/$dockerd_uid/docker.sock
    listens=$command_line
    case $listens in
        *unix:///*) ;;
        *) [ -S "$socket" ] || [ ! -f "$config" ] || listens=$(grep -o 'unix:///[^"]*' "$config") ;;
    esac
    case $listens in *unix:///*) socket=/${listens#*unix:///} ;; esac
    socket=${socket%%"$nl"*}
}

# Why there is no point in asking the engine, or why it would change something.
find_silence() {
    resolve "$socket"
    if [ -z "$client" ]; then
        silent="there is no docker client"
    elif [ ! -S "$socket" ]; then
        silent="no socket at $socket"
        if hidden "$socket"; then silent=$cause; fi
    elif [ ! -w "$socket" ]; then
        silent="permission denied: $socket"
    elif case $target in *podman*) ;; *) false ;; esac then
        silent="$socket is podman's"
    elif [ -z "$dockerd_pid" ] && [ -n "$wakes_up" ]; then
        # Where processes are hidden, the unit knows whether it runs.
        running=
        case $nl$unit$nl in *"${nl}ActiveState=active$nl"*) running=$unseen ;; esac
        [ -n "$running" ] || silent="dockerd is not running, and asking would start it"
    fi
}

# ask SECONDS ARGUMENT...: $answer is what the client prints; or status 1 and the $cause.
# No file can keep its complaints, so they are the last line of what is printed, with the status.
ask() {
    cause=$silent
    [ -z "$silent" ] || return
    seconds=$1
    shift
    answer=$({
        complaint=$({
            limit "$seconds" "$client" -H "unix://$socket" "$@" 2>&1 >&3
            echo "$nl$?"
        } | tail -c 2000)
        ended=${complaint##*"$nl"}
        last_line "${complaint%"$nl"*}"
        printf '\nended %s %.300s' "$ended" "$text"
    } 3>&1 | head -c 2100000)
    if [ ${#answer} -ge 2100000 ]; then
        cause="docker $1 printed more than 2 MB"
        return 1
    fi
    text=${answer##*"$nl"}
    answer=${answer%"$nl$text"}
    case $answer in *"$nl") answer=${answer%?} ;; esac
    ended=${text#ended }
    text=${ended#* }
    ended=${ended%% *}
    case $ended in
        0) return 0 ;;
        124 | 137)
            cause="docker $1 did not answer within $seconds s"
            silent=$cause # nor would the others
            ;;
        *) cause=${text:-"docker $1 ended with status $ended"} ;;
    esac
    return 1
}

# ask_json WORD: asks for one object.
ask_json() {
    ask "$patience" "$1" --format '{{json .}}' || return
    case $answer in
        *"$nl"*) ;;
        '{'*'}') return 0 ;;
    esac
    cause="docker $1 printed no JSON"
    return 1
}

say_engine() {
    value engine.socket "$socket"
    find_silence
    if ask_json version; then
        case $answer in *'"Server":null'* | *'"Server":{}'*) cause="docker version names no server" ;; esac
    fi
    [ -z "$cause" ] || answer=
    block engine.version "$answer" "$cause"
    silent=$cause

    if ask_json info; then
        read_info
        [ -z "$cause" ] || info=
    fi
    no_info=$cause
    block engine.info "$info" "$cause"
}

# What the other readings need of it. The shell's own ways to cut a long text are quadratic.
read_info() {
    info=$answer
    case $info in # engines before 19.03 show the passwords of their proxies
        *://*:*@*) info=$(printf '%s\n' "$info" | sed 's|://[^/@" ]*:[^/@" ]*@|://xxxxx:xxxxx@|g') ;;
    esac
    rows=$(printf '%s\n' "$answer" | sed -n '
        h
        s/.*"Containers":\([0-9][0-9]*\).*/containers \1/p
        g
        s/.*"Images":\([0-9][0-9]*\).*/images \1/p
        g
        s/.*"DockerRootDir":"\([^"\\]*\)".*/root \1/p
        g
        s/.*"ServerErrors":\["\([^"]*\).*/errors \1/p
    ')
    IFS=$nl
    for row in $rows; do
        case $row in
            containers*) info_containers=${row#* } ;;
            images*) info_images=${row#* } ;;
            root*) info_root=${row#* } ;;
            errors*) cause=${row#* } ;;
        esac
    done
    IFS=$blank
}

# --- Images, volumes, containers ---

# ask_ids ARGUMENT...: asks for ids, and takes nothing else.
ask_ids() {
    ask "$patience" "$@" || return
    case $answer in *[!0-9a-fsh:$nl]*) ;; *) return 0 ;; esac
    cause="docker $1 printed something else than ids"
    return 1
}

say_images() {
    answer='' cause=''
    if [ "$info_images" != 0 ] && ! ask_ids images -q --no-trunc; then
        reason "$cause" images.count images.bytes
        return
    fi
    # shellcheck disable=SC2046 # one word for each id; an image with two names is listed twice
    set -- $(printf '%s\n' "$answer" | sort -u)
    value images.count $#
    sum=0
    if [ $# -gt 1000 ]; then
        cause="$# images are more than the 1000 that are measured"
    elif [ $# -gt 0 ] && ask $((patience + $# / 50)) image inspect --format '{{.Size}}' "$@"; then
        for size in $answer; do
            case $size in
                *[!0-9]*) cause="docker image inspect printed something else than sizes" ;;
                *) sum=$((sum + size)) ;;
            esac
        done
    fi
    [ -z "$cause" ] || sum=
    value images.bytes "$sum" "$cause"
}

say_volumes() {
    set --
    if ask "$patience" volume ls -q; then
        IFS=$nl
        # shellcheck disable=SC2086 # one word for each line
        set -- $answer
        IFS=$blank
        value volumes.count $#
    else
        reason "$cause" volumes.count
    fi
}

# What a change of the host may mean to a container, and no secrets. The names are those of the Go
# structs (ID, NanoCPUs): after one that is unknown the client asks a bare map instead, in which an
# absent Health is an error. SecurityOpt holds whole seccomp profiles, so it is cut.
# shellcheck disable=SC2016 # the variables of the template
shape='
{"id":{{json .ID}},"name":{{json .Name}},"image":{{json .Config.Image}},"pid":{{json .State.Pid}},
"started":{{json .State.StartedAt}},
"health":{{if .State.Health}}{{json .State.Health.Status}}{{else}}null{{end}},
"task":{{if index .Config.Labels "com.docker.swarm.task.id"}}true{{else}}false{{end}},
{{with .HostConfig}}"privileged":{{json .Privileged}},"userns":{{json .UsernsMode}},
"pidmode":{{json .PidMode}},"ipcmode":{{json .IpcMode}},"network":{{json .NetworkMode}},
"restart":{{json .RestartPolicy.Name}},"memory":{{json .Memory}},"pids":{{json .PidsLimit}},
"cpus":{{json .NanoCPUs}},"readonly":{{json .ReadonlyRootfs}},"capadd":{{json .CapAdd}},
"securityopt":[{{range $i, $o := .SecurityOpt}}{{if $i}},{{end}}{{json (printf "%.200s" $o)}}{{end}}],
"ulimits":{{json .Ulimits}},"log":{{json .LogConfig.Type}},{{end}}
"ports":{{with .NetworkSettings}}{{json .Ports}}{{else}}null{{end}},
"mounts":[{{range $i, $m := .Mounts}}{{if $i}},{{end}}
{"source":{{json $m.Source}},"destination":{{json $m.Destination}},"rw":{{json $m.RW}}}{{end}}]}'

say_containers() {
    value containers.count "$info_containers" "${no_info:-docker info counts no containers}"
    if [ "$info_containers" = 0 ]; then
        block containers ""
        return
    fi
    shape=$(printf '%s' "$shape" | tr -d '\n') # a line break would be printed
    for try in first second; do # what was listed may be gone a moment later
        ask_ids ps -q --no-trunc || break
        # shellcheck disable=SC2086 # one word for each id
        set -- $answer
        if [ $# -gt 2000 ]; then
            cause="$# running containers are more than the 2000 that are read"
        elif [ $# -gt 0 ]; then
            ask $((patience + $# / 50)) inspect --type container --format "$shape" "$@"
        fi
        case "$try $cause" in 'first '*[Nn]'o such'*) ;; *) break ;; esac
    done
    case $nl$answer in *"$nl"[!"{"]*) cause=${cause:-docker inspect printed no JSON} ;; esac
    most=2100000
    if [ -n "$cause" ]; then reason "$cause" containers; else block containers "$answer"; fi
    most=
}

# --- Files ---

find_users() {
    accounts=$(grep -sE "^(dockremap:|[^:]*:[^:]*:${dockerd_uid:-none}:)" /dev/null /etc/passwd /usr/lib/passwd)
    remap=none
    IFS=$nl
    for row in $accounts; do
        IFS=:
        # shellcheck disable=SC2086 # file:name:password:uid:gid:comment:home:shell
        set -- $row
        IFS=$nl
        [ "$2" != dockremap ] || remap=$4:$5
        [ "$4" != "$dockerd_uid" ] || home=$7
    done
    IFS=$blank
}

# $config is the file that dockerd reads, or would read.
find_config() {
    config=/etc/docker/daemon.json
    [ -z "$rootless" ] || config=$home/.config/docker/daemon.json
    case $dockerd in */snap/*) config=/var/snap/docker/current/config/daemon.json ;; esac
    flag --config-file
    absolute "${found:-$config}"
    config=$target
}

# read_mounts PATH...: the mounts on the way to them, all that `mount_of` needs.
read_mounts() {
    patterns=' / '
    for path; do
        while [ -n "$path" ]; do
            patterns="$patterns$nl $path "
            path=${path%/*}
        done
    done
    mounts=$(grep -F "$patterns" /proc/self/mounts)
}

# mount_of PATH: $mount_point, $mount_type and $mount_flags of the file system that holds PATH.
mount_of() {
    wanted=$1 mount_point='' mount_type='' mount_flags=''
    IFS=$nl
    for row in $mounts; do
        IFS=$blank
        # shellcheck disable=SC2086 # device, mount point, type, flags
        set -- $row
        IFS=$nl
        within=${2%/}
        case $wanted/ in
            "$within"/*) # a later mount covers an earlier one
                [ ${#2} -lt ${#mount_point} ] || mount_point=$2 mount_type=$3 mount_flags=$4
                ;;
        esac
    done
    IFS=$blank
}

# immutable PATH: whether chattr +i or +a protects it.
immutable() {
    IFS=$nl
    protection=
    for row in $attributes; do
        [ "${row#* }" != "$1" ] || protection=${row%% *}
    done
    IFS=$blank
    case $protection in *[ia]*) return 0 ;; esac
    return 1
}

# path_of NAME: $path is where that file lies.
path_of() {
    case $1 in
        daemon) path=$config ;;
        subuid | subgid) path=/etc/$1 ;;
        seccomp) path=/etc/docker/oakum-seccomp.json ;;
        sysctl) path=/etc/sysctl.d/60-oakum.conf ;;
        slice) path=/etc/systemd/system/oakum.slice ;;
        dropin) path=/etc/systemd/system/docker.service.d/oakum.conf ;;
        audit) path=/etc/audit/rules.d/oakum-docker.rules ;;
    esac
}

# All files by one stat, one tr, and one od for each that is there.
say_files() {
    names='daemon subuid subgid seccomp sysctl slice dropin audit'
    resolve "$root"
    set -- "$root" "$target" "${target%/*}"
    for name in $names; do
        path_of "$name"
        resolve "$path"
        set -- "$@" "$target" "${target%/*}"
    done
    read_mounts "$@" /proc/sys/kernel/panic
    attributes=
    [ "$uid" != 0 ] || attributes=$(lsattr -d "$@")
    stats=$(stat -L -c '%a %u %g %s %Y %Z %n' "$@")
    dumped='' left=$room
    set --
    for name in $names; do
        path_of "$name"
        resolve "$path"
        find_stat
        if [ -f "$target" ] && [ -r "$target" ] && [ "${bytes:-9999999}" -le 1048576 ] &&
            [ $((2 * bytes)) -le "$left" ]; then
            left=$((left - 2 * bytes)) dumped="$dumped $name "
            set -- "$@" "$target"
        fi
    done
    dumps=$(for one; do printf / && od -An -v -tx1 -N 1048577 "$one"; done | tr -d ' \n')
    IFS=/
    # shellcheck disable=SC2086 # nothing, and then one word for each file
    set -- $dumps
    IFS=$blank
    for name in $names; do
        hex=none
        case $dumped in *" $name "*)
            [ $# = 0 ] || shift
            hex=${1-}
            ;;
        esac
        path_of "$name"
        say_file "$name" "$path"
        [ "$name" != daemon ] || config_changed=$changed
    done
    say_sysctl_writable
}

# find_stat: $mode, $owner, $group, $bytes and the time of $target; $bytes is empty without it.
find_stat() {
    bytes='' changed=0
    IFS=$nl
    for row in $stats; do
        IFS=$blank
        [ "${row#* * * * * * }" = "$target" ] || continue
        # shellcheck disable=SC2086 # mode uid gid size mtime ctime name
        set -- $row
        # A copy may keep the time of its original; only the kernel says when it came here.
        mode=$1 owner=$2 group=$3 bytes=$4 changed=$5
        [ "$6" -le "$changed" ] || changed=$6
    done
    IFS=$blank
}

# say_file NAME PATH: with $hex, what it holds; $changed is when the file became what it is.
say_file() {
    file=file.$1 changed=0
    value "$file.path" "$2"
    resolve "$2"
    why="the symbolic link $2 leads nowhere"
    if hidden "${target:-$2}"; then target='' why=$cause; fi
    value "$file.target" "$target" "$why"
    kind=
    [ ! -e "$target" ] || kind=other
    [ ! -d "$target" ] || kind=directory
    [ ! -f "$target" ] || kind="file"
    if [ -n "$kind" ]; then
        say_existing_file
    elif [ -z "$target" ]; then
        reason "$why" "$file.stat" "$file.bytes"
    else
        value "$file.stat" absent
        printf '@%s \n' "$file.bytes"
    fi
    say_writable
}

say_existing_file() {
    find_stat
    if [ -z "$bytes" ]; then
        reason "stat could not read $target" "$file.stat" "$file.bytes"
        return
    fi
    value "$file.stat" "$kind $mode $owner $group $bytes $changed"
    if [ $kind != file ]; then
        reason "$target is no regular file" "$file.bytes"
    elif [ ! -r "$target" ]; then
        reason "permission denied: $target" "$file.bytes"
    elif [ "$hex" = none ] || [ $((2 * bytes)) -gt $room ]; then
        reason "$target has $bytes bytes, too much to send" "$file.bytes"
    elif [ ${#hex} = $((2 * bytes)) ]; then
        room=$((room - ${#hex}))
        printf '@%s %s\n' "$file.bytes" "$hex"
    else
        reason "$target changed while it was read, or od is missing" "$file.bytes"
    fi
}

# Whether this user could put another file in its place: a rename within the directory.
say_writable() {
    above=${target%/*}
    while [ -n "$above" ] && [ ! -e "$above" ]; do above=${above%/*}; done
    above=${above:-/}
    mount_of "$target"
    no=
    if [ "$uid" != 0 ]; then
        no="not root"
    elif [ -z "$target" ]; then
        no=$why
    elif [ "${kind:-file}" != file ]; then
        no="$target is no regular file"
    elif [ "$mount_point" = "$target" ]; then
        no="$target is a mount point of its own"
    elif immutable "$target" || immutable "$above"; then
        no="immutable by chattr"
    elif [ ! -w "$above" ] || { [ -n "$kind" ] && [ ! -w "$target" ]; }; then
        no="$target cannot be written, not even by root"
    fi
    case $no,$mount_flags, in
        'not root'*) ;;
        *,ro,*) no="read-only file system at $mount_point" ;;
    esac
    value "$file.writable" "${no:+no: }${no:-yes}"
}

# --- Settings beside daemon.json ---

say_sysctl_writable() {
    mount_of /proc/sys/kernel/panic
    no=
    [ -w /proc/sys/kernel/panic ] || no="/proc/sys cannot be written, not even by root"
    case ,$mount_flags, in *,ro,*) no="read-only file system at $mount_point" ;; esac
    [ "$uid" = 0 ] || no="not root"
    value sysctl.writable "${no:+no: }${no:-yes}"
}

# Who sets the same values at the next boot.
say_sysctl_files() {
    set +f
    set -- /etc/sysctl.conf /etc/sysctl.d/*.conf /run/sysctl.d/*.conf /usr/local/lib/sysctl.d/*.conf \
        /usr/lib/sysctl.d/*.conf /lib/sysctl.d/*.conf
    set -f
    for path; do
        if [ -e "$path" ] && [ ! -r "$path" ]; then
            reason "permission denied: $path" sysctl.files
            return
        fi
    done
    block sysctl.files "$(grep -sE \
        "^[ $tab]*-?[ $tab]*kernel[./](panic|panic_on_oops)[ $tab]*=" /dev/null "$@")"
}

# The slices that somebody wrote a unit for.
say_slices() {
    set +f
    set -- /etc/systemd/system/*.slice /run/systemd/system/*.slice \
        /usr/local/lib/systemd/system/*.slice /usr/lib/systemd/system/*.slice \
        /lib/systemd/system/*.slice
    set -f
    slices=
    for path; do
        if [ -e "$path" ] && [ ${#slices} -lt 9000 ]; then slices=$slices${path##*/}$nl; fi
    done
    block unit.slices "$slices"
}

# What the kernel watches, not what some file says; of other rules nothing is told.
say_audit() {
    if ! has auditctl; then
        value audit.enabled absent
        reason "auditctl is not installed" audit.loader audit.rules audit.paths
        return
    fi
    loader=missing line=
    if has augenrules; then loader=augenrules; fi
    if [ -s /etc/audit/audit.rules ] && [ -r /etc/audit/audit.rules ]; then
        read -r line </etc/audit/audit.rules
        case $line in
            '## This file is automatically generated from '*) ;;
            *) loader='by hand' ;;
        esac
    fi
    value audit.loader "$loader"
    said=$({
        limit "$patience" auditctl -s
        limit "$patience" auditctl -l
        echo "ended with $?"
    } 2>&1)
    enabled='' rules=''
    IFS=$nl
    for line in $said; do
        case $line in
            'enabled '*) enabled=${line#* } ;;
            'AUDIT_STATUS: enabled='*)
                enabled=${line#*=}
                enabled=${enabled%% *}
                ;;
            '-w '* | *' path='* | *' dir='*)
                line=${line%% -k *}
                line=${line%% -F key=*}
                rules=$rules${line%% key=*}$nl
                ;;
        esac
    done
    IFS=$blank
    last_line "${said%"$nl"*}"
    case $enabled:$said in
        [012]:*'ended with 0')
            value audit.enabled "$enabled"
            block audit.rules "$rules"
            ;;
        *) reason "auditctl: ${text:-it said nothing}" audit.enabled audit.rules ;;
    esac
    say_audit_paths
}

# What there is to watch on this host: programs, folders and files.
say_audit_paths() {
    watched='' paths=''
    IFS=:
    for name in containerd containerd-shim containerd-shim-runc-v1 containerd-shim-runc-v2 runc; do
        for path in $PATH; do
            if [ -f "$path/$name" ] && [ -x "$path/$name" ]; then
                watched="${watched}program $path/$name$nl"
                break
            fi
        done
    done
    IFS=$nl
    for line in $unit$nl$socket_unit; do
        case $line in FragmentPath=/*) paths=$paths${line#*=}$nl ;; esac
    done
    for path in /run/containerd /etc/docker "$root" /run/containerd/containerd.sock "$config" \
        /etc/default/docker /etc/sysconfig/docker /etc/containerd/config.toml $paths; do
        resolve "$path"
        if [ -d "$target" ]; then
            watched="${watched}folder $target$nl"
        elif [ -e "$target" ]; then
            watched="${watched}file $target$nl"
        fi
    done
    IFS=$blank
    block audit.paths "${dockerd:+program $dockerd$nl}$watched"
}

# The start is known within two seconds; there the pidfile tells, which is written right after
# daemon.json is read.
changed_since_start() {
    [ "$config_changed" -ge "$dockerd_started" ] || return
    [ "$config_changed" -le $((dockerd_started + 1)) ] || return 0
    flag --pidfile -p
    [ -n "$(find -H "$config" -newer "${found:-/var/run/docker.pid}")" ]
}

# The configuration that dockerd logged when it last took it anew.
say_reloaded() {
    why=
    if [ -z "$dockerd_started" ]; then
        why=${doubt:-dockerd is not running}
    elif ! changed_since_start; then
        block dockerd.reloaded ""
        return
    elif [ "$uid" != 0 ]; then
        why="not root: the journal of dockerd is hidden"
    elif [ ! -d /run/log/journal ] && [ ! -d /var/log/journal ]; then
        why="no journal on this host"
    fi
    if [ -n "$why" ]; then
        reason "$why" dockerd.reloaded
        return
    fi
    # Newest first, so that the first match is the last reload and ends the search.
    found=$({
        limit 3 journalctl -q -r -o cat --no-pager --since "@$dockerd_started" "_PID=$dockerd_pid"
        echo "journalctl ended with status $?"
    } | grep -m 1 -e 'Reloaded configuration: ' -e '^journalctl ended ')
    case $found in
        'journalctl ended with status 0') block dockerd.reloaded "" ;;
        'journalctl ended '*) reason "$found" dockerd.reloaded ;;
        *) block dockerd.reloaded "$(printf '%s\n' "$found" | unquote)" "grep is missing" ;;
    esac
}

# The object out of: ... msg="Reloaded configuration: {\"a\":\"b\"}" ...
unquote() {
    sed "$(printf '
        s/^.*Reloaded configuration: //
        s/\\\\\\\\/\001/g
        s/\\\\"/\002/g
        s/".*$//
        s/\002/"/g
        s/\001/\\\\/g
    ')"
}

# --- Data root ---

# By the engine itself, else by the flags, else by the file.
find_data_root() {
    found=$info_root
    [ -n "$found" ] || flag --data-root -g
    [ -n "$found" ] || flag --graph
    [ -n "$found" ] || [ ! -f "$config" ] ||
        found=$(sed -n 's/.*"data-root"[[:space:]]*:[[:space:]]*"\([^"]*\)".*/\1/p' "$config")
    absolute "${found:-/var/lib/docker}"
    root=$target
}

say_data_root() {
    value dataroot.path "$root"
    if hidden "$root"; then
        reason "$cause" dataroot.fs dataroot.space dataroot.dtype dataroot.drivers
        return
    fi
    resolve "$root"
    mount_of "$target"
    value dataroot.fs "$mount_type" "no mount above $target in /proc/self/mounts"
    # Where there is none yet: the place where it would be made.
    while [ -n "$target" ] && [ ! -e "$target" ]; do target=${target%/*}; done
    rows=$(limit "$patience" df -P -k "${target:-/}")
    # shellcheck disable=SC2086 # device, total, used, available
    set -- ${rows##*"$nl"}
    case $2$3$4 in
        '' | *[!0-9]*) reason "df could not measure ${target:-/}" dataroot.space ;;
        *) value dataroot.space "$2 $3 $4" ;;
    esac
    say_dtype
    say_drivers
}

say_dtype() {
    signs=$info
    [ "$mount_type" != xfs ] || signs="$info $(limit "$patience" xfs_info "$mount_point")"
    case "$signs $mount_type" in
        *'["Supports d_type","true"]'* | *ftype=1*) value dataroot.dtype yes ;;
        *'["Supports d_type","false"]'* | *ftype=0*) value dataroot.dtype no ;;
        *' ext3' | *' ext4' | *' btrfs' | *' zfs') value dataroot.dtype yes ;;
        *) value dataroot.dtype unknown ;;
    esac
}

say_drivers() {
    if closed "$root"; then
        reason "$cause" dataroot.drivers
        return
    fi
    drivers=
    for driver in aufs btrfs devicemapper overlay overlay2 vfs zfs fuse-overlayfs; do
        [ -d "$root/$driver" ] || continue
        set +f
        set -- "$root/$driver"/* "$root/$driver"/.[!.]*
        set -f
        { [ ! -e "$1" ] && [ ! -L "$1" ] && [ ! -e "$2" ]; } || drivers="${drivers:+$drivers }$driver"
    done
    value dataroot.drivers "${drivers:-none}"
}

# --- The rest ---

say_kubelet() {
    kubelet=${kubelet:-${none:+no}}
    [ ! -e /etc/kubernetes/kubelet.conf ] || kubelet=yes
    [ ! -e /var/lib/kubelet/config.yaml ] || kubelet=yes
    value kubelet "$kubelet" "$unseen"
}

say_oakum_state() {
    if closed /var/lib/oakum; then
        reason "$cause" oakum.state oakum.transaction
        return
    fi
    say_transaction
    names='' count=0
    set +f
    for path in /var/lib/oakum/* /var/lib/oakum/.[!.]*; do
        if [ -e "$path" ] && [ $count -lt 200 ]; then
            names=$names${path##*/}$nl
            count=$((count + 1))
        fi
    done
    set -f
    block oakum.state "$names"
}

# whole_lines FILE: $text is the end of FILE, but for a line that is not ended yet.
whole_lines() {
    text=$(tail -c 9000 "$1" && echo .)
    case $text in *"$nl"*) text=${text%"$nl"*} ;; *) text='' ;; esac
}

# The last transaction is that of the ledger's last line that is not torn; every line but a verdict
# leaves it open.
say_transaction() {
    transaction=none ledger=/var/lib/oakum/ledger held=0
    if [ -e $ledger ] && [ ! -r $ledger ]; then
        reason "permission denied: $ledger" oakum.transaction
        return
    fi
    text=
    [ ! -e $ledger ] || whole_lines $ledger
    IFS=$nl
    for line in $text; do
        IFS=$blank
        # shellcheck disable=SC2086 # time, transaction, what happened, more
        set -- $line
        case "$2 $line" in *' torn') continue ;; [0-9]*T[0-9]*Z-????????' '*) ;; *) continue ;; esac
        case $3 in
            begin | file | undoes) transaction=$2 state='' ;;
            confirmed | rolled-back | refused | broken) transaction=$2 state=${line#* * } ;;
        esac
    done
    IFS=$blank
    if [ "$transaction" != none ] && [ -z "$state" ]; then
        look_at_open_transaction
        case $held in
            0) state="unfinished$last" ;;
            1) state="running$last" ;;
            *)
                reason "flock ended with status $held" oakum.transaction
                return
                ;;
        esac
    fi
    value oakum.transaction "$transaction${state:+ }$state"
}

# $held is 1 where its process has the lock, of which probes take a share; $last is the last step of
# its journal.
look_at_open_transaction() {
    text='' last='' journal=/var/lib/oakum/txn/$transaction/journal
    if [ -e /var/lib/oakum/lock ]; then
        flock -sn 9 9</var/lib/oakum/lock
        held=$?
    fi
    [ ! -r "$journal" ] || whole_lines "$journal"
    IFS=$nl
    for line in $text; do
        case $line in [0-9]*' step '*) last=" ${line#* step }" ;; esac
    done
    IFS=$blank
}

# --- The run: what others need comes first ---

# Nothing of these comes from the caller's environment.
unset os os_usr boot entropy hardware init_comm lsm lsm_guess hwrng container sysctl kubelet \
    engines containerds entropy_daemons details btime dockerd_pid dockerd_uid dockerd_started args \
    containerd_pid state unit socket_unit environment wakes_up silent info most home info_containers info_images info_root

echo 'oakum-probe 1 begin'
uid=$(id -u)
cpu=" $(grep -m 1 -E '^(flags|Features)' /proc/cpuinfo) "
read_small_files
say_host
say_kernel_config
block sysctl "$sysctl" "nothing in /proc/sys could be read"
find_processes
say_unit
find_dockerd
find_containerd
say_entropy
find_command
find_users
find_programs
find_config
find_package
say_programs
find_socket
say_engine
find_origin
value engine.origin "$origin"
say_containers
say_images
say_volumes
say_dockerd
find_data_root
say_files
say_sysctl_files
say_slices
say_audit
say_reloaded
value user.dockremap "$remap"
say_data_root
say_kubelet
say_oakum_state
echo 'oakum-probe 1 end'
exit 0

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
# read; the Docker client asks only dockerd's own sockets, and only for so long; no environment, label
# or command of a container is printed, but whether it is a swarm's task; few processes, since each one costs a busy host dearly.
#
# The environment may set OAKUM_PROBE_LIMIT (seconds to wait for any one answer),
# OAKUM_PROBE_PATH (where to look for programs) and OAKUM_PROBE_SETUID (yes: the setuid files of
# images are wanted, which is slow).

# What fails is told as a reason on standard output; the programs' own complaints are noise.
exec </dev/null 2>/dev/null
LC_ALL=C
PATH=${OAKUM_PROBE_PATH:-$PATH:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/snap/bin}
DOCKER_CONFIG=/nonexistent/oakum
# The client is gone before its garbage matters: collecting it is a third of what a question costs.
GOGC=400
export LC_ALL PATH DOCKER_CONFIG GOGC
unset DOCKER_HOST DOCKER_CONTEXT DOCKER_TLS DOCKER_TLS_VERIFY DOCKER_CERT_PATH DOCKER_API_VERSION
unset HTTP_PROXY HTTPS_PROXY ALL_PROXY http_proxy https_proxy all_proxy
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
        case $part in */*) part=${part%/*} ;; *) part='' ;; esac
    done
}

# --- Host ---

# Two processes read every small file; dash's own `read` gets a single byte of those in /proc/sys.
read_small_files() {
    set +f # each bridge has its own route_localnet
    small=$(cd /proc/sys && grep -s '' /dev/null net/ipv4/conf/docker*/route_localnet \
        net/ipv4/conf/br-*/route_localnet fs/nr_open fs/file-max user/max_user_namespaces \
        kernel/unprivileged_userns_clone kernel/panic kernel/panic_on_oops \
        net/ipv4/ip_forward net/ipv4/conf/all/route_localnet net/ipv6/conf/all/disable_ipv6 \
        net/bridge/bridge-nf-call-iptables net/bridge/bridge-nf-call-ip6tables)
    set -f
    small=$small$nl$(grep -s '' /dev/null /etc/os-release /usr/lib/os-release \
        /proc/sys/kernel/random/boot_id /proc/sys/kernel/random/entropy_avail /proc/version \
        /proc/1/comm /sys/kernel/security/lsm /sys/module/apparmor/parameters/enabled \
        /sys/fs/selinux/enforce /sys/class/misc/hw_random/rng_current /sys/class/dmi/id/sys_vendor \
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
            */selinux/*) selinux=$content ;;
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
    kernel=$2 arch=$3
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
    [ ! -d /sys/module ] || lsm_guess=${lsm_guess:-none}
    value host.lsm "${lsm:-$lsm_guess}" "/sys is not mounted"
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
    wanted="USER_NS|SECCOMP|SECCOMP_FILTER|OVERLAY_FS|CGROUP_(PIDS|CPUACCT|DEVICE|FREEZER|SCHED|BPF)"
    wanted="$wanted|NAMESPACES|(NET|PID|IPC|UTS)_NS|CGROUPS|CPUSETS|MEMCG|KEYS|VETH|BRIDGE"
    wanted="$wanted|BRIDGE_NETFILTER|IP6?_NF_(FILTER|MANGLE|TARGET_MASQUERADE|RAW|NAT)|NF_NAT|NF_TABLES"
    wanted="$wanted|NFT_COMPAT|NETFILTER_XT_(MATCH_(ADDRTYPE|CONNTRACK|IPVS)|MARK)|POSIX_MQUEUE"
    wanted="^(# )?CONFIG_($wanted|DEVPTS_MULTIPLE_INSTANCES|NF_NAT_IPV4|NF_NAT_NEEDED)[= ]"
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
    names='dockerd|dockerd-current|docker-proxy|containerd|docker-containe|haveged|rngd|jitterentropy-r|egd|egd\.pl|kubelet|cri-dockerd'
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
            cri-dockerd) cri_dockerd=yes ;;
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
    details=$(grep -sE '^(btime |State:|PPid:|Uid:|NSpid:|CapEff:|Limit |Max |[0-9]+ \(|docker-default )' \
        /proc/stat $profiles "$@")
}

# Whether SELinux is enforced, and in which mode AppArmor has the profile of Docker's containers.
say_security() {
    case $selinux in
        1) value host.selinux enforcing ;;
        0) value host.selinux permissive ;;
        *) value host.selinux none ;;
    esac
    mode=none why=
    case $details in *':docker-default ('*) mode=${details##*:docker-default \(} ;; esac
    case ${lsm:-$lsm_guess} in
        *apparmor*)
            [ -e $profiles ] || why="/sys/kernel/security is not mounted"
            [ "$uid" = 0 ] || why="not root: the profiles of AppArmor are hidden"
            ;;
    esac
    if [ -n "$why" ]; then reason "$why" host.apparmor; else value host.apparmor "${mode%%)*}"; fi
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
    value dockerd.uid "$dockerd_uid" "$why"
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
            reason "permission denied: $path" unit.environment client.trust
            return
        fi
    done
    set +f
    set -- /etc/profile.d/*.sh
    set -f
    # shellcheck disable=SC2086 # a list of files
    rows=$(grep -sE \
        "^[ $tab]*(export[ $tab]+)?[A-Za-z0-9_]*(OPTS|OPTIONS|ARGS|DOCKER)[A-Za-z0-9_]*=" \
        /dev/null $sources /etc/environment /etc/profile "$@")
    IFS=$nl
    for row in $rows; do
        name=${row#*:}
        name=${name%%=*}
        content=${row#*=}
        case ${name##*[ "$tab"]},$row in # of trust no more: there are passphrases beside it
            DOCKER_CONTENT_TRUST,*) trust="$trust${row%%:*} ${content%%[ "$tab";&|]*}$nl" ;;
            DOCKER_CONTENT_TRUST_SERVER,*notary.docker.io*) ;;
            DOCKER_CONTENT_TRUST_SERVER,*) trust="$trust${row%%:*} server$nl" ;;
            DOCKER_CONTENT_TRUST_*,* | *,/etc/environment:* | *,/etc/profile*) ;;
            *) environment=$environment$row$nl ;;
        esac
    done
    IFS=$blank
    block unit.environment "$environment"
    block client.trust "$trust"
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
                case $row in
                    ?i*) owner="${owner:+$owner, }${row#*'|'}" ;;
                    ?[FHUWt]*) owner="${owner:+$owner, }${row#*'|'} unfinished" ;;
                esac
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
    reaper=no
    if has docker-init; then reaper=yes; fi
    for path in /usr/local/libexec /usr/libexec /usr/local/libexec/docker /usr/libexec/docker \
        /usr/local/lib/docker /usr/lib/docker; do
        [ ! -x $path/docker-init ] || reaper=yes
    done
    value engine.dockerinit $reaper
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
        *) [ -S "$socket" ] || listens=$settings ;;
    esac
    case $listens in *unix:///*) socket=/${listens#*unix:///} ;; esac
    socket=${socket%%"$nl"*}
}

# Whether what answers to Docker's name is podman.
say_podman() {
    podman=no
    resolve "$socket"
    case $target in *podman*) podman=yes ;; esac
    if [ "$podman,$dockerd" = no, ] && [ -n "$cli" ] && has podman && grep -q podman "$cli"; then
        podman=yes
    fi
    value engine.podman $podman
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
    client_release=${answer#*'"Version":"'}
    client_release=${client_release%%.*}

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

# An image, and behind a tab, of which JSON has none, the first digits of the directories of its
# layers, the uppermost first. From 29.0 the containerd store has no GraphDriver, and an image may
# have no Config.
# shellcheck disable=SC2016 # the variables of the template
picture='
{"id":{{json .ID}},"size":{{json .Size}},"created":{{json .Created}},
"tags":[{{range $i, $t := .RepoTags}}{{if lt $i 20}}{{if $i}},{{end}}{{json $t}}{{end}}{{end}}],
"digests":[{{range $i, $d := .RepoDigests}}{{if lt $i 20}}{{if $i}},{{end}}{{json $d}}{{end}}{{end}}],
"layers":{{len .RootFS.Layers}},"platform":{{json (printf "%s/%s" .Os .Architecture)}},
"user":{{with .Config}}{{json (printf "%.100s" .User)}}{{else}}""{{end}},
"health":{{with .Config}}{{with .Healthcheck}}{{with .Test}}{{ne (index . 0) "NONE"}}{{else}}false
{{end}}{{else}}false{{end}}{{else}}false{{end}},
"driver":{{with .GraphDriver}}{{json .Name}}{{else}}""{{end}}}{{"\t"}}
{{with .GraphDriver}}{{with .Data}}
{{range $i, $l := split (index . "UpperDir") "/overlay2/"}}{{if $i}}{{printf "%.12s " $l}}{{end}}{{end}}
{{range $i, $l := split (index . "LowerDir") "/overlay2/"}}{{if $i}}{{printf "%.12s " $l}}{{end}}{{end}}
{{end}}{{end}}'

say_images() {
    answer='' cause=''
    if [ "$info_images" != 0 ] && ! ask_ids images -q --no-trunc; then
        no_images=$cause
        reason "$cause" images.count images.bytes images.list
        return
    fi
    # shellcheck disable=SC2046 # one word for each id; an image with two names is listed twice
    set -- $(printf '%s\n' "$answer" | sort -u)
    if [ $# -lt "${info_images:-0}" ] && [ "$client_release" -ge 29 ]; then # it hides what has no name
        ids=$answer
        if ! ask_ids images -q --no-trunc --filter dangling=true; then
            no_images=$cause
            reason "$cause" images.count images.bytes images.list
            return
        fi
        # shellcheck disable=SC2046
        set -- $(printf '%s\n' "$ids" "$answer" | sort -u)
    fi
    value images.count $#
    sum=0 rows='' found=''
    IFS=$nl
    for row in $picture; do format=$format$row; done # a line break would be printed
    IFS=$blank
    if [ $# -gt 1000 ]; then
        cause="$# images are more than the 1000 that are measured"
    elif [ $# -gt 0 ] && ask $((patience + $# / 50)) image inspect --format "$format" "$@"; then
        found=$answer
    fi
    IFS=$nl
    for row in $found; do
        IFS=$tab # the shell's other ways to cut a line are quadratic
        # shellcheck disable=SC2086 # the image, its layers
        set -- $row
        IFS=$nl
        size=${1#'{"id":"sha256:'*'","size":'}
        size=${size%%,*}
        id=${1#'{"id":"'}
        case $size in # of a line that is none it is the whole line
            '' | *[!0-9]*) cause="docker image inspect printed something else than images" ;;
            *) sum=$((sum + size)) rows=$rows$1$nl images="$images${id%%'"'*} $2$nl" ;;
        esac
        case $1 in *'"driver":"overlay2"}') overlaid=yes ;; esac
    done
    IFS=$blank
    no_images=$cause
    [ -z "$cause" ] || sum=
    value images.bytes "$sum" "$cause"
    most=2100000
    if [ -n "$cause" ]; then reason "$cause" images.list; else block images.list "$rows"; fi
    most=
}

# What lies in the images. A layer is what somebody else has made: no link in it is followed.
say_layers() {
    layers=$root/overlay2
    if [ -n "$images" ] && [ -z "$no_images$overlaid" ]; then
        no_images="the images lie in no directories of overlay2"
    fi
    if [ -z "$no_images$images" ]; then
        block images.releases ""
    elif [ -z "$no_images" ] && { hidden "$layers" || closed "$layers"; }; then
        no_images=$cause
    elif [ -z "$no_images" ] && [ ! -d "$layers" ]; then
        no_images="there is no $layers"
    elif [ -z "$no_images" ]; then
        say_releases
    fi
    [ -z "$no_images" ] || reason "$no_images" images.releases
    if [ "${OAKUM_PROBE_SETUID:-}" != yes ]; then
        reason "not asked for: oakum_image_setuid is false" images.setuid
    elif [ -n "$no_images" ]; then
        reason "$no_images" images.setuid
    else
        say_setuid
    fi
}

# short PATH: $short are the first 12 digits of the layer's directory.
short() {
    short=${1#"$layers"/}
    short=${short%"${short#????????????}"}
}

# The distribution of an image is that of the uppermost layer with an os-release.
say_releases() {
    ids=' '
    IFS=$nl
    for row in $images; do ids="$ids${row#* } "; done
    IFS=$blank
    set +f
    set -- "$layers"/*/diff/etc/os-release "$layers"/*/diff/usr/lib/os-release
    set -f
    for path; do
        shift
        short "$path"
        case $ids in *" $short "*) ;; *) continue ;; esac
        if [ -f "$path" ] && [ ! -L "$path" ] && [ ! -L "${path%/*}" ] && [ ! -L "${path%/*/*}" ]; then
            set -- "$@" "$path"
        fi
    done
    found='' known='' before='' releases='' os='' version=''
    [ $# = 0 ] || found=$(find "$@" -prune -type f -size -9 \
        -exec grep -HE "^(ID|VERSION_ID)=[\"']?[A-Za-z0-9._-]{1,40}[\"']?\$" {} +)
    IFS=$nl
    for row in $found$nl:; do
        path=${row%:*}
        if [ "$path" != "$before" ]; then
            case $known in
                *" $short:"*) ;; # its /etc/os-release goes before
                *) [ -z "$os" ] || known="$known $short:$os $version," ;;
            esac
            short "$path"
            before=$path os='' version=''
        fi
        content=${row##*=}
        content=${content#[\"\']}
        content=${content%[\"\']}
        case $row in *:VERSION_ID=*) version=$content ;; *:ID=*) os=$content ;; esac
    done
    for row in $images; do
        IFS=$blank
        for short in ${row#* }; do
            case $known in
                *" $short:"*)
                    text=${known#*" $short:"}
                    releases="$releases${row%% *} ${text%%,*}$nl"
                    break
                    ;;
            esac
        done
        IFS=$nl
    done
    IFS=$blank
    block images.releases "$releases"
}

# The images that containers run: how many setuid and setgid files each has, and the first of them.
say_setuid() {
    set -- x
    used='' setuid='' cause=''
    IFS=$nl
    for row in $images; do
        case $running in *"\"imageid\":\"${row%% *}\""*) used=$used$row$nl ;; esac
    done
    IFS=$blank
    set +f
    for short in $used; do
        case $short in *[!0-9a-f]*) continue ;; esac
        for path in "$layers/$short"*/diff; do
            case "$* " in *" $path "*) continue ;; esac
            if [ -d "$path" ]; then set -- "$@" "$path"; fi
        done
    done
    set -f
    shift
    if [ $# -gt 4000 ]; then
        reason "$# layers are more than the 4000 that are searched" images.setuid
        return
    fi
    found=
    [ $# = 0 ] || found=$({
        limit $((patience * 3)) find "$@" -xdev -type f '(' -perm -4000 -o -perm -2000 ')'
        echo "${nl}ended $?"
    } | head -n 5001)
    case $found in
        '' | *"$nl"'ended '[01]) found=${found%"$nl"*} ;;
        *"$nl"'ended '*) cause="the search did not end within $((patience * 3)) s" ;;
        *) cause="more than 5000 setuid files" ;;
    esac
    if [ -n "$cause" ]; then
        reason "$cause" images.setuid
        return
    fi
    IFS=$nl
    for row in $used; do
        count=0 names='' above=''
        IFS=$blank
        for short in ${row#* }; do
            case $found in *"/$short"*) count_setuid ;; esac
            above="$above $short"
        done
        IFS=$nl
        setuid="$setuid${row%% *} $count$names$nl"
    done
    IFS=$blank
    block images.setuid "$setuid"
}

# Of the layer $short, those that no layer $above replaces or takes away.
count_setuid() {
    IFS=$nl
    for path in $found; do
        case $path in "$layers/$short"*/diff/*) ;; *) continue ;; esac
        within=${path#"$layers"/*/diff}
        IFS=$blank
        covered "$within" || {
            count=$((count + 1))
            case $count$within in [1-5]/*[!A-Za-z0-9._/+-]*) ;; [1-5]/*) names="$names $within" ;; esac
        }
        IFS=$nl
    done
    IFS=$blank
}

# covered PATH: a layer of $above has something there, or has taken a directory on the way away.
covered() {
    set +f
    for upper in $above; do
        set -- "$1" "$layers/$upper"*/diff
        part=$1
        if [ -e "$2$part" ] || [ -L "$2$part" ]; then set -f; return; fi
        while [ -n "$part" ]; do
            if [ -c "$2$part" ]; then set -f; return; fi
            part=${part%/*}
        done
    done
    set -f
    return 1
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
# absent Health is an error. SecurityOpt holds whole seccomp profiles, so it is cut. The pid is first,
# where the shell finds it.
# shellcheck disable=SC2016 # the variables of the template
shape='
{"pid":{{json .State.Pid}},"id":{{json .ID}},"name":{{json .Name}},"image":{{json .Config.Image}},
"imageid":{{json .Image}},
"started":{{json .State.StartedAt}},"restarting":{{json .State.Restarting}},"restarts":{{json .RestartCount}},
"health":{{if .State.Health}}{{json .State.Health.Status}}{{else}}null{{end}},
"task":{{if index .Config.Labels "com.docker.swarm.task.id"}}true{{else}}false{{end}},
{{with .HostConfig}}"privileged":{{json .Privileged}},"userns":{{json .UsernsMode}},
"pidmode":{{json .PidMode}},"ipcmode":{{json .IpcMode}},"utsmode":{{json .UTSMode}},
"network":{{json .NetworkMode}},"restart":{{json .RestartPolicy.Name}},"autoremove":{{json .AutoRemove}},
"memory":{{json .Memory}},"pids":{{json .PidsLimit}},"cpus":{{json .NanoCPUs}},"quota":{{json .CPUQuota}},
"cpuset":{{json .CpusetCpus}},"readonly":{{json .ReadonlyRootfs}},"capadd":{{json .CapAdd}},
"masked":{{if .MaskedPaths}}true{{else}}{{json .MaskedPaths}}{{end}},
"securityopt":[{{range $i, $o := .SecurityOpt}}{{if $i}},{{end}}{{json (printf "%.200s" $o)}}{{end}}],
"ulimits":{{json .Ulimits}},"log":{{json .LogConfig.Type}},
"logsize":{{with .LogConfig.Config}}{{json (printf "%.20s" (index . "max-size"))}}{{else}}""{{end}},{{end}}
"ports":{{with .NetworkSettings}}{{json .Ports}}{{else}}null{{end}},
"mounts":[{{range $i, $m := .Mounts}}{{if $i}},{{end}}
{"source":{{json $m.Source}},"destination":{{json $m.Destination}},"rw":{{json $m.RW}}}{{end}}]}'

# Whether containers on the default bridge reach each other; what daemon.json says of it waits for a
# start of dockerd without running containers.
say_bridge() {
    if ask "$patience" network inspect --format \
        '{{index .Options "com.docker.network.bridge.enable_icc"}}' bridge; then
        case $answer in true | false) ;; *) answer='' cause="the default bridge does not say" ;; esac
    else
        answer=
        case $cause in *[Nn]'o such network'* | *'bridge not found'*) answer=none ;; esac
    fi
    value bridge.icc "$answer" "$cause"
}

say_containers() {
    value containers.count "$info_containers" "${no_info:-docker info counts no containers}"
    if [ "$info_containers" = 0 ]; then
        block containers ""
        block containers.processes ""
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
    most=2100000 running=$answer
    if [ -n "$cause" ]; then
        reason "$cause" containers containers.processes
    else
        block containers "$answer"
        say_container_processes
    fi
    most=
}

# What is in force in the first process of each; inspect tells what will be at its next start.
say_container_processes() {
    files=
    IFS=$nl
    for row in $answer; do
        pid=${row#'{"pid":'}
        pid=${pid%%,*}
        case $pid in '' | 0* | *[!0-9]*) ;; *) files="$files /proc/$pid/status /proc/$pid/limits" ;; esac
    done
    IFS=$blank
    if [ -z "$dockerd_pid" ]; then
        reason "${doubt:-the engine is no process of this machine}" containers.processes
    else
        # shellcheck disable=SC2086 # a list of files
        [ -z "$files" ] || rows=$(sed -n '/^Pid:/p;/^NoNewPrivs:/p;/^Seccomp:/p
            /^Max [cslop]/{
                s/   */  /g
                p
            }' $files)
        block containers.processes "${files:+$rows}" "${files:+the processes of containers could not be read}"
    fi
}

# --- TCP ---

# dockerd's TCP sockets: those of its descriptors that listen, and what a client without a
# certificate hears there. The kernel shows listening sockets first, so a few rows are enough.
say_sockets() {
    why=${doubt:-dockerd is not running} fds='' rows='' listening='' sockets=''
    if [ -n "$dockerd_pid" ]; then
        why="/proc/$dockerd_pid could not be read"
        fds=$(ls -n "/proc/$dockerd_pid/fd")
        [ -z "$fds" ] || rows=$(head -n 400 "/proc/$dockerd_pid/net/tcp6" "/proc/$dockerd_pid/net/tcp")
    fi
    IFS=$nl
    for row in $rows; do
        case $row in
            *local_address*) count=0 why=${why##/*} ;;
            *' 0A '*)
                IFS=$blank
                # shellcheck disable=SC2086 # the 2nd field is the address, the 10th the inode
                set -- $row
                IFS=$nl
                case $fds in *"socket:[${10}]"*) listening=$listening$2$nl ;; esac
                count=$((count + 1))
                [ $count -lt 399 ] || why="too many sockets listen on this host"
                ;;
        esac
    done
    IFS=$blank
    [ -z "$listening" ] || ask_sockets
    if [ -n "$why" ]; then reason "$why" dockerd.sockets; else block dockerd.sockets "$sockets"; fi
}

# ask_sockets: $sockets are lines of an address and a word for what answers there. The ports of
# containers and of a swarm are dockerd's too, and are left alone.
ask_sockets() {
    published=$running asked=0 swarm='' v4='0x\4.0x\3.0x\2.0x\1' v6='\4\3:\2\1:'
    case $info in *'"LocalNodeState":"'[!i]*) swarm=yes ;; esac
    [ "$arch" != s390x ] || v4='0x\1.0x\2.0x\3.0x\4' v6='\1\2:\3\4:'
    told="$command_line$nl$([ ! -f "$config" ] || grep -o 'tcp://[^"]*' "$config")$nl:2375$nl:2376$nl"
    listening=$(printf '%s' "$listening" | sed "
        s/^\(..\)\(..\)\(..\)\(..\):/$v4:/
        t
        s/\(..\)\(..\)\(..\)\(..\)/$v6/g
        s/^\(.*\)::/[\1]:/
    ")
    # shellcheck disable=SC2046 # inode, name, inode, name
    set -- $(ls -Li /proc/self/ns/net "/proc/$dockerd_pid/ns/net")
    deaf=''
    [ "$1" = "$3" ] || deaf="its network is not the host's"
    [ -n "$client" ] || deaf="there is no docker client"
    for turn in told rest; do # what dockerd was told to listen on is asked first
        for heard in $listening; do
            port=$((0x${heard##*:})) host=${heard%:*} known=rest
            case $told in *":$port$nl"*) known=told ;; esac
            [ $known = $turn ] || continue
            case $host in
                0x*)
                    IFS=.
                    # shellcheck disable=SC2086 # four bytes
                    set -- $host
                    IFS=$blank
                    host=$(($1)).$(($2)).$(($3)).$(($4))
                    ;;
            esac
            case $known$swarm,$published in
                restyes,*) word=swarm ;;
                rest,*"\"HostPort\":\"$port\""*) word=published ;;
                *) ask_socket ;;
            esac
            sockets=$sockets$host:$port" $word$nl"
        done
    done
}

# ask_socket: $word is what answers at $host:$port.
ask_socket() {
    word=unasked
    [ -z "$deaf" ] || word="unclear $deaf"
    [ $asked -lt 4 ] && [ -z "$deaf" ] || return
    asked=$((asked + 1)) to=$host
    case $host in 0.0.0.0 | '[0000:0000:0000:0000:0000:0000:0000:0000]') to=127.0.0.1 ;; esac
    if knock; then
        word=plain
        return
    fi
    case $text in
        *'HTTPS server'* | *'TLS-enabled'*) ;;
        *) return ;;
    esac
    # The quotes are for the client: without them it would look for a file.
    if knock --tls --tlscacert '""'; then word=tls; fi
    case $text in *': tls: '*certificate*) word=verified ;; esac
}

# knock OPTION...: whether Docker's API answers at $to:$port; if not, $text is the last complaint.
knock() {
    text=$({
        limit "$patience" "$client" "$@" -H "tcp://$to:$port" version --format '{{.Server.APIVersion}}' 2>&1
        echo "$nl$?"
    } | tail -c 2000)
    ended=${text##*"$nl"}
    last_line "${text%"$nl"*}"
    word="unclear ${text:-the client ended with status $ended}"
    case $ended,$text in
        0,[0-9]* | *' API version '* | *'uthorization denied'*) return 0 ;;
        124,* | 137,*) asked=9 word="unclear no answer within $patience s" ;;
        *'page not found'*) word=other ;;
    esac
    return 1
}

# --- Files ---

# Accounts, the group that may use the socket, and where containerd keeps its data; two processes.
find_users() {
    flag --group -G
    case $found in '' | *[!A-Za-z0-9_-]*) found=docker ;; esac
    accounts=$(grep -sE "^(dockremap:|$found:|[^:]*:[^:]*:${dockerd_uid:-none}:|root *= *.)" /dev/null \
        /etc/passwd /usr/lib/passwd /etc/group /usr/lib/group /etc/containerd/config.toml)
    remap=none docker_group='' members='' containerd_root=/var/lib/containerd
    IFS=$nl
    for row in $accounts; do
        IFS=:
        # shellcheck disable=SC2086 # file:name:password:uid:gid:comment:home:shell
        set -- $row
        IFS=$nl
        case $1 in
            */group)
                # file:name:password:gid:members
                [ "$2" != "$found" ] || docker_group=$4 members=$members,$5
                ;;
            *.toml)
                containerd_root=/${row#*=*/}
                containerd_root=${containerd_root%%[!A-Za-z0-9/._-]*}
                ;;
            *)
                [ "$2" != dockremap ] || remap=$4:$5
                [ "$4" != "$dockerd_uid" ] || home=$7
                ;;
        esac
    done
    # It may be the first group of a user, whom the group does not name then.
    case $docker_group in
        '' | *[!0-9]*) accounts='' ;;
        *) accounts=$(grep -sE "^[^:]*:[^:]*:[^:]*:$docker_group:" /dev/null /etc/passwd /usr/lib/passwd) ;;
    esac
    for row in $accounts; do
        row=${row#*:}
        members=$members,${row%%:*}
    done
    IFS=$blank
    docker_group="${docker_group:+$found $docker_group $members}"
}

# $config is the file that dockerd reads, or would read.
find_config() {
    config=/etc/docker/daemon.json
    [ -z "$rootless" ] || config=$home/.config/docker/daemon.json
    case $dockerd in */snap/*) config=/var/snap/docker/current/config/daemon.json ;; esac
    flag --config-file
    absolute "${found:-$config}"
    config=$target
    settings=
    [ ! -f "$config" ] || settings=$(grep -soE \
        '"(data-root|tls(ca)?cert|tlskey)"[[:space:]]*:[[:space:]]*"[^"]*"|unix:///[^"]*' "$config")
}

# setting KEY: $found is what daemon.json says, or what it was.
setting() {
    IFS=$nl
    for word in $settings; do
        case $word in "\"$1\""*) found=${word%\"} found=${found##*\"} ;; esac
    done
    IFS=$blank
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

# Mode in hexadecimal, owner, group, device and name of all that root alone should write, and of the
# data's directories and those above them, whatever links led there. One process.
say_modes() {
    etc=/etc/docker
    [ -z "$rootless" ] || etc=$home/.config/docker
    case $dockerd in */snap/*) etc=/var/snap/docker/current/etc/docker ;; esac
    set --
    for line in $unit$nl$socket_unit; do
        case $line in
            FragmentPath=/* | DropInPaths=/*) set -- "$@" "${line#*=}" ;;
            /*.conf) set -- "$@" "$line" ;;
        esac
    done
    # shellcheck disable=SC2086 # a list of files
    set -- "$@" $sources "$etc" "${config%/*}" "$config" "$socket" /run/containerd/containerd.sock
    for path in tlscacert tlscert tlskey; do
        flag --$path
        [ -n "$found" ] || setting $path
        [ -z "$found" ] || set -- "$@" "$found"
    done
    # Under userns-remap it is a directory of the data root, named by uid and gid.
    base=$root
    case ${root##*/} in [0-9]*.[0-9]*) base=${root%/*} ;; esac
    for path in "$base" $store; do set -- "$@" "$path" "$path/.."; done
    set +f
    set -- "$@" "$etc"/certs.d/*/*
    set -f
    why=
    [ $# -le 600 ] || why="$# files are more than the 600 that are looked at"
    has stat || why="stat is missing"
    for path; do
        case $path in */..) continue ;; esac
        if hidden "$path"; then why=$cause; fi
    done
    if closed "$etc/certs.d"; then why=$cause; fi
    if [ -n "$why" ]; then
        reason "$why" files
    else
        block files "$(stat -L -c '%f %u %g %d %n' "$@")"
    fi
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
    [ -n "$found" ] || setting data-root
    absolute "${found:-/var/lib/docker}"
    root=$target
}

# The containerd image store keeps images in containerd's own directory, unless dockerd runs that
# containerd itself.
find_store() {
    store='' no_store=${no_info:-"images are in the data root"}
    case $info in *io.containerd.snapshotter.v1*) store=$containerd_root ;; esac
    look_at "$containerd_pid"
    [ "$process_parent" != "${dockerd_pid:-none}" ] || store=
    path=$store
    [ -n "$no_info" ] || path=${store:-none}
    value containerd.root "$path" "$no_store"
}

say_data_root() {
    value dataroot.path "$root"
    if hidden "$root"; then
        reason "$cause" dataroot.fs dataroot.space dataroot.inodes dataroot.dtype dataroot.drivers \
            containerd.space containerd.inodes
        return
    fi
    resolve "$root"
    mount_of "$target"
    value dataroot.fs "$mount_type" "no mount above $target in /proc/self/mounts"
    # shellcheck disable=SC2086 # a path or none
    say_space "$root" $store
    say_dtype
    say_drivers
}

# say_space ROOT [STORE]: kilobytes in all, used and to be had; inodes in all and free. One process.
say_space() {
    count=$#
    for path; do # where there is none yet: the place where it would be made
        resolve "$path"
        while [ -n "$target" ] && [ ! -e "$target" ]; do target=${target%/*}; done
        set -- "$@" "${target:-/}"
    done
    shift $count
    rows=$(limit "$patience" stat -f -c '%b %f %a %S %c %d' "$@")
    say_space_of dataroot "$root" "${rows%%"$nl"*}"
    if [ -n "$store" ]; then
        case $rows in *"$nl"*) rows=${rows#*"$nl"} ;; *) rows='' ;; esac
        say_space_of containerd "$store" "$rows"
    else
        reason "$no_store" containerd.space containerd.inodes
    fi
}

# say_space_of NAME PATH ROW
say_space_of() {
    name=$1 path=$2
    # shellcheck disable=SC2086 # blocks in all, free, to be had; size of one; inodes in all, free
    set -- $3
    case $#$* in
        6*[!0-9\ ]*) ;;
        6*)
            value "$name.space" "$(($1 * $4 / 1024)) $((($1 - $2) * $4 / 1024)) $(($3 * $4 / 1024))"
            value "$name.inodes" "$5 $6"
            return
            ;;
    esac
    reason "stat could not measure $path" "$name.space" "$name.inodes"
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
    # Of containerd's image store only containers and volumes lie here.
    if [ -z "$drivers" ]; then
        set +f
        for path in "$root"/containers/*/ "$root"/volumes/*/; do
            [ ! -d "$path" ] || drivers=containerd
        done
        set -f
    fi
    value dataroot.drivers "${drivers:-none}"
}

# --- The rest ---

say_kubelet() {
    kubelet=${kubelet:-${none:+no}}
    [ ! -e /etc/kubernetes/kubelet.conf ] || kubelet=yes
    [ ! -e /var/lib/kubelet/config.yaml ] || kubelet=yes
    value kubelet "$kubelet" "$unseen"
    value kubelet.dockerd "${cri_dockerd:-${none:+no}}" "$unseen"
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
    trust images overlaid no_images running format engines containerds entropy_daemons details btime dockerd_pid dockerd_uid dockerd_started args \
    containerd_pid state unit socket_unit shown environment selinux cri_dockerd wakes_up silent info most home info_containers info_images info_root

echo 'oakum-probe 1 begin'
uid=$(id -u)
cpu=" $(grep -m 1 -E '^(flags|Features)' /proc/cpuinfo) "
read_small_files
say_host
say_kernel_config
block sysctl "$sysctl" "nothing in /proc/sys could be read"
profiles=/sys/kernel/security/apparmor/profiles
find_processes
say_security
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
say_podman
say_engine
find_origin
value engine.origin "$origin"
say_containers
say_sockets
say_images
say_volumes
say_bridge
say_dockerd
find_data_root
say_layers
find_store
say_files
say_modes
say_sysctl_files
say_slices
say_audit
say_reloaded
value user.dockremap "$remap"
if [ -r /etc/group ]; then value group.docker "${docker_group:-none}"; else reason "no /etc/group" group.docker; fi
say_data_root
say_kubelet
say_oakum_state
echo 'oakum-probe 1 end'
exit 0

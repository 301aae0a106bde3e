#!/usr/bin/env bash
# A real Slurm of one node on this machine, for tests: it claims 16 cores, 64 GB and a GPU, whatever the machine has.
# Needs root and Debian's packages, neither systemd nor cgroups nor a database; a container will do.
#   cluster.sh install     slurm-wlm and munge from Debian, without starting their services
#   cluster.sh start DIR   start it; `export SLURM_CONF=DIR/slurm.conf PATH=DIR/bin:$PATH` leads Slurm's commands to it
#   cluster.sh stop DIR    cancel its jobs and stop exactly what `start DIR` started
# Everything lies below DIR (a short path: sockets allow 100 characters) and listens on free ports of 127.0.0.1;
# /etc/slurm, /etc/munge and a Slurm that runs here already are left alone. Daemons end by themselves after LIFETIME.
set -euo pipefail
LIFETIME=${LIFETIME:-1800} # seconds

install() {
    apt-get update -qq
    # a policy of 101 keeps the packages from starting services
    local policy=/usr/sbin/policy-rc.d
    if [ ! -e $policy ]; then
        trap "rm -f $policy" EXIT
        printf '#!/bin/sh\nexit 101\n' >$policy
        chmod +x $policy
    fi
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends slurm-wlm munge
}

configure() {
    local host ports
    host=$(hostname -s)
    read -r -a ports < <(python3 -c '
import socket
held = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
print(*(one.getsockname()[1] for one in held))')
    cat >"$dir/slurm.conf" <<CONF
ClusterName=test
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=${ports[0]}
SlurmdPort=${ports[1]}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$dir/munge.socket,cred_expire=10
MpiDefault=none
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
ReturnToService=2
SlurmdParameters=config_overrides
MinJobAge=300
KillWait=10
SchedulerParameters=batch_sched_delay=1,sched_interval=5,sched_min_interval=500000
GresTypes=gpu
SlurmctldPidFile=$dir/slurmctld.own.pid
SlurmdPidFile=$dir/slurmd.own.pid
StateSaveLocation=$dir/state
SlurmdSpoolDir=$dir/spool
SlurmctldLogFile=$dir/slurmctld.log
SlurmdLogFile=$dir/slurmd.log
PlugStackConfig=$dir/plugstack.conf
NodeName=$host NodeAddr=127.0.0.1 CPUs=16 RealMemory=64000 Gres=gpu:fake:1 State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
CONF
    echo "NodeName=$host Name=gpu Type=fake File=/dev/null" >"$dir/gres.conf"
    touch "$dir/plugstack.conf"
    # Snakemake's plugin drops SLURM_CONF before it calls srun in a job
    printf '#!/bin/sh\nSLURM_CONF=%s exec %s "$@"\n' "$dir/slurm.conf" "$(command -v srun)" >"$dir/bin/srun"
    # The plugin asks how its jobs are after 1, 12, 33, 64, ... s, and again after 1 s once one of them has ended: here the
    # answer comes when one has, after half a minute at the latest
    cat >"$dir/bin/squeue" <<SQUEUE
#!/bin/sh
export SLURM_CONF=$dir/slurm.conf
case "\$*" in *--states=all*)
    for _ in \$(seq 60); do
        ended=\$($(command -v squeue) --noheader --format=%i --sort=i --states=CA,CD,F,NF,OOM,TO)
        [ "\$ended" = "\$(cat $dir/ended)" ] && sleep 0.5 || break
    done
    echo "\$ended" >$dir/ended
esac
exec $(command -v squeue) "\$@"
SQUEUE
    touch "$dir/ended"
    chmod +x "$dir"/bin/*
}

daemon() { # name, command...
    setsid timeout --kill-after=5 "$LIFETIME" "${@:2}" </dev/null >>"$dir/$1.log" 2>&1 &
    echo $! >"$dir/$1.pid"
}

runs() { # whether process $1 lives and is the daemon $2, not another that has got its number since
    grep -qz "$2" "/proc/$1/cmdline" 2>/dev/null
}

start() {
    [ "$(id -u)" = 0 ] || { echo "cluster.sh: must be root" >&2; exit 1; }
    for name in slurmctld slurmd munged; do
        command -v $name >/dev/null || { echo "cluster.sh: $name is not installed; cluster.sh install" >&2; exit 1; }
    done
    mkdir -p "$dir"/{state,spool,bin}
    chmod 755 "$dir"
    configure
    (umask 077 && head -c 128 /dev/urandom >"$dir/munge.key")
    export SLURM_CONF=$dir/slurm.conf
    daemon munged munged --foreground --force --socket="$dir/munge.socket" --key-file="$dir/munge.key" \
        --pid-file="$dir/munged.own.pid" --seed-file="$dir/munge.seed" --log-file="$dir/munged.log" --origin=127.0.0.1
    for _ in $(seq 50); do [ -S "$dir/munge.socket" ] && break || sleep 0.1; done
    daemon slurmctld slurmctld -D
    daemon slurmd slurmd -D
    for _ in $(seq 60); do
        if [ "$(timeout 5 sinfo -h -p main -o %T 2>/dev/null)" = idle ]; then
            echo "slurm is up: $(sinfo -h -o '%P %T, %c cpus, %m MB, %G')"
            return
        fi
        sleep 0.5
    done
    echo "cluster.sh: Slurm did not come up within 30 s" >&2
    tail -n 5 "$dir"/*.log >&2
    stop
    exit 1
}

stop() {
    export SLURM_CONF=$dir/slurm.conf
    timeout 5 scancel --partition=main --quiet 2>/dev/null || true
    for _ in $(seq 30); do [ -z "$(timeout 5 squeue -h 2>/dev/null)" ] && break || sleep 0.5; done
    for name in slurmd slurmctld munged; do
        [ -e "$dir/$name.pid" ] || continue
        pid=$(cat "$dir/$name.pid")
        if runs "$pid" "$name"; then kill "$pid"; fi
        for _ in $(seq 100); do runs "$pid" "$name" && sleep 0.1 || break; done
        rm "$dir/$name.pid"
    done
}

case "${1-} $#" in
"install 1") install ;;
"start 2" | "stop 2")
    dir=$(readlink -m "$2")
    "$1"
    ;;
*)
    sed -n '2,9s/^# \?//p' "$0" >&2
    exit 2
    ;;
esac

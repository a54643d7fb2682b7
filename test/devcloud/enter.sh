#!/bin/bash
# Enters a release's root. Must be started by unshare --mount: everything that
# it mounts is meant to vanish with the namespace.
#
# usage: enter.sh ROOT STATE CODE [--bind DIR]... [--tiny SIZE] [--pidfile FILE] COMMAND...
#   STATE is seen as /devcloud, CODE as /devcloud-lib (read-only)
#   --bind DIR      DIR is seen under its own name
#   --tiny SIZE     a file system of that size is put on /devcloud/stores/tiny
#   --pidfile FILE  number and start time of the process are written there

set -euo pipefail

root=$1 state=$2 code=$3
shift 3
binds=() tiny='' pidfile=''
while [ $# -gt 0 ]; do
	case $1 in
	--bind) binds+=("$2") && shift 2 ;;
	--tiny) tiny=$2 && shift 2 ;;
	--pidfile) pidfile=$2 && shift 2 ;;
	*) break ;;
	esac
done

if [ -n "$pidfile" ]; then
	# /proc is still the machine's here, so this is the number by which the
	# process is known outside of its PID namespace. A builtin reads it, since
	# a program would find its own.
	read -r stat </proc/self/stat
	read -r -a fields <<<"${stat##*) }"
	printf '%s %s\n' "${stat%% *}" "${fields[19]}" >"$pidfile"
fi

# unshare has made all mounts private; a machine that had its own idea of
# propagation inside a container must not learn of ours either.
mount --make-rprivate /

bind() {
	mkdir -p "$root$1"
	mount --bind "$1" "$root$1"
}

mount -t proc proc "$root/proc"
[ ! -d /sys ] || mount --bind -o ro /sys "$root/sys"

# A /dev of its own: the machine's disks have no business in here.
mount -t tmpfs -o mode=755,size=1m tmpfs "$root/dev"
for node in null zero full random urandom tty kvm; do
	[ -e "/dev/$node" ] || continue
	: >"$root/dev/$node"
	mount --bind "/dev/$node" "$root/dev/$node"
done
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts "$root/dev/pts"
mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
ln -s fd/0 "$root/dev/stdin"
ln -s fd/1 "$root/dev/stdout"
ln -s fd/2 "$root/dev/stderr"

mkdir -p "$root/devcloud" "$root/devcloud-lib"
mount --bind "$state" "$root/devcloud"
mount --bind "$code" "$root/devcloud-lib"
mount -o remount,bind,ro "$root/devcloud-lib"
for dir in ${binds[@]+"${binds[@]}"}; do
	bind "$dir"
done
if [ -n "$tiny" ]; then
	mount -t tmpfs -o "mode=1777,size=$tiny" tmpfs "$root/devcloud/stores/tiny"
fi

# The working directory is kept where it can be seen in there.
dir=$PWD
[ -d "$root$dir" ] && [ "$root$dir" -ef "$dir" ] || dir=/
# shellcheck disable=SC2016 # the inner shell expands
exec env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 \
	chroot "$root" /bin/sh -c 'cd "$1" && shift && exec "$@"' sh "$dir" "$@"

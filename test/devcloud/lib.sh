# shellcheck shell=bash
# Shared by the devcloud scripts: where things are, how root is obtained, and
# the one way into a release's root. Sourced, never run.

set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
repo=$(cd "$here/../.." && pwd -P)
devcloud=$repo/.devcloud
releases=(zed 2025.1)
default_release=2025.1

say() { printf 'devcloud: %s\n' "$*"; }
die() {
	printf 'devcloud: %s\n' "$*" >&2
	exit 1
}
usage_error() {
	printf '%s: %s (--help shows the usage)\n' "${0##*/}" "$*" >&2
	exit 2
}

# show_help prints the comment block that opens the calling script.
show_help() { sed -n '2,/^$/{s/^# \{0,1\}//;p}' "$0"; }

# use_release sets the variables that depend on the release.
# shellcheck disable=SC2034 # they are for the scripts that source this file
use_release() {
	release=$1
	case $release in
	# The Debian suite whose own packages are that OpenStack release. The ports
	# spell the release (20220 and up for 2022.2, which is Zed) and stay below
	# the range that the kernel hands out for outgoing connections.
	zed) suite=bookworm port=20220 ;;
	2025.1) suite=trixie port=20250 ;;
	*) usage_error "unknown release \"$release\", known are: ${releases[*]}" ;;
	esac
	base=$devcloud/$release
	root=$base/root
	state=$base/var
	pidfile=$state/run/supervisor.pid
	# The one way into the root. All mounts are in a namespace of the command's
	# own, so they are gone with it whatever ends it, and the machine never
	# sees them.
	enter=(unshare --mount -- "$here/enter.sh" "$root" "$state" "$here/inside")
}

# become_root runs the calling script again as root where it is not yet.
# Namespaces, mounts and chroot need it; the machine itself is left alone.
become_root() {
	[ "$(id -u)" -eq 0 ] && return
	command -v sudo >/dev/null ||
		die "needs root (private mounts and chroot), and there is no sudo"
	if [ -t 0 ]; then
		exec sudo -E "$0" "$@"
	fi
	exec sudo -n -E "$0" "$@"
}

# give_back hands a file to the person who called sudo, if it was one.
give_back() {
	[ -z "${SUDO_UID:-}" ] || chown "$SUDO_UID:${SUDO_GID:-$SUDO_UID}" "$@"
}

# take_lock makes a second up, down or install of the same release wait.
# Descriptor 9 must be closed in every process that outlives the script.
take_lock() {
	mkdir -p "$devcloud"
	exec 9>"$devcloud/.lock-$release"
	if ! flock -n 9; then
		say "$release: waiting for another up or down of it to end"
		flock -w 1200 9 || die "$release: still locked after 20 minutes ($devcloud/.lock-$release)"
	fi
}

# start_time prints when a process began, in clock ticks since boot: with it a
# process is told from a later one that got the same number.
start_time() {
	local stat fields
	read -r stat 2>/dev/null <"/proc/$1/stat" || return 1
	# The second field is the command in brackets and may hold blanks; the start
	# time is the 22nd, so the 20th of what follows the bracket.
	read -r -a fields <<<"${stat##*) }"
	printf '%s\n' "${fields[19]}"
}

# supervisor_pid prints the number of the release's supervisor, or fails when
# it does not run. It is process 1 of a PID namespace: when it dies, the kernel
# ends everything that it started.
supervisor_pid() {
	local pid started
	read -r pid started 2>/dev/null <"$pidfile" || return 1
	[ "$(start_time "$pid" || true)" = "$started" ] || return 1
	printf '%s\n' "$pid"
}

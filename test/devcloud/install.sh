# shellcheck shell=bash
# Builds a release's root: a debootstrap of the Debian suite that has it, with
# the packages of the services and of the judges that tests ask. Sourced by
# up and exec.

# shellcheck source=lib.sh
. "${BASH_SOURCE[0]%/*}/lib.sh"

# The services: only the core packages of MariaDB, for the others would set up
# a database server of the machine's.
packages=(
	keystone glance-api
	mariadb-server-core mariadb-client-core
	uwsgi-core uwsgi-plugin-python3 nginx openssl
	# The standard client, and what looks at disk images.
	python3-openstackclient qemu-utils
	# What installs our plugin for that client: nothing is fetched for it.
	python3-venv python3-wheel
	# Nova's own code judges property values and builds virtual machines; the
	# rest is what its tests need, which ship the fake libvirt for that.
	python3-nova python3-libvirt
	python3-fixtures python3-testtools python3-oslotest python3-testscenarios
	python3-ddt python3-wsgi-intercept python3-requests-mock
)

# Debian 13's libvirt and QEMU judge whether the machines start. The rest makes
# the small disk images that they boot, but for osinfo-db, of which the built-in
# table is made.
starters=(
	osinfo-db
	libvirt-daemon libvirt-daemon-driver-qemu libvirt-clients qemu-system-x86 ovmf
	busybox-static syslinux syslinux-common mtools dosfstools e2fsprogs kmod xz-utils systemd-boot-efi
)

# release_packages prints the packages of the release's root, one a line.
release_packages() {
	printf '%s\n' "${packages[@]}"
	[ "$suite" != trixie ] || printf '%s\n' "${starters[@]}"
}

keyring=/usr/share/keyrings/debian-archive-keyring.gpg

# debian_sources prints "URI SUITE COMPONENT CODENAME" of the configured
# sources that are Debian's own. apt is asked, since it knows both file formats
# and what the source calls itself.
debian_sources() {
	# shellcheck disable=SC2016 # the fields are apt's
	apt-get indextargets \
		--format '$(ORIGIN) $(REPO_URI) $(RELEASE) $(COMPONENT) $(CODENAME)' \
		'Created-By: Packages' | sed -n 's/^Debian //p' | sort -u
}

# prepare_host installs debootstrap, the only package that the machine itself
# gets, and the keys of the suite where the machine's are older than it.
prepare_host() {
	command -v apt-get >/dev/null || die "needs a Debian machine (there is no apt-get)"
	local missing=()
	command -v debootstrap >/dev/null || missing+=(debootstrap)
	[ -e "/usr/share/keyrings/debian-archive-$suite-stable.gpg" ] ||
		missing+=(debian-archive-keyring)
	# Without the lists, apt does not know which source is Debian's.
	if [ ${#missing[@]} -gt 0 ] || [ -z "$(debian_sources)" ]; then
		apt-get update -q >>"$log" 2>&1 || die "apt-get update failed, see $log"
	fi
	if [ ${#missing[@]} -gt 0 ]; then
		say "$release: installing ${missing[*]}"
		DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends \
			"${missing[@]}" >>"$log" 2>&1 </dev/null ||
			die "installing ${missing[*]} failed, see $log"
	fi
}

# suite_sources prints the sources.list of the release's root: the machine's
# mirrors, for another suite.
suite_sources() {
	local uri _ component codename own mirror=''
	own=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
	while read -r uri _ component codename; do
		[ "$component" = main ] || continue
		case $codename in
		"$own") mirror=$uri && printf 'deb %s %s main\n' "$uri" "$suite" ;;
		"$own-updates") printf 'deb %s %s-updates main\n' "$uri" "$suite" ;;
		"$own-security") printf 'deb %s %s-security main\n' "$uri" "$suite" ;;
		esac
	done < <(debian_sources)
	[ -n "$mirror" ] || die "no source of Debian's own packages (main) is configured in apt"
}

# carry_settings gives the root what apt on the machine was told about how to
# fetch: proxies, certificates, credentials, time limits. Its indexes, its
# languages and programs that only the machine has stay behind.
carry_settings() {
	local to=$1/etc/apt
	apt-config dump --format '%F "%v";%n' Acquire |
		grep -Ev '^Acquire::(IndexTargets|Languages|Changelogs|CompressionTypes)|Proxy-Auto-Detect' |
		grep -v ' "";$' >"$to/apt.conf.d/90machine" || true
	[ ! -e /etc/apt/auth.conf ] || cp -p /etc/apt/auth.conf "$to/"
	[ ! -d /etc/apt/auth.conf.d ] || cp -pr /etc/apt/auth.conf.d "$to/"
	[ ! -e /etc/resolv.conf ] || cp -L /etc/resolv.conf "$1/etc/resolv.conf"
}

# wanted is what a finished root was made of.
wanted() { printf '%s\n' "$suite" && release_packages; }

# in_new_root runs a command in the root that is being made.
in_new_root() {
	unshare --mount -- "$here/enter.sh" "$new" "$state" "$here/inside" \
		env DEBIAN_FRONTEND=noninteractive "$@" </dev/null >>"$log" 2>&1
}

# install_root makes the release's root, or adds the packages that an older
# one lacks. A root takes its name only when it is complete.
install_root() {
	[ "$(wanted)" = "$(cat "$root/etc/devcloud-packages" 2>/dev/null || true)" ] && return
	log=$state/log/install.log
	mkdir -p "$state/log"
	: >"$log"
	prepare_host
	local new=$root sources mirror all
	mapfile -t all < <(release_packages)
	if [ ! -d "$root" ]; then
		sources=$(suite_sources)
		mirror=$(sed -n "s/^deb \(.*\) $suite main$/\1/p;T;q" <<<"$sources")
		say "$release: installing Debian $suite (some minutes, log in $log)"
		new=$root.new
		rm -rf --one-file-system "$new"
		mkdir -p "$new"
		# What debootstrap mounts stays in a namespace of its own.
		DPKG_FORCE=unsafe-io http_proxy=${http_proxy-$(apt_proxy)} \
			unshare --mount -- debootstrap --variant=minbase \
			--include=eatmydata,ca-certificates --keyring="$keyring" \
			"$suite" "$new" "$mirror" </dev/null >>"$log" 2>&1 ||
			die "debootstrap failed, see $log"
		printf '%s\n' "$sources" >"$new/etc/apt/sources.list"
		carry_settings "$new"
		# Servers of tests listen on 127.0.0.1 alone, and Glance takes the first
		# address that a name has.
		printf '127.0.0.1 localhost\n' >"$new/etc/hosts"
		# No service is started by an installation.
		printf '#!/bin/sh\nexit 101\n' >"$new/usr/sbin/policy-rc.d"
		chmod 755 "$new/usr/sbin/policy-rc.d"
		# The root can be made again, so it need not be safe from a power cut,
		# and nobody reads manuals in it.
		cat >"$new/etc/dpkg/dpkg.cfg.d/devcloud" <<-'END'
			force-unsafe-io
			path-exclude=/usr/share/doc/*
			path-exclude=/usr/share/info/*
			path-exclude=/usr/share/locale/*
			path-exclude=/usr/share/man/*
		END
		printf 'APT::Install-Recommends "false";\n' >"$new/etc/apt/apt.conf.d/80devcloud"
	fi
	say "$release: installing ${#all[@]} packages and what they need"
	in_new_root apt-get update -q || die "apt-get update failed, see $log"
	# Python's files are compiled once for all packages and on every core, not
	# package by package on one.
	local compile=/usr/bin/py3compile
	in_new_root dpkg-divert --local --rename --divert "$compile.real" --add "$compile"
	printf '#!/bin/sh\n' >"$new$compile"
	chmod 755 "$new$compile"
	in_new_root eatmydata apt-get install -y -q "${all[@]}" || die "apt-get install failed, see $log"
	rm "$new$compile"
	in_new_root dpkg-divert --local --rename --remove "$compile"
	# Some packages ship templates that are no Python yet: never mind those.
	in_new_root python3 -m compileall -q -j 0 /usr/lib/python3/dist-packages || true
	# The core package of MariaDB has no user of its own.
	in_new_root sh -c 'id mysql || useradd --system --user-group --no-create-home mysql' ||
		die "useradd failed, see $log"
	in_new_root apt-get clean
	wanted >"$new/etc/devcloud-packages"
	[ "$new" = "$root" ] || mv "$new" "$root"
}

# apt_proxy prints the proxy that apt uses, for debootstrap's own downloads.
apt_proxy() {
	local proxy=''
	eval "$(apt-config shell proxy Acquire::http::Proxy)"
	printf '%s' "$proxy"
}

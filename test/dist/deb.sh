#!/bin/bash
# In a clean root: installs the package, uses what is in it, removes it, and looks for what is left.
# usage: deb.sh VERSION PACKAGE.deb (in the folder that has it)
set -euo pipefail
version=$1 package=./$2
name=${2%%_*}
fail() { echo "deb.sh: $*" >&2; exit 1; }

# All that is there, but for what dpkg, apt and man keep of what they did.
listing() {
  find / -xdev \( -path /proc -o -path /sys -o -path /dev -o -path /tmp -o -path "$PWD" -o -path /var/log \
    -o -path /var/cache -o -path /var/lib/dpkg -o -path /var/lib/apt \) -prune -o -printf '%p %y %m %u\n' | sort
}
same() { diff "$1" "$2" || fail "$3 leaves the root changed"; }

listing >/tmp/before
apt-get install -y -q "$package" >/tmp/apt.log 2>&1 || { cat /tmp/apt.log; fail "apt-get install fails"; }
dpkg --verify "$name"
[ -z "$(dpkg-query -W -f '${Conffiles}' "$name")" ] || fail "there are conffiles"
said=$(glance-profile --version)
[[ $said == *"$version"* ]] || fail "--version says \"$said\", the package is $version"
# As anybody, without a home.
su -s /bin/sh nobody -c 'HOME=/nonexistent glance-profile profile list -f value -c Name' | grep -qx linux-virtio ||
  fail "profile list does not know linux-virtio"

pages=0
for page in $(dpkg -L "$name" | grep -E '^/usr/share/man/.*\.gz$' || true); do
  title=$(basename "$page" .gz)
  [ "$(man --where "${title##*.}" "${title%.*}")" = "$page" ] || fail "man does not find $page"
  text=$(man --warnings "${title##*.}" "${title%.*}" 2>/tmp/man.log | col -b)
  [ ! -s /tmp/man.log ] || { cat /tmp/man.log; fail "man warns of $page"; }
  grep -q '^NAME' <<<"$text" || fail "$page has no NAME"
  whatis -s "${title##*.}" "${title%.*}" >/dev/null || fail "whatis does not know $page"
  pages=$((pages + 1))
done
# Where each shell of Debian looks by itself.
for script in bash-completion/completions/glance-profile zsh/vendor-completions/_glance-profile \
  fish/vendor_completions.d/glance-profile.fish; do
  [ -s "/usr/share/$script" ] || fail "there is no /usr/share/$script"
done
bash -n /usr/share/bash-completion/completions/glance-profile || fail "the script for bash is no bash"

apt-get remove -y -q "$name" >/tmp/apt.log 2>&1 || { cat /tmp/apt.log; fail "apt-get remove fails"; }
listing >/tmp/after
same /tmp/before /tmp/after "apt-get remove"
dpkg -i "$package" >/tmp/apt.log 2>&1 || { cat /tmp/apt.log; fail "dpkg -i fails"; }
dpkg -P "$name" >/tmp/apt.log 2>&1 || { cat /tmp/apt.log; fail "dpkg -P fails"; }
listing >/tmp/after
same /tmp/before /tmp/after "dpkg -P"
! dpkg-query -W "$name" 2>/dev/null || fail "dpkg still knows the package"
echo "deb.sh: $package, $pages manual pages"

#!/bin/bash
# In a root with lintian and rpm: what they say of the packages, and the .rpm installed, used and removed.
# usage: lint.sh VERSION (in the folder that has them)
set -euo pipefail
version=$1
fail() { echo "lint.sh: $*" >&2; exit 1; }

known=''
# Until the tree has that page; packaging/dist sees to it that one that is there gets in.
for package in glance-profile_*.deb; do
  contents=$(dpkg-deb -c "$package")
  grep -q /man1/glance-profile.1.gz <<<"$contents" || known=no-manual-page
done
lintian --fail-on error,warning --allow-root --tag-display-limit 0 --suppress-tags "$known" -- *.deb || fail "lintian complains"

for package in *.rpm; do
  rpm -Kv --nosignature "$package" >/dev/null || fail "$package is damaged"
  rpm -qp --qf '%{NAME} %{LICENSE}\n' "$package" | grep -qx 'glance-profile Apache-2.0' || fail "$package: name, licence"
  rpm -qp --licensefiles "$package" | grep -qx /usr/share/licenses/glance-profile/LICENSE || fail "$package has no licence"
  [ -z "$(rpm -qp --scripts --conflicts --configfiles "$package")" ] || fail "$package has scripts, conflicts or configuration"
  rpm -qp --qf '[%{FILEUSERNAME}:%{FILEGROUPNAME}\n]' "$package" | sort -u | grep -qx root:root || fail "$package: owners"
  # Folders that others have, too, are nobody's: only the package's own may be in it.
  ! rpm -qp --qf '[%{FILEMODES:perms} %{FILENAMES}\n]' "$package" | grep '^d' | grep -v /glance-profile$ ||
    fail "$package owns folders that are not its own"
  [ "$(rpm -qp --qf '%{ARCH}' "$package")" = "$(uname -m)" ] || continue
  rpm --initdb
  rpm -i --force-debian "$package"
  rpm -V glance-profile
  glance-profile --version | grep -qF "$version" || fail "--version of $package"
  rpm -e --force-debian glance-profile
  left=$(find / -xdev -path "$PWD" -prune -o -name '*glance-profile*' ! -path '/tmp/*' -print)
  [ -z "$left" ] || fail "rpm -e leaves $left"
done

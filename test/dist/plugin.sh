#!/bin/bash
# In a root that has the openstack client: installs program and plugin, uses, removes.
# usage: plugin.sh VERSION PACKAGE.deb PLUGIN.deb (in the folder that has them)
set -euo pipefail
version=$1
name=${3%%_*}
fail() { echo "plugin.sh: $*" >&2; exit 1; }
listing() { find /usr /etc /opt -xdev -printf '%p %y %m %u\n' | sort; }

listing >/tmp/before
apt-get install -y -q "./$2" "./$3" >/tmp/apt.log 2>&1 || { cat /tmp/apt.log; fail "apt-get install fails"; }
# The roots of the devcloud leave documents out.
! dpkg --verify "$name" | grep -v ' /usr/share/doc/' || fail "files are not what the package says"
# What Python finds is what the project's file says.
python3 - "$version" <<'END'
import importlib.metadata, sys
said = importlib.metadata.distribution("glance-profile-openstackclient")
assert said.version == sys.argv[1].lstrip("v"), said.version
names = sorted(entry.name for entry in said.entry_points if entry.group == "openstack.glance_profile.v1")
assert names, said.entry_points
for entry in said.entry_points:
    entry.load()
END
[ -d /usr/lib/python3/dist-packages/glance_profile_osc/__pycache__ ] || fail "the files are not compiled"
openstack help image profile list >/tmp/help 2>&1 || { cat /tmp/help; fail "openstack does not know image profile list"; }
openstack image profile list -f value -c Name </dev/null >/tmp/list 2>&1 || { cat /tmp/list; fail "image profile list fails"; }
grep -qx linux-virtio /tmp/list || { cat /tmp/list; fail "image profile list does not know linux-virtio"; }
apt-get remove -y -q "$name" >/tmp/apt.log 2>&1 || { cat /tmp/apt.log; fail "apt-get remove fails"; }
dpkg -P "$name" glance-profile >/tmp/apt.log 2>&1 || { cat /tmp/apt.log; fail "dpkg -P fails"; }
listing >/tmp/after
diff /tmp/before /tmp/after || fail "the root is left changed"

package osinfo

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
)

// rule is how a distributor counts, and so what os_version holds.
type rule struct {
	shape   *regexp.Regexp // of a version as people write it; its first group is kept
	written string
}

// The ways of counting. A point release is cut off where the distributor's
// systems are known by their major number alone, and kept where libosinfo, or
// the distributor's life cycle, treats it as a system of its own.
var (
	byMajor = rule{regexp.MustCompile(`^(\d+)(\.\d+)*(-\d+(\.\d+)*)?$`),
		"the major number alone: 12, not 12.5"}
	byMajorOrPoint = rule{regexp.MustCompile(`^(\d+(\.\d+)?)(\.\d+)*$`),
		"the major number, or the point release where it is given: 9 or 9.4"}
	byTwo = rule{regexp.MustCompile(`^(\d+\.\d+)(\.\d+)*$`),
		"two numbers: 15.6; what follows them is cut off"}
	byMonth = rule{regexp.MustCompile(`^(\d{1,2}\.(?:04|06|10))(\.\d+)*$`),
		"year and month: 24.04; a point release is cut off"}
	byThree = rule{regexp.MustCompile(`^(\d+\.\d+\.\d+)$`),
		"three numbers: 0.6.2"}
	byPack = rule{regexp.MustCompile(`^(\d+)(?:[.\-_ ]?sp(\d+)|\.(\d+))?$`),
		"the version, with the service pack behind it: 15 or 15-sp5"}
	bySale = rule{regexp.MustCompile(`^(\d{4}(?:r2)?|\d+(?:\.\d+)?|xp|vista|me|nt\d\.\d+)$`),
		"the number that it is sold under: 2019, 2012r2, 10, 11"}
	byNothing = rule{nil, "no version: it has no numbered releases"}
	asItIs    = rule{regexp.MustCompile(`^(\d+(?:\.\d+)*)$`), "the numbers as they are"}
)

// rules are the distributions, in Glance's vocabulary, that are not counted as
// they are. Sources: the short ids and versions of osinfo-db, and
// debian.org/releases (point releases are updates of one release),
// ubuntu.com/about/release-cycle, docs.fedoraproject.org (one number),
// access.redhat.com/support/policy/updates/errata (each minor release has a
// life of its own), suse.com/lifecycle (service packs), alpinelinux.org/releases
// and en.opensuse.org/Lifetime (two numbers).
var rules = []struct {
	distros string
	rule    rule
}{
	{"debian fedora fedora-coreos amzn mageia eurolinux trisquel pureos devuan proxmox", byMajor},
	{"rhel centos rocky almalinux ol oel scientificlinux anolis circle miraclelinux", byMajorOrPoint},
	{"ubuntu", byMonth},
	{"alpinelinux opensuse freebsd openbsd netbsd nixos kali vyos opnsense elementaryos popos", byTwo},
	{"sles sled sle", byPack},
	{"cirros flatcar coreos talos rancheros bottlerocket", byThree},
	{"windows", bySale},
	{"arch gentoo clearlinux manjaro voidlinux", byNothing},
}

func ruleFor(distro string) rule {
	for _, r := range rules {
		if slices.Contains(strings.Fields(r.distros), distro) {
			return r.rule
		}
	}
	return asItIs
}

// VersionRule says in a few words how os_version counts for a distribution,
// named as os_distro names it.
func VersionRule(distro string) string { return ruleFor(distro).written }

// CanonicalVersion brings a version to the form that os_version has for a
// distribution: 22.04 for 22.04.3, 12 for 12.5, 15-sp5 for "15 SP5", 2012r2 for
// "2012 R2". ok is false for what does not have the shape of a version of it.
// Whether there was such a version is not known here (HasVersion).
func CanonicalVersion(distro, version string) (canonical string, ok bool) {
	const most = 64 // bytes
	version = strings.ToLower(strings.TrimSpace(version))
	if len(version) > most {
		return "", false
	}
	if len(version) > 1 && version[0] == 'v' && version[1] >= '0' && version[1] <= '9' {
		version = version[1:]
	}
	r := ruleFor(distro)
	if r.shape == nil {
		return "", false
	}
	if distro == "windows" {
		version = strings.Join(strings.Fields(strings.NewReplacer("-", " ", "_", " ").Replace(version)), "")
	}
	m := r.shape.FindStringSubmatch(version)
	switch {
	case m == nil:
		return "", false
	case r.shape == byPack.shape:
		if pack := cmp.Or(m[2], m[3]); pack != "" && strings.Trim(pack, "0") != "" {
			return m[1] + "-sp" + strings.TrimLeft(pack, "0"), true
		}
	}
	return m[1], true
}

package osinfo

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// rule is how os_version is written for some distributions.
type rule struct {
	distros  []string // in Glance's words; none for the rule of all others
	sentence string
	// canonical brings a version, in lower case and without a leading v, to the
	// form of the rule; false if it does not have the shape of one.
	canonical func(version string) (string, bool)
	// minors says that a system is also known by its first number alone, where
	// only its minor releases are listed.
	minors bool
}

// rules has one rule for each distribution, the one for all others last. Each
// follows how the distributor itself names a release, on the page given.
var rules = [...]rule{
	// https://www.debian.org/releases/ and /doc/manuals/project-history/: since
	// 4 (etch) a point release is the same release; before, 3.0 and 3.1 were two.
	{distros: []string{"debian"}, canonical: firstNumber(4),
		sentence: "The first number: 12 (12.5 is Debian 12 with some updates). Up to 3.1 the first two, which then were releases of their own."},
	// https://wiki.rockylinux.org/rocky/version/, https://wiki.almalinux.org/release-notes/,
	// https://www.centos.org/centos-linux/, https://www.devuan.org/os/releases,
	// https://docs.euro-linux.com/, https://trisquel.info/en/wiki/trisquel-releases,
	// https://pureos.net/, https://pve.proxmox.com/wiki/FAQ: updates carry a system from one minor release to the
	// next, and only the last is maintained.
	{distros: []string{"almalinux", "centos", "devuan", "eurolinux", "proxmox", "pureos", "rocky", "trisquel"}, canonical: firstNumber(0),
		sentence: "The first number: 9 (9.4 is the same release with some updates)."},
	// https://docs.fedoraproject.org/en-US/releases/ and
	// https://docs.fedoraproject.org/en-US/fedora-coreos/update-streams/: the
	// first number of Fedora CoreOS 40.20240616.3.0 is that of Fedora.
	{distros: []string{"fedora", "fedora-atomic", "fedora-coreos"}, canonical: firstNumber(0),
		sentence: "The first number, that of the Fedora release: 42."},
	// https://docs.aws.amazon.com/linux/: Amazon Linux 2 and 2023, before them
	// one that was numbered by year and month, last 2018.03.
	{distros: []string{"amzn"}, canonical: amazonLinux,
		sentence: "The first number: 2 or 2023. For the first Amazon Linux year and month: 2018.03."},
	// https://access.redhat.com/support/policy/updates/errata: minor releases
	// have lives of their own, beside each other. libosinfo lists those of the
	// others in the same way.
	{distros: []string{"anolis", "asianux", "circle", "miraclelinux", "oel", "ol", "rhel", "scientificlinux"}, canonical: oneOrTwoNumbers, minors: true,
		sentence: "The first number or the first two, as given: 9 or 9.4, both of which libosinfo knows as systems of their own."},
	// https://wiki.ubuntu.com/Releases: 22.04.3 is a medium to install 22.04 from.
	// https://nixos.org/manual/nixos/stable/release-notes
	{distros: []string{"nixos", "popos", "ubuntu"}, canonical: yearAndMonth,
		sentence: "Year and month: 24.04 (24.04.1 is the same release with some updates)."},
	// https://www.kali.org/releases/: 2020.1b is a medium made anew.
	{distros: []string{"kali"}, canonical: yearAndQuarter,
		sentence: "Year and number in the year: 2024.1."},
	// https://alpinelinux.org/releases/, https://www.openbsd.org/, https://www.openeuler.org/, https://en.opensuse.org/Lifetime,
	// https://openwrt.org/docs/guide-user/releases, https://docs.opnsense.org/releases.html,
	// https://docs.netgate.com/pfsense/en/latest/releases/, https://github.com/vmware/photon/wiki,
	// https://docs.vyos.io/: a third number is a bug-fix release. openSUSE
	// Tumbleweed has dates, which are no versions.
	{distros: []string{"alpinelinux", "openbsd", "openeuler", "opensuse", "openwrt", "opnsense", "pfsense", "photon", "slem", "truenas", "vyos"}, canonical: twoNumbers(0),
		sentence: "The first two numbers, such as 3.20 (3.20.1 is the same release with some updates)."},
	// https://www.freebsd.org/releases/: 5.2.1 was the last with three numbers.
	{distros: []string{"freebsd"}, canonical: twoNumbers(5),
		sentence: "The first two numbers: 14.2. Up to 5.2.1 a third one where the release had it."},
	// https://www.netbsd.org/releases/formal.html: 7.1.2 was the last with three numbers.
	{distros: []string{"netbsd"}, canonical: twoNumbers(7),
		sentence: "The first two numbers: 10.1. Up to 7.1.2 a third one where the release had it."},
	// https://www.suse.com/lifecycle/ and https://www.suse.com/releasenotes/:
	// since 16.0 minor releases have taken the place of service packs. SLE Micro,
	// libosinfo's slem, never had any.
	{distros: []string{"sle", "sled", "sles"}, canonical: servicePack,
		sentence: "The number with the service pack after it: 15-sp5; 15 alone is the release without one. From 16 on, which has none, two numbers: 16.0."},
	// https://github.com/cirros-dev/cirros/releases, https://www.flatcar.org/releases,
	// https://github.com/siderolabs/talos/releases, https://github.com/rancher/os/releases,
	// https://github.com/bottlerocket-os/bottlerocket/releases
	{distros: []string{"bottlerocket", "cirros", "coreos", "flatcar", "rancheros", "talos"}, canonical: threeNumbers,
		sentence: "All three numbers, such as 3815.2.0."},
	// https://learn.microsoft.com/en-us/lifecycle/products/
	{distros: []string{"windows"}, canonical: windowsProduct,
		sentence: "What it is sold under, in lower case and without blanks: 11, 2022, 2012r2, xp."},
	{distros: []string{"arch", "clearlinux", "gentoo", "manjaro", "omnios", "openindiana", "smartos", "solus", "voidlinux"}, canonical: noVersion,
		sentence: "None: the system is updated all the time and has no numbered releases."},
	{canonical: asWritten, sentence: "As the distributor writes it, in lower case."},
}

// ruleFor returns the rule of a distribution.
func ruleFor(distro string) *rule {
	for i := range rules {
		if slices.Contains(rules[i].distros, distro) {
			return &rules[i]
		}
	}
	return &rules[len(rules)-1]
}

// VersionRule says in a sentence or two how os_version is written for a
// distribution, in Glance's words.
func VersionRule(distro string) string {
	return ruleFor(distro).sentence
}

// CanonicalVersion brings the version of a distribution, in Glance's words, to
// the form that VersionRule describes: 22.04.3 to 22.04, 9.4 to 9 for Rocky
// Linux but not for RHEL, "15 SP5" to 15-sp5. It is false if the text does not
// have the shape of a version of that distribution. Whether there ever was such
// a version, HasVersion tells. Words around a number are not understood, but for
// a v before it.
func CanonicalVersion(distro, version string) (string, bool) {
	const most = 32 // bytes: no version is that long
	version = strings.ToLower(strings.TrimSpace(version))
	if number := strings.TrimPrefix(version, "v"); number != "" && number[0] >= '0' && number[0] <= '9' {
		version = number
	}
	if version == "" || len(version) > most {
		return "", false
	}
	canonical, ok := ruleFor(distro).canonical(version)
	if !ok {
		return "", false
	}
	return canonical, true
}

// numbers splits a version into its numbers; false if there is anything else.
func numbers(version string) ([]string, bool) {
	parts := strings.Split(version, ".")
	for _, part := range parts {
		if part == "" || strings.Trim(part, "0123456789") != "" {
			return nil, false
		}
	}
	return parts, true
}

// upTo reports whether a number is at most limit.
func upTo(number string, limit int) bool {
	n, err := strconv.Atoi(number)
	return err == nil && n <= limit
}

// firstNumber is the first number, from a release on; the first two before.
func firstNumber(since int) func(string) (string, bool) {
	return func(version string) (string, bool) {
		n, ok := numbers(version)
		switch {
		case !ok:
			return "", false
		case !upTo(n[0], since-1):
			return n[0], true
		case len(n) < 2:
			return "", false // it would be two
		}
		return n[0] + "." + n[1], true
	}
}

func amazonLinux(version string) (string, bool) {
	n, ok := numbers(version)
	switch {
	case !ok:
		return "", false
	case len(n) > 1 && len(n[0]) == 4 && upTo(n[0], 2018):
		return n[0] + "." + n[1], true
	}
	return n[0], true
}

func oneOrTwoNumbers(version string) (string, bool) {
	n, ok := numbers(version)
	switch {
	case !ok:
		return "", false
	case len(n) == 3 && n[0] == "2": // RHEL 2.1.7
		return version, true
	}
	return strings.Join(n[:min(len(n), 2)], "."), true
}

func yearAndMonth(version string) (string, bool) {
	n, ok := numbers(version)
	if !ok || len(n) < 2 || len(n[0]) > 2 || len(n[1]) != 2 || !upTo(n[1], 12) {
		return "", false
	}
	return n[0] + "." + n[1], true
}

var quarterForm = regexp.MustCompile(`^(20[0-9]{2}\.[1-4])[a-z]?$`)

func yearAndQuarter(version string) (string, bool) {
	m := quarterForm.FindStringSubmatch(version)
	if m == nil {
		return "", false
	}
	return m[1], true
}

// twoNumbers is the first two numbers; up to a release a third one is kept.
func twoNumbers(three int) func(string) (string, bool) {
	return func(version string) (string, bool) {
		n, ok := numbers(version)
		if !ok || len(n) < 2 {
			return "", false
		}
		keep := 2
		if upTo(n[0], three) {
			keep = 3
		}
		return strings.Join(n[:min(len(n), keep)], "."), true
	}
}

func threeNumbers(version string) (string, bool) {
	n, ok := numbers(version)
	return version, ok && len(n) == 3
}

var servicePackForm = regexp.MustCompile(`^([0-9]{1,2})(?:\.([0-9])(?:\.[0-9]+)?|[ ._-]?sp[ ._-]?([0-9]))?$`)

func servicePack(version string) (string, bool) {
	m := servicePackForm.FindStringSubmatch(version)
	if m == nil {
		return "", false
	}
	number, minor, pack := m[1], m[2], m[3]
	switch {
	case !upTo(number, 15) && pack != "":
		return "", false
	case !upTo(number, 15) && minor != "":
		return number + "." + minor, true
	case minor+pack == "", minor+pack == "0":
		return number, true
	}
	return number + "-sp" + minor + pack, true
}

var windowsForm = regexp.MustCompile(`^(?:(?:nt)?[0-9]{1,2}(?:\.[0-9]{1,2})?|[0-9]{4}(?:r2)?|me|vista|xp)$`)

func windowsProduct(version string) (string, bool) {
	version = strings.Map(func(r rune) rune {
		if r == ' ' || r == '-' || r == '_' {
			return -1
		}
		return r
	}, version)
	return version, windowsForm.MatchString(version)
}

func noVersion(string) (string, bool) { return "", false }

var writtenForm = regexp.MustCompile(`^[0-9a-z][0-9a-z.+-]*$`)

// asWritten takes what has a digit in it: a word such as testing or current is
// no version.
func asWritten(version string) (string, bool) {
	return version, writtenForm.MatchString(version) && strings.ContainsAny(version, "0123456789")
}

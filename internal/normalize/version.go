package normalize

import (
	"slices"
	"strconv"
	"strings"

	"glance-profile/internal/osinfo"
)

// outcome is what became of a version.
type outcome struct {
	version    string   // as os_version is to have it; "" if it is not settled
	candidates []string // of an unsettled one, where they are few
	absent     string   // a version that has the right form and that the distribution never had
	code       string   // the code name that it was read from
}

// resolve finds the version of a distribution that a text names. server says
// that a Windows is one for servers.
func (x *lexicon) resolve(distro string, r reading, server bool) outcome {
	var coded []string // what the code names say
	for _, code := range r.codes {
		for _, rel := range x.codes[code] {
			if rel.distro == distro && !slices.Contains(coded, rel.version) {
				coded = append(coded, rel.version)
			}
		}
		if len(coded) == 0 {
			return outcome{} // the code name is another distribution's
		}
	}
	out := x.numbers(distro, r, server)
	switch {
	case len(r.numbers) > 0 && len(coded) > 0:
		fits := func(v string) bool { return v == out.version || pointOf(v, out.version) || pointOf(out.version, v) }
		if out.version != "" && !slices.ContainsFunc(coded, fits) {
			return outcome{candidates: append(coded, out.version)}
		}
	case len(r.numbers) > 0:
	case len(coded) == 1:
		out = outcome{version: coded[0], code: r.codes[0]}
	case len(coded) > 1:
		// One name of several minor releases is that of the major one.
		major, _, _ := strings.Cut(coded[0], ".")
		if x.has(distro, major) && !slices.ContainsFunc(coded, func(v string) bool { return v != major && !pointOf(v, major) }) {
			return outcome{version: major, code: r.codes[0]}
		}
		slices.SortFunc(coded, osinfo.CompareVersions)
		out = outcome{candidates: coded[max(0, len(coded)-maxCandidates):]}
	case len(r.rolling) == 1 && x.words[distro][r.rolling[0]]:
		out = outcome{version: r.rolling[0]}
	}
	return out
}

// numbers finds the version of a distribution that the numbers of a text name.
func (x *lexicon) numbers(distro string, r reading, server bool) outcome {
	if r.joined != "" {
		if v, ok := osinfo.CanonicalVersion(distro, r.joined); ok && x.has(distro, v) && len(x.versions[distro]) > 0 {
			return outcome{version: v}
		}
	}
	numbers := r.numbers
	if len(numbers) > 1 {
		unwanted := isDate
		if distro == "windows" {
			unwanted = isUpdate
		}
		numbers = slices.DeleteFunc(slices.Clone(numbers), unwanted)
	}
	var out outcome
	var found []string
	unread := 0
	for _, number := range numbers {
		one := x.number(distro, number, r.lts, server || r.server)
		switch {
		case one.version == "":
			unread++
			out.absent = one.absent
			out.candidates = append(out.candidates, one.candidates...)
		case !slices.Contains(found, one.version):
			found = append(found, one.version)
		}
	}
	found = refine(found)
	switch {
	case len(found) == 1 && (unread == 0 || len(x.versions[distro]) > 0 && distro != "windows"):
		return outcome{version: found[0]}
	case len(found) > 0:
		out.absent = ""
		out.candidates = append(out.candidates, found...)
	}
	slices.SortFunc(out.candidates, osinfo.CompareVersions)
	out.candidates = slices.Compact(out.candidates)
	return out
}

// refine drops the versions of which another one is a point release: 7 beside
// 7.9.
func refine(versions []string) []string {
	return slices.DeleteFunc(slices.Clone(versions), func(v string) bool {
		return slices.ContainsFunc(versions, func(w string) bool { return pointOf(w, v) })
	})
}

// pointOf reports whether version a is a point release of b.
func pointOf(a, b string) bool {
	return strings.HasPrefix(a, b+".") || strings.HasPrefix(a, b+"-sp")
}

// isDate tells whether a number is a day, as those that images are built on.
func isDate(number string) bool {
	return len(number) == 8 && allDigits(number) && strings.HasPrefix(number, "20")
}

// isUpdate tells whether a number is that of one of the updates of Windows 10
// and 11, which are no versions of their own: 1809, 22h2.
func isUpdate(number string) bool {
	switch number {
	case "1507", "1511", "1607", "1703", "1709", "1803", "1809", "1903", "1909", "2004":
		return true
	}
	return len(number) == 4 && number[2] == 'h'
}

// maxCandidates bounds how many versions are proposed.
const maxCandidates = 12

// number finds the version of a distribution that one number stands for.
func (x *lexicon) number(distro, number string, lts, server bool) outcome {
	if distro == "windows" {
		return x.windows(number, server)
	}
	canonical, ok := osinfo.CanonicalVersion(distro, number)
	if ok && x.has(distro, canonical) {
		return outcome{version: canonical}
	}
	// Without its dot: 2204, 79. It must not be a version of its own that is
	// newer than the database.
	if n, err := strconv.Atoi(number); err == nil && allDigits(number) && n >= x.newest(distro)+10 {
		var dotted []string
		for i := 1; i < len(number); i++ {
			v, ok := osinfo.CanonicalVersion(distro, number[:i]+"."+number[i:])
			// Where the rule cuts the second number off, many would do; centos76 is
			// usual.
			if ok && slices.Contains(x.versions[distro], v) && (strings.Contains(v, ".") || len(number) == 2 && osinfo.VersionRule(distro) == osinfo.VersionRule("rocky")) {
				dotted = append(dotted, v)
			}
		}
		if len(dotted) == 1 {
			return outcome{version: dotted[0]}
		}
	}
	// The first half alone: ubuntu 22.
	var begun []string
	for _, v := range x.versions[distro] {
		if strings.HasPrefix(v, number+".") && (!lts || x.lts[release{distro, v}]) {
			begun = append(begun, v)
		}
	}
	switch {
	case len(begun) == 1 && lts:
		return outcome{version: begun[0]}
	case len(begun) > 0:
		return outcome{candidates: begun[max(0, len(begun)-maxCandidates):]}
	case ok:
		return outcome{absent: canonical}
	}
	return outcome{}
}

// newest is the newest major number of a distribution; 0 if none is known.
func (x *lexicon) newest(distro string) int {
	newest := 0
	for _, v := range x.versions[distro] {
		major, _, _ := strings.Cut(v, ".")
		n, _ := strconv.Atoi(major)
		newest = max(newest, n)
	}
	return newest
}

// kernels are the versions of Windows by its kernel's number: for clients, and
// for servers. Source: learn.microsoft.com/windows/win32/sysinfo/operating-system-version.
var kernels = map[string][2][]string{
	"5.1": {{"xp"}, nil}, "5.2": {{"xp"}, {"2003", "2003r2"}}, "6.0": {{"vista"}, {"2008"}}, "6.1": {{"7"}, {"2008r2"}},
	"6.2": {{"8"}, {"2012"}}, "6.3": {{"8.1"}, {"2012r2"}}, "10.0": {{"10", "11"}, {"2016", "2019", "2022", "2025"}},
}

// builds are the versions of Windows by its build. Sources:
// learn.microsoft.com/windows/release-health/release-information,
// windows11-release-information, learn.microsoft.com/windows-server/get-started/windows-server-release-info.
var builds = map[string][2]string{
	"2600": {"xp", ""}, "6002": {"vista", "2008"}, "6003": {"", "2008"}, "7600": {"7", "2008r2"}, "7601": {"7", "2008r2"},
	"9200": {"8", "2012"}, "9600": {"8.1", "2012r2"}, "10240": {"10", ""}, "10586": {"10", ""}, "14393": {"10", "2016"}, "15063": {"10", ""},
	"16299": {"10", ""}, "17134": {"10", ""}, "17763": {"10", "2019"}, "18362": {"10", ""}, "18363": {"10", ""}, "19041": {"10", ""},
	"19042": {"10", ""}, "19043": {"10", ""}, "19044": {"10", ""}, "19045": {"10", ""}, "20348": {"", "2022"}, "22000": {"11", ""},
	"22621": {"11", ""}, "22631": {"11", ""}, "25398": {"", ""}, "26100": {"11", "2025"}, "26200": {"11", ""},
}

// windows finds the Windows that a number stands for.
func (x *lexicon) windows(number string, server bool) outcome {
	number, _, _ = strings.Cut(number, "-sp") // a service pack is none of its own
	if v, ok := osinfo.CanonicalVersion("windows", number); ok && x.has("windows", v) && number != "10.0" {
		return outcome{version: v}
	}
	pick := func(client, servers []string) outcome {
		all := slices.Concat(client, servers)
		if server && len(servers) > 0 {
			all = servers
		}
		all = slices.DeleteFunc(slices.Clone(all), func(v string) bool { return v == "" || !x.has("windows", v) })
		if len(all) == 1 {
			return outcome{version: all[0]}
		}
		return outcome{candidates: all}
	}
	kernel, build := number, ""
	if parts := strings.Split(number, "."); len(parts) >= 3 {
		kernel, build = parts[0]+"."+parts[1], parts[2]
	} else if len(number) >= 4 && allDigits(number) {
		build = number
	}
	if b, ok := builds[build]; ok && build != "" {
		return pick([]string{b[0]}, []string{b[1]})
	}
	if k, ok := kernels[kernel]; ok && build == "" {
		return pick(k[0], k[1])
	}
	return outcome{}
}

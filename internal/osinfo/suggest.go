package osinfo

import (
	"cmp"
	"slices"
	"strings"
)

// Suggest returns, best first, at most limit short ids that an unknown text was
// probably meant to be: ubuntu24.04 for ubuntu-24.04, win2k22 for "Windows
// Server 2022", rocky9 for "Rocky Linux 9".
func (db *DB) Suggest(text string, limit int) []string {
	const most = 128 // bytes: no name of a system is that long
	if limit <= 0 || len(text) > most {
		return nil
	}
	key := simplify(text)
	if key == "" {
		return nil
	}
	distros, version := split(key)

	type guess struct {
		os   *OS
		rank int
	}
	var guesses []guess
	for i := range db.systems {
		o := &db.systems[i]
		if strings.HasSuffix(o.ShortID, "unknown") {
			continue
		}
		if rank, ok := o.resemblance(key, distros, version, db.versions[o.Distro] == nil); ok {
			guesses = append(guesses, guess{o, rank})
		}
	}
	slices.SortStableFunc(guesses, func(a, b guess) int {
		return cmp.Or(
			cmp.Compare(a.rank, b.rank),
			CompareVersions(b.os.plainVersion(), a.os.plainVersion()), // newest first
			cmp.Compare(len(a.os.ShortID), len(b.os.ShortID)),
			cmp.Compare(a.os.ShortID, b.os.ShortID))
	})
	var ids []string
	for _, g := range guesses {
		// What is a letter off is of interest only where nothing is nearer.
		if len(ids) == limit || g.rank > slip && g.rank > guesses[0].rank {
			break
		}
		ids = append(ids, g.os.ShortID)
	}
	return ids
}

// The ranks of a resemblance, best first.
const (
	same     = iota // the same but for signs and capitals, or another spelling
	release         // a release of the version asked for: rhel9.6 for rhel9
	parent          // the version of the release asked for: debian12 for debian12.5, talos for talos1.7.0
	nameOnly        // the right system, of which no version was asked for
	slip            // letters off; their number is added
)

// resemblance tells how a system resembles what was asked for. Unnumbered is that
// no release of its distribution is listed: the system then stands for them all.
func (o *OS) resemblance(key string, distros []string, version string, unnumbered bool) (rank int, ok bool) {
	ids := append([]string{o.ShortID}, o.Aliases...)
	for _, id := range ids {
		simple := simplify(id)
		// A code name stands alone as well: bookworm for debianbookworm.
		codeName, ok := strings.CutPrefix(simple, o.LibosinfoDistro)
		if simple == key || ok && codeName == key && version == "" {
			return same, true
		}
	}
	named := o.Distro != "" && (slices.Contains(distros, o.LibosinfoDistro) || slices.Contains(distros, o.Distro))
	if named && version != "" {
		own := o.plainVersion()
		switch {
		case own == version:
			return same, true
		case strings.HasPrefix(own, version+"."):
			return release, true
		case unnumbered, own != "" && strings.HasPrefix(version, own+"."):
			return parent, true
		}
	}
	if named && version == "" {
		return nameOnly, true
	}
	for _, id := range ids {
		if limit := min(len(key)/4, 2); limit > 0 {
			if d := distance(key, simplify(id), limit); d <= limit {
				return slip + d, true
			}
		}
	}
	return 0, false
}

// plainVersion is the version in numbers and dots, as split has it: where the
// distributor counts by major version, or in service packs, still the numbers
// that libosinfo has; for Windows what it is sold under.
func (o *OS) plainVersion() string {
	if o.Type == "windows" || o.Version == "" {
		return o.Version
	}
	return strings.TrimSuffix(o.LibosinfoVersion, "-unknown")
}

// noise are words of image and product names that tell nothing of the system.
var noise = [...]string{
	"64bit", "amd64", "base", "cloud", "cloudimg", "core", "datacenter", "desktop", "edition", "enterprise", "generic", "genericcloud", "gnu", "image", "iso",
	"leap", "linux", "lts", "microsoft", "minimal", "os", "qcow2", "server", "standard", "std", "the", "version", "x64",
}

// simplify brings a name to its letters, digits and dots, without the words
// that tell nothing.
func simplify(text string) string {
	s := strings.ToLower(text)
	for _, arch := range []string{"x86_64", "x86-64", "aarch64", "arm64"} {
		s = strings.ReplaceAll(s, arch, " ")
	}
	words := strings.FieldsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '.'
	})
	kept := slices.DeleteFunc(slices.Clone(words), func(w string) bool { return slices.Contains(noise[:], w) })
	if len(kept) == 0 {
		kept = words
	}
	return strings.Trim(strings.Join(kept, ""), ".")
}

// otherNames are names of distributions that people type, and libosinfo's.
var otherNames = [...]struct {
	typed string
	meant []string
}{
	{"alma", []string{"almalinux"}},
	{"alpine", []string{"alpinelinux"}},
	{"arch", []string{"archlinux"}},
	{"centosstream", []string{"centos"}},
	{"fedoracoreos", []string{"fedora-coreos"}},
	{"oracle", []string{"ol"}},
	{"oraclelinux", []string{"ol"}},
	{"redhat", []string{"rhel"}},
	{"rockylinux", []string{"rocky"}},
	{"sled", []string{"sled", "sle"}},
	{"sles", []string{"sles", "sle"}},
	{"suse", []string{"sles", "sle", "opensuse"}},
	{"win", []string{"windows"}},
	{"winserver", []string{"windows"}},
	{"windowsserver", []string{"windows"}},
	{"ws", []string{"windows"}},
}

// split parts a simplified name into the distributions that it may stand for
// and the version, service packs written as libosinfo counts them: 15.5 for
// 15sp5.
func split(key string) (distros []string, version string) {
	digit := strings.IndexAny(key, "0123456789")
	if digit < 0 {
		digit = len(key)
	}
	name := key[:digit]
	version = key[digit:]
	if number, pack, ok := strings.Cut(version, "sp"); ok && number != "" && pack != "" {
		version = number + "." + pack
	}
	for _, o := range otherNames {
		if o.typed == name {
			return o.meant, version
		}
	}
	return []string{name}, version
}

// CompareVersions compares versions number by number: 9.10 is after 9.9, and
// 2012r2 after 2012.
func CompareVersions(a, b string) int {
	for a != "" || b != "" {
		var x, y string
		x, a, _ = strings.Cut(a, ".")
		y, b, _ = strings.Cut(b, ".")
		digits := func(s string) int { return len(s) - len(strings.TrimLeft(s, "0123456789")) }
		if c := cmp.Or(cmp.Compare(digits(x), digits(y)), cmp.Compare(x, y)); c != 0 {
			return c
		}
	}
	return 0
}

// distance is the number of single-character edits between two texts, or
// limit+1 once it is above limit.
func distance(a, b string, limit int) int {
	if len(a)-len(b) > limit || len(b)-len(a) > limit {
		return limit + 1
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		corner := row[0]
		row[0] = i
		best := i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			corner, row[j] = row[j], min(row[j]+1, row[j-1]+1, corner+cost)
			best = min(best, row[j])
		}
		if best > limit {
			return limit + 1
		}
	}
	return min(row[len(b)], limit+1)
}

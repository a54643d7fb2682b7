package normalize

import (
	"slices"
	"strconv"
	"strings"
	"unicode"

	"glance-profile/internal/osinfo"
)

// release is a version of a distribution, both as os_distro and os_version
// name them.
type release struct{ distro, version string }

// name is what a name of a distribution stands for.
type name struct {
	distros []string // the first, unless something else in the image speaks for another
	weak    bool     // of a vendor: says nothing beside the name of a product
	open    bool     // none of them is to be preferred
}

// lexicon is the database turned around: from words to systems.
type lexicon struct {
	db       *osinfo.DB
	known    map[string]bool            // values of os_distro that are as they should be
	names    map[string]name            // by squeezed text
	longest  int                        // words of the longest of names
	ids      map[string]string          // short ids, further ones and URLs, also squeezed → short id; "" where they clash
	codes    map[string][]release       // code names, in lower case
	words    map[string]map[string]bool // version words that are no numbers: tumbleweed; by distribution, and all under ""
	versions map[string][]string        // by distribution, oldest first
	lts      map[release]bool
	types    map[string]string // os_type by distribution
	shortIDs map[release][]string
	rolling  map[string]string // short id of the distributions without numbered releases
}

// Names of systems that other services match on, and that are no names of
// distributions in libosinfo. Source: magnum/drivers (k8s_fedora_coreos_v1,
// and before it k8s_fedora_atomic_v1 and k8s_coreos_v1), provides.
var magnumNames = [...]string{"coreos", "fedora-atomic", "fedora-coreos"}

func newLexicon(db *osinfo.DB) *lexicon {
	x := &lexicon{
		db: db, known: map[string]bool{}, names: map[string]name{}, ids: map[string]string{},
		codes: map[string][]release{}, words: map[string]map[string]bool{"": {}}, versions: map[string][]string{},
		lts: map[release]bool{}, types: map[string]string{}, shortIDs: map[release][]string{}, rolling: map[string]string{},
	}
	for _, m := range magnumNames {
		x.known[m], x.types[m] = true, "linux"
	}
	fullNames := map[string][]string{} // of the database, such as redhatenterpriselinux
	for o := range db.All() {
		if o.Distro == "" {
			continue
		}
		x.add(o)
		for _, text := range []string{o.Distro, o.LibosinfoDistro, beforeVersion(o.Name)} {
			if s := squeeze(text); s != "" && s != "linux" && !slices.Contains(fullNames[s], o.Distro) {
				fullNames[s] = append(fullNames[s], o.Distro)
				x.longest = max(x.longest, len(tokenize(text)))
			}
		}
	}
	for s, distros := range fullNames {
		// A name that libosinfo gives to several is the one's that is called so.
		if i := slices.IndexFunc(distros, func(d string) bool { return squeeze(d) == s }); i >= 0 {
			distros = distros[i : i+1]
		}
		slices.Sort(distros)
		x.names[s] = name{distros: distros, open: len(distros) > 1}
	}
	for _, sp := range spellings {
		distros := slices.DeleteFunc(strings.Fields(sp.distros), func(d string) bool { return !x.known[d] })
		if len(distros) == 0 {
			continue // this database does not have it
		}
		for text := range strings.SplitSeq(sp.texts, ",") {
			x.names[squeeze(text)] = name{distros: distros, weak: sp.weak, open: sp.open}
			x.longest = max(x.longest, len(tokenize(text)))
		}
	}
	for distro := range x.versions {
		slices.SortFunc(x.versions[distro], osinfo.CompareVersions)
		x.versions[distro] = slices.Compact(x.versions[distro])
	}
	return x
}

// add takes up one system of the database.
func (x *lexicon) add(o osinfo.OS) {
	x.known[o.Distro] = true
	if o.Type != "" || x.types[o.Distro] == "" {
		x.types[o.Distro] = o.Type
	}
	for _, id := range append([]string{o.ShortID}, o.Aliases...) {
		for _, form := range []string{strings.ToLower(id), squeezeID(id)} {
			if other, taken := x.ids[form]; taken && other != o.ShortID {
				x.ids[form] = ""
			} else {
				x.ids[form] = o.ShortID
			}
		}
	}
	if o.ID != "" {
		x.ids[strings.ToLower(o.ID)] = o.ShortID
	}
	r := release{o.Distro, o.Version}
	x.shortIDs[r] = append(x.shortIDs[r], o.ShortID)
	if o.Version != "" {
		x.versions[o.Distro] = append(x.versions[o.Distro], o.Version)
		x.lts[r] = x.lts[r] || strings.Contains(o.Name, " LTS") || o.Distro == "ubuntu" && isLTS(o.Version)
	} else if word := strings.ToLower(o.LibosinfoVersion); word != "" && word != "unknown" {
		for _, distro := range []string{"", o.Distro} {
			if x.words[distro] == nil {
				x.words[distro] = map[string]bool{}
			}
			x.words[distro][word] = true
		}
	} else if word == "" {
		x.rolling[o.Distro] = o.ShortID
	}
	for _, code := range o.CodeNames {
		x.addCode(code, r)
	}
	for _, id := range o.Aliases {
		// libosinfo has code names as further short ids: debianbookworm.
		code, ok := strings.CutPrefix(id, o.Distro)
		if ok && strings.IndexFunc(code, func(c rune) bool { return c < 'a' || c > 'z' }) < 0 {
			x.addCode(code, r)
		}
	}
}

// isLTS reports whether a version of Ubuntu is one with long-term support: the
// first one of an even year, from 2006 on.
func isLTS(version string) bool {
	year, month, _ := strings.Cut(version, ".")
	n, err := strconv.Atoi(year)
	return err == nil && n%2 == 0 && (month == "04" && n >= 8 || version == "6.06")
}

func (x *lexicon) addCode(code string, r release) {
	if code != "" && r.version != "" && !slices.Contains(x.codes[code], r) {
		x.codes[code] = append(x.codes[code], r)
	}
}

// newestMinor bounds the point releases that are believed of a system of Red
// Hat's family that the database has without them (AlmaLinux, CentOS 7): none
// of them came past 11.
const newestMinor = 11

// has tells whether a distribution had a version, in its canonical form, as
// far as is known: one whose versions the database does not have had any.
func (x *lexicon) has(distro, version string) bool {
	if x.db.HasVersion(distro, version) {
		return true
	}
	if osinfo.VersionRule(distro) != osinfo.VersionRule("rhel") {
		return len(x.versions[distro]) == 0
	}
	major, minor, point := strings.Cut(version, ".")
	if !point {
		return slices.ContainsFunc(x.versions[distro], func(v string) bool { return strings.HasPrefix(v, major+".") })
	}
	n, err := strconv.Atoi(minor)
	return err == nil && n <= newestMinor && x.db.HasVersion(distro, major)
}

// shortID returns libosinfo's short id of a release, or the candidates where
// there is not exactly one. numbers are the versions as the image has them,
// which may tell a point release.
func (x *lexicon) shortID(r release, stream bool, numbers ...string) (id string, candidates []string) {
	ids := slices.Clone(x.shortIDs[r])
	if r.version == "" {
		if id := x.rolling[r.distro]; id != "" && len(x.versions[r.distro]) == 0 {
			return id, nil
		}
		return "", nil
	}
	if len(ids) == 0 && (r.distro == "sles" || r.distro == "sled") { // one system to libosinfo from 15 on
		ids = slices.Clone(x.shortIDs[release{"sle", r.version}])
	}
	drop := func(unwanted func(string) bool) {
		if rest := slices.DeleteFunc(slices.Clone(ids), unwanted); len(rest) > 0 {
			ids = rest
		}
	}
	drop(func(id string) bool { return strings.HasSuffix(id, "-unknown") })
	drop(func(id string) bool { return strings.Contains(id, "-stream") != stream })
	// Variants of one release: silverblue, kitten, atomic.
	drop(func(id string) bool { return !strings.HasPrefix(id, r.distro) })
	drop(func(id string) bool { return strings.Contains(id, "kitten") || strings.Contains(id, "atomic") })
	for _, version := range append(numbers, r.version) {
		drop(func(id string) bool {
			o, _ := x.db.Lookup(id)
			return o.LibosinfoVersion != version
		})
	}
	if len(ids) == 1 {
		return ids[0], nil
	}
	slices.Sort(ids)
	return "", ids
}

// beforeVersion returns the words of a system's name that stand before its
// version.
func beforeVersion(text string) string {
	var words []string
	for w := range strings.FieldsSeq(text) {
		lower := strings.ToLower(w)
		if strings.ContainsAny(w, "0123456789") || lower == "unknown" || lower == "testing" || lower == "unstable" || lower == "current" || lower == "(latest)" {
			break
		}
		words = append(words, w)
	}
	return strings.Join(words, " ")
}

// squeeze brings a text to its letters and digits, in lower case.
func squeeze(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, text)
}

// squeezeID brings a short id to lower case without blanks, hyphens and
// underscores, but with its dots: ubuntu22.04 for Ubuntu-22.04.
func squeezeID(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '-' || r == '_' || unicode.IsSpace(r) {
			return -1
		}
		return unicode.ToLower(r)
	}, text)
}

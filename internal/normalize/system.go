package normalize

import (
	"fmt"
	"slices"
	"strings"

	"glance-profile/internal/osinfo"
	"glance-profile/internal/property"
	"glance-profile/internal/spelling"
)

// glanceDistros are the values of os_distro that Glance's documentation lists.
// Source: glance/doc/source/admin/useful-image-properties.rst.
var glanceDistros = words("arch centos debian fedora freebsd gentoo mandrake mandriva mes msdos netbsd netware openbsd opensolaris opensuse rhel rocky sled ubuntu windows")

// source says where the name of a distribution comes from.
func source(distro string) string {
	switch {
	case glanceDistros[distro]:
		return "Glance's useful image properties"
	case slices.Contains(magnumNames[:], distro):
		return "Magnum's drivers"
	}
	return "libosinfo"
}

// versionSource says where the form of a version comes from.
func (x *lexicon) versionSource(distro, version string, stream bool) string {
	if id, _ := x.shortID(release{distro, version}, stream); id != "" {
		return "libosinfo: " + id
	}
	// The beginning of its rule: the first number.
	rule := osinfo.VersionRule(distro)
	rule = rule[:strings.IndexAny(rule+":", ":.(")]
	return strings.ToLower(rule[:min(1, len(rule))]) + strings.TrimSpace(rule[min(1, len(rule)):])
}

// rule is how a distribution is counted, to end a message with.
func rule(distro string) string { return strings.TrimSuffix(osinfo.VersionRule(distro), ".") }

// field is one of the properties that say which system an image holds.
type field struct {
	name, value string
	there       bool
	// own is a value that is not ours to read: the operator's, or the word of
	// another service.
	own bool
	r   reading
}

func (s *state) field(name string) field {
	value, there := s.props[name]
	f := field{name: name, value: value, there: there}
	if there {
		f.r = s.n.read(value)
		f.own = s.n.o.Map.leaves(name, value) ||
			s.n.o.Map.decreed(name, value) && !(name == "os_distro" && f.r.clear() && s.n.lexicon.distribution(f.r) != "")
	}
	return f
}

// system is the decision on os_distro, os_version and os_type. distro is what
// the image holds, in Glance's words, however that is known.
func (s *state) system() {
	d, v, t := s.field("os_distro"), s.field("os_version"), s.field("os_type")
	distro, how := s.distro(d, v, t)
	version := s.version(v, distro, how)
	s.kind(t, d, distro, how, version)
	s.place(d, v, distro, how, version)
	s.contradictions(distro, how, version)
}

// how a distribution is known.
type how int

const (
	unsettled how = iota
	stands        // os_distro says it, in the right form
	reads         // os_distro says it in another form
	moves         // os_version says it, and there is no os_distro
	moved         // os_type says it, and there is no os_distro
	heard         // only witnesses say it
)

func (s *state) distro(d, v, t field) (string, how) {
	x := s.n.lexicon
	if !d.there {
		named, from, how := x.distribution(v.r), v, moves
		if named == "" || !v.r.clear() || v.own {
			named, from, how = x.distribution(t.r), t, moved
			if named == "windows" && !t.r.versioned() {
				named = "" // says no more than os_type does
			}
		}
		if named == "" || !from.r.clear() || from.own {
			return s.hearsay(d, v)
		}
		if heard := s.distroTestimony(); heard.several || heard.value != "" && !sameSystem(heard.value, named) {
			s.report(Conflict, from.name, from.value, nil, "%s names %s, and %s says something else", spelling.Quote(from.value), named, strings.Join(heard.from, ", "))
			return "", unsettled
		}
		return named, how
	}
	switch {
	case d.own:
		return s.hearsay(d, v)
	case isGuestID(d.value):
		s.report(Kept, d.name, d.value, nil, "Nova's VMware driver takes it for the id of a guest system, so it stays")
		return s.hearsay(d, v)
	case s.hypervisor() == "zvm" && d.r.versioned():
		s.report(Kept, d.name, d.value, nil, "Nova's z/VM driver hands it to Feilong, which wants the release in it, so it stays")
		return s.hearsay(d, v)
	case s.matchedByMagnum(d.value):
		if _, changed := s.why[d.name]; !changed {
			s.report(Kept, d.name, d.value, nil, "Magnum picks its driver by os_distro=%s, so it stays", d.value)
		}
		return x.distribution(d.r), heard
	case x.known[d.value]:
		return s.alternative(d, v)
	}
	return s.readDistro(d, v, t)
}

// hearsay is the distribution that only witnesses name, all of them the same:
// enough to read a version by, not to set os_distro.
func (s *state) hearsay(d, v field) (string, how) {
	t := s.distroTestimony()
	if !t.settled() {
		return "", unsettled
	}
	if t.property || t.clear || v.there && s.n.lexicon.resolve(t.value, v.r, s.forServers()).version != "" {
		return t.value, heard
	}
	return "", unsettled
}

// alternative looks at a distribution that stands in the right form, and whose
// name another one bears as well: Oracle Linux was oel to libosinfo up to 5.4.
func (s *state) alternative(d, v field) (string, how) {
	x := s.n.lexicon
	others := x.names[squeeze(d.value)].distros
	if len(others) < 2 || !v.there || !v.r.clear() || x.resolve(d.value, v.r, false).version != "" {
		return d.value, stands
	}
	var fitting []string
	for _, other := range others {
		if len(x.versions[other]) > 0 && x.resolve(other, v.r, false).version != "" {
			fitting = append(fitting, other)
		}
	}
	if len(fitting) == 1 {
		return fitting[0], reads
	}
	return d.value, stands
}

// matchedByMagnum reports whether os_distro is a word by which one of Magnum's
// drivers is chosen. Those for Cluster API have names of their own for some
// distributions, and need kube_version beside it.
// Source: magnumNames, and github.com/vexxhost/magnum-cluster-api magnum_cluster_api/driver.py, provides.
func (s *state) matchedByMagnum(value string) bool {
	if slices.Contains(magnumNames[:], value) {
		return true
	}
	_, is := s.props["kube_version"]
	return is && (value == "ubuntu" || value == "flatcar" || value == "rockylinux")
}

// libosinfoFinds reports whether a Nova that uses libosinfo finds a system under
// an os_distro: a short id, or a URL that begins with http:.
// Source: nova/virt/osinfo.py _OsInfoDatabase.get_os.
func (x *lexicon) libosinfoFinds(value string) bool {
	id := x.ids[value]
	return id != "" && (id == value || strings.HasPrefix(value, "http://"))
}

// hypervisor is the kind of hypervisor that the image is for, in lower case; ""
// where it does not say.
func (s *state) hypervisor() string {
	for _, name := range []string{"img_hv_type", "hypervisor_type"} {
		if value := s.props[name]; value != "" {
			return strings.ToLower(value)
		}
	}
	return ""
}

// isGuestID reports whether a text is one of VMware's guest ids, which Nova's
// VMware driver takes from os_distro: ubuntu64Guest.
// Source: nova/virt/vmwareapi/constants.py VALID_OS_TYPES.
func isGuestID(value string) bool {
	return strings.HasSuffix(value, "Guest") && !strings.ContainsAny(value, " -.")
}

// readDistro reads an os_distro that is not in the right form.
func (s *state) readDistro(d, v, t field) (string, how) {
	x := s.n.lexicon
	unclear := func(kind Kind, candidates []string, format string, args ...any) (string, how) {
		s.report(kind, "os_distro", d.value, candidates, format, args...)
		return "", unsettled
	}
	switch {
	case d.r.nothing:
		return unclear(Unknown, nil, "os_distro is empty")
	case len(d.r.rest) > 0:
		return unclear(Unknown, d.r.distros, "no distribution is known as %s: %s is not understood", spelling.Quote(d.value), spelling.Quote(strings.Join(d.r.rest, " ")))
	case d.r.several:
		return unclear(Ambiguous, d.r.distros, "%s names more than one distribution", spelling.Quote(d.value))
	case len(d.r.distros) > 0:
		candidates := s.choose(d, v)
		if len(candidates) != 1 {
			return unclear(Ambiguous, candidates, "%s is a name of several distributions", spelling.Quote(d.value))
		}
		return candidates[0], reads
	}
	if distro := x.distribution(d.r); distro != "" { // by its code name
		return distro, reads
	}
	if kind := strings.ToLower(strings.TrimSpace(t.value)); d.r.generic == "" && kind == "windows" && len(d.r.codes) == 0 {
		return "windows", reads // Server, under os_type=windows
	}
	// Neither names the distribution: linux, or a version alone.
	if named := x.distribution(v.r); named != "" && v.r.clear() {
		return named, reads
	}
	if named := x.distribution(t.r); named != "" && t.r.clear() {
		return named, reads
	}
	heard := s.distroTestimony()
	// A name overwrites nothing, whatever it says.
	if heard.settled() && d.r.generic == "linux" && x.types[heard.value] == "linux" && heard.property {
		return heard.value, reads
	}
	var candidates []string
	switch {
	case heard.settled():
		candidates = []string{heard.value}
	case d.r.server && v.there && x.resolve("windows", v.r, true).version != "":
		candidates = []string{"windows"}
	}
	return unclear(Unknown, candidates, "%s names no distribution", spelling.Quote(d.value))
}

// choose narrows down the distributions that a name may stand for.
func (s *state) choose(d, v field) []string {
	x := s.n.lexicon
	candidates := d.r.distros
	if len(candidates) == 1 {
		return candidates
	}
	r := d.r
	if !r.versioned() && v.there && v.r.clear() {
		r = v.r
	}
	alive := candidates
	if r.versioned() {
		alive = slices.DeleteFunc(slices.Clone(candidates), func(distro string) bool { return x.resolve(distro, r, false).version == "" })
		if len(alive) == 0 {
			alive = candidates
		}
	}
	if heard := s.distroTestimony(); heard.settled() && slices.Contains(alive, heard.value) {
		return []string{heard.value}
	}
	if alive[0] == candidates[0] && !d.r.open {
		return alive[:1]
	}
	return alive
}

// version decides on os_version and returns the version of the system, as far
// as os_version says it. A change that has to go with one of os_distro is left
// to place.
func (s *state) version(v field, distro string, how how) string {
	x := s.n.lexicon
	if !v.there || v.own {
		return ""
	}
	if v.r.nothing {
		s.report(Unknown, v.name, v.value, nil, "os_version is empty")
		return ""
	}
	if distro == "" {
		if slices.ContainsFunc(s.reports, func(r Report) bool { return r.Property == v.name }) {
			return ""
		}
		s.report(Unknown, v.name, v.value, nil, "%s cannot be read without knowing the distribution", spelling.Quote(v.value))
		return ""
	}
	if named := x.distribution(v.r); v.r.several || named != "" && !sameSystem(named, distro) {
		if named == "" {
			named = strings.Join(v.r.distros, " and ")
		}
		s.report(Conflict, v.name, v.value, nil, "%s names %s, and the image is %s", spelling.Quote(v.value), named, distro)
		return ""
	}
	out := x.resolve(distro, v.r, s.forServers())
	if canonical, ok := osinfo.CanonicalVersion(distro, v.value); ok && x.has(distro, canonical) {
		out = outcome{version: canonical} // also a word that is one only there: xp
	} else if len(v.r.rest) > 0 {
		s.report(Unknown, v.name, v.value, nil, "%s is no version of %s: %s is not understood", spelling.Quote(v.value), distro, spelling.Quote(strings.Join(v.r.rest, " ")))
		return ""
	}
	if out.version == "" && len(out.candidates) > 1 {
		if heard := s.versionTestimony(distro); heard.settled() && slices.Contains(out.candidates, heard.value) {
			out.version = heard.value
		}
	}
	switch {
	case len(v.r.rolling) > 0 && len(v.r.numbers) == 0:
		s.report(Unknown, v.name, v.value, nil, "%s is no number, and stays", spelling.Quote(v.value))
	case out.version == v.value:
	case out.version != "" && s.otherArchitecture(v):
		return ""
	case out.version != "" && how == moves:
		// with os_distro
	case out.version != "":
		s.propose(set(v.name, out.version, s.whyVersion(distro, out)))
	case out.absent != "":
		s.report(NoVersion, v.name, v.value, x.near(distro, out.absent), "%s %s is not among the systems known (osinfo-db %s): it is newer, or there was none", distro, out.absent, x.db.Release())
	case len(out.candidates) > 1:
		s.report(Ambiguous, v.name, v.value, out.candidates, "%s may be several versions of %s; its rule: %s", spelling.Quote(v.value), distro, rule(distro))
	case len(out.candidates) == 1:
		s.report(Unknown, v.name, v.value, out.candidates, "%s is no version of %s; its rule: %s", spelling.Quote(v.value), distro, rule(distro))
	default:
		s.report(Unknown, v.name, v.value, x.nearest(distro, v.r), "%s is no version of %s; its rule: %s", spelling.Quote(v.value), distro, rule(distro))
	}
	return out.version
}

func (s *state) whyVersion(distro string, out outcome) string {
	x := s.n.lexicon
	if out.code != "" {
		return fmt.Sprintf("code name %s; %s", out.code, x.versionSource(distro, out.version, false))
	}
	return fmt.Sprintf("as %s counts; %s", distro, x.versionSource(distro, out.version, s.ofStream()))
}

// plain reports whether a text is a version number by itself.
func plain(text string) bool {
	return text != "" && len(text) <= maxText && strings.Trim(text, "0123456789.") == "" && text[0] != '.' && text[len(text)-1] != '.'
}

// near returns the versions of a distribution with the same major number, as
// candidates.
func (x *lexicon) near(distro, version string) []string {
	major, _, _ := strings.Cut(version, ".")
	var found []string
	for _, v := range x.versions[distro] {
		if m, _, _ := strings.Cut(v, "."); m == major {
			found = append(found, v)
		}
	}
	return found[max(0, len(found)-maxCandidates):]
}

// nearest returns the versions of a distribution that begin like the one number
// of a text.
func (x *lexicon) nearest(distro string, r reading) []string {
	if len(r.numbers) != 1 {
		return nil
	}
	return x.near(distro, r.numbers[0])
}

// place decides on os_distro, and puts a version that stands in it into
// os_version where that is missing.
func (s *state) place(d, v field, distro string, how how, version string) {
	if distro == "" || how == heard || how == reads && s.otherArchitecture(d) {
		return
	}
	x := s.n.lexicon
	inDistro := outcome{}
	if d.there && d.r.versioned() && how == reads {
		inDistro = x.resolve(distro, d.r, s.forServers())
		if inDistro.version == "" {
			s.report(Ambiguous, d.name, d.value, prefixed(distro, inDistro), "%s is %s, and its version is not settled", spelling.Quote(d.value), distro)
			return
		}
		if v.there && !v.own && !v.r.nothing {
			switch {
			case version == inDistro.version, version != "" && pointOf(version, inDistro.version):
			case version != "" && pointOf(inDistro.version, version):
				s.note(d.name, d.value, "%s in os_distro gives way to os_version=%s", inDistro.version, spelling.Quote(version))
			default:
				for _, f := range []field{d, v} {
					s.report(Conflict, f.name, f.value, nil, "os_distro, %s, says %s, and os_version %s", spelling.Quote(d.value), inDistro.version, spelling.Quote(v.value))
				}
				return
			}
		}
	}
	if version == "" {
		version = inDistro.version
	}
	if how == moves && version == "" {
		return // version has reported it
	}
	value, why, ok := s.express(d, v, distro, version, inDistro)
	if !ok {
		return
	}
	if _, card := s.props["hw_vif_model"]; !card && d.there && value != d.value && s.n.o.Vocabulary == Glance && x.libosinfoFinds(d.value) {
		s.note(d.name, d.value, "a Nova that uses libosinfo finds %s there and chooses the network card by it; with %s its servers get the default, unless hw_vif_model is set", spelling.Quote(d.value), value)
	}
	var changes []change
	switch how {
	case moves:
		changes = append(changes, set(d.name, value, "named in os_version; "+why), set(v.name, version, s.whyVersion(distro, x.resolve(distro, v.r, s.forServers()))))
	case reads, stands:
		changes = append(changes, set(d.name, value, why))
		if inDistro.version != "" && !v.there && s.n.o.Vocabulary == Glance {
			changes = append(changes, set("os_version", version, "stood in os_distro; "+x.versionSource(distro, version, s.ofStream())))
		}
	default:
		return // kind moves it
	}
	s.propose(changes...)
}

func prefixed(distro string, out outcome) []string {
	if len(out.candidates) == 0 {
		return []string{distro}
	}
	var all []string
	for _, v := range out.candidates {
		all = append(all, distro+" "+v)
	}
	return all
}

// express puts a system into the words of the vocabulary: the value of
// os_distro and the reason for it. ok is false where it has none, which is
// reported.
func (s *state) express(d, v field, distro, version string, inDistro outcome) (value, why string, ok bool) {
	if s.n.o.Vocabulary == Libosinfo && !slices.Contains(magnumNames[:], distro) {
		return s.expressShortID(d, v, distro, version)
	}
	why = "another spelling of " + distro
	switch {
	case d.there && d.r.shortID != "":
		why = "libosinfo's id of it: " + d.r.shortID
	case inDistro.code != "":
		why = "code name " + inDistro.code
	case !d.there:
		return distro, source(distro), true
	}
	return distro, why + "; " + source(distro), true
}

// kind decides on os_type: linux or windows, which is all that Nova knows.
func (s *state) kind(t, d field, distro string, how how, version string) {
	if !t.there || t.own {
		return
	}
	x := s.n.lexicon
	ofDistro := x.types[distro]
	if t.value == "linux" || t.value == "windows" {
		return
	}
	if t.r.nothing {
		s.report(Unknown, t.name, t.value, optional(ofDistro), "os_type is empty, which Nova refuses")
		return
	}
	var value string
	lower := strings.ToLower(t.value)
	named := x.distribution(t.r)
	switch {
	case lower == "linux", lower == "windows":
		value = lower
	case !t.r.clear():
	case named != "":
		value = x.types[named]
	case len(t.r.distros) > 0 && t.r.weak: // Microsoft
		value = x.types[t.r.distros[0]]
	case t.r.generic != "":
		value = t.r.generic
	}
	switch {
	case value == "":
		s.report(Unknown, t.name, t.value, optional(ofDistro), "%s is neither linux nor windows, and Nova knows no other; a system that is neither has no os_type", spelling.Quote(t.value))
		return
	case ofDistro != "" && ofDistro != value, named != "" && distro != "" && !sameSystem(named, distro):
		s.report(Conflict, t.name, t.value, []string{value}, "%s contradicts the distribution, which is %s", spelling.Quote(t.value), distro)
		return
	}
	if s.otherArchitecture(t) {
		return
	}
	why := "Nova knows linux and windows, in lower case; nova/objects/fields.py OSType"
	changes := []change{set(t.name, value, why)}
	if named != "" && t.r.versioned() || how == moved {
		more, ok := s.out(t, d, named, version)
		if !ok {
			return
		}
		changes = append(changes, more...)
	}
	s.propose(changes...)
}

// out returns what has to be set so that the distribution and version that
// os_type names are not lost.
func (s *state) out(t, d field, distro, version string) (changes []change, ok bool) {
	x := s.n.lexicon
	in := outcome{}
	if t.r.versioned() {
		in = x.resolve(distro, t.r, s.forServers())
		switch {
		case in.version == "":
			s.report(Ambiguous, t.name, t.value, prefixed(distro, in), "%s is %s, and its version is not settled", spelling.Quote(t.value), distro)
			return nil, false
		case version != "" && version != in.version && !pointOf(version, in.version) && !pointOf(in.version, version):
			s.report(Conflict, t.name, t.value, nil, "%s says %s, and os_version %s", spelling.Quote(t.value), in.version, spelling.Quote(version))
			return nil, false
		}
	}
	if _, there := s.props["os_version"]; !there && in.version != "" {
		changes = append(changes, set("os_version", in.version, "stood in os_type; "+x.versionSource(distro, in.version, s.ofStream())))
	}
	if !d.there {
		value, why, ok := s.express(d, t, distro, in.version, in)
		if !ok {
			return nil, false
		}
		changes = append(changes, set("os_distro", value, "stood in os_type; "+why))
	}
	return changes, true
}

// otherArchitecture reports, as a conflict, that a text names another
// architecture than the rest of the image does: it is not to be lost.
func (s *state) otherArchitecture(f field) bool {
	if len(f.r.arches) == 0 && f.r.bits == 0 {
		return false
	}
	bits := s.width()
	conflict := f.r.bits != 0 && bits == 0 || s.architectureTestimony().several
	for _, word := range f.r.arches {
		values := fitting(architectures[word], bits)
		for _, name := range []string{"architecture", "hw_architecture"} {
			other, there := property.Canonical(name, s.props[name])
			conflict = conflict || there && !slices.Contains(values, other)
		}
	}
	if conflict {
		s.report(Conflict, f.name, f.value, nil, "%s names another architecture than the rest of the image does", spelling.Quote(f.value))
	}
	return conflict
}

func optional(value string) []string {
	if value == "" {
		return nil
	}
	return []string{value}
}

// contradictions reports where what stands does not go together.
func (s *state) contradictions(distro string, how how, version string) {
	if distro == "" {
		return
	}
	if t := s.versionTestimony(distro); version != "" && t.settled() && t.value != version && !pointOf(t.value, version) && !pointOf(version, t.value) {
		s.report(Conflict, "os_version", s.props["os_version"], []string{t.value}, "os_version is %s, and %s says %s", version, strings.Join(t.from, ", "), t.value)
	}
	if how == stands || how == reads {
		if t := s.distroTestimony(); t.settled() && !sameSystem(t.value, distro) {
			s.report(Conflict, "os_distro", s.props["os_distro"], []string{t.value}, "os_distro is %s, and %s says %s", distro, strings.Join(t.from, ", "), t.value)
		}
	}
	kind := s.props["os_type"]
	if ofDistro := s.n.lexicon.types[distro]; ofDistro != "" && (kind == "linux" || kind == "windows") && kind != ofDistro {
		s.report(Conflict, "os_type", s.props["os_type"], []string{ofDistro}, "os_type is %s, and the distribution, %s, is %s", kind, distro, ofDistro)
	}
}

package normalize

import (
	"maps"
	"slices"
	"strings"

	"glance-profile/internal/spelling"
)

// A witness is a text in the image that says something of its system, and that
// is not to be changed: the image's name, or a property of a cloud's own.
type witness struct {
	name    string // of the property; "" is the image's name
	subject subject
	value   string
	r       reading
}

// subject is what a property of a cloud's own speaks of.
type subject int

const (
	aboutNothing subject = iota
	aboutSystem          // distribution, version or kind of system, alone or together
	aboutArchitecture
	aboutWidth
)

// gather reads the image's witnesses, as they stood before any change.
func (s *state) gather() {
	if s.img.Name != "" {
		r := s.n.lexicon.read(s.img.Name)
		r.rest = slices.DeleteFunc(slices.Clone(r.rest), func(word string) bool { return nameNoise[word] })
		s.witnesses = append(s.witnesses, witness{subject: aboutSystem, value: s.img.Name, r: r})
	}
	for _, name := range slices.Sorted(maps.Keys(s.props)) {
		f := s.n.factsOf(name)
		if f.subject == aboutNothing || len(f.edits) > 0 { // a misspelt os_distro is no witness of another
			continue
		}
		s.witnesses = append(s.witnesses, witness{name: name, subject: f.subject, value: s.props[name], r: s.n.read(s.props[name])})
	}
	// What the four say beside their own subject: x64 in os_distro.
	for _, name := range []string{"os_distro", "os_type", "os_version"} {
		if v, ok := s.props[name]; ok {
			if r := s.n.read(v); len(r.arches) > 0 || r.bits > 0 {
				s.witnesses = append(s.witnesses, witness{name: name, subject: aboutArchitecture, value: v, r: reading{arches: r.arches, bits: r.bits}})
			}
		}
	}
}

// speaksOf tells what a property of a cloud's own says, by its name: those of
// Nova's old namespaces (org.openstack__1__os_distro, com.rackspace__1__…),
// those with a cloud's prefix (mcs_os_distro, __os_version) and the names that
// people choose when they do not know Glance's (os_architecture, distribution).
func speaksOf(name string, known bool) subject {
	lower := strings.ToLower(name)
	if i := strings.LastIndexAny(lower, ".:"); i >= 0 {
		lower = lower[i+1:]
	}
	if i := strings.LastIndex(lower, "__"); i >= 0 {
		lower = lower[i+2:]
	}
	lower = strings.ReplaceAll(lower, "-", "_")
	if known { // one of the services' own
		return aboutNothing
	}
	has := func(names ...string) bool {
		return slices.ContainsFunc(names, func(n string) bool { return lower == n || strings.HasSuffix(lower, "_"+n) })
	}
	is := func(names ...string) bool { return slices.Contains(names, lower) }
	switch {
	case has("os_distro", "os_version", "os_type", "os_name", "os_codename", "guest_os"), is("distribution", "distro", "platform", "os", "codename"):
		return aboutSystem
	case has("os_architecture", "os_arch", "cpu_arch"), is("architecture", "arch"):
		return aboutArchitecture
	case has("os_bit", "os_bits"):
		return aboutWidth
	}
	return aboutNothing
}

// testimony is what the witnesses say of one thing.
type testimony struct {
	value    string   // "" if nothing is said, or several things
	several  bool     // they contradict each other
	from     []string // who says so: the name, property names
	name     bool     // the image's name is among them
	property bool     // a property is among them
	clear    bool     // one of them was understood to its last word
}

func (t *testimony) hear(value string, w witness) {
	if t.value != "" && t.value != value {
		t.several = true
	}
	t.value = value
	t.credit(w)
}

func (t *testimony) credit(w witness) {
	t.name = t.name || w.name == ""
	t.property = t.property || w.name != ""
	t.clear = t.clear || w.r.clear()
	from := "the name"
	if w.name != "" {
		from = spelling.Name(w.name)
	}
	t.from = append(t.from, from)
}

func (t testimony) settled() bool { return t.value != "" && !t.several }

// distribution is the one distribution that a reading names, and no vendor's
// word alone; "" if there is none.
func (x *lexicon) distribution(r reading) string {
	switch {
	case r.several:
		return ""
	case len(r.distros) > 0:
		if r.weak {
			return ""
		}
		return r.distros[0]
	}
	var distro string
	for _, code := range r.codes {
		for _, rel := range x.codes[code] {
			if distro != "" && distro != rel.distro {
				return ""
			}
			distro = rel.distro
		}
	}
	return distro
}

// distroTestimony is which distribution the witnesses name: the one that fits
// them all. Code names in the image's name are common words (noble, precise)
// and count only where there is nothing else.
func (s *state) distroTestimony() testimony {
	var t testimony
	var candidates []string
	for _, w := range s.witnesses {
		if w.subject != aboutSystem {
			continue
		}
		if w.name == "" && len(w.r.distros) == 0 && len(w.r.rest) > 0 || w.name != "" && !w.r.clear() {
			continue
		}
		if w.r.several {
			t.several = true // the name speaks of two
			continue
		}
		fit := w.r.distros
		if len(fit) == 0 {
			if d := s.n.lexicon.distribution(w.r); d != "" {
				fit = []string{d}
			}
		}
		if len(fit) == 0 {
			continue
		}
		if candidates == nil {
			candidates = fit
		} else {
			candidates = slices.DeleteFunc(slices.Clone(candidates), func(d string) bool { return !slices.Contains(fit, d) })
		}
		if !w.r.weak { // what only a vendor's name says is no testimony
			t.credit(w)
		}
		t.several = t.several || len(candidates) == 0
	}
	if len(t.from) > 0 && len(candidates) > 0 {
		t.value = candidates[0]
	}
	return t
}

// versionTestimony is which version of a distribution the witnesses name. The
// image's name counts only if it names the distribution too, and there the
// number behind it.
func (s *state) versionTestimony(distro string) testimony {
	var t testimony
	x := s.n.lexicon
	for _, w := range s.witnesses {
		if w.subject != aboutSystem {
			continue
		}
		r := w.r
		if named := x.distribution(r); named != "" && !sameSystem(named, distro) || r.several {
			continue
		}
		if w.name == "" {
			if x.distribution(r) == "" {
				continue
			}
			if r.next != "" {
				r.numbers, r.codes = []string{r.next}, nil
			} else if len(r.codes) == 0 {
				continue
			} else {
				r.numbers = nil
			}
		} else if !r.clear() {
			continue
		}
		if v := x.resolve(distro, r, s.forServers()).version; v != "" {
			t.hear(v, w)
		}
	}
	return t
}

// sameSystem reports whether two values of os_distro may stand on one image
// without contradicting each other.
func sameSystem(a, b string) bool {
	family := func(d string) string {
		switch d {
		case "fedora-coreos", "fedora-atomic", "coreos":
			return "fedora"
		case "sle", "sled":
			return "sles"
		case "oel":
			return "ol"
		}
		return d
	}
	return family(a) == family(b)
}

// forServers reports whether a witness says that a Windows is one for servers.
func (s *state) forServers() bool {
	return slices.ContainsFunc(s.witnesses, func(w witness) bool { return w.subject == aboutSystem && w.r.server })
}

// architectureTestimony is which architecture the witnesses name.
func (s *state) architectureTestimony() testimony {
	var t testimony
	bits := s.width()
	for _, w := range s.witnesses {
		for _, word := range w.r.arches {
			values := fitting(architectures[word], bits)
			if len(values) == 1 {
				t.hear(values[0], w)
			}
		}
	}
	return t
}

// width is the number of bits that the witnesses name; 0 if none or both.
func (s *state) width() int {
	bits := 0
	for _, w := range s.witnesses {
		b := w.r.bits
		if w.subject == aboutWidth && len(w.r.numbers) == 1 && (w.value == "64" || w.value == "32") {
			b = 32
			if w.value == "64" {
				b = 64
			}
		}
		if b != 0 && bits != 0 && b != bits {
			return 0
		}
		bits = max(bits, b)
	}
	return bits
}

// fitting returns those of several architectures that have a width; all if the
// width is not known.
func fitting(values []string, bits int) []string {
	if len(values) < 2 || bits == 0 {
		return values
	}
	return slices.DeleteFunc(slices.Clone(values), func(v string) bool {
		return (bits == 64) != (v == "x86_64" || v == "aarch64")
	})
}

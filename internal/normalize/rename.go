package normalize

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"glance-profile/internal/property"
	"glance-profile/internal/spelling"
)

// spelledNames returns the names that a misspelt one is compared with: those
// that a service acts on, and the ones that tell which system it is.
func spelledNames() []string {
	return slices.DeleteFunc(property.Names(), func(name string) bool {
		d, _ := property.Lookup(name)
		ours := strings.HasPrefix(name, "hw_") || strings.HasPrefix(name, "os_") || strings.HasPrefix(name, "img_") ||
			name == "architecture" || name == "hypervisor_type"
		return !ours || d.Effect != property.Active && name != "os_version"
	})
}

// rename corrects the names of properties that are one edit from a known one,
// where that is the only one, is not set, and takes the value.
func (s *state) rename() {
	for _, name := range slices.Sorted(maps.Keys(s.props)) {
		value := s.props[name]
		f := s.n.factsOf(name)
		if f.capitals != "" {
			s.report(Misspelt, name, value, []string{f.capitals}, "no service reads %s; %s differs from it in capitals only, which a database may take for the same: remove the one, then set the other", spelling.Quote(name), f.capitals)
			continue
		}
		known := f.edits
		if len(known) == 0 {
			continue
		}
		if len(known) > 1 {
			s.report(Misspelt, name, value, known, "no service reads %s, which is one letter from several names", spelling.Quote(name))
			continue
		}
		to := known[0]
		if other, there := s.props[to]; there {
			s.report(Misspelt, name, value, known, "no service reads %s; %s is there beside it, with the value %s", spelling.Quote(name), to, spelling.Quote(other))
			continue
		}
		if s.untold(to) {
			continue
		}
		settled, ok := s.fits(to, value)
		if !ok {
			s.report(Misspelt, name, value, known, "no service reads %s; was %s meant? its value would have to change too", spelling.Quote(name), to)
			continue
		}
		why := fmt.Sprintf("no service reads %s, which is one letter from %s; it takes effect from now on", spelling.Quote(name), to)
		s.propose(change{name, nil, why}, set(to, settled, why))
	}
}

// fits returns the value that a property would have under its right name, if
// there is one reading of it.
func (s *state) fits(name, value string) (settled string, ok bool) {
	x := s.n.lexicon
	settled = value
	switch name {
	case "os_distro":
		r := s.n.read(value)
		distro := x.distribution(r)
		if distro == "" || !r.clear() || r.versioned() {
			return "", false
		}
		settled = distro
	case "os_version":
		if distro := s.settledDistro(); distro != "" {
			if settled = x.resolve(distro, s.n.read(value), false).version; settled == "" {
				return "", false
			}
		} else if !plain(value) {
			return "", false
		}
	case "os_type":
		if settled = strings.ToLower(value); settled != "linux" && settled != "windows" {
			return "", false
		}
	default:
		if e, ok := s.n.enums[name]; ok && !e.values[value] && !(e.folds && e.alias[strings.ToLower(value)]) {
			if settled, ok = e.meant[squeeze(value)]; !ok {
				return "", false
			}
		} else if isArchitecture(name) {
			if settled, ok = property.Canonical(name, value); !ok {
				return "", false
			}
		}
	}
	for _, f := range property.Check(name, settled) {
		if f.Severity > property.Info {
			return "", false
		}
	}
	return settled, true
}

// oneEdit returns the known names that are one edit (a letter more, less,
// another one, or two changed over) from a name that no service knows. Names
// that differ in case only are none: a database may take them for the same.
func (n *Normalizer) oneEdit(name string) []string {
	if len(name) < 5 || len(name) > 64 || name[0] == '_' {
		return nil
	}
	var found []string
	for _, known := range n.known {
		if oneEdit(name, known) && !strings.EqualFold(name, known) {
			found = append(found, known)
		}
	}
	return found
}

// oneEdit reports whether two different texts are one edit apart.
func oneEdit(a, b string) bool {
	if len(a) > len(b) {
		a, b = b, a
	}
	if len(b)-len(a) > 1 {
		return false
	}
	i := 0
	for i < len(a) && a[i] == b[i] {
		i++
	}
	if len(a) < len(b) {
		return a[i:] == b[i+1:]
	}
	if i == len(a) {
		return false
	}
	return a[i+1:] == b[i+1:] || i+1 < len(a) && a[i] == b[i+1] && a[i+1] == b[i] && a[i+2:] == b[i+2:]
}

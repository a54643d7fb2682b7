package normalize

import (
	"maps"
	"slices"
	"strings"

	"glance-profile/internal/property"
	"glance-profile/internal/spelling"
)

// enum is a property that takes words of a list.
type enum struct {
	values map[string]bool   // as Nova stores them
	folds  bool              // Nova lowers the case first
	alias  map[string]bool   // further words that Nova takes, in lower case
	meant  map[string]string // squeezed → value
}

// enums returns the properties whose values are compared with the list of
// Nova. Those of its VMware driver and of Ironic have words of their own, a
// trait that counts at last would move servers, and the four on the system
// have rules of their own.
func enums() map[string]enum {
	all := map[string]enum{}
	for _, name := range property.Names() {
		d, _ := property.Lookup(name)
		ours := strings.HasPrefix(name, "hw_") || slices.Contains([]string{"hypervisor_type", "img_hv_type", "vm_mode", "os_secure_boot", "img_config_drive"}, name)
		if d.Type != property.Enum || !ours || d.Effect == property.NoEffect || isArchitecture(name) {
			continue
		}
		e := enum{values: map[string]bool{}, folds: d.Fold, alias: map[string]bool{}, meant: map[string]string{}}
		clash := map[string]bool{}
		for _, v := range d.Values {
			e.values[v] = true
			key := squeeze(v)
			clash[key] = e.meant[key] != ""
			if accepted(name, v) {
				e.meant[key] = v
			}
		}
		for key, twice := range clash {
			if twice {
				delete(e.meant, key)
			}
		}
		for _, a := range d.Aliases {
			e.alias[a.Value] = true
		}
		all[name] = e
	}
	return all
}

func isArchitecture(name string) bool {
	return name == "architecture" || name == "hw_architecture" || name == "hw_emulation_architecture"
}

// vmwareWords are the values of Nova's VMware driver that other properties of
// Nova take too, in its spelling.
// Source: nova/virt/vmwareapi/constants.py, glance/etc/metadefs/compute-vmware.json.
var vmwareWords = map[string]bool{"lsiLogic": true, "lsiLogicsas": true, "busLogic": true, "paraVirtual": true}

// values decides on the properties whose values are words of a list, and
// reports what Nova misreads and old names.
func (s *state) values() {
	for _, name := range slices.Sorted(maps.Keys(s.props)) {
		value := s.props[name]
		if s.n.o.Map.decreed(name, value) || s.n.o.Map.leaves(name, value) {
			continue
		}
		switch e, ok := s.n.enums[name]; {
		case ok:
			s.enum(name, value, e)
		case isArchitecture(name):
			s.architecture(name, value)
		case name == "hw_machine_type":
			s.machine(value)
		case name == "vmware_adaptertype":
			s.refused(name, value)
		}
		s.habits(name, value)
	}
}

func (s *state) enum(name, value string, e enum) {
	lower := strings.ToLower(value)
	switch {
	case e.values[value], vmwareWords[value] && e.folds, e.folds && e.alias[lower]:
		return
	case e.folds && e.values[lower]:
		s.propose(set(name, lower, "the same word in lower case, as Nova stores it"))
		return
	}
	if meant, ok := e.meant[squeeze(value)]; ok {
		s.propose(set(name, meant, "differs from one of Nova's words in case or signs only; "+sourceOf(name)))
		return
	}
	s.refused(name, value)
}

func sourceOf(name string) string {
	d, _ := property.Lookup(name)
	return d.Source
}

// refused reports a value that Nova refuses.
func (s *state) refused(name, value string) {
	for _, f := range property.Check(name, value) {
		if f.Rule == "value-not-accepted" || f.Rule == "refused-later" && f.Fix != "" {
			s.report(Refused, name, value, optional(f.Fix), "%s", f.Message)
			return
		}
	}
}

// machine decides on hw_machine_type, which is any text to Nova, and a name
// that the host compares exactly.
func (s *state) machine(value string) {
	for _, f := range property.Check("hw_machine_type", value) {
		switch {
		case f.Fix == "":
		case strings.EqualFold(f.Fix, strings.TrimSpace(value)):
			s.propose(set("hw_machine_type", f.Fix, "differs from QEMU's name in case only; "+f.Reference))
		default:
			s.report(Refused, "hw_machine_type", value, []string{f.Fix}, "%s", f.Message)
		}
	}
}

// architecture decides on one of the properties that name an architecture.
func (s *state) architecture(name, value string) {
	canonical, ok := property.Canonical(name, value)
	if ok && canonical == value {
		return
	}
	const why = "nova/objects/fields.py Architecture"
	if ok {
		s.propose(set(name, canonical, "what Nova makes of it; "+why))
		return
	}
	r := s.n.read(value)
	if len(r.arches) == 0 || !r.clear() || len(r.distros)+len(r.numbers)+len(r.codes) > 0 {
		s.refused(name, value)
		return
	}
	bits := s.width()
	if r.bits != 0 {
		bits = r.bits
	}
	values := slices.Clone(architectures[r.arches[0]])
	for _, word := range r.arches[1:] {
		values = slices.DeleteFunc(values, func(v string) bool { return !slices.Contains(architectures[word], v) })
	}
	values = fitting(values, bits)
	if len(values) != 1 {
		s.report(Ambiguous, name, value, architectures[r.arches[0]], "%s may be several architectures", spelling.Quote(value))
		return
	}
	s.propose(set(name, values[0], "another name of it; "+why))
}

// habits reports booleans that Nova misreads, and old names.
func (s *state) habits(name, value string) {
	f := s.n.factsOf(name)
	if f.novaLike {
		s.report(NoEffect, name, value, nil, "%s looks like one of Nova's properties, and no release of Nova knows it", spelling.Quote(name))
	}
	if f.noEffect {
		s.report(NoEffect, name, value, nil, "no service reads %s", name)
	}
	if _, word := property.ParseBool(value); f.boolean && !word {
		for _, f := range property.Check(name, value) {
			if f.Rule == "boolean-misread" {
				s.report(Misread, name, value, optional(f.Fix), "%s", f.Message)
			}
		}
	}
	if f.current != "" {
		s.report(OldName, name, value, []string{f.current}, "Nova's newer name for it is %s; the old one is still read, and stays", f.current)
	}
}

package normalize

import (
	"fmt"
	"strings"
)

// infer sets what is missing, as far as the image's name and its properties
// agree. It never touches a value that is there.
func (s *state) infer() {
	s.inferDistro()
	s.inferVersion()
	s.inferKind()
	s.inferArchitecture()
}

// missing reports whether a property is not there, and may be set.
func (s *state) missing(name string) bool {
	_, there := s.props[name]
	return !there && !s.untold(name) && s.n.mayChange(name)
}

// Inferred reports whether a change that Image made sets what was missing, for
// which only Options.Infer asks; why is the change's reason.
func Inferred(why string) bool { return strings.HasPrefix(why, "inferred from ") }

// inferred is the reason that is given for a value that was inferred.
func inferred(t testimony, source string) string {
	return fmt.Sprintf("inferred from %s; %s", strings.Join(t.from, ", "), source)
}

// likely is the distribution that the witnesses name, if that is enough to go
// by: a property says it, or the name does and says nothing else, or the name
// and a version of that distribution go together. version is os_version as it
// is to be, or the one that the witnesses name.
func (s *state) likely() (t testimony, version string, ok bool) {
	x := s.n.lexicon
	if t = s.distroTestimony(); !t.settled() {
		return t, "", false
	}
	if kind := strings.ToLower(s.props["os_type"]); kind != "" && kind != x.types[t.value] {
		return t, "", false
	}
	heard := s.versionTestimony(t.value)
	text, there := s.props["os_version"]
	if !there {
		return t, heard.value, !heard.several && (t.property || t.clear || heard.settled())
	}
	r := s.n.read(text)
	named := x.distribution(r)
	out := x.resolve(t.value, r, s.forServers())
	if !r.clear() || named != "" && named != t.value || out.version == "" && (len(out.candidates) == 0 || !t.property) {
		return t, "", false
	}
	return t, out.version, true
}

func (s *state) inferDistro() {
	// Nova's VMware driver takes os_distro for the id of a guest system; an
	// unknown one makes a server fail. Source: nova/virt/vmwareapi/vm_util.py.
	if s.ofVMware() || !s.missing("os_distro") {
		return
	}
	t, version, ok := s.likely()
	if !ok {
		return
	}
	value, why, ok := s.express(field{name: "os_distro"}, field{}, t.value, version, outcome{})
	if ok {
		s.propose(set("os_distro", value, inferred(t, why)))
	}
}

// ofVMware reports whether an image is for VMware.
func (s *state) ofVMware() bool {
	if s.hypervisor() == "vmware" {
		return true
	}
	for name := range s.props {
		if strings.HasPrefix(name, "vmware_") {
			return true
		}
	}
	return false
}

func (s *state) inferVersion() {
	if !s.missing("os_version") {
		return
	}
	x := s.n.lexicon
	distro := s.settledDistro()
	if distro == "" {
		return
	}
	said := s.distroTestimony()
	if said.several || said.value != "" && !sameSystem(said.value, distro) {
		return
	}
	if t := s.versionTestimony(distro); t.settled() {
		s.propose(set("os_version", t.value, inferred(t, x.versionSource(distro, t.value, s.ofStream()))))
	}
}

// settledDistro is the distribution that os_distro names, if it is in the
// right form.
func (s *state) settledDistro() string {
	x := s.n.lexicon
	value := s.props["os_distro"]
	if s.n.o.Vocabulary == Libosinfo {
		if id := x.ids[value]; id == value {
			o, _ := x.db.Lookup(id)
			return o.Distro
		}
	}
	if x.known[value] {
		return value
	}
	return ""
}

func (s *state) inferKind() {
	if !s.missing("os_type") {
		return
	}
	x := s.n.lexicon
	said := s.distroTestimony()
	if said.several {
		return
	}
	distro := s.settledDistro()
	var t testimony
	for _, w := range s.witnesses {
		if w.subject == aboutSystem && w.name != "" && w.r.clear() && w.r.generic != "" && len(w.r.distros) == 0 {
			t.hear(w.r.generic, w)
		}
	}
	if _, _, likely := s.likely(); said.value != "" && x.types[said.value] != "" && (distro != "" || likely) {
		t.hear(x.types[said.value], witness{name: strings.Join(said.from, ", ")})
	}
	if kind := x.types[distro]; kind != "" {
		t.hear(kind, witness{name: "os_distro"})
	}
	if t.settled() {
		s.propose(set("os_type", t.value, inferred(t, "nova/objects/fields.py OSType")))
	}
}

func (s *state) inferArchitecture() {
	if !s.missing("architecture") {
		return
	}
	for _, name := range []string{"hw_architecture", "hw_emulation_architecture"} {
		if _, there := s.props[name]; there {
			return // says it already, or the host is another one than the guest
		}
	}
	t := s.architectureTestimony()
	if !t.settled() || !machineFits(s.props["hw_machine_type"], t.value) {
		return
	}
	s.propose(set("architecture", t.value, inferred(t, "nova/objects/fields.py Architecture")))
}

// machineFits reports whether a machine type does not belong to another
// architecture.
func machineFits(machine, architecture string) bool {
	m := strings.ToLower(machine)
	switch {
	case m == "pc", m == "q35", strings.HasPrefix(m, "pc-"), strings.HasPrefix(m, "hyperv"):
		return architecture == "x86_64" || architecture == "i686"
	case m == "virt", strings.HasPrefix(m, "virt-"):
		return architecture == "aarch64" || architecture == "armv7l"
	case strings.HasPrefix(m, "pseries"):
		return strings.HasPrefix(architecture, "ppc64")
	case strings.HasPrefix(m, "s390"):
		return architecture == "s390x"
	}
	return true
}

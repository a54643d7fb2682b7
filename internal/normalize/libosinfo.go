package normalize

import (
	"fmt"
	"slices"
)

// expressShortID returns libosinfo's short id of a system. An image whose
// os_distro would change is left out as a whole where it has no hw_vif_model:
// a Nova with libosinfo gives it the network card that libosinfo lists first.
// Source: nova/virt/osinfo.py HardwareProperties.network_model.
func (s *state) expressShortID(d, v field, distro, version string) (value, why string, ok bool) {
	x := s.n.lexicon
	id, candidates := d.r.shortID, []string(nil)
	if id != "" && d.value == id {
		return id, "", true
	}
	if id == "" {
		id, candidates = x.shortID(release{distro, version}, d.r.stream || v.r.stream || s.ofStream(), slices.Concat(v.r.numbers, d.r.numbers)...)
	}
	if id == "" {
		what := distro + " " + version
		if version == "" {
			what = distro + " without a version"
		}
		s.report(LeftOut, "os_distro", d.value, candidates, "left alone: libosinfo's short ids stand for one release, and there is none for %s", what)
		return "", "", false
	}
	if _, there := s.props["hw_vif_model"]; !there {
		s.leftOut = &Report{Kind: LeftOut, Property: "os_distro", Value: d.value, Candidates: []string{id},
			Message: fmt.Sprintf("left out: the image has no hw_vif_model, and with os_distro=%s a Nova that uses libosinfo would choose another network card for its servers; set hw_vif_model first", id)}
		return "", "", false
	}
	return id, "libosinfo: " + id, true
}

// ofStream reports whether the image is one of CentOS Stream, which counts like
// CentOS.
func (s *state) ofStream() bool {
	for _, w := range s.witnesses {
		if w.r.stream {
			return true
		}
	}
	return s.n.read(s.props["os_version"]).stream
}

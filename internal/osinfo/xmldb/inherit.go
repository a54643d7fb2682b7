package xmldb

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Release is the release that was read.
func (r *Reader) Release() string { return r.release }

// Systems returns the systems that were read, sorted by short id, each with what
// it inherits. An error says what is missing or does not fit together.
//
// Inheritance is libosinfo's: a system has the devices and the firmware of those
// that it derives from or clones, the nearest one deciding where they differ;
// resources only where it says so, and then what its own leave open.
// Source: libosinfo/osinfo/osinfo_os.c (osinfo_os_get_all_devices,
// osinfo_os_get_complete_firmware_list, get_all_resources_cb) and
// osinfo_product.c (osinfo_product_foreach_related).
func (r *Reader) Systems() ([]System, error) {
	if r.release == "" {
		return nil, errors.New("no osinfo-db: the file VERSION is missing")
	}
	known := make([]*system, 0, len(r.systems))
	for _, s := range r.systems {
		// Without these there is nothing to know of it, such as of "unknown".
		if s.ShortID != "" && (s.Family != "" || s.Version != "" || s.Distro != "") {
			known = append(known, s)
		}
	}
	if len(known) == 0 {
		return nil, errors.New("no osinfo-db: there are no operating systems in the folder os")
	}
	slices.SortFunc(known, func(a, b *system) int { return cmp.Compare(a.order, b.order) })
	taken := map[string]string{} // short ids
	list := make([]System, 0, len(known))
	said := 0
	for _, s := range known {
		for _, id := range append([]string{s.ShortID}, s.Aliases...) {
			if other, ok := taken[id]; ok && other != s.ID {
				return nil, fmt.Errorf("the short id %s stands for %s and %s", id, other, s.ID)
			}
			taken[id] = s.ID
		}
		line := r.ancestry(s)
		for _, from := range line {
			said += 1 + len(from.links) + len(from.Firmware) + len(from.resources)*len(s.resources)
		}
		if said > r.bounds.said {
			return nil, errors.New("the operating systems inherit too much from each other")
		}
		list = append(list, r.whole(s, line))
	}
	slices.SortFunc(list, func(a, b System) int { return strings.Compare(a.ShortID, b.ShortID) })
	return list, nil
}

// whole is a system with what it inherits from the line of itself and those that
// it descends from.
func (r *Reader) whole(s *system, line []*system) System {
	w := s.System
	w.Aliases = slices.Clone(s.Aliases)
	w.Firmware = nil
	own := make([]resources, len(s.resources))
	for i, a := range s.resources {
		own[i] = resources{a.architecture, a.inherit, a.minimum.clone(), a.recommended.clone()}
	}
	devices := map[string]bool{} // whether the nearest link to it says supported
	firmware := map[[2]string]bool{}
	for _, from := range line {
		for _, l := range from.links {
			if _, ok := devices[l.device]; !ok {
				devices[l.device] = l.supported
			}
		}
		for _, f := range from.Firmware {
			if kind := [2]string{f.Architecture, f.Type}; !firmware[kind] {
				firmware[kind] = true
				w.Firmware = append(w.Firmware, f)
			}
		}
		for i := range own {
			for _, a := range from.resources {
				if own[i].inherit && a.architecture == own[i].architecture {
					own[i].minimum.fill(a.minimum)
					own[i].recommended.fill(a.recommended)
				}
			}
		}
	}
	for id, supported := range devices {
		if name := r.devices[id]; supported && strings.HasPrefix(name, "virtio") {
			w.Devices = append(w.Devices, name)
		}
	}
	slices.Sort(w.Devices)
	w.Devices = slices.Compact(w.Devices)
	slices.SortFunc(w.Firmware, func(a, b Firmware) int {
		return cmp.Or(strings.Compare(a.Architecture, b.Architecture), strings.Compare(a.Type, b.Type))
	})
	w.Minimum = gather(own, func(r resources) *amounts { return r.minimum })
	w.Recommended = gather(own, func(r resources) *amounts { return r.recommended })
	return w
}

// ancestry is a system, then those that it derives from and clones, each
// followed by its own: libosinfo's order. One that is met again adds nothing.
func (r *Reader) ancestry(s *system) []*system {
	var line []*system
	met := map[*system]bool{}
	var visit func(s *system)
	visit = func(s *system) {
		if s == nil || met[s] || len(line) >= r.bounds.visits {
			return
		}
		met[s] = true
		line = append(line, s)
		for _, parent := range s.parents {
			visit(r.systems[parent])
		}
	}
	visit(s)
	return line
}

func (a *amounts) clone() *amounts {
	if a == nil {
		return nil
	}
	c := *a
	return &c
}

// fill takes from another what is not given.
func (a *amounts) fill(from *amounts) {
	if a == nil || from == nil {
		return
	}
	for _, pair := range [][2]*int64{{&a.cpus, &from.cpus}, {&a.memory, &from.memory}, {&a.disk, &from.disk}} {
		if *pair[0] < 0 {
			*pair[0] = *pair[1]
		}
	}
}

// gather collects one kind of resources, sorted by architecture.
func gather(all []resources, kind func(resources) *amounts) []Resources {
	var list []Resources
	for _, r := range all {
		if a := kind(r); a != nil && *a != (amounts{-1, -1, -1}) {
			list = append(list, Resources{r.architecture, max(a.cpus, 0), max(a.memory, 0), max(a.disk, 0)})
		}
	}
	slices.SortStableFunc(list, func(a, b Resources) int { return strings.Compare(a.Architecture, b.Architecture) })
	return list
}

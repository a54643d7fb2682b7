package audit

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"glance-profile/internal/image"
	"glance-profile/internal/normalize"
	"glance-profile/internal/osinfo"
	"glance-profile/internal/plan"
	"glance-profile/internal/property"
)

// subject is the image as the rules ask for it: values as Nova reads them, and
// what is known of the operating system that it says it holds.
type subject struct {
	image.Image
	judged []property.Finding // of its values, one by one
	values map[string]string  // those that were asked for, as value returns them
	os     *osinfo.OS         // nil where it is not known
	now    time.Time          // zero: nothing is said that depends on the date
	// shortID says that os_distro is a name that a Nova with libosinfo looks up.
	shortID bool
}

// system is an operating system in the words of os_distro and os_version.
type system struct{ distro, version string }

// index makes the systems of a database findable.
func index(db *osinfo.DB) (systems map[system]osinfo.OS, shortIDs map[string]bool) {
	systems, shortIDs = map[system]osinfo.OS{}, map[string]bool{}
	for o := range db.All() {
		shortIDs[o.ShortID] = o.ID != ""
		for _, alias := range o.Aliases {
			shortIDs[alias] = o.ID != ""
		}
		key := system{o.Distro, o.Version}
		// Several editions of one release: the one with the plainest name.
		if other, ok := systems[key]; o.Distro != "" && o.Version != "" && (!ok || len(o.ShortID) < len(other.ShortID)) {
			systems[key] = o
		}
	}
	return systems, shortIDs
}

func (a *Auditor) subject(img image.Image) subject {
	s := subject{Image: img, now: a.o.Now, judged: a.judge.CheckAll(img.Properties), values: map[string]string{}}
	distro := img.Properties["os_distro"]
	s.shortID = a.shortIDs[distro]
	s.os = a.system(distro, img.Properties["os_version"])
	return s
}

// system is the operating system of an os_distro and os_version, nil where it is
// not known.
func (a *Auditor) system(distro, version string) *osinfo.OS {
	if o, ok := a.systems[system{distro, version}]; ok {
		return &o
	}
	if o, ok := a.o.DB.Lookup(distro); ok {
		return &o
	}
	return nil
}

// reread takes the operating system from what the image says once it is in the
// common vocabulary.
func (a *Auditor) reread(s *subject, p plan.Image) {
	says := map[string]string{"os_distro": s.Properties["os_distro"], "os_version": s.Properties["os_version"]}
	for _, c := range p.Changes {
		if _, wanted := says[c.Property]; wanted && !normalize.Inferred(c.Why) {
			says[c.Property], _ = c.After.(string)
		}
	}
	s.os = a.system(says["os_distro"], says["os_version"])
}

// has reports that the image has a property of that name, whatever its value.
func (s subject) has(name string) bool {
	_, ok := s.Properties[name]
	return ok
}

// hasAny reports that the image has one of the properties.
func (s subject) hasAny(names ...string) bool { return slices.ContainsFunc(names, s.has) }

// text is what the image holds under the name of a property or base field, as
// text; "" for nothing, and for several names.
func (s subject) text(name string) string {
	switch v := s.field(name).(type) {
	case string:
		return v
	case int64:
		return strconv.FormatInt(v, 10)
	case bool:
		return strconv.FormatBool(v)
	}
	return ""
}

// field is Value, with the fields that are nobody's to set.
func (s subject) field(name string) any {
	switch name {
	case "status":
		return s.Status
	case "size":
		if s.Size != nil {
			return *s.Size
		}
		return nil
	case "os_hash_algo":
		return s.HashAlgo
	}
	return s.Value(name)
}

// value returns what Nova reads of a property: of the current name, else of a
// legacy one, in Nova's own form; "" if there is none or Nova refuses it, which
// is then said elsewhere.
func (s subject) value(name string) string {
	v, ok := s.values[name]
	if !ok {
		v = s.read(name)
		s.values[name] = v
	}
	return v
}

func (s subject) read(name string) string {
	raw, ok := s.Properties[name]
	if adapter, vmware := s.Properties["vmware_adaptertype"]; !ok && vmware {
		// It stands for a bus and a model in one: _set_attr_from_legacy_names.
		switch {
		case name == "hw_disk_bus" && adapter == "ide":
			return "ide"
		case name == "hw_disk_bus":
			return "scsi"
		case name == "hw_scsi_model" && adapter != "ide":
			model, _ := property.Canonical("hw_scsi_model", adapter)
			return model
		}
	}
	if !ok {
		d, _ := property.Lookup(name)
		for _, legacy := range d.Legacy {
			if raw, ok = s.Properties[legacy]; ok {
				name = legacy
				break
			}
		}
	}
	if !ok {
		return ""
	}
	d, known := property.Lookup(name)
	if !known || d.Type == property.String || d.Type == property.UUID {
		return raw
	}
	canonical, ok := property.Canonical(name, raw)
	if !ok {
		return ""
	}
	return canonical
}

// carrier returns the name that the image has a property under: its own, or a
// legacy one.
func (s subject) carrier(name string) string {
	if s.has(name) {
		return name
	}
	d, _ := property.Lookup(name)
	legacy := d.Legacy
	if name == "hw_scsi_model" {
		legacy = []string{"vmware_adaptertype"}
	}
	if i := slices.IndexFunc(legacy, s.has); i >= 0 {
		return legacy[i]
	}
	return name
}

// is reports that a property of that name reads as the value.
func (s subject) is(name, value string) bool { return s.value(name) == value }

// yes reports that a boolean property is true.
func (s subject) yes(name string) bool { return s.is(name, "true") }

// architecture is that of the guest: the emulated one wins, and one that is
// not given is taken for x86_64, which nearly all hosts are.
func (s subject) architecture() string {
	return cmp.Or(s.value("hw_emulation_architecture"), s.value("hw_architecture"), "x86_64")
}

func (s subject) x86() bool {
	arch := s.architecture()
	return arch == "x86_64" || arch == "i686"
}

// uefi reports UEFI firmware, which aarch64 has unless bios is written.
func (s subject) uefi() bool {
	firmware := s.value("hw_firmware_type")
	return firmware == "uefi" || firmware == "" && s.architecture() == "aarch64"
}

// q35 reports a machine type of that family, which is what Nova looks for in
// the name (nova/virt/libvirt/driver.py, _check_secure_boot_support).
func (s subject) q35() bool { return strings.Contains(s.value("hw_machine_type"), "q35") }

// machineFamily is pc, q35, virt, pseries or s390-ccw-virtio, or "" for any
// other machine type and for none.
func (s subject) machineFamily() string {
	machine := s.value("hw_machine_type")
	switch {
	case strings.Contains(machine, "q35"):
		return "q35"
	case machine == "pc", strings.HasPrefix(machine, "pc-"):
		return "pc"
	}
	for _, family := range []string{"virt", "pseries", "s390-ccw-virtio"} {
		if machine == family || strings.HasPrefix(machine, family+"-") {
			return family
		}
	}
	return ""
}

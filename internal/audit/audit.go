// Package audit judges how the properties and base fields of one image act
// together: what each of them says alone is for internal/property. A rule
// looks at nothing but the image, so whatever a flavor or a host can make good
// is said in its message.
package audit

import (
	"cmp"
	"slices"
	"strings"

	"glance-profile/internal/image"
	"glance-profile/internal/property"
)

// Rule is one thing that can be wrong with an image. Findings carry its ID.
type Rule struct {
	ID        string // such as secure-boot-needs-uefi
	Severity  property.Severity
	Title     string // what the rule demands, in one line
	Why       string // what happens otherwise
	Reference string // service file and symbol that shows it

	check func(subject) []hit
}

// hit is one place where a rule is broken.
type hit struct {
	property string
	message  string
	fix      string // the value to set instead, or ""
}

// Rules returns all rules, sorted by ID.
func Rules() []Rule {
	all := slices.Concat(firmwareRules, deviceRules, processorRules, bootRules, leftoverRules)
	slices.SortFunc(all, func(a, b Rule) int { return strings.Compare(a.ID, b.ID) })
	return all
}

// Check judges one image by all rules. The findings are sorted by property,
// then by rule.
func Check(img image.Image) []property.Finding {
	s := subject{img}
	var findings []property.Finding
	for _, r := range Rules() {
		for _, h := range r.check(s) {
			if name := s.carrier(h.property); name != h.property {
				h.property, h.fix = name, "" // the fix is a value of the other name
			}
			findings = append(findings, property.Finding{
				Rule: r.ID, Severity: r.Severity, Property: h.property, Value: img.Properties[h.property],
				Message: h.message, Fix: h.fix, Reference: r.Reference,
			})
		}
	}
	slices.SortFunc(findings, func(a, b property.Finding) int {
		return cmp.Or(strings.Compare(a.Property, b.Property), strings.Compare(a.Rule, b.Rule))
	})
	return findings
}

// subject is the image as the rules ask for it: values as Nova reads them.
type subject struct{ image.Image }

// has reports that the image has a property of that name, whatever its value.
func (s subject) has(name string) bool {
	_, ok := s.Properties[name]
	return ok
}

// hasAny reports that the image has one of the properties.
func (s subject) hasAny(names ...string) bool {
	return slices.ContainsFunc(names, s.has)
}

// value returns what Nova reads of a property: of the current name, else of a
// legacy one, in Nova's own form; "" if there is none or Nova refuses it, which
// is then said elsewhere.
func (s subject) value(name string) string {
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

// one is a single hit.
func one(property, fix, message string) []hit {
	return []hit{{property: property, message: message, fix: fix}}
}

// when is a single hit on a condition.
func when(broken bool, property, fix, message string) []hit {
	if !broken {
		return nil
	}
	return one(property, fix, message)
}

// machineNote says what a rule means by a machine type that is not q35.
func (s subject) machineNote() string {
	if machine := s.value("hw_machine_type"); machine != "" {
		return "hw_machine_type is another"
	}
	return "hw_machine_type is not set, and hosts default to pc"
}

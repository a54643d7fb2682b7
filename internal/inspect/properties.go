package inspect

import (
	"slices"
	"strings"
)

// properties gathers what the image could say of itself in Glance. Only what is
// proved is in it: an image without a property gets Nova's default, one with a
// wrong one may not start.
func (in *inspector) properties() {
	add := func(name, value string, f Fact) {
		if f.Known() && value != "" {
			in.report.Properties = append(in.report.Properties, Property{name, value, f.Source})
		}
	}
	g, f := in.report.Guest, in.report.Firmware
	add("os_type", g.OSType.Value, g.OSType)
	add("os_distro", g.OSDistro.Value, g.OSDistro)
	add("os_version", g.OSVersion.Value, g.OSVersion)
	if novaKnows(g.Architecture.Value) {
		add("architecture", g.Architecture.Value, g.Architecture)
	}
	if g.QemuGuestAgent.Is(Yes) {
		add("hw_qemu_guest_agent", "yes", g.QemuGuestAgent)
	}
	// Where both firmwares start the image, or nothing is known of one, the choice is
	// not the image's.
	switch {
	case f.UEFI.Is(Yes) && f.BIOS.Is(No):
		add("hw_firmware_type", "uefi", known("uefi", f.UEFI.Source+"; with a BIOS nothing starts: "+f.BIOS.Source))
	case f.BIOS.Is(Yes) && f.UEFI.Is(No):
		add("hw_firmware_type", "bios", known("bios", f.BIOS.Source+"; with UEFI nothing starts: "+f.UEFI.Source))
	}
	slices.SortFunc(in.report.Properties, func(a, b Property) int { return strings.Compare(a.Property, b.Property) })
}

// novaKnows reports whether Nova accepts an architecture.
// Source: nova/objects/fields.py, Architecture.
func novaKnows(arch string) bool { return arch != "riscv64" && arch != "loongarch64" && arch != "" }

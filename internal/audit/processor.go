package audit

import (
	"slices"

	"glance-profile/internal/hardware"
	"glance-profile/internal/property"
)

// processorRules are about architecture, machine type, CPU and memory.
var processorRules = []Rule{
	{
		ID: "machine-type-architecture", Severity: property.Error,
		Title:     "hw_machine_type must fit the architecture",
		Why:       "Nova takes the machine type as it is written, and the server does not start.",
		Example:   "architecture=aarch64, hw_machine_type=q35",
		Mend:      "Set the machine type of the architecture: q35 or pc for x86_64, virt for aarch64, pseries for ppc64le, s390-ccw-virtio for s390x.",
		Reference: "nova/virt/libvirt/host.py _check_machine_type",
		check: func(s subject) []hit {
			arch := s.value("hw_architecture")
			homes := map[string][]string{
				"pc": {"x86_64", "i686"}, "q35": {"x86_64", "i686"}, "virt": {"aarch64", "armv7l"},
				"pseries": {"ppc64", "ppc64le"}, "s390-ccw-virtio": {"s390x", "s390"},
			}[s.machineFamily()]
			if arch == "" || s.has("hw_emulation_architecture") || homes == nil || slices.Contains(homes, arch) {
				return nil
			}
			if s.x86() && s.machineFamily() == "virt" {
				return nil // what an x86 machine does is known without a rule
			}
			fix := hardware.DefaultMachine(arch)
			if fix == "" && s.machineFamily() == "virt" {
				return nil // a generic machine of several small architectures
			}
			return one("hw_machine_type", fix, "this machine type is not for "+arch+": the server does not start")
		},
	},
	{
		ID: "emulation-needs-machine-type", Severity: property.Error,
		Title:     "hw_emulation_architecture needs hw_machine_type",
		Why:       "Nova takes the machine type of the host's own architecture, such as pc for an aarch64 guest on an x86 host, and the server does not start.",
		Example:   "hw_emulation_architecture=aarch64 without hw_machine_type",
		Mend:      "Set hw_machine_type=virt for aarch64, pseries for ppc64le, s390-ccw-virtio for s390x.",
		Reference: "nova/virt/libvirt/utils.py get_machine_type",
		check: func(s subject) []hit {
			arch := s.value("hw_emulation_architecture")
			if arch == "" || arch == "x86_64" || arch == "i686" || s.has("hw_machine_type") {
				return nil
			}
			message := "hw_emulation_architecture without hw_machine_type: Nova takes the machine type of the host's own architecture, and the server does not start"
			if machine := hardware.DefaultMachine(arch); machine != "" {
				message += "; set hw_machine_type=" + machine
			}
			return one("hw_emulation_architecture", "", message)
		},
	},
	{
		ID: "hypervisor-version-alone", Severity: property.Warning,
		Title:     "hypervisor_version_requires needs architecture, hypervisor_type or vm_mode",
		Why:       "Without one of the three the scheduler does not look at the version, and servers land on any host.",
		Example:   "hypervisor_version_requires='>=6.0' alone",
		Mend:      "Set hypervisor_type=kvm or the architecture as well. The version is that of QEMU, not of libvirt.",
		Reference: "nova/scheduler/filters/image_props_filter.py _instance_supported",
		check: func(s subject) []hit {
			if s.value("hw_architecture") != "" || s.value("img_hv_type") != "" || s.value("hw_vm_mode") != "" {
				return nil
			}
			for _, name := range []string{"hypervisor_version_requires", "img_hv_requested_version"} {
				if s.has(name) {
					return one(name, "", "the scheduler does not look at the version unless architecture, hypervisor_type or vm_mode is set too")
				}
			}
			return nil
		},
	},
}

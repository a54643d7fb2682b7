package audit

import (
	"fmt"
	"slices"
	"strconv"

	"glance-profile/internal/property"
)

// processorRules are about architecture, machine type, CPU and memory.
var processorRules = []Rule{
	{
		ID: "machine-type-architecture", Severity: property.Error,
		Title:     "hw_machine_type has to fit the architecture",
		Why:       "Nova keeps the machine type as written, and the server does not start.",
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
			fix, ok := defaultMachine[arch]
			if !ok && s.machineFamily() == "virt" {
				return nil // a generic machine of several small architectures
			}
			return one("hw_machine_type", fix, "the machine type is not one for "+arch+": the server does not start")
		},
	},
	{
		ID: "architecture-needs-machine-type", Severity: property.Error,
		Title:     "architectures that Nova has no default machine type for need hw_machine_type",
		Why:       "The build fails with InvalidMachineType: 'None'.",
		Reference: "nova/virt/libvirt/utils.py get_default_machine_type",
		check: func(s subject) []hit {
			arch := s.value("hw_architecture")
			_, known := defaultMachine[arch]
			name := "architecture"
			if !s.has(name) {
				name = "hw_architecture"
			}
			return when(arch != "" && !known && !s.has("hw_machine_type") && !s.has("hw_emulation_architecture"), name, "",
				"Nova knows no machine type for "+arch+": without hw_machine_type the build fails")
		},
	},
	{
		ID: "emulation-needs-machine-type", Severity: property.Error,
		Title:     "hw_emulation_architecture needs hw_machine_type",
		Why:       "The machine type stays that of the host's CPU, pc for an aarch64 guest, and the server does not start.",
		Reference: "nova/virt/libvirt/utils.py get_machine_type",
		check: func(s subject) []hit {
			arch := s.value("hw_emulation_architecture")
			if arch == "" || arch == "x86_64" || arch == "i686" || s.has("hw_machine_type") {
				return nil
			}
			message := "hw_emulation_architecture without hw_machine_type: the machine type is that of the host's CPU, and the server does not start"
			if machine := defaultMachine[arch]; machine != "" {
				message += "; set hw_machine_type=" + machine
			}
			return one("hw_emulation_architecture", "", message)
		},
	},
	{
		ID: "hypervisor-version-alone", Severity: property.Warning,
		Title:     "hypervisor_version_requires needs architecture, hypervisor_type or vm_mode beside it",
		Why:       "The scheduler's filter returns before it has looked at the version.",
		Reference: "nova/scheduler/filters/image_props_filter.py _instance_supported",
		check: func(s subject) []hit {
			if s.value("hw_architecture") != "" || s.value("img_hv_type") != "" || s.value("hw_vm_mode") != "" {
				return nil
			}
			for _, name := range []string{"hypervisor_version_requires", "img_hv_requested_version"} {
				if s.has(name) {
					return one(name, "", "the version is not looked at unless architecture, hypervisor_type or vm_mode is set too")
				}
			}
			return nil
		},
	},
	{
		ID: "maxphysaddr-bits-alone", Severity: property.Warning,
		Title:     "hw_maxphysaddr_bits needs hw_maxphysaddr_mode",
		Why:       "Without the mode the bits are ignored.",
		Reference: "nova/virt/libvirt/driver.py _get_guest_cpu_config_maxphysaddr",
		check: func(s subject) []hit {
			return when(s.has("hw_maxphysaddr_bits") && !s.has("hw_maxphysaddr_mode"), "hw_maxphysaddr_bits", "",
				"hw_maxphysaddr_bits is ignored without hw_maxphysaddr_mode")
		},
	},
	{
		ID: "thread-policy-needs-dedicated", Severity: property.Error,
		Title:     "hw_cpu_thread_policy needs hw_cpu_policy=dedicated",
		Why:       "Nova refuses every server made from the image (400), for any value, unless the flavor has hw:cpu_policy=dedicated.",
		Reference: "nova/virt/hardware.py numa_get_constraints",
		check: func(s subject) []hit {
			return when(s.has("hw_cpu_thread_policy") && !s.pinned(), "hw_cpu_thread_policy", "",
				"hw_cpu_thread_policy without hw_cpu_policy=dedicated: Nova refuses the server (400) unless the flavor has hw:cpu_policy=dedicated")
		},
	},
	{
		ID: "hyperthreading-trait", Severity: property.Error,
		Title:     "trait:HW_CPU_HYPERTHREADING needs hw_cpu_policy=dedicated and no hw_cpu_thread_policy",
		Why:       "Nova makes the thread policy require of it, and refuses the server (400).",
		Reference: "nova/virt/hardware.py numa_get_constraints",
		check: func(s subject) []hit {
			const trait = "trait:HW_CPU_HYPERTHREADING"
			if s.Properties[trait] != "required" {
				return nil
			}
			if s.has("hw_cpu_thread_policy") {
				return one(trait, "", "the trait stands for a thread policy, and hw_cpu_thread_policy is set too: Nova refuses the server (400)")
			}
			return when(!s.pinned(), trait, "", "the trait stands for a thread policy, which needs hw_cpu_policy=dedicated: Nova refuses the server (400)")
		},
	},
	{
		ID: "topology-above-maximum", Severity: property.Error,
		Title:     "hw_cpu_sockets, _cores and _threads must not exceed their maxima",
		Why:       "Nova refuses every server made from the image (400).",
		Reference: "nova/virt/hardware.py _get_cpu_topology_constraints",
		check: func(s subject) []hit {
			var hits []hit
			for _, part := range []string{"sockets", "cores", "threads"} {
				n, err := strconv.ParseInt(s.value("hw_cpu_"+part), 10, 64)
				top, err2 := strconv.ParseInt(s.value("hw_cpu_max_"+part), 10, 64)
				if err == nil && err2 == nil && top > 0 && n > top {
					hits = append(hits, hit{"hw_cpu_" + part, fmt.Sprintf("more than hw_cpu_max_%s allows: Nova refuses the server (400)", part), strconv.FormatInt(top, 10)})
				}
			}
			return hits
		},
	},
	{
		ID: "numa-lists-without-nodes", Severity: property.Warning,
		Title:     "hw_numa_cpus.N and hw_numa_mem.N need hw_numa_nodes",
		Why:       "Without the number of nodes the lists are ignored.",
		Reference: "nova/virt/hardware.py numa_get_constraints",
		check: func(s subject) []hit {
			if s.has("hw_numa_nodes") || s.pinned() {
				return nil
			}
			for _, name := range []string{"hw_numa_cpus.0", "hw_numa_mem.0"} {
				if s.has(name) {
					return one(name, "", name+" is ignored without hw_numa_nodes, unless the flavor has hw:numa_nodes, which is then refused")
				}
			}
			return nil
		},
	},
	{
		ID: "numa-lists-incomplete", Severity: property.Error,
		Title:     "hw_numa_cpus.N and hw_numa_mem.N have to be there for each node",
		Why:       "Nova refuses every server made from the image (400).",
		Reference: "nova/virt/hardware.py _get_numa_topology_manual",
		check: func(s subject) []hit {
			nodes, err := strconv.Atoi(s.value("hw_numa_nodes"))
			blamed := "hw_numa_nodes"
			if !s.has(blamed) && s.pinned() { // dedicated CPUs make one node of the guest
				nodes, err, blamed = 1, nil, "hw_cpu_policy"
			}
			cpus, mem := s.listLength("hw_numa_cpus."), s.listLength("hw_numa_mem.")
			if err != nil || nodes < 1 || cpus+mem == 0 || cpus == nodes && mem == nodes {
				return nil
			}
			return one(blamed, "", fmt.Sprintf("of %d NUMA node(s), hw_numa_cpus.N lists %d and hw_numa_mem.N %d: Nova refuses the server (400)", nodes, cpus, mem))
		},
	},
	{
		ID: "locked-memory-needs-page-size", Severity: property.Error,
		Title:     "hw_locked_memory needs a memory page size",
		Why:       "Nova refuses the server (403) unless the flavor or, where it allows that, the image has a page size.",
		Reference: "nova/virt/hardware.py get_locked_memory_constraint",
		check: func(s subject) []hit {
			return when(s.yes("hw_locked_memory") && !s.has("hw_mem_page_size"), "hw_locked_memory", "",
				"hw_locked_memory without a page size: Nova refuses the server (403) unless the flavor has hw:mem_page_size")
		},
	},
}

// defaultMachine is the machine type that an architecture gets without
// hw_machine_type (nova/virt/libvirt/utils.py, get_default_machine_type, and
// QEMU's own where that names none).
var defaultMachine = map[string]string{
	"x86_64": "pc", "i686": "pc", "aarch64": "virt", "armv7l": "virt",
	"ppc64": "pseries", "ppc64le": "pseries", "s390": "s390-ccw-virtio", "s390x": "s390-ccw-virtio",
}

// pinned reports a dedicated or mixed CPU policy.
func (s subject) pinned() bool {
	return s.is("hw_cpu_policy", "dedicated") || s.is("hw_cpu_policy", "mixed")
}

// listLength counts prefix0, prefix1 … up to the first that is missing, as
// Nova does (nova/objects/image_meta.py, _set_numa_mem).
func (s subject) listLength(prefix string) int {
	n := 0
	for s.has(prefix + strconv.Itoa(n)) {
		n++
	}
	return n
}

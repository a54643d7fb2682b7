package hardware

import (
	"maps"
	"slices"
	"strings"
)

// schedulerSteps are what makes the scheduler's request to placement, in its
// order. Where one refuses, the server is made and ends in ERROR.
var schedulerSteps = [...]step{
	{"nova/scheduler/utils.py ResourceRequest._process_image_meta", (*builder).askTraits},
	{"nova/scheduler/utils.py ResourceRequest._translate_pinning_policies", (*builder).askHyperthreading},
	{"nova/scheduler/utils.py ResourceRequest._translate_memory_encryption", func(b *builder) *Refusal { _, r := b.memoryEncryption(nil); return r }},
	{"nova/scheduler/utils.py ResourceRequest._translate_vtpm_request", (*builder).askTPM},
	{"nova/scheduler/utils.py ResourceRequest._translate_pci_numa_affinity_policy", (*builder).askPCI},
	{"nova/scheduler/utils.py ResourceRequest._translate_secure_boot_request", (*builder).askSecureBoot},
	{"nova/scheduler/utils.py ResourceRequest._translate_maxphysaddr_request", (*builder).askPhysAddr},
	{"nova/scheduler/utils.py ResourceRequest._translate_stateless_firmware_request", (*builder).askStateless},
}

func (b *builder) ask(traits ...string) {
	for _, trait := range traits {
		b.always[trait] = true
	}
}

func (b *builder) askTraits() *Refusal {
	for name, text := range b.flavor.specs {
		if trait, ok := strings.CutPrefix(name, "trait:"); ok && text == "required" {
			b.ask(trait)
		}
	}
	for _, trait := range b.meta.traits {
		b.ask(trait)
		b.used["trait:"+trait] = true
	}
	return nil
}

func (b *builder) askHyperthreading() *Refusal {
	threads, refusal := b.threadPolicy()
	if threads == "require" {
		b.ask("HW_CPU_HYPERTHREADING")
	}
	return refusal
}

func (b *builder) askTPM() *Refusal {
	tpm, refusal := b.tpm()
	if tpm == nil {
		return refusal
	}
	b.ask("COMPUTE_SECURITY_TPM_" + strings.ReplaceAll(tpm.Version, ".", "_"))
	if b.release.tpmModelTraits {
		b.ask("COMPUTE_SECURITY_" + strings.ToUpper(strings.ReplaceAll(tpm.Model, "-", "_")))
	}
	return nil
}

func (b *builder) askPCI() *Refusal {
	policy, refusal := b.pciPolicy()
	if policy == "socket" {
		b.ask("COMPUTE_SOCKET_PCI_NUMA_AFFINITY")
		b.uses("hw_pci_numa_affinity_policy")
	}
	return refusal
}

func (b *builder) askSecureBoot() *Refusal {
	policy, refusal := b.secureBoot()
	if policy == "required" {
		b.ask("COMPUTE_SECURITY_UEFI_SECURE_BOOT")
		b.uses("os_secure_boot")
	}
	return refusal
}

func (b *builder) askPhysAddr() *Refusal {
	mode, refusal := b.physAddrMode()
	switch mode {
	case "passthrough":
		b.ask("COMPUTE_ADDRESS_SPACE_PASSTHROUGH")
	case "emulate":
		b.ask("COMPUTE_ADDRESS_SPACE_EMULATED")
	}
	return refusal
}

func (b *builder) askStateless() *Refusal {
	is, refusal := b.stateless()
	if is {
		b.ask("COMPUTE_SECURITY_STATELESS_FIRMWARE")
	}
	return refusal
}

func (b *builder) allTraits() Traits {
	t := Traits{Always: sorted(b.always), Prefilter: b.prefilter(), Requested: []string{}}
	// Source: nova/scheduler/request_filter.py packed_virtqueue_filter,
	// ephemeral_encryption_filter.
	if packed, _ := b.packedRing(); packed {
		t.Requested = append(t.Requested, "COMPUTE_NET_VIRTIO_PACKED")
	}
	b.uses("hw_ephemeral_encryption")
	if b.encryptsEphemeral() {
		t.Requested = append(t.Requested, "COMPUTE_EPHEMERAL_ENCRYPTION")
		format, _ := b.unique("hw:ephemeral_encryption_format", "hw_ephemeral_encryption_format")
		if format != "" {
			t.Requested = append(t.Requested, "COMPUTE_EPHEMERAL_ENCRYPTION_"+strings.ToUpper(format))
			b.uses("hw_ephemeral_encryption_format")
		}
	}
	slices.Sort(t.Requested)
	return t
}

func (b *builder) encryptsEphemeral() bool {
	theirs := b.flavor.boolean("hw:ephemeral_encryption")
	return b.meta.yes("hw_ephemeral_encryption") || theirs != nil && *theirs
}

// prefilterPrefixes are the properties that the image prefilter turns into
// traits.
var prefilterPrefixes = [...]struct{ name, prefix string }{
	{"hw_cdrom_bus", "COMPUTE_STORAGE_BUS_"},
	{"hw_disk_bus", "COMPUTE_STORAGE_BUS_"},
	{"hw_video_model", "COMPUTE_GRAPHICS_MODEL_"},
	{"hw_vif_model", "COMPUTE_NET_VIF_MODEL_"},
	{"hw_architecture", "HW_ARCH_"},
	{"hw_emulation_architecture", "COMPUTE_ARCH_"},
	{"hw_viommu_model", "COMPUTE_VIOMMU_"},
}

// withoutTrait are the values whose trait os-traits does not have: all of them
// are dropped then.
var withoutTrait = [...]string{"HW_ARCH_ARMV7L", "HW_ARCH_ARMV6L"}

// prefilter returns what the image prefilter asks for.
// Source: nova/scheduler/request_filter.py transform_image_metadata.
func (b *builder) prefilter() []string {
	traits := map[string]bool{}
	for _, p := range prefilterPrefixes {
		if !b.meta.has(p.name) {
			continue
		}
		b.uses(p.name)
		trait := p.prefix + strings.ToUpper(strings.ReplaceAll(b.meta.text(p.name), "-", "_"))
		if !b.hasTrait(trait) {
			return []string{}
		}
		traits[trait] = true
	}
	return sorted(traits)
}

// hasTrait tells whether os-traits has the trait of a property's value.
func (b *builder) hasTrait(trait string) bool {
	arch, emulated := strings.CutPrefix(trait, "COMPUTE_ARCH_")
	switch {
	case strings.HasPrefix(trait, "COMPUTE_VIOMMU_"): // its names are COMPUTE_VIOMMU_MODEL_*
		return false
	case emulated:
		return slices.Contains([]string{"AARCH64", "MIPSEL", "PPC64LE", "RISCV64", "S390X", "X86_64"}, arch)
	}
	return !slices.Contains(withoutTrait[:], trait) && !slices.Contains(b.release.lacksTraits, trait)
}

// filter returns what ImagePropertiesFilter compares.
// Source: nova/scheduler/filters/image_props_filter.py.
func (b *builder) filter() Filter {
	get := func(name string) *string {
		b.uses(name)
		if text := b.meta.text(name); text != "" {
			return &text
		}
		return nil
	}
	f := Filter{Architecture: get("hw_architecture"), HypervisorType: get("img_hv_type"),
		VMMode: get("hw_vm_mode"), Version: get("img_hv_requested_version")}
	if f.Architecture != nil || f.HypervisorType != nil || f.VMMode != nil {
		// Compared too, though it is not shown.
		b.uses("hw_maxphysaddr_bits")
	}
	return f
}

func sorted(set map[string]bool) []string {
	list := slices.AppendSeq(make([]string, 0, len(set)), maps.Keys(set))
	slices.Sort(list)
	return list
}

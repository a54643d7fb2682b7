package hardware

import (
	"fmt"
	"slices"
	"strings"

	"glance-profile/internal/property"
)

// flavor is the part of a flavor that the machine depends on.
type flavor struct {
	vcpus, memory int64 // memory in MiB
	specs         map[string]string
}

// has tells whether an extra spec is set and not empty, which is how Nova asks
// of most.
func (f *flavor) has(name string) bool { return f.specs[name] != "" }

// boolean returns an extra spec as a boolean, nil where it is not set.
func (f *flavor) boolean(name string) *bool {
	text, ok := f.specs[name]
	if !ok {
		return nil
	}
	is, _ := property.ParseBool(text)
	return &is
}

// refuse makes a refusal. The names are those that the properties have today,
// or extra specs.
func (b *builder) refuse(exception string, names []string, format string, args ...any) *Refusal {
	r := &Refusal{Exception: exception, Message: fmt.Sprintf(format, args...), Properties: []string{}}
	for _, name := range names {
		v, ok := b.meta.values[name]
		switch _, spec := b.flavor.specs[name]; {
		case ok:
			r.Properties = append(r.Properties, v.name)
		case spec || b.props[name] != "":
			r.Properties = append(r.Properties, name)
		}
	}
	slices.Sort(r.Properties)
	r.Properties = slices.Compact(r.Properties)
	return r
}

// unique returns what the flavor or the image says, where both must agree.
// Source: nova/virt/hardware.py _get_unique_flavor_image_meta.
func (b *builder) unique(spec, name string) (string, *Refusal) {
	ours, theirs := b.meta.text(name), b.flavor.specs[spec]
	if ours != "" && theirs != "" && ours != theirs {
		return "", b.refuse("FlavorImageConflict", []string{spec, name},
			"Flavor has %s extra spec explicitly set to %s, conflicting with image which has %s explicitly set to %s; give both the same value or set it in one place only",
			spec, quote(theirs), b.meta.spelled(name), quote(ours))
	}
	if theirs != "" {
		return theirs, nil
	}
	return ours, nil
}

// agreed returns a boolean of the flavor and the image, which must agree where
// both are set; nil where neither is.
func (b *builder) agreed(spec, name string) (*bool, *Refusal) {
	ours, theirs := b.meta.boolean(name), b.flavor.boolean(spec)
	switch {
	case ours != nil && theirs != nil && *ours != *theirs:
		return nil, b.refuse("FlavorImageConflict", []string{spec, name},
			"Flavor has %s extra spec explicitly set to %t, conflicting with image which has %s explicitly set to %t; set it in one place only",
			spec, *theirs, b.meta.spelled(name), *ours)
	case theirs != nil:
		return theirs, nil
	}
	return ours, nil
}

// memoryEncryption tells whether the guest's memory is to be encrypted.
// machine is the machine type, nil where it is not known yet.
// Source: nova/virt/hardware.py get_mem_encryption_constraint.
func (b *builder) memoryEncryption(machine *string) (bool, *Refusal) {
	const spec, name = "hw:mem_encryption", "hw_mem_encryption"
	ours, theirs := b.meta.boolean(name), b.flavor.boolean(spec)
	if (ours == nil || !*ours) && (theirs == nil || !*theirs) {
		return false, nil
	}
	if _, refusal := b.agreed(spec, name); refusal != nil {
		return false, refusal
	}
	if b.meta.text("hw_firmware_type") != "uefi" {
		return false, b.refuse("FlavorImageConflict", []string{spec, name, "hw_firmware_type"},
			"Memory encryption requested but image doesn't have 'hw_firmware_type' property set to 'uefi': set hw_firmware_type=uefi and hw_machine_type=q35, or remove %s",
			b.firstSet(name, spec))
	}
	written := b.meta.has("hw_machine_type")
	if machine == nil && written {
		text := b.meta.text("hw_machine_type")
		machine = &text
	}
	if machine != nil && !strings.Contains(*machine, "q35") {
		return false, b.refuse("InvalidMachineType", []string{spec, name, "hw_machine_type"},
			"Machine type %s is not compatible with image: q35 type is required for SEV to work; set hw_machine_type=q35", quote(*machine))
	}
	return true, nil
}

// firstSet returns the first name that the image or the flavor has, as it
// stands there.
func (b *builder) firstSet(names ...string) string {
	for _, name := range names {
		if v, ok := b.meta.values[name]; ok {
			return v.name
		}
		if _, ok := b.flavor.specs[name]; ok {
			return name
		}
	}
	return names[0]
}

// lockedMemory tells whether the guest's memory is to be locked.
// Source: nova/virt/hardware.py get_locked_memory_constraint.
func (b *builder) lockedMemory() (bool, *Refusal) {
	const spec, name = "hw:locked_memory", "hw_locked_memory"
	ours, theirs := b.meta.boolean(name), b.flavor.boolean(spec)
	if ours != nil && theirs != nil && *ours != *theirs {
		return false, b.refuse("FlavorImageLockedMemoryConflict", []string{spec, name},
			"locked_memory value in image (%t) and flavor (%t) conflict: set %s to the flavor's value or remove it", *ours, *theirs, b.meta.spelled(name))
	}
	locked := theirs != nil && *theirs || theirs == nil && ours != nil && *ours
	if locked && !b.flavor.has("hw:mem_page_size") && b.meta.text("hw_mem_page_size") == "" {
		return false, b.refuse("LockMemoryForbidden", []string{spec, name},
			"locked_memory value in image or flavor is forbidden when mem_page_size is not set: use a flavor with hw:mem_page_size, or remove %s", b.firstSet(name, spec))
	}
	return locked, nil
}

// tpm returns the TPM that is asked for, or nil.
// Source: nova/virt/hardware.py get_vtpm_constraint.
func (b *builder) tpm() (*TPM, *Refusal) {
	version, refusal := b.unique("hw:tpm_version", "hw_tpm_version")
	if refusal != nil || version == "" {
		return nil, refusal
	}
	names := []string{"hw:tpm_version", "hw_tpm_version", "hw:tpm_model", "hw_tpm_model"}
	if version != "1.2" && version != "2.0" {
		return nil, b.refuse("Invalid", names[:2], "Invalid TPM version %s. Allowed values: 1.2, 2.0: mend hw:tpm_version", quote(version))
	}
	model, refusal := b.unique("hw:tpm_model", "hw_tpm_model")
	switch {
	case refusal != nil:
		return nil, refusal
	case model == "":
		model = "tpm-tis"
	case model != "tpm-tis" && model != "tpm-crb":
		return nil, b.refuse("Invalid", names[2:], "Invalid TPM model %s. Allowed values: tpm-tis, tpm-crb: mend hw:tpm_model", quote(model))
	case model == "tpm-crb" && version != "2.0":
		return nil, b.refuse("Invalid", names, "TPM model CRB is only valid with TPM version 2.0: set hw_tpm_version=2.0, or hw_tpm_model=tpm-tis")
	}
	return &TPM{Model: model, Version: version}, nil
}

// secureBoot returns the policy: required, optional, disabled or "".
// Source: nova/virt/hardware.py get_secure_boot_constraint.
func (b *builder) secureBoot() (string, *Refusal) {
	policy, refusal := b.unique("os:secure_boot", "os_secure_boot")
	if refusal != nil || policy == "" {
		return "", refusal
	}
	if !slices.Contains([]string{"required", "disabled", "optional"}, policy) {
		return "", b.refuse("Invalid", []string{"os:secure_boot"}, "Invalid secure boot policy %s. Allowed values: required, disabled, optional: mend os:secure_boot", quote(policy))
	}
	return policy, nil
}

// stateless tells whether the firmware is to keep nothing.
// Source: nova/virt/hardware.py get_stateless_firmware_constraint.
func (b *builder) stateless() (bool, *Refusal) {
	if !b.meta.yes("hw_firmware_stateless") {
		return false, nil
	}
	if b.meta.text("hw_firmware_type") != "uefi" {
		return false, b.refuse("Invalid", []string{"hw_firmware_stateless", "hw_firmware_type"},
			"Stateless firmware is supported only when UEFI firmware type is used: set hw_firmware_type=uefi (it must be written, also for aarch64), or remove hw_firmware_stateless")
	}
	return true, nil
}

// physAddrMode returns the mode that the request asks hosts for; "" for none.
// Source: nova/virt/hardware.py get_maxphysaddr_mode.
func (b *builder) physAddrMode() (string, *Refusal) {
	if b.release.major < 29 {
		return "", nil
	}
	mode, refusal := b.unique("hw:maxphysaddr_mode", "hw_maxphysaddr_mode")
	if refusal != nil || mode == "" {
		return "", refusal
	}
	if mode != "passthrough" && mode != "emulate" {
		return "", b.refuse("Invalid", []string{"hw:maxphysaddr_mode"}, "Invalid Maxphyaddr mode %s. Allowed values: passthrough, emulate: mend hw:maxphysaddr_mode", quote(mode))
	}
	return mode, nil
}

// multiqueue tells whether the card gets a queue for each vCPU.
// Source: nova/virt/hardware.py get_vif_multiqueue_constraint.
func (b *builder) multiqueue() (bool, *Refusal) {
	if b.flavor.vcpus < 2 {
		return false, nil
	}
	is, refusal := b.agreed("hw:vif_multiqueue_enabled", "hw_vif_multiqueue_enabled")
	return is != nil && *is, refusal
}

// packedRing tells whether the card has packed rings.
// Source: nova/virt/hardware.py get_packed_virtqueue_constraint.
func (b *builder) packedRing() (bool, *Refusal) {
	if b.release.major < 29 {
		return false, nil
	}
	is, refusal := b.agreed("hw:virtio_packed_ring", "hw_virtio_packed_ring")
	return is != nil && *is, refusal
}

// pciPolicy returns the policy for PCI devices and NUMA; "" for none.
// Source: nova/virt/hardware.py get_pci_numa_policy_constraint.
func (b *builder) pciPolicy() (string, *Refusal) {
	const spec, name = "hw:pci_numa_affinity_policy", "hw_pci_numa_affinity_policy"
	ours, theirs := b.meta.text(name), b.flavor.specs[spec]
	if ours != "" && theirs != "" && ours != theirs {
		return "", b.refuse("ImagePCINUMAPolicyForbidden", []string{spec, name},
			"Image property 'hw_pci_numa_affinity_policy' is not permitted to override the 'hw:pci_numa_affinity_policy' flavor extra spec: remove it, or give it the flavor's value %s", quote(theirs))
	}
	if theirs == "" {
		return ours, nil
	}
	if !slices.Contains([]string{"required", "legacy", "preferred", "socket"}, theirs) {
		return "", b.refuse("InvalidPCINUMAAffinity", []string{spec}, "Invalid PCI NUMA affinity configured: %s: mend hw:pci_numa_affinity_policy", quote(theirs))
	}
	return theirs, nil
}

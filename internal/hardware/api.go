package hardware

// apiSteps are the checks of the compute API, in its order: what it answers
// with an error before anything is scheduled. The values come first, see
// readValues; with them its check of img_config_drive has nothing left to refuse.
var apiSteps = [...]step{
	{"nova/compute/api.py API._detect_nonbootable_image_from_properties", (*builder).checkEncryptedVolume},
	{"nova/virt/hardware.py get_packed_virtqueue_constraint", (*builder).checkPackedRing},
	{"nova/virt/hardware.py get_mem_encryption_constraint", func(b *builder) *Refusal { _, r := b.memoryEncryption(nil); return r }},
	{"nova/virt/hardware.py get_pmu_constraint", func(b *builder) *Refusal { _, r := b.agreed("hw:pmu", "hw_pmu"); return r }},
	{"nova/virt/hardware.py get_number_of_serial_ports", (*builder).checkSerialPorts},
	{"nova/virt/hardware.py get_realtime_cpu_constraint", func(b *builder) *Refusal { _, r := b.realtimeCPUs(); return r }},
	{"nova/virt/hardware.py get_cpu_topology_constraints", func(b *builder) *Refusal { _, _, r := b.topologyLimits(); return r }},
	{"nova/virt/hardware.py get_vif_multiqueue_constraint", func(b *builder) *Refusal { _, r := b.multiqueue(); return r }},
	{"nova/virt/hardware.py numa_get_constraints", (*builder).numa},
	{"nova/virt/hardware.py get_pci_numa_policy_constraint", func(b *builder) *Refusal { _, r := b.pciPolicy(); return r }},
}

func (b *builder) checkEncryptedVolume() *Refusal {
	const name = "cinder_encryption_key_id"
	if b.props[name] == "" {
		return nil
	}
	return b.refuse("ImageUnacceptable", []string{name}, "Direct booting of an image uploaded from an encrypted volume is unsupported: make a volume of the image and boot from that")
}

// checkPackedRing follows a bug that came with the check: it compares the text
// of the image with a boolean of the flavor, and they are never the same. It is
// mended in 30.3.0, 31.2.0 and 32.0.0 (bug 2085124).
func (b *builder) checkPackedRing() *Refusal {
	const spec, name = "hw:virtio_packed_ring", "hw_virtio_packed_ring"
	theirs := b.flavor.boolean(spec)
	if b.release.major < 29 || theirs == nil || !b.meta.has(name) {
		return nil
	}
	return b.refuse("FlavorImageConflict", []string{spec, name},
		"Flavor has %s extra spec explicitly set to %t, conflicting with image which has %s explicitly set to %s: set it in one place only, for Nova takes even equal values for a conflict",
		spec, *theirs, name, quote(b.props[name]))
}

func (b *builder) checkSerialPorts() *Refusal {
	const spec, name = "hw:serial_port_count", "hw_serial_port_count"
	text := b.flavor.specs[spec]
	if text == "" {
		return nil
	}
	theirs, ok := toInt(text)
	if !ok {
		return b.refuse("ImageSerialPortNumberInvalid", []string{spec}, "Number of serial ports specified in flavor is invalid: expected an integer, got %s", quote(text))
	}
	if ours := b.meta.number(name); theirs != 0 && ours > theirs {
		return b.refuse("ImageSerialPortNumberExceedFlavorValue", []string{spec, name},
			"Forbidden to exceed flavor value of number of serial ports passed in image meta: lower %s to %d or remove it", b.meta.spelled(name), theirs)
	}
	return nil
}

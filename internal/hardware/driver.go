package hardware

import (
	"maps"
	"slices"
	"strings"

	"glance-profile/internal/property"
)

// driverSteps are what the libvirt driver does to make the guest's
// configuration, in its order. The first is called by LibvirtDriver.spawn, the
// others by LibvirtDriver._get_guest_config.
var driverSteps = [...]step{
	{"nova/virt/libvirt/blockinfo.py get_disk_info", (*builder).buildDisks},
	{"nova/virt/libvirt/driver.py _get_guest_memory_backing_config", (*builder).buildMemory},
	{"nova/virt/libvirt/driver.py _get_guest_cpu_config", (*builder).buildCPU},
	{"nova/virt/libvirt/driver.py _configure_guest_by_virt_type", (*builder).buildMachineType},
	{"nova/virt/libvirt/driver.py _configure_guest_by_virt_type", (*builder).buildFirmware},
	{"nova/virt/libvirt/driver.py _configure_guest_by_virt_type", (*builder).buildBootMenu},
	{"nova/virt/libvirt/driver.py _conf_non_lxc", (*builder).buildKernel},
	{"nova/virt/libvirt/driver.py _set_features", (*builder).buildFeatures},
	{"nova/virt/libvirt/driver.py _set_clock", (*builder).buildClock},
	{"nova/virt/libvirt/driver.py _get_scsi_controller", (*builder).buildSCSI},
	{"nova/virt/libvirt/vif.py LibvirtGenericVIFDriver.get_base_config", (*builder).buildNIC},
	{"nova/virt/libvirt/driver.py _create_consoles", (*builder).buildSerial},
	{"nova/virt/libvirt/driver.py _add_video_driver", (*builder).buildVideo},
	{"nova/virt/libvirt/driver.py _get_pointer_bus_and_model", (*builder).buildInputs},
	{"nova/virt/libvirt/driver.py _set_qemu_guest_agent", (*builder).buildAgent},
	{"nova/virt/libvirt/driver.py _add_rng_device", (*builder).buildRNG},
	{"nova/virt/libvirt/driver.py _add_vtpm_device", (*builder).buildTPM},
	{"nova/virt/libvirt/driver.py _get_scsi_controller, _guest_add_usb_root_controller", (*builder).buildUSB},
	{"nova/virt/libvirt/driver.py _guest_add_watchdog_action", (*builder).buildWatchdog},
	{"nova/virt/libvirt/driver.py _guest_add_iommu_device", (*builder).buildVIOMMU},
}

// hostArch is the architecture of the host.
const hostArch = "x86_64"

// imageArch is the architecture that the image names, or the host's.
// Source: nova/virt/libvirt/utils.py get_arch.
func (b *builder) imageArch() string {
	if arch := b.meta.text("hw_architecture"); arch != "" {
		return arch
	}
	return hostArch
}

func (b *builder) x86() bool { return b.arch == "x86_64" || b.arch == "i686" }

// kvmBuses are the buses that kvm and qemu have.
// Source: nova/virt/libvirt/blockinfo.py SUPPORTED_DEVICE_BUSES.
var kvmBuses = [...]string{"virtio", "scsi", "ide", "usb", "fdc", "sata"}

// busFor returns the bus that a property names, or "".
// Source: nova/virt/libvirt/blockinfo.py get_disk_bus_for_device_type.
func (b *builder) busFor(name string) (string, *Refusal) {
	bus := b.meta.text(name)
	if bus != "" && !slices.Contains(kvmBuses[:], bus) {
		return "", b.refuse("UnsupportedHardware", []string{name},
			"Requested hardware '%s' is not supported by the '%s' virt driver: %s takes virtio, scsi, sata, ide, usb or fdc here", bus, b.options.VirtType, b.meta.spelled(name))
	}
	return bus, nil
}

// buildDisks places the root disk and the config drive.
func (b *builder) buildDisks() *Refusal {
	bus, refusal := b.busFor("hw_disk_bus")
	if refusal != nil {
		return refusal
	}
	cdrom, refusal := b.busFor("hw_cdrom_bus")
	if refusal != nil {
		return refusal
	}
	if bus == "" {
		bus = "virtio"
	}
	if cdrom == "" {
		cdrom = b.defaultCDROMBus()
	}
	b.cdromBus = cdrom
	root := Disk{Device: "disk", Bus: bus}
	cause := []string{"hw_disk_bus"}
	if b.diskFormat == "iso" {
		root = Disk{Device: "cdrom", Bus: cdrom}
		cause = []string{"hw_cdrom_bus"}
	}
	root.Name = prefixOf(root.Bus) + "a"
	b.machine.Disks = []Disk{root}
	b.uses("img_config_drive")
	if b.meta.text("img_config_drive") == "mandatory" {
		drive := Disk{Device: "cdrom", Name: prefixOf(cdrom) + "a", Bus: cdrom}
		if drive.Name == root.Name {
			drive.Name = prefixOf(cdrom) + "b"
		}
		b.machine.Disks = append(b.machine.Disks, drive)
		cause = append(cause, "hw_cdrom_bus", "img_config_drive")
	}
	slices.Sort(cause)
	why := "virtio disk"
	if b.diskFormat == "iso" {
		why = "disk_format iso is a CD-ROM, on " + cdrom + " for this machine type and architecture"
	}
	b.from("disks", why, false, slices.Compact(cause)...)
	// These bring volumes and device names, of which the model knows nothing.
	for _, name := range []string{"block_device_mapping", "mappings", "root_device_name"} {
		b.used[name] = true
	}
	return nil
}

// defaultCDROMBus returns the bus of CD-ROMs where no property says it.
func (b *builder) defaultCDROMBus() string {
	if slices.Contains([]string{"ppc", "ppc64", "ppcle", "ppc64le", "s390", "s390x", "aarch64"}, b.imageArch()) {
		return "scsi"
	}
	if machine, _ := b.machineType(); machine != nil && strings.Contains(*machine, "q35") {
		return "sata"
	}
	return "ide"
}

// prefixOf returns how names of devices on a bus begin.
// Source: nova/virt/libvirt/blockinfo.py get_dev_prefix_for_disk_bus.
func prefixOf(bus string) string {
	switch bus {
	case "ide":
		return "hd"
	case "virtio":
		return "vd"
	case "fdc":
		return "fd"
	}
	return "sd" // scsi, usb, sata
}

func (b *builder) buildMemory() *Refusal {
	emulator, _ := b.emulatorPolicy()
	if b.realtime() && emulator == "share" {
		return b.refuse("RealtimeMaskNotFoundOrInvalid", []string{"hw:cpu_realtime", "hw:emulator_threads_policy"},
			"Use of realtime CPUs requires either one or more non-realtime CPU(s) or offloaded emulator threads: the host has no [compute]cpu_shared_set for hw:emulator_threads_policy=share")
	}
	encrypted, refusal := b.sev()
	if refusal != nil {
		return refusal
	}
	locked, refusal := b.lockedMemory()
	if refusal != nil {
		return refusal
	}
	b.machine.LockedMemory = locked || encrypted || b.realtime()
	b.machine.PageSize = b.pageSize
	b.machine.MemoryEncryption = encrypted
	lockers := []string{"hw_locked_memory", "hw:locked_memory", "hw:cpu_realtime"}
	if encrypted {
		lockers = append(lockers, "hw_mem_encryption", "hw:mem_encryption")
	}
	b.from("locked_memory", "off", false, lockers...)
	b.from("page_size", "pages of the usual size", false, "hw_mem_page_size", "hw:mem_page_size")
	b.from("memory_encryption", "off", false, "hw_mem_encryption", "hw:mem_encryption")
	if wanted, _ := b.memoryEncryption(nil); wanted && !encrypted {
		why := "the host has no AMD SEV"
		b.origins["memory_encryption"] = Origin{From: b.origins["memory_encryption"].From, Default: &why, Host: true, Source: b.source}
	}
	return nil
}

// sev tells whether the guest's memory gets encrypted.
// Source: nova/virt/libvirt/driver.py _sev_enabled.
func (b *builder) sev() (bool, *Refusal) {
	if !b.options.SEV {
		return false, nil
	}
	machine, _ := b.machineType()
	if machine == nil {
		return b.memoryEncryption(nil)
	}
	return b.memoryEncryption(machine)
}

func (b *builder) buildCPU() *Refusal {
	b.arch = b.imageArch()
	if emulated := b.meta.text("hw_emulation_architecture"); emulated != "" {
		b.arch = emulated
	}
	b.machine.Architecture, b.machine.VirtType = b.arch, b.options.VirtType
	b.from("architecture", "that of the host", true, "hw_emulation_architecture", "hw_architecture")
	b.from("virt_type", "[libvirt]virt_type", true)
	if b.arch != hostArch {
		b.machine.VirtType = "qemu"
		b.from("virt_type", "emulated: not the host's architecture", false, "hw_emulation_architecture", "hw_architecture")
	}

	topology, refusal := b.bestTopology()
	if refusal != nil {
		return refusal
	}
	b.machine.CPU = topology
	if b.arch == "mipsel" {
		b.machine.CPU = nil
	}
	var counts []string
	for _, name := range []string{"cpu_sockets", "cpu_cores", "cpu_threads", "cpu_max_sockets", "cpu_max_cores", "cpu_max_threads"} {
		if b.meta.number("hw_"+name) > 0 {
			counts = append(counts, "hw_"+name)
		}
		counts = append(counts, "hw:"+name)
	}
	b.from("cpu", "one socket for each vCPU", false, counts...)
	return b.buildPhysAddr()
}

// Source: nova/virt/libvirt/driver.py _get_guest_cpu_config_maxphysaddr.
func (b *builder) buildPhysAddr() *Refusal {
	b.from("max_phys_addr", "that of the CPU model", true)
	mode, refusal := b.physAddrMode()
	if mode == "" || refusal != nil {
		return refusal
	}
	address := PhysAddr{Mode: mode}
	bits := b.meta.number("hw_maxphysaddr_bits")
	if text := b.flavor.specs["hw:maxphysaddr_bits"]; text != "" {
		n, ok := toInt(text)
		if !ok {
			return b.refuse("ValueError", []string{"hw:maxphysaddr_bits"}, "hw:maxphysaddr_bits=%s is no number", quote(text))
		}
		bits = n
	}
	if bits != 0 {
		address.Bits = &bits
	}
	b.from("max_phys_addr", "", false, "hw_maxphysaddr_mode", "hw:maxphysaddr_mode", "hw_maxphysaddr_bits", "hw:maxphysaddr_bits")
	if b.arch != "mipsel" {
		b.machine.MaxPhysAddr = &address
	}
	return nil
}

// defaultMachines are Nova's own defaults by architecture.
// Source: nova/virt/libvirt/utils.py get_default_machine_type.
var defaultMachines = map[string]string{
	"armv7l": "virt", "aarch64": "virt", "ppc64le": "pseries", "s390": "s390-ccw-virtio", "s390x": "s390-ccw-virtio", "i686": "pc", "x86_64": "pc",
}

// DefaultMachine is the machine type that Nova gives an architecture where nobody
// names one; "" where it has none.
func DefaultMachine(architecture string) string { return defaultMachines[architecture] }

// machineType returns the machine type, nil where nobody names one, and whether
// it is the image that does.
// Source: nova/virt/libvirt/utils.py get_machine_type.
func (b *builder) machineType() (machine *string, image bool) {
	if b.meta.has("hw_machine_type") {
		text := b.meta.text("hw_machine_type")
		return &text, true
	}
	for _, machines := range []map[string]string{b.options.MachineTypes, defaultMachines} {
		if text, ok := machines[b.imageArch()]; ok && text != "" {
			return &text, false
		}
	}
	return nil, false
}

// homeOf returns the architecture that has a machine type by default, if it is
// another one than the host's; else "".
func homeOf(machine string) string {
	home := ""
	for _, arch := range slices.Sorted(maps.Keys(defaultMachines)) {
		if defaultMachines[arch] == machine && machine != defaultMachines[hostArch] {
			home = arch // s390x rather than s390
		}
	}
	return home
}

func (b *builder) buildMachineType() *Refusal {
	machine, written := b.machineType()
	names := []string{"hw_machine_type"}
	if !written {
		names = []string{"hw_architecture"}
	}
	switch {
	case machine == nil:
		return b.refuse("InvalidMachineType", names, "'None' is not valid/supported machine type: Nova has no default for the architecture %s; name one by hw_machine_type", b.imageArch())
	case !b.knowsMachine(*machine):
		hint := "write q35 or pc, or a version that the hosts' QEMU has"
		if arch := homeOf(*machine); arch != "" {
			hint = "hosts of " + hostArch + " do not have it; where others do, say so by --machine-type " + arch + "=" + *machine
		}
		return b.refuse("InvalidMachineType", names, "%s is not valid/supported machine type: %s", quote(*machine), hint)
	}
	b.machine.MachineType = *machine
	b.from("machine_type", "[libvirt]hw_machine_type, or that of "+b.imageArch(), true, "hw_machine_type")
	b.machine.osType = b.guestType()
	return nil
}

// guestType returns what vm_mode says: the API copies that name alone into the
// server. Source: nova/compute/api.py API._inherit_properties_from_image.
func (b *builder) guestType() string {
	text, ok := b.props["vm_mode"]
	if !ok {
		return "hvm"
	}
	b.used["vm_mode"] = true
	mode, _ := property.Canonical("vm_mode", text)
	return mode
}

func (b *builder) buildFirmware() *Refusal {
	stateless, refusal := b.stateless()
	if refusal != nil {
		return refusal
	}
	b.machine.Firmware = "bios"
	b.from("firmware", "bios", false, "hw_firmware_type")
	switch firmware := b.meta.text("hw_firmware_type"); {
	case firmware == "uefi":
		b.machine.Firmware = "uefi"
	case firmware == "" && b.arch == "aarch64":
		b.machine.Firmware = "uefi"
		b.from("firmware", "uefi, since the architecture is aarch64", false)
	}
	b.from("stateless", "off", false, "hw_firmware_stateless")
	b.machine.Stateless = stateless
	if b.machine.Firmware != "uefi" {
		b.from("secure_boot", "off, since the firmware is not UEFI", false)
		b.from("smm", "off", false)
		return nil
	}
	policy, refusal := b.secureBoot()
	if refusal != nil {
		return refusal
	}
	capable := b.arch != "x86_64" || strings.Contains(b.machine.MachineType, "q35")
	b.from("secure_boot", "off", false, "os_secure_boot", "os:secure_boot")
	switch {
	case policy == "required" && !capable:
		return b.refuse("SecureBootNotSupported", []string{"os_secure_boot", "os:secure_boot", "hw_firmware_type", "hw_machine_type"},
			"Secure Boot is not supported by host: in truth it is the machine type %s that has none; set hw_machine_type=q35", quote(b.machine.MachineType))
	case policy == "required", policy == "optional":
		b.machine.SecureBoot = capable
	}
	// The firmware's description says so; that of Secure Boot does.
	// Source: nova/virt/libvirt/host.py Host.get_loader.
	b.machine.SMM = b.machine.SecureBoot
	b.from("smm", "off", true)
	if b.machine.SMM {
		b.from("smm", "Secure Boot wants it", true)
	}
	return nil
}

func (b *builder) buildBootMenu() *Refusal {
	theirs := b.flavor.boolean("hw:boot_menu")
	b.machine.BootMenu = b.meta.yes("hw_boot_menu") || !b.meta.has("hw_boot_menu") && theirs != nil && *theirs
	if b.meta.has("hw_boot_menu") {
		b.from("boot_menu", "", false, "hw_boot_menu")
	} else {
		b.from("boot_menu", "off", false, "hw:boot_menu")
	}
	return nil
}

// buildKernel gives a guest with a kernel of its own the command line for it.
func (b *builder) buildKernel() *Refusal {
	b.from("kernel_command_line", "the disk's own boot loader decides", false)
	kernel := b.props["kernel_id"]
	if kernel == "" || kernel == "nokernel" {
		return nil
	}
	line := "root=/dev/" + b.machine.Disks[0].Name + " console=tty0 console=ttyS0 console=hvc0"
	if b.options.VirtType == "qemu" {
		line += " no_timer_check"
	}
	names := []string{"kernel_id"}
	if text := b.meta.text("os_command_line"); text != "" {
		line = text
		names = append(names, "os_command_line")
	}
	b.machine.KernelCommandLine = &line
	b.from("kernel_command_line", "", false, names...)
	b.uses("ramdisk_id")
	return nil
}

func (b *builder) buildFeatures() *Refusal {
	windows := b.props["os_type"] == "windows"
	hide := b.meta.yes("img_hide_hypervisor_id")
	hiders := []string{"img_hide_hypervisor_id"}
	for _, spec := range []string{"hide_hypervisor_id", "hw:hide_hypervisor_id"} {
		if is := b.flavor.boolean(spec); is != nil {
			hide = hide || *is
			hiders = append(hiders, spec)
		}
	}
	b.machine.ACPI = true
	b.from("acpi", "on", false)
	b.machine.HideHypervisor = hide
	b.from("hide_hypervisor", "off", false, hiders...)

	b.machine.HyperV = []string{}
	b.from("hyperv", "none, unless os_type is windows", false)
	if windows {
		b.machine.HyperV = slices.Clone(b.release.hyperV)
		b.from("hyperv", "", false, "os_type")
		if hide {
			b.machine.HyperV = append(b.machine.HyperV, "vendor_id")
			slices.Sort(b.machine.HyperV)
			b.from("hyperv", "", false, append(hiders, "os_type")...)
		}
	}
	b.machine.VMCoreInfo = b.x86() || b.arch == "aarch64"
	b.from("vmcoreinfo", "on for x86 and aarch64", false)

	pmu, refusal := b.agreed("hw:pmu", "hw_pmu")
	b.machine.PMU = pmu
	b.from("pmu", "left to QEMU", true, "hw_pmu", "hw:pmu")
	return refusal
}

func (b *builder) buildClock() *Refusal {
	windows := b.props["os_type"] == "windows"
	b.machine.Clock, b.machine.Timers = "utc", []string{}
	b.from("clock", "utc, unless os_type is windows", false)
	switch {
	case windows:
		b.machine.Clock = "localtime"
		b.from("clock", "", false, "os_type")
	case b.props["os_type"] == "linux":
		b.from("clock", "", false, "os_type")
	}
	b.from("timers", "none with [libvirt]virt_type=qemu", true)
	if b.options.VirtType != "kvm" {
		return nil
	}
	b.machine.Timers = []string{"pit", "rtc"}
	names := []string{}
	if b.x86() {
		b.machine.Timers = append(b.machine.Timers, "hpet") // there, if only to be switched off
		names = append(names, "hw_time_hpet")
	}
	if windows {
		b.machine.Timers = append(b.machine.Timers, "hypervclock")
		names = append(names, "os_type")
	}
	slices.Sort(b.machine.Timers)
	b.from("timers", "those of KVM, hpet switched off", false, names...)
	return nil
}

func (b *builder) buildSCSI() *Refusal {
	b.machine.Controllers = []Controller{}
	if model := b.meta.text("hw_scsi_model"); model != "" {
		b.machine.Controllers = append(b.machine.Controllers, Controller{Type: "scsi", Model: &model})
	}
	return nil
}

// kvmCards are the network cards that kvm has; plain qemu has lan9118 too.
// Source: nova/virt/libvirt/vif.py SUPPORTED_VIF_MODELS.
var kvmCards = [...]string{"virtio", "ne2k_pci", "pcnet", "rtl8139", "e1000", "e1000e", "spapr-vlan", "vmxnet3", "igb"}

func (b *builder) buildNIC() *Refusal {
	packed, refusal := b.packedRing()
	if refusal != nil {
		return refusal
	}
	model := b.meta.text("hw_vif_model")
	if model == "" {
		model = "virtio"
	}
	if !slices.Contains(kvmCards[:], model) && (model != "lan9118" || b.options.VirtType != "qemu") {
		return b.refuse("UnsupportedHardware", []string{"hw_vif_model"},
			"Requested hardware '%s' is not supported by the '%s' virt driver: hw_vif_model takes virtio, e1000, e1000e, rtl8139, vmxnet3, igb, ne2k_pci or pcnet here", model, b.options.VirtType)
	}
	b.machine.NIC = NIC{Model: model, Queues: 1, Packed: packed}
	names := []string{"hw_vif_model", "hw_virtio_packed_ring", "hw:virtio_packed_ring"}
	if model == "virtio" && b.options.VirtType == "kvm" {
		several, refusal := b.multiqueue()
		if refusal != nil {
			return refusal
		}
		if several {
			b.machine.NIC.Queues = int(b.flavor.vcpus)
		}
		if b.flavor.vcpus > 1 {
			names = append(names, "hw_vif_multiqueue_enabled", "hw:vif_multiqueue_enabled")
		}
	}
	b.from("nic", "virtio, one queue", false, names...)
	return nil
}

func (b *builder) buildSerial() *Refusal {
	b.machine.SerialPorts = 1
	b.from("serial_ports", "one, for the host has no serial console service", true)
	if b.arch == "s390" || b.arch == "s390x" {
		b.machine.SerialPorts = 0
		b.from("serial_ports", "none: s390x has an SCLP console instead", false)
	}
	return nil
}

func (b *builder) buildVideo() *Refusal {
	b.machine.Video = b.meta.text("hw_video_model")
	if b.machine.Video == "" {
		b.machine.Video = "virtio"
		if b.arch == "ppc" || b.arch == "ppc64" || b.arch == "ppc64le" {
			b.machine.Video = "vga"
		}
	}
	b.from("video", "that of "+b.arch, false, "hw_video_model")
	b.from("sound", "none in this release", false)
	b.from("video_ram", "that of the model", false)
	const spec, name = "hw_video:ram_max_mb", "hw_video_ram"
	most := int64(0)
	if text, ok := b.flavor.specs[spec]; ok {
		if most, ok = toInt(text); !ok {
			return b.refuse("ValueError", []string{spec}, "%s=%s is no number", spec, quote(text))
		}
	}
	ram := b.meta.number(name)
	if ram > most {
		return b.refuse("RequestedVRamTooHigh", []string{spec, name},
			"The requested amount of video memory %d is higher than the maximum allowed by flavor %d: use a flavor with %s, or remove %s", ram, most, spec, b.meta.spelled(name))
	}
	if most != 0 && ram != 0 {
		kib := ram * 1024
		b.machine.VideoRAM = &kib
		b.from("video_ram", "", false, name)
	}
	return nil
}

func (b *builder) buildInputs() *Refusal {
	b.machine.Inputs = []Input{}
	bus := b.meta.text("hw_input_bus")
	if b.machine.osType == "hvm" {
		tablet := Input{Type: "tablet", Bus: bus}
		if bus == "" {
			tablet.Bus = "usb"
			b.uses("hw_pointer_model")
		}
		b.machine.Inputs = append(b.machine.Inputs, tablet)
	}
	switch {
	case bus != "":
		b.machine.Inputs = append(b.machine.Inputs, Input{Type: "keyboard", Bus: bus})
	case b.arch == "aarch64":
		b.machine.Inputs = append(b.machine.Inputs, Input{Type: "keyboard", Bus: "usb"})
	}
	names := []string{"hw_input_bus"}
	if bus == "" && b.machine.osType == "hvm" {
		names = append(names, "hw_pointer_model")
	}
	b.from("inputs", "USB tablet, [DEFAULT]pointer_model", true, names...)
	return nil
}

func (b *builder) buildAgent() *Refusal {
	b.machine.AgentChannel = b.meta.yes("hw_qemu_guest_agent")
	b.from("agent_channel", "off", false, "hw_qemu_guest_agent")
	if b.machine.AgentChannel && b.machine.MemoryEncryption {
		b.machine.Controllers = append(b.machine.Controllers, Controller{Type: "virtio-serial"})
	}
	return nil
}

func (b *builder) buildRNG() *Refusal {
	allowed := b.flavor.boolean("hw_rng:allowed")
	b.machine.RNG = allowed == nil || *allowed
	b.from("rng", "always, unless the flavor forbids it", false, "hw_rng:allowed")
	return nil
}

func (b *builder) buildTPM() *Refusal {
	tpm, refusal := b.tpm()
	b.from("tpm", "none", false)
	if tpm != nil {
		b.machine.TPM = tpm
		b.from("tpm", "", false, "hw_tpm_version", "hw:tpm_version", "hw_tpm_model", "hw:tpm_model")
	}
	return refusal
}

// buildUSB switches the USB controller off where nothing is on it.
func (b *builder) buildUSB() *Refusal {
	needed := b.arch == "ppc64" || b.arch == "ppc64le" ||
		slices.ContainsFunc(b.machine.Disks, func(d Disk) bool { return d.Bus == "usb" }) ||
		slices.ContainsFunc(b.machine.Inputs, func(i Input) bool { return i.Bus == "usb" })
	usb := Controller{Type: "usb"}
	if !needed && b.arch != "ppc" {
		none := "none"
		usb.Model = &none
	}
	b.machine.Controllers = append(b.machine.Controllers, usb)
	b.from("controllers", "USB where a device is on it", false, "hw_scsi_model", "hw_input_bus")
	return nil
}

// watchdogActions are those that Nova knows.
// Source: nova/objects/fields.py WatchdogAction.
var watchdogActions = [...]string{"none", "pause", "poweroff", "reset", "disabled"}

func (b *builder) buildWatchdog() *Refusal {
	const spec, name = "hw:watchdog_action", "hw_watchdog_action"
	action := b.meta.text(name)
	b.from("watchdog", "none from Nova; libvirt gives q35 an iTCO watchdog", false, name)
	if action == "" {
		action = b.flavor.specs[spec]
		b.from("watchdog", "none from Nova; libvirt gives q35 an iTCO watchdog", false, spec)
	}
	switch {
	case action == "" || action == "disabled":
	case slices.Contains(watchdogActions[:], action):
		b.machine.Watchdog = &action
	default:
		return b.refuse("InvalidWatchdogAction", []string{spec}, "Provided watchdog action (%s) is not supported: mend %s", quote(action), spec)
	}
	return nil
}

func (b *builder) buildVIOMMU() *Refusal {
	const spec, name = "hw:viommu_model", "hw_viommu_model"
	b.from("viommu", "none", false)
	model := b.flavor.specs[spec]
	if model == "" {
		model = b.meta.text(name)
	}
	if model == "" {
		return nil
	}
	names := []string{spec, name, "hw_machine_type", "hw_architecture", "hw_emulation_architecture"}
	wanted := map[bool]string{true: "q35", false: "virt"}[b.x86()]
	switch {
	case !b.x86() && b.arch != "aarch64":
		return b.refuse("InvalidVIOMMUArchitecture", names, "vIOMMU required either x86 or AArch64 architecture, but given architecture %s: remove %s", b.arch, b.firstSet(name, spec))
	case !strings.Contains(b.machine.MachineType, wanted):
		return b.refuse("InvalidVIOMMUMachineType", names, "vIOMMU is not supported by Current machine type %s (Architecture: %s): set hw_machine_type=%s", b.machine.MachineType, b.arch, wanted)
	case model == "auto" && b.release.autoVIOMMU == "intel" && !b.x86():
		model = "smmuv3"
	case model == "auto":
		model = b.release.autoVIOMMU
	}
	b.machine.VIOMMU = &model
	b.from("viommu", "", false, name, spec)
	return nil
}

package hardware_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"

	"glance-profile/internal/property"
)

// testCase is what both Nova and the model are asked.
type testCase struct {
	Props      map[string]string `json:"props"`
	DiskFormat string            `json:"disk_format,omitempty"`
	ExtraSpecs map[string]string `json:"extra_specs,omitempty"`
	VCPUs      int               `json:"vcpus,omitempty"`
	VirtType   string            `json:"virt_type,omitempty"`
	// MachineTypes are as in nova.conf: x86_64=q35.
	MachineTypes []string `json:"machine_types,omitempty"`
	SEV          bool     `json:"sev,omitempty"`
	XML          bool     `json:"xml,omitempty"` // ask for the domain's XML too
}

// A choice of values; those that are written twice come twice as often.
type choice struct {
	name   string
	weight int
	values []string
}

func words(text string) []string { return strings.Fields(text) }

var (
	booleans = words("true true true true yes 1 on false false no 0 True FALSE maybe")
	counts   = words("1 1 2 2 4 3 0 -1 8 65537")
	buses    = words("virtio virtio virtio scsi scsi scsi sata sata usb ide ide fdc xen lxc uml")
)

// steering are the properties that steer the machine, with values that Nova
// takes for most of them.
var steering = []choice{
	{"hw_machine_type", 10, words("q35 q35 q35 q35 q35 pc pc pc-q35-2.11 pc-i440fx-2.11 pc-i440fx-2.5 pc-q35-9.2 virt isapc xenfv Q35 pseries microvm")},
	{"hw_firmware_type", 8, words("uefi uefi uefi uefi bios")},
	{"os_secure_boot", 5, words("required required optional disabled")},
	{"hw_firmware_stateless", 2, booleans},
	{"hw_disk_bus", 9, buses},
	{"hw_cdrom_bus", 5, words("sata sata scsi scsi usb ide virtio fdc xen")},
	{"hw_scsi_model", 6, words("virtio-scsi virtio-scsi virtio-scsi lsilogic lsisas1068 lsisas1078 vmpvscsi buslogic ibmvscsi")},
	{"vmware_adaptertype", 2, words("lsiLogic busLogic ide paraVirtual lsiLogicsas virtual")},
	{"hw_vif_model", 8, words("virtio virtio virtio e1000 e1000e rtl8139 pcnet ne2k_pci vmxnet3 igb spapr-vlan lan9118 sriov vmxnet netfront VirtualE1000 Virtio")},
	{"hw_vif_multiqueue_enabled", 4, booleans},
	{"hw_virtio_packed_ring", 3, booleans},
	{"hw_rng_model", 3, words("virtio virtio virtio haveged")},
	{"hw_qemu_guest_agent", 5, booleans},
	{"os_require_quiesce", 2, booleans},
	{"hw_tpm_version", 4, words("2.0 2.0 2.0 1.2 2")},
	{"hw_tpm_model", 4, words("tpm-tis tpm-crb tpm-crb tpm-spapr")},
	{"hw_video_model", 5, words("virtio vga cirrus vmvga bochs qxl none gop xen std")},
	{"hw_video_ram", 2, words("0 0 16 -4 64MB")},
	{"hw_input_bus", 4, words("usb virtio virtio ps2")},
	{"hw_pointer_model", 2, words("usbtablet usbtablet ps2")},
	{"hw_watchdog_action", 4, words("reset poweroff pause none disabled shutdown")},
	{"hw_serial_port_count", 2, words("1 2 3 4 x")},
	{"os_type", 8, words("windows windows windows linux linux linux Windows Linux bsd")},
	{"hw_time_hpet", 3, booleans},
	{"img_hide_hypervisor_id", 3, booleans},
	{"hw_pmu", 3, booleans},
	{"hw_boot_menu", 3, booleans},
	{"hw_cpu_sockets", 3, counts}, {"hw_cpu_cores", 3, counts}, {"hw_cpu_threads", 3, counts},
	{"hw_cpu_max_sockets", 2, counts}, {"hw_cpu_max_cores", 2, counts}, {"hw_cpu_max_threads", 2, counts},
	{"hw_cpu_policy", 3, words("dedicated dedicated shared shared mixed isolated")},
	{"hw_cpu_thread_policy", 2, words("prefer isolate require")},
	{"hw_cpu_realtime_mask", 1, words("^0 ^0-1 0-1 x")},
	{"hw_mem_page_size", 1, words("large any small 2048 2MB 1GB foo")},
	{"hw_locked_memory", 2, words("false false no true")},
	{"hw_mem_encryption", 2, words("true true false")},
	{"hw_numa_nodes", 2, words("1 1 2 2 3 0 -1 4")},
	{"hw_numa_cpus.0", 1, words("0 0 0-1 0,1 1 ^0 3")},
	{"hw_numa_cpus.1", 1, words("1 1 0 0-1 2")},
	{"hw_numa_mem.0", 1, words("1024 1024 2048 512")},
	{"hw_numa_mem.1", 1, words("1024 1024 512 1G")},
	{"hw_pci_numa_affinity_policy", 2, words("socket required preferred legacy none")},
	{"hw_viommu_model", 3, words("intel intel auto virtio smmuv3 amd")},
	{"hw_maxphysaddr_mode", 2, words("emulate emulate passthrough none")},
	{"hw_maxphysaddr_bits", 2, words("42 39 0 -1 x")},
	{"architecture", 4, words("x86_64 x86_64 x86_64 x86_64 i686 i386 aarch64 aarch64 ppc64le s390x armv7l mips riscv64 arm64")},
	{"hw_architecture", 2, words("x86_64 x86_64 i686 aarch64 ppc64 mips64el alpha amd64 armv6 armv7l")},
	{"hw_emulation_architecture", 2, words("aarch64 aarch64 x86_64 ppc64le s390x mipsel riscv64 i686 sparc")},
	{"img_config_drive", 6, words("mandatory mandatory mandatory optional true")},
	{"kernel_id", 2, words("5a1f0a52-7f0b-4b6a-9d3a-0123456789ab 5a1f0a52-7f0b-4b6a-9d3a-0123456789ab nokernel")},
	{"ramdisk_id", 1, words("5a1f0a52-7f0b-4b6a-9d3a-0123456789ac")},
	{"os_command_line", 2, words("quiet console=ttyS0")},
	{"vm_mode", 2, words("hvm hvm xen exe uml HV")},
	{"hw_vm_mode", 1, words("hvm xen exe pv")},
	{"img_hv_type", 2, words("kvm qemu QEMU vmware xapi powervm")},
	{"hypervisor_type", 1, words("kvm qemu xen")},
	{"hypervisor_version_requires", 1, words(">=2.6 >=2.6,<3.0 >=2 >=6.2.0.1 2.6")},
	{"img_hv_requested_version", 1, words(">=6.2 <9.0 >2.6,<3")},
	{"trait:HW_CPU_X86_AVX2", 2, words("required required required no")},
	{"trait:HW_CPU_HYPERTHREADING", 1, words("required")},
	{"trait:CUSTOM_GOLD", 1, words("required")},
	{"hw_rescue_bus", 2, words("virtio usb sata xen")},
	{"hw_rescue_device", 2, words("disk cdrom floppy tape")},
	{"hw_floppy_bus", 1, words("fdc virtio")},
	{"hw_ephemeral_encryption", 1, booleans},
	{"hw_ephemeral_encryption_format", 1, words("luks luksv2 plain")},
	{"hw_sound_model", 1, words("ich9 virtio")},
	{"hw_usb_model", 1, words("qemu-xhci")},
	{"os_distro", 4, words("ubuntu debian windows win2k22 fedora39")},
	{"os_version", 3, words("24.04 12 2022")},
	{"os_admin_user", 1, words("root Administrator")},
	{"cinder_encryption_key_id", 1, words("5a1f0a52-7f0b-4b6a-9d3a-0123456789ab")},
	{"hw_sockets", 1, words("2")},
	{"owner_specified.x", 1, words("y")},
}

// oddTexts are values that suit hardly any property.
var oddTexts = []string{"", " ", "none", "auto", "x86_64", "Q35", "virtio ", "\x1b[31m", "é", "99999999999999999999"}

// generate makes cases: sets of properties over all that steers the machine, most
// of them valid, and sets that lie around machines that are well known.
func generate(r *rand.Rand, n int) []testCase {
	total := 0
	for _, c := range steering {
		total += c.weight
	}
	draw := func() choice {
		at := r.IntN(total)
		for _, c := range steering {
			if at -= c.weight; at < 0 {
				return c
			}
		}
		panic("weights do not add up")
	}
	bases := []map[string]string{
		{}, {}, {"hw_machine_type": "q35", "hw_firmware_type": "uefi"},
		{"hw_machine_type": "q35", "hw_firmware_type": "uefi", "os_secure_boot": "required", "os_type": "windows"},
		{"hw_disk_bus": "scsi", "hw_scsi_model": "virtio-scsi"}, {"architecture": "aarch64", "hw_firmware_type": "uefi"},
		{"os_type": "linux", "hw_disk_bus": "virtio", "hw_vif_model": "virtio", "hw_qemu_guest_agent": "yes"},
		{"hw_machine_type": "q35"}, {"img_config_drive": "mandatory"},
		{"hw_emulation_architecture": "aarch64", "hw_machine_type": "virt"},
		{"hw_cpu_max_sockets": "1", "hw_cpu_max_cores": "1", "hw_cpu_max_threads": "1"},
		{"hw_numa_nodes": "2", "hw_numa_cpus.0": "0", "hw_numa_cpus.1": "1", "hw_numa_mem.0": "1024", "hw_numa_mem.1": "1024"},
	}
	cases := make([]testCase, n)
	for i := range cases {
		props := map[string]string{}
		for name, value := range bases[r.IntN(len(bases))] {
			props[name] = value
		}
		for range []int{0, 1, 2, 3, 4, 5, 7, 10, 14}[r.IntN(9)] {
			c := draw()
			value := c.values[r.IntN(len(c.values))]
			switch r.IntN(150) {
			case 0:
				value = oddTexts[r.IntN(len(oddTexts))]
			case 1:
				value = strings.ToUpper(value)
			case 2: // any value that the table knows, and so some refused ones
				if d, ok := property.Lookup(c.name); ok && len(d.Values) > 0 {
					value = d.Values[r.IntN(len(d.Values))]
				}
			}
			props[c.name] = value
		}
		cases[i].Props = props
		if r.IntN(8) == 0 {
			cases[i].DiskFormat = "iso"
		}
	}
	return cases
}

// singles are every value that the table knows of every property that Nova reads,
// alone and on three machines.
func singles() []testCase {
	var cases []testCase
	for _, name := range property.Names() {
		d, _ := property.Lookup(name)
		if !slices.Contains(d.Consumers, "nova") || d.Type == property.String && name != "hw_machine_type" {
			continue
		}
		values := slices.Concat(d.Values, d.Suggested)
		for _, pairs := range [][]property.Pair{d.Aliases, d.Never, d.KVMRefuses, d.ValuesSince} {
			for _, p := range pairs {
				values = append(values, p.Value)
			}
		}
		switch d.Type {
		case property.Bool:
			values = words("true false maybe")
		case property.Int:
			values = words("0 1 2 3 -1 100000 x")
		}
		slices.Sort(values)
		for _, value := range slices.Compact(values) {
			for _, base := range []map[string]string{
				{}, {"hw_machine_type": "q35", "hw_firmware_type": "uefi"}, {"architecture": "aarch64", "img_config_drive": "mandatory"},
			} {
				props := maps.Clone(base)
				props[name] = value
				cases = append(cases, testCase{Props: props})
			}
		}
	}
	return cases
}

// pairs are two or three properties with any values that the table knows.
func pairs(r *rand.Rand, n int) []testCase {
	all := singles()
	cases := make([]testCase, n)
	for i := range cases {
		cases[i].Props = map[string]string{}
		for range 2 + r.IntN(2) {
			maps.Copy(cases[i].Props, all[r.IntN(len(all))].Props)
		}
	}
	return cases
}

// specs are extra specs that compete with image properties.
var specs = []choice{
	{"hw:cpu_policy", 5, words("dedicated dedicated shared mixed odd")},
	{"hw:cpu_thread_policy", 3, words("prefer isolate require odd")},
	{"hw:mem_page_size", 5, words("large large any any small 2048 2MB 1GB 3MB foo 1.5MiB 64Kb")},
	{"hw:tpm_version", 3, words("2.0 1.2 2")}, {"hw:tpm_model", 3, words("tpm-crb tpm-tis x")},
	{"hw:boot_menu", 2, words("true no")}, {"hw:hide_hypervisor_id", 2, words("true false")}, {"hide_hypervisor_id", 1, words("true")},
	{"hw:watchdog_action", 2, words("reset disabled odd")}, {"hw:vif_multiqueue_enabled", 3, words("true false")},
	{"hw:cpu_sockets", 2, words("1 2 4 x")}, {"hw:cpu_cores", 2, words("1 2 4")}, {"hw:cpu_threads", 2, words("1 2")},
	{"hw:cpu_max_sockets", 2, words("1 2 4")}, {"hw:cpu_max_cores", 2, words("1 2 4")}, {"hw:cpu_max_threads", 2, words("1 2")},
	{"hw:locked_memory", 3, words("true false")}, {"hw:emulator_threads_policy", 2, words("share isolate odd")},
	{"hw:cpu_realtime", 2, words("yes yes no")}, {"hw:cpu_realtime_mask", 2, words("^0 ^0-1 0-9 x")}, {"hw:cpu_dedicated_mask", 2, words("^0 0-1 9 x")},
	{"hw:numa_nodes", 2, words("1 2 0 x")}, {"hw:numa_cpus.0", 1, words("0 0-1")}, {"hw:numa_mem.0", 1, words("2048 x")},
	{"hw:pmu", 2, words("true false")}, {"hw:mem_encryption", 2, words("true false")}, {"hw:serial_port_count", 2, words("1 2 x")},
	{"os:secure_boot", 3, words("required optional disabled odd")}, {"hw:virtio_packed_ring", 2, words("true false")},
	{"hw:maxphysaddr_mode", 2, words("emulate passthrough odd")}, {"hw:maxphysaddr_bits", 1, words("40 x")},
	{"hw:pci_numa_affinity_policy", 2, words("socket legacy odd")}, {"hw_rng:allowed", 2, words("false true")},
	{"hw_video:ram_max_mb", 2, words("64 0 x")}, {"hw:viommu_model", 2, words("intel auto")},
	{"trait:HW_CPU_HYPERTHREADING", 2, words("required forbidden")}, {"trait:CUSTOM_SILVER", 1, words("required forbidden")},
	{"resources:VCPU", 1, words("2")}, {"resources:PCPU", 1, words("2 3")},
}

// corners are cases that chance seldom meets.
func corners() []testCase {
	uefi := map[string]string{"hw_firmware_type": "uefi", "hw_machine_type": "q35", "hw_mem_encryption": "true", "hw_qemu_guest_agent": "yes", "hw_scsi_model": "virtio-scsi"}
	return []testCase{
		{Props: uefi}, {Props: uefi, SEV: true}, {Props: uefi, SEV: true, VirtType: "qemu"},
		{Props: map[string]string{"hw_firmware_type": "uefi", "hw_mem_encryption": "true"}, SEV: true},
		{Props: map[string]string{"hw_firmware_type": "uefi", "hw_mem_encryption": "true", "architecture": "mips"}, SEV: true},
		{Props: map[string]string{"hw_video_ram": "16"}, ExtraSpecs: map[string]string{"hw_video:ram_max_mb": "64"}},
		{Props: map[string]string{"hw_video_ram": "-16"}, ExtraSpecs: map[string]string{"hw_video:ram_max_mb": "64"}},
		{Props: map[string]string{"hw_cpu_max_sockets": "1", "hw_cpu_max_cores": "2"}, VCPUs: 4},
		{Props: map[string]string{"hw_cpu_max_sockets": "1", "hw_cpu_max_cores": "2", "hw_cpu_max_threads": "1"}, VCPUs: 4},
		{Props: map[string]string{"hw_cpu_sockets": "2", "hw_cpu_cores": "2", "hw_cpu_threads": "3"}, VCPUs: 12},
		{Props: map[string]string{"hw_cpu_cores": "5"}, VCPUs: 12}, {Props: map[string]string{"hw_cpu_threads": "2"}, VCPUs: 12},
		{Props: map[string]string{"hw_vif_multiqueue_enabled": "true"}, VCPUs: 1},
		{Props: map[string]string{"hw_cpu_policy": "mixed"}, ExtraSpecs: map[string]string{"hw:cpu_dedicated_mask": "^0"}},
		{Props: map[string]string{"hw_cpu_policy": "mixed"}, ExtraSpecs: map[string]string{"hw:cpu_dedicated_mask": "0", "hw:cpu_realtime": "yes", "hw:cpu_realtime_mask": "^0"}},
		{Props: map[string]string{"hw_cpu_policy": "dedicated", "hw_cpu_realtime_mask": "^1"}, ExtraSpecs: map[string]string{"hw:cpu_realtime": "yes"}},
		{Props: map[string]string{"hw_cpu_policy": "dedicated"}, ExtraSpecs: map[string]string{"hw:cpu_realtime": "yes", "hw:emulator_threads_policy": "share"}},
		{Props: map[string]string{"hw_cpu_policy": "dedicated", "hw_mem_page_size": "1GB"}, ExtraSpecs: map[string]string{"hw:mem_page_size": "large"}},
		{Props: map[string]string{"hw_locked_memory": "yes", "hw_mem_page_size": "16Mib"}, ExtraSpecs: map[string]string{"hw:mem_page_size": "any"}},
		{Props: map[string]string{"hw_numa_cpus.0": "0-99999,^5", "hw_numa_mem.0": "2048", "hw_numa_nodes": "1"}},
		{Props: map[string]string{"vmware_adaptertype": "paraVirtual", "hw_disk_bus": "virtio"}},
		{Props: map[string]string{"vmware_ostype": "ubuntu64Guest", "vmware_adaptertype": ""}},
		{Props: map[string]string{"architecture": "amd64", "hw_architecture": "aarch64"}},
		{Props: map[string]string{"vm_mode": "pv", "hw_vm_mode": "hvm", "hw_input_bus": "virtio"}},
		{Props: map[string]string{"hypervisor_type": "xapi", "img_hv_type": "KVM"}},
		{Props: map[string]string{"trait:": "required", "trait:lower": "required", "trait1:X": "required"}},
		{Props: map[string]string{"os_command_line": "quiet", "kernel_id": "5a1f0a52-7f0b-4b6a-9d3a-0123456789ab"}, VirtType: "qemu", DiskFormat: "iso"},
		{Props: map[string]string{"kernel_id": "5a1f0a52-7f0b-4b6a-9d3a-0123456789ab", "hw_disk_bus": "scsi"}, VirtType: "qemu"},
		{Props: map[string]string{"hw_maxphysaddr_mode": "emulate", "hw_emulation_architecture": "mipsel", "hw_machine_type": "malta"}},
	}
}

// compete are the properties that extra specs compete with.
var compete = words("hw_cpu_policy hw_cpu_thread_policy hw_mem_page_size hw_tpm_version hw_tpm_model hw_boot_menu img_hide_hypervisor_id hw_watchdog_action hw_vif_multiqueue_enabled hw_cpu_sockets hw_cpu_cores hw_cpu_max_sockets hw_cpu_max_cores hw_locked_memory hw_cpu_realtime_mask hw_numa_nodes hw_numa_cpus.0 hw_numa_mem.0 hw_pmu hw_mem_encryption hw_serial_port_count os_secure_boot hw_virtio_packed_ring hw_maxphysaddr_mode hw_maxphysaddr_bits hw_pci_numa_affinity_policy hw_video_ram hw_viommu_model")

// withFlavor adds to cases what a flavor and a host say.
func withFlavor(r *rand.Rand, cases []testCase) []testCase {
	byName := map[string]choice{}
	for _, c := range steering {
		byName[c.name] = c
	}
	for i := range cases {
		c := &cases[i]
		c.ExtraSpecs = map[string]string{}
		for range 1 + r.IntN(4) {
			spec := specs[r.IntN(len(specs))]
			c.ExtraSpecs[spec.name] = spec.values[r.IntN(len(spec.values))]
			// Most compete with a property of nearly the same name.
			if p, ok := byName[strings.Replace(spec.name, ":", "_", 1)]; ok && r.IntN(2) == 0 {
				c.Props[p.name] = p.values[r.IntN(len(p.values))]
			}
		}
		for range r.IntN(3) {
			p := byName[compete[r.IntN(len(compete))]]
			c.Props[p.name] = p.values[r.IntN(len(p.values))]
		}
		if r.IntN(3) == 0 {
			c.VCPUs = []int{1, 3, 4, 6, 8, 12}[r.IntN(6)]
		}
		if r.IntN(5) == 0 {
			c.VirtType = "qemu"
		}
		if r.IntN(5) == 0 {
			c.MachineTypes = [][]string{{"x86_64=q35"}, {"x86_64=q35", "i686=pc"}, {"aarch64=virt-5.0"}}[r.IntN(3)]
		}
		c.SEV = r.IntN(6) == 0
	}
	return cases
}

func (c testCase) String() string {
	return fmt.Sprintf("%q disk_format=%q specs=%q vcpus=%d virt_type=%q machine_types=%q sev=%t", c.Props, c.DiskFormat, c.ExtraSpecs, c.VCPUs, c.VirtType, c.MachineTypes, c.SEV)
}

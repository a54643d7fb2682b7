package hardware

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// startRule is one of libvirt's or QEMU's own rules: a machine that Nova builds
// and that never starts.
type startRule struct {
	message    string   // what libvirt or QEMU says
	change     string   // what to change
	properties []string // that are behind it, by their names of today
	breaks     func(*Machine) bool
}

// startRules are the rules for x86, as Debian 13's libvirt 11.3 and QEMU 10.0
// have them. The CPU's model and its address bits are left out, for they are the
// host's choice ([libvirt]cpu_mode), and so is the TPM, which wants swtpm there.
var startRules = [...]startRule{
	{
		"XML error: No PCI buses available", "the machine type is not one of x86 with PCI: set hw_machine_type=q35 or pc", []string{"hw_machine_type"},
		func(m *Machine) bool {
			return slices.Contains([]string{"virt", "isapc", "xenfv", "xenpv"}, m.MachineType)
		},
	},
	{
		"Emulator does not support machine type", "it is not one of x86, or older than QEMU still has: set hw_machine_type=q35 or pc", []string{"hw_machine_type"},
		func(m *Machine) bool {
			version, x86 := x86Machine(m.MachineType)
			return !x86 || version > 0 && version < 2004
		},
	},
	{
		"vmcoreinfo device requires fw_cfg with DMA", "versions up to 2.4 lack it: set hw_machine_type=q35 or pc", []string{"hw_machine_type"},
		func(m *Machine) bool {
			version, _ := x86Machine(m.MachineType)
			return m.VMCoreInfo && version == 2004
		},
	},
	{
		"Emulator does not support os type", "leave vm_mode out, or set vm_mode=hvm", []string{"hw_vm_mode"},
		func(m *Machine) bool { return m.osType != "hvm" },
	},
	{
		"Secure boot is supported for x86_64 architecture only", "set architecture=x86_64, which runs 32-bit systems as well, or os_secure_boot=disabled", []string{"os_secure_boot", "hw_architecture", "hw_emulation_architecture"},
		func(m *Machine) bool { return m.SecureBoot && m.Architecture != "x86_64" },
	},
	{
		"IDE controllers are unsupported for this QEMU binary or machine type", "q35 has no IDE: set hw_disk_bus to virtio, scsi or sata and hw_cdrom_bus to sata, or hw_machine_type=pc",
		[]string{"hw_disk_bus", "hw_cdrom_bus", "hw_machine_type"},
		func(m *Machine) bool { return m.q35() && m.anyDisk(func(d Disk) bool { return d.Bus == "ide" }) },
	},
	{
		"disk type does not support ejectable media", "a CD-ROM cannot be on virtio: set hw_cdrom_bus to sata, scsi or usb", []string{"hw_cdrom_bus"},
		func(m *Machine) bool {
			return m.anyDisk(func(d Disk) bool { return d.Device == "cdrom" && d.Bus == "virtio" })
		},
	},
	{
		"Invalid bus type 'fdc' for disk", "only floppy disks are on fdc: choose another bus", []string{"hw_disk_bus", "hw_cdrom_bus"},
		func(m *Machine) bool { return m.anyDisk(func(d Disk) bool { return d.Bus == "fdc" }) },
	},
	{
		"Unsupported controller model: buslogic", "set hw_scsi_model=virtio-scsi", []string{"hw_scsi_model"},
		func(m *Machine) bool { return m.scsiModel() == "buslogic" },
	},
	{
		"'spapr-vscsi' is not a valid device model name", "ibmvscsi is for POWER: set hw_scsi_model=virtio-scsi", []string{"hw_scsi_model"},
		func(m *Machine) bool { return m.scsiModel() == "ibmvscsi" },
	},
	{
		"bad scsi device lun: 1", "with vmpvscsi only the first device on scsi works: set hw_scsi_model=virtio-scsi, or hw_cdrom_bus to another bus", []string{"hw_scsi_model", "hw_disk_bus", "hw_cdrom_bus", "img_config_drive"},
		func(m *Machine) bool {
			return m.scsiModel() == "vmpvscsi" && m.anyDisk(func(d Disk) bool { return d.Bus == "scsi" && d.Name != "sda" })
		},
	},
	{
		"not a valid device model name", "that card is not one of x86: set hw_vif_model=virtio", []string{"hw_vif_model"},
		func(m *Machine) bool { return m.NIC.Model == "spapr-vlan" || m.NIC.Model == "lan9118" },
	},
	{
		"packed driver option is only supported for virtio devices", "set hw_vif_model=virtio, or remove hw_virtio_packed_ring", []string{"hw_vif_model", "hw_virtio_packed_ring"},
		func(m *Machine) bool { return m.NIC.Packed && m.NIC.Model != "virtio" },
	},
	{
		"domain configuration does not support this video model", "set hw_video_model to virtio or vga", []string{"hw_video_model"},
		func(m *Machine) bool { return m.Video == "gop" || m.Video == "xen" },
	},
	{
		"domain configuration does not support video model 'qxl'", "QEMU has it in its SPICE module, which Debian, for one, does not install by itself: set hw_video_model=virtio", []string{"hw_video_model"},
		func(m *Machine) bool { return m.Video == "qxl" },
	},
	{
		"iommu model doesn't support additional attributes", "Nova writes attributes that only intel takes: set hw_viommu_model=intel with hw_machine_type=q35", []string{"hw_viommu_model"},
		func(m *Machine) bool { return m.VIOMMU != nil && *m.VIOMMU != "intel" },
	},
}

// startRefusal returns why libvirt or QEMU would not start the machine, nil if
// they would.
func startRefusal(b *builder) *Refusal {
	m := &b.machine
	for _, rule := range startRules {
		if !rule.breaks(m) {
			continue
		}
		r := b.refuse("", rule.properties, "%s: %s", rule.message, rule.change)
		r.By, r.Source = ByStart, "libvirt and QEMU"
		return r
	}
	return nil
}

func (m *Machine) q35() bool { return strings.Contains(m.MachineType, "q35") }

func (m *Machine) anyDisk(is func(Disk) bool) bool { return slices.ContainsFunc(m.Disks, is) }

// scsiModel returns the model of the SCSI controller; "" where there is none,
// or libvirt chooses.
func (m *Machine) scsiModel() string {
	for _, c := range m.Controllers {
		if c.Type == "scsi" && c.Model != nil {
			return *c.Model
		}
	}
	return ""
}

var x86Version = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^pc(?:-i440fx|-q35)?-([0-9]+)\.([0-9]+)`)
})

// x86Machine tells whether a machine type is one of x86, and its version in
// thousands: 2004 is 2.4, 0 is whichever is the newest.
func x86Machine(name string) (version int, is bool) {
	if found := x86Version().FindStringSubmatch(name); found != nil {
		major, _ := strconv.Atoi(found[1])
		minor, _ := strconv.Atoi(found[2])
		return major*1000 + minor, true
	}
	return 0, name == "pc" || name == "q35" || strings.HasPrefix(name, "pc-")
}

// Package qemu turns a machine of package hardware into the QEMU command line
// that makes one with the same devices, for trying an image on one's own
// machine. It writes command lines; whether a machine is right is for package
// hardware to say.
package qemu

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"glance-profile/internal/hardware"
)

// Options are what a command line needs beside the machine.
type Options struct {
	Image    string // path of the disk image
	Format   string // its format, in QEMU's words; "" lets QEMU look
	VCPUs    int
	MemoryMB int  // MiB
	KVM      bool // the host's virtualization instead of emulation
	// Firmware is the folder that holds OVMF_CODE_4M.fd and its like; ""
	// is where Debian's package ovmf has them.
	Firmware string
}

// Line is a QEMU command line.
type Line struct {
	Args []string // the first is the program
	// Left names what of the machine is not in the line, each with the reason.
	Left []string
}

const debianFirmware = "/usr/share/OVMF"

// programs are QEMU's, by the architecture as Nova names it.
var programs = map[string]string{"i686": "i386", "x86_64": "x86_64", "aarch64": "aarch64", "ppc64le": "ppc64", "ppc64": "ppc64", "s390x": "s390x", "mipsel": "mipsel", "armv7l": "arm"}

// Command returns the line for a machine. The error says which device QEMU
// does not have.
func Command(m *hardware.Machine, o Options) (Line, error) {
	arch, ok := programs[m.Architecture]
	if !ok {
		return Line{}, fmt.Errorf("no QEMU of Debian is known for the architecture %q", m.Architecture)
	}
	b := &builder{m: m, o: o}
	b.add("qemu-system-" + arch)
	b.add("-name", "try,process=glance-profile-try", "-nodefaults", "-no-user-config")
	b.machine()
	b.processor()
	b.firmware()
	b.add("-rtc", "base="+m.Clock)
	if m.BootMenu {
		b.add("-boot", "menu=on")
	}
	if m.VIOMMU != nil {
		b.iommu(*m.VIOMMU)
	}
	for _, step := range []func() error{b.controllers, b.disks, b.nic, b.video, b.inputs} {
		if err := step(); err != nil {
			return Line{}, err
		}
	}
	b.others()
	return Line{Args: b.args, Left: b.left}, nil
}

type builder struct {
	m    *hardware.Machine
	o    Options
	args []string
	left []string
	usb  bool // a USB controller is there
}

func (b *builder) add(words ...string) { b.args = append(b.args, words...) }

// device adds a device with an id of its own, by which it can be found again.
func (b *builder) device(id, driver string, properties ...string) {
	b.add("-device", strings.Join(append([]string{driver, "id=" + id}, properties...), ","))
}

func (b *builder) leave(format string, args ...any) {
	b.left = append(b.left, fmt.Sprintf(format, args...))
}

func (b *builder) q35() bool { return strings.Contains(b.m.MachineType, "q35") }

func (b *builder) x86() bool { return b.m.Architecture == "x86_64" || b.m.Architecture == "i686" }

func (b *builder) machine() {
	options := []string{"type=" + b.m.MachineType}
	if b.o.KVM {
		options = append(options, "accel=kvm")
	} else {
		options = append(options, "accel=tcg")
	}
	if b.x86() {
		options = append(options, "smm="+onOff(b.m.SMM), "acpi="+onOff(b.m.ACPI))
	}
	if b.m.VIOMMU != nil && *b.m.VIOMMU == "smmuv3" {
		options = append(options, "iommu=smmuv3")
	}
	if b.m.VIOMMU != nil && *b.m.VIOMMU == "intel" && b.o.KVM {
		options = append(options, "kernel-irqchip=split")
	}
	b.add("-machine", strings.Join(options, ","))
	b.add("-m", strconv.Itoa(b.o.MemoryMB))
	if b.m.MemoryEncryption {
		b.leave("memory encryption: it wants an AMD host with SEV")
	}
	if b.m.PageSize != nil {
		b.leave("pages of size %s: they are the host's, and no device", *b.m.PageSize)
	}
	if b.m.LockedMemory {
		b.leave("locked memory: it is the host's, and no device")
	}
}

// hypervFlags are QEMU's names for libvirt's Hyper-V features.
var hypervFlags = map[string]string{
	"relaxed": "hv-relaxed", "vapic": "hv-vapic", "spinlocks": "hv-spinlocks=0x1fff", "vpindex": "hv-vpindex", "runtime": "hv-runtime",
	"synic": "hv-synic", "reset": "hv-reset", "frequencies": "hv-frequencies", "reenlightenment": "hv-reenlightenment",
	"tlbflush": "hv-tlbflush", "ipi": "hv-ipi", "evmcs": "hv-evmcs", "vendor_id": "hv-vendor-id=1234567890ab",
}

func (b *builder) processor() {
	cpu := []string{"max"}
	if b.o.KVM {
		cpu[0] = "host"
		if b.m.HideHypervisor {
			cpu = append(cpu, "kvm=off")
		}
		for _, feature := range b.m.HyperV {
			if flag := hypervFlags[feature]; flag != "" {
				cpu = append(cpu, flag)
			}
		}
		if b.m.PMU != nil {
			cpu = append(cpu, "pmu="+onOff(*b.m.PMU))
		}
	} else if len(b.m.HyperV) > 0 || b.m.HideHypervisor {
		b.leave("Hyper-V features and a hidden hypervisor: they are KVM's (--kvm)")
	}
	if a := b.m.MaxPhysAddr; a != nil && a.Bits != nil && b.x86() {
		cpu = append(cpu, "phys-bits="+strconv.FormatInt(*a.Bits, 10))
	}
	b.add("-cpu", strings.Join(cpu, ","))
	smp := strconv.Itoa(b.o.VCPUs)
	if t := b.m.CPU; t != nil {
		smp += fmt.Sprintf(",sockets=%d,cores=%d,threads=%d", t.Sockets, t.Cores, t.Threads)
	}
	b.add("-smp", smp)
}

func (b *builder) firmware() {
	if b.m.Firmware != "uefi" {
		return
	}
	folder := b.o.Firmware
	if folder == "" {
		folder = debianFirmware
	}
	code, vars := folder+"/OVMF_CODE_4M.fd", folder+"/OVMF_VARS_4M.fd"
	switch {
	case b.m.Architecture == "aarch64":
		code, vars = "/usr/share/AAVMF/AAVMF_CODE.fd", "/usr/share/AAVMF/AAVMF_VARS.fd"
	case b.m.SecureBoot:
		code, vars = folder+"/OVMF_CODE_4M.ms.fd", folder+"/OVMF_VARS_4M.ms.fd"
		b.add("-global", "driver=cfi.pflash01,property=secure,value=on")
	}
	b.add("-drive", "if=pflash,unit=0,format=raw,readonly=on,file="+escape(code))
	if !b.m.Stateless {
		b.add("-drive", "if=pflash,unit=1,format=raw,snapshot=on,file="+escape(vars))
	}
}

func (b *builder) iommu(model string) {
	switch model {
	case "intel":
		b.device("iommu", "intel-iommu", "intremap="+onOff(b.o.KVM))
	case "virtio":
		b.device("iommu", "virtio-iommu-pci")
	}
}

// scsiControllers are QEMU's names for libvirt's SCSI controllers.
var scsiControllers = map[string]string{
	"virtio-scsi": "virtio-scsi-pci", "lsilogic": "lsi53c895a", "lsisas1068": "mptsas1068", "lsisas1078": "megasas", "vmpvscsi": "pvscsi",
}

func (b *builder) controllers() error {
	scsi, sata, usb := false, false, len(b.m.Inputs) > 0
	for _, c := range b.m.Controllers {
		model := ""
		if c.Model != nil {
			model = *c.Model
		}
		switch c.Type {
		case "usb":
			usb = model != "none"
			if model != "" && model != "none" {
				b.device("usb", model)
				b.usb = true
			}
		case "scsi":
			if err := b.addSCSI(model); err != nil {
				return err
			}
			scsi = true
		}
	}
	for _, d := range b.m.Disks {
		sata = sata || d.Bus == "sata"
		usb = usb || d.Bus == "usb"
		if d.Bus == "scsi" && !scsi {
			if err := b.addSCSI(""); err != nil {
				return err
			}
			scsi = true
		}
	}
	// What libvirt adds by itself. q35 has a SATA controller on board.
	if sata && !b.q35() {
		b.device("sata", "ich9-ahci")
	}
	if usb && !b.usb {
		switch {
		case b.x86() && !b.q35():
			b.device("usb", "piix3-usb-uhci")
		default:
			b.device("usb", "qemu-xhci")
		}
		b.usb = true
	}
	return nil
}

func (b *builder) addSCSI(model string) error {
	if model == "" {
		model = "lsilogic" // libvirt's choice for a disk on scsi without a model
	}
	driver, ok := scsiControllers[model]
	if !ok {
		return fmt.Errorf("QEMU has no SCSI controller %q", model)
	}
	b.device("scsi", driver)
	return nil
}

func (b *builder) disks() error {
	ide, sata, target := 0, 0, 0
	for i, d := range b.m.Disks {
		id := "disk" + strconv.Itoa(i)
		cdrom := d.Device == "cdrom"
		switch {
		case i == 0:
			drive := "if=none,id=" + id + "-data,snapshot=on,file=" + escape(b.o.Image)
			if b.o.Format != "" {
				drive += ",format=" + b.o.Format
			}
			b.add("-drive", drive)
		case !cdrom: // the config drive as a disk, which is empty here
			b.add("-blockdev", "driver=null-co,read-zeroes=on,size=67108864,node-name="+id+"-data")
		}
		var properties []string
		if i == 0 || !cdrom {
			properties = append(properties, "drive="+id+"-data")
		}
		if i == 0 {
			properties = append(properties, "bootindex=1")
		}
		kind := map[bool]string{true: "cd", false: "hd"}[cdrom]
		switch d.Bus {
		case "virtio":
			if cdrom {
				return fmt.Errorf("a CD-ROM cannot be on virtio")
			}
			b.device(id, "virtio-blk-pci", properties...)
		case "scsi":
			b.device(id, "scsi-"+kind, append(properties, "bus=scsi.0", "scsi-id="+strconv.Itoa(target))...)
			target++
		case "ide":
			if b.q35() {
				return fmt.Errorf("machine type %s has no IDE", b.m.MachineType)
			}
			b.device(id, "ide-"+kind, append(properties, fmt.Sprintf("bus=ide.%d,unit=%d", ide/2, ide%2))...)
			ide++
		case "sata":
			bus := "sata." // the controller added above
			if b.q35() {
				bus = "ide." // the one on board
			}
			b.device(id, "ide-"+kind, append(properties, "bus="+bus+strconv.Itoa(sata))...)
			sata++
		case "usb":
			b.device(id, "usb-storage", properties...)
			if cdrom {
				b.leave("the CD-ROM on usb is a disk here")
			}
		default:
			return fmt.Errorf("QEMU has no disk on %q", d.Bus)
		}
	}
	return nil
}

func (b *builder) nic() error {
	model := b.m.NIC.Model
	if model == "virtio" {
		model = "virtio-net-pci"
	}
	properties := []string{"netdev=net0"}
	if b.m.NIC.Packed {
		properties = append(properties, "packed=on")
	}
	if b.m.NIC.Queues > 1 {
		b.leave("%d network queues: QEMU's user network has one", b.m.NIC.Queues)
	}
	b.add("-netdev", "user,id=net0,restrict=on")
	b.device("nic", model, properties...)
	return nil
}

// screens are QEMU's devices for libvirt's video models.
var screens = map[string]string{
	"vga": "VGA", "cirrus": "cirrus-vga", "qxl": "qxl-vga", "virtio": "virtio-vga", "bochs": "bochs-display", "vmvga": "vmware-svga",
}

func (b *builder) video() error {
	if b.m.Video == "none" || b.m.Video == "" {
		return nil
	}
	driver, ok := screens[b.m.Video]
	if !ok {
		return fmt.Errorf("QEMU has no video model %q", b.m.Video)
	}
	if !b.x86() && b.m.Video == "virtio" {
		driver = "virtio-gpu-pci"
	}
	var properties []string
	if b.m.VideoRAM != nil && (driver == "VGA" || driver == "qxl-vga") {
		properties = append(properties, "vgamem_mb="+strconv.FormatInt(powerOfTwo(*b.m.VideoRAM/1024), 10))
	}
	b.device("video", driver, properties...)
	return nil
}

// powerOfTwo is the next size that QEMU takes, in MiB.
func powerOfTwo(n int64) int64 {
	size := int64(1)
	for size < n {
		size *= 2
	}
	return size
}

func (b *builder) inputs() error {
	for _, input := range b.m.Inputs {
		driver := map[string]string{"usb": "usb-tablet", "virtio": "virtio-tablet-pci"}[input.Bus]
		if input.Type == "keyboard" {
			driver = map[string]string{"usb": "usb-kbd", "virtio": "virtio-keyboard-pci"}[input.Bus]
		}
		if driver == "" {
			continue // PS/2 is on board
		}
		b.device("input-"+input.Type, driver)
	}
	return nil
}

func (b *builder) others() {
	if b.m.RNG {
		b.add("-object", "rng-random,id=rng0,filename=/dev/urandom")
		b.device("rng", "virtio-rng-pci", "rng=rng0")
	}
	if b.m.AgentChannel {
		b.device("channels", "virtio-serial-pci")
		b.add("-chardev", "null,id=agent")
		b.device("agent", "virtserialport", "bus=channels.0", "chardev=agent", "name=org.qemu.guest_agent.0")
	}
	if b.m.TPM != nil {
		b.leave("TPM %s: it wants swtpm beside QEMU", b.m.TPM.Version)
	}
	if b.m.Watchdog != nil {
		if *b.m.Watchdog != "disabled" {
			b.add("-action", "watchdog="+*b.m.Watchdog)
		}
		b.device("watchdog", "i6300esb")
	}
	if b.m.VMCoreInfo {
		b.device("vmcoreinfo", "vmcoreinfo")
	}
	for i := range max(b.m.SerialPorts, 1) {
		if i == 0 {
			b.add("-serial", "stdio")
		} else {
			b.add("-serial", "null")
		}
	}
	if b.m.KernelCommandLine != nil {
		b.leave("the kernel and ramdisk of their own: they are images of Glance's")
	}
}

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

// escape writes a path for a comma-separated option: QEMU takes two commas for
// one.
func escape(path string) string { return strings.ReplaceAll(path, ",", ",,") }

// Devices are the drivers of a line's devices by their ids: what QEMU has to show
// under /machine/peripheral.
func (l Line) Devices() map[string]string {
	devices := map[string]string{}
	for i, word := range l.Args {
		if i == 0 || l.Args[i-1] != "-device" {
			continue
		}
		parts := strings.Split(word, ",")
		if j := slices.IndexFunc(parts, func(p string) bool { return strings.HasPrefix(p, "id=") }); j > 0 {
			devices[strings.TrimPrefix(parts[j], "id=")] = parts[0]
		}
	}
	return devices
}

package hardware

import (
	"fmt"
	"strings"
)

// Diff says, one line a part, what of the machine differs between two results,
// such as those of an image before and after a change: "root disk: hda on ide →
// vda on virtio". Nothing differs: no line.
func Diff(before, after Result) []string {
	var lines []string
	if a, b := verdict(before), verdict(after); a != b {
		lines = append(lines, a+" → "+b)
	}
	if before.Machine == nil || after.Machine == nil {
		return lines
	}
	a, b := parts(before.Machine), parts(after.Machine)
	for i := range a {
		if a[i].value != b[i].value {
			lines = append(lines, fmt.Sprintf("%s: %s → %s", a[i].name, a[i].value, b[i].value))
		}
	}
	return lines
}

// Summary says in one line what becomes of an image, and the parts of the
// machine that most depend on its properties.
func Summary(r Result) string {
	text := verdict(r)
	if r.Machine == nil {
		return text
	}
	for _, p := range parts(r.Machine) {
		switch p.name {
		case "machine type", "firmware", "root disk", "root CD-ROM", "SCSI controller", "NIC", "TPM":
			if p.value != "none" {
				text += "; " + p.name + " " + p.value
			}
		}
	}
	return text
}

// verdict says in a few words what becomes of an image.
func verdict(r Result) string {
	switch {
	case !r.Builds && r.Refusal != nil:
		return "Nova refuses it (" + r.Refusal.Message + ")"
	case r.Starts != nil && !*r.Starts && r.Refusal != nil:
		return "Nova builds it, but it does not start (" + r.Refusal.Message + ")"
	}
	return "Nova builds it"
}

type part struct{ name, value string }

// parts are those of a machine that an image's properties decide, in a fixed
// order and number.
func parts(m *Machine) []part {
	disks := map[string][]string{}
	for i, d := range m.Disks {
		kind := "config drive"
		switch {
		case i == 0 && d.Device == "cdrom":
			kind = "root CD-ROM"
		case i == 0:
			kind = "root disk"
		}
		disks[kind] = append(disks[kind], d.Name+" on "+d.Bus)
	}
	disk := func(kind string) part { return part{kind, orNone(strings.Join(disks[kind], ", "))} }
	var scsi []string
	for _, c := range m.Controllers {
		if c.Type == "scsi" && c.Model != nil {
			scsi = append(scsi, *c.Model)
		}
	}
	inputs := make([]string, len(m.Inputs))
	for i, input := range m.Inputs {
		inputs[i] = input.Type + " on " + input.Bus
	}
	firmware := m.Firmware
	if m.SecureBoot {
		firmware += " with Secure Boot"
	}
	if m.Stateless {
		firmware += ", stateless"
	}
	nic := m.NIC.Model
	if m.NIC.Queues > 1 {
		nic += fmt.Sprintf(", %d queues", m.NIC.Queues)
	}
	if m.NIC.Packed {
		nic += ", packed ring"
	}
	tpm := ""
	if m.TPM != nil {
		tpm = m.TPM.Version + " " + m.TPM.Model
	}
	cpu := ""
	if m.CPU != nil {
		cpu = fmt.Sprintf("%d sockets, %d cores, %d threads", m.CPU.Sockets, m.CPU.Cores, m.CPU.Threads)
	}
	watchdog := deref(m.Watchdog)
	if watchdog == "none" { // that is its action; the device is there
		watchdog = "there, without action"
	}
	pmu, videoRAM, address := "left to QEMU", "that of the model", "those of the CPU model"
	if m.PMU != nil {
		pmu = yesNo(*m.PMU)
	}
	if m.VideoRAM != nil {
		videoRAM = fmt.Sprintf("%d KiB", *m.VideoRAM)
	}
	if m.MaxPhysAddr != nil {
		address = m.MaxPhysAddr.String()
	}
	return []part{
		{"architecture", m.Architecture}, {"machine type", m.MachineType}, {"firmware", firmware},
		disk("root disk"), disk("root CD-ROM"), disk("config drive"), {"SCSI controller", orNone(strings.Join(scsi, ", "))},
		{"NIC", nic}, {"RNG", yesNo(m.RNG)}, {"guest agent channel", yesNo(m.AgentChannel)}, {"TPM", orNone(tpm)},
		{"video", m.Video}, {"video memory", videoRAM}, {"inputs", orNone(strings.Join(inputs, ", "))}, {"watchdog", orNone(watchdog)},
		{"serial ports", fmt.Sprint(m.SerialPorts)}, {"clock", m.Clock}, {"timers", orNone(strings.Join(m.Timers, ", "))},
		{"Hyper-V features", orNone(strings.Join(m.HyperV, ", "))}, {"CPU", orNone(cpu)}, {"PMU", pmu}, {"physical addresses", address}, {"hidden hypervisor", yesNo(m.HideHypervisor)},
		{"boot menu", yesNo(m.BootMenu)}, {"ACPI", yesNo(m.ACPI)}, {"page size", orNone(deref(m.PageSize))},
		{"locked memory", yesNo(m.LockedMemory)}, {"memory encryption", yesNo(m.MemoryEncryption)}, {"vIOMMU", orNone(deref(m.VIOMMU))},
		{"kernel command line", orNone(deref(m.KernelCommandLine))}, {"virtualization", m.VirtType},
	}
}

func orNone(text string) string {
	if text == "" {
		return "none"
	}
	return text
}

func yesNo(yes bool) string {
	if yes {
		return "yes"
	}
	return "no"
}

func deref(text *string) string {
	if text == nil {
		return ""
	}
	return *text
}

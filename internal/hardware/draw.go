package hardware

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Draw returns a result as a small tree for people, line by line: what becomes
// of the image, the machine with what decides each part, which hosts are asked
// for, and the properties without effect. With Explain each part names Nova's
// file and function too. Names and values stand in it as they are: who prints it
// makes them safe for a terminal.
func Draw(r Result) []string {
	lines := []string{heading(r)}
	if r.Refusal != nil {
		lines = append(lines, "  "+who(r.Refusal.By)+": "+r.Refusal.Message)
		if r.Explain && r.Refusal.Source != "" {
			lines = append(lines, "  see "+r.Refusal.Source)
		}
	}
	if r.Machine != nil {
		lines = append(lines, tree(r)...)
	}
	add := func(label string, items []string) {
		if len(items) > 0 {
			lines = append(lines, label+": "+strings.Join(items, ", "))
		}
	}
	add("traits that hosts must have", r.Traits.Always)
	add("traits by Nova's request filters", r.Traits.Requested)
	add("traits with the image prefilter on", r.Traits.Prefilter)
	var compared []string
	for _, c := range []struct {
		name  string
		value *string
	}{{"architecture", r.Filter.Architecture}, {"hypervisor type", r.Filter.HypervisorType}, {"vm_mode", r.Filter.VMMode}, {"QEMU's version", r.Filter.Version}} {
		if c.value != nil {
			compared = append(compared, c.name+" "+*c.value)
		}
	}
	add("ImagePropertiesFilter compares", compared)
	add("without effect", r.NoEffect)
	return lines
}

func heading(r Result) string {
	name := r.ImageName
	switch {
	case name == "":
		name = r.ImageID
	case r.ImageID != "":
		name += " (" + r.ImageID + ")"
	}
	if name != "" {
		name += ": "
	}
	text := name + "Nova " + string(r.Nova)
	switch {
	case !r.Builds:
		return text + " refuses it"
	case r.Starts == nil:
		return text + " builds it; whether it starts is not known for this architecture"
	case !*r.Starts:
		return text + " builds it, and it never starts"
	}
	return text + " builds it, and it starts"
}

func who(by Party) string {
	switch by {
	case ByValue:
		return "Nova takes no such value"
	case ByAPI:
		return "Nova's API refuses it"
	case ByDriver:
		return "the server ends in ERROR"
	}
	return "libvirt or QEMU refuses it"
}

// line is one part of the machine; field is that of its origin.
type line struct{ field, text string }

// tree draws the machine.
func tree(r Result) []string {
	m := r.Machine
	lines := []line{{"machine_type", m.MachineType + " machine, " + m.Architecture + ", " + m.VirtType}}
	add := func(field, label, value string) {
		if value != "" {
			lines = append(lines, line{field, label + ": " + value})
		}
	}
	add("firmware", "firmware", m.Firmware)
	if m.Firmware == "uefi" {
		add("secure_boot", "Secure Boot", onOff(m.SecureBoot, "on, with SMM", "off"))
	}
	add("stateless", "stateless firmware", onOff(m.Stateless, "on", ""))
	for i, d := range m.Disks {
		label := "root disk"
		switch {
		case i > 0:
			label = "config drive"
		case d.Device == "cdrom":
			label = "root CD-ROM"
		}
		add("disks", label, d.Name+" on "+d.Bus)
	}
	for _, c := range m.Controllers {
		model := "libvirt's default"
		if c.Model != nil {
			model = *c.Model
		}
		field := "controllers"
		if c.Model == nil {
			field = "" // nobody decides: it is there because a device needs it
		}
		add(field, c.Type+" controller", model)
	}
	nic := m.NIC.Model
	if m.NIC.Queues > 1 {
		nic += fmt.Sprintf(", %d queues", m.NIC.Queues)
	}
	add("nic", "network card", nic+onOff(m.NIC.Packed, ", packed ring", ""))
	add("rng", "random numbers", onOff(m.RNG, "virtio", "none"))
	add("agent_channel", "guest agent", onOff(m.AgentChannel, "a channel for it", "no channel"))
	if m.TPM != nil {
		add("tpm", "TPM", m.TPM.Version+" "+m.TPM.Model)
	}
	add("video", "video", m.Video)
	if m.VideoRAM != nil {
		add("video_ram", "video memory", fmt.Sprintf("%d KiB", *m.VideoRAM))
	}
	var inputs []string
	for _, input := range m.Inputs {
		inputs = append(inputs, input.Type+" on "+input.Bus)
	}
	add("inputs", "input", orNone(strings.Join(inputs, ", ")))
	add("watchdog", "watchdog", deref(m.Watchdog))
	add("serial_ports", "serial ports", fmt.Sprint(m.SerialPorts))
	add("clock", "clock", m.Clock)
	add("timers", "timers", orNone(strings.Join(m.Timers, ", ")))
	add("hyperv", "Hyper-V features", strings.Join(m.HyperV, ", "))
	if m.CPU != nil {
		add("cpu", "CPU", count(m.CPU.Sockets, "socket")+" × "+count(m.CPU.Cores, "core")+" × "+count(m.CPU.Threads, "thread"))
	}
	add("hide_hypervisor", "hypervisor", onOff(m.HideHypervisor, "hidden from the guest", ""))
	if m.PMU != nil {
		add("pmu", "PMU", onOff(*m.PMU, "on", "off"))
	}
	if m.MaxPhysAddr != nil {
		add("max_phys_addr", "physical addresses", m.MaxPhysAddr.String())
	}
	add("page_size", "memory pages", deref(m.PageSize))
	add("locked_memory", "memory", onOff(m.LockedMemory, "locked", ""))
	o := r.Origins["memory_encryption"]
	add("memory_encryption", "memory encryption", onOff(m.MemoryEncryption, "on", onOff(o.Host, "off", "")))
	add("viommu", "vIOMMU", deref(m.VIOMMU))
	add("boot_menu", "boot menu", onOff(m.BootMenu, "on", ""))
	add("kernel_command_line", "kernel", deref(m.KernelCommandLine))

	width := 0
	for _, l := range lines {
		if n := utf8.RuneCountInString(l.text); n <= maxPart {
			width = max(width, n)
		}
	}
	drawn := make([]string, len(lines))
	for i, l := range lines {
		branch := "  ├─ "
		switch i {
		case 0:
			branch = "  "
		case len(lines) - 1:
			branch = "  └─ "
		}
		drawn[i] = branch + l.text
		if o, ok := r.Origins[l.field]; ok {
			pad := width + utf8.RuneCountInString("  └─ ") - utf8.RuneCountInString(drawn[i])
			drawn[i] += strings.Repeat(" ", max(pad, 0)) + cause(o, r.Explain)
		}
	}
	return drawn
}

// maxPart is the length of a part up to which causes are lined up.
const maxPart = 48

// cause says what decides a part.
func cause(o Origin, explain bool) string {
	text := strings.Join(o.From, ", ")
	if len(o.From) == 0 {
		text = onOff(o.Host, "the host's choice", "default")
	}
	if o.Default != nil && *o.Default != "" && (explain || len(o.From) > 0) {
		text += ": " + *o.Default
	}
	if explain {
		text += " [" + o.Source + "]"
	}
	return "  ← " + text
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func onOff(on bool, yes, no string) string {
	if on {
		return yes
	}
	return no
}

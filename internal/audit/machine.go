package audit

import (
	"maps"
	"slices"
	"strings"

	"glance-profile/internal/hardware"
	"glance-profile/internal/image"
	"glance-profile/internal/property"
)

// What Nova, libvirt and QEMU make of an image is not written down as rules: it
// is asked of package hardware, with the default flavor and Nova's defaults.

const noEffect = "no-effect"

// machineRules are what hardware's answers are told under.
var machineRules = [...]Rule{
	{
		ID: "refused-by-nova-api", Severity: property.Error,
		Title:     "Nova's API must accept the image",
		Why:       "The API answers every request to create a server with an error (400 or 403), at least with a flavor that says nothing about it.",
		Example:   "hw_cpu_thread_policy=isolate without hw_cpu_policy=dedicated",
		Mend:      "Do what the message says. If the flavor is meant to supply what is missing, as for hw_mem_page_size, ignore the rule for the image in a policy.",
		Reference: "nova/compute/api.py _validate_flavor_image_nostatus",
	},
	{
		ID: "refused-by-nova-libvirt", Severity: property.Error,
		Title:     "Nova's scheduler and libvirt driver must accept the image",
		Why:       "The API accepts the request, and then the server ends in ERROR on every host.",
		Example:   "os_secure_boot=required, hw_firmware_type=uefi without hw_machine_type=q35",
		Mend:      "Do what the message says. If all hosts have other defaults, such as the machine type q35, ignore the rule for the image in a policy.",
		Reference: "nova/virt/libvirt/driver.py _get_guest_config",
	},
	{
		ID: "does-not-start", Severity: property.Error,
		Title:     "libvirt and QEMU must start the virtual machine that Nova builds",
		Why:       "Nova builds the virtual machine, libvirt or QEMU refuses to start it, and the server ends in ERROR.",
		Example:   "hw_disk_bus=ide, hw_machine_type=q35",
		Mend:      "Do what the message says; glance-profile hardware IMAGE shows the virtual machine.",
		Reference: "libvirt 11.3 and QEMU 10.0 on x86",
	},
	{
		ID: "encrypted-volume-image", Severity: property.Info,
		Title:     "an image of an encrypted volume boots only as a volume",
		Why:       "Nova refuses to boot a server from the image itself; a server boots from a volume made of it.",
		Example:   "cinder_encryption_key_id=KEY",
		Mend:      "Leave the image as it is: create a volume from it (openstack volume create --image) and boot the server from that volume.",
		Reference: "nova/compute/api.py API._detect_nonbootable_image_from_properties",
	},
}

// refusalRule is the rule for each party's refusal. What ImageMetaProps refuses
// is found value by value.
var refusalRule = map[hardware.Party]string{
	hardware.ByAPI: "refused-by-nova-api", hardware.ByDriver: "refused-by-nova-libvirt", hardware.ByStart: "does-not-start",
}

// maxRemembered bounds the values of machines that are remembered, in bytes.
const maxRemembered = 256

// machine tells what hardware makes of the image: who refuses it, or which
// properties change nothing. Most images of a catalog make one of a few machines.
func (a *Auditor) machine(s subject) []Finding {
	texts := make([]string, 1, 32)
	texts[0] = s.DiskFormat
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		if _, known := property.Lookup(name); known {
			texts = append(texts, name, s.Properties[name])
		}
	}
	for _, text := range texts {
		if len(text) > maxRemembered {
			return a.build(s) // what is remembered holds values
		}
	}
	key := digestOf(texts...)
	return a.machines.Get(string(key[:]), func() []Finding { return a.build(s) })
}

func (a *Auditor) build(s subject) []Finding {
	o := hardware.Options{Nova: a.o.Nova}
	r := hardware.BuildJudged(s.Image, o, s.judged)
	switch {
	case r.Refusal == nil:
		return s.idle(r)
	case r.Refusal.By == hardware.ByValue:
		return nil
	case r.Refusal.By != hardware.ByAPI && !s.runsOnKVM():
		return nil // the scheduler never sends it to a host of that driver
	case r.Refusal.By == hardware.ByDriver && r.Refusal.Exception == "InvalidMachineType" && !s.x86() &&
		(s.has("hw_machine_type") || hardware.DefaultMachine(s.architecture()) != ""):
		return nil // not a machine of the x86 host that is taken for granted; hosts of the architecture have it
	case slices.Equal(r.Refusal.Properties, []string{"cinder_encryption_key_id"}):
		f := s.finding(lookUp(machineRules[:], "encrypted-volume-image"), hit{property: "cinder_encryption_key_id", message: "Nova does not boot a server from the image of an encrypted volume: create a volume from it and boot from that"})
		f.RejectedBy = string(r.Refusal.By)
		// What else there is, is seen without it.
		rest := s
		rest.Image, rest.values = s.Clone(), map[string]string{}
		delete(rest.Properties, "cinder_encryption_key_id")
		return append(a.build(rest), f)
	}
	fix := s.cure(o, r.Refusal)
	f := Finding{
		Rule: refusalRule[r.Refusal.By], Severity: property.Error, Property: blamed(r.Refusal, fix), Message: r.Refusal.Message,
		Reference: r.Refusal.Source, RejectedBy: string(r.Refusal.By), Fix: fix, also: r.Refusal.Properties,
	}
	f.Value = s.text(f.Property)
	return []Finding{f}
}

// settings are properties that others go by: where one of the others is behind a
// refusal too, that is the one that asks for more than there is.
var settings = []string{"architecture", "hw_architecture", "hw_emulation_architecture", "hw_firmware_type", "hw_machine_type", "disk_format"}

// blamed is the property that a refusal is filed under: one that its cure
// changes, else the first that is behind it and is more than a setting.
func blamed(r *hardware.Refusal, fix []Fix) string {
	for _, f := range fix {
		if slices.Contains(r.Properties, f.Property) {
			return f.Property
		}
	}
	first := ""
	for _, name := range r.Properties {
		switch {
		case strings.Contains(name, ":") && !strings.HasPrefix(name, "trait:"): // the flavor's
		case !slices.Contains(settings, name):
			return name
		case first == "":
			first = name
		}
	}
	return first
}

// runsOnKVM reports whether the image goes to hosts with KVM or QEMU: it names
// no other hypervisor.
func (s subject) runsOnKVM() bool {
	hypervisor := s.value("img_hv_type")
	return hypervisor == "" || hypervisor == "kvm" || hypervisor == "qemu"
}

// cures are changes that give a refused machine what is usual for it, the least
// one first. Only one that hardware then builds and starts is proposed.
var cures = [...]struct {
	property string
	after    any
	linux    any // instead, for Linux, which brings all VirtIO drivers
	windows  any // instead, for Windows, which brings none of them
}{
	{property: "hw_tpm_version", after: "2.0"},
	{property: "hw_cdrom_bus", after: "sata"},
	{property: "hw_disk_bus", after: "sata", linux: "virtio"},
	{property: "hw_scsi_model", after: "virtio-scsi", windows: "lsilogic"},
	{property: "hw_vif_model", after: "virtio", windows: "e1000"},
	{property: "hw_video_model", after: "virtio", windows: "vga"},
	{property: "vm_mode"},
	{property: "hw_vm_mode"},
	{property: "hw_machine_type", after: "q35"},
	{property: "hw_machine_type", after: "pc"},
}

// cure finds the change that makes hosts take the image. One that no property
// of the refusal is about is tried only where a property that is not there is
// the cause.
func (s subject) cure(o hardware.Options, r *hardware.Refusal) []Fix {
	for _, c := range cures {
		after := c.after
		switch {
		case s.is("os_type", "windows") && c.windows != nil:
			after = c.windows
		case s.is("os_type", "linux") && c.linux != nil:
			after = c.linux
		}
		behind := slices.Contains(r.Properties, c.property)
		if !behind && (s.has(c.property) || c.property != "hw_machine_type") || c.property == "hw_machine_type" && !s.x86() {
			continue
		}
		mended := image.Image{DiskFormat: s.DiskFormat, Properties: s.Clone().Properties}
		if text, ok := after.(string); ok {
			mended.Properties[c.property] = text
		} else {
			delete(mended.Properties, c.property)
		}
		if hardware.Build(mended, o).Refusal == nil {
			return s.fixes([]Fix{{Property: c.property, After: after}})
		}
	}
	return nil
}

// needs says what a property wants beside it to change anything; flavor says
// that a flavor can make it good.
var needs = map[string]struct {
	what   string
	flavor bool
}{
	"hw_cpu_realtime_mask":           {"hw:cpu_realtime=yes in the flavor", true},
	"hw_ephemeral_encryption_format": {"hw_ephemeral_encryption=true", true},
	"hw_maxphysaddr_bits":            {"hw_maxphysaddr_mode", true},
	"hw_tpm_model":                   {"hw_tpm_version", true},
	"hw_vif_multiqueue_enabled":      {"a network card of the model virtio (hw_vif_model=virtio)", false},
	"os_command_line":                {"kernel_id", false},
	"hw_pointer_model":               {"removing hw_input_bus, which takes precedence", false},
}

// actElsewhere are properties that are at work outside the machine, or only at
// times: at a rescue, a snapshot, with a volume, with a flavor or on a host that
// asks for them.
var actElsewhere = map[string]bool{
	"auto_disk_config": true, "backup_type": true, "base_image_ref": true, "bdm_v2": true, "hw_floppy_bus": true,
	"hw_pci_numa_affinity_policy": true, "hw_rescue_bus": true, "hw_rescue_device": true, "hw_serial_port_count": true, "image_type": true,
	"img_signature": true, "img_signature_certificate_uuid": true, "img_signature_hash_method": true, "img_signature_key_type": true,
	"os_admin_user": true, "os_secure_boot": true, "os_distro": true, "os_require_quiesce": true, "os_shutdown_timeout": true, "ramdisk_id": true,
	"hw_mem_encryption_model": true, // a rule of its own
	// Those of VMware, for which there is a rule too.
	"hw_disk_type": true, "img_linked_clone": true, "vmware_disktype": true, "vmware_linked_clone": true, "vmware_ostype": true,
}

// idle tells which of Nova's properties change nothing in the machine.
func (s subject) idle(r hardware.Result) []Finding {
	if !r.Builds || !s.runsOnKVM() {
		return nil
	}
	var findings []Finding
	for _, name := range r.NoEffect {
		d, known := property.Lookup(name)
		if !known || d.Effect != property.Active || !slices.Contains(d.Consumers, "nova") || actElsewhere[name] || !property.Nova(r.Nova.Major()).Knows(d) {
			continue
		}
		f := Finding{Rule: noEffect, Severity: property.Warning, Property: name, Value: s.Properties[name], Reference: d.Source}
		need := needs[name]
		switch {
		case d.Current == "" && need.what == "" && strings.HasPrefix(name, "hw_numa_"):
			need.what, need.flavor = "hw_numa_nodes", true
		case need.what == "" && d.Current != "":
			need = needs[d.Current]
		}
		switch {
		case need.what != "":
			f.Message = name + " has no effect without " + need.what
			if need.flavor && !strings.Contains(need.what, "flavor") {
				f.Message += ", unless the flavor has it"
			}
			if strings.Contains(need.what, "flavor") {
				f.Severity = property.Info
			}
		default:
			f.Severity = property.Info
			f.Message = name + " has no effect in this virtual machine"
		}
		findings = append(findings, f)
	}
	if s.is("os_secure_boot", "optional") && !r.Machine.SecureBoot {
		findings = append(findings, Finding{
			Rule: noEffect, Severity: property.Info, Property: "os_secure_boot", Value: s.Properties["os_secure_boot"],
			Message:   "os_secure_boot=optional means no Secure Boot without hw_firmware_type=uefi and, on x86, hw_machine_type=q35",
			Reference: "nova/virt/libvirt/driver.py _configure_guest_by_virt_type",
		})
	}
	return findings
}

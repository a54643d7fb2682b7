package plan

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"glance-profile/internal/image"
)

// VirtioOptions choose what Virtio changes.
type VirtioOptions struct {
	// Bus is the disk bus to change to: virtio, or scsi with the virtio-scsi
	// model. Empty is virtio, but leaves a disk that is on virtio-scsi there: a
	// guest may have the driver of one of the two only.
	Bus        string
	RNG        bool // hw_rng_model=virtio too
	GuestAgent bool // hw_qemu_guest_agent=yes too
	// Leftovers removes the properties that Leftovers names.
	Leftovers bool
	// Force takes an image that does not say that it is Windows.
	Force bool
}

// snapshotMarks are properties that Nova gives an image made from a server and
// that no image has otherwise. Source: nova/compute/utils.py create_image,
// nova/compute/api.py _create_image.
var snapshotMarks = []string{
	"base_image_ref", "boot_roles", "image_location", "image_state", "image_type", "instance_uuid",
	"owner_project_name", "owner_user_name", "user_id",
}

// Leftovers names, sorted, the properties of an image that are a snapshot's
// memory of its server and of use to nobody afterwards. base_image_ref does
// harm: it counts as the image of a later server in its place
// (nova/compute/api.py, _populate_instance_for_create). What a snapshot of a
// server on a volume needs to boot is not among them.
func Leftovers(img image.Image) []string {
	var found []string
	for _, name := range append(slices.Clone(snapshotMarks), "owner_id") {
		if _, ok := img.Properties[name]; ok {
			found = append(found, name)
		}
	}
	if len(found) == 1 && found[0] == "owner_id" {
		return nil // by itself it may be the user's own
	}
	slices.Sort(found)
	return found
}

// Virtio plans the change of a Windows image from emulated to VirtIO devices.
// No change means that it has them already. The error is a refusal: why the
// image is not one to be changed, in one line. Warnings are for the user to
// judge. Whether the drivers are in the image is not known here.
func Virtio(img image.Image, o VirtioOptions) (p Image, warnings []string, err error) {
	if o.Bus != "" && o.Bus != "virtio" && o.Bus != "scsi" {
		return p, nil, fmt.Errorf("disk bus %q is neither virtio nor scsi", o.Bus)
	}
	if err := virtioRefusal(img, o.Force); err != nil {
		return p, nil, err
	}
	get := func(name string) string { return strings.ToLower(img.Properties[name]) }
	bus := o.Bus
	if bus == "" {
		bus = "virtio"
		if get("hw_disk_bus") == "scsi" && get("hw_scsi_model") == "virtio-scsi" {
			bus = "scsi"
		}
	}
	var wanted []Wanted
	want := func(name, value, why string) {
		if img.Properties[name] != value { // Nova takes no other case
			wanted = append(wanted, Wanted{name, value, why})
		}
	}
	if bus == "scsi" {
		want("hw_disk_bus", "scsi", "disks on the VirtIO SCSI controller")
	} else {
		want("hw_disk_bus", "virtio", "disks on VirtIO")
	}
	want("hw_scsi_model", "virtio-scsi", "the SCSI controller is VirtIO")
	want("hw_vif_model", "virtio", "network cards are VirtIO")
	if o.RNG {
		want("hw_rng_model", "virtio", "random numbers from the host")
	}
	if o.GuestAgent && !isTrue(get("hw_qemu_guest_agent")) {
		want("hw_qemu_guest_agent", "yes", "channel for the guest agent")
	}
	changes := len(wanted) > 0
	if o.Leftovers {
		for _, name := range Leftovers(img) {
			wanted = append(wanted, Wanted{name, nil, "left over from the server that the image was made of"})
		}
	}
	p = Set(img, wanted, false)
	if changes {
		warnings = virtioWarnings(img)
	}
	return p, warnings, nil
}

// isTrue reads a boolean as oslo.utils' strutils.bool_from_string does.
func isTrue(lower string) bool {
	return slices.Contains([]string{"1", "t", "true", "on", "y", "yes"}, strings.TrimSpace(lower))
}

// first returns the value, in lower case, of the first of the names that the
// image has.
func first(img image.Image, names ...string) string {
	for _, name := range names {
		if v, ok := img.Properties[name]; ok {
			return strings.ToLower(v)
		}
	}
	return ""
}

func virtioRefusal(img image.Image, force bool) error {
	if img.Status != "active" {
		return fmt.Errorf("the image is %s, not active: its data may not be what the drivers were installed in", img.Status)
	}
	if img.DiskFormat == "iso" {
		return errors.New("the image is an ISO: it is a CD-ROM to a server, which stays on its own bus")
	}
	system, distro := first(img, "os_type"), first(img, "os_distro")
	if windows := system == "windows" || system == "" && strings.HasPrefix(distro, "win"); !windows && !force {
		switch {
		case system != "":
			return fmt.Errorf("the image is not Windows: os_type is %q (--force migrates it all the same)", img.Properties["os_type"])
		case distro != "":
			return fmt.Errorf("the image is not Windows: os_distro is %q (--force migrates it all the same)", img.Properties["os_distro"])
		}
		return errors.New("the image does not say that it is Windows: set os_type=windows, or use --force")
	}
	if hypervisor := first(img, "img_hv_type", "hypervisor_type"); hypervisor != "" && hypervisor != "kvm" && hypervisor != "qemu" {
		return fmt.Errorf("the image is for the hypervisor %q, not for KVM: its servers get no VirtIO devices", hypervisor)
	}
	arch := first(img, "hw_emulation_architecture")
	if arch == "" {
		arch = first(img, "hw_architecture", "architecture")
	}
	return virtioMachine(first(img, "hw_machine_type"), first(img, "hw_firmware_type"), arch)
}

// virtioMachine refuses machine types that have no bus for VirtIO devices or
// do not start at all, and firmware that does not exist. Measured on libvirt
// 11.3 with QEMU 10: virt, isapc and xenfv on x86 end with "No PCI buses
// available", and pinned types as old as pc-1.0, pc-i440fx-2.3 and pc-q35-2.4
// do not start.
func virtioMachine(machine, firmware, arch string) error {
	arm := arch == "aarch64"
	x86 := arch == "" || arch == "x86_64" || arch == "i686"
	switch {
	case machine == "isapc", machine == "xenfv", strings.HasPrefix(machine, "xenfv-"),
		x86 && (machine == "virt" || strings.HasPrefix(machine, "virt-")):
		return fmt.Errorf("hw_machine_type=%s has no PCI bus for VirtIO devices on this architecture: servers would not start", machine)
	case strings.HasPrefix(machine, "pc-0."), strings.HasPrefix(machine, "pc-1."), oldMachine(machine):
		return fmt.Errorf("hw_machine_type=%s is too old: current hosts do not start it; use pc or q35 without a version", machine)
	case arm && firmware == "bios":
		return errors.New("hw_firmware_type=bios on aarch64 gives a server no firmware at all: it would not boot")
	}
	return nil
}

// oldMachine reports a versioned type that current QEMU no longer starts.
func oldMachine(machine string) bool {
	var major, minor int
	for family, last := range map[string]int{"pc-i440fx-": 3, "pc-q35-": 4} {
		version, ok := strings.CutPrefix(machine, family)
		if !ok {
			continue
		}
		if n, _ := fmt.Sscanf(version, "%d.%d", &major, &minor); n == 2 {
			return major < 2 || major == 2 && minor <= last
		}
	}
	return false
}

func virtioWarnings(img image.Image) []string {
	var warnings []string
	has := func(name string) bool { _, ok := img.Properties[name]; return ok }
	if !slices.ContainsFunc(snapshotMarks, has) {
		warnings = append(warnings, "the image bears no mark of a snapshot: drivers that were installed in a server are in that server, not in the image it came from; "+
			"make an image of the server (openstack server image create) and migrate that one")
	}
	if has("bdm_v2") || has("block_device_mapping") {
		warnings = append(warnings, "the image boots from snapshots of volumes: the disk bus that is written in its block device mapping and in those volumes stays as it was")
	}
	if secure := first(img, "os_secure_boot"); secure == "required" || secure == "optional" {
		warnings = append(warnings, "with Secure Boot (os_secure_boot="+secure+") Windows loads only drivers that Microsoft has signed")
	}
	return warnings
}

package audit

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"glance-profile/internal/hardware"
	"glance-profile/internal/property"
)

// eolSoon is how long before the end of an operating system's life it is told.
const eolSoon = 180 * 24 * time.Hour

// systemRules are about the operating system that the image says it holds: what
// it can drive, and how long it is looked after.
var systemRules = []Rule{
	{
		ID: "linux-without-virtio", Severity: property.Warning,
		Title:     "a Linux guest has its disk and its network card on VirtIO",
		Why:       "Linux brings the drivers, and emulated devices cost much of the disk's and the network's speed.",
		Example:   "os_type=linux, hw_disk_bus=ide, hw_vif_model=e1000",
		Mend:      "glance-profile apply --profile linux-virtio IMAGE; the device names change from sda to vda, for servers made afterwards.",
		Reference: "nova/virt/libvirt/blockinfo.py, vif.py; osinfo-db, devices of the system",
		check: func(s subject) []hit {
			if !s.is("os_type", "linux") || !s.runsOnKVM() {
				return nil
			}
			var hits []hit
			bus := s.value("hw_disk_bus")
			slow := slices.Contains([]string{"ide", "sata", "usb", "fdc"}, bus) || bus == "scsi" && s.has("hw_scsi_model") && !s.is("hw_scsi_model", "virtio-scsi")
			if slow && s.DiskFormat != "iso" {
				mend := []Fix{{Property: "hw_disk_bus", After: "virtio"}}
				if bus == "scsi" {
					mend = []Fix{{Property: "hw_scsi_model", After: "virtio-scsi"}}
				}
				hits = append(hits, hit{property: "hw_disk_bus", changes: s.ifDriven("virtio-block", "virtio1.0-block", mend),
					message: "the disk is emulated, though Linux brings the VirtIO driver: set hw_disk_bus=virtio, or scsi with hw_scsi_model=virtio-scsi"})
			}
			if card := s.value("hw_vif_model"); slices.Contains([]string{"e1000", "e1000e", "rtl8139", "pcnet", "ne2k_pci", "vmxnet3", "igb"}, card) {
				hits = append(hits, hit{property: "hw_vif_model", changes: s.ifDriven("virtio-net", "virtio1.0-net", []Fix{{Property: "hw_vif_model", After: "virtio"}}),
					message: "the network card is emulated, though Linux brings the VirtIO driver: set hw_vif_model=virtio"})
			}
			return hits
		},
	},
	{
		ID: "windows-on-emulated-devices", Severity: property.Info,
		Title:     "a Windows guest moves to VirtIO once its drivers are in",
		Why:       "IDE, SATA and e1000 are what Windows starts with; VirtIO is several times faster.",
		Example:   "os_type=windows, hw_disk_bus=ide, hw_vif_model=e1000",
		Mend:      "Install the VirtIO drivers in a server made from the image, make an image of that server, and glance-profile migrate-virtio it.",
		Reference: "nova/virt/libvirt/blockinfo.py, vif.py",
		check: func(s subject) []hit {
			if !s.is("os_type", "windows") || !s.runsOnKVM() {
				return nil
			}
			bus, card := s.value("hw_disk_bus"), s.value("hw_vif_model")
			message := "the devices are emulated: once the VirtIO drivers are in, migrate-virtio makes them several times faster"
			switch {
			case bus == "ide" || bus == "sata":
				return one("hw_disk_bus", "", message)
			case slices.Contains([]string{"e1000", "e1000e", "rtl8139"}, card):
				return one("hw_vif_model", "", message)
			}
			return nil
		},
	},
	{
		ID: "windows-on-default-devices", Severity: property.Warning,
		Title:     "a Windows image says which disk bus and network card it can drive",
		Why:       "Left open, Nova gives it VirtIO, for which Windows brings no driver: a blue screen, or no network.",
		Example:   "os_type=windows without hw_disk_bus",
		Mend:      "glance-profile apply --profile windows-compat IMAGE for one without VirtIO drivers, or --profile windows-virtio for one with them.",
		Reference: "nova/virt/libvirt/blockinfo.py get_disk_bus_for_device_type, vif.py",
		check: func(s subject) []hit {
			if !s.is("os_type", "windows") || !s.runsOnKVM() || s.hasAny("img_type", "vmware_adaptertype") {
				return nil
			}
			var missing []string
			for _, name := range []string{"hw_disk_bus", "hw_vif_model"} {
				if !s.has(name) && (name != "hw_disk_bus" || s.DiskFormat != "iso") {
					missing = append(missing, name)
				}
			}
			return when(len(missing) > 0, "os_type", "", strings.Join(missing, " and ")+" not set: Nova takes VirtIO, for which Windows brings no driver")
		},
	},
	{
		ID: "eol-reached", Severity: property.Warning,
		Title:     "the operating system is still looked after",
		Why:       "Its maker publishes no security updates any more.",
		Example:   "os_distro=debian, os_version=9",
		Mend:      "Offer a newer release; hide the image (glance-profile apply --hidden IMAGE) for those who still need it.",
		Reference: "osinfo-db, end of life",
		check: func(s subject) []hit {
			end, ok := s.endOfLife()
			if !ok || !end.Before(s.now) {
				return nil
			}
			return one("os_version", "", fmt.Sprintf("%s has had no updates since %s", s.osName(), end.Format(time.DateOnly)))
		},
	},
	{
		ID: "eol-near", Severity: property.Info,
		Title:     "the operating system is looked after for half a year yet",
		Why:       "Its maker ends the security updates soon.",
		Example:   "os_distro=fedora, os_version of a year ago",
		Mend:      "Prepare the image of the next release.",
		Reference: "osinfo-db, end of life",
		check: func(s subject) []hit {
			end, ok := s.endOfLife()
			if !ok || end.Before(s.now) || end.After(s.now.Add(eolSoon)) {
				return nil
			}
			return one("os_version", "", fmt.Sprintf("%s gets no updates after %s", s.osName(), end.Format(time.DateOnly)))
		},
	},
	{
		ID: "libosinfo-picks-card", Severity: property.Warning,
		Title:     "os_distro in libosinfo's words goes with hw_vif_model",
		Why:       "A Nova whose hosts have libosinfo takes the first network card of its database for that system instead of virtio: e1000e for many Linux releases.",
		Example:   "os_distro=ubuntu22.04 without hw_vif_model",
		Mend:      "Set hw_vif_model=virtio for a guest with the driver, or use Glance's word for the distribution (normalize).",
		Reference: "nova/virt/osinfo.py HardwareProperties",
		check: func(s subject) []hit {
			distro := s.Properties["os_distro"]
			if !s.shortID && !strings.HasPrefix(distro, "http://") || s.has("hw_vif_model") || !s.runsOnKVM() {
				return nil
			}
			fix := ""
			if s.is("os_type", "linux") {
				return []hit{{property: "os_distro", changes: []Fix{{Property: "hw_vif_model", After: "virtio"}},
					message: "hosts with libosinfo look this up, and take its network card, often an emulated one, because hw_vif_model is not set"}}
			}
			return one("os_distro", fix, "hosts with libosinfo look this up, and take its network card, often an emulated one, because hw_vif_model is not set")
		},
	},
	{
		ID: "aarch64-may-be-emulated", Severity: property.Info,
		Title:     "architecture=aarch64 goes with hypervisor_type=kvm",
		Why:       "An x86 host with qemu-system-aarch64 installed takes the server too, and emulates it slowly.",
		Example:   "architecture=aarch64 without hypervisor_type",
		Mend:      "Set hypervisor_type=kvm.",
		Reference: "nova/scheduler/filters/image_props_filter.py",
		check: func(s subject) []hit {
			if !s.is("hw_architecture", "aarch64") || s.value("img_hv_type") != "" {
				return nil
			}
			return []hit{{property: "hw_architecture", changes: []Fix{{Property: "hypervisor_type", After: "kvm"}},
				message: "an x86 host with an emulator for aarch64 takes the server too: hypervisor_type=kvm keeps it to hosts of that architecture"}}
		},
	},
	{
		ID: "ironic-as-hypervisor-type", Severity: property.Warning,
		Title:     "images for bare metal have hypervisor_type=baremetal",
		Why:       "Ironic nodes report baremetal; nothing matches ironic, though Glance's documentation lists it.",
		Example:   "hypervisor_type=ironic",
		Mend:      "Set hypervisor_type=baremetal.",
		Reference: "nova/virt/ironic/driver.py _get_nodes_supported_instances",
		check: func(s subject) []hit {
			return when(s.is("img_hv_type", "ironic"), "img_hv_type", "baremetal", "no node reports ironic as its hypervisor type, so no host is found: they report baremetal")
		},
	},
	{
		ID: "no-image-prefilter", Severity: property.Info,
		Title:     "all traits that the image prefilter asks for exist",
		Why:       "Where [scheduler]image_metadata_prefilter is on, one that does not exist makes it ask for none, the disk bus and the network card among them.",
		Example:   "hw_viommu_model=intel",
		Mend:      "Nothing, unless the cloud uses the prefilter; then remove the property.",
		Reference: "nova/scheduler/request_filter.py transform_image_metadata",
		check: func(s subject) []hit {
			switch {
			case s.has("hw_viommu_model"):
				return one("hw_viommu_model", "", "where the image prefilter is on, it asks for no trait at all, because there is none for the vIOMMU under the name that it looks for")
			case s.is("hw_architecture", "armv7l"):
				return one("hw_architecture", "", "where the image prefilter is on, it asks for no trait at all, because there is none for armv7l")
			}
			return nil
		},
	},
	{
		ID: "tpm-binds", Severity: property.Info,
		Title:     "a server with a TPM cannot be rebuilt, shelved, rescued or evacuated",
		Why:       "Nova refuses these; hosts need swtpm and a key manager, and the flavor must not say otherwise.",
		Example:   "hw_tpm_version=2.0",
		Mend:      "Nothing, where the TPM is wanted.",
		Reference: "nova/compute/api.py reject_vtpm_instances",
		check: func(s subject) []hit {
			return when(s.has("hw_tpm_version"), "hw_tpm_version", "", "servers with a TPM cannot be rebuilt, shelved, rescued or evacuated")
		},
	},
	{
		ID: "ephemeral-encryption-hosts", Severity: property.Warning,
		Title:     "hw_ephemeral_encryption needs hosts that can do it",
		Why:       "The trait COMPUTE_EPHEMERAL_ENCRYPTION is asked for, and where no host has it, no host is found.",
		Example:   "hw_ephemeral_encryption=true",
		Mend:      "Remove it, unless hosts of the cloud have the trait.",
		Reference: "nova/scheduler/request_filter.py ephemeral_encryption_filter",
		check: func(s subject) []hit {
			return when(s.yes("hw_ephemeral_encryption"), "hw_ephemeral_encryption", "", "only hosts with the trait COMPUTE_EPHEMERAL_ENCRYPTION take the server, and no libvirt host of a release up to "+string(hardware.Newest)+" has it by itself")
		},
	},
}

// ifDriven returns changes if the system is known to have one of the drivers;
// nil where that is not known.
func (s subject) ifDriven(old, current string, changes []Fix) []Fix {
	if s.os == nil || !slices.Contains(s.os.Devices, old) && !slices.Contains(s.os.Devices, current) {
		return nil
	}
	return changes
}

// endOfLife is when the maker's support of the system ends, as far as it is
// known.
func (s subject) endOfLife() (time.Time, bool) {
	if s.os == nil || s.os.EOL == "" || s.now.IsZero() {
		return time.Time{}, false
	}
	end, err := time.Parse(time.DateOnly, s.os.EOL)
	return end, err == nil
}

// osName is the system for people.
func (s subject) osName() string {
	if s.os.Name != "" {
		return s.os.Name
	}
	return s.os.ShortID
}

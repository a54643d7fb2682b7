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
		Title:     "a Linux guest should use VirtIO for its disk and network card",
		Why:       "Linux has the drivers, and emulated devices make the disk and the network much slower.",
		Example:   "os_type=linux, hw_disk_bus=ide, hw_vif_model=e1000",
		Mend:      "glance-profile apply --profile linux-virtio IMAGE. The disk of servers made afterwards is vda instead of sda or hda.",
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
					message: "the disk is emulated, although Linux has the VirtIO driver: set hw_disk_bus=virtio, or scsi with hw_scsi_model=virtio-scsi"})
			}
			if card := s.value("hw_vif_model"); slices.Contains([]string{"e1000", "e1000e", "rtl8139", "pcnet", "ne2k_pci", "vmxnet3", "igb"}, card) {
				hits = append(hits, hit{property: "hw_vif_model", changes: s.ifDriven("virtio-net", "virtio1.0-net", []Fix{{Property: "hw_vif_model", After: "virtio"}}),
					message: "the network card is emulated, although Linux has the VirtIO driver: set hw_vif_model=virtio"})
			}
			return hits
		},
	},
	{
		ID: "windows-on-emulated-devices", Severity: property.Info,
		Title:     "a Windows guest should move to VirtIO once its drivers are installed",
		Why:       "IDE, SATA and e1000 are what Windows starts with out of the box; VirtIO is several times faster.",
		Example:   "os_type=windows, hw_disk_bus=ide, hw_vif_model=e1000",
		Mend:      "Install the VirtIO drivers in a server made from the image, create an image of that server, and run glance-profile migrate-virtio on it.",
		Reference: "nova/virt/libvirt/blockinfo.py, vif.py",
		check: func(s subject) []hit {
			if !s.is("os_type", "windows") || !s.runsOnKVM() {
				return nil
			}
			bus, card := s.value("hw_disk_bus"), s.value("hw_vif_model")
			message := "the devices are emulated: once the VirtIO drivers are installed, glance-profile migrate-virtio makes them several times faster"
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
		Title:     "a Windows image should say which disk bus and network card it has drivers for",
		Why:       "If it does not, Nova uses VirtIO, for which Windows has no drivers of its own: it stops with a blue screen, or has no network.",
		Example:   "os_type=windows without hw_disk_bus",
		Mend:      "glance-profile apply --profile windows-compat IMAGE if it has no VirtIO drivers, --profile windows-virtio if it has.",
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
			return when(len(missing) > 0, "os_type", "", strings.Join(missing, " and ")+" not set: Nova uses VirtIO, for which Windows has no driver of its own")
		},
	},
	{
		ID: "eol-reached", Severity: property.Warning,
		Title:     "the operating system should still be supported",
		Why:       "Its vendor no longer publishes security updates.",
		Example:   "os_distro=debian, os_version=9",
		Mend:      "Offer a newer release, and hide this image (glance-profile apply --hidden IMAGE): those who still need it can use it by its id.",
		Reference: "osinfo-db, end of life",
		check: func(s subject) []hit {
			end, ok := s.endOfLife()
			if !ok || !end.Before(s.now) {
				return nil
			}
			return one("os_version", "", fmt.Sprintf("%s reached its end of life on %s, by osinfo-db: unless paid support goes on, there are no security updates", s.osName(), end.Format(time.DateOnly)))
		},
	},
	{
		ID: "eol-near", Severity: property.Info,
		Title:     "the operating system should be supported for another half a year",
		Why:       "Its vendor soon stops publishing security updates.",
		Example:   "an os_version whose support ends in three months",
		Mend:      "Prepare an image of the next release.",
		Reference: "osinfo-db, end of life",
		check: func(s subject) []hit {
			end, ok := s.endOfLife()
			if !ok || end.Before(s.now) || end.After(s.now.Add(eolSoon)) {
				return nil
			}
			return one("os_version", "", fmt.Sprintf("%s reaches its end of life on %s, by osinfo-db", s.osName(), end.Format(time.DateOnly)))
		},
	},
	{
		ID: "libosinfo-picks-card", Severity: property.Warning,
		Title:     "os_distro with a name of libosinfo's needs hw_vif_model",
		Why:       "On hosts with libosinfo, Nova looks the name up and uses the first network card of that database instead of virtio: e1000e for many Linux releases.",
		Example:   "os_distro=ubuntu22.04 without hw_vif_model",
		Mend:      "Set hw_vif_model=virtio if the guest has the driver, or use the name that Glance's documentation has for the distribution (glance-profile normalize).",
		Reference: "nova/virt/osinfo.py HardwareProperties",
		check: func(s subject) []hit {
			distro := s.Properties["os_distro"]
			if !s.shortID && !strings.HasPrefix(distro, "http://") || s.has("hw_vif_model") || !s.runsOnKVM() {
				return nil
			}
			h := hit{property: "os_distro", message: "without hw_vif_model, hosts with libosinfo look this name up and use the network card of that database, often an emulated one"}
			if s.is("os_type", "linux") {
				h.changes = []Fix{{Property: "hw_vif_model", After: "virtio"}}
			}
			return []hit{h}
		},
	},
	{
		ID: "aarch64-may-be-emulated", Severity: property.Info,
		Title:     "architecture=aarch64 should have hypervisor_type=kvm beside it",
		Why:       "Without it, an x86 host that has qemu-system-aarch64 installed can be chosen too, and emulates the server slowly.",
		Example:   "architecture=aarch64 without hypervisor_type",
		Mend:      "Set hypervisor_type=kvm.",
		Reference: "nova/scheduler/filters/image_props_filter.py",
		check: func(s subject) []hit {
			if !s.is("hw_architecture", "aarch64") || s.value("img_hv_type") != "" {
				return nil
			}
			return []hit{{property: "hw_architecture", changes: []Fix{{Property: "hypervisor_type", After: "kvm"}},
				message: "an x86 host with an emulator for aarch64 can be chosen too: set hypervisor_type=kvm to keep the server on aarch64 hosts"}}
		},
	},
	{
		ID: "ironic-as-hypervisor-type", Severity: property.Warning,
		Title:     "an image for bare metal needs hypervisor_type=baremetal",
		Why:       "Ironic nodes report baremetal. No node matches ironic, although Glance's documentation lists it, so no host is found.",
		Example:   "hypervisor_type=ironic",
		Mend:      "Set hypervisor_type=baremetal.",
		Reference: "nova/virt/ironic/driver.py _get_nodes_supported_instances",
		check: func(s subject) []hit {
			if !s.is("img_hv_type", "ironic") {
				return nil
			}
			return []hit{{property: "img_hv_type", changes: []Fix{{Property: s.carrier("img_hv_type"), After: "baremetal"}},
				message: "no host is found, because nodes report baremetal and none reports ironic"}}
		},
	},
	{
		ID: "no-image-prefilter", Severity: property.Info,
		Title:     "the image prefilter of the scheduler must know the trait of every property",
		Why:       "With [scheduler]image_metadata_prefilter on, one property whose trait does not exist makes the prefilter ask for no traits at all for the image, such as those of the disk bus and the network card.",
		Example:   "hw_viommu_model=intel",
		Mend:      "Leave it if the cloud does not use the prefilter; otherwise remove the property.",
		Reference: "nova/scheduler/request_filter.py transform_image_metadata",
		check: func(s subject) []hit {
			switch {
			case s.has("hw_viommu_model"):
				return one("hw_viommu_model", "", "if the image prefilter is on, it asks for no traits at all for this image, because the trait that it makes of hw_viommu_model does not exist")
			case s.is("hw_architecture", "armv7l"):
				return one("hw_architecture", "", "if the image prefilter is on, it asks for no traits at all for this image, because there is no trait for armv7l")
			}
			return nil
		},
	},
	{
		ID: "tpm-binds", Severity: property.Info,
		Title:     "a server with a TPM cannot be rebuilt, shelved, rescued or evacuated",
		Why:       "Nova refuses these operations. In addition, the hosts need swtpm and the cloud a key manager, and the flavor must not contradict the image.",
		Example:   "hw_tpm_version=2.0",
		Mend:      "Leave it if the TPM is wanted; otherwise remove hw_tpm_version.",
		Reference: "nova/compute/api.py reject_vtpm_instances",
		check: func(s subject) []hit {
			return when(s.has("hw_tpm_version"), "hw_tpm_version", "", "servers with a TPM cannot be rebuilt, shelved, rescued or evacuated")
		},
	},
	{
		ID: "ephemeral-encryption-hosts", Severity: property.Warning,
		Title:     "hw_ephemeral_encryption=true needs hosts that support it",
		Why:       "Nova asks for hosts with the trait COMPUTE_EPHEMERAL_ENCRYPTION; if there are none, no host is found.",
		Example:   "hw_ephemeral_encryption=true",
		Mend:      "Remove it, unless hosts of the cloud have the trait.",
		Reference: "nova/scheduler/request_filter.py ephemeral_encryption_filter",
		check: func(s subject) []hit {
			return when(s.yes("hw_ephemeral_encryption"), "hw_ephemeral_encryption", "", "the server needs a host with the trait COMPUTE_EPHEMERAL_ENCRYPTION, which no libvirt host reports by itself up to "+string(hardware.Newest)+"; with none, no host is found")
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

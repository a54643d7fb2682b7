package audit

import (
	"slices"

	"glance-profile/internal/property"
)

// deviceRules are about disks, CD-ROMs, network cards and the IOMMU.
var deviceRules = []Rule{
	{
		ID: "ide-needs-pc", Severity: property.Error,
		Title:     "hw_disk_bus=ide needs the machine type pc",
		Why:       "Nova builds the server and libvirt refuses it: IDE controllers are unsupported.",
		Reference: "nova/virt/libvirt/blockinfo.py SUPPORTED_DEVICE_BUSES; libvirt, IDE controllers are unsupported for this QEMU binary or machine type",
		check: func(s subject) []hit {
			// The root device of an ISO is a CD-ROM, which the bus is not for.
			return when(s.is("hw_disk_bus", "ide") && s.DiskFormat != "iso" && !s.ideWorks(), "hw_disk_bus", "sata",
				"there is no IDE controller on q35 and outside x86: libvirt does not start the server")
		},
	},
	{
		ID: "iso-bus-unusable", Severity: property.Error,
		Title:     "an ISO image needs a CD-ROM bus that has CD-ROMs",
		Why:       "The root device of an ISO is a CD-ROM; on virtio or fdc, or on ide with q35, libvirt does not start the server.",
		Reference: "nova/virt/libvirt/blockinfo.py get_root_info; libvirt, disk type of 'vda' does not support ejectable media",
		check: func(s subject) []hit {
			return when(s.DiskFormat == "iso" && s.cdromUnusable(), "hw_cdrom_bus", "sata",
				"the image is an ISO, which is a CD-ROM, and there is none on this bus: libvirt does not start the server")
		},
	},
	{
		ID: "cdrom-bus-unusable", Severity: property.Warning,
		Title:     "hw_cdrom_bus=ide needs the machine type pc",
		Why:       "As soon as a server has a CD-ROM, the config drive and a rescue among them, libvirt does not start it.",
		Reference: "nova/virt/libvirt/blockinfo.py get_disk_bus_for_device_type; libvirt, IDE controllers are unsupported for this QEMU binary or machine type",
		check: func(s subject) []hit {
			return when(s.DiskFormat != "iso" && s.is("hw_cdrom_bus", "ide") && !s.ideWorks(), "hw_cdrom_bus", "sata",
				"there is no IDE controller on q35 and outside x86: a server with a config drive or another CD-ROM does not start")
		},
	},
	{
		ID: "scsi-bus-without-model", Severity: property.Warning,
		Title:     "hw_disk_bus=scsi needs hw_scsi_model",
		Why:       "Nova adds no controller, and libvirt picks lsilogic on x86, for which modern guests often lack a driver.",
		Reference: "nova/virt/libvirt/driver.py _get_scsi_controller",
		check: func(s subject) []hit {
			if s.hasAny("hw_scsi_model", "vmware_adaptertype") {
				return nil
			}
			if s.is("hw_disk_bus", "scsi") {
				return one("hw_disk_bus", "", "hw_disk_bus=scsi without hw_scsi_model: libvirt picks the controller, on x86 lsilogic, for which modern guests often lack a driver; set hw_scsi_model=virtio-scsi")
			}
			return when(s.is("hw_cdrom_bus", "scsi"), "hw_cdrom_bus", "",
				"hw_cdrom_bus=scsi without hw_scsi_model: libvirt picks the controller, on x86 lsilogic; set hw_scsi_model=virtio-scsi")
		},
	},
	{
		ID: "scsi-model-without-scsi-bus", Severity: property.Warning,
		Title:     "hw_scsi_model acts with hw_disk_bus=scsi only",
		Why:       "The controller is there and the disk is not on it, but on the default bus.",
		Reference: "nova/virt/libvirt/driver.py _get_scsi_controller, nova/virt/libvirt/blockinfo.py",
		check: func(s subject) []hit {
			return when(s.has("hw_scsi_model") && !s.onSCSI() && !s.is("hw_disk_bus", "virtio"), "hw_scsi_model", "",
				"hw_scsi_model without hw_disk_bus=scsi: the controller is added, and the root disk is not on it")
		},
	},
	{
		ID: "scsi-model-beside-virtio", Severity: property.Info,
		Title:     "hw_scsi_model has no effect on a disk with hw_disk_bus=virtio",
		Why:       "The controller serves what is attached to the SCSI bus later, and nothing else.",
		Reference: "nova/virt/libvirt/driver.py _get_scsi_controller",
		check: func(s subject) []hit {
			return when(s.has("hw_scsi_model") && s.is("hw_disk_bus", "virtio") && !s.onSCSI(), "hw_scsi_model", "",
				"hw_scsi_model beside hw_disk_bus=virtio: the root disk is not on the controller, which only serves devices on the SCSI bus")
		},
	},
	{
		ID: "vmpvscsi-one-device", Severity: property.Warning,
		Title:     "hw_scsi_model=vmpvscsi takes one device",
		Why:       "QEMU refuses a second device on the controller: a volume, an ephemeral disk, a CD-ROM.",
		Reference: "qemu hw/scsi/vmw_pvscsi.c; QEMU, bad scsi device lun: 1",
		check: func(s subject) []hit {
			return when(s.has("hw_scsi_model") && s.is("hw_scsi_model", "vmpvscsi") && s.onSCSI(), "hw_scsi_model", "virtio-scsi",
				"the controller vmpvscsi takes one device: a server with a second disk or a CD-ROM on the SCSI bus does not start")
		},
	},
	{
		ID: "device-of-ppc64", Severity: property.Error,
		Title:     "spapr-vlan and ibmvscsi exist on POWER only",
		Why:       "QEMU for another architecture has no such device, and the server does not start; the SCSI model breaks it even where no disk uses it.",
		Reference: "nova/virt/libvirt/vif.py SUPPORTED_VIF_MODELS; QEMU, 'spapr-vscsi' is not a valid device model name",
		check: func(s subject) []hit {
			if s.value("hw_architecture") == "" || slices.Contains([]string{"ppc64", "ppc64le"}, s.architecture()) {
				return nil
			}
			var hits []hit
			if s.is("hw_vif_model", "spapr-vlan") {
				hits = append(hits, hit{"hw_vif_model", "spapr-vlan exists on POWER only: the server does not start", "virtio"})
			}
			if s.is("hw_scsi_model", "ibmvscsi") {
				hits = append(hits, hit{"hw_scsi_model", "ibmvscsi exists on POWER only: the server does not start, whatever bus its disk is on", "virtio-scsi"})
			}
			return hits
		},
	},
	{
		ID: "multiqueue-needs-virtio", Severity: property.Warning,
		Title:     "hw_vif_multiqueue_enabled needs hw_vif_model=virtio",
		Why:       "Other network cards have one queue, and nothing says so.",
		Reference: "nova/virt/libvirt/vif.py _get_virtio_mq_settings",
		check: func(s subject) []hit {
			return when(s.yes("hw_vif_multiqueue_enabled") && s.otherCard(), "hw_vif_multiqueue_enabled", "",
				"hw_vif_multiqueue_enabled has no effect on a network card that is not virtio")
		},
	},
	{
		ID: "packed-ring-needs-virtio", Severity: property.Error,
		Title:     "hw_virtio_packed_ring needs hw_vif_model=virtio",
		Why:       "Nova from 29.0.0 on writes it for any card, and libvirt does not start the server.",
		Reference: "nova/virt/libvirt/vif.py get_base_config; libvirt, packed driver option is only supported for virtio devices",
		check: func(s subject) []hit {
			return when(s.yes("hw_virtio_packed_ring") && s.otherCard(), "hw_virtio_packed_ring", "",
				"hw_virtio_packed_ring with a network card that is not virtio: libvirt does not start the server")
		},
	},
	{
		ID: "viommu-machine", Severity: property.Error,
		Title:     "hw_viommu_model needs q35 on x86 and virt on aarch64",
		Why:       "The build fails: the vIOMMU is not supported by the machine type or the architecture.",
		Reference: "nova/virt/libvirt/driver.py _get_iommu_model",
		check: func(s subject) []hit {
			if !s.has("hw_viommu_model") {
				return nil
			}
			switch {
			case s.x86():
				return when(!s.q35(), "hw_viommu_model", "", "hw_viommu_model needs hw_machine_type=q35 on x86 ("+s.machineNote()+"): the build fails")
			case s.architecture() == "aarch64":
				wrong := s.has("hw_machine_type") && s.machineFamily() != "virt" ||
					!s.has("hw_machine_type") && s.is("hw_emulation_architecture", "aarch64")
				return when(wrong, "hw_viommu_model", "", "hw_viommu_model needs hw_machine_type=virt on aarch64: the build fails")
			}
			return one("hw_viommu_model", "", "hw_viommu_model exists on x86 and aarch64 only: the build fails")
		},
	},
	{
		ID: "rescue-device-bus", Severity: property.Error,
		Title:     "hw_rescue_device and hw_rescue_bus have to suit each other",
		Why:       "The rescue fails, with the server stopped.",
		Reference: "nova/virt/libvirt/blockinfo.py get_rescue_device, get_rescue_bus; libvirt, Invalid bus type",
		check: func(s subject) []hit {
			device, bus := s.value("hw_rescue_device"), s.value("hw_rescue_bus")
			if device == "" && s.has("hw_rescue_bus") {
				device = "disk" // Nova's default
			}
			switch {
			case bus == "":
				return nil
			case device == "cdrom" && bus == "virtio":
				return one("hw_rescue_bus", "sata", "a CD-ROM on the virtio bus does not exist: the rescue fails")
			case bus == "ide" && !s.ideWorks():
				return one("hw_rescue_bus", "sata", "there is no IDE controller on q35 and outside x86: the rescue fails")
			case device == "floppy" && bus != "fdc":
				return one("hw_rescue_bus", "fdc", "a floppy disk is on the fdc bus only: the rescue fails")
			case device != "floppy" && bus == "fdc":
				return one("hw_rescue_bus", "usb", "there is nothing but floppy disks on the fdc bus: the rescue fails")
			}
			return nil
		},
	},
	{
		ID: "rescue-half", Severity: property.Info,
		Title:     "a volume-backed server needs hw_rescue_device and hw_rescue_bus",
		Why:       "With one of the two alone, servers that boot from a volume cannot be rescued with the image.",
		Reference: "nova/compute/api.py rescue",
		check: func(s subject) []hit {
			if s.has("hw_rescue_device") == s.has("hw_rescue_bus") {
				return nil
			}
			present := "hw_rescue_device"
			if s.has("hw_rescue_bus") {
				present = "hw_rescue_bus"
			}
			return one(present, "", "only one of hw_rescue_device and hw_rescue_bus is set: servers that boot from a volume need both")
		},
	},
}

// ideWorks reports that the guest's machine has an IDE controller, as far as
// the image says.
func (s subject) ideWorks() bool { return s.x86() && !s.q35() }

// cdromUnusable reports a CD-ROM bus on which there are no CD-ROMs.
func (s subject) cdromUnusable() bool {
	switch s.value("hw_cdrom_bus") {
	case "virtio", "fdc":
		return true
	case "ide":
		return !s.ideWorks()
	}
	return false
}

// onSCSI reports that a disk or a CD-ROM is on the SCSI bus.
func (s subject) onSCSI() bool {
	return s.is("hw_disk_bus", "scsi") || s.is("hw_cdrom_bus", "scsi")
}

// otherCard reports a network card that is named and is not virtio. One that
// is not named is virtio, unless libosinfo says otherwise.
func (s subject) otherCard() bool {
	card := s.value("hw_vif_model")
	return card != "" && card != "virtio"
}

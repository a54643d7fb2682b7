package audit

import (
	"slices"

	"glance-profile/internal/property"
)

// deviceRules are about disks, CD-ROMs, network cards and the IOMMU.
var deviceRules = []Rule{
	{
		ID: "cdrom-bus-unusable", Severity: property.Warning,
		Title:     "hw_cdrom_bus must be a bus that can have a CD-ROM",
		Why:       "As soon as a server has a CD-ROM (a config drive and a rescue can be one), libvirt refuses to start it: virtio and fdc have no CD-ROMs, and there is no IDE on q35 or outside x86.",
		Example:   "hw_cdrom_bus=ide, hw_machine_type=q35",
		Mend:      "Set hw_cdrom_bus=sata, or remove it: Nova then chooses a bus that works.",
		Reference: "nova/virt/libvirt/blockinfo.py get_disk_bus_for_device_type; libvirt, IDE controllers are unsupported for this QEMU binary or machine type",
		check: func(s subject) []hit {
			return when(s.DiskFormat != "iso" && s.cdromUnusable(), "hw_cdrom_bus", "sata",
				"this machine has no CD-ROM on this bus: a server with a config drive or another CD-ROM does not start")
		},
	},
	{
		ID: "scsi-bus-without-model", Severity: property.Warning,
		Title:     "hw_disk_bus=scsi needs hw_scsi_model",
		Why:       "Nova adds no SCSI controller, so libvirt picks one: on x86 lsilogic, for which modern guests often have no driver.",
		Example:   "hw_disk_bus=scsi without hw_scsi_model",
		Mend:      "Set hw_scsi_model=virtio-scsi if the guest has the driver; every Linux of the last ten years has.",
		Reference: "nova/virt/libvirt/driver.py _get_scsi_controller",
		check: func(s subject) []hit {
			if s.hasAny("hw_scsi_model", "vmware_adaptertype") {
				return nil
			}
			var mend []Fix
			if s.is("os_type", "linux") {
				mend = []Fix{{Property: "hw_scsi_model", After: "virtio-scsi"}}
			}
			switch {
			case s.is("hw_disk_bus", "scsi"):
				return []hit{{property: "hw_disk_bus", changes: mend,
					message: "hw_disk_bus=scsi without hw_scsi_model: libvirt picks the controller, on x86 lsilogic, for which modern guests often lack a driver; set hw_scsi_model=virtio-scsi"}}
			case s.is("hw_cdrom_bus", "scsi"):
				return []hit{{property: "hw_cdrom_bus", changes: mend,
					message: "hw_cdrom_bus=scsi without hw_scsi_model: libvirt picks the controller, on x86 lsilogic; set hw_scsi_model=virtio-scsi"}}
			}
			return nil
		},
	},
	{
		ID: "scsi-model-without-scsi-bus", Severity: property.Warning,
		Title:     "hw_scsi_model needs hw_disk_bus=scsi",
		Why:       "The server gets the SCSI controller, but its root disk is on another bus, virtio unless hw_disk_bus says otherwise.",
		Example:   "hw_scsi_model=lsilogic, hw_disk_bus=sata",
		Mend:      "Set hw_disk_bus=scsi to use the controller, or remove hw_scsi_model.",
		Reference: "nova/virt/libvirt/driver.py _get_scsi_controller, nova/virt/libvirt/blockinfo.py",
		check: func(s subject) []hit {
			return when(s.has("hw_scsi_model") && !s.onSCSI() && !s.servesLater(), "hw_scsi_model", "",
				"hw_scsi_model without hw_disk_bus=scsi: the server gets the controller, but its root disk is on another bus")
		},
	},
	{
		ID: "scsi-model-beside-virtio", Severity: property.Info,
		Title:     "hw_scsi_model=virtio-scsi has no effect on a root disk with hw_disk_bus=virtio",
		Why:       "The controller is there only for devices that are attached to the SCSI bus later.",
		Example:   "hw_scsi_model=virtio-scsi, hw_disk_bus=virtio",
		Mend:      "Leave it if devices are to be attached to the SCSI bus later; otherwise set hw_disk_bus=scsi or remove hw_scsi_model.",
		Reference: "nova/virt/libvirt/driver.py _get_scsi_controller",
		check: func(s subject) []hit {
			return when(s.has("hw_scsi_model") && s.servesLater() && !s.onSCSI(), "hw_scsi_model", "",
				"hw_scsi_model with hw_disk_bus=virtio: the root disk is not on the controller, which is there for devices attached to the SCSI bus later")
		},
	},
	{
		ID: "vmpvscsi-one-device", Severity: property.Warning,
		Title:     "hw_scsi_model=vmpvscsi supports one device only",
		Why:       "QEMU refuses to start a server with a second device on the controller: a volume, an ephemeral disk or a CD-ROM.",
		Example:   "hw_disk_bus=scsi, hw_scsi_model=vmpvscsi",
		Mend:      "Set hw_scsi_model=virtio-scsi if the guest has the driver.",
		Reference: "qemu hw/scsi/vmw_pvscsi.c; QEMU, bad scsi device lun: 1",
		check: func(s subject) []hit {
			fix := "" // a guest that boots from vmpvscsi may lack the other driver
			if s.is("os_type", "linux") {
				fix = "virtio-scsi"
			}
			return when(s.has("hw_scsi_model") && s.is("hw_scsi_model", "vmpvscsi") && s.onSCSI(), "hw_scsi_model", fix,
				"the controller vmpvscsi supports one device: a server with a second disk or a CD-ROM on the SCSI bus does not start")
		},
	},
	{
		ID: "device-of-ppc64", Severity: property.Error,
		Title:     "spapr-vlan and ibmvscsi need a POWER machine",
		Why:       "QEMU has these devices for POWER only, so the server does not start; ibmvscsi prevents it even if no disk uses the controller.",
		Example:   "architecture=aarch64, hw_vif_model=spapr-vlan",
		Mend:      "Set hw_vif_model=virtio and hw_scsi_model=virtio-scsi.",
		Reference: "nova/virt/libvirt/vif.py SUPPORTED_VIF_MODELS; QEMU, 'spapr-vscsi' is not a valid device model name",
		check: func(s subject) []hit {
			if s.x86() || slices.Contains([]string{"ppc64", "ppc64le"}, s.architecture()) {
				return nil // what an x86 machine does is known without a rule
			}
			var hits []hit
			if s.is("hw_vif_model", "spapr-vlan") {
				hits = append(hits, hit{property: "hw_vif_model", message: "only POWER machines have spapr-vlan: the server does not start", fix: "virtio"})
			}
			if s.is("hw_scsi_model", "ibmvscsi") {
				hits = append(hits, hit{property: "hw_scsi_model", message: "only POWER machines have ibmvscsi: the server does not start, whatever bus its disk is on", fix: "virtio-scsi"})
			}
			return hits
		},
	},
	{
		ID: "rescue-device-bus", Severity: property.Error,
		Title:     "hw_rescue_device and hw_rescue_bus must fit together",
		Why:       "The rescue fails, and the server stays stopped.",
		Example:   "hw_rescue_device=cdrom, hw_rescue_bus=virtio",
		Mend:      "Set a bus that has the device: usb, scsi or sata for disk and cdrom, fdc for floppy.",
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
				return one("hw_rescue_bus", "sata", "there is no CD-ROM on the virtio bus: the rescue fails")
			case bus == "ide" && !s.ideWorks():
				return one("hw_rescue_bus", "sata", "this machine has no IDE controller: the rescue fails")
			case device == "floppy" && bus != "fdc":
				return one("hw_rescue_bus", "fdc", "a floppy disk needs hw_rescue_bus=fdc: the rescue fails")
			case device != "floppy" && bus == "fdc":
				return one("hw_rescue_bus", "usb", "only a floppy disk can be on the fdc bus: the rescue fails")
			}
			return nil
		},
	},
	{
		ID: "rescue-half", Severity: property.Info,
		Title:     "hw_rescue_device and hw_rescue_bus belong together",
		Why:       "With only one of the two, the image cannot be used to rescue a server that boots from a volume.",
		Example:   "hw_rescue_device=disk without hw_rescue_bus",
		Mend:      "Set both; hw_rescue_device=disk with hw_rescue_bus=usb works for nearly every guest.",
		Reference: "nova/compute/api.py rescue",
		check: func(s subject) []hit {
			if s.has("hw_rescue_device") == s.has("hw_rescue_bus") {
				return nil
			}
			present := "hw_rescue_device"
			if s.has("hw_rescue_bus") {
				present = "hw_rescue_bus"
			}
			return one(present, "", "only one of hw_rescue_device and hw_rescue_bus is set: to rescue a server that boots from a volume, Nova needs both")
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

// servesLater reports a virtio-scsi controller beside a virtio disk, as the
// recommended profiles have it for what is attached to the SCSI bus later.
func (s subject) servesLater() bool {
	return s.is("hw_scsi_model", "virtio-scsi") && s.is("hw_disk_bus", "virtio")
}

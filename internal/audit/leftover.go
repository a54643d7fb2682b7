package audit

import (
	"maps"
	"slices"
	"strings"

	"glance-profile/internal/property"
)

// leftoverRules are about names that say the same thing twice, or stem from
// another cloud.
var leftoverRules = []Rule{
	{
		ID: "legacy-beside-current", Severity: property.Warning,
		Title:     "a property should not be set under its legacy and its current name",
		Why:       "Nova checks both values, refuses the server if either is wrong, and goes by one of them; other services may read the other.",
		Example:   "architecture=x86_64, hw_architecture=aarch64",
		Mend:      "Keep one of the two names, with the right value.",
		Reference: "nova/objects/image_meta.py ImageMetaProps.from_dict",
		check: func(s subject) []hit {
			var hits []hit
			for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
				d, _ := property.Lookup(name)
				// What VMware's names do beside others is a rule of its own.
				if d.Current == "" || strings.HasPrefix(name, "vmware_") || !s.has(d.Current) || s.Properties[name] == s.Properties[d.Current] {
					continue
				}
				hits = append(hits, hit{property: name, message: name + " is the legacy name of " + d.Current +
					", which has another value: Nova goes by " + winner(name, d.Current) + ", and refuses the server if either is wrong"})
			}
			return hits
		},
	},
	{
		ID: "vmware-leftover", Severity: property.Warning,
		Title:     "an image for KVM should have no vmware_* properties",
		Why:       "vmware_adaptertype acts on KVM too: it puts the disk on an emulated SCSI controller, or adds an unused one. The others do nothing.",
		Example:   "disk_format=qcow2, vmware_adaptertype=lsiLogic",
		Mend:      "Set hw_disk_bus to a bus that the guest has a driver for, then remove the vmware_* properties.",
		Reference: "nova/objects/image_meta.py _set_attr_from_legacy_names",
		check: func(s subject) []hit {
			if !s.forKVM() {
				return nil
			}
			var hits []hit
			for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
				switch {
				case name == "vmware_adaptertype" && !s.hasAny("hw_disk_bus", "hw_scsi_model"):
					hits = append(hits, hit{property: name, message: "vmware_adaptertype acts on KVM too: it puts the disk on an emulated SCSI controller"})
				case name == "vmware_adaptertype":
					hits = append(hits, hit{property: name, message: "vmware_adaptertype acts on KVM too: it adds a SCSI controller that no disk uses, or prevents the start"})
				case strings.HasPrefix(name, "vmware_"), name == "hw_disk_type", name == "img_linked_clone":
					hits = append(hits, hit{property: name, message: name + " is for VMware and does nothing on KVM"})
				}
			}
			return hits
		},
	},
}

// winner names the one of two names that Nova goes by: the current one, but
// for those that it reads from the image itself, before it has renamed them
// (nova/compute/api.py, _inherit_properties_from_image, and
// nova/block_device.py).
func winner(legacy, current string) string {
	switch legacy {
	case "vm_mode", "block_device_mapping", "mappings", "bdm_v2", "root_device_name", "auto_disk_config":
		return legacy
	}
	return current
}

// forKVM reports that the image says of itself that it is for KVM or QEMU: by
// its hypervisor type, or by a disk format that VMware does not take.
func (s subject) forKVM() bool {
	switch s.value("img_hv_type") {
	case "kvm", "qemu":
		return true
	case "":
		return s.DiskFormat == "qcow2" || s.DiskFormat == "raw"
	}
	return false
}

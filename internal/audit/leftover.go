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
		Title:     "a property has one name",
		Why:       "Nova takes the current name, checks the legacy one first all the same, and other services read one or the other.",
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
				hits = append(hits, hit{property: name, message: name + " is the older name of " + d.Current +
					", which says something else: Nova goes by " + winner(name, d.Current) + ", and refuses the server if either is wrong"})
			}
			return hits
		},
	},
	{
		ID: "vmware-leftover", Severity: property.Warning,
		Title:     "an image for KVM has no vmware_* properties",
		Why:       "vmware_adaptertype acts on KVM too: it puts the disk on an emulated controller, or leaves an unused one beside it. The others do nothing.",
		Example:   "disk_format=qcow2, vmware_adaptertype=lsiLogic",
		Mend:      "Remove the vmware_* properties, after hw_disk_bus says which bus the guest has drivers for.",
		Reference: "nova/objects/image_meta.py _set_attr_from_legacy_names",
		check: func(s subject) []hit {
			if !s.forKVM() {
				return nil
			}
			var hits []hit
			for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
				switch {
				case name == "vmware_adaptertype" && !s.hasAny("hw_disk_bus", "hw_scsi_model"):
					hits = append(hits, hit{property: name, message: "vmware_adaptertype acts on KVM too, and puts the disk on an emulated controller"})
				case name == "vmware_adaptertype":
					hits = append(hits, hit{property: name, message: "vmware_adaptertype acts on KVM too, and leaves a controller beside the disk that is not used, or breaks the start"})
				case strings.HasPrefix(name, "vmware_"):
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

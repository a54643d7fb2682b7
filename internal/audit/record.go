package audit

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"glance-profile/internal/property"
)

// stuckAfter is how long an upload may take before it is taken for dead.
const stuckAfter = 3 * 24 * time.Hour

// recordRules are about the fields of the image record: state, sizes, formats,
// hashes, names.
var recordRules = []Rule{
	{
		ID: "min-disk-too-small", Severity: property.Warning,
		Title:     "min_disk must cover the virtual size",
		Why:       "Nova compares only min_disk and the size of the file with the flavor. With a smaller disk the server fails on its host, after the download (FlavorDiskSmallerThanImage).",
		Example:   "a virtual size of 10 GiB, min_disk 0",
		Mend:      "Set min_disk to the virtual size in GiB, rounded up.",
		Reference: "nova/virt/libvirt/imagebackend.py verify_base_size; nova/image/glance.py _extract_attributes_v2",
		check: func(s subject) []hit {
			size := s.VirtualSize
			if size == nil && s.DiskFormat == "raw" {
				size = s.Size
			}
			if size == nil || *size <= 0 {
				return nil
			}
			const gib = 1 << 30
			need := (*size-1)/gib + 1
			if s.MinDisk >= need {
				return nil
			}
			return []hit{{property: "min_disk", changes: []Fix{{Property: "min_disk", After: need}},
				message: fmt.Sprintf("the virtual size is %d GiB and min_disk is %d: flavors between the two are accepted, and the server fails on its host", need, s.MinDisk)}}
		},
	},
	{
		ID: "min-ram-missing", Severity: property.Info,
		Title:     "min_ram should say how much memory the system needs",
		Why:       "Without it, Nova accepts a flavor with too little memory; the server starts and then hangs or fails.",
		Example:   "min_ram 0",
		Mend:      "Set min_ram to what the system needs, in MiB.",
		Reference: "nova/compute/api.py _validate_flavor_image_nostatus; osinfo-db, minimum resources",
		check: func(s subject) []hit {
			if s.MinRAM != 0 || !s.offered() {
				return nil
			}
			h := hit{property: "min_ram", message: "min_ram is 0: Nova accepts flavors with too little memory"}
			if mib := s.minimumMemory(); mib > 0 {
				// No fix: that is what an installation takes; a small server may do with less.
				h.message += fmt.Sprintf("; installing %s takes %d MiB", s.osName(), mib)
			}
			return []hit{h}
		},
	},
	{
		ID: "minimum-negative", Severity: property.Warning,
		Title:     "min_disk and min_ram must not be negative",
		Why:       "Glance accepts negative numbers, but they mean nothing.",
		Example:   "min_ram -1",
		Mend:      "Set what the system needs, or 0.",
		Reference: "glance/api/v2/images.py",
		check: func(s subject) []hit {
			var hits []hit
			for name, n := range map[string]int64{"min_disk": s.MinDisk, "min_ram": s.MinRAM} {
				if n < 0 {
					hits = append(hits, hit{property: name, message: name + " is negative", changes: []Fix{{Property: name, After: int64(0)}}})
				}
			}
			return hits
		},
	},
	{
		ID: "disk-format-unbootable", Severity: property.Error,
		Title:     "the disk format must be one that hosts can boot",
		Why:       "Hosts with KVM check the data before a server starts, and refuse vhd and ploop.",
		Example:   "disk_format vhd",
		Mend:      "Convert the data (qemu-img convert -O qcow2) and upload it as a new image: the format of an active image cannot be changed.",
		Reference: "nova/virt/images.py do_image_deep_inspection, fetch_to_raw",
		check: func(s subject) []hit {
			if !s.runsOnKVM() || !slices.Contains([]string{"vhd", "ploop"}, s.DiskFormat) {
				return nil
			}
			return one("disk_format", "", "hosts with KVM refuse "+s.DiskFormat+": convert the data to qcow2 or raw, and upload it as a new image")
		},
	},
	{
		ID: "disk-format-of-amazon", Severity: property.Warning,
		Title:     "the disk format should not be ami",
		Why:       "Older releases of Nova, Zed among them, refuse such an image when a host checks its data; 2025.1 reads it as raw.",
		Example:   "disk_format ami",
		Mend:      "Upload the data as a new image with its real format, raw or qcow2.",
		Reference: "nova/virt/images.py do_image_deep_inspection",
		check: func(s subject) []hit {
			return when(s.DiskFormat == "ami" && s.runsOnKVM(), "disk_format", "", "older releases of Nova (Zed, not 2025.1) refuse ami when a host checks the data: upload it as raw or qcow2")
		},
	},
	{
		ID: "disk-format-of-vmware", Severity: property.Info,
		Title:     "an image for KVM should be qcow2 or raw",
		Why:       "Every host converts vmdk, vdi and vhdx before the first boot, and only two kinds of vmdk at all. If the scheduler asks for the image type, no host is found.",
		Example:   "disk_format vmdk, hypervisor_type=kvm",
		Mend:      "Convert the data (qemu-img convert -O qcow2) and upload it as a new image.",
		Reference: "nova/virt/libvirt/driver.py capabilities; [scheduler]query_placement_for_image_type_support",
		check: func(s subject) []hit {
			if !s.runsOnKVM() || !slices.Contains([]string{"vmdk", "vdi", "vhdx"}, s.DiskFormat) || s.DiskFormat == "vmdk" && s.value("img_hv_type") == "" && s.vmware() {
				return nil
			}
			return one("disk_format", "", "every host with KVM converts "+s.DiskFormat+", and no host is found if the scheduler asks for the image type: upload qcow2 or raw")
		},
	},
	{
		ID: "container-format-unread", Severity: property.Warning,
		Title:     "the container format of a bootable image should be bare",
		Why:       "Hosts with KVM do not unpack ova, ovf, docker or compressed: the server fails when they check the data. Cinder reads compressed, VMware reads ova.",
		Example:   "container_format ova",
		Mend:      "Upload the disk inside as an image of its own.",
		Reference: "nova/virt/images.py fetch_to_raw; cinder/image/image_utils.py",
		check: func(s subject) []hit {
			return when(s.runsOnKVM() && slices.Contains([]string{"ova", "ovf", "docker", "compressed"}, s.ContainerFormat) && !(s.ContainerFormat == "ova" && s.vmware()),
				"container_format", "", "hosts with KVM do not unpack "+s.ContainerFormat+", and refuse the data")
		},
	},
	{
		ID: "name-contradicts-format", Severity: property.Warning,
		Title:     "the name should not end in another disk format",
		Why:       "Either the name or disk_format is wrong. If it is disk_format, hosts refuse the data when a server starts.",
		Example:   "disk.vmdk with disk_format raw",
		Mend:      "Find out what the data is (qemu-img info). Upload it as a new image with the right format, or rename the image.",
		Reference: "nova/virt/images.py do_image_deep_inspection",
		check: func(s subject) []hit {
			named := formatOfName(s.Name)
			if named == "" || s.DiskFormat == "" || named == s.DiskFormat || named == "raw" && slices.Contains([]string{"ami", "aki", "ari"}, s.DiskFormat) {
				return nil
			}
			return one("disk_format", "", fmt.Sprintf("the name ends in .%s, but disk_format is %s: one of the two is wrong", named, s.DiskFormat))
		},
	},
	{
		ID: "no-data", Severity: property.Error,
		Title:     "an active image must have data",
		Why:       "No server boots from it.",
		Example:   "status active, size 0",
		Mend:      "Upload the image again and delete this one. Only the snapshot of a server that boots from a volume is rightly empty: it has a block_device_mapping.",
		Reference: "nova/compute/api.py snapshot_volume_backed",
		check: func(s subject) []hit {
			return when(s.Status == "active" && s.Size != nil && *s.Size == 0 && !s.namesVolume(), "size", "", "the image is active but empty: no server boots from it")
		},
	},
	{
		ID: "stuck", Severity: property.Warning,
		Title:     "an upload should end within three days",
		Why:       "The image never becomes active by itself, and counts against the quota.",
		Example:   "status saving for a week",
		Mend:      "Delete the image and upload it again.",
		Reference: "glance/domain/__init__.py, image states",
		check: func(s subject) []hit {
			waits := slices.Contains([]string{"queued", "saving", "uploading", "importing"}, s.Status)
			if !waits || s.now.IsZero() || s.UpdatedAt.IsZero() || s.now.Sub(s.UpdatedAt) < stuckAfter {
				return nil
			}
			return one("status", "", fmt.Sprintf("%s since %s: the upload was probably abandoned", s.Status, s.UpdatedAt.UTC().Format(time.DateOnly)))
		},
	},
	{
		ID: "killed", Severity: property.Warning,
		Title:     "an image should not be killed or pending deletion",
		Why:       "Its upload failed, or it was to be deleted and still exists; nobody can use it.",
		Example:   "status killed",
		Mend:      "Delete the image.",
		Reference: "glance/domain/__init__.py, image states",
		check: func(s subject) []hit {
			return when(s.Status == "killed" || s.Status == "pending_delete", "status", "", s.Status+": nobody can use the image")
		},
	},
	{
		ID: "no-hash", Severity: property.Warning,
		Title:     "an image should have a hash of its data",
		Why:       "Without one, nobody can tell whether the data is what was uploaded. Since Rocky, Glance computes one for every upload.",
		Example:   "an active image without checksum and os_hash_value",
		Mend:      "Upload the data again as a new image.",
		Reference: "glance/location.py set_data",
		check: func(s subject) []hit {
			return when(s.hasData() && s.HashValue == "" && s.Checksum == "", "os_hash_algo", "", "there is no hash of the data, so nobody can tell whether it is intact")
		},
	},
	{
		ID: "weak-hash", Severity: property.Info,
		Title:     "the hash of the data should be a strong one",
		Why:       "MD5 and SHA-1 find accidental damage only: an attacker can make other data with the same hash.",
		Example:   "checksum without os_hash_value",
		Mend:      "Upload the data again as a new image: since Rocky, Glance computes SHA-512.",
		Reference: "glance/location.py set_data; glance-api.conf hashing_algorithm",
		check: func(s subject) []hit {
			weak := s.HashValue == "" && s.Checksum != "" || slices.Contains([]string{"md5", "sha1"}, strings.ToLower(s.HashAlgo))
			return when(s.hasData() && weak, "os_hash_algo", "", "the only hash of the data is a weak one (MD5 or SHA-1)")
		},
	},
	{
		ID: "snapshot-carries-server", Severity: property.Info,
		Title:     "a snapshot that others use as an image should not name its server",
		Why:       "Its properties name a server, a user and an image that do not concern others, and Nova takes base_image_ref for the image that new servers were made from.",
		Example:   "image_type=snapshot, instance_uuid=ID",
		Mend:      "If the image is more than a backup, remove instance_uuid, base_image_ref and the other properties that Nova wrote (migrate-virtio offers it for Windows images).",
		Reference: "nova/compute/utils.py create_image",
		check: func(s subject) []hit {
			if !s.snapshot() || !s.has("instance_uuid") {
				return nil
			}
			h := hit{property: "instance_uuid", message: "the snapshot still names the server that it was made from"}
			if s.Visibility == "public" || s.Visibility == "community" {
				h.severity, h.weighed = property.Warning, true
				h.message += ", and others can see it"
			}
			return []hit{h}
		},
	},
	{
		ID: "stale-block-device-mapping", Severity: property.Warning,
		Title:     "an image with data should have no block_device_mapping",
		Why:       "It names volume snapshots of one cloud, and Nova boots those instead of the data of the image; if they are gone, servers fail.",
		Example:   "block_device_mapping on an image with data",
		Mend:      "Remove block_device_mapping, bdm_v2 and root_device_name if the data of the image is what should be booted.",
		Reference: "nova/compute/api.py _get_image_defined_bdms",
		check: func(s subject) []hit {
			return when(s.hasData() && s.namesVolume(), "block_device_mapping", "",
				"the image has data of its own, but Nova boots the volume snapshots that block_device_mapping names")
		},
	},
	{
		ID: "no-description", Severity: property.Info,
		Title:     "an image should have a description",
		Why:       "Users have nothing but the name to choose by.",
		Example:   "neither description nor image_description",
		Mend:      "glance-profile apply --property description=TEXT IMAGE.",
		Reference: "Glance's useful image properties; SCS-0102",
		check: func(s subject) []hit {
			return when(s.offered() && !s.snapshot() && !s.hasAny("description", "image_description"), "description", "", "the image has no description")
		},
	},
	{
		ID: "snapshots-impossible", Severity: property.Warning,
		Title:     "an image should leave room for the properties of its snapshots",
		Why:       "A snapshot inherits all properties, Nova adds up to twenty, and Glance accepts 128: with more than about 105 the snapshot fails.",
		Example:   "110 properties",
		Mend:      "Remove some.",
		Reference: "glance/quota/__init__.py; nova/compute/utils.py create_image",
		check: func(s subject) []hit {
			n := len(s.Properties)
			return when(n > 105 && n <= 128, "", "", "the image has "+strconv.Itoa(n)+" properties: snapshots of its servers fail, because Nova adds up to twenty and Glance accepts 128")
		},
	},
	{
		ID: "converted-on-ceph", Severity: property.Info,
		Title:     "an image in Ceph should be raw",
		Why:       "Nova and Cinder clone only raw images; any other is downloaded and converted for every server and volume.",
		Example:   "stores ceph, disk_format qcow2",
		Mend:      "Convert the data (qemu-img convert -O raw) and upload it as a new image.",
		Reference: "nova/virt/libvirt/imagebackend.py Rbd.clone; cinder/volume/drivers/rbd.py",
		check: func(s subject) []hit {
			stores, _ := s.Extra["stores"].(string)
			inCeph := slices.ContainsFunc(strings.Split(stores, ","), func(store string) bool {
				return strings.Contains(store, "ceph") || strings.Contains(store, "rbd")
			})
			return when(inCeph && s.hasData() && !slices.Contains([]string{"raw", "iso", "aki", "ari"}, s.DiskFormat), "disk_format", "",
				"the image is in Ceph but not raw: it is downloaded and converted for every server and volume, not cloned")
		},
	},
}

// offered reports an image that stands ready to be booted from: it is active, and
// neither a kernel nor a ramdisk.
func (s subject) offered() bool {
	return s.Status == "active" && !slices.Contains([]string{"aki", "ari"}, s.DiskFormat)
}

// hasData reports an active image that is not empty.
func (s subject) hasData() bool { return s.Status == "active" && s.Size != nil && *s.Size > 0 }

// snapshot reports an image that Nova made of a server.
func (s subject) snapshot() bool {
	return s.Properties["image_type"] == "snapshot" || s.Properties["image_type"] == "backup"
}

// namesVolume reports an image that stands for volumes: it has a
// block_device_mapping that is not empty.
func (s subject) namesVolume() bool {
	mapping := strings.TrimSpace(s.Properties["block_device_mapping"])
	return mapping != "" && mapping != "[]"
}

// vmware reports an image with properties for VMware.
func (s subject) vmware() bool {
	for name := range s.Properties {
		if strings.HasPrefix(name, "vmware_") {
			return true
		}
	}
	return false
}

// minimumMemory is what the system needs at least, in MiB; 0 where it is not
// known.
func (s subject) minimumMemory() int64 {
	if s.os == nil {
		return 0
	}
	var bytes int64
	for _, r := range s.os.Minimum {
		if r.Architecture == s.architecture() || r.Architecture == "all" && bytes == 0 {
			bytes = r.Memory
		}
	}
	return (bytes + 1<<20 - 1) >> 20
}

// formatOfName is the disk format that a name ends in, or "".
func formatOfName(name string) string {
	i := strings.LastIndexByte(name, '.')
	if i < 0 {
		return ""
	}
	switch ending := strings.ToLower(name[i+1:]); ending {
	case "qcow2", "raw", "vmdk", "vdi", "vhdx", "vhd", "iso":
		return ending
	}
	return ""
}

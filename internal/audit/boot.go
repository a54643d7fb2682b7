package audit

import (
	"strings"

	"glance-profile/internal/property"
)

// signature are the four properties that Glance verifies an upload by.
var signature = []string{
	"img_signature", "img_signature_certificate_uuid", "img_signature_hash_method", "img_signature_key_type",
}

// bootRules are about kernel, guest agent, signature and encryption, and about
// what Ironic makes of an image.
var bootRules = []Rule{
	{
		ID: "quiesce-needs-agent", Severity: property.Error,
		Title:     "os_require_quiesce needs hw_qemu_guest_agent",
		Why:       "Snapshots of a running server fail: there is no channel to the agent.",
		Reference: "nova/virt/libvirt/driver.py _can_quiesce",
		check: func(s subject) []hit {
			return when(s.yes("os_require_quiesce") && !s.yes("hw_qemu_guest_agent"), "os_require_quiesce", "",
				"os_require_quiesce without hw_qemu_guest_agent=yes: snapshots of a running server fail")
		},
	},
	{
		ID: "admin-user-needs-agent", Severity: property.Warning,
		Title:     "os_admin_user needs hw_qemu_guest_agent",
		Why:       "It names the user whose password the agent changes, and without the channel nothing can.",
		Reference: "nova/virt/libvirt/driver.py _can_set_admin_password",
		check: func(s subject) []hit {
			return when(s.has("os_admin_user") && !s.yes("hw_qemu_guest_agent"), "os_admin_user", "",
				"os_admin_user has no effect without hw_qemu_guest_agent=yes: there is no way to change the password")
		},
	},
	{
		ID: "command-line-needs-kernel", Severity: property.Warning,
		Title:     "os_command_line needs kernel_id",
		Why:       "It is given to a kernel that the host starts; a kernel inside the image never sees it.",
		Reference: "nova/virt/libvirt/driver.py _set_guest_for_inst_kernel",
		check: func(s subject) []hit {
			return when(s.Properties["os_command_line"] != "" && !s.has("kernel_id"), "os_command_line", "",
				"os_command_line has no effect without kernel_id")
		},
	},
	{
		ID: "ramdisk-needs-kernel", Severity: property.Warning,
		Title:     "ramdisk_id needs kernel_id",
		Why:       "The ramdisk has to exist at boot and is then not used; Ironic takes the image for a partition image.",
		Reference: "nova/compute/api.py _handle_kernel_and_ramdisk, ironic/common/images.py is_whole_disk_image",
		check: func(s subject) []hit {
			return when(s.has("ramdisk_id") && !s.hasAny("kernel_id", "boot_iso_id"), "ramdisk_id", "",
				"ramdisk_id has no effect without kernel_id, and yet must exist when a server boots")
		},
	},
	{
		ID: "signature-incomplete", Severity: property.Warning,
		Title:     "a signature is four properties",
		Why:       "With three or fewer Glance verifies nothing, Cinder refuses the image, and Nova fails where it verifies.",
		Reference: "cursive signature_utils.py should_create_verifier, cinder/image/image_utils.py verify_glance_image_signature",
		check: func(s subject) []hit {
			var present, missing []string
			for _, name := range signature {
				if s.has(name) {
					present = append(present, name)
				} else {
					missing = append(missing, name)
				}
			}
			if len(present) == 0 || len(missing) == 0 {
				return nil
			}
			return one(present[0], "", "the signature is incomplete ("+strings.Join(missing, ", ")+" missing): Glance verifies nothing, and Cinder refuses the image")
		},
	},
	{
		ID: "encryption-key-kept", Severity: property.Info,
		Title:     "cinder_encryption_key_id goes with cinder_encryption_key_deletion_policy",
		Why:       "Without on_image_deletion the key stays in the key manager when the image is deleted.",
		Reference: "glance/api/v2/images.py _delete_encryption_key",
		check: func(s subject) []hit {
			return when(s.has("cinder_encryption_key_id") && !s.has("cinder_encryption_key_deletion_policy"), "cinder_encryption_key_id", "",
				"without cinder_encryption_key_deletion_policy=on_image_deletion the key outlives the image in the key manager")
		},
	},
	{
		ID: "ephemeral-encryption-format-alone", Severity: property.Warning,
		Title:     "hw_ephemeral_encryption_format needs hw_ephemeral_encryption",
		Why:       "The format alone encrypts nothing.",
		Reference: "nova/scheduler/request_filter.py ephemeral_encryption_filter",
		check: func(s subject) []hit {
			return when(s.has("hw_ephemeral_encryption_format") && !s.yes("hw_ephemeral_encryption"), "hw_ephemeral_encryption_format", "",
				"hw_ephemeral_encryption_format without hw_ephemeral_encryption=true encrypts nothing")
		},
	},
	{
		ID: "partition-image-needs-kernel", Severity: property.Warning,
		Title:     "img_type=partition needs kernel_id and ramdisk_id unless it boots locally",
		Why:       "Ironic refuses to deploy a partition image over the network without them.",
		Reference: "ironic/drivers/modules/deploy_utils.py validate_image_properties",
		check: func(s subject) []hit {
			return when(s.Properties["img_type"] == "partition" && !(s.has("kernel_id") && s.has("ramdisk_id")), "img_type", "",
				"img_type=partition without kernel_id and ramdisk_id: Ironic deploys it to nodes that boot locally only")
		},
	},
	{
		ID: "anaconda-incomplete", Severity: property.Error,
		Title:     "stage2_id needs kernel_id and ramdisk_id",
		Why:       "Ironic's anaconda deployment needs all three.",
		Reference: "ironic/common/pxe_utils.py get_instance_image_info",
		check: func(s subject) []hit {
			return when(s.has("stage2_id") && !(s.has("kernel_id") && s.has("ramdisk_id")), "stage2_id", "",
				"the anaconda deployment needs stage2_id, kernel_id and ramdisk_id together")
		},
	},
}

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
		Title:     "os_require_quiesce needs hw_qemu_guest_agent=yes",
		Why:       "Snapshots of a running server fail, because Nova has no channel to the guest agent.",
		Example:   "os_require_quiesce=yes without hw_qemu_guest_agent",
		Mend:      "Set hw_qemu_guest_agent=yes if the agent is installed in the image; otherwise remove os_require_quiesce.",
		Reference: "nova/virt/libvirt/driver.py _can_quiesce",
		check: func(s subject) []hit {
			return when(s.yes("os_require_quiesce") && !s.yes("hw_qemu_guest_agent"), "os_require_quiesce", "",
				"os_require_quiesce without hw_qemu_guest_agent=yes: snapshots of a running server fail")
		},
	},
	{
		ID: "admin-user-needs-agent", Severity: property.Warning,
		Title:     "os_admin_user needs hw_qemu_guest_agent=yes",
		Why:       "It names the user whose password the guest agent sets; without the channel to the agent nothing can set it.",
		Example:   "os_admin_user=cloud without hw_qemu_guest_agent",
		Mend:      "Set hw_qemu_guest_agent=yes if the agent is installed in the image; otherwise remove os_admin_user.",
		Reference: "nova/virt/libvirt/driver.py _can_set_admin_password",
		check: func(s subject) []hit {
			return when(s.has("os_admin_user") && !s.yes("hw_qemu_guest_agent"), "os_admin_user", "",
				"os_admin_user has no effect without hw_qemu_guest_agent=yes: nothing can set the password")
		},
	},
	{
		ID: "ramdisk-needs-kernel", Severity: property.Warning,
		Title:     "ramdisk_id needs kernel_id",
		Why:       "The ramdisk must exist when a server boots, but is not used; Ironic takes the image for a partition image.",
		Example:   "ramdisk_id without kernel_id",
		Mend:      "Set kernel_id as well, or remove ramdisk_id.",
		Reference: "nova/compute/api.py _handle_kernel_and_ramdisk, ironic/common/images.py is_whole_disk_image",
		check: func(s subject) []hit {
			return when(s.has("ramdisk_id") && !s.hasAny("kernel_id", "boot_iso_id"), "ramdisk_id", "",
				"ramdisk_id has no effect without kernel_id, but the ramdisk must exist when a server boots")
		},
	},
	{
		ID: "signature-incomplete", Severity: property.Warning,
		Title:     "a signature consists of four properties",
		Why:       "If one of them is missing, Glance verifies nothing, Cinder refuses the image, and Nova refuses it if it is configured to verify signatures.",
		Example:   "img_signature without img_signature_key_type",
		Mend:      "Set all four (img_signature, img_signature_certificate_uuid, img_signature_hash_method, img_signature_key_type), or remove all four.",
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
			return one(present[0], "", "the signature is incomplete (missing: "+strings.Join(missing, ", ")+"): Glance verifies nothing, and Cinder refuses the image")
		},
	},
	{
		ID: "encryption-key-kept", Severity: property.Info,
		Title:     "cinder_encryption_key_id should have cinder_encryption_key_deletion_policy beside it",
		Why:       "Without on_image_deletion the key stays in the key manager after the image is deleted.",
		Example:   "cinder_encryption_key_id without cinder_encryption_key_deletion_policy",
		Mend:      "Set cinder_encryption_key_deletion_policy=on_image_deletion, unless something else uses the key.",
		Reference: "glance/api/v2/images.py _delete_encryption_key",
		check: func(s subject) []hit {
			return when(s.has("cinder_encryption_key_id") && !s.has("cinder_encryption_key_deletion_policy"), "cinder_encryption_key_id", "",
				"without cinder_encryption_key_deletion_policy=on_image_deletion the key stays in the key manager after the image is deleted")
		},
	},
	{
		ID: "partition-image-needs-kernel", Severity: property.Warning,
		Title:     "img_type=partition needs kernel_id and ramdisk_id, unless nodes boot from their own disk",
		Why:       "Ironic refuses to deploy a partition image without them to a node that boots over the network.",
		Example:   "img_type=partition without kernel_id",
		Mend:      "Set kernel_id and ramdisk_id, or let the nodes boot from their own disk (boot_option:local).",
		Reference: "ironic/drivers/modules/deploy_utils.py validate_image_properties",
		check: func(s subject) []hit {
			return when(s.Properties["img_type"] == "partition" && !(s.has("kernel_id") && s.has("ramdisk_id")), "img_type", "",
				"img_type=partition without kernel_id and ramdisk_id: Ironic deploys it only to nodes that boot from their own disk")
		},
	},
	{
		ID: "anaconda-incomplete", Severity: property.Error,
		Title:     "stage2_id needs kernel_id and ramdisk_id",
		Why:       "Ironic's anaconda deployment needs all three, and fails without them.",
		Example:   "stage2_id without kernel_id and ramdisk_id",
		Mend:      "Set kernel_id and ramdisk_id to the images of the installer's kernel and ramdisk.",
		Reference: "ironic/common/pxe_utils.py get_instance_image_info",
		check: func(s subject) []hit {
			return when(s.has("stage2_id") && !(s.has("kernel_id") && s.has("ramdisk_id")), "stage2_id", "",
				"Ironic's anaconda deployment needs stage2_id, kernel_id and ramdisk_id together")
		},
	},
}

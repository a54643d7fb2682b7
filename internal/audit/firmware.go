package audit

import "glance-profile/internal/property"

// firmwareRules are about firmware, Secure Boot, TPM and memory encryption.
var firmwareRules = []Rule{
	{
		ID: "secure-boot-needs-uefi", Severity: property.Error,
		Title:     "os_secure_boot=required needs hw_firmware_type=uefi",
		Why:       "Nova schedules the server to a host with Secure Boot and then starts it with a BIOS and without, and says nothing.",
		Example:   "os_secure_boot=required without hw_firmware_type",
		Mend:      "Set hw_firmware_type=uefi and hw_machine_type=q35 if the image boots with UEFI (it has an EFI system partition); else set os_secure_boot=disabled.",
		Reference: "nova/virt/libvirt/driver.py _configure_guest_by_virt_type",
		check: func(s subject) []hit {
			return when(s.is("os_secure_boot", "required") && !s.uefi(), "os_secure_boot", "",
				"os_secure_boot=required without hw_firmware_type=uefi: the server starts with a BIOS and without Secure Boot, and nothing says so")
		},
	},
	{
		ID: "bios-on-aarch64", Severity: property.Error,
		Title:     "aarch64 guests have no BIOS",
		Why:       "The guest is built without any firmware and cannot boot; left unset, UEFI is implied.",
		Example:   "architecture=aarch64, hw_firmware_type=bios",
		Mend:      "Set hw_firmware_type=uefi, or remove it: UEFI is implied.",
		Reference: "nova/virt/libvirt/driver.py _configure_guest_by_virt_type",
		check: func(s subject) []hit {
			return when(s.is("hw_firmware_type", "bios") && s.architecture() == "aarch64", "hw_firmware_type", "uefi",
				"hw_firmware_type=bios on aarch64: the guest gets no firmware at all and cannot boot")
		},
	},
	{
		ID: "memory-encryption-model-alone", Severity: property.Error,
		Title:     "hw_mem_encryption_model needs hw_mem_encryption=true",
		Why:       "The memory is not encrypted, and nothing says so.",
		Example:   "hw_mem_encryption_model=amd-sev without hw_mem_encryption",
		Mend:      "Set hw_mem_encryption=true beside it, or remove the model.",
		Reference: "nova/virt/hardware.py get_mem_encryption_constraint",
		check: func(s subject) []hit {
			return when(s.has("hw_mem_encryption_model") && !s.yes("hw_mem_encryption"), "hw_mem_encryption_model", "",
				"hw_mem_encryption_model without hw_mem_encryption=true: the memory is not encrypted unless the flavor asks for it, and nothing says so")
		},
	},
	{
		ID: "sev-snp-needs-stateless-firmware", Severity: property.Error,
		Title:     "hw_mem_encryption_model=amd-sev-snp needs hw_firmware_stateless=true",
		Why:       "Nova refuses every server made from the image (400).",
		Example:   "hw_mem_encryption_model=amd-sev-snp without hw_firmware_stateless",
		Mend:      "Set hw_firmware_stateless=true with hw_firmware_type=uefi.",
		Reference: "nova/virt/hardware.py get_mem_encryption_constraint",
		check: func(s subject) []hit {
			return when(s.Properties["hw_mem_encryption_model"] == "amd-sev-snp" && !s.yes("hw_firmware_stateless"), "hw_mem_encryption_model", "",
				"amd-sev-snp needs hw_firmware_stateless=true: Nova refuses every server made from the image (400)")
		},
	},
	{
		ID: "memory-encryption-disk-bus", Severity: property.Warning,
		Title:     "hw_mem_encryption does not go with an IDE disk",
		Why:       "Memory encryption wants the boot disk on virtio, scsi with virtio-scsi, or sata.",
		Example:   "hw_mem_encryption=true, hw_disk_bus=ide",
		Mend:      "Set hw_disk_bus=virtio, once the guest has the driver.",
		Reference: "nova/doc/source/admin/sev.rst",
		check: func(s subject) []hit {
			return when(s.yes("hw_mem_encryption") && s.is("hw_disk_bus", "ide"), "hw_disk_bus", "virtio",
				"a guest with encrypted memory cannot boot from an IDE disk: virtio, scsi with virtio-scsi, or sata can")
		},
	},
}

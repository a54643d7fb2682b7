package audit

import "glance-profile/internal/property"

// firmwareRules are about firmware, Secure Boot, TPM and memory encryption.
var firmwareRules = []Rule{
	{
		ID: "secure-boot-needs-uefi", Severity: property.Error,
		Title:     "os_secure_boot=required needs hw_firmware_type=uefi",
		Why:       "Nova sends the server to a host that supports Secure Boot, and then starts it with BIOS and without Secure Boot. Nothing reports it.",
		Example:   "os_secure_boot=required without hw_firmware_type",
		Mend:      "Set hw_firmware_type=uefi and hw_machine_type=q35 if the image boots with UEFI (it has an EFI system partition); otherwise set os_secure_boot=disabled.",
		Reference: "nova/virt/libvirt/driver.py _configure_guest_by_virt_type",
		check: func(s subject) []hit {
			return when(s.is("os_secure_boot", "required") && !s.uefi(), "os_secure_boot", "",
				"os_secure_boot=required without hw_firmware_type=uefi: the server starts with BIOS and without Secure Boot, and nothing reports it")
		},
	},
	{
		ID: "bios-on-aarch64", Severity: property.Error,
		Title:     "hw_firmware_type=bios does not work on aarch64",
		Why:       "There is no BIOS for aarch64: the server gets no firmware at all and cannot boot.",
		Example:   "architecture=aarch64, hw_firmware_type=bios",
		Mend:      "Set hw_firmware_type=uefi, or remove the property: on aarch64 UEFI is the default.",
		Reference: "nova/virt/libvirt/driver.py _configure_guest_by_virt_type",
		check: func(s subject) []hit {
			return when(s.is("hw_firmware_type", "bios") && s.architecture() == "aarch64", "hw_firmware_type", "uefi",
				"hw_firmware_type=bios on aarch64: the server gets no firmware at all and cannot boot")
		},
	},
	{
		ID: "memory-encryption-needs-q35", Severity: property.Warning,
		Title:     "hw_mem_encryption needs hw_machine_type=q35",
		Why:       "Hosts that can encrypt memory refuse to with another machine type, and their default is pc.",
		Example:   "hw_mem_encryption=true, hw_firmware_type=uefi without hw_machine_type",
		Mend:      "Set hw_machine_type=q35.",
		Reference: "nova/virt/hardware.py get_mem_encryption_constraint",
		check: func(s subject) []hit {
			if !s.yes("hw_mem_encryption") || !s.is("hw_firmware_type", "uefi") || s.has("hw_machine_type") || !s.x86() {
				return nil // with another machine type Nova's API refuses the image
			}
			return []hit{{property: "hw_mem_encryption", changes: []Fix{{Property: "hw_machine_type", After: "q35"}},
				message: "hw_mem_encryption without hw_machine_type=q35: a host that can encrypt memory refuses the server where its default is pc"}}
		},
	},
	{
		ID: "memory-encryption-model-alone", Severity: property.Error,
		Title:     "hw_mem_encryption_model needs hw_mem_encryption=true",
		Why:       "Unless the flavor asks for encryption, the memory of the server is not encrypted, and nothing reports it.",
		Example:   "hw_mem_encryption_model=amd-sev without hw_mem_encryption",
		Mend:      "Set hw_mem_encryption=true as well, or remove hw_mem_encryption_model.",
		Reference: "nova/virt/hardware.py get_mem_encryption_constraint",
		check: func(s subject) []hit {
			return when(s.has("hw_mem_encryption_model") && !s.yes("hw_mem_encryption"), "hw_mem_encryption_model", "",
				"hw_mem_encryption_model without hw_mem_encryption=true: the memory is not encrypted unless the flavor asks for it, and nothing reports it")
		},
	},
	{
		ID: "sev-snp-needs-stateless-firmware", Severity: property.Error,
		Title:     "hw_mem_encryption_model=amd-sev-snp needs hw_firmware_stateless=true",
		Why:       "A Nova that knows amd-sev-snp refuses every server made from the image (400).",
		Example:   "hw_mem_encryption_model=amd-sev-snp without hw_firmware_stateless",
		Mend:      "Set hw_firmware_stateless=true with hw_firmware_type=uefi.",
		Reference: "nova/virt/hardware.py get_mem_encryption_constraint",
		check: func(s subject) []hit {
			return when(s.Properties["hw_mem_encryption_model"] == "amd-sev-snp" && !s.yes("hw_firmware_stateless"), "hw_mem_encryption_model", "",
				"amd-sev-snp needs hw_firmware_stateless=true: a Nova that knows it refuses every server made from the image (400)")
		},
	},
	{
		ID: "memory-encryption-disk-bus", Severity: property.Warning,
		Title:     "hw_mem_encryption=true does not work with an IDE disk",
		Why:       "A server with encrypted memory cannot boot from an IDE disk; the boot disk must be on virtio, on scsi with virtio-scsi, or on sata.",
		Example:   "hw_mem_encryption=true, hw_disk_bus=ide",
		Mend:      "Set hw_disk_bus=virtio if the guest has the driver, otherwise sata.",
		Reference: "nova/doc/source/admin/sev.rst",
		check: func(s subject) []hit {
			return when(s.yes("hw_mem_encryption") && s.is("hw_disk_bus", "ide"), "hw_disk_bus", "sata",
				"a server with encrypted memory cannot boot from an IDE disk: set virtio, scsi with virtio-scsi, or sata")
		},
	},
}

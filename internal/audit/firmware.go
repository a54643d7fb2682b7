package audit

import "glance-profile/internal/property"

// firmwareRules are about firmware, Secure Boot, TPM and memory encryption.
var firmwareRules = []Rule{
	{
		ID: "secure-boot-needs-uefi", Severity: property.Error,
		Title:     "os_secure_boot=required needs hw_firmware_type=uefi",
		Why:       "Nova schedules the server to a host with Secure Boot and then starts it with a BIOS and without, and says nothing.",
		Reference: "nova/virt/libvirt/driver.py _configure_guest_by_virt_type",
		check: func(s subject) []hit {
			return when(s.is("os_secure_boot", "required") && !s.uefi(), "os_secure_boot", "",
				"os_secure_boot=required without hw_firmware_type=uefi: the server starts with a BIOS and without Secure Boot, and nothing says so")
		},
	},
	{
		ID: "secure-boot-needs-q35", Severity: property.Error,
		Title:     "os_secure_boot=required needs a q35 machine on x86",
		Why:       "The build fails with SecureBootNotSupported, which blames the host.",
		Reference: "nova/virt/libvirt/driver.py _check_secure_boot_support",
		check: func(s subject) []hit {
			return when(s.is("os_secure_boot", "required") && s.uefi() && s.x86() && !s.q35(), "os_secure_boot", "",
				"os_secure_boot=required needs hw_machine_type=q35 ("+s.machineNote()+"): the build fails with «Secure Boot is not supported by host»")
		},
	},
	{
		ID: "secure-boot-optional-off", Severity: property.Info,
		Title:     "os_secure_boot=optional acts with UEFI on q35 only",
		Why:       "Anywhere else it means off.",
		Reference: "nova/virt/libvirt/driver.py _configure_guest_by_virt_type",
		check: func(s subject) []hit {
			return when(s.is("os_secure_boot", "optional") && (!s.uefi() || s.x86() && s.machineFamily() == "pc"), "os_secure_boot", "",
				"os_secure_boot=optional means off without hw_firmware_type=uefi and a q35 machine")
		},
	},
	{
		ID: "bios-on-aarch64", Severity: property.Error,
		Title:     "aarch64 guests have no BIOS",
		Why:       "The guest is built without any firmware and cannot boot; left unset, UEFI is implied.",
		Reference: "nova/virt/libvirt/driver.py _configure_guest_by_virt_type",
		check: func(s subject) []hit {
			return when(s.is("hw_firmware_type", "bios") && s.architecture() == "aarch64", "hw_firmware_type", "uefi",
				"hw_firmware_type=bios on aarch64: the guest gets no firmware at all and cannot boot")
		},
	},
	{
		ID: "stateless-firmware-needs-uefi", Severity: property.Error,
		Title:     "hw_firmware_stateless needs hw_firmware_type=uefi, written out",
		Why:       "Nova 30 to 33 refuses the server, on aarch64 too, where UEFI is implied; other releases ignore the property.",
		Reference: "nova/virt/hardware.py get_stateless_firmware_constraint",
		check: func(s subject) []hit {
			return when(s.yes("hw_firmware_stateless") && !s.is("hw_firmware_type", "uefi"), "hw_firmware_stateless", "",
				"hw_firmware_stateless needs hw_firmware_type=uefi written beside it: Nova 30.0.0 (2024.2) to 33 refuses the server")
		},
	},
	{
		ID: "tpm-model-without-version", Severity: property.Warning,
		Title:     "hw_tpm_model needs hw_tpm_version",
		Why:       "The version is what gives a TPM; the model alone gives none, and nothing says so.",
		Reference: "nova/virt/hardware.py get_vtpm_constraint",
		check: func(s subject) []hit {
			return when(s.has("hw_tpm_model") && !s.has("hw_tpm_version"), "hw_tpm_model", "",
				"hw_tpm_model without hw_tpm_version gives no TPM, unless the flavor names the version")
		},
	},
	{
		ID: "tpm-crb-needs-2.0", Severity: property.Error,
		Title:     "hw_tpm_model=tpm-crb needs hw_tpm_version=2.0",
		Why:       "Nova refuses the combination once the server is scheduled.",
		Reference: "nova/virt/hardware.py get_vtpm_constraint",
		check: func(s subject) []hit {
			return when(s.is("hw_tpm_model", "tpm-crb") && s.is("hw_tpm_version", "1.2"), "hw_tpm_version", "2.0",
				"tpm-crb exists with TPM 2.0 only: the server ends in ERROR")
		},
	},
	{
		ID: "memory-encryption-needs-uefi", Severity: property.Error,
		Title:     "hw_mem_encryption needs hw_firmware_type=uefi",
		Why:       "Nova refuses every server made from the image (400).",
		Reference: "nova/virt/hardware.py get_mem_encryption_constraint",
		check: func(s subject) []hit {
			return when(s.yes("hw_mem_encryption") && !s.is("hw_firmware_type", "uefi"), "hw_mem_encryption", "",
				"hw_mem_encryption needs hw_firmware_type=uefi: Nova refuses every server made from the image (400)")
		},
	},
	{
		ID: "memory-encryption-needs-q35", Severity: property.Error,
		Title:     "hw_mem_encryption needs a q35 machine",
		Why:       "Nova refuses another machine type (400), and the build fails on hosts that default to one.",
		Reference: "nova/virt/hardware.py get_mem_encryption_constraint",
		check: func(s subject) []hit {
			return when(s.yes("hw_mem_encryption") && s.is("hw_firmware_type", "uefi") && !s.q35(), "hw_mem_encryption", "",
				"hw_mem_encryption needs hw_machine_type=q35 ("+s.machineNote()+"): the server is refused or its build fails")
		},
	},
	{
		ID: "memory-encryption-model-alone", Severity: property.Error,
		Title:     "hw_mem_encryption_model needs hw_mem_encryption=true",
		Why:       "The memory is not encrypted, and nothing says so.",
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
		Reference: "nova/doc/source/admin/sev.rst",
		check: func(s subject) []hit {
			return when(s.yes("hw_mem_encryption") && s.is("hw_disk_bus", "ide"), "hw_disk_bus", "virtio",
				"a guest with encrypted memory cannot boot from an IDE disk: virtio, scsi with virtio-scsi, or sata can")
		},
	},
}

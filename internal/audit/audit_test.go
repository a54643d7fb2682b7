package audit

import (
	"cmp"
	"slices"
	"strings"
	"testing"

	"glance-profile/internal/image"
	"glance-profile/internal/property"
)

// props makes an image of name=value texts; disk_format=F sets the base field.
func props(pairs ...string) image.Image {
	img := image.Image{Properties: map[string]string{}}
	for _, pair := range pairs {
		name, value, _ := strings.Cut(pair, "=")
		if name == "disk_format" {
			img.DiskFormat = value
		} else {
			img.Properties[name] = value
		}
	}
	return img
}

// ruleCases hold, for each rule, images that break it and images that nearly
// do.
var ruleCases = map[string]struct{ broken, fine []image.Image }{
	"secure-boot-needs-uefi": {
		broken: []image.Image{
			props("os_secure_boot=required"),
			props("os_secure_boot=required", "hw_firmware_type=bios", "hw_machine_type=q35"),
		},
		fine: []image.Image{
			props("os_secure_boot=required", "hw_firmware_type=uefi", "hw_machine_type=q35"),
			props("os_secure_boot=required", "architecture=aarch64"),
			props("os_secure_boot=disabled"),
			props("os_secure_boot=Required"), // not accepted by Nova: another finding
		},
	},
	"secure-boot-needs-q35": {
		broken: []image.Image{
			props("os_secure_boot=required", "hw_firmware_type=uefi"),
			props("os_secure_boot=required", "hw_firmware_type=uefi", "hw_machine_type=pc-i440fx-8.2", "architecture=AMD64"),
		},
		fine: []image.Image{
			props("os_secure_boot=required", "hw_firmware_type=uefi", "hw_machine_type=pc-q35-8.2"),
			props("os_secure_boot=required", "hw_firmware_type=uefi", "hw_architecture=aarch64"),
			props("os_secure_boot=required"), // the BIOS is the cause
		},
	},
	"secure-boot-optional-off": {
		broken: []image.Image{props("os_secure_boot=optional"), props("os_secure_boot=optional", "hw_firmware_type=uefi", "hw_machine_type=pc")},
		fine:   []image.Image{props("os_secure_boot=optional", "hw_firmware_type=uefi", "hw_machine_type=q35"), props()},
	},
	"bios-on-aarch64": {
		broken: []image.Image{props("hw_firmware_type=bios", "architecture=aarch64")},
		fine:   []image.Image{props("hw_firmware_type=bios"), props("architecture=aarch64"), props("hw_firmware_type=uefi", "architecture=aarch64")},
	},
	"stateless-firmware-needs-uefi": {
		broken: []image.Image{props("hw_firmware_stateless=true"), props("hw_firmware_stateless=yes", "architecture=aarch64")},
		fine:   []image.Image{props("hw_firmware_stateless=true", "hw_firmware_type=uefi"), props("hw_firmware_stateless=false")},
	},
	"tpm-model-without-version": {
		broken: []image.Image{props("hw_tpm_model=tpm-tis")},
		fine:   []image.Image{props("hw_tpm_model=tpm-tis", "hw_tpm_version=2.0"), props("hw_tpm_version=2.0")},
	},
	"tpm-crb-needs-2.0": {
		broken: []image.Image{props("hw_tpm_model=tpm-crb", "hw_tpm_version=1.2")},
		fine:   []image.Image{props("hw_tpm_model=tpm-crb", "hw_tpm_version=2.0"), props("hw_tpm_model=tpm-tis", "hw_tpm_version=1.2")},
	},
	"memory-encryption-needs-uefi": {
		broken: []image.Image{props("hw_mem_encryption=true", "hw_machine_type=q35")},
		fine:   []image.Image{props("hw_mem_encryption=true", "hw_machine_type=q35", "hw_firmware_type=uefi"), props("hw_mem_encryption=no")},
	},
	"memory-encryption-needs-q35": {
		broken: []image.Image{
			props("hw_mem_encryption=true", "hw_firmware_type=uefi"),
			props("hw_mem_encryption=true", "hw_firmware_type=uefi", "hw_machine_type=virt"),
		},
		fine: []image.Image{props("hw_mem_encryption=true", "hw_firmware_type=uefi", "hw_machine_type=q35"), props("hw_firmware_type=uefi")},
	},
	"memory-encryption-model-alone": {
		broken: []image.Image{props("hw_mem_encryption_model=amd-sev"), props("hw_mem_encryption_model=amd-sev", "hw_mem_encryption=false")},
		fine:   []image.Image{props("hw_mem_encryption_model=amd-sev", "hw_mem_encryption=true")},
	},
	"sev-snp-needs-stateless-firmware": {
		broken: []image.Image{props("hw_mem_encryption_model=amd-sev-snp", "hw_mem_encryption=true")},
		fine:   []image.Image{props("hw_mem_encryption_model=amd-sev-snp", "hw_firmware_stateless=true"), props("hw_mem_encryption_model=amd-sev")},
	},
	"memory-encryption-disk-bus": {
		broken: []image.Image{props("hw_mem_encryption=true", "hw_disk_bus=ide")},
		fine:   []image.Image{props("hw_mem_encryption=true", "hw_disk_bus=sata"), props("hw_disk_bus=ide")},
	},
	"ide-needs-pc": {
		broken: []image.Image{
			props("hw_disk_bus=ide", "hw_machine_type=q35"),
			props("hw_disk_bus=ide", "architecture=aarch64"),
			props("vmware_adaptertype=ide", "hw_machine_type=pc-q35-9.0"),
		},
		fine: []image.Image{
			props("hw_disk_bus=ide"), props("hw_disk_bus=ide", "hw_machine_type=pc"), props("hw_disk_bus=sata", "hw_machine_type=q35"),
			props("hw_disk_bus=ide", "hw_machine_type=q35", "disk_format=iso"),
		},
	},
	"iso-bus-unusable": {
		broken: []image.Image{
			props("disk_format=iso", "hw_cdrom_bus=virtio"),
			props("disk_format=iso", "hw_cdrom_bus=fdc"),
			props("disk_format=iso", "hw_cdrom_bus=ide", "hw_machine_type=q35"),
		},
		fine: []image.Image{
			props("disk_format=iso", "hw_cdrom_bus=ide"), props("disk_format=iso"), props("disk_format=qcow2", "hw_cdrom_bus=virtio"),
		},
	},
	"cdrom-bus-unusable": {
		broken: []image.Image{props("hw_cdrom_bus=ide", "hw_machine_type=q35"), props("hw_cdrom_bus=ide", "architecture=aarch64")},
		fine:   []image.Image{props("hw_cdrom_bus=ide"), props("hw_cdrom_bus=sata", "hw_machine_type=q35"), props("hw_cdrom_bus=ide", "hw_machine_type=q35", "disk_format=iso")},
	},
	"scsi-bus-without-model": {
		broken: []image.Image{props("hw_disk_bus=scsi"), props("hw_cdrom_bus=scsi")},
		fine:   []image.Image{props("hw_disk_bus=scsi", "hw_scsi_model=virtio-scsi"), props("hw_disk_bus=virtio"), props("vmware_adaptertype=lsiLogic")},
	},
	"scsi-model-without-scsi-bus": {
		broken: []image.Image{props("hw_scsi_model=virtio-scsi"), props("hw_scsi_model=virtio-scsi", "hw_disk_bus=sata")},
		fine: []image.Image{
			props("hw_scsi_model=virtio-scsi", "hw_disk_bus=scsi"), props("hw_scsi_model=virtio-scsi", "hw_disk_bus=virtio"),
			props("hw_scsi_model=virtio-scsi", "hw_cdrom_bus=scsi"),
		},
	},
	"scsi-model-beside-virtio": {
		broken: []image.Image{props("hw_scsi_model=virtio-scsi", "hw_disk_bus=virtio")},
		fine:   []image.Image{props("hw_scsi_model=virtio-scsi", "hw_disk_bus=scsi"), props("hw_disk_bus=virtio")},
	},
	"vmpvscsi-one-device": {
		broken: []image.Image{props("hw_scsi_model=vmpvscsi", "hw_disk_bus=scsi"), props("hw_scsi_model=paravirtual", "hw_cdrom_bus=scsi")},
		fine:   []image.Image{props("vmware_adaptertype=paraVirtual"), props("hw_scsi_model=virtio-scsi", "hw_disk_bus=scsi"), props("hw_scsi_model=vmpvscsi", "hw_disk_bus=virtio")},
	},
	"device-of-ppc64": {
		broken: []image.Image{props("hw_vif_model=spapr-vlan", "architecture=x86_64"), props("hw_scsi_model=ibmvscsi", "architecture=aarch64")},
		fine:   []image.Image{props("hw_vif_model=spapr-vlan", "architecture=ppc64le"), props("hw_vif_model=spapr-vlan"), props("hw_vif_model=virtio", "architecture=x86_64")},
	},
	"multiqueue-needs-virtio": {
		broken: []image.Image{props("hw_vif_multiqueue_enabled=yes", "hw_vif_model=e1000")},
		fine: []image.Image{
			props("hw_vif_multiqueue_enabled=true", "hw_vif_model=virtio"), props("hw_vif_multiqueue_enabled=true"),
			props("hw_vif_multiqueue_enabled=no", "hw_vif_model=e1000"),
		},
	},
	"packed-ring-needs-virtio": {
		broken: []image.Image{props("hw_virtio_packed_ring=true", "hw_vif_model=e1000e")},
		fine:   []image.Image{props("hw_virtio_packed_ring=true", "hw_vif_model=virtio"), props("hw_virtio_packed_ring=false", "hw_vif_model=e1000e")},
	},
	"viommu-machine": {
		broken: []image.Image{
			props("hw_viommu_model=intel"), props("hw_viommu_model=intel", "hw_machine_type=pc"),
			props("hw_viommu_model=auto", "architecture=aarch64", "hw_machine_type=pc"),
			props("hw_viommu_model=auto", "hw_emulation_architecture=aarch64"),
			props("hw_viommu_model=intel", "architecture=ppc64le"),
		},
		fine: []image.Image{
			props("hw_viommu_model=intel", "hw_machine_type=q35"), props("hw_viommu_model=auto", "architecture=aarch64"),
			props("hw_viommu_model=auto", "hw_emulation_architecture=aarch64", "hw_machine_type=virt-8.0"),
		},
	},
	"rescue-device-bus": {
		broken: []image.Image{
			props("hw_rescue_device=cdrom", "hw_rescue_bus=virtio"), props("hw_rescue_device=floppy", "hw_rescue_bus=usb"),
			props("hw_rescue_device=disk", "hw_rescue_bus=fdc"), props("hw_rescue_bus=fdc"), props("hw_rescue_bus=ide", "hw_machine_type=q35"),
		},
		fine: []image.Image{
			props("hw_rescue_device=cdrom", "hw_rescue_bus=usb"), props("hw_rescue_device=floppy", "hw_rescue_bus=fdc"),
			props("hw_rescue_device=disk"), props("hw_rescue_bus=ide"),
		},
	},
	"rescue-half": {
		broken: []image.Image{props("hw_rescue_device=disk"), props("hw_rescue_bus=usb")},
		fine:   []image.Image{props("hw_rescue_device=disk", "hw_rescue_bus=usb"), props()},
	},
	"machine-type-architecture": {
		broken: []image.Image{
			props("hw_machine_type=virt", "architecture=x86_64"), props("hw_machine_type=q35", "architecture=aarch64"),
			props("hw_machine_type=pseries", "architecture=s390x"), props("hw_machine_type=pc", "architecture=riscv", "hw_architecture=ppc64le"),
		},
		fine: []image.Image{
			props("hw_machine_type=virt", "architecture=aarch64"), props("hw_machine_type=pc-q35-9.2", "architecture=i386"),
			props("hw_machine_type=virt"), props("hw_machine_type=custom", "architecture=x86_64"), props("hw_machine_type=virt", "architecture=openrisc"),
			props("hw_machine_type=virt", "architecture=x86_64", "hw_emulation_architecture=aarch64"),
		},
	},
	"architecture-needs-machine-type": {
		broken: []image.Image{props("architecture=mips64el"), props("hw_architecture=sparc64", "hw_firmware_type=uefi")},
		fine:   []image.Image{props("architecture=arm64"), props("architecture=mips64el", "hw_machine_type=malta"), props("architecture=s390x"), props()},
	},
	"emulation-needs-machine-type": {
		broken: []image.Image{props("hw_emulation_architecture=aarch64"), props("hw_emulation_architecture=mipsel")},
		fine:   []image.Image{props("hw_emulation_architecture=aarch64", "hw_machine_type=virt"), props("hw_emulation_architecture=x86_64")},
	},
	"hypervisor-version-alone": {
		broken: []image.Image{props("hypervisor_version_requires=>=2.6"), props("img_hv_requested_version=>=2.6")},
		fine: []image.Image{
			props("hypervisor_version_requires=>=2.6", "hypervisor_type=qemu"), props("hypervisor_version_requires=>=2.6", "architecture=x86_64"),
			props("hypervisor_version_requires=>=2.6", "vm_mode=hvm"),
		},
	},
	"maxphysaddr-bits-alone": {
		broken: []image.Image{props("hw_maxphysaddr_bits=42")},
		fine:   []image.Image{props("hw_maxphysaddr_bits=42", "hw_maxphysaddr_mode=emulate")},
	},
	"thread-policy-needs-dedicated": {
		broken: []image.Image{props("hw_cpu_thread_policy=prefer"), props("hw_cpu_thread_policy=isolate", "hw_cpu_policy=shared")},
		fine:   []image.Image{props("hw_cpu_thread_policy=isolate", "hw_cpu_policy=dedicated"), props("hw_cpu_policy=shared")},
	},
	"hyperthreading-trait": {
		broken: []image.Image{
			props("trait:HW_CPU_HYPERTHREADING=required"),
			props("trait:HW_CPU_HYPERTHREADING=required", "hw_cpu_policy=dedicated", "hw_cpu_thread_policy=require"),
		},
		fine: []image.Image{props("trait:HW_CPU_HYPERTHREADING=required", "hw_cpu_policy=dedicated"), props("trait:HW_CPU_HYPERTHREADING=forbidden")},
	},
	"topology-above-maximum": {
		broken: []image.Image{props("hw_cpu_sockets=2", "hw_cpu_max_sockets=1"), props("hw_cpu_threads=4", "hw_cpu_max_threads=2")},
		fine:   []image.Image{props("hw_cpu_sockets=2", "hw_cpu_max_sockets=2"), props("hw_cpu_sockets=2"), props("hw_cpu_sockets=2", "hw_cpu_max_cores=1")},
	},
	"numa-lists-without-nodes": {
		broken: []image.Image{props("hw_numa_cpus.0=0-3"), props("hw_numa_mem.0=1024")},
		fine:   []image.Image{props("hw_numa_cpus.0=0-3", "hw_numa_mem.0=1024", "hw_numa_nodes=1"), props("hw_numa_cpus.0=0", "hw_cpu_policy=dedicated")},
	},
	"numa-lists-incomplete": {
		broken: []image.Image{
			props("hw_numa_nodes=2", "hw_numa_cpus.0=0", "hw_numa_cpus.1=1", "hw_numa_mem.0=512"),
			props("hw_numa_nodes=2", "hw_numa_cpus.0=0", "hw_numa_cpus.2=1", "hw_numa_mem.0=512", "hw_numa_mem.1=512"),
			props("hw_cpu_policy=dedicated", "hw_numa_cpus.0=0"),
		},
		fine: []image.Image{
			props("hw_numa_nodes=2"), props("hw_numa_cpus.0=0"), props("hw_cpu_policy=dedicated"),
			props("hw_numa_nodes=2", "hw_numa_cpus.0=0", "hw_numa_cpus.1=1", "hw_numa_mem.0=512", "hw_numa_mem.1=512"),
		},
	},
	"locked-memory-needs-page-size": {
		broken: []image.Image{props("hw_locked_memory=true")},
		fine:   []image.Image{props("hw_locked_memory=true", "hw_mem_page_size=large"), props("hw_locked_memory=false")},
	},
	"quiesce-needs-agent": {
		broken: []image.Image{props("os_require_quiesce=yes"), props("os_require_quiesce=yes", "hw_qemu_guest_agent=enabled")},
		fine:   []image.Image{props("os_require_quiesce=yes", "hw_qemu_guest_agent=yes"), props("os_require_quiesce=no")},
	},
	"admin-user-needs-agent": {
		broken: []image.Image{props("os_admin_user=ubuntu")},
		fine:   []image.Image{props("os_admin_user=ubuntu", "hw_qemu_guest_agent=1")},
	},
	"command-line-needs-kernel": {
		broken: []image.Image{props("os_command_line=quiet"), props("os_command_line=quiet", "ramdisk_id=x")},
		fine:   []image.Image{props("os_command_line="), props("os_command_line=quiet", "kernel_id=x")},
	},
	"ramdisk-needs-kernel": {
		broken: []image.Image{props("ramdisk_id=x")},
		fine:   []image.Image{props("ramdisk_id=x", "kernel_id=y"), props("ramdisk_id=x", "boot_iso_id=y"), props("kernel_id=y")},
	},
	"signature-incomplete": {
		broken: []image.Image{props("img_signature=x"), props("img_signature_hash_method=SHA-256", "img_signature_key_type=RSA-PSS")},
		fine: []image.Image{
			props("img_signature=x", "img_signature_certificate_uuid=y", "img_signature_hash_method=SHA-256", "img_signature_key_type=RSA-PSS"), props(),
		},
	},
	"encryption-key-kept": {
		broken: []image.Image{props("cinder_encryption_key_id=x")},
		fine:   []image.Image{props("cinder_encryption_key_id=x", "cinder_encryption_key_deletion_policy=do_not_delete"), props()},
	},
	"ephemeral-encryption-format-alone": {
		broken: []image.Image{props("hw_ephemeral_encryption_format=luks")},
		fine:   []image.Image{props("hw_ephemeral_encryption_format=luks", "hw_ephemeral_encryption=true")},
	},
	"partition-image-needs-kernel": {
		broken: []image.Image{props("img_type=partition"), props("img_type=partition", "kernel_id=x")},
		fine:   []image.Image{props("img_type=partition", "kernel_id=x", "ramdisk_id=y"), props("img_type=whole-disk")},
	},
	"anaconda-incomplete": {
		broken: []image.Image{props("stage2_id=x"), props("stage2_id=x", "ramdisk_id=y")},
		fine:   []image.Image{props("stage2_id=x", "kernel_id=z", "ramdisk_id=y")},
	},
	"legacy-beside-current": {
		broken: []image.Image{props("architecture=x86_64", "hw_architecture=aarch64"), props("vm_mode=hvm", "hw_vm_mode=xen")},
		fine:   []image.Image{props("architecture=x86_64", "hw_architecture=x86_64"), props("architecture=x86_64")},
	},
	"vmware-leftover": {
		broken: []image.Image{
			props("vmware_adaptertype=lsiLogic", "disk_format=qcow2"), props("vmware_adaptertype=lsiLogic", "hw_disk_bus=virtio", "hypervisor_type=kvm"),
			props("vmware_disktype=sparse", "disk_format=raw"),
		},
		fine: []image.Image{
			props("vmware_adaptertype=lsiLogic", "disk_format=vmdk"), props("vmware_adaptertype=lsiLogic", "disk_format=raw", "hypervisor_type=vmware"),
		},
	},
}

func TestRules(t *testing.T) {
	for _, r := range Rules() {
		c, ok := ruleCases[r.ID]
		if !ok || len(c.broken) == 0 || len(c.fine) == 0 {
			t.Errorf("%s: has no images that break and keep it", r.ID)
		}
		for _, img := range c.broken {
			if !found(Check(img), r.ID) {
				t.Errorf("%s: not found for %v", r.ID, img.Properties)
			}
		}
		for _, img := range c.fine {
			if found(Check(img), r.ID) {
				t.Errorf("%s: found for %v", r.ID, img.Properties)
			}
		}
	}
	for id := range ruleCases {
		if !slices.ContainsFunc(Rules(), func(r Rule) bool { return r.ID == id }) {
			t.Errorf("%s: cases for a rule that is not there", id)
		}
	}
}

func found(findings []property.Finding, id string) bool {
	return slices.ContainsFunc(findings, func(f property.Finding) bool { return f.Rule == id })
}

func TestRulesAreDescribed(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range Rules() {
		if seen[r.ID] {
			t.Errorf("%s: twice", r.ID)
		}
		seen[r.ID] = true
		if r.Title == "" || strings.HasSuffix(r.Title, ".") || strings.Contains(r.Title, "\n") {
			t.Errorf("%s: title %q", r.ID, r.Title)
		}
		if !strings.HasSuffix(r.Why, ".") || r.Reference == "" {
			t.Errorf("%s: why %q, reference %q", r.ID, r.Why, r.Reference)
		}
	}
}

// TestFindings holds what every finding promises: a property that the image
// has, one line of text, a fix that is better, and a fixed order.
func TestFindings(t *testing.T) {
	for id, c := range ruleCases {
		for _, img := range c.broken {
			findings := Check(img)
			if !slices.IsSortedFunc(findings, func(a, b property.Finding) int {
				return cmp.Or(strings.Compare(a.Property, b.Property), strings.Compare(a.Rule, b.Rule))
			}) {
				t.Errorf("%v: not sorted: %v", img.Properties, findings)
			}
			for _, f := range findings {
				if f.Rule != id {
					continue
				}
				value, ok := img.Properties[f.Property]
				switch {
				case !ok && f.Rule != "iso-bus-unusable":
					t.Errorf("%s: names %s, which %v does not have", id, f.Property, img.Properties)
				case f.Value != value:
					t.Errorf("%s: value %q, the image has %q", id, f.Value, value)
				case f.Message == "" || strings.ContainsAny(f.Message, "\n\r\x1b"):
					t.Errorf("%s: message %q", id, f.Message)
				}
				if f.Fix == "" {
					continue
				}
				mended := img.Clone()
				mended.Properties[f.Property] = f.Fix
				if found(Check(mended), id) {
					t.Errorf("%s: the fix %s=%s does not mend %v", id, f.Property, f.Fix, img.Properties)
				}
				for _, g := range property.Check(f.Property, f.Fix) {
					if g.Severity == property.Error {
						t.Errorf("%s: the fix %s=%s is refused: %s", id, f.Property, f.Fix, g.Message)
					}
				}
			}
		}
	}
}

// TestManyAtOnce shows that rules do not hide each other.
func TestManyAtOnce(t *testing.T) {
	var ids []string
	for _, f := range Check(props("os_secure_boot=required", "hw_disk_bus=ide", "hw_machine_type=q35", "os_require_quiesce=yes",
		"hw_scsi_model=virtio-scsi", "disk_format=qcow2", "vmware_ostype=debian")) {
		ids = append(ids, f.Property+" "+f.Rule)
	}
	want := []string{
		"hw_disk_bus ide-needs-pc", "hw_scsi_model scsi-model-without-scsi-bus", "os_require_quiesce quiesce-needs-agent",
		"os_secure_boot secure-boot-needs-uefi", "vmware_ostype vmware-leftover",
	}
	if !slices.Equal(ids, want) {
		t.Errorf("got %v, want %v", ids, want)
	}
	if got := Check(image.Image{}); got != nil {
		t.Errorf("an image without properties: %v", got)
	}
}

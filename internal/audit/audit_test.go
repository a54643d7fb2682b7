package audit

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"

	"glance-profile/internal/image"
	"glance-profile/internal/plan"
	"glance-profile/internal/property"
)

// today is when the tests judge.
var today = time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)

var auditor = New(Options{Now: today})

// props makes an image of name=value texts. The names of an image record's own
// fields set those, as far as the rules look at them.
func props(pairs ...string) image.Image {
	img := image.Image{Properties: map[string]string{}}
	number := func(text string) int64 {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			panic(err)
		}
		return n
	}
	for _, pair := range pairs {
		name, value, _ := strings.Cut(pair, "=")
		switch name {
		case "id":
			img.ID = value
		case "name":
			img.Name = value
		case "owner":
			img.Owner = value
		case "visibility":
			img.Visibility = value
		case "os_hidden":
			img.Hidden = value == "true"
		case "disk_format":
			img.DiskFormat = value
		case "container_format":
			img.ContainerFormat = value
		case "status":
			img.Status = value
		case "size":
			n := number(value)
			img.Size = &n
		case "virtual_size":
			n := number(value)
			img.VirtualSize = &n
		case "min_disk":
			img.MinDisk = number(value)
		case "min_ram":
			img.MinRAM = number(value)
		case "checksum":
			img.Checksum = value
		case "os_hash_algo":
			img.HashAlgo = value
		case "os_hash_value":
			img.HashValue = value
		case "stores":
			img.Extra = map[string]any{"stores": value}
		case "created_at", "updated_at":
			at, err := time.Parse(time.DateOnly, value)
			if err != nil {
				panic(err)
			}
			img.CreatedAt, img.UpdatedAt = at, at
		default:
			img.Properties[name] = value
		}
	}
	return img
}

// many is an image with n properties.
func many(n int) image.Image {
	img := image.Image{Properties: map[string]string{}}
	for i := range n {
		img.Properties[fmt.Sprintf("p%d", i)] = "x"
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
	"bios-on-aarch64": {
		broken: []image.Image{props("hw_firmware_type=bios", "architecture=aarch64")},
		fine:   []image.Image{props("hw_firmware_type=bios"), props("architecture=aarch64"), props("hw_firmware_type=uefi", "architecture=aarch64")},
	},
	"memory-encryption-needs-q35": {
		broken: []image.Image{props("hw_mem_encryption=true", "hw_firmware_type=uefi")},
		fine: []image.Image{
			props("hw_mem_encryption=true", "hw_firmware_type=uefi", "hw_machine_type=q35"), props("hw_mem_encryption=true"), props("hw_firmware_type=uefi"),
		},
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
		broken: []image.Image{props("hw_vif_model=spapr-vlan", "architecture=aarch64"), props("hw_scsi_model=ibmvscsi", "architecture=aarch64")},
		fine:   []image.Image{props("hw_vif_model=spapr-vlan", "architecture=ppc64le"), props("hw_vif_model=spapr-vlan"), props("hw_vif_model=virtio", "architecture=aarch64")},
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
			props("hw_machine_type=q35", "architecture=aarch64"),
			props("hw_machine_type=pseries", "architecture=s390x"), props("hw_machine_type=pc", "architecture=riscv", "hw_architecture=ppc64le"),
		},
		fine: []image.Image{
			props("hw_machine_type=virt", "architecture=aarch64"), props("hw_machine_type=pc-q35-9.2", "architecture=i386"),
			props("hw_machine_type=virt"), props("hw_machine_type=custom", "architecture=x86_64"), props("hw_machine_type=virt", "architecture=openrisc"),
			props("hw_machine_type=virt", "architecture=x86_64", "hw_emulation_architecture=aarch64"),
		},
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
	"quiesce-needs-agent": {
		broken: []image.Image{props("os_require_quiesce=yes"), props("os_require_quiesce=yes", "hw_qemu_guest_agent=enabled")},
		fine:   []image.Image{props("os_require_quiesce=yes", "hw_qemu_guest_agent=yes"), props("os_require_quiesce=no")},
	},
	"admin-user-needs-agent": {
		broken: []image.Image{props("os_admin_user=ubuntu")},
		fine:   []image.Image{props("os_admin_user=ubuntu", "hw_qemu_guest_agent=1")},
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

	// What hardware says.
	"refused-by-nova-api": {
		broken: []image.Image{
			props("hw_mem_encryption=true", "hw_machine_type=q35"), props("hw_mem_encryption=true", "hw_firmware_type=uefi", "hw_machine_type=virt"),
			props("hw_cpu_thread_policy=prefer"), props("trait:HW_CPU_HYPERTHREADING=required"),
			props("trait:HW_CPU_HYPERTHREADING=required", "hw_cpu_policy=dedicated", "hw_cpu_thread_policy=require"),
			props("hw_cpu_sockets=2", "hw_cpu_max_sockets=1"), props("hw_locked_memory=true"), props("hw_mem_page_size=large"), props("hw_cpu_policy=mixed"),
			props("hw_numa_nodes=2", "hw_numa_cpus.0=0", "hw_numa_cpus.1=1", "hw_numa_mem.0=512"), props("hw_cpu_policy=dedicated", "hw_numa_cpus.0=0"),
		},
		fine: []image.Image{
			props("hw_mem_encryption=no"), props("hw_cpu_thread_policy=isolate", "hw_cpu_policy=dedicated"), props("hw_cpu_sockets=2", "hw_cpu_max_sockets=2"),
			props("hw_numa_nodes=2"), props("cinder_encryption_key_id=x"), props("hw_disk_bus=VIRTIO", "hw_cpu_thread_policy=prefer"),
		},
	},
	"refused-by-nova-libvirt": {
		broken: []image.Image{
			props("os_secure_boot=required", "hw_firmware_type=uefi"),
			props("os_secure_boot=required", "hw_firmware_type=uefi", "hw_machine_type=pc-i440fx-8.2", "architecture=AMD64"),
			props("hw_firmware_stateless=true"), props("hw_firmware_stateless=yes", "architecture=aarch64"),
			props("hw_tpm_model=tpm-crb", "hw_tpm_version=1.2"), props("hw_viommu_model=intel"), props("hw_viommu_model=auto", "architecture=aarch64", "hw_machine_type=pc"),
			props("architecture=mips64el"), props("hw_video_ram=16"), props("hw_disk_bus=xen"),
		},
		fine: []image.Image{
			props("os_secure_boot=required", "hw_firmware_type=uefi", "hw_machine_type=pc-q35-8.2"),
			props("os_secure_boot=required", "hw_firmware_type=uefi", "hw_architecture=aarch64"),
			props("hw_firmware_stateless=true", "hw_firmware_type=uefi"), props("hw_viommu_model=intel", "hw_machine_type=q35"),
			props("architecture=s390x"), props("hw_disk_bus=xen", "hypervisor_type=xen"),
		},
	},
	"does-not-start": {
		broken: []image.Image{
			props("hw_disk_bus=ide", "hw_machine_type=q35"), props("vmware_adaptertype=ide", "hw_machine_type=pc-q35-9.0"),
			props("disk_format=iso", "hw_cdrom_bus=virtio"), props("disk_format=iso", "hw_cdrom_bus=ide", "hw_machine_type=q35"),
			props("hw_virtio_packed_ring=true", "hw_vif_model=e1000e"), props("hw_scsi_model=buslogic"), props("hw_machine_type=virt", "architecture=x86_64"),
			props("hw_viommu_model=auto", "hw_machine_type=q35"), props("hw_vif_model=spapr-vlan", "architecture=x86_64"), props("hw_video_model=gop"),
		},
		fine: []image.Image{
			props("hw_disk_bus=ide"), props("hw_disk_bus=sata", "hw_machine_type=q35"), props("hw_disk_bus=ide", "hw_machine_type=q35", "disk_format=iso"),
			props("disk_format=qcow2", "hw_cdrom_bus=virtio"), props("hw_virtio_packed_ring=true", "hw_vif_model=virtio"), props("hw_disk_bus=ide", "hw_machine_type=q35", "hypervisor_type=baremetal"),
		},
	},
	"encrypted-volume-image": {
		broken: []image.Image{props("cinder_encryption_key_id=x"), props("cinder_encryption_key_id=x", "hw_disk_bus=virtio")},
		fine:   []image.Image{props("cinder_encryption_key_id="), props()},
	},
	"no-effect": {
		broken: []image.Image{
			props("hw_tpm_model=tpm-tis"), props("hw_vif_multiqueue_enabled=yes", "hw_vif_model=e1000"), props("hw_maxphysaddr_bits=42"),
			props("hw_numa_cpus.0=0-3"), props("hw_numa_mem.0=1024"), props("os_command_line=quiet"), props("os_command_line=quiet", "ramdisk_id=x"),
			props("hw_ephemeral_encryption_format=luks"), props("os_secure_boot=optional"), props("os_secure_boot=optional", "hw_firmware_type=uefi", "hw_machine_type=pc"),
			props("hw_rng_model=virtio"), props("hw_ipxe_boot=true"), props("hw_pointer_model=usbtablet", "hw_input_bus=virtio"), props("hw_cpu_realtime_mask=^0"),
		},
		fine: []image.Image{
			props("hw_tpm_model=tpm-tis", "hw_tpm_version=2.0"), props("hw_vif_multiqueue_enabled=true", "hw_vif_model=virtio"), props("hw_vif_multiqueue_enabled=true"),
			props("hw_maxphysaddr_bits=42", "hw_maxphysaddr_mode=emulate"), props("os_command_line=quiet", "kernel_id=5a1f0a52-7f0b-4b6a-9d3a-0123456789ab"),
			props("hw_ephemeral_encryption_format=luks", "hw_ephemeral_encryption=true"), props("hw_rescue_bus=usb", "hw_rescue_device=disk"),
			props("os_secure_boot=optional", "hw_firmware_type=uefi", "hw_machine_type=q35"), props("description=x"), props("os_distro=ubuntu", "os_version=24.04"),
			props("hw_tpm_model=tpm-tis", "hypervisor_type=hyperv"),
		},
	},

	// The operating system.
	"linux-without-virtio": {
		broken: []image.Image{
			props("os_type=linux", "hw_disk_bus=ide"), props("os_type=linux", "hw_vif_model=e1000"), props("os_type=linux", "hw_disk_bus=scsi", "hw_scsi_model=lsilogic"),
			props("os_type=linux", "hw_disk_bus=sata", "os_distro=ubuntu", "os_version=24.04"),
		},
		fine: []image.Image{
			props("os_type=linux"), props("os_type=linux", "hw_disk_bus=virtio", "hw_vif_model=virtio"), props("os_type=linux", "hw_disk_bus=scsi", "hw_scsi_model=virtio-scsi"),
			props("hw_disk_bus=ide"), props("os_type=windows", "hw_disk_bus=ide", "hw_vif_model=e1000"), props("os_type=linux", "hw_disk_bus=ide", "hypervisor_type=vmware"),
			props("os_type=linux", "hw_disk_bus=ide", "disk_format=iso"),
		},
	},
	"windows-on-emulated-devices": {
		broken: []image.Image{props("os_type=windows", "hw_disk_bus=ide", "hw_vif_model=e1000"), props("os_type=windows", "hw_disk_bus=virtio", "hw_vif_model=e1000e")},
		fine:   []image.Image{props("os_type=windows", "hw_disk_bus=virtio", "hw_vif_model=virtio"), props("hw_disk_bus=ide")},
	},
	"windows-on-default-devices": {
		broken: []image.Image{props("os_type=windows"), props("os_type=windows", "hw_disk_bus=sata")},
		fine: []image.Image{
			props("os_type=windows", "hw_disk_bus=sata", "hw_vif_model=e1000"), props("os_type=linux"), props("os_type=windows", "disk_format=iso", "hw_vif_model=e1000"),
			props("os_type=windows", "hypervisor_type=hyperv"),
		},
	},
	"eol-reached": {
		broken: []image.Image{props("os_distro=debian", "os_version=9"), props("os_distro=Debian", "os_version=9"), props("os_distro=ubuntu", "os_version=14.04")},
		fine:   []image.Image{props("os_distro=ubuntu", "os_version=24.04"), props("os_distro=debian"), props("os_distro=own", "os_version=1")},
	},
	"eol-near": {
		broken: []image.Image{props("os_distro=fedora", "os_version=43")},
		fine:   []image.Image{props("os_distro=ubuntu", "os_version=24.04"), props("os_distro=debian", "os_version=9")},
	},
	"libosinfo-picks-card": {
		broken: []image.Image{props("os_distro=ubuntu22.04"), props("os_distro=ubuntu22.04", "os_type=linux"), props("os_distro=http://ubuntu.com/ubuntu/22.04")},
		fine:   []image.Image{props("os_distro=ubuntu"), props("os_distro=ubuntu22.04", "hw_vif_model=virtio")},
	},
	"aarch64-may-be-emulated": {
		broken: []image.Image{props("architecture=aarch64"), props("hw_architecture=aarch64")},
		fine:   []image.Image{props("architecture=aarch64", "hypervisor_type=kvm"), props("architecture=x86_64")},
	},
	"ironic-as-hypervisor-type": {
		broken: []image.Image{props("hypervisor_type=ironic"), props("img_hv_type=ironic")},
		fine:   []image.Image{props("hypervisor_type=baremetal")},
	},
	"no-image-prefilter": {
		broken: []image.Image{props("hw_viommu_model=intel", "hw_machine_type=q35"), props("hw_architecture=armv7l")},
		fine:   []image.Image{props("hw_architecture=aarch64"), props()},
	},
	"tpm-binds": {
		broken: []image.Image{props("hw_tpm_version=2.0")},
		fine:   []image.Image{props("hw_tpm_model=tpm-crb")},
	},
	"ephemeral-encryption-hosts": {
		broken: []image.Image{props("hw_ephemeral_encryption=yes")},
		fine:   []image.Image{props("hw_ephemeral_encryption=no")},
	},

	// The record.
	"min-disk-too-small": {
		broken: []image.Image{props("virtual_size=10737418240"), props("virtual_size=10737418241", "min_disk=10"), props("disk_format=raw", "size=1")},
		fine:   []image.Image{props("virtual_size=10737418240", "min_disk=10"), props("disk_format=qcow2", "size=1"), props("virtual_size=0"), props()},
	},
	"min-ram-missing": {
		broken: []image.Image{props("status=active"), props("status=active", "os_distro=ubuntu", "os_version=24.04")},
		fine:   []image.Image{props("status=active", "min_ram=512"), props("disk_format=aki"), props("status=queued")},
	},
	"minimum-negative": {
		broken: []image.Image{props("min_ram=-1"), props("min_disk=-5")},
		fine:   []image.Image{props("min_ram=0")},
	},
	"disk-format-unbootable": {
		broken: []image.Image{props("disk_format=vhd"), props("disk_format=ploop", "hypervisor_type=kvm")},
		fine:   []image.Image{props("disk_format=vhd", "hypervisor_type=hyperv"), props("disk_format=qcow2"), props("disk_format=raw")},
	},
	"disk-format-of-amazon": {
		broken: []image.Image{props("disk_format=ami")},
		fine:   []image.Image{props("disk_format=aki"), props("disk_format=ami", "hypervisor_type=baremetal")},
	},
	"disk-format-of-vmware": {
		broken: []image.Image{props("disk_format=vmdk"), props("disk_format=vhdx"), props("disk_format=vmdk", "hypervisor_type=kvm", "vmware_disktype=sparse")},
		fine:   []image.Image{props("disk_format=vmdk", "vmware_disktype=sparse"), props("disk_format=vmdk", "hypervisor_type=vmware"), props("disk_format=raw")},
	},
	"container-format-unread": {
		broken: []image.Image{props("container_format=ova"), props("container_format=docker"), props("container_format=compressed")},
		fine:   []image.Image{props("container_format=bare"), props("container_format=ova", "hypervisor_type=vmware"), props("container_format=ova", "vmware_ostype=x")},
	},
	"name-contradicts-format": {
		broken: []image.Image{props("name=disk.vmdk", "disk_format=raw"), props("name=Some.ISO", "disk_format=qcow2"), props("name=a.qcow2", "disk_format=raw")},
		fine:   []image.Image{props("name=disk.vmdk", "disk_format=vmdk"), props("name=disk.img", "disk_format=raw"), props("name=ubuntu-22.04", "disk_format=raw"), props("name=a.raw", "disk_format=ami"), props("name=a.iso")},
	},
	"no-data": {
		broken: []image.Image{props("status=active", "size=0"), props("status=active", "size=0", "block_device_mapping=[]")},
		fine:   []image.Image{props("status=active", "size=0", `block_device_mapping=[{"snapshot_id": "x"}]`), props("status=active", "size=1"), props("status=queued", "size=0"), props("status=active")},
	},
	"stuck": {
		broken: []image.Image{props("status=saving", "updated_at=2026-11-01"), props("status=queued", "updated_at=2020-01-01")},
		fine:   []image.Image{props("status=saving", "updated_at=2026-11-23"), props("status=active", "updated_at=2020-01-01"), props("status=queued")},
	},
	"killed": {
		broken: []image.Image{props("status=killed"), props("status=pending_delete")},
		fine:   []image.Image{props("status=deactivated")},
	},
	"no-hash": {
		broken: []image.Image{props("status=active", "size=1")},
		fine:   []image.Image{props("status=active", "size=1", "checksum=x"), props("status=active", "size=1", "os_hash_algo=sha512", "os_hash_value=x"), props("status=active", "size=0"), props()},
	},
	"weak-hash": {
		broken: []image.Image{props("status=active", "size=1", "checksum=x"), props("status=active", "size=1", "os_hash_algo=md5", "os_hash_value=x")},
		fine:   []image.Image{props("status=active", "size=1", "checksum=x", "os_hash_algo=sha512", "os_hash_value=x")},
	},
	"snapshot-carries-server": {
		broken: []image.Image{props("image_type=snapshot", "instance_uuid=x"), props("image_type=snapshot", "instance_uuid=x", "visibility=public")},
		fine:   []image.Image{props("image_type=snapshot"), props("instance_uuid=x")},
	},
	"stale-block-device-mapping": {
		broken: []image.Image{props("status=active", "size=5", `block_device_mapping=[{"snapshot_id": "x"}]`)},
		fine:   []image.Image{props("status=active", "size=0", `block_device_mapping=[{"snapshot_id": "x"}]`), props("status=active", "size=5", "block_device_mapping=[]")},
	},
	"no-description": {
		broken: []image.Image{props("status=active")},
		fine:   []image.Image{props("status=active", "description=x"), props("status=active", "image_description=x"), props(), props("status=active", "image_type=snapshot")},
	},
	"snapshots-impossible": {
		broken: []image.Image{many(106), many(128)},
		fine:   []image.Image{many(105), many(129)},
	},
	"converted-on-ceph": {
		broken: []image.Image{props("status=active", "size=1", "stores=ceph", "disk_format=qcow2"), props("status=active", "size=1", "stores=file,rbd1", "disk_format=vmdk")},
		fine:   []image.Image{props("status=active", "size=1", "stores=ceph", "disk_format=raw"), props("status=active", "size=1", "stores=file", "disk_format=qcow2")},
	},

	// Single values, which package property has its own tests for.
	"value-not-accepted":  {[]image.Image{props("hw_disk_bus=VIRTIO"), props("architecture=arm64")}, []image.Image{props("hw_disk_bus=virtio")}},
	"current-name-unread": {[]image.Image{props("img_block_device_mapping=[]"), props("hw_vm_mode=hvm")}, []image.Image{props("vm_mode=hvm")}},
	"refused-later":       {[]image.Image{props("hw_redirected_usb_ports=16")}, []image.Image{props("hw_numa_nodes=1")}},
	"refused-by-kvm":      {[]image.Image{props("hw_vif_model=netfront", "hypervisor_type=xen"), props("hw_serial_port_count=4")}, []image.Image{props("hw_vif_model=virtio")}},
	"needs-flavor":        {[]image.Image{props("hw_video_ram=16", "hw_disk_bus=VIRTIO")}, []image.Image{props("hw_video_ram=0")}},
	"newer-than":          {[]image.Image{props("hw_vif_model=igb"), props("hw_sound_model=ich9")}, []image.Image{props("hw_vif_model=e1000")}},
	"boolean-misread":     {[]image.Image{props("hw_qemu_guest_agent=enabled")}, []image.Image{props("hw_qemu_guest_agent=yes")}},
	"value-ignored":       {[]image.Image{props("os_shutdown_timeout=2m")}, []image.Image{props("os_shutdown_timeout=120")}},
	"os-type-case":        {[]image.Image{props("os_type=Windows"), props("os_type=Linux")}, []image.Image{props("os_type=windows")}},
	"runs-emulated":       {[]image.Image{props("architecture=i386")}, []image.Image{props("architecture=x86_64")}},
	"unknown-property":    {[]image.Image{props("hw_disk_buss=virtio"), props("hw_made_up=x")}, []image.Image{props("my_own=x")}},
	"flavor-spelling":     {[]image.Image{props("hw:cpu_policy=dedicated"), props("quota:cpu=1")}, []image.Image{props("hw_cpu_policy=dedicated")}},
	"trait-spelling":      {[]image.Image{props("traits:HW_CPU_X86_AVX2=required"), props("trait:avx=required")}, []image.Image{props("trait:HW_CPU_X86_AVX2=required")}},
	"trait-value-ignored": {[]image.Image{props("trait:HW_CPU_X86_AVX2=forbidden")}, []image.Image{props("trait:HW_CPU_X86_AVX2=required")}},
	"name-blanks":         {[]image.Image{props(" hw_disk_bus=virtio")}, []image.Image{props("hw_disk_bus=virtio")}},
	"name-empty":          {[]image.Image{props("=x")}, []image.Image{props("a=x")}},
	"name-unchangeable":   {[]image.Image{props("context=x")}, []image.Image{props("contexts=x")}},
	"name-clash":          {[]image.Image{props("build=x", "Build=x")}, []image.Image{props("build=x", "built=x")}},
	"name-too-long":       {[]image.Image{props(strings.Repeat("n", 250) + "=x"), props(strings.Repeat("n", 256) + "=x")}, []image.Image{props(strings.Repeat("n", 249) + "=x")}},
	"value-too-long":      {[]image.Image{props("a=" + strings.Repeat("x", 65536)), props("os_command_line=" + strings.Repeat("x", 256))}, []image.Image{props("a=" + strings.Repeat("x", 65535))}},
	"too-many-properties": {[]image.Image{many(129)}, []image.Image{many(128)}},
	"numa-gap":            {[]image.Image{props("hw_numa_cpus.1=0")}, []image.Image{props("hw_numa_cpus.0=0")}},
	"uuid-form":           {[]image.Image{props("base_image_ref=x")}, []image.Image{props("base_image_ref=5a1f0a52-7f0b-4b6a-9d3a-0123456789ab")}},
	"overwritten":         {[]image.Image{props("image_name=x")}, []image.Image{props("image_names=x")}},
	"snapshot-leftover":   {[]image.Image{props("base_image_ref=5a1f0a52-7f0b-4b6a-9d3a-0123456789ab"), props("boot_roles=x")}, []image.Image{props("base_image_ref=5a1f0a52-7f0b-4b6a-9d3a-0123456789ab", "image_type=snapshot")}},
	"vocabulary":          {[]image.Image{props("os_distro=Ubuntu"), props("os_distro=ubuntu22.04", "hw_vif_model=virtio"), props("os_distro=Windows Server 2019")}, []image.Image{props("os_distro=ubuntu", "os_version=22.04")}},
	"vocabulary-unclear":  {[]image.Image{props("os_distro=frobnix"), props("os_distro=debian", "os_version=99")}, []image.Image{props("os_distro=debian", "os_version=12")}},
	"os-missing":          {[]image.Image{props("name=ubuntu-22.04-server-cloudimg-amd64")}, []image.Image{props("name=ubuntu-22.04-server", "os_distro=ubuntu", "os_version=22.04", "os_type=linux", "architecture=x86_64")}},
	"glance-schema":       {[]image.Image{props("kernel_id=nokernel")}, []image.Image{props("kernel_id=5a1f0a52-7f0b-4b6a-9d3a-0123456789ab")}},
	"reserved-name":       {[]image.Image{props("os_glance_x=1"), props("location=x")}, []image.Image{props("os_glanc=1")}},
	"read-only-name":      {[]image.Image{props("direct_url=x")}, []image.Image{props("url=x")}},
	"base-field":          {[]image.Image{props("os_hash=x", "protected=true")}, []image.Image{props("protect=true")}},
	"not-utf8":            {[]image.Image{props("a=\xff")}, []image.Image{props("a=é")}},
	"four-byte-unicode":   {[]image.Image{props("a=😀")}, []image.Image{props("a=☃")}},
}

func TestRules(t *testing.T) {
	for _, r := range Rules() {
		if r.Kind == OnCatalog {
			continue // see TestCatalogRules
		}
		c, ok := ruleCases[r.ID]
		if !ok || len(c.broken) == 0 || len(c.fine) == 0 {
			t.Errorf("%s: has no images that break and keep it", r.ID)
		}
		for _, img := range c.broken {
			if !found(auditor.Image(img), r.ID) {
				t.Errorf("%s: not found for %+v", r.ID, img)
			}
		}
		for _, img := range c.fine {
			if found(auditor.Image(img), r.ID) {
				t.Errorf("%s: found for %+v", r.ID, img)
			}
		}
	}
	for id := range ruleCases {
		if !slices.ContainsFunc(Rules(), func(r Rule) bool { return r.ID == id }) {
			t.Errorf("%s: cases for a rule that is not there", id)
		}
	}
}

func found(findings []Finding, id string) bool {
	return slices.ContainsFunc(findings, func(f Finding) bool { return f.Rule == id })
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
		if r.Kind == "" || r.Example == "" || !strings.HasSuffix(r.Mend, ".") {
			t.Errorf("%s: kind %q, example %q, mend %q", r.ID, r.Kind, r.Example, r.Mend)
		}
		if !strings.HasSuffix(r.Why, ".") || r.Reference == "" {
			t.Errorf("%s: why %q, reference %q", r.ID, r.Why, r.Reference)
		}
	}
}

// TestFindings holds what every finding promises: a rule that there is, text of
// one line, a property that the image has, a fix that mends it and that Nova
// takes, and a fixed order.
func TestFindings(t *testing.T) {
	rules := map[string]bool{}
	for _, r := range Rules() {
		rules[r.ID] = true
	}
	for id, c := range ruleCases {
		for _, img := range slices.Concat(c.broken, c.fine) {
			findings := auditor.Image(img)
			if !slices.IsSortedFunc(findings, compare) {
				t.Errorf("%v: not sorted: %v", img.Properties, findings)
			}
			for _, f := range findings {
				switch {
				case !rules[f.Rule]:
					t.Errorf("%v: rule %q does not exist", img.Properties, f.Rule)
				case f.Message == "" || strings.ContainsFunc(f.Message, unicode.IsControl) || len(f.Message) > 900:
					t.Errorf("%s: message %q", id, f.Message)
				case f.Reference == "":
					t.Errorf("%s: %s has no reference", id, f.Rule)
				}
				if f.Fix == nil || f.Rule != id {
					continue
				}
				checkFix(t, img, f)
			}
		}
	}
}

func checkFix(t *testing.T, img image.Image, f Finding) {
	t.Helper()
	p := plan.Image{}
	for _, fix := range f.Fix {
		if before := img.Value(fix.Property); before != fix.Before {
			t.Errorf("%s: the fix of %v says that %s is %v", f.Rule, img.Properties, fix.Property, fix.Before)
		}
		p.Changes = append(p.Changes, plan.Change{Property: fix.Property, Before: fix.Before, After: fix.After})
	}
	mended := plan.After(img, p)
	for _, g := range auditor.Image(mended) {
		if g.Rule == f.Rule && g.Property == f.Property {
			t.Errorf("%s: the fix %v does not mend %+v: %s", f.Rule, f.Fix, img, g.Message)
		}
		if g.Severity == property.Error && !found(auditor.Image(img), g.Rule) {
			t.Errorf("%s: the fix %v of %v is refused: %s", f.Rule, f.Fix, img.Properties, g.Message)
		}
	}
}

// TestManyAtOnce shows that rules do not hide each other, and the order of
// findings.
func TestManyAtOnce(t *testing.T) {
	var ids []string
	for _, f := range auditor.Combinations(props("os_secure_boot=required", "hw_disk_bus=ide", "hw_machine_type=q35", "os_require_quiesce=yes",
		"hw_scsi_model=virtio-scsi", "disk_format=qcow2", "vmware_ostype=debian")) {
		ids = append(ids, f.Severity.String()+" "+f.Property+" "+f.Rule)
	}
	want := []string{
		"error hw_disk_bus does-not-start", "error os_require_quiesce quiesce-needs-agent", "error os_secure_boot secure-boot-needs-uefi",
		"warning hw_scsi_model scsi-model-without-scsi-bus", "warning vmware_ostype vmware-leftover",
	}
	if !slices.Equal(ids, want) {
		t.Errorf("got %q,\nwant %q", ids, want)
	}
}

// Who refuses an image, and what hardware proposes instead.
func TestRejectedBy(t *testing.T) {
	for _, c := range []struct {
		img            image.Image
		by, rule, fixs string
	}{
		{props("hw_disk_bus=VIRTIO"), "nova", "value-not-accepted", "hw_disk_bus=virtio"},
		{props("hw_disk_buss=virtio"), "", "unknown-property", "hw_disk_buss=<nil> hw_disk_bus=virtio"},
		{props("hw_disk_buss=VIRTIO"), "", "unknown-property", "hw_disk_buss=<nil> hw_disk_bus=virtio"},
		{props("hw_disk_buss=x"), "", "unknown-property", ""},
		{props("hw_cpu_thread_policy=prefer"), "nova-api", "refused-by-nova-api", ""},
		{props("hw_tpm_model=tpm-crb", "hw_tpm_version=1.2"), "nova-libvirt", "refused-by-nova-libvirt", "hw_tpm_version=2.0"},
		{props("os_secure_boot=required", "hw_firmware_type=uefi"), "nova-libvirt", "refused-by-nova-libvirt", "hw_machine_type=q35"},
		{props("hw_viommu_model=intel"), "nova-libvirt", "refused-by-nova-libvirt", "hw_machine_type=q35"},
		{props("hw_disk_bus=ide", "hw_machine_type=q35"), "libvirt", "does-not-start", "hw_disk_bus=sata"},
		{props("hw_vif_model=spapr-vlan", "os_type=windows"), "libvirt", "does-not-start", "hw_vif_model=e1000"},
		{props("hw_machine_type=pc-1.0"), "libvirt", "does-not-start", "hw_machine_type=q35"},
		{props("vm_mode=xen"), "libvirt", "does-not-start", "vm_mode=<nil>"},
		{props("cinder_encryption_key_id=5a1f0a52-7f0b-4b6a-9d3a-0123456789ab"), "nova-api", "encrypted-volume-image", ""},
		{props("kernel_id=nokernel"), "glance", "glance-schema", ""},
		{props("hw_vif_model=virtio"), "", "", ""},
		{props("hypervisor_type=vmware", "hw_vif_model=VirtualVmxnet"), "", "", ""}, // never sent to a KVM host
	} {
		fixes, by := "", ""
		for _, f := range auditor.Image(c.img) {
			if f.RejectedBy != "" {
				by = f.RejectedBy
			}
			if f.Rule == c.rule && fixes == "" {
				var parts []string
				for _, fix := range f.Fix {
					parts = append(parts, fmt.Sprintf("%s=%v", fix.Property, fix.After))
				}
				fixes = strings.Join(parts, " ")
			}
		}
		want := strings.Fields(c.fixs)
		slices.Sort(want)
		if by != c.by || c.rule != "" && !found(auditor.Image(c.img), c.rule) || fixes != strings.Join(want, " ") {
			t.Errorf("%v: rejected by %q, want %q; fix %q, want %q; %v", c.img.Properties, by, c.by, fixes, c.fixs, auditor.Image(c.img))
		}
	}
}

// An image without anything has nothing wrong beyond what is not told.
func TestNothing(t *testing.T) {
	for _, f := range auditor.Image(image.Image{}) {
		if f.Severity > property.Info {
			t.Errorf("an empty image: %v", f)
		}
	}
}

package audit

import (
	"slices"
	"strings"
	"testing"

	"glance-profile/internal/hardware"
	"glance-profile/internal/image"
)

// facts are what is known to go wrong with image properties, each with an image
// that shows it and the rule that finds it, or with the reason why there is no
// rule. They keep the rules complete: a new fact gets a line here first.
var facts = []struct {
	fact   string
	rule   string
	broken image.Image
	nova   hardware.Release // "" for the newest
	none   string           // instead of a rule: why there is none
}{
	// Values.
	{fact: "enums are matched exactly, in lower case", rule: "value-not-accepted", broken: props("hw_disk_bus=VIRTIO")},
	{fact: "a machine type is free text: in capitals it ends in ERROR on the host", rule: "refused-by-nova-libvirt", broken: props("hw_machine_type=Q35")},
	{fact: "Nova's names of architectures are not those of Linux distributions", rule: "value-not-accepted", broken: props("architecture=arm64")},
	{fact: "i386 and its like become i686, which hosts emulate", rule: "runs-emulated", broken: props("architecture=i386")},
	{fact: "booleans never fail: an unknown word is false", rule: "boolean-misread", broken: props("hw_qemu_guest_agent=enabled")},
	{fact: "integers are whole and decimal", rule: "value-not-accepted", broken: props("hw_cpu_sockets=4.0")},
	{fact: "an empty value fails for all but booleans and text", rule: "value-not-accepted", broken: props("hw_disk_bus=")},
	{fact: "an empty machine type fails on the host", rule: "refused-by-nova-libvirt", broken: props("hw_machine_type=")},
	{fact: "Glance takes only text for properties, and only integers for min_disk and min_ram",
		none: "an image in Glance cannot have it; create and apply write the right types, and refuse the fields as properties (base-field)"},
	{fact: "the wanted hypervisor version needs an operator", rule: "value-not-accepted", broken: props("hypervisor_version_requires=2.6", "hypervisor_type=kvm")},
	{fact: "Zed takes no version of one number", rule: "newer-than", broken: props("hypervisor_version_requires=>=2", "hypervisor_type=kvm")},
	{fact: "os_type is linux or windows", rule: "value-not-accepted", broken: props("os_type=bsd")},
	{fact: "os_type in capitals is taken, and then nothing of Windows is set", rule: "os-type-case", broken: props("os_type=Windows")},
	{fact: "img_config_drive is mandatory or optional", rule: "value-not-accepted", broken: props("img_config_drive=true")},
	{fact: "block device mappings are read under their legacy name only", rule: "current-name-unread", broken: props("img_block_device_mapping=[]")},
	{fact: "bdm_v2 is true for any text", rule: "boolean-misread", broken: props("bdm_v2=False", "block_device_mapping=[]")},
	{fact: "vmware_adaptertype=IDE fails", rule: "value-not-accepted", broken: props("vmware_adaptertype=IDE")},
	{fact: "hypervisor_type=powervm is offered by Glance and refused by Nova", rule: "value-not-accepted", broken: props("hypervisor_type=powervm")},
	{fact: "ids take any text", rule: "uuid-form", broken: props("img_signature_certificate_uuid=mykey")},

	// Names.
	{fact: "unknown names are ignored in silence", rule: "unknown-property", broken: props("hw_disk_buss=virtio")},
	{fact: "a newer name does nothing in an older release", rule: "newer-than", broken: props("hw_firmware_stateless=true", "hw_firmware_type=uefi"), nova: "zed"},
	{fact: "a newer value of a known name is refused by an older release", rule: "value-not-accepted", broken: props("hw_vif_model=igb"), nova: "zed"},
	{fact: "extra specs of flavors do nothing on an image", rule: "flavor-spelling", broken: props("hw:cpu_policy=dedicated")},
	{fact: "a legacy name beside the current one is checked first", rule: "value-not-accepted", broken: props("architecture=arm64", "hw_architecture=aarch64")},
	{fact: "legacy and current name can contradict each other", rule: "legacy-beside-current", broken: props("architecture=x86_64", "hw_architecture=aarch64")},
	{fact: "some legacy names have a current one that nothing reads", rule: "current-name-unread", broken: props("img_bdm_v2=true")},
	{fact: "a number of properties have no effect any more", rule: "no-effect", broken: props("hw_rng_model=virtio")},
	{fact: "names that begin with os_glance are reserved", rule: "reserved-name", broken: props("os_glance_x=1")},
	{fact: "Glance sets checksum and the like itself", rule: "read-only-name", broken: image.Image{Properties: map[string]string{"checksum": "x"}}},
	{fact: "Glance refuses names of more than 255 characters", rule: "name-too-long", broken: props(strings.Repeat("n", 256) + "=x")},
	{fact: "Nova can make no server of an image with a name of more than 249 characters", rule: "name-too-long", broken: props(strings.Repeat("n", 250) + "=x")},
	{fact: "names that differ in case only clash in MySQL", rule: "name-clash", broken: props("Build=1", "build=2")},
	{fact: "names keep blanks when an image is made, and lose them when it is changed", rule: "name-blanks", broken: props(" hw_disk_bus=virtio")},
	{fact: "Glance takes 128 properties", rule: "too-many-properties", broken: many(129)},
	{fact: "with more than about 105 properties servers have no snapshots", rule: "snapshots-impossible", broken: many(110)},
	{fact: "Glance's database holds 65535 bytes of a value", rule: "value-too-long", broken: props("x=" + strings.Repeat("v", 70_000))},
	{fact: "Nova cuts a kernel command line at 255 bytes", rule: "value-too-long", broken: props("kernel_id=b6b2a1a5-0d0c-4f0e-9a3a-0a7a3c1f2d11", "os_command_line="+strings.Repeat("v", 300))},
	{fact: "Cinder overwrites image_id and image_name", rule: "overwritten", broken: props("image_name=mine")},
	{fact: "base_image_ref of a snapshot counts in the image's place", rule: "snapshot-leftover", broken: props("base_image_ref=b6b2a1a5-0d0c-4f0e-9a3a-0a7a3c1f2d11")},
	{fact: "snapshots carry what names their server and its user", rule: "snapshot-carries-server", broken: props("image_type=snapshot", "instance_uuid=b6b2a1a5-0d0c-4f0e-9a3a-0a7a3c1f2d11")},
	{fact: "a block device mapping of another cloud stays on a copied image", rule: "stale-block-device-mapping", broken: props("status=active", "size=1", `block_device_mapping=[{"snapshot_id":"x"}]`)},

	// Traits and scheduling.
	{fact: "a trait counts with the value required only", rule: "trait-value-ignored", broken: props("trait:HW_CPU_X86_AVX2=forbidden")},
	{fact: "traits: and trait1: are ignored", rule: "trait-spelling", broken: props("traits:HW_CPU_X86_AVX2=required")},
	{fact: "Nova does not check the names of traits", rule: "trait-spelling", broken: props("trait:hw_cpu_x86_avx2=required")},
	{fact: "the trait of hyperthreading needs dedicated processors", rule: "refused-by-nova-api", broken: props("trait:HW_CPU_HYPERTHREADING=required")},
	{fact: "images for VMware, Hyper-V or Xen find no host in a cloud of KVM",
		none: "a cloud may have such hosts, which no image shows; a policy says so for one cloud (require: hypervisor_type, values: [kvm, qemu])"},
	{fact: "no node of Ironic reports ironic", rule: "ironic-as-hypervisor-type", broken: props("hypervisor_type=ironic")},
	{fact: "x86 hosts with an emulator take aarch64 images", rule: "aarch64-may-be-emulated", broken: props("architecture=aarch64", "hw_firmware_type=uefi")},
	{fact: "the wanted hypervisor version is looked at beside architecture, hypervisor or mode only", rule: "hypervisor-version-alone", broken: props("hypervisor_version_requires=>=6.0")},
	{fact: "vm_mode=xen finds no host with KVM", rule: "does-not-start", broken: props("vm_mode=xen")},
	{fact: "the image prefilter asks for no traits at all beside a vIOMMU", rule: "no-image-prefilter", broken: props("hw_viommu_model=intel", "hw_machine_type=q35")},
	{fact: "the image prefilter asks for no traits at all for an emulated architecture without a trait",
		none: "a few architectures of a rare property under an option that is off by default; no-image-prefilter tells of the two common causes"},
	{fact: "no libvirt host reports the image types vmdk, vdi, vhd and vhdx", rule: "disk-format-of-vmware", broken: props("disk_format=vdi")},

	// Firmware, security, TPM, memory encryption.
	{fact: "Secure Boot without UEFI starts without Secure Boot", rule: "secure-boot-needs-uefi", broken: props("os_secure_boot=required")},
	{fact: "Secure Boot needs q35", rule: "refused-by-nova-libvirt", broken: props("os_secure_boot=required", "hw_firmware_type=uefi")},
	{fact: "optional Secure Boot is off without q35", rule: "no-effect", broken: props("os_secure_boot=optional", "hw_firmware_type=uefi")},
	{fact: "an architecture without a default machine type needs one", rule: "refused-by-nova-libvirt", broken: props("architecture=mips")},
	{fact: "aarch64 has no BIOS", rule: "bios-on-aarch64", broken: props("architecture=aarch64", "hw_firmware_type=bios")},
	{fact: "stateless firmware needs UEFI to be written", rule: "refused-by-nova-libvirt", broken: props("hw_firmware_stateless=true")},
	{fact: "encrypted memory needs UEFI", rule: "refused-by-nova-api", broken: props("hw_mem_encryption=true", "hw_machine_type=q35")},
	{fact: "encrypted memory needs q35", rule: "refused-by-nova-api", broken: props("hw_mem_encryption=true", "hw_firmware_type=uefi", "hw_machine_type=pc")},
	{fact: "encrypted memory without a machine type fails on hosts whose default is pc", rule: "memory-encryption-needs-q35", broken: props("hw_mem_encryption=true", "hw_firmware_type=uefi")},
	{fact: "a model of memory encryption encrypts nothing by itself", rule: "memory-encryption-model-alone", broken: props("hw_mem_encryption_model=amd-sev")},
	{fact: "SEV-SNP needs stateless firmware", rule: "sev-snp-needs-stateless-firmware", broken: props("hw_mem_encryption=true", "hw_mem_encryption_model=amd-sev-snp")},
	{fact: "encrypted memory has no IDE disk", rule: "memory-encryption-disk-bus", broken: props("hw_mem_encryption=true", "hw_firmware_type=uefi", "hw_machine_type=q35", "hw_disk_bus=ide")},
	{fact: "a TPM model without version is no TPM", rule: "no-effect", broken: props("hw_tpm_model=tpm-crb")},
	{fact: "tpm-crb needs version 2.0", rule: "refused-by-nova-libvirt", broken: props("hw_tpm_model=tpm-crb", "hw_tpm_version=1.2")},
	{fact: "the version of a TPM is written 1.2 or 2.0", rule: "value-not-accepted", broken: props("hw_tpm_version=2")},
	{fact: "servers with a TPM cannot be rebuilt, shelved, rescued or evacuated", rule: "tpm-binds", broken: props("hw_tpm_version=2.0")},
	{fact: "three quarters of a signature are none", rule: "signature-incomplete", broken: props("img_signature=x")},
	{fact: "Nova does not boot the image of an encrypted volume", rule: "encrypted-volume-image", broken: props("cinder_encryption_key_id=b6b2a1a5-0d0c-4f0e-9a3a-0a7a3c1f2d11")},
	{fact: "the policy for the key's deletion is one of two words, where Glance has its schema", rule: "glance-schema", broken: props("cinder_encryption_key_deletion_policy=keep")},
	{fact: "without that policy the key is kept", rule: "encryption-key-kept", broken: props("cinder_encryption_key_id=b6b2a1a5-0d0c-4f0e-9a3a-0a7a3c1f2d11")},

	// Disks and CD-ROMs.
	{fact: "a SCSI model without the bus is an idle controller", rule: "scsi-model-without-scsi-bus", broken: props("hw_scsi_model=lsilogic", "hw_disk_bus=sata")},
	{fact: "a SCSI bus without a model gets lsilogic", rule: "scsi-bus-without-model", broken: props("hw_disk_bus=scsi")},
	{fact: "q35 has no IDE disk", rule: "does-not-start", broken: props("hw_disk_bus=ide", "hw_machine_type=q35")},
	{fact: "q35 has no IDE CD-ROM, which only matters with a CD-ROM", rule: "cdrom-bus-unusable", broken: props("hw_cdrom_bus=ide", "hw_machine_type=q35")},
	{fact: "the buses xen, lxc and uml are refused by KVM", rule: "refused-by-nova-libvirt", broken: props("hw_disk_bus=xen")},
	{fact: "nvme and virtio-scsi are no buses", rule: "value-not-accepted", broken: props("hw_disk_bus=virtio-scsi")},
	{fact: "there is no CD-ROM on virtio", rule: "cdrom-bus-unusable", broken: props("hw_cdrom_bus=virtio")},
	{fact: "hw_disk_bus does not apply to the CD-ROM of an ISO image",
		none: "it applies to the other disks of the server, so it is rightly set"},
	{fact: "vmware_adaptertype acts on KVM too", rule: "vmware-leftover", broken: props("disk_format=qcow2", "vmware_adaptertype=lsiLogic")},
	{fact: "buslogic is refused by libvirt", rule: "does-not-start", broken: props("vmware_adaptertype=busLogic")},
	{fact: "hw_rescue_device=fs fails", rule: "refused-later", broken: props("hw_rescue_device=fs", "hw_rescue_bus=usb")},
	{fact: "servers on a volume need both rescue properties", rule: "rescue-half", broken: props("hw_rescue_device=disk")},
	{fact: "not every rescue bus has every rescue device", rule: "rescue-device-bus", broken: props("hw_rescue_device=cdrom", "hw_rescue_bus=virtio")},
	{fact: "hosts with KVM do not boot vhd and ploop", rule: "disk-format-unbootable", broken: props("disk_format=vhd")},
	{fact: "older releases refuse ami", rule: "disk-format-of-amazon", broken: props("disk_format=ami")},
	{fact: "data under another format than their own are refused", rule: "name-contradicts-format", broken: props("disk_format=raw", "name=disk.vmdk")},
	{fact: "qcow2 with a backing file, flat vmdk, luks and the like are refused",
		none: "the record of an image does not show its data; create reads the file before it is sent"},
	{fact: "libvirt hosts unpack no container", rule: "container-format-unread", broken: props("disk_format=vmdk", "container_format=ova")},
	{fact: "the API does not compare the virtual size with the flavor", rule: "min-disk-too-small", broken: props("disk_format=qcow2", "virtual_size=10737418240")},
	{fact: "negative minima pass Glance", rule: "minimum-negative", broken: props("min_ram=-1")},
	{fact: "min_ram is enforced when it is set", rule: "min-ram-missing", broken: props("status=active")},
	{fact: "Ceph clones raw images only", rule: "converted-on-ceph", broken: props("status=active", "size=1", "disk_format=qcow2", "stores=ceph")},
	{fact: "cinder_img_volume_type may name an unknown type",
		none: "the types are known to Cinder alone; a policy lists those of a cloud (require: cinder_img_volume_type, optional: true, values)"},

	// Kernel, boot, agent.
	{fact: "a kernel command line needs a kernel", rule: "no-effect", broken: props("os_command_line=quiet")},
	{fact: "a ramdisk needs a kernel", rule: "ramdisk-needs-kernel", broken: props("ramdisk_id=b6b2a1a5-0d0c-4f0e-9a3a-0a7a3c1f2d11")},
	{fact: "kernel_id=nokernel is refused by Glance's schema", rule: "glance-schema", broken: props("kernel_id=nokernel")},
	{fact: "freezing needs the guest agent", rule: "quiesce-needs-agent", broken: props("os_require_quiesce=true")},
	{fact: "the administrator's password needs the guest agent", rule: "admin-user-needs-agent", broken: props("os_admin_user=cloud")},
	{fact: "for boot menu and watchdog the image beats the flavor",
		none: "it is how the two work together, and nothing is wrong with it; property show tells of it"},
	{fact: "a host with libosinfo takes its network card", rule: "libosinfo-picks-card", broken: props("os_distro=ubuntu22.04")},
	{fact: "an emulated architecture keeps the machine type of the host", rule: "emulation-needs-machine-type", broken: props("hw_emulation_architecture=aarch64")},
	{fact: "machine types belong to an architecture", rule: "machine-type-architecture", broken: props("architecture=aarch64", "hw_machine_type=q35")},
	{fact: "virt is no machine type of x86", rule: "does-not-start", broken: props("hw_machine_type=virt")},

	// Processor, NUMA, memory.
	{fact: "a page size needs a flavor that allows it", rule: "refused-by-nova-api", broken: props("hw_mem_page_size=large")},
	{fact: "locked memory needs a page size", rule: "refused-by-nova-api", broken: props("hw_locked_memory=true")},
	{fact: "a thread policy needs dedicated processors", rule: "refused-by-nova-api", broken: props("hw_cpu_thread_policy=prefer")},
	{fact: "the mixed policy needs a mask in the flavor", rule: "refused-by-nova-api", broken: props("hw_cpu_policy=mixed")},
	{fact: "a real-time mask is read with a real-time flavor only", rule: "no-effect", broken: props("hw_cpu_realtime_mask=^0")},
	{fact: "a number of sockets above its maximum is refused", rule: "refused-by-nova-api", broken: props("hw_cpu_sockets=2", "hw_cpu_max_sockets=1")},
	{fact: "maxima below the flavor's processors are impossible",
		none: "it depends on the flavor, which no image shows; hardware --vcpus N IMAGE answers it for one"},
	{fact: "parts of a NUMA topology do nothing without hw_numa_nodes", rule: "no-effect", broken: props("hw_numa_cpus.0=0")},
	{fact: "NUMA nodes are counted from 0", rule: "numa-gap", broken: props("hw_numa_cpus.1=0", "hw_numa_nodes=1")},
	{fact: "less than one NUMA node is refused", rule: "refused-by-nova-api", broken: props("hw_numa_nodes=0")},
	{fact: "a NUMA topology fits flavors of one size",
		none: "it depends on the flavor; hardware --vcpus N IMAGE answers it for one"},
	{fact: "image and flavor may contradict each other",
		none: "it depends on the flavor; hardware --flavor-property answers it for one"},

	// Network, video, other devices.
	{fact: "several queues need a VirtIO card", rule: "no-effect", broken: props("hw_vif_multiqueue_enabled=true", "hw_vif_model=e1000")},
	{fact: "netfront and vmxnet are refused by KVM", rule: "refused-by-nova-libvirt", broken: props("hw_vif_model=netfront")},
	{fact: "a packed ring needs a VirtIO card", rule: "does-not-start", broken: props("hw_virtio_packed_ring=true", "hw_vif_model=e1000")},
	{fact: "video memory needs a flavor that allows it", rule: "refused-by-nova-libvirt", broken: props("hw_video_ram=64")},
	{fact: "video models gop and xen do not start", rule: "does-not-start", broken: props("hw_video_model=gop")},
	{fact: "ramfb and virtio-gpu are no video models", rule: "value-not-accepted", broken: props("hw_video_model=ramfb")},
	{fact: "more than three serial ports are refused where serial consoles are on",
		none: "it is so with one setting of the hosts, which no image shows; property show tells of it"},
	{fact: "a vIOMMU needs q35", rule: "refused-by-nova-libvirt", broken: props("hw_viommu_model=intel")},
	{fact: "a vIOMMU of the model virtio does not start", rule: "does-not-start", broken: props("hw_viommu_model=virtio", "hw_machine_type=q35")},
	{fact: "hw_usb_model is newer than 2025.1", rule: "newer-than", broken: props("hw_usb_model=qemu-xhci")},
	{fact: "hw_redirected_usb_ports is newer than 2025.1", rule: "newer-than", broken: props("hw_redirected_usb_ports=20")},
	{fact: "an input bus beats the pointer model", rule: "no-effect", broken: props("hw_input_bus=usb", "hw_pointer_model=usbtablet")},
	{fact: "the width of addresses needs a mode", rule: "no-effect", broken: props("hw_maxphysaddr_bits=42")},
	{fact: "encrypted ephemeral disks need hosts with the trait", rule: "ephemeral-encryption-hosts", broken: props("hw_ephemeral_encryption=true")},
	{fact: "a format of that encryption does nothing by itself", rule: "no-effect", broken: props("hw_ephemeral_encryption_format=luks")},

	// Ironic.
	{fact: "a partition image needs kernel and ramdisk", rule: "partition-image-needs-kernel", broken: props("img_type=partition")},
	{fact: "img_type in other letters means a whole disk", rule: "value-ignored", broken: props("img_type=Partition")},
	{fact: "an anaconda deployment needs three images", rule: "anaconda-incomplete", broken: props("stage2_id=b6b2a1a5-0d0c-4f0e-9a3a-0a7a3c1f2d11")},
	{fact: "a disk_file_extension of another kind is ignored", rule: "value-ignored", broken: props("disk_file_extension=.iso")},
	{fact: "virtual hardware does nothing on a node",
		none: "an image does not say that it is for nodes; the policy ironic finds it (ironic-virtual-hardware)"},

	{fact: "Glance's documentation offers values that Nova refuses", rule: "value-not-accepted", broken: props("architecture=arm")},
}

func TestFacts(t *testing.T) {
	ids := map[string]bool{}
	for _, r := range Rules() {
		ids[r.ID] = true
	}
	told := map[string]bool{}
	for _, f := range facts {
		switch {
		case told[f.fact]:
			t.Errorf("%s: told twice", f.fact)
		case (f.rule == "") == (f.none == ""):
			t.Errorf("%s: a rule, or the reason why there is none", f.fact)
		case f.rule != "" && !ids[f.rule]:
			t.Errorf("%s: there is no rule %s", f.fact, f.rule)
		case f.rule != "":
			found := New(Options{Now: today, Nova: f.nova}).Image(f.broken)
			if !slices.ContainsFunc(found, func(g Finding) bool { return g.Rule == f.rule }) {
				t.Errorf("%s: %.300v: %s does not find it; found: %+v", f.fact, f.broken.Properties, f.rule, found)
			}
		}
		told[f.fact] = true
	}
}

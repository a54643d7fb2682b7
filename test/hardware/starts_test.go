package hardware_test

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"testing"

	"glance-profile/internal/hardware"
	"glance-profile/test/oracle"
)

// started is what libvirt and QEMU say of one machine.
type started struct {
	Starts  bool    `json:"starts"`
	Message *string `json:"message"`
}

// TestStarts has real libvirt and QEMU start what Nova's driver built, and
// compares with what the model says of it.
func TestStarts(t *testing.T) {
	requireDevcloud(t)
	n := 100
	if soak() {
		n = 650
	}
	r := oracle.Random(t)
	// What is known not to start comes in any case.
	cases := fixedStarts()
	for len(cases) < n {
		cases = append(cases, startable(r, n)...)
	}
	for i := range cases {
		cases[i].XML = true
	}
	answers := askNova(t, "2025.1", "31.0.0", cases)
	var asked []testCase
	var domains bytes.Buffer
	enc := json.NewEncoder(&domains)
	for i, c := range cases {
		if len(asked) == n {
			break
		}
		ours, _ := model(t, c, hardware.Newest)
		if !answers[i].Builds || ours.Machine == nil || !x86(ours.Machine) {
			continue
		}
		// The root has no swtpm.
		if ours.Machine["tpm"] != nil {
			continue
		}
		asked = append(asked, c)
		if err := enc.Encode(map[string]string{"xml": answers[i].XML}); err != nil {
			t.Fatal(err)
		}
	}
	verdicts := askLibvirt(t, &domains, len(asked))
	refused := 0
	for i, c := range asked {
		result := build(c, hardware.Newest)
		if !verdicts[i].Starts {
			refused++
		}
		if result.Starts == nil {
			t.Errorf("%v: we do not know whether it starts", c)
			continue
		}
		if _, told := rejections(c, hardware.Newest)["libvirt"]; told == verdicts[i].Starts && !elsewhere(c, answer{}) && withDefaults(c) {
			t.Errorf("%v: starts is %t, and audit says that libvirt rejects it: %t", c, verdicts[i].Starts, told)
		}
		if *result.Starts == verdicts[i].Starts {
			continue
		}
		if verdicts[i].Starts {
			t.Errorf("%v:\n  it starts, and we say: %s", c, build(c, hardware.Newest).Refusal.Message)
		} else {
			t.Errorf("%v:\n  we say that it starts: %s", c, *verdicts[i].Message)
		}
	}
	t.Logf("%d machines, %d of which do not start", len(asked), refused)
	if len(asked) < n*3/4 || refused == 0 {
		t.Errorf("only %d machines were to be started, of %d", len(asked), n)
	}
}

func x86(machine map[string]any) bool {
	return machine["architecture"] == "x86_64" || machine["architecture"] == "i686"
}

// startable makes cases of which most are built.
func startable(r *rand.Rand, n int) []testCase {
	var cases []testCase
	for _, c := range generate(r, 4*n) {
		if ours := build(c, hardware.Newest); ours.Builds && ours.Starts != nil && ours.Machine.TPM == nil {
			cases = append(cases, c)
		}
	}
	return cases
}

// fixedStarts are one case for each rule.
func fixedStarts() []testCase {
	var cases []testCase
	for _, props := range []map[string]string{
		{}, {"hw_machine_type": "q35"}, {"hw_machine_type": "q35", "hw_firmware_type": "uefi", "os_secure_boot": "required"},
		{"hw_machine_type": "q35", "hw_disk_bus": "ide"}, {"hw_machine_type": "virt"}, {"hw_machine_type": "isapc"}, {"hw_machine_type": "xenfv"}, {"hw_machine_type": "xenpv"},
		{"hw_machine_type": "raspi3"}, {"hw_machine_type": "pc-1.0"}, {"hw_machine_type": "pc-0.12"}, {"hw_machine_type": "pc-i440fx-2.3"}, {"hw_machine_type": "pc-i440fx-2.4"}, {"hw_machine_type": "pc-i440fx-2.5"},
		{"hw_machine_type": "pc-q35-2.4"}, {"hw_machine_type": "pc-q35-2.5"}, {"hw_machine_type": "pc-q35-2.11"},
		{"hw_cdrom_bus": "virtio", "img_config_drive": "mandatory"}, {"hw_disk_bus": "fdc"}, {"hw_cdrom_bus": "fdc", "img_config_drive": "mandatory"},
		{"hw_scsi_model": "buslogic"}, {"hw_scsi_model": "ibmvscsi"}, {"hw_scsi_model": "vmpvscsi", "hw_disk_bus": "scsi"},
		{"hw_scsi_model": "vmpvscsi", "hw_disk_bus": "scsi", "hw_cdrom_bus": "scsi", "img_config_drive": "mandatory"},
		{"hw_scsi_model": "vmpvscsi", "hw_disk_bus": "usb", "hw_cdrom_bus": "scsi", "img_config_drive": "mandatory"},
		{"hw_scsi_model": "vmpvscsi", "hw_disk_bus": "virtio", "hw_cdrom_bus": "scsi", "img_config_drive": "mandatory"},
		{"hw_vif_model": "spapr-vlan"}, {"hw_vif_model": "e1000", "hw_virtio_packed_ring": "true"}, {"hw_video_model": "gop"}, {"hw_video_model": "xen"}, {"hw_video_model": "qxl"},
		{"hw_viommu_model": "intel", "hw_machine_type": "q35"}, {"hw_viommu_model": "virtio", "hw_machine_type": "q35"}, {"hw_viommu_model": "smmuv3", "hw_machine_type": "q35"},
		{"vm_mode": "xen"}, {"vm_mode": "exe"}, {"vm_mode": "uml"}, {"architecture": "i686"}, {"architecture": "i686", "hw_firmware_type": "uefi"},
		{"architecture": "i686", "hw_firmware_type": "uefi", "os_secure_boot": "required"}, {"architecture": "i686", "hw_firmware_type": "uefi", "os_secure_boot": "required", "hw_machine_type": "q35"},
		{"hw_maxphysaddr_mode": "emulate"}, {"hw_maxphysaddr_mode": "emulate", "hw_maxphysaddr_bits": "42"}, {"hw_maxphysaddr_mode": "emulate", "hw_maxphysaddr_bits": "-1"},
		{"hw_maxphysaddr_mode": "passthrough"}, {"hw_maxphysaddr_mode": "passthrough", "hw_maxphysaddr_bits": "42"},
		{"hw_firmware_stateless": "true", "hw_firmware_type": "uefi"}, {"kernel_id": "5a1f0a52-7f0b-4b6a-9d3a-0123456789ab"},
		{"kernel_id": "5a1f0a52-7f0b-4b6a-9d3a-0123456789ab", "ramdisk_id": "5a1f0a52-7f0b-4b6a-9d3a-0123456789ac", "hw_machine_type": "q35"},
		{"kernel_id": "5a1f0a52-7f0b-4b6a-9d3a-0123456789ab", "ramdisk_id": "5a1f0a52-7f0b-4b6a-9d3a-0123456789ac", "hw_firmware_type": "uefi"}, {"hw_input_bus": "virtio", "hw_disk_bus": "usb"},
	} {
		cases = append(cases, testCase{Props: props})
	}
	return cases
}

// askLibvirt has Debian 13's libvirt start machines.
func askLibvirt(t *testing.T, domains *bytes.Buffer, n int) []started {
	t.Helper()
	out := oracle.Ask(t, "2025.1", "test/hardware/start_machine.py", domains)
	return oracle.Decode[started](t, json.NewDecoder(bytes.NewReader(out)), n)
}

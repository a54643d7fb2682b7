package qemu

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"glance-profile/internal/hardware"
	"glance-profile/profiles"
	"glance-profile/test/oracle"
)

func line(t *testing.T, props map[string]string, o Options) Line {
	t.Helper()
	r := hardware.BuildProperties(props, hardware.Options{})
	if r.Machine == nil {
		t.Fatalf("%v: %+v", props, r.Refusal)
	}
	l, err := Command(r.Machine, o)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestCommand(t *testing.T) {
	o := Options{Image: "a,b.qcow2", Format: "qcow2", VCPUs: 2, MemoryMB: 2048}
	for name, test := range map[string]struct {
		props map[string]string
		want  []string
	}{
		"by default": {nil, []string{"type=pc,accel=tcg", "virtio-blk-pci,id=disk0,drive=disk0-data,bootindex=1", "file=a,,b.qcow2,format=qcow2", "virtio-net-pci,id=nic,netdev=net0", "restrict=on"}},
		"windows": {map[string]string{"os_type": "windows", "hw_disk_bus": "ide", "hw_vif_model": "e1000"},
			[]string{"ide-hd,id=disk0,drive=disk0-data,bootindex=1,bus=ide.0,unit=0", "e1000,id=nic", "base=localtime"}},
		"secure boot": {map[string]string{"hw_machine_type": "q35", "hw_firmware_type": "uefi", "os_secure_boot": "required"},
			[]string{"type=q35,accel=tcg,smm=on", "OVMF_CODE_4M.ms.fd", "property=secure,value=on", "snapshot=on,file=/usr/share/OVMF/OVMF_VARS_4M.ms.fd"}},
		"scsi":        {map[string]string{"hw_disk_bus": "scsi", "hw_scsi_model": "virtio-scsi"}, []string{"virtio-scsi-pci,id=scsi", "scsi-hd,id=disk0,drive=disk0-data,bootindex=1,bus=scsi.0,scsi-id=0"}},
		"sata on q35": {map[string]string{"hw_disk_bus": "sata", "hw_machine_type": "q35"}, []string{"ide-hd,id=disk0,drive=disk0-data,bootindex=1,bus=ide.0"}},
		"agent":       {map[string]string{"hw_qemu_guest_agent": "yes", "hw_watchdog_action": "reset"}, []string{"virtserialport,id=agent", "watchdog=reset", "i6300esb,id=watchdog"}},
	} {
		text := strings.Join(line(t, test.props, o).Args, " ")
		for _, want := range test.want {
			if !strings.Contains(text, want) {
				t.Errorf("%s: no %s in %s", name, want, text)
			}
		}
	}
	if left := line(t, map[string]string{"hw_vif_multiqueue_enabled": "true"}, o).Left; len(left) != 1 || !strings.Contains(left[0], "2 network queues") {
		t.Errorf("left out: %q", left)
	}
}

// What QEMU shows over QMP are the devices of the line.
func TestRealQEMUHasTheDevices(t *testing.T) {
	oracle.Devcloud(t, "QEMU itself is not asked")
	image := filepath.Join(t.TempDir(), "disk.raw")
	if err := os.WriteFile(image, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	o := Options{Image: image, Format: "raw", VCPUs: 2, MemoryMB: 256}
	sets := []map[string]string{nil}
	for _, bus := range []string{"virtio", "scsi", "ide", "sata", "usb"} {
		for _, machine := range []string{"pc", "q35"} {
			if bus == "ide" && machine == "q35" {
				continue // libvirt refuses it as well
			}
			sets = append(sets, map[string]string{"hw_disk_bus": bus, "hw_machine_type": machine, "hw_firmware_type": map[string]string{"pc": "bios", "q35": "uefi"}[machine], "hw_scsi_model": "virtio-scsi"})
		}
	}
	for _, card := range []string{"e1000", "e1000e", "rtl8139", "ne2k_pci", "pcnet", "virtio", "vmxnet3", "igb"} {
		sets = append(sets, map[string]string{"hw_vif_model": card})
	}
	for _, video := range []string{"vga", "cirrus", "virtio", "bochs", "none"} {
		sets = append(sets, map[string]string{"hw_video_model": video})
	}
	for _, scsi := range []string{"lsilogic", "lsisas1068", "lsisas1078", "vmpvscsi"} {
		sets = append(sets, map[string]string{"hw_disk_bus": "scsi", "hw_scsi_model": scsi})
	}
	sets = append(sets,
		map[string]string{"hw_machine_type": "q35", "hw_firmware_type": "uefi", "os_secure_boot": "required"},
		map[string]string{"hw_machine_type": "q35", "hw_viommu_model": "intel"},
		map[string]string{"hw_machine_type": "q35", "hw_firmware_type": "uefi", "hw_firmware_stateless": "true"},
		map[string]string{"hw_input_bus": "virtio", "hw_qemu_guest_agent": "yes", "hw_watchdog_action": "poweroff", "hw_serial_port_count": "3", "hw_boot_menu": "yes", "os_type": "windows"},
		map[string]string{"img_config_drive": "mandatory", "hw_cdrom_bus": "sata"},
		map[string]string{"hw_disk_bus": "virtio", "hw_virtio_packed_ring": "true"},
	)
	embedded, err := profiles.Embedded()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range embedded.List() {
		if p.Name == "baremetal" || p.Name == "encrypted-volume" || p.Name == "aarch64-virtio" {
			continue // no KVM, no boot from the image, no x86
		}
		resolved, err := embedded.Resolve(profiles.Request{Profiles: []string{p.Name}})
		if err != nil {
			t.Fatal(err)
		}
		sets = append(sets, resolved.Properties())
	}
	var lines []Line
	var asked []map[string]any
	for _, props := range sets {
		l := line(t, props, o)
		lines = append(lines, l)
		asked = append(asked, map[string]any{"args": l.Args})
	}
	type verdict struct {
		Devices map[string]string
		Error   string
	}
	out := oracle.Ask(t, "2025.1", "test/hardware/qemu_devices.py", oracle.Lines(t, asked))
	for i, answer := range oracle.Decode[verdict](t, json.NewDecoder(bytes.NewReader(out)), len(sets)) {
		if answer.Error != "" {
			t.Errorf("%v: QEMU says %s\n%s", sets[i], answer.Error, strings.Join(lines[i].Args, " "))
			continue
		}
		for id, driver := range lines[i].Devices() {
			if got := answer.Devices[id]; got != driver && got != driver+"-device" {
				t.Errorf("%v: device %s is %q, want %q", sets[i], id, got, driver)
			}
		}
	}
}

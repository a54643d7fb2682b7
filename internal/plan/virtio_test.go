package plan_test

import (
	"maps"
	"strings"
	"testing"

	"glance-profile/internal/image"
	"glance-profile/internal/plan"
)

func windows(extra map[string]string) image.Image {
	img := image.Image{ID: "1", Name: "w", Status: "active", DiskFormat: "qcow2", Properties: map[string]string{
		"os_type": "windows", "os_distro": "windows", "hw_disk_bus": "ide", "hw_vif_model": "e1000", "image_type": "snapshot",
	}}
	maps.Copy(img.Properties, extra)
	for name, value := range extra {
		if value == "-" {
			delete(img.Properties, name)
		}
	}
	return img
}

func TestVirtio(t *testing.T) {
	const bus, scsi, vif = "hw_disk_bus \"ide\" \"virtio\"\n", "hw_scsi_model <nil> \"virtio-scsi\"\n", "hw_vif_model \"e1000\" \"virtio\"\n"
	migrated := map[string]string{"hw_disk_bus": "virtio", "hw_scsi_model": "virtio-scsi", "hw_vif_model": "virtio"}
	for name, test := range map[string]struct {
		extra   map[string]string
		options plan.VirtioOptions
		want    string
		warning string
	}{
		"from ide":     {nil, plan.VirtioOptions{}, bus + scsi + vif, ""},
		"from sata":    {map[string]string{"hw_disk_bus": "sata", "hw_vif_model": "rtl8139"}, plan.VirtioOptions{}, "hw_disk_bus \"sata\" \"virtio\"\n" + scsi + "hw_vif_model \"rtl8139\" \"virtio\"\n", ""},
		"to scsi":      {nil, plan.VirtioOptions{Bus: "scsi"}, "hw_disk_bus \"ide\" \"scsi\"\n" + scsi + vif, ""},
		"rng, agent":   {nil, plan.VirtioOptions{RNG: true, GuestAgent: true}, bus + "hw_qemu_guest_agent <nil> \"yes\"\nhw_rng_model <nil> \"virtio\"\n" + scsi + vif, ""},
		"agent is on":  {map[string]string{"hw_qemu_guest_agent": "True"}, plan.VirtioOptions{GuestAgent: true}, bus + scsi + vif, ""},
		"migrated":     {migrated, plan.VirtioOptions{}, "", ""},
		"half of it":   {map[string]string{"hw_disk_bus": "virtio"}, plan.VirtioOptions{}, scsi + vif, ""},
		"on scsi":      {map[string]string{"hw_disk_bus": "scsi", "hw_scsi_model": "virtio-scsi", "hw_vif_model": "virtio"}, plan.VirtioOptions{}, "", ""},
		"off scsi":     {map[string]string{"hw_disk_bus": "scsi", "hw_scsi_model": "virtio-scsi", "hw_vif_model": "virtio"}, plan.VirtioOptions{Bus: "virtio"}, "hw_disk_bus \"scsi\" \"virtio\"\n", ""},
		"on lsilogic":  {map[string]string{"hw_disk_bus": "scsi", "hw_scsi_model": "lsilogic"}, plan.VirtioOptions{}, "hw_disk_bus \"scsi\" \"virtio\"\nhw_scsi_model \"lsilogic\" \"virtio-scsi\"\n" + vif, ""},
		"q35 and uefi": {map[string]string{"hw_machine_type": "pc-q35-8.2", "hw_firmware_type": "uefi"}, plan.VirtioOptions{}, bus + scsi + vif, ""},
		"leftovers":    {map[string]string{"base_image_ref": "x", "owner_id": "y"}, plan.VirtioOptions{Leftovers: true}, "base_image_ref \"x\" <nil>\n" + bus + scsi + vif + "image_type \"snapshot\" <nil>\nowner_id \"y\" <nil>\n", ""},
		"by distro":    {map[string]string{"os_type": "-"}, plan.VirtioOptions{}, bus + scsi + vif, ""},
		"no snapshot":  {map[string]string{"image_type": "-"}, plan.VirtioOptions{}, bus + scsi + vif, "no mark of a snapshot"},
		"volumes":      {map[string]string{"bdm_v2": "True"}, plan.VirtioOptions{}, bus + scsi + vif, "snapshots of volumes"},
		"secure boot":  {map[string]string{"os_secure_boot": "required"}, plan.VirtioOptions{}, bus + scsi + vif, "Microsoft has signed"},
		"linux, force": {map[string]string{"os_type": "linux"}, plan.VirtioOptions{Force: true}, bus + scsi + vif, ""},
	} {
		p, warnings, err := plan.Virtio(windows(test.extra), test.options)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := norm(lines(p)); got != test.want {
			t.Errorf("%s:\n%swant\n%s", name, got, test.want)
		}
		if got := strings.Join(warnings, "; "); (test.warning == "") != (got == "") || !strings.Contains(got, test.warning) {
			t.Errorf("%s: warnings %q, want %q", name, got, test.warning)
		}
	}
	// What has nothing to change has nothing to warn of.
	bare := windows(migrated)
	delete(bare.Properties, "image_type")
	if _, warnings, err := plan.Virtio(bare, plan.VirtioOptions{}); err != nil || len(warnings) > 0 {
		t.Errorf("already migrated: %v, %v", warnings, err)
	}
}

func TestVirtioRefuses(t *testing.T) {
	for text, img := range map[string]image.Image{
		"deactivated, not active":  func() image.Image { i := windows(nil); i.Status = "deactivated"; return i }(),
		"an ISO":                   func() image.Image { i := windows(nil); i.DiskFormat = "iso"; return i }(),
		`os_type is "linux"`:       windows(map[string]string{"os_type": "linux"}),
		`os_distro is "debian"`:    windows(map[string]string{"os_type": "-", "os_distro": "debian"}),
		"does not say":             windows(map[string]string{"os_type": "-", "os_distro": "-"}),
		`hypervisor "vmware"`:      windows(map[string]string{"hypervisor_type": "vmware"}),
		"isapc has no PCI":         windows(map[string]string{"hw_machine_type": "isapc"}),
		"virt has no PCI":          windows(map[string]string{"hw_machine_type": "virt"}),
		"pc-i440fx-2.3 is too old": windows(map[string]string{"hw_machine_type": "pc-i440fx-2.3"}),
		"pc-1.0 is too old":        windows(map[string]string{"hw_machine_type": "pc-1.0"}),
		"no firmware at all":       windows(map[string]string{"hw_architecture": "aarch64", "hw_firmware_type": "bios"}),
	} {
		p, _, err := plan.Virtio(img, plan.VirtioOptions{})
		if err == nil || !strings.Contains(err.Error(), text) || len(p.Changes) > 0 {
			t.Errorf("%v, want %q", err, text)
		}
	}
	for _, machine := range []string{"pc", "q35", "pc-i440fx-2.4", "pc-q35-2.5", "pc-i440fx-10.0"} {
		if _, _, err := plan.Virtio(windows(map[string]string{"hw_machine_type": machine}), plan.VirtioOptions{}); err != nil {
			t.Errorf("%s: %v", machine, err)
		}
	}
	if _, _, err := plan.Virtio(windows(nil), plan.VirtioOptions{Bus: "ide"}); err == nil {
		t.Error("bus ide was taken")
	}
}

// What an image needs to boot, and what a user may have set, stays.
func TestLeftovers(t *testing.T) {
	img := image.Image{Properties: map[string]string{"owner_id": "x", "bdm_v2": "True", "block_device_mapping": "[]", "root_device_name": "/dev/vda"}}
	if got := plan.Leftovers(img); len(got) != 0 {
		t.Errorf("%v", got)
	}
	img.Properties["instance_uuid"] = "y"
	if got := strings.Join(plan.Leftovers(img), " "); got != "instance_uuid owner_id" {
		t.Errorf("%s", got)
	}
}

package hardware

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"glance-profile/internal/property"
)

func TestDiff(t *testing.T) {
	windows := map[string]string{"os_type": "windows", "hw_disk_bus": "ide", "hw_vif_model": "e1000"}
	migrated := map[string]string{"os_type": "windows", "hw_disk_bus": "virtio", "hw_scsi_model": "virtio-scsi", "hw_vif_model": "virtio"}
	build := func(props map[string]string) Result { return BuildProperties(props, Options{}) }
	got := Diff(build(windows), build(migrated))
	for _, want := range []string{"root disk: hda on ide → vda on virtio", "NIC: e1000 → virtio"} {
		if !slices.Contains(got, want) {
			t.Errorf("no %q in %q", want, got)
		}
	}
	if same := Diff(build(windows), build(windows)); len(same) != 0 {
		t.Errorf("the same machine differs: %q", same)
	}
	refused := Diff(build(nil), build(map[string]string{"hw_disk_bus": "nosuch"}))
	if len(refused) != 1 || !strings.HasPrefix(refused[0], "Nova builds it → Nova refuses it (") {
		t.Errorf("%q", refused)
	}
	stuck := Diff(build(nil), build(map[string]string{"hw_disk_bus": "ide", "hw_machine_type": "q35"}))
	if len(stuck) < 2 || !strings.HasPrefix(stuck[0], "Nova builds it → Nova builds it, but it does not start (") {
		t.Errorf("%q", stuck)
	}
}

// Whatever differs in the machines is told.
func TestDiffTellsAll(t *testing.T) {
	samples := []string{"true", "false", "2", "42", "0-1", "^0", "large", "x"}
	options := Options{ExtraSpecs: map[string]string{"hw_video:ram_max_mb": "64", "hw:mem_page_size": "any"}, SEV: true}
	for _, base := range []map[string]string{
		{}, {"hw_machine_type": "q35", "hw_firmware_type": "uefi"}, {"architecture": "aarch64"}, {"hw_maxphysaddr_mode": "emulate", "kernel_id": "k"}, {"hw_tpm_version": "2.0"},
	} {
		before := BuildProperties(base, options)
		for _, name := range property.Names() {
			d, _ := property.Lookup(name)
			for _, value := range append(samples, d.Values...) {
				props := maps.Clone(base)
				props[name] = value
				after := BuildProperties(props, options)
				if after.Machine == nil {
					continue
				}
				a, _ := json.Marshal(before.Machine)
				b, _ := json.Marshal(after.Machine)
				if string(a) != string(b) && len(Diff(before, after)) == 0 {
					t.Errorf("%v with %s=%s: no line, and the machine changes from\n%s to\n%s", base, name, value, a, b)
				}
			}
		}
	}
}

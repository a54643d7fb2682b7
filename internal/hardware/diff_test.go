package hardware

import (
	"slices"
	"strings"
	"testing"
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

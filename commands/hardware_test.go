package commands

import (
	"bytes"
	"encoding/json"
	"testing"

	"glance-profile/internal/hardware"
	"glance-profile/internal/render"
)

// The list that is printed has the members of the result's own JSON, in its order.
func TestHardwareListIsTheJSON(t *testing.T) {
	for name, props := range map[string]map[string]string{
		"nothing said": nil,
		"refused":      {"hw_disk_bus": "nosuch"},
		"never starts": {"hw_machine_type": "q35", "hw_disk_bus": "ide"},
		"much": {
			"hw_firmware_type": "uefi", "hw_machine_type": "q35", "os_secure_boot": "required", "os_type": "windows", "hw_tpm_version": "2.0",
			"hw_scsi_model": "virtio-scsi", "hw_input_bus": "virtio", "hw_watchdog_action": "reset", "hw_pmu": "no", "img_config_drive": "mandatory",
			"hw_maxphysaddr_mode": "emulate", "hw_maxphysaddr_bits": "42", "trait:CUSTOM_A": "required", "my": "own",
		},
		"another architecture": {"architecture": "aarch64", "hw_boot_menu": "true", "kernel_id": "k"},
	} {
		for _, explain := range []bool{false, true} {
			r := hardware.BuildProperties(props, hardware.Options{})
			r.Explain = explain && r.Builds // what is refused has no explanation: null in the list, absent in its JSON
			var printed, plain bytes.Buffer
			if err := printHardware(&printed, []hardware.Result{r}, r.Explain, render.Options{Format: render.FormatJSON}); err != nil {
				t.Fatal(err)
			}
			own, err := json.Marshal([]hardware.Result{r})
			if err == nil {
				err = json.Compact(&plain, printed.Bytes())
			}
			if err != nil {
				t.Fatal(err)
			}
			if plain.String() != unescaped(own) {
				t.Errorf("%s, explain %t: printed\n%s\nits JSON\n%s", name, explain, plain.String(), own)
			}
		}
	}
}

// unescaped undoes what encoding/json does for HTML, which render does not.
func unescaped(data []byte) string {
	for code, sign := range map[string]string{`\u0026`: "&", `\u003c`: "<", `\u003e`: ">"} {
		data = bytes.ReplaceAll(data, []byte(code), []byte(sign))
	}
	return string(data)
}

// Members of members stand in the alphabet's order where Python's dicts are written.
func TestHardwareAsText(t *testing.T) {
	r := hardware.BuildProperties(map[string]string{"hw_disk_bus": "scsi", "hw_scsi_model": "virtio-scsi"}, hardware.Options{})
	var out bytes.Buffer
	if err := printHardware(&out, []hardware.Result{r}, false, render.Options{Format: render.FormatValue, Columns: []string{"image_id", "builds", "traits", "filter"}}); err != nil {
		t.Fatal(err)
	}
	const want = "None True {'always': [], 'prefilter': ['COMPUTE_STORAGE_BUS_SCSI']} {'architecture': None, 'hypervisor_type': None, 'version': None, 'vm_mode': None}\n"
	if out.String() != want {
		t.Errorf("got  %s\nwant %s", out.String(), want)
	}
}

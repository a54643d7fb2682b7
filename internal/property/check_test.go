package property

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"unicode"

	"glance-profile/internal/spelling"
)

// brief writes findings as "severity rule fix", one each.
func brief(findings []Finding) []string {
	lines := []string{}
	for _, f := range findings {
		lines = append(lines, strings.TrimSpace(f.Severity.String()+" "+f.Rule+" "+f.Fix))
	}
	return lines
}

func TestCheck(t *testing.T) {
	for _, c := range []struct {
		name, value string
		want        []string
	}{
		// Values that Nova refuses, and what was meant.
		{"hw_disk_bus", "virtio", []string{}},
		{"hw_disk_bus", "VIRTIO", []string{"error value-not-accepted virtio"}},
		{"hw_disk_bus", " scsi", []string{"error value-not-accepted scsi"}},
		{"hw_disk_bus", "virtio-scsi", []string{"error value-not-accepted scsi"}},
		{"hw_disk_bus", "nvme", []string{"error value-not-accepted virtio"}},
		{"hw_disk_bus", "", []string{"error value-not-accepted"}},
		{"hw_disk_bus", "virtoi", []string{"error value-not-accepted virtio"}},
		{"architecture", "x86_64", []string{}},
		{"architecture", "AMD64", []string{}},
		{"architecture", "arm64", []string{"error value-not-accepted aarch64"}},
		{"architecture", "x86-64", []string{"error value-not-accepted x86_64"}},
		{"architecture", "riscv64", []string{"error value-not-accepted"}},
		{"hw_architecture", "i386", []string{"warning runs-emulated"}},
		{"hw_video_ram", "64MB", []string{"error value-not-accepted 64"}},
		{"hw_numa_mem.0", "2GiB", []string{"error value-not-accepted 2048"}},
		{"hw_cpu_cores", "4.0", []string{"error value-not-accepted 4"}},
		{"hw_cpu_cores", "0x4", []string{"error value-not-accepted 4"}},
		{"hw_cpu_cores", " 1_000 ", []string{}},
		{"hw_cpu_cores", "", []string{"error value-not-accepted"}},
		{"hw_firmware_type", "Uefi", []string{"error value-not-accepted uefi"}},
		{"hw_firmware_type", "efi", []string{"error value-not-accepted uefi"}},
		{"hw_tpm_version", "2", []string{"error value-not-accepted 2.0"}},
		{"img_config_drive", "true", []string{"error value-not-accepted mandatory"}},
		{"img_signature_hash_method", "sha256", []string{"error value-not-accepted SHA-256"}},
		{"os_type", "linux", []string{}},
		{"os_type", "bsd", []string{"error value-not-accepted"}},
		{"os_secure_boot", "true", []string{"error value-not-accepted required"}},
		{"vmware_adaptertype", "IDE", []string{"error value-not-accepted ide"}},
		{"vmware_adaptertype", "LSILogic", []string{}},
		{"vmware_adaptertype", "", []string{}},
		{"hypervisor_type", "powervm", []string{"error value-not-accepted"}},
		{"hw_numa_cpus.0", "0-3,^1", []string{}},
		{"hw_numa_cpus.0", "3-0", []string{"error value-not-accepted"}},
		{"block_device_mapping", "[", []string{"error value-not-accepted"}},
		{"mappings", `[{"device": "sda"}]`, []string{"error refused-later"}},
		{"mappings", `[{"virtual": "root", "device": "sda"}]`, []string{}},
		{"img_mappings", "[]", []string{"error current-name-unread mappings"}},
		{"hypervisor_version_requires", "2.6", []string{"error value-not-accepted >=2.6"}},
		{"hypervisor_version_requires", "=2.6", []string{"error value-not-accepted ==2.6"}},
		{"hypervisor_version_requires", ">=2.6 <3", []string{"error value-not-accepted >=2.6,<3.0"}},
		{"hypervisor_version_requires", "~=2.6", []string{"error value-not-accepted"}},

		// What only newer releases take, or know.
		{"hypervisor_version_requires", ">=2.6,<3.0", []string{}},
		{"hypervisor_version_requires", ">=2", []string{"warning newer-than >=2.0"}},
		{"hypervisor_version_requires", ">=6.2.0.1", []string{"warning newer-than"}},
		{"hw_vif_model", "igb", []string{"warning newer-than"}},
		{"hw_virtio_packed_ring", "true", []string{"info newer-than"}},
		{"hw_sound_model", "ich9", []string{"warning newer-than"}},
		{"hw_sound_model", "none", []string{"warning newer-than", "warning value-not-accepted"}},
		{"hw_mem_encryption_model", "amd-sev-snp", []string{"warning newer-than", "warning newer-than"}},
		{"hw_redirected_usb_ports", "16", []string{"warning newer-than", "warning refused-later"}},

		// What is taken and means something else, or nothing.
		{"hw_qemu_guest_agent", "yes", []string{}},
		{"hw_qemu_guest_agent", " TRUE ", []string{}},
		{"hw_qemu_guest_agent", "enabled", []string{"warning boolean-misread true"}},
		{"hw_qemu_guest_agent", "2", []string{"warning boolean-misread"}},
		{"hw_qemu_guest_agent", "", []string{"warning boolean-misread false"}},
		{"bdm_v2", "False", []string{"warning boolean-misread"}},
		{"bdm_v2", "true", []string{}},
		{"os_type", "Windows", []string{"warning os-type-case windows"}},
		{"os_type", "Linux", []string{"info os-type-case linux"}},
		{"hw_rng_model", "virtio", []string{"info no-effect"}},
		{"hw_cpu_mode", "host-model", []string{"info no-effect"}},
		{"hw_numa_cpus", "0", []string{"warning no-effect"}},
		{"hw_auto_disk_config", "x", []string{"warning current-name-unread auto_disk_config"}},
		{"hw_vm_mode", "hvm", []string{"info current-name-unread vm_mode"}},
		{"os_shutdown_timeout", "soon", []string{"warning value-ignored"}},
		{"img_type", "Partition", []string{"warning value-ignored partition"}},
		{"disk_file_extension", ".qcow2", []string{"warning value-ignored"}},
		{"img_signature_certificate_uuid", "x", []string{"warning uuid-form"}},
		{"os_command_line", strings.Repeat("x", 256), []string{"warning value-too-long"}},
		{"os_distro", strings.Repeat("x", 256), []string{"info value-too-long"}},
		{"description", strings.Repeat("x", 256), []string{}},

		// What is taken and then refused.
		{"hw_disk_bus", "xen", []string{"error refused-later"}},
		{"hw_disk_bus", "lxc", []string{"warning refused-by-kvm"}},
		{"hw_cdrom_bus", "virtio", []string{"warning refused-by-kvm"}},
		{"hw_vif_model", "VirtualVmxnet", []string{"warning refused-by-kvm"}},
		{"hw_vif_model", "netfront", []string{"error refused-later"}},
		{"hw_scsi_model", "busLogic", []string{"warning refused-by-kvm"}},
		{"vmware_adaptertype", "busLogic", []string{"warning refused-by-kvm"}},
		{"hw_video_model", "gop", []string{"warning refused-by-kvm"}},
		{"hw_rescue_device", "fs", []string{"error refused-later"}},
		{"hypervisor_type", "kvm", []string{}},
		{"hypervisor_type", "ironic", []string{"warning refused-by-kvm"}},
		{"hw_machine_type", "q35", []string{}},
		{"hw_machine_type", "pc-q35-7.2", []string{}},
		{"hw_machine_type", "s390-ccw-virtio-rhel9.6.0", []string{}},
		{"hw_machine_type", "Q35", []string{"error refused-later q35"}},
		{"hw_machine_type", "i440fx", []string{"error refused-later pc"}},
		{"hw_machine_type", "", []string{"error refused-later"}},
		{"hw_machine_type", "SS-5", []string{}},
		{"hw_numa_nodes", "0", []string{"error refused-later"}},
		{"hw_cpu_max_sockets", "-1", []string{"error refused-later"}},
		{"hw_cpu_max_sockets", "0", []string{}},
		{"hw_mem_page_size", "large", []string{"warning needs-flavor"}},
		{"hw_mem_page_size", "2048", []string{"warning needs-flavor"}},
		{"hw_mem_page_size", "2MB", []string{"warning needs-flavor"}},
		{"hw_mem_page_size", "2M", []string{"error refused-later 2MB"}},
		{"hw_mem_page_size", "foo", []string{"error refused-later"}},
		{"hw_video_ram", "16", []string{"warning needs-flavor"}},
		{"hw_serial_port_count", "4", []string{"warning refused-by-kvm 3"}},

		// Names.
		{"hw_disk_buss", "virtio", []string{"warning unknown-property hw_disk_bus"}},
		{"HW_DISK_BUS", "virtio", []string{"warning unknown-property hw_disk_bus"}},
		{"hw-disk-bus", "virtio", []string{"warning unknown-property hw_disk_bus"}},
		{"hv_disk_bus", "virtio", []string{"warning unknown-property hw_disk_bus"}},
		{"os-distro", "debian", []string{"warning unknown-property os_distro"}},
		{"os_architecture", "x86_64", []string{"warning unknown-property architecture"}},
		{"hw_hide_hypervisor_id", "true", []string{"warning unknown-property img_hide_hypervisor_id"}},
		{"hw_something_else", "x", []string{"info unknown-property"}},
		{"hw_numa_mem.128", "1", []string{"warning unknown-property"}},
		{"hw_numa_mem.01", "1", []string{"warning unknown-property"}},
		{"os_purpose", "generic", []string{}},
		{"owner_specified.openstack.object", "images/x", []string{}},
		{"mcs_os_distro", "x", []string{}},
		{"__os_type", "Linux", []string{}},
		{"has_auto_disk_config", "true", []string{}},
		{"uuid_validity", "last-3", []string{}},
		{"sw_runtime_java_version", "8", []string{}},
		{"hw:cpu_policy", "dedicated", []string{"warning flavor-spelling hw_cpu_policy"}},
		{"os:secure_boot", "required", []string{"warning flavor-spelling os_secure_boot"}},
		{"hw:hide_hypervisor_id", "true", []string{"warning flavor-spelling img_hide_hypervisor_id"}},
		{"hw_video:ram_max_mb", "64", []string{"warning flavor-spelling"}},
		{"resources1:VCPU", "1", []string{"warning flavor-spelling"}},
		{"mcs:lic:mswinsrv", "true", []string{}},
		{"trait:HW_CPU_X86_AVX2", "required", []string{}},
		{"trait:HW_CPU_X86_AVX2", "Required", []string{"warning trait-value-ignored required"}},
		{"trait:CUSTOM_A", "forbidden", []string{"warning trait-value-ignored"}},
		{"trait:custom_a", "required", []string{"warning trait-spelling trait:CUSTOM_A"}},
		{"trait:GPU", "required", []string{"warning trait-spelling trait:CUSTOM_GPU"}},
		{"trait1:CUSTOM_A", "required", []string{"warning trait-spelling trait:CUSTOM_A"}},
		{"traits:COMPUTE_SECURITY_TPM_2_0", "required", []string{"warning trait-spelling trait:COMPUTE_SECURITY_TPM_2_0"}},

		// What Glance itself refuses, or cannot change.
		{"os_glance_x", "x", []string{"error reserved-name"}},
		{"os_glancex", "x", []string{"error reserved-name"}},
		{"OS_GLANCE", "x", []string{}},
		{"location", "x", []string{"error reserved-name"}},
		{"stores", "x", []string{"error read-only-name"}},
		{"os_hash_algo", "x", []string{"error read-only-name"}},
		{"min_disk", "3", []string{"error base-field"}},
		{"visibility", "public", []string{"error base-field"}},
		{"kernel_id", "nokernel", []string{"error glance-schema"}},
		{"cinder_encryption_key_deletion_policy", "On_Image_Deletion", []string{"error glance-schema on_image_deletion"}},
		{"a", strings.Repeat("x", 65536), []string{"error value-too-long"}},
		{"a", "😀", []string{"error four-byte-unicode"}},
		{"😀", "a", []string{"error four-byte-unicode"}},
		{"a", "\xff", []string{"error not-utf8"}},
		{"a\xff", "a", []string{"error not-utf8"}},
		{strings.Repeat("é", 255), "x", []string{"error name-too-long"}},
		{strings.Repeat("é", 249), "x", []string{}},
		{" hw_disk_bus", "virtio", []string{"warning name-blanks hw_disk_bus", "warning unknown-property hw_disk_bus"}},
		{"context", "x", []string{"warning name-unchangeable"}},
		{"image_id", "x", []string{"warning name-unchangeable", "warning overwritten"}},
		{"base_image_ref", "5a1f0a52-7f0b-4b6a-9d3a-0123456789ab", []string{"warning snapshot-leftover"}},
	} {
		t.Run(spelling.Quote(c.name+"="+c.value), func(t *testing.T) {
			if got := brief(Check(c.name, c.value)); !slices.Equal(slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(c.want))) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// What a release refuses is an error for it alone, and what it does not know
// yet is ignored by it whatever the value.
func TestCheckByRelease(t *testing.T) {
	for _, c := range []struct {
		nova        Nova
		name, value string
		want        []string
	}{
		{26, "hw_vif_model", "igb", []string{"error value-not-accepted"}},
		{30, "hw_vif_model", "igb", []string{"error value-not-accepted"}},
		{31, "hw_vif_model", "igb", []string{"warning newer-than"}},
		{26, "hw_maxphysaddr_bits", "many", []string{"warning newer-than", "warning value-not-accepted"}},
		{31, "hw_maxphysaddr_bits", "many", []string{"info newer-than", "error value-not-accepted"}},
		{26, "hw_firmware_stateless", "true", []string{"warning newer-than"}},
		{26, "hypervisor_version_requires", ">=2", []string{"error value-not-accepted >=2.0"}},
		{31, "hypervisor_version_requires", ">=2", []string{"warning newer-than >=2.0"}},
		{26, "hw_disk_bus", "VIRTIO", []string{"error value-not-accepted virtio"}},
	} {
		t.Run(fmt.Sprint(c.nova, c.name), func(t *testing.T) {
			if got := brief(c.nova.Check(c.name, c.value)); !slices.Equal(slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(c.want))) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// The bundles that the project recommends are not found fault with.
func TestRecommendedValuesAreQuiet(t *testing.T) {
	for _, set := range []map[string]string{
		{"os_distro": "ubuntu", "os_version": "24.04", "os_type": "linux", "architecture": "x86_64", "hw_disk_bus": "virtio", "hw_scsi_model": "virtio-scsi", "hw_vif_model": "virtio", "hw_rng_model": "virtio", "hw_qemu_guest_agent": "yes"},
		{"os_distro": "windows", "os_version": "2019", "os_type": "windows", "architecture": "x86_64", "hw_disk_bus": "ide", "hw_vif_model": "e1000"},
		{"hw_firmware_type": "uefi", "hw_machine_type": "q35", "os_secure_boot": "required", "hw_tpm_model": "tpm-crb", "hw_tpm_version": "2.0", "hw_vif_multiqueue_enabled": "true"},
		{"img_type": "whole-disk", "cinder_encryption_key_id": "5a1f0a52-7f0b-4b6a-9d3a-0123456789ab", "cinder_encryption_key_deletion_policy": "on_image_deletion"},
	} {
		for _, f := range CheckAll(set) {
			if f.Severity > Info {
				t.Errorf("%s=%s: %s", f.Property, f.Value, f.Message)
			}
		}
	}
}

func TestCheckAllJudgesTheSet(t *testing.T) {
	many := map[string]string{"hw_disk_bus": "VIRTIO", "hw_cpu_cores": "x"}
	for _, a := range "abcdefghijklm" {
		for _, b := range "abcdefghijk" {
			many["x"+string(a)+string(b)] = "x"
		}
	}
	got := CheckAll(many)
	if want := []string{"warning too-many-properties", "error value-not-accepted", "error value-not-accepted virtio"}; !slices.Equal(brief(got), want) {
		t.Errorf("got %q, want %q", brief(got), want)
	}
	if got[0].Property != "" || got[1].Property != "hw_cpu_cores" || got[2].Property != "hw_disk_bus" {
		t.Errorf("not sorted by property: %v", got)
	}
	for _, c := range []struct {
		set  map[string]string
		want []string
	}{
		{nil, []string{}},
		{map[string]string{"abc": "", "ABC": ""}, []string{"warning name-clash"}},
		{map[string]string{"abc": "", "abc ": ""}, []string{"warning name-blanks abc", "warning name-clash"}},
		{map[string]string{"hw_numa_mem.1": "x"}, []string{"warning numa-gap"}},
		{map[string]string{"hw_numa_mem.0": "1", "hw_numa_mem.1": "x"}, []string{"error value-not-accepted"}},
		{map[string]string{"base_image_ref": "5a1f0a52-7f0b-4b6a-9d3a-0123456789ab", "image_type": "snapshot", "user_id": "x"}, []string{}},
	} {
		if got := brief(CheckAll(c.set)); !slices.Equal(got, c.want) {
			t.Errorf("%q: got %q, want %q", c.set, got, c.want)
		}
	}
}

// A proposed value is accepted, and a proposed name is known.
func TestFixesAreSound(t *testing.T) {
	fixes := 0
	for _, p := range systematicCases(t) {
		for _, f := range CheckAll(p) {
			if f.Fix == "" {
				continue
			}
			fixes++
			if f.Renames() {
				if find(f.Fix) == nil {
					t.Errorf("%s: proposes the name %q, which is unknown", f.Property, f.Fix)
				}
				continue
			}
			for _, g := range Check(f.Property, f.Fix) {
				if g.Rule == f.Rule || g.Severity == Error {
					t.Errorf("%s=%s: proposes %q, of which: %s", f.Property, spelling.Quote(f.Value), f.Fix, g.Message)
				}
			}
		}
	}
	if fixes < 500 {
		t.Errorf("only %d fixes were looked at", fixes)
	}
}

func TestRefusedByGlance(t *testing.T) {
	for _, c := range []struct {
		name, value string
		want        bool
	}{
		{"os_glance_x", "", true}, {"min_disk", "3", true}, {"a", "😀", true}, {"kernel_id", "x", true},
		{strings.Repeat("a", 256), "", true}, {strings.Repeat("a", 255), "", false}, {"hw_disk_bus", "x", false}, {"context", "", false},
	} {
		got := slices.ContainsFunc(Check(c.name, c.value), Finding.RefusedByGlance)
		if got != c.want {
			t.Errorf("%s=%s: got %v, want %v", spelling.Quote(c.name), spelling.Quote(c.value), got, c.want)
		}
	}
}

func TestNamesOfGlance(t *testing.T) {
	for _, name := range []string{"os_glance", "os_glance_importing_to_stores", "location", "deleted", "deleted_at"} {
		if !Reserved(name) || ReadOnly(name) {
			t.Errorf("%s: Reserved %v, ReadOnly %v", name, Reserved(name), ReadOnly(name))
		}
	}
	for _, name := range []string{"id", "status", "checksum", "os_hash_value", "stores", "schema"} {
		if Reserved(name) || !ReadOnly(name) {
			t.Errorf("%s: Reserved %v, ReadOnly %v", name, Reserved(name), ReadOnly(name))
		}
	}
	for _, name := range []string{"", "name", "os_distro", "os_glanc", "Deleted", "foo"} {
		if Reserved(name) || ReadOnly(name) {
			t.Errorf("%s: Reserved %v, ReadOnly %v", name, Reserved(name), ReadOnly(name))
		}
	}
}

func TestLookup(t *testing.T) {
	d, ok := Lookup("hw_disk_bus")
	if !ok || d.Type != Enum || !slices.Contains(d.Values, "virtio") || !slices.Contains(d.Legacy, "vmware_adaptertype") || d.Source == "" {
		t.Errorf("hw_disk_bus: %+v, %v", d, ok)
	}
	if d, _ := Lookup("architecture"); d.Current != "hw_architecture" {
		t.Errorf("architecture stands for %q", d.Current)
	}
	for _, name := range []string{"trait:CUSTOM_A", "hw_numa_cpus.0", "hw_numa_mem.127", "CIM_RASD_Limit"} {
		if d, ok := Lookup(name); !ok || d.Name != name {
			t.Errorf("%s: %+v, %v", name, d, ok)
		}
	}
	for _, name := range []string{"", "foo", "trait:*", "hw_numa_cpus.N", "hw_numa_cpus.128", "hw_numa_cpus.00", "hw_numa_cpus.", "HW_DISK_BUS"} {
		if d, ok := Lookup(name); ok {
			t.Errorf("%s is known: %+v", spelling.Quote(name), d)
		}
	}
}

func TestNames(t *testing.T) {
	names := Names()
	if !slices.IsSorted(names) || len(slices.Compact(slices.Clone(names))) != len(names) {
		t.Error("not sorted, or a name twice")
	}
	for _, name := range names {
		if _, ok := Lookup(name); !ok {
			t.Errorf("%s is not known", name)
		}
		if Reserved(name) || ReadOnly(name) {
			t.Errorf("%s is refused by Glance", name)
		}
	}
	for _, name := range []string{"hw_disk_bus", "architecture", "os_distro", "kernel_id", "cinder_img_volume_type"} {
		if !slices.Contains(names, name) {
			t.Errorf("%s is missing", name)
		}
	}
}

func TestCanonical(t *testing.T) {
	for _, c := range []struct {
		name, value, want string
		ok                bool
	}{
		{"architecture", "AMD64", "x86_64", true},
		{"hw_scsi_model", "paraVirtual", "vmpvscsi", true},
		{"hw_disk_bus", "VIRTIO", "VIRTIO", false},
		{"hw_qemu_guest_agent", "Yes", "true", true},
		{"hw_qemu_guest_agent", "enabled", "false", true},
		{"hw_cpu_cores", " 1_0 ", "10", true},
		{"hw_cpu_cores", "x", "", false},
		{"os_distro", "Debian", "", false},
		{"foo", "x", "", false},
	} {
		if got, ok := Canonical(c.name, c.value); ok != c.ok || ok && got != c.want {
			t.Errorf("Canonical(%s, %q) = %q, %v; want %q, %v", c.name, c.value, got, ok, c.want, c.ok)
		}
	}
}

// The table has to fit together, or rules would never apply.
func TestTable(t *testing.T) {
	if !slices.IsSortedFunc(table[:], func(a, b Definition) int { return strings.Compare(a.Name, b.Name) }) || !slices.IsSorted(catalogue[:]) {
		t.Fatal("not sorted")
	}
	for i := range table {
		d := &table[i]
		if d.Note == "" || len(d.Consumers) == 0 {
			t.Errorf("%s: no note, or nobody knows it", d.Name)
		}
		if d.CheckedBy != "" && d.Source == "" {
			t.Errorf("%s: says who refuses values, and not where", d.Name)
		}
		if d.Type == Enum != (len(d.Values) > 0) {
			t.Errorf("%s: values are for enums", d.Name)
		}
		if d.Current != "" && find(d.Current) == nil {
			t.Errorf("%s stands for %s, which is unknown", d.Name, d.Current)
		}
		if d.Type != Enum {
			continue
		}
		for _, v := range d.Values {
			if _, ok := d.canonical(v); !ok {
				t.Errorf("%s: does not accept its own value %s", d.Name, v)
			}
		}
		for _, p := range d.Aliases {
			if got, ok := d.canonical(p.Value); !ok || got != p.To {
				t.Errorf("%s: alias %s becomes %s", d.Name, p.Value, got)
			}
		}
		for _, pairs := range [][]Pair{d.Never, d.KVMRefuses, d.ValuesSince} {
			for _, p := range pairs {
				if got, ok := d.canonical(p.Value); !ok || got != p.Value {
					t.Errorf("%s: %s is not a value as Nova stores it", d.Name, p.Value)
				}
			}
		}
		for _, p := range d.Meant {
			if _, ok := d.canonical(p.Value); ok {
				t.Errorf("%s: %s is accepted, so nothing else is meant by it", d.Name, p.Value)
			}
			if _, ok := d.canonical(p.To); !ok && p.To != "" {
				t.Errorf("%s: %s stands for %s, which is not accepted", d.Name, p.Value, p.To)
			}
		}
	}
	for _, h := range habits {
		if find(h.Value) != nil || find(h.To) == nil {
			t.Errorf("habit %s → %s", h.Value, h.To)
		}
	}
}

func TestSeverity(t *testing.T) {
	for s, text := range map[Severity]string{Info: "info", Warning: "warning", Error: "error"} {
		if s.String() != text {
			t.Errorf("%d is %s", s, s)
		}
		if got, err := ParseSeverity(text); err != nil || got != s {
			t.Errorf("ParseSeverity(%s) = %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "Error", "fatal"} {
		if s, err := ParseSeverity(text); err == nil {
			t.Errorf("ParseSeverity(%q) = %v", text, s)
		}
	}
	if !(Info < Warning && Warning < Error) {
		t.Error("not in order")
	}
	if _, err := json.Marshal(Severity(7)); err == nil {
		t.Error("a severity that is none is written")
	}
	data, err := json.Marshal(Check("hw_disk_bus", "VIRTIO"))
	if err != nil {
		t.Fatal(err)
	}
	const want = `"rule":"value-not-accepted","severity":"error","property":"hw_disk_bus","value":"VIRTIO","message":"`
	if !strings.Contains(string(data), want) {
		t.Errorf("no %s in %s", want, data)
	}
	var back []Finding
	if err := json.Unmarshal(data, &back); err != nil || !slices.Equal(back, Check("hw_disk_bus", "VIRTIO")) {
		t.Errorf("read back: %v, %v", back, err)
	}
}

func FuzzCheck(f *testing.F) {
	for i := range table {
		f.Add(table[i].Name, "virtio")
	}
	for _, v := range slices.Concat(anyText, boolTexts, cpuTexts, listTexts, versionTexts) {
		f.Add("hw_numa_cpus.0", v)
		f.Add("hypervisor_version_requires", v)
		f.Add("mappings", v)
	}
	for _, name := range otherNames {
		f.Add(name, "x")
	}
	f.Fuzz(func(t *testing.T, name, value string) {
		for _, found := range CheckAll(map[string]string{name: value}) {
			if found.Property != name || found.Value != value {
				t.Errorf("a finding about %q=%q", found.Property, found.Value)
			}
			if found.Rule == "" || found.Message == "" || found.Severity < Info || found.Severity > Error {
				t.Errorf("an incomplete finding: %+v", found)
			}
			if strings.IndexFunc(found.Message, unicode.IsControl) >= 0 || len(found.Message) > 1000 {
				t.Errorf("the message is not one short line: %q", found.Message)
			}
		}
	})
}

// The properties of one node after another are read as one set.
func TestFindingsDoNotDependOnMapOrder(t *testing.T) {
	set := map[string]string{"A": "1", "a": "2", "a ": "3", "hw_disk_buss": "x", "hw_numa_mem.3": "1"}
	first := CheckAll(set)
	for range 20 {
		if again := CheckAll(maps.Clone(set)); !slices.Equal(again, first) {
			t.Fatalf("%v\n%v", first, again)
		}
	}
}

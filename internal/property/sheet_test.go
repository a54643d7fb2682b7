package property

import (
	"slices"
	"strings"
	"testing"
)

// Whatever acts has its default and its advice for both kinds of guests, and
// every advised value is one that services take without a word.
func TestEveryActivePropertyIsDescribed(t *testing.T) {
	// What is only for one kind of deployment has no default worth a word.
	noDefault := []string{"disk_file_extension", "img_block_device_mapping", "rootfs_uuid", "stage2_id"}
	for d := range All(false) {
		if d.Effect == Active {
			if len(d.Linux) == 0 || len(d.Windows) == 0 {
				t.Errorf("%s: advice for Linux %v, for Windows %v", d.Name, d.Linux, d.Windows)
			}
			if d.Default == "" && !slices.Contains(noDefault, d.Name) {
				t.Errorf("%s: no default", d.Name)
			}
		}
		if d.CheckedBy == "nova" && d.Since == "" {
			t.Errorf("%s: Nova knows it since when?", d.Name)
		}
		for _, a := range slices.Concat(d.Linux, d.Windows) {
			if a.Value == "" {
				continue
			}
			for _, f := range Check(d.Name, a.Value) {
				if f.Severity >= Warning {
					t.Errorf("%s=%s is advised: %s", d.Name, a.Value, f.Message)
				}
			}
		}
		for _, u := range d.Usual {
			if !slices.Contains(d.Values, u) {
				t.Errorf("%s: %s is usual and not accepted", d.Name, u)
			}
		}
	}
}

func TestTextsAreOneLine(t *testing.T) {
	check := func(name, text string) {
		if text != strings.TrimSpace(text) || strings.ContainsAny(text, "\n\t") || strings.HasSuffix(text, ".") || len(text) > 200 {
			t.Errorf("%s: %q is no single line without a full stop", name, text)
		}
	}
	for d := range All(true) {
		check(d.Name, d.Default)
		for _, a := range slices.Concat(d.Linux, d.Windows) {
			check(d.Name, a.When)
		}
		for _, p := range d.AllPitfalls() {
			check(d.Name, p.Text)
			if p.Text == "" || p.Source == "" {
				t.Errorf("%s: pitfall %+v", d.Name, p)
			}
		}
	}
}

func TestAll(t *testing.T) {
	var names []string
	for d := range All(true) {
		names = append(names, d.Name)
	}
	for _, name := range append(Names(), "trait:*", "hw_numa_cpus.N", "hw_numa_mem.N") {
		if !slices.Contains(names, name) {
			t.Errorf("%s is not listed", name)
		}
	}
	if n := len(Names()) + 3; len(names) != n {
		t.Errorf("%d names, want %d", len(names), n)
	}
}

func TestDescribe(t *testing.T) {
	for name, want := range map[string]bool{
		"hw_disk_bus": true, "trait:*": true, "trait:HW_CPU_X86_AVX2": true, "hw_numa_cpus.0": true, "hw_numa_cpus.N": true, "hw_numa_mem.N": true,
		"sw_runtime_java_version": true, "hw_disk_buss": false, "hw_numa_cpus.128": false, "": false, "min_disk": false,
	} {
		d, ok := Describe(name)
		if ok != want || ok && d.Name != name {
			t.Errorf("Describe(%q) = %q, %v", name, d.Name, ok)
		}
	}
}

func TestMatches(t *testing.T) {
	for _, c := range []struct {
		name, pattern string
		want          bool
	}{
		{"hw_disk_bus", "", true},
		{"hw_disk_bus", "disk", true},
		{"hw_disk_bus", "DISK", true},
		{"hw_disk_bus", "hw_*", true},
		{"hw_disk_bus", "disk*", false},
		{"hw_disk_bus", "hw_????_bus", true},
		{"vmware_disktype", "hw_*", false},
		{"trait:*", "trait", true},
		{"trait:*", "trait:HW_CPU_X86_AVX2", true},
		{"trait:*", "trait:*", true},
		{"hw_numa_cpus.N", "hw_numa_cpus.0", true},
		{"hw_numa_cpus.N", "hw_numa_cpus.200", false},
		{"hw_numa_mem.N", "hw_numa_cpus.0", false},
	} {
		d, _ := Describe(c.name)
		if got, err := d.Matches(c.pattern); got != c.want || err != nil {
			t.Errorf("%s matches %q: %v, %v", c.name, c.pattern, got, err)
		}
	}
	d, _ := Lookup("hw_disk_bus")
	if _, err := d.Matches("[a"); err == nil {
		t.Error("[a is taken for a glob")
	}
}

func TestSuggest(t *testing.T) {
	for name, want := range map[string]string{
		"hw_disk_buss": "hw_disk_bus", "HW_DISK_BUS": "hw_disk_bus", "hw-disk-bus": "hw_disk_bus", "disk_bus": "hw_disk_bus",
		"kernel_di": "kernel_id", "architcture": "architecture", "vmware-ostype": "vmware_ostype", "os_distor": "os_distro",
		"hw:cpu_policy": "hw_cpu_policy", "traits:HW_CPU_X86_AVX": "trait:HW_CPU_X86_AVX", "hw_secure_boot": "os_secure_boot",
		"firmware": "hw_firmware_type hw_firmware_stateless", "qqqqqq": "", "": "", strings.Repeat("x", 100): "",
	} {
		if got := strings.Join(Suggest(name, 3), " "); got != want {
			t.Errorf("Suggest(%q) = %q, want %q", name, got, want)
		}
	}
	if got := Suggest("policy", 1); len(got) != 1 {
		t.Errorf("more than asked for: %v", got)
	}
}

func TestAllPitfalls(t *testing.T) {
	for name, part := range map[string]string{
		"hw_disk_bus":           "Matched exactly",
		"hw_qemu_guest_agent":   "counts as false",
		"hw_cpu_cores":          "Whole numbers only",
		"hw_virtio_packed_ring": "Older releases than 2024.1",
	} {
		d, _ := Lookup(name)
		own := len(d.Pitfalls)
		if all := d.AllPitfalls(); len(all) == own || !slices.ContainsFunc(all[own:], func(p Pitfall) bool { return strings.Contains(p.Text, part) }) {
			t.Errorf("%s: %q is missing", name, part)
		}
	}
	for _, name := range []string{"os_type", "vmware_adaptertype", "img_type", "bdm_v2", "img_bittorrent"} {
		d, _ := Lookup(name)
		if len(d.AllPitfalls()) != len(d.Pitfalls) {
			t.Errorf("%s: %v", name, d.AllPitfalls())
		}
	}
}

func TestReadBy(t *testing.T) {
	for name, want := range map[string]string{
		"hw_disk_bus": "nova", "hw_cpu_mode": "", "traits_required": "", "os_version": "", "img_type": "ironic", "kernel_id": "nova glance ironic",
		"img_signature": "nova glance cinder", "cinder_encryption_key_id": "cinder nova glance", "cinder_img_volume_type": "cinder",
		"sw_runtime_java_version": "",
	} {
		d, _ := Lookup(name)
		if got := strings.Join(d.ReadBy(), " "); got != want {
			t.Errorf("%s is read by %q, want %q", name, got, want)
		}
	}
}

func TestMarks(t *testing.T) {
	for _, c := range []struct {
		name, value       string
		never, kvm, since bool
	}{
		{"hw_disk_bus", "virtio", false, false, false},
		{"hw_disk_bus", "xen", true, false, false},
		{"hw_disk_bus", "lxc", false, true, false},
		{"hw_vif_model", "igb", false, false, true},
		{"vmware_adaptertype", "busLogic", false, true, false},
	} {
		d, _ := Lookup(c.name)
		m := d.Marks(c.value)
		if m.Never != "" != c.never || m.KVM != "" != c.kvm || m.Since != "" != c.since {
			t.Errorf("%s=%s: %+v", c.name, c.value, m)
		}
	}
}

func TestOpenStack(t *testing.T) {
	for nova, want := range map[string]string{
		"": "", "1.0": "", "12.0.0": "Liberty", "20.0.0": "Train", "26.0.0": "Zed", "27.0.0": "2023.1", "28.0.0": "2023.2", "31.0.0": "2025.1", "34.0.0": "2026.2",
	} {
		if got := OpenStack(nova); got != want {
			t.Errorf("OpenStack(%q) = %q, want %q", nova, got, want)
		}
	}
}

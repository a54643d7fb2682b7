package hardware_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode"

	"glance-profile/internal/hardware"
	"glance-profile/internal/image"
)

type props = map[string]string

func build(p props, o hardware.Options) hardware.Result { return hardware.BuildProperties(p, o) }

// The contract's own example, and the form of a refusal.
func TestJSON(t *testing.T) {
	r := hardware.Build(image.Image{ID: "5a1f0a52", Name: "win", Properties: props{
		"hw_machine_type": "q35", "hw_firmware_type": "uefi", "os_secure_boot": "required", "os_distro": "x",
	}}, hardware.Options{})
	const want = `{"image_id":"5a1f0a52","image_name":"win","nova":"2025.1","builds":true,"starts":true,"refusal":null,` +
		`"machine":{"architecture":"x86_64","machine_type":"q35","firmware":"uefi","secure_boot":true,"smm":true,"stateless":false,` +
		`"disks":[{"device":"disk","name":"vda","bus":"virtio"}],"controllers":[{"type":"usb","model":null}],` +
		`"nic":{"model":"virtio","queues":1,"packed":false},"rng":true,"agent_channel":false,"tpm":null,"video":"virtio","video_ram":null,` +
		`"inputs":[{"type":"tablet","bus":"usb"}],"watchdog":null,"serial_ports":1,"sound":null,"clock":"utc","timers":["hpet","pit","rtc"],"hyperv":[],` +
		`"cpu":{"sockets":2,"cores":1,"threads":1},"hide_hypervisor":false,"acpi":true,"pmu":null,"vmcoreinfo":true,"page_size":null,"locked_memory":false,` +
		`"boot_menu":false,"kernel_command_line":null,"viommu":null,"memory_encryption":false,"max_phys_addr":null,"virt_type":"kvm"},` +
		`"traits":{"always":["COMPUTE_SECURITY_UEFI_SECURE_BOOT"],"prefilter":[]},` +
		`"filter":{"architecture":null,"hypervisor_type":null,"vm_mode":null,"version":null},"no_effect":["os_distro"]}`
	if got := marshal(t, r); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	r = build(props{"hw_disk_bus": "foo"}, hardware.Options{Nova: "zed"})
	got := marshal(t, r)
	for _, part := range []string{`"image_id":null,"image_name":null,"nova":"zed","builds":false,"starts":null,"refusal":{"by":"nova","message":`, `"properties":["hw_disk_bus"]},"machine":null,"traits":{"always":[],"prefilter":[]}`, `"no_effect":[]}`} {
		if !strings.Contains(got, part) {
			t.Errorf("%s is not in %s", part, got)
		}
	}
}

func marshal(t *testing.T, r hardware.Result) string {
	t.Helper()
	data, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// Every refusal names what conflicts and what to change.
func TestRefusals(t *testing.T) {
	uefi := func(p props) props { p["hw_firmware_type"] = "uefi"; return p }
	for _, test := range []struct {
		props      props
		options    hardware.Options
		by         hardware.Party
		message    string // part of it
		change     string // another part of it
		properties []string
	}{
		{props: props{"hw_vif_model": "igb"}, options: hardware.Options{Nova: "2024.2"}, by: hardware.ByValue, message: "igb", change: "31.0.0", properties: []string{"hw_vif_model"}},
		{props: props{"hypervisor_version_requires": ">=2"}, options: hardware.Options{Nova: "zed"}, by: hardware.ByValue, message: ">=2", change: ">=2.0", properties: []string{"hypervisor_version_requires"}},
		{props: props{"hw_disk_bus": "VirtIO"}, by: hardware.ByValue, message: "VirtIO", change: `use "virtio"`, properties: []string{"hw_disk_bus"}},
		{props: props{"cinder_encryption_key_id": "x"}, by: hardware.ByAPI, message: "encrypted volume", change: "make a volume", properties: []string{"cinder_encryption_key_id"}},
		{props: props{"hw_mem_encryption": "true"}, by: hardware.ByAPI, message: "doesn't have 'hw_firmware_type'", change: "set hw_firmware_type=uefi", properties: []string{"hw_mem_encryption"}},
		{props: uefi(props{"hw_mem_encryption": "true", "hw_machine_type": "pc"}), by: hardware.ByAPI, message: `Machine type "pc" is not compatible`, change: "hw_machine_type=q35", properties: []string{"hw_machine_type", "hw_mem_encryption"}},
		{props: uefi(props{"hw_mem_encryption": "true"}), options: hardware.Options{SEV: true}, by: hardware.ByDriver, message: `Machine type "pc" is not compatible`, change: "hw_machine_type=q35", properties: []string{"hw_mem_encryption"}},
		{props: props{"hw_locked_memory": "true"}, by: hardware.ByAPI, message: "locked_memory value in image or flavor is forbidden", change: "hw:mem_page_size", properties: []string{"hw_locked_memory"}},
		{props: props{"hw_mem_page_size": "large"}, by: hardware.ByAPI, message: `Page size "large" forbidden against '<empty>'`, change: "a flavor with hw:mem_page_size", properties: []string{"hw_mem_page_size"}},
		{props: props{"hw_cpu_thread_policy": "isolate"}, by: hardware.ByAPI, message: "Cannot set cpu thread pinning policy", change: "add hw_cpu_policy=dedicated", properties: []string{"hw_cpu_thread_policy"}},
		{props: props{"hw_cpu_policy": "mixed"}, by: hardware.ByAPI, message: "hw:cpu_dedicated_mask", change: "another hw_cpu_policy", properties: []string{"hw_cpu_policy"}},
		{props: props{"hw_cpu_sockets": "2", "hw_cpu_max_sockets": "1"}, by: hardware.ByAPI, message: "exceeds the limits", change: "lower hw_cpu_sockets", properties: []string{"hw_cpu_max_sockets", "hw_cpu_sockets"}},
		{props: props{"hw_cpu_max_sockets": "1", "hw_cpu_max_cores": "1", "hw_cpu_max_threads": "1"}, by: hardware.ByDriver, message: "Requested vCPU limits 1:1:1 are impossible to satisfy for vcpus count 2", change: "raise or remove", properties: []string{"hw_cpu_max_cores", "hw_cpu_max_sockets", "hw_cpu_max_threads"}},
		{props: props{"hw_virtio_packed_ring": "true"}, options: hardware.Options{ExtraSpecs: props{"hw:virtio_packed_ring": "true"}}, by: hardware.ByAPI, message: "conflicting with image", change: "in one place only", properties: []string{"hw:virtio_packed_ring", "hw_virtio_packed_ring"}},
		{props: props{"hw_tpm_version": "1.2", "hw_tpm_model": "tpm-crb"}, by: hardware.ByDriver, message: "TPM model CRB is only valid with TPM version 2.0", change: "hw_tpm_version=2.0", properties: []string{"hw_tpm_model", "hw_tpm_version"}},
		{props: props{"hw_firmware_stateless": "true", "architecture": "aarch64"}, by: hardware.ByDriver, message: "Stateless firmware", change: "hw_firmware_type=uefi", properties: []string{"hw_firmware_stateless"}},
		{props: uefi(props{"os_secure_boot": "required"}), by: hardware.ByDriver, message: "Secure Boot is not supported by host", change: "hw_machine_type=q35", properties: []string{"hw_firmware_type", "os_secure_boot"}},
		{props: props{"hw_viommu_model": "intel"}, by: hardware.ByDriver, message: "Current machine type pc (Architecture: x86_64)", change: "hw_machine_type=q35", properties: []string{"hw_viommu_model"}},
		{props: props{"hw_viommu_model": "intel", "architecture": "s390x", "hw_machine_type": "pc"}, by: hardware.ByDriver, message: "given architecture s390x", change: "remove hw_viommu_model", properties: []string{"architecture", "hw_machine_type", "hw_viommu_model"}},
		{props: props{"hw_video_ram": "16"}, by: hardware.ByDriver, message: "video memory 16 is higher than the maximum allowed by flavor 0", change: "hw_video:ram_max_mb", properties: []string{"hw_video_ram"}},
		{props: props{"hw_machine_type": "Q35"}, by: hardware.ByDriver, message: "is not valid/supported machine type", change: "write q35", properties: []string{"hw_machine_type"}},
		{props: props{"architecture": "mips"}, by: hardware.ByDriver, message: "'None' is not valid/supported machine type", change: "hw_machine_type", properties: []string{"architecture"}},
		{props: props{"architecture": "ppc64le"}, by: hardware.ByDriver, message: `"pseries" is not valid/supported`, change: "--machine-type ppc64le=pseries", properties: []string{"architecture"}},
		{props: props{"hw_disk_bus": "xen"}, by: hardware.ByDriver, message: "Requested hardware 'xen' is not supported by the 'kvm' virt driver", change: "virtio", properties: []string{"hw_disk_bus"}},
		{props: props{"hw_cdrom_bus": "lxc"}, by: hardware.ByDriver, message: "'lxc'", change: "sata", properties: []string{"hw_cdrom_bus"}},
		{props: props{"hw_vif_model": "vmxnet"}, by: hardware.ByDriver, message: "'vmxnet'", change: "vmxnet3", properties: []string{"hw_vif_model"}},
		// libvirt and QEMU
		{props: props{"hw_machine_type": "q35", "hw_disk_bus": "ide"}, by: hardware.ByStart, message: "IDE controllers are unsupported", change: "sata", properties: []string{"hw_disk_bus", "hw_machine_type"}},
		{props: props{"vmware_adaptertype": "ide", "hw_machine_type": "pc-q35-9.2"}, by: hardware.ByStart, message: "IDE controllers are unsupported", change: "sata", properties: []string{"hw_machine_type", "vmware_adaptertype"}},
		{props: props{"hw_cdrom_bus": "virtio", "img_config_drive": "mandatory"}, by: hardware.ByStart, message: "ejectable media", change: "sata", properties: []string{"hw_cdrom_bus"}},
		{props: props{"hw_scsi_model": "vmpvscsi", "hw_disk_bus": "scsi", "hw_cdrom_bus": "scsi", "img_config_drive": "mandatory"}, by: hardware.ByStart, message: "lun: 1", change: "virtio-scsi", properties: []string{"hw_cdrom_bus", "hw_disk_bus", "hw_scsi_model", "img_config_drive"}},
		{props: props{"vm_mode": "xen"}, by: hardware.ByStart, message: "os type", change: "hvm", properties: []string{"vm_mode"}},
		{props: props{"hw_viommu_model": "auto", "hw_machine_type": "q35"}, by: hardware.ByStart, message: "iommu", change: "intel", properties: []string{"hw_viommu_model"}},
		{props: props{"hw_vif_model": "lan9118"}, options: hardware.Options{VirtType: "qemu"}, by: hardware.ByStart, message: "device model", change: "virtio", properties: []string{"hw_vif_model"}},
	} {
		r := build(test.props, test.options)
		switch {
		case r.Refusal == nil:
			t.Errorf("%v: nobody refuses it", test.props)
			continue
		case r.Refusal.By != test.by || !strings.Contains(r.Refusal.Message, test.message) || !strings.Contains(r.Refusal.Message, test.change):
			t.Errorf("%v: %+v\nwant %s, %q, %q", test.props, r.Refusal, test.by, test.message, test.change)
		case !slices.Equal(r.Refusal.Properties, test.properties):
			t.Errorf("%v: properties %q, want %q", test.props, r.Refusal.Properties, test.properties)
		}
		if built := test.by == hardware.ByStart; r.Builds != built || (r.Machine != nil) != built || (r.Starts != nil) != built || built && *r.Starts {
			t.Errorf("%v: builds %t, machine %v, starts %v", test.props, r.Builds, r.Machine, r.Starts)
		}
	}
}

// What happens in silence.
func TestMachines(t *testing.T) {
	for _, test := range []struct {
		props   props
		format  string
		options hardware.Options
		want    map[string]string // fields, as JSON
	}{
		{props: props{"architecture": "i686"}, want: map[string]string{"virt_type": `"qemu"`, "machine_type": `"pc"`}},
		{props: props{"os_secure_boot": "required"}, want: map[string]string{"firmware": `"bios"`, "secure_boot": "false"}},
		{props: props{"os_secure_boot": "optional", "hw_firmware_type": "uefi", "hw_machine_type": "q35"}, want: map[string]string{"secure_boot": "true", "smm": "true"}},
		{props: props{"architecture": "aarch64", "hw_firmware_type": "bios"}, want: map[string]string{"firmware": `"bios"`, "machine_type": `"virt"`}},
		{props: props{"architecture": "aarch64", "img_config_drive": "mandatory"}, want: map[string]string{"firmware": `"uefi"`, "disks": `[{"device":"disk","name":"vda","bus":"virtio"},{"device":"cdrom","name":"sda","bus":"scsi"}]`}},
		{props: props{"hw_disk_bus": "virtio", "img_config_drive": "mandatory"}, format: "iso", want: map[string]string{"disks": `[{"device":"cdrom","name":"hda","bus":"ide"},{"device":"cdrom","name":"hdb","bus":"ide"}]`}},
		{props: props{"hw_machine_type": "q35"}, format: "iso", want: map[string]string{"disks": `[{"device":"cdrom","name":"sda","bus":"sata"}]`}},
		{props: props{}, format: "iso", options: hardware.Options{MachineTypes: props{"x86_64": "q35"}}, want: map[string]string{"disks": `[{"device":"cdrom","name":"sda","bus":"sata"}]`, "machine_type": `"q35"`}},
		{props: props{"vmware_adaptertype": "lsiLogic", "hw_disk_bus": "virtio"}, want: map[string]string{"controllers": `[{"type":"scsi","model":"lsilogic"},{"type":"usb","model":null}]`}},
		{props: props{"hw_tpm_model": "tpm-crb"}, want: map[string]string{"tpm": "null"}},
		{props: props{"hw_tpm_version": "2.0"}, want: map[string]string{"tpm": `{"model":"tpm-tis","version":"2.0"}`}},
		{props: props{"os_type": "Windows"}, want: map[string]string{"clock": `"utc"`, "hyperv": "[]"}},
		{props: props{"hw_input_bus": "virtio"}, want: map[string]string{"controllers": `[{"type":"usb","model":"none"}]`, "inputs": `[{"type":"tablet","bus":"virtio"},{"type":"keyboard","bus":"virtio"}]`}},
		{props: props{"hw_input_bus": "virtio", "hw_disk_bus": "usb"}, want: map[string]string{"controllers": `[{"type":"usb","model":null}]`}},
		{props: props{"hw_vif_multiqueue_enabled": "true"}, options: hardware.Options{VCPUs: 4}, want: map[string]string{"nic": `{"model":"virtio","queues":4,"packed":false}`}},
		{props: props{"hw_vif_multiqueue_enabled": "true", "hw_vif_model": "e1000"}, want: map[string]string{"nic": `{"model":"e1000","queues":1,"packed":false}`}},
		{props: props{"hw_vif_multiqueue_enabled": "true"}, options: hardware.Options{VirtType: "qemu"}, want: map[string]string{"nic": `{"model":"virtio","queues":1,"packed":false}`, "timers": "[]"}},
		{props: props{"hw_cpu_sockets": "3"}, want: map[string]string{"cpu": `{"sockets":2,"cores":1,"threads":1}`}},
		{props: props{"hw_cpu_cores": "4", "hw_cpu_sockets": "1"}, want: map[string]string{"cpu": `{"sockets":1,"cores":2,"threads":1}`}},
		{props: props{"hw_emulation_architecture": "mipsel", "hw_machine_type": "malta"}, want: map[string]string{"cpu": "null", "virt_type": `"qemu"`}},
		{props: props{"hw_emulation_architecture": "ppc64le", "hw_machine_type": "pc"}, want: map[string]string{"video": `"vga"`}},
		{props: props{"os_command_line": "quiet"}, want: map[string]string{"kernel_command_line": "null"}},
		{props: props{"os_command_line": "quiet", "kernel_id": "5a1f0a52-7f0b-4b6a-9d3a-0123456789ab"}, want: map[string]string{"kernel_command_line": `"quiet"`}},
		{props: props{"hw_video_ram": "16"}, options: hardware.Options{ExtraSpecs: props{"hw_video:ram_max_mb": "64"}}, want: map[string]string{"video_ram": "16384"}},
		{props: props{"hw_mem_page_size": "2MB"}, options: hardware.Options{ExtraSpecs: props{"hw:mem_page_size": "any"}}, want: map[string]string{"page_size": `"2048"`}},
		{props: props{"hw_viommu_model": "auto", "hw_machine_type": "q35"}, options: hardware.Options{Nova: "zed"}, want: map[string]string{"viommu": `"intel"`}},
		{props: props{"hw_virtio_packed_ring": "true", "hw_maxphysaddr_mode": "emulate", "hw_firmware_stateless": "true"}, options: hardware.Options{Nova: "2023.2"},
			want: map[string]string{"nic": `{"model":"virtio","queues":1,"packed":false}`, "max_phys_addr": "null", "stateless": "false"}},
		{props: props{"hw_mem_encryption": "true", "hw_firmware_type": "uefi", "hw_machine_type": "q35", "hw_qemu_guest_agent": "yes"}, options: hardware.Options{SEV: true},
			want: map[string]string{"memory_encryption": "true", "locked_memory": "true", "controllers": `[{"type":"virtio-serial","model":null},{"type":"usb","model":null}]`}},
		{props: props{"architecture": "ppc64le"}, options: hardware.Options{MachineTypes: props{"ppc64le": "pseries"}}, want: map[string]string{"machine_type": `"pseries"`}},
	} {
		r := hardware.Build(image.Image{DiskFormat: test.format, Properties: test.props}, test.options)
		var got struct {
			Machine map[string]json.RawMessage `json:"machine"`
		}
		if err := json.Unmarshal([]byte(marshal(t, r)), &got); err != nil {
			t.Fatal(err)
		}
		if got.Machine == nil {
			t.Errorf("%v: %+v", test.props, r.Refusal)
		}
		for field, want := range test.want {
			if string(got.Machine[field]) != want {
				t.Errorf("%v %v: %s is %s, want %s", test.props, test.format, field, got.Machine[field], want)
			}
		}
	}
}

// Between the two releases that Nova's own code judges, its history does.
func TestReleases(t *testing.T) {
	windows := props{"os_type": "windows"}
	for _, test := range []struct {
		nova     hardware.Release
		features int
		traits   int // of a TPM
		packed   bool
	}{{"zed", 12, 1, false}, {"2023.1", 12, 1, false}, {"2023.2", 12, 1, false}, {"2024.1", 10, 1, true}, {"2024.2", 10, 2, true}, {"2025.1", 10, 2, true}} {
		o := hardware.Options{Nova: test.nova}
		if n := len(build(windows, o).Machine.HyperV); n != test.features {
			t.Errorf("%s: %d Hyper-V features, want %d", test.nova, n, test.features)
		}
		if got := build(props{"hw_tpm_version": "2.0"}, o).Traits.Always; len(got) != test.traits {
			t.Errorf("%s: traits of a TPM %q", test.nova, got)
		}
		if r := build(props{"hw_virtio_packed_ring": "yes"}, o); r.Machine.NIC.Packed != test.packed || len(r.NoEffect) == 0 == !test.packed {
			t.Errorf("%s: packed ring %t, without effect %q", test.nova, r.Machine.NIC.Packed, r.NoEffect)
		}
	}
	for text, want := range map[string]hardware.Release{"zed": "zed", "Zed": "zed", "2022.2": "zed", "26.2.2": "zed", "31": "2025.1", "caracal": "2024.1", "2024.2": "2024.2"} {
		if got, err := hardware.ParseRelease(text); err != nil || got != want {
			t.Errorf("%s: %s, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "yoga", "2025.2", "32.0.0"} {
		if _, err := hardware.ParseRelease(text); err == nil || !strings.Contains(err.Error(), "2024.2") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestNoEffectNames(t *testing.T) {
	for _, test := range []struct {
		props  props
		format string
		want   []string
	}{
		{props: props{"hw_disk_bus": "virtio", "hw_rng_model": "virtio", "os_type": "linux", "os_distro": "debian", "my": "own"}, want: []string{"hw_rng_model", "my", "os_distro"}},
		{props: props{"hw_tpm_model": "tpm-crb", "hw_maxphysaddr_bits": "42", "hw_rescue_bus": "usb", "hw_serial_port_count": "2", "os_command_line": "x"}, want: []string{"hw_maxphysaddr_bits", "hw_rescue_bus", "hw_serial_port_count", "hw_tpm_model", "os_command_line"}},
		{props: props{"os_type": "Windows", "hw_pointer_model": "usbtablet", "hw_input_bus": "usb"}, want: []string{"hw_pointer_model", "os_type"}},
		{props: props{"os_secure_boot": "disabled"}, want: []string{"os_secure_boot"}},
		{props: props{"os_secure_boot": "required"}, want: nil}, // a trait is asked for
		{props: props{"hw_disk_bus": "scsi", "vmware_adaptertype": "ide"}, want: []string{"vmware_adaptertype"}},
		{props: props{"hw_sound_model": "ich9", "hw_vif_multiqueue_enabled": "true", "hw_vif_model": "e1000"}, want: []string{"hw_sound_model", "hw_vif_multiqueue_enabled"}},
		{props: props{"trait:CUSTOM_A": "required", "trait:CUSTOM_B": "yes"}, want: []string{"trait:CUSTOM_B"}},
		// The bus of a CD-ROM that may come later, with a config drive.
		{props: props{"hw_cdrom_bus": "sata"}, want: nil},
	} {
		r := hardware.Build(image.Image{DiskFormat: test.format, Properties: test.props}, hardware.Options{})
		if !slices.Equal(r.NoEffect, test.want) {
			t.Errorf("%v: %q, want %q", test.props, r.NoEffect, test.want)
		}
	}
}

// Each field of the machine has an origin, and each origin is of a field.
func TestOrigins(t *testing.T) {
	r := build(props{"hw_disk_bus": "scsi", "hw_machine_type": "q35"}, hardware.Options{})
	var machine map[string]any
	data, _ := json.Marshal(r.Machine)
	if err := json.Unmarshal(data, &machine); err != nil {
		t.Fatal(err)
	}
	for field := range machine {
		o, ok := r.Origins[field]
		if !ok || o.Source == "" || (len(o.From) == 0) == (o.Default == nil) {
			t.Errorf("%s: %+v", field, o)
		}
	}
	for field := range r.Origins {
		if _, ok := machine[field]; !ok {
			t.Errorf("the origin of %s, which no machine has", field)
		}
	}
	if o := r.Origins["disks"]; !slices.Equal(o.From, []string{"hw_disk_bus=scsi"}) || o.Host {
		t.Errorf("disks: %+v", o)
	}
	if o := build(nil, hardware.Options{}).Origins["machine_type"]; !o.Host || o.Default == nil {
		t.Errorf("machine type: %+v", o)
	}
}

func TestDraw(t *testing.T) {
	r := hardware.Build(image.Image{ID: "5a1f", Name: "noble", Properties: props{"hw_machine_type": "q35", "hw_disk_bus": "ide", "x": "y"}}, hardware.Options{})
	text := strings.Join(hardware.Draw(r), "\n")
	for _, want := range []string{
		"noble (5a1f): Nova 2025.1 builds it, and it never starts\n  libvirt or QEMU refuses it: IDE controllers",
		"\n  q35 machine, x86_64, kvm ", "← hw_machine_type=q35\n", "├─ root disk: hda on ide ", "← hw_disk_bus=ide\n", "← the host's choice\n", "\n  └─ CPU: 2 sockets × 1 core × 1 thread  ← default\n",
		"\nwithout effect: x",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	r.Explain = true
	if text := strings.Join(hardware.Draw(r), "\n"); !strings.Contains(text, "[nova/virt/libvirt/blockinfo.py get_disk_info]") {
		t.Errorf("not explained:\n%s", text)
	}
	r = build(props{"hw_disk_bus": "x"}, hardware.Options{})
	if lines := hardware.Draw(r); len(lines) != 2 || lines[0] != "Nova 2025.1 refuses it" || !strings.HasPrefix(lines[1], `  Nova takes no such value: "hw_disk_bus": "x"`) {
		t.Errorf("%q", lines)
	}
}

// Whatever the properties, there is an answer, the same each time, of which
// each message is one line.
func FuzzBuild(f *testing.F) {
	f.Add("hw_disk_bus", "scsi", "hw_numa_nodes", "2", "hw:mem_page_size", "any", 2)
	f.Add("hw_numa_cpus.0", "0-99999999999999999999,^5", "hw_numa_mem.0", "2048", "hw:numa_nodes", "1", 3)
	f.Add("hw_mem_page_size", "1e9GB", "hw_cpu_max_sockets", "-1", "hw:mem_page_size", "large", 0)
	f.Add("vmware_adaptertype", "\x1b[31m", "hw_machine_type", "q35\n", "hw:cpu_realtime_mask", "^0-\u202e", -1)
	f.Fuzz(func(t *testing.T, name1, value1, name2, value2, spec, text string, vcpus int) {
		p := props{name1: value1, name2: value2}
		o := hardware.Options{ExtraSpecs: props{spec: text, "hw:cpu_realtime": "yes", "hw:cpu_policy": "dedicated"}, VCPUs: min(max(vcpus, 0), 512)}
		r := build(p, o)
		if got, again := marshal(t, r), marshal(t, build(p, o)); got != again {
			t.Errorf("two answers:\n%s\n%s", got, again)
		}
		if r.Refusal != nil {
			for _, c := range r.Refusal.Message {
				if unicode.IsControl(c) || c == unicode.ReplacementChar {
					t.Errorf("%q in %q", c, r.Refusal.Message)
				}
			}
			if r.Refusal.By != hardware.ByStart && r.Builds {
				t.Errorf("built, though %+v", r.Refusal)
			}
		}
		for _, name := range r.NoEffect {
			if _, ok := p[name]; !ok {
				t.Errorf("%q has no effect, and is no property", name)
			}
		}
		if r.Builds != (r.Machine != nil) {
			t.Errorf("builds %t, machine %v", r.Builds, r.Machine)
		}
		_ = fmt.Sprint(hardware.Draw(r))
	})
}

// Of two extra specs that say the same thing of different request groups one counts, always the same.
func TestTwoHyperthreadingTraits(t *testing.T) {
	specs := map[string]string{"trait:HW_CPU_HYPERTHREADING": "required", "trait1:HW_CPU_HYPERTHREADING": "preferred"}
	first := marshal(t, hardware.BuildProperties(nil, hardware.Options{ExtraSpecs: specs}))
	for range 100 {
		if again := marshal(t, hardware.BuildProperties(nil, hardware.Options{ExtraSpecs: specs})); again != first {
			t.Fatalf("%s\n%s", first, again)
		}
	}
}

package normalize

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"glance-profile/internal/image"
	"glance-profile/internal/plan"
)

// parse makes an image of name=value pairs between bars; name is its name.
func parse(text string) image.Image {
	img := image.Image{Properties: map[string]string{}}
	for pair := range strings.SplitSeq(text, "|") {
		name, value, _ := strings.Cut(pair, "=")
		if name == "name" {
			img.Name = value
		} else {
			img.Properties[name] = value
		}
	}
	return img
}

// brief writes what was decided: changes as name=value or -name, and reports,
// old names apart, as ?kind name, with candidates.
func brief(p plan.Image, reports []Report) string {
	var parts []string
	for _, c := range p.Changes {
		if c.After == nil {
			parts = append(parts, "-"+c.Property)
		} else {
			parts = append(parts, fmt.Sprintf("%s=%v", c.Property, c.After))
		}
	}
	for _, r := range reports {
		if r.Kind != OldName {
			parts = append(parts, strings.TrimSpace(fmt.Sprintf("?%s %s %s", r.Kind, r.Property, strings.Join(r.Candidates, ","))))
		}
	}
	return strings.Join(parts, "; ")
}

type decided struct{ image, want string }

func check(t *testing.T, o Options, cases []decided) {
	t.Helper()
	n, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		t.Run(c.image, func(t *testing.T) {
			img := parse(c.image)
			if got := brief(n.Image(img)); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			holds(t, "", n, img)
		})
	}
}

// Names as distributors, clouds and people write them.
func TestDistributions(t *testing.T) {
	var cases []decided
	for text, want := range map[string]string{
		"Ubuntu 22.04.3 LTS (Jammy Jellyfish)": "ubuntu 22.04", "ubuntu-jammy": "ubuntu 22.04", "jammy": "ubuntu 22.04", "noble-server": "ubuntu 24.04",
		"ubuntu_22_04": "ubuntu 22.04", "ubuntu2204": "ubuntu 22.04", "UBUNTU 1804": "ubuntu 18.04", "com.ubuntu": "ubuntu", "Org.Ubuntu": "ubuntu", "canonical": "ubuntu",
		"http://ubuntu.com/ubuntu/22.04": "ubuntu 22.04", "https://redhat.com/rhel/9.2": "rhel 9.2",
		"Debian GNU/Linux 12 (bookworm)": "debian 12", "debian-11-generic": "debian 11", "Debian 10.13": "debian 10", "debian buster": "debian 10", "org.debian": "debian",
		"Red Hat Enterprise Linux release 8.5 (Ootpa)": "rhel 8.5", "RHEL 7 Update 4": "rhel 7.4", "rhel8u6": "rhel 8.6", "rhel-8-6": "rhel 8.6", "redhat8": "rhel 8", "com.redhat": "rhel",
		"CentOS Linux release 7.9.2009 (Core)": "centos 7", "CentOS 7.9 x64": "centos 7", "CentOS Stream 9": "centos 9", "centos76": "centos 7",
		"AlmaLinux 9.3 (Shamrock Pampas Gazelle Cat)": "almalinux 9", "alma8": "almalinux 8", "Rocky Linux 9.5 (Blue Onyx)": "rocky 9", "rockylinux": "rocky",
		"Oracle Linux Server 8.9": "ol 8.9", "oel7": "ol 7", "oel 5.2": "oel 5.2",
		"Fedora Linux 39 (Cloud Edition)": "fedora 39", "org.fedoraproject": "fedora", "Fedora-CoreOS": "fedora-coreos", "Fedora CoreOS 38": "fedora-coreos 38", "fedora_atomic": "fedora-atomic",
		"openSUSE Leap 15.5": "opensuse 15.5", "SuSE": "opensuse", "com.suse": "sled", "openSUSE Tumbleweed": "opensuse tumbleweed",
		"SUSE Linux Enterprise Server 15 SP5": "sles 15-sp5", "SUSE Linux Enterprise Server for SAP Applications 15 SP5": "sles 15-sp5", "SLES 12 SP5": "sles 12-sp5", "Novell SUSE Linux Enterprise Server 11 SP3 64bit": "sles 11-sp3", "sle15sp4": "sle 15-sp4",
		"Alpine Linux v3.19": "alpinelinux 3.19", "archlinux": "arch", "Gentoo Linux": "gentoo", "FreeBSD 13.2-RELEASE": "freebsd 13.2", "freeBSD": "freebsd", "CirrOS": "cirros",
		"Kali GNU/Linux Rolling": "kali", "Amazon Linux 2": "amzn 2", "Flatcar Container Linux by Kinvolk 3760.2.0 (Oklo)": "flatcar 3760.2.0", "ms-dos": "msdos", "mandrakelinux": "mandrake", "novell": "netware",
		"Windows": "windows", "Win2019": "windows 2019", "win2k19": "windows 2019", "win2k16": "windows 2016", "W2K12R2": "windows 2012r2", "WS2022": "windows 2022", "WindowsServer2019": "windows 2019",
		"Microsoft Windows Server 2022 Datacenter Evaluation": "windows 2022", "Windows Server 2012 Essentials R2 64bit": "windows 2012r2", "Windows Server 2019 Standard (Desktop Experience)": "windows 2019",
		"Windows 10 Enterprise 22H2": "windows 10", "win10pro": "windows 10", "windows xp": "windows xp", "com.microsoft.server": "windows", "http://microsoft.com/win/2k16": "windows 2016", "Windows Server 2008 R2 SP1": "windows 2008r2",
	} {
		distro, version, split := strings.Cut(want, " ")
		out := "os_distro=" + distro
		if split {
			out += "; os_version=" + version
		}
		if version == "tumbleweed" {
			out += "; ?unknown os_version"
		}
		if slices.Contains([]string{"win2k16", "win2k19", "https://redhat.com/rhel/9.2", "sle15sp4", "archlinux", "http://microsoft.com/win/2k16", "http://ubuntu.com/ubuntu/22.04"}, text) && !strings.HasPrefix(text, "https") {
			out += "; ?note os_distro" // it chose the network card
		}
		cases = append(cases, decided{"os_distro=" + text, out})
	}
	check(t, Options{}, cases)
	check(t, Options{}, []decided{
		{"os_distro=ubuntu", ""},
		{"os_distro=fedora-coreos", "?kept os_distro"},
		{"os_distro=coreos", "?kept os_distro"},
		{"os_distro=rockylinux|kube_version=v1.28", "?kept os_distro"},
		{"os_distro=ubuntu64Guest", "?kept os_distro"},
		{"os_distro=ubuntu22", "?ambiguous os_distro ubuntu 22.04,ubuntu 22.10"},
		{"os_distro=suse 15 sp4", "?ambiguous os_distro sles,sled,sle"},
		{"os_distro=suse|name=SLES 15 SP4|os_version=15-sp4", "os_distro=sles"},
		{"os_distro=centos/rhel", "?ambiguous os_distro centos,rhel"},
		{"os_distro=poplar-ubuntu", "?unknown os_distro ubuntu"},
		{"os_distro=kubuntu", "?unknown os_distro"},
		{"os_distro=centos-7-docker-20.10", "?unknown os_distro centos"},
		{"os_distro=", "?unknown os_distro"},
		{"os_distro=linux", "?unknown os_distro"},
		{"os_distro=linux|name=Ubuntu 20.04", "?unknown os_distro ubuntu"},
		{"os_distro=linux|os_version=20.04|name=Ubuntu 20.04", "?unknown os_distro ubuntu; ?unknown os_version"},
		{"os_distro=linux|os_version=Ubuntu 20.04", "os_distro=ubuntu; os_version=20.04"},
		{"os_distro=linux|mcs_os_distro=ubuntu", "os_distro=ubuntu"},
		{"os_distro=Server|os_type=windows", "os_distro=windows"},
		{"os_distro=Server|os_version=2019", "?unknown os_distro windows; ?unknown os_version"},
		{"os_distro=win2k16|os_version=2019", "?conflict os_distro; ?conflict os_version"},
		{"os_distro=win2k16|os_version=2016|hw_vif_model=e1000", "os_distro=windows"},
		{"os_distro=oel|os_version=9.5", "os_distro=ol"},
		{"os_distro=oel|os_version=5.3", ""},
		{"os_distro=centos|os_version=9|name=AlmaLinux 9", "?conflict os_distro almalinux"},
		{"os_distro=Ubuntu x64|architecture=aarch64", "?conflict os_distro"},
		{"mcs_os_distro=Ubuntu|com.rackspace__1__os_distro=org.debian", ""},
	})
}

func TestVersions(t *testing.T) {
	check(t, Options{}, []decided{
		{"os_distro=ubuntu|os_version=22.04.3 LTS", "os_version=22.04"},
		{"os_distro=ubuntu|os_version=22_04", "os_version=22.04"},
		{"os_distro=ubuntu|os_version=Focal Fossa", "os_version=20.04"},
		{"os_distro=ubuntu|os_version=20.04 focal", "os_version=20.04"},
		{"os_distro=ubuntu|os_version=20.04 jammy", "?ambiguous os_version 22.04,20.04"},
		{"os_distro=ubuntu|os_version=bookworm", "?conflict os_version"},
		{"os_distro=ubuntu|os_version=Debian 11", "?conflict os_version"},
		{"os_distro=ubuntu|os_version=22", "?ambiguous os_version 22.04,22.10"},
		{"os_distro=ubuntu|os_version=22 LTS", "os_version=22.04"},
		{"os_distro=ubuntu|os_version=22|name=Ubuntu 22.04", "os_version=22.04"},
		{"os_distro=ubuntu|os_version=23.05", "?no-such-version os_version 23.04,23.10"},
		{"os_distro=ubuntu|os_version=20.4", "?unknown os_version 20.04,20.10"},
		{"os_distro=ubuntu|os_version=latest", "?unknown os_version"},
		{"os_distro=fedora|os_version=99", "?no-such-version os_version"},
		{"os_distro=debian|os_version=12.5", "os_version=12"},
		{"os_distro=debian|os_version=unstable", "?unknown os_version"},
		{"os_distro=centos|os_version=8-stream", "os_version=8"},
		{"os_distro=centos|os_version=7.x", "os_version=7"},
		{"os_distro=rhel|os_version=9.4", ""},
		{"os_distro=rhel|os_version=79", "os_version=7.9"},
		{"os_distro=rhel|os_version=9.99", "?no-such-version os_version 9,9.0,9.1,9.2,9.3,9.4,9.5,9.6,9.7,9.8"},
		{"os_distro=sles|os_version=15 SP5", "os_version=15-sp5"},
		{"os_distro=opensuse|os_version=Leap 15.5", "os_version=15.5"},
		{"os_distro=alpinelinux|os_version=v3.18.4", "os_version=3.18"},
		{"os_distro=freebsd|os_version=13.2-RELEASE-p4", "os_version=13.2"},
		{"os_distro=freebsd|os_version=15", "?ambiguous os_version 15.0,15.1"},
		{"os_distro=arch|os_version=2024.01.01", "?unknown os_version"},
		{"os_distro=windows|os_version=2012 R2", "os_version=2012r2"},
		{"os_distro=windows|os_version=10.0.20348", "os_version=2022"},
		{"os_distro=windows|os_version=10.0.17763", "?ambiguous os_version 10,2019"},
		{"os_distro=windows|os_version=10.0.17763|name=Windows Server 2019", "os_version=2019"},
		{"os_distro=windows|os_version=6.1", "?ambiguous os_version 7,2008r2"},
		{"os_distro=windows|os_version=22H2", "?unknown os_version"},
		{"os_distro=windows|os_version=XP", "os_version=xp"},
		{"os_version=jammy", "os_distro=ubuntu; os_version=22.04"},
		{"os_version=Windows Server 2022", "os_distro=windows; os_version=2022"},
		{"os_version=Ubuntu", "?unknown os_version"},
		{"os_version=22.04", "?unknown os_version"},
		{"os_version=centos7.6|name=cirros-0.5.2", "?conflict os_version"},
		{"os_version=22.04 LTS|name=Ubuntu 22.04", "os_version=22.04"},
		{"os_distro=windows|os_version=Server 2012|name=Windows Server 2012 R2", "os_version=2012; ?conflict os_version 2012r2"},
		{"os_distro=rhel|os_version=9|name=rhel-9.4-x86_64", ""},
	})
}

func TestKindsOfSystem(t *testing.T) {
	check(t, Options{}, []decided{
		{"os_type=Linux", "os_type=linux"},
		{"os_type=WINDOWS", "os_type=windows"},
		{"os_type=gnu/linux", "os_type=linux"},
		{"os_type=win|os_distro=windows", "os_type=windows"},
		{"os_type=Ubuntu|os_distro=ubuntu", "os_type=linux"},
		{"os_type=Ubuntu-14-LTS-ppc64le|architecture=ppc64le", "os_distro=ubuntu; os_type=linux; os_version=14.04"},
		{"os_type=Ubuntu-14|architecture=ppc64le", "?ambiguous os_type ubuntu 14.04,ubuntu 14.10"},
		{"os_type=Ubuntu-14-LTS-ppc64le|architecture=x86_64", "?conflict os_type"},
		{"os_type=FreeBSD|os_distro=freebsd", "?unknown os_type"},
		{"os_type=other|os_distro=ubuntu", "?unknown os_type linux"},
		{"os_type=|os_distro=windows", "?unknown os_type windows"},
		{"os_type=Windows|os_distro=ubuntu", "?conflict os_type windows"},
		{"os_type=linux|os_distro=windows", "?conflict os_type windows"},
	})
}

func TestValues(t *testing.T) {
	check(t, Options{}, []decided{
		{"architecture=AMD64", "architecture=x86_64"},
		{"architecture=x86 64", "architecture=x86_64"},
		{"hw_architecture=arm64", "hw_architecture=aarch64"},
		{"architecture=i386", "architecture=i686"},
		{"architecture=ppc64el", "architecture=ppc64le"},
		{"architecture=arm", "?ambiguous architecture armv7l,aarch64"},
		{"architecture=x86|__os_bit=64", "architecture=x86_64"},
		{"architecture=riscv64", "?refused architecture"},
		{"hw_scsi_model=virtio_scsi", "hw_scsi_model=virtio-scsi"},
		{"hw_disk_bus=virtio_scsi", "?refused hw_disk_bus scsi"},
		{"hw_scsi_model=lsiLogic|vmware_adaptertype=lsiLogic|hw_vif_model=VirtualVmxnet3", ""},
		{"vmware_adaptertype=IDE", "?refused vmware_adaptertype ide"},
		{"hw_vif_model=VirtIO", "hw_vif_model=virtio"},
		{"hw_vif_model=ne2k-pci", "hw_vif_model=ne2k_pci"},
		{"hw_machine_type=Q35", "hw_machine_type=q35"},
		{"hw_machine_type=i440fx", "?refused hw_machine_type pc"},
		{"hw_firmware_type=UEFI", "hw_firmware_type=uefi"},
		{"hw_firmware_type=EFI", "?refused hw_firmware_type uefi"},
		{"hypervisor_type=hyper-v", "hypervisor_type=hyperv"},
		{"img_hv_type=xapi", ""},
		{"vm_mode=HVM", "vm_mode=hvm"},
		{"hw_qemu_guest_agent=YES|os_require_quiesce=on", ""},
		{"hw_qemu_guest_agent=enabled", "?misread hw_qemu_guest_agent true"},
		{"img_type=Partition|trait:HW_CPU_X86_AVX2=Required", ""},
		{"hw_pmem=1", "?no-effect hw_pmem"},
	})
}

func TestMisspeltNames(t *testing.T) {
	check(t, Options{}, []decided{
		{"hw_disk_buss=VirtIO", "hw_disk_bus=virtio; -hw_disk_buss"},
		{"hw_disk_bsu=scsi", "-hw_disk_bsu; hw_disk_bus=scsi"},
		{"os-distro=Ubuntu", "-os-distro; os_distro=ubuntu"},
		{"os_distr=Ubuntu 22.04", "?misspelt os_distr os_distro"},
		{"os_distr=something", "?misspelt os_distr os_distro"},
		{"hw_disk_bu=scsi|hw_disk_bus=virtio", "?misspelt hw_disk_bu hw_disk_bus"},
		{"hw_cpu_core=x", "?misspelt hw_cpu_core hw_cpu_cores"},
		{"OS_DISTRO=ubuntu", "?misspelt OS_DISTRO os_distro"},
		{"_os_distro=x|hw_disk_mode=x|os_flavor=x", "?no-effect hw_disk_mode"},
	})
}

func TestOldNamesStay(t *testing.T) {
	n, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	p, reports := n.Image(parse("architecture=x86_64|vm_mode=hvm|hypervisor_type=kvm|os_distro=ubuntu"))
	if len(p.Changes) > 0 || len(reports) != 3 || reports[0].Kind != OldName || !slices.Equal(reports[0].Candidates, []string{"hw_architecture"}) {
		t.Errorf("%v %v", p.Changes, reports)
	}
}

func TestInference(t *testing.T) {
	check(t, Options{Infer: true}, []decided{
		{"name=debian-12-generic-amd64.qcow2", "architecture=x86_64; os_distro=debian; os_type=linux; os_version=12"},
		{"name=CentOS-7-x86_64-GenericCloud-2009.qcow2", "architecture=x86_64; os_distro=centos; os_type=linux; os_version=7"},
		{"name=k8s-1.27-ubuntu-22.04", "os_distro=ubuntu; os_type=linux; os_version=22.04"},
		{"name=Windows Server 2012 R2", "os_distro=windows; os_type=windows; os_version=2012r2"},
		{"name=focal-server-cloudimg-amd64", "architecture=x86_64; os_distro=ubuntu; os_type=linux; os_version=20.04"},
		{"name=noble cause", ""},
		{"name=our-ubuntu-builder", ""},
		{"name=our-ubuntu-builder|os_version=22.04", "os_distro=ubuntu; os_type=linux"},
		{"name=CentOS 7|os_distro=ubuntu", "os_type=linux; ?conflict os_distro centos"},
		{"name=Ubuntu 22.04|os_distro=Ubuntu", "os_distro=ubuntu; os_type=linux; os_version=22.04"},
		{"name=Ubuntu|os_type=windows", "?conflict os_type linux"},
		{"name=Windows or Ubuntu", ""},
		{"name=x|mcs_os_distro=debian|mcs_os_version=11|os_architecture=arm64", "architecture=aarch64; os_distro=debian; os_type=linux; os_version=11"},
		{"name=Ubuntu 22.04|mcs_os_distro=debian", ""},
		{"name=ubuntu-arm64|hw_architecture=aarch64", "os_distro=ubuntu; os_type=linux"},
		{"name=ubuntu-arm64|hw_machine_type=q35", "os_distro=ubuntu; os_type=linux"},
		{"name=ubuntu-arm64|hw_emulation_architecture=aarch64", "os_distro=ubuntu; os_type=linux"},
		{"name=win2019|vmware_ostype=windows9Server64Guest", "os_type=windows"},
		{"os_distro=FreeBSD", "os_distro=freebsd"},
	})
}

func TestLibosinfosVocabulary(t *testing.T) {
	check(t, Options{Vocabulary: Libosinfo}, []decided{
		{"os_distro=ubuntu|os_version=22.04|hw_vif_model=virtio", "os_distro=ubuntu22.04"},
		{"os_distro=ubuntu22.04|hw_vif_model=virtio", ""},
		{"os_distro=ubuntu22.04", ""},
		{"os_distro=Ubuntu jammy|hw_vif_model=virtio", "os_distro=ubuntu22.04"},
		{"os_distro=ubuntu|os_version=22.04|os_type=Linux", "?left-out os_distro ubuntu22.04"},
		{"os_distro=ubuntu|hw_vif_model=virtio", "?left-out os_distro"},
		{"os_distro=arch|hw_vif_model=virtio", "os_distro=archlinux"},
		{"os_distro=windows|os_version=2012r2|hw_vif_model=e1000", "os_distro=win2k12r2"},
		{"os_distro=centos|os_version=8-stream|hw_vif_model=virtio", "os_distro=centos-stream8; os_version=8"},
		{"os_distro=centos|os_version=8|hw_vif_model=virtio", "os_distro=centos8"},
		{"os_distro=rocky|os_version=9|hw_vif_model=virtio", "os_distro=rocky9"},
		{"os_distro=rocky|os_version=9.4|hw_vif_model=virtio", "os_distro=rocky9.4; os_version=9"},
		{"os_distro=CentOS 6.5|hw_vif_model=virtio", "os_distro=centos6.5"},
		{"os_distro=centos|os_version=6|hw_vif_model=virtio", "?left-out os_distro centos6.0,centos6.1,centos6.10,centos6.2,centos6.3,centos6.4,centos6.5,centos6.6,centos6.7,centos6.8,centos6.9"},
		{"os_distro=sles|os_version=15 SP5|hw_vif_model=virtio", "os_distro=sle15sp5; os_version=15-sp5"},
		{"os_distro=fedora-coreos|hw_vif_model=virtio", "?kept os_distro"},
	})
}

func TestOnlyAndExcept(t *testing.T) {
	const img = "os_distro=Ubuntu 22.04|os_type=Linux|hw_vif_model=VirtIO"
	check(t, Options{Only: []string{"os_type"}}, []decided{{img, "os_type=linux"}})
	check(t, Options{Except: []string{"os_version"}}, []decided{{img, "hw_vif_model=virtio; os_type=linux; ?left-out os_distro"}})
	check(t, Options{Only: []string{"os_distro"}, Infer: true}, []decided{{"name=Debian 12", "os_distro=debian"}})
}

func TestMapSettles(t *testing.T) {
	m, err := ParseMap("map.yaml", []byte("os_distro:\n  Our-Ubuntu: ubuntu\n  golden: windows 2019\n  sdn: vyatta\n  server: ~\nos_version:\n  \"22\": 22.04\n  9.10: 9.1\nhw_disk_bus: {nvme: virtio}\nhw_qemu_guest_agent: {enabled: \"yes\"}\n"))
	if err != nil {
		t.Fatal(err)
	}
	check(t, Options{Map: m}, []decided{
		{"os_distro=our-ubuntu|os_version=22", "os_distro=ubuntu; os_version=22.04"},
		{"os_distro= OUR-UBUNTU ", "os_distro=ubuntu"},
		{"os_distro=golden", "os_distro=windows; os_version=2019"},
		{"os_distro=SDN", "os_distro=vyatta"},
		{"os_distro=vyatta", ""},
		{"os_distro=Server", ""},
		{"os_distro=rhel|os_version=9.10", "os_version=9.1"},
		{"hw_disk_bus=nvme|hw_qemu_guest_agent=enabled", "hw_disk_bus=virtio; hw_qemu_guest_agent=yes"},
	})
}

func TestParseMapSaysWhatIsWrong(t *testing.T) {
	for text, want := range map[string]string{
		"- a\n":                                     "map.yaml:1: a map is wanted",
		"os_distro: ubuntu\n":                       `map.yaml:1: "os_distro": a map is wanted`,
		"os_distro:\n  a: [b]\n":                    `map.yaml:2: "os_distro": "a": a text is wanted on the right`,
		"os_distro:\n  a: b\n  A: c\n":              `map.yaml:3: "os_distro": "A" stands in line 2 already`,
		"min_disk: {a: b}\n":                        `map.yaml:1: "min_disk" is no property that users set`,
		"os_glance_x: {a: b}\n":                     `map.yaml:1: "os_glance_x" is no property that users set`,
		"os_type:\n  unix: bsd\n":                   `map.yaml:2: "os_type": "bsd" is not accepted`,
		"hw_disk_bus: {a: b}\n":                     `map.yaml:1: "hw_disk_bus": "b" is not accepted`,
		"a: {b: c\n":                                "map.yaml:1: ",
		"a: {b: c}\n---\nd: {e: f}\n":               "map.yaml:2: a second document",
		"text\n":                                    "map.yaml:1: a map is wanted",
		"\xff":                                      "map.yaml:1: not UTF-8 text",
		"a: {b: {c: {d: {e: {f: g}}}}}\n":           "map.yaml:1: nested deeper",
		"os_distro:\n  a: b\n  b: c\n":              `map.yaml:2: "os_distro": "a" would become "b", of which line 3`,
		"os_distro:\n  a: Debian 12\n  debian: c\n": `map.yaml:2: "os_distro": "a" would become "debian", of which line 3`,
	} {
		m, err := ParseMap("map.yaml", []byte(text))
		if err == nil {
			_, err = New(Options{Map: m})
		}
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
	for _, text := range []string{"", "# nothing\n", "---\n", "os_distro: {}\n"} {
		if _, err := ParseMap("map.yaml", []byte(text)); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// What is there and cannot be told stays.
func TestUntoldPropertiesStay(t *testing.T) {
	n, err := New(Options{Infer: true})
	if err != nil {
		t.Fatal(err)
	}
	img := parse("name=debian-12-amd64|hw_boot_men=true")
	img.Nulls = []string{"architecture", "hw_boot_menu", "os_version"}
	if got := brief(n.Image(img)); got != "os_distro=debian; os_type=linux" {
		t.Error(got)
	}
}

func TestElsewhere(t *testing.T) {
	var e Elsewhere
	if got := e.Warnings(); got != nil {
		t.Error(got)
	}
	e.Add(plan.Image{Changes: []plan.Change{{Property: "os_version", After: "12"}}})
	if got := e.Warnings(); got != nil {
		t.Error("a value that was not there cannot be matched: ", got)
	}
	for i := range 9 {
		e.Add(plan.Image{Changes: []plan.Change{{Property: "hw_vif_model", Before: fmt.Sprint("V", i%7), After: "virtio"}}})
	}
	got := e.Warnings()
	if len(got) != 2 || !strings.Contains(got[0], `hw_vif_model="V0"`) || !strings.Contains(got[0], "other values of hw_vif_model") || strings.Contains(got[0], "V6") {
		t.Error(got)
	}
	e.Add(plan.Image{Changes: []plan.Change{{Property: "os_distro", Before: "Ubuntu", After: "ubuntu"}}})
	if got := e.Warnings(); len(got) != 3 || !strings.Contains(got[1], "Magnum") {
		t.Error(got)
	}
}

// An older database knows fewer names, and nothing is made up for it.
func TestReasonsNameTheirSource(t *testing.T) {
	n, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"os_distro=Ubuntu":                    "Glance's useful image properties",
		"os_distro=AlmaLinux":                 "libosinfo",
		"os_distro=win2k16":                   "libosinfo's id of it: win2k16",
		"os_distro=jammy":                     "code name jammy",
		"os_distro=ubuntu|os_version=22.04.3": "libosinfo: ubuntu22.04",
		"os_distro=ubuntu|os_version=jammy":   "code name jammy; libosinfo: ubuntu22.04",
		"os_type=Linux":                       "nova/objects/fields.py OSType",
		"hw_scsi_model=virtio_scsi":           "nova/objects/fields.py SCSIModel",
		"architecture=amd64":                  "nova/objects/fields.py Architecture",
	} {
		p, _ := n.Image(parse(text))
		if len(p.Changes) == 0 || !strings.Contains(p.Changes[0].Why, want) {
			t.Errorf("%s: %v, want %s", text, p.Changes, want)
		}
	}
}

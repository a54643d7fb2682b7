package inspect

import (
	"strings"
	"testing"

	"glance-profile/internal/osinfo"
)

// What the distributions write, as far as it matters here, and what it is in
// Glance's and libosinfo's words. "?" is not known.
var releaseCases = []struct {
	file, contents          string
	distro, version, osinfo string
}{
	{"os-release", "ID=debian\nVERSION_ID=\"12\"\nVERSION_CODENAME=bookworm\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"", "debian", "12", "debian12"},
	{"os-release", "ID=debian\nVERSION_CODENAME=forky\nPRETTY_NAME=\"Debian GNU/Linux forky/sid\"", "debian", "?", "?"},
	{"os-release", "ID=debian\nVERSION_CODENAME=trixie\nPRETTY_NAME=\"Debian GNU/Linux 13 (trixie)\"", "debian", "13", "debian13"},
	{"os-release", "ID=ubuntu\nID_LIKE=debian\nVERSION_ID=\"22.04\"\nPRETTY_NAME=\"Ubuntu 22.04.4 LTS\"", "ubuntu", "22.04", "ubuntu22.04"},
	{"os-release", "ID=ubuntu\nVERSION_ID='24.04'\nPRETTY_NAME='Ubuntu 24.04 LTS'", "ubuntu", "24.04", "ubuntu24.04"},
	{"os-release", "ID=\"rhel\"\nVERSION_ID=\"9.4\"\nPRETTY_NAME=\"Red Hat Enterprise Linux 9.4 (Plow)\"", "rhel", "9.4", "rhel9.4"},
	{"os-release", "ID=\"rhel\"\nVERSION_ID=\"7.9\"\nPRETTY_NAME=\"Red Hat Enterprise Linux Server 7.9 (Maipo)\"", "rhel", "7.9", "rhel7.9"},
	{"os-release", "ID=\"centos\"\nVERSION_ID=\"7\"\nNAME=\"CentOS Linux\"\nPRETTY_NAME=\"CentOS Linux 7 (Core)\"", "centos", "7", "centos7.0"},
	{"os-release", "ID=\"centos\"\nVERSION_ID=\"8\"\nNAME=\"CentOS Linux\"\nPRETTY_NAME=\"CentOS Linux 8\"", "centos", "8", "centos8"},
	{"os-release", "ID=\"centos\"\nVERSION_ID=\"8\"\nNAME=\"CentOS Stream\"\nPRETTY_NAME=\"CentOS Stream 8\"", "centos", "8", "centos-stream8"},
	{"os-release", "ID=\"centos\"\nVERSION_ID=\"9\"\nNAME=\"CentOS Stream\"\nPRETTY_NAME=\"CentOS Stream 9\"", "centos", "9", "centos-stream9"},
	{"os-release", "ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\nVERSION_ID=\"9.4\"\nPRETTY_NAME=\"Rocky Linux 9.4 (Blue Onyx)\"", "rocky", "9", "rocky9"},
	{"os-release", "ID=\"almalinux\"\nVERSION_ID=\"8.10\"\nPRETTY_NAME=\"AlmaLinux 8.10 (Cerulean Leopard)\"", "almalinux", "8", "almalinux8"},
	{"os-release", "ID=\"ol\"\nVERSION_ID=\"8.9\"\nPRETTY_NAME=\"Oracle Linux Server 8.9\"", "ol", "8.9", "ol8.9"},
	{"os-release", "ID=fedora\nVERSION_ID=42\nPRETTY_NAME=\"Fedora Linux 42 (Cloud Edition)\"\nVARIANT_ID=cloud", "fedora", "42", "fedora42"},
	{"os-release", "ID=fedora\nVERSION_ID=41\nPRETTY_NAME=\"Fedora CoreOS 41\"\nVARIANT_ID=coreos", "fedora-coreos", "41", "?"},
	{"os-release", "ID=opensuse-leap\nVERSION_ID=\"15.6\"\nPRETTY_NAME=\"openSUSE Leap 15.6\"", "opensuse", "15.6", "opensuse15.6"},
	{"os-release", "ID=opensuse-tumbleweed\nVERSION_ID=\"20250101\"\nPRETTY_NAME=\"openSUSE Tumbleweed\"", "opensuse", "", "opensusetumbleweed"},
	{"os-release", "ID=opensuse-microos\nVERSION_ID=\"20250101\"\nPRETTY_NAME=\"openSUSE MicroOS\"", "opensuse", "", "opensusemicroos"},
	{"os-release", "ID=\"sles\"\nVERSION_ID=\"15.5\"\nPRETTY_NAME=\"SUSE Linux Enterprise Server 15 SP5\"", "sles", "15-sp5", "sle15sp5"},
	{"os-release", "ID=\"sles\"\nVERSION_ID=\"12.5\"\nPRETTY_NAME=\"SUSE Linux Enterprise Server 12 SP5\"", "sles", "12-sp5", "sles12sp5"},
	{"os-release", "ID=\"sles\"\nVERSION_ID=\"16.0\"\nPRETTY_NAME=\"SUSE Linux Enterprise Server 16.0\"", "sles", "16.0", "sles16.0"},
	{"os-release", "ID=\"sl-micro\"\nVERSION_ID=\"6.0\"\nPRETTY_NAME=\"SUSE Linux Micro 6.0\"", "slem", "6.0", "slem6.0"},
	{"os-release", "ID=arch\nPRETTY_NAME=\"Arch Linux\"\nBUILD_ID=rolling", "arch", "", "archlinux"},
	{"os-release", "ID=gentoo\nPRETTY_NAME=\"Gentoo Linux\"\nVERSION_ID=\"2.15\"", "gentoo", "", "gentoo"},
	{"os-release", "ID=\"void\"\nPRETTY_NAME=\"Void Linux\"", "voidlinux", "", "voidlinux"},
	{"os-release", "ID=alpine\nVERSION_ID=3.20.3\nPRETTY_NAME=\"Alpine Linux v3.20\"", "alpinelinux", "3.20", "alpinelinux3.20"},
	{"os-release", "ID=\"amzn\"\nVERSION_ID=\"2023\"\nPRETTY_NAME=\"Amazon Linux 2023\"", "amzn", "2023", "amzn2023"},
	{"os-release", "ID=\"amzn\"\nVERSION_ID=\"2\"\nPRETTY_NAME=\"Amazon Linux 2\"", "amzn", "2", "amzn2"},
	{"os-release", "ID=flatcar\nVERSION_ID=3815.2.0\nPRETTY_NAME=\"Flatcar Container Linux\"", "flatcar", "3815.2.0", "flatcar"},
	{"os-release", "ID=cirros\nVERSION_ID=0.6.2\nPRETTY_NAME=\"Cirros 0.6.2\"", "cirros", "0.6.2", "cirros0.6.2"},
	{"os-release", "ID=kali\nVERSION_ID=\"2024.1\"\nPRETTY_NAME=\"Kali GNU/Linux Rolling\"", "kali", "2024.1", "kali"},
	{"os-release", "ID=\"openEuler\"\nVERSION_ID=\"22.03\"\nPRETTY_NAME=\"openEuler 22.03 (LTS-SP3)\"", "openeuler", "22.03", "openeuler22.03"},
	{"os-release", "ID=nixos\nVERSION_ID=\"24.05\"\nPRETTY_NAME=\"NixOS 24.05 (Uakari)\"", "nixos", "24.05", "nixos-24.05"},
	{"os-release", "ID=photon\nVERSION_ID=5.0\nPRETTY_NAME=\"VMware Photon OS/Linux\"", "photon", "5.0", "photon5.0"},
	{"os-release", "ID=talos\nVERSION_ID=v1.7.0\nPRETTY_NAME=\"Talos (v1.7.0)\"", "talos", "1.7.0", "talos"},
	{"os-release", "ID=\"openwrt\"\nVERSION_ID=\"23.05.3\"\nPRETTY_NAME=\"OpenWrt 23.05.3\"", "openwrt", "23.05", "openwrt23.05"},
	{"os-release", "ID=freebsd\nVERSION_ID=14.1\nPRETTY_NAME=\"FreeBSD 14.1-RELEASE\"", "freebsd", "14.1", "freebsd14.1"},
	{"os-release", "ID=mine\nVERSION_ID=1.2\nPRETTY_NAME=\"My own\"", "mine", "1.2", "?"},
	{"redhat-release", "CentOS release 5.11 (Final)\n", "centos", "5", "centos5.11"},
	{"redhat-release", "CentOS release 6.10 (Final)\n", "centos", "6", "centos6.10"},
	{"redhat-release", "CentOS Linux release 7.0.1406 (Core) \n", "centos", "7", "centos7.0"},
	{"redhat-release", "Red Hat Enterprise Linux Server release 6.5 (Santiago)\n", "rhel", "6.5", "rhel6.5"},
	{"redhat-release", "Scientific Linux release 6.6 (Carbon)\n", "scientificlinux", "6.6", "scientificlinux6.6"},
	{"redhat-release", "Fedora release 14 (Laughlin)\n", "fedora", "14", "fedora14"},
	{"oracle-release", "Oracle Linux Server release 6.9\n", "ol", "6.9", "ol6.9"},
	{"enterprise-release", "Enterprise Linux Enterprise Linux Server release 5.4 (Carthage)\n", "oel", "5.4", "oel5.4"},
	{"system-release", "Amazon Linux AMI release 2017.09\n", "amzn", "2017.09", "amzn2017.09"},
	{"SuSE-release", "SUSE Linux Enterprise Server 11 (x86_64)\nVERSION = 11\nPATCHLEVEL = 4\n", "sles", "11-sp4", "sles11sp4"},
	{"SuSE-release", "openSUSE 13.1 (x86_64)\nVERSION = 13.1\nCODENAME = Bottle\n", "opensuse", "13.1", "opensuse13.1"},
	{"lsb-release", "DISTRIB_ID=Ubuntu\nDISTRIB_RELEASE=10.04\nDISTRIB_CODENAME=lucid\nDISTRIB_DESCRIPTION=\"Ubuntu 10.04.4 LTS\"\n", "ubuntu", "10.04", "ubuntu10.04"},
	{"debian_version", "6.0.10\n", "debian", "6", "debian6"},
	{"debian_version", "squeeze/sid\n", "debian", "?", "?"},
	{"alpine-release", "3.2.0\n", "alpinelinux", "3.2", "alpinelinux3.2"},
	{"slackware-version", "Slackware 14.2\n", "slackware", "14.2", "slackware14.2"},
	{"cirros/version", "0.3.4\n", "cirros", "0.3.4", "cirros0.3.4"},
	{"gentoo-release", "Gentoo Base System release 1.12\n", "gentoo", "", "gentoo"},
}

func TestReleases(t *testing.T) {
	for _, c := range releaseCases {
		v := newView(&tree{kind: "ext4", files: map[string]string{"etc/" + c.file: c.contents}}, "1")
		r, ok := readRelease(v)
		if !ok {
			t.Errorf("%q: nothing", c.contents)
			continue
		}
		in := &inspector{o: Options{DB: osinfo.Builtin()}}
		in.identify(v, r)
		show := func(f Fact) string {
			if !f.Known() {
				return "?"
			}
			return f.Value
		}
		g := in.report.Guest
		if show(g.OSDistro) != c.distro || show(g.OSVersion) != c.version || show(g.OsinfoID) != c.osinfo {
			t.Errorf("%q: %s %s %s, want %s %s %s", c.contents, show(g.OSDistro), show(g.OSVersion), show(g.OsinfoID), c.distro, c.version, c.osinfo)
		}
		if !g.Name.Known() || g.Name.Value == "" || strings.Contains(g.Name.Value, "\n") {
			t.Errorf("%q: %+v", c.contents, g.Name)
		}
		if g.OSDistro.Source != "volume 1: /etc/"+c.file {
			t.Error(g.OSDistro.Source)
		}
		// What has an id has to be that system in the database.
		if o, ok := osinfo.Builtin().Lookup(g.OsinfoID.Value); g.OsinfoID.Known() && (!ok || o.Type != "linux" && c.distro != "freebsd") {
			t.Errorf("%s: %+v", g.OsinfoID.Value, o)
		}
	}
}

func TestAssignments(t *testing.T) {
	got := parseAssignments([]byte("# A=comment\nA=plain\nB=\"with \\\"quotes\\\" and \\$\"\nC='single \\ one'\nD=cut here # why\n\nE=\n  F=\"x\"y\nnothing\nA=last\n G H=no\n"))
	want := map[string]string{"A": "last", "B": `with "quotes" and $`, "C": `single \ one`, "D": "cut", "E": "", "F": "xy"}
	for key, value := range want {
		if got[key] != value {
			t.Errorf("%s: %q", key, got[key])
		}
	}
	if len(got) != len(want) {
		t.Error(got)
	}
}

func FuzzRelease(f *testing.F) {
	for _, c := range releaseCases {
		f.Add(c.file, c.contents)
	}
	f.Fuzz(func(t *testing.T, file, contents string) {
		files := map[string]string{}
		for _, c := range releaseCases {
			if file == c.file || file == "" {
				files["etc/"+c.file] = contents
			}
		}
		v := newView(&tree{kind: "ext4", files: files}, "1")
		if r, ok := readRelease(v); ok {
			in := &inspector{o: Options{DB: osinfo.Builtin()}}
			in.identify(v, r)
			for _, fact := range []Fact{in.report.Guest.OSDistro, in.report.Guest.OSVersion, in.report.Guest.Name} {
				if len(fact.Value) > 400 || strings.ContainsAny(fact.Value, "\n\x00\x1b") {
					t.Errorf("%q", fact.Value)
				}
			}
		}
	})
}

package osinfo

import (
	"strings"
	"testing"
)

func TestCanonicalVersion(t *testing.T) {
	for _, c := range []struct{ distro, version, want string }{
		{"ubuntu", "22.04", "22.04"},
		{"ubuntu", "22.04.3", "22.04"},
		{"ubuntu", " v6.06.2 ", "6.06"},
		{"ubuntu", "22", ""},
		{"ubuntu", "0.3.5", ""},
		{"ubuntu", "22.4", ""},
		{"ubuntu", "jammy", ""},
		{"debian", "12", "12"},
		{"debian", "12.5", "12"},
		{"debian", "8.11.2", "8"},
		{"debian", "6.0", "6"},
		{"debian", "3.1", "3.1"},
		{"debian", "3", ""},
		{"debian", "12-backports", ""},
		{"rocky", "9.4", "9"},
		{"almalinux", "8", "8"},
		{"centos", "7.9.2009", "7"},
		{"centos", "6.10", "6"},
		{"fedora", "42", "42"},
		{"fedora", "42.1", "42"},
		{"fedora-coreos", "40.20240616.3.0", "40"},
		{"amzn", "2023.5.20240708", "2023"},
		{"amzn", "2", "2"},
		{"amzn", "2018.03.0.20231218.0", "2018.03"},
		{"rhel", "9", "9"},
		{"rhel", "9.4", "9.4"},
		{"rhel", "8.10.0", "8.10"},
		{"rhel", "2.1.7", "2.1.7"},
		{"ol", "8.9", "8.9"},
		{"alpinelinux", "3.20.1", "3.20"},
		{"alpinelinux", "3", ""},
		{"opensuse", "15.6", "15.6"},
		{"opensuse", "tumbleweed", ""},
		{"opensuse", "20240513", ""},
		{"freebsd", "14.2", "14.2"},
		{"freebsd", "14.2.1", "14.2"},
		{"freebsd", "5.2.1", "5.2.1"},
		{"netbsd", "10.1", "10.1"},
		{"netbsd", "7.1.2", "7.1.2"},
		{"openbsd", "7.6", "7.6"},
		{"vyos", "1.4.0", "1.4"},
		{"pfsense", "2.7.2", "2.7"},
		{"opnsense", "24.7.3", "24.7"},
		{"kali", "2024.1", "2024.1"},
		{"kali", "2020.1b", "2020.1"},
		{"kali", "2020.5", ""},
		{"proxmox", "8.2", "8"},
		{"sles", "15.5", "15-sp5"},
		{"sles", "15 SP5", "15-sp5"},
		{"sles", "15-SP5", "15-sp5"},
		{"sles", "15SP5", "15-sp5"},
		{"sles", "15-sp5", "15-sp5"},
		{"sles", "15", "15"},
		{"sles", "15.0", "15"},
		{"sled", "12.5", "12-sp5"},
		{"sles", "16.0", "16.0"},
		{"sles", "16", "16"},
		{"sles", "16 SP1", ""},
		{"slem", "5.5", "5.5"},
		{"cirros", "0.6.2", "0.6.2"},
		{"cirros", "0.6", ""},
		{"flatcar", "3815.2.0", "3815.2.0"},
		{"talos", "v1.6.0", "1.6.0"},
		{"talos", "1.6.0-alpha.1", ""},
		{"rancheros", "v1.5.8", "1.5.8"},
		{"windows", "2012 R2", "2012r2"},
		{"windows", "2012-r2", "2012r2"},
		{"windows", "2019", "2019"},
		{"windows", "11", "11"},
		{"windows", "8.1", "8.1"},
		{"windows", "XP", "xp"},
		{"windows", "NT4.0", "nt4.0"},
		{"windows", "22H2", ""},
		{"windows", "10.0.20348", ""},
		{"arch", "2024.05.01", ""},
		{"gentoo", "11.0", ""},
		{"haiku", "R1Beta4", "r1beta4"},
		{"slackware", "15.0", "15.0"},
		{"slackware", "current", ""},
		{"alt", "p10", "p10"},
		{"nosuchsystem", "1.2.3", "1.2.3"},
		{"nosuchsystem", "1.2 beta", ""},
		{"ubuntu", "", ""},
		{"ubuntu", "v", ""},
		{"debian", strings.Repeat("1", 33), ""},
		{"debian", "1\x1b[31m", ""},
	} {
		got, ok := CanonicalVersion(c.distro, c.version)
		if got != c.want || ok != (c.want != "") {
			t.Errorf("CanonicalVersion(%s, %q) = %q, %v; want %q", c.distro, c.version, got, ok, c.want)
		}
	}
}

func TestEverySystemHasACanonicalVersion(t *testing.T) {
	for o := range Builtin().All() {
		if o.Version == "" {
			continue
		}
		if again, ok := CanonicalVersion(o.Distro, o.Version); !ok || again != o.Version {
			t.Errorf("%s: os_version %s becomes %q", o.ShortID, o.Version, again)
		}
		if o.Distro != "" && !Builtin().HasVersion(o.Distro, o.Version) {
			t.Errorf("%s: %s has no version %s", o.ShortID, o.Distro, o.Version)
		}
	}
}

func TestHasVersion(t *testing.T) {
	for _, c := range []struct {
		distro, version string
		want            bool
	}{
		{"ubuntu", "24.04", true},
		{"ubuntu", "26.04", true},
		{"ubuntu", "23.06", false},
		{"debian", "13", true},
		{"debian", "99", false},
		{"debian", "12.5", false}, // not in canonical form
		{"centos", "5", true},
		{"centos", "9", true},
		{"rocky", "10", true},
		{"rhel", "9.4", true},
		{"rhel", "9", true},
		{"rhel", "5", true}, // of which only the minor releases are listed
		{"rhel", "9.44", false},
		{"ol", "8", true},
		{"sles", "15-sp5", true},
		{"sled", "15-sp5", true},
		{"sles", "12-sp5", true},
		{"sles", "15-sp9", false},
		{"sles", "16.0", true},
		{"ubuntu", "15-sp5", false},
		{"fedora-coreos", "40", true},
		{"fedora-coreos", "99", false},
		{"fedora-atomic", "29", true},
		{"flatcar", "3815.2.0", true},
		{"flatcar", "4459.2.3", true},
		{"flatcar", "4.2.3", false},
		{"flatcar", "3815.2", false},
		{"flatcar", "v3815.2.0", false},
		{"talos", "1.6.0", true},
		{"rancheros", "1.5.8", true},
		{"kali", "2024.1", true},
		{"cirros", "0.6.2", true},
		{"cirros", "0.6.9", false},
		{"amzn", "2023", true},
		{"amzn", "2018.03", true},
		{"alpinelinux", "3.4", true},
		{"opensuse", "42.3", true},
		{"opensuse", "12", false},
		{"windows", "2012r2", true},
		{"windows", "2017", false},
		{"windows", "xp", true},
		{"arch", "2024", false},
		{"", "", false},
		{"nosuchsystem", "1", false},
	} {
		if got := Builtin().HasVersion(c.distro, c.version); got != c.want {
			t.Errorf("HasVersion(%s, %s) = %v", c.distro, c.version, got)
		}
	}
}

func TestVersionRules(t *testing.T) {
	seen := map[string]bool{}
	for i, r := range rules {
		if last := i == len(rules)-1; last != (r.distros == nil) {
			t.Errorf("rule %d: only the last is for all others", i)
		}
		if !strings.HasSuffix(r.sentence, ".") {
			t.Errorf("%v: %q is no sentence", r.distros, r.sentence)
		}
		for _, d := range r.distros {
			if seen[d] {
				t.Errorf("%s has two rules", d)
			}
			seen[d] = true
		}
	}
	if got := VersionRule("nosuchsystem"); got != "As the distributor writes it, in lower case." {
		t.Errorf("the rule of all others is %q", got)
	}
}

func FuzzCanonicalVersion(f *testing.F) {
	for _, s := range []string{"22.04.3", "15 SP5", "2012 R2", "v1.6.0", "vv1", "1.0A", "v 1", "\x00", "16.0.1", "3.1"} {
		f.Add(s)
	}
	var distros []string
	for _, r := range rules {
		distros = append(distros, r.distros...)
	}
	distros = append(distros, "", "nosuchsystem")
	f.Fuzz(func(t *testing.T, version string) {
		for _, distro := range distros {
			once, ok := CanonicalVersion(distro, version)
			if !ok {
				if once != "" {
					t.Errorf("CanonicalVersion(%s, %q) = %q without ok", distro, version, once)
				}
				continue
			}
			if twice, ok := CanonicalVersion(distro, once); !ok || twice != once {
				t.Errorf("%s: %q becomes %q, and that %q", distro, version, once, twice)
			}
			if strings.Trim(once, "0123456789abcdefghijklmnopqrstuvwxyz.+-") != "" {
				t.Errorf("%s: %q becomes %q", distro, version, once)
			}
		}
	})
}

package osinfo

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// glanceDistros are the values of os_distro that Glance's documentation names.
// Source: glance/doc/source/admin/useful-image-properties.rst.
var glanceDistros = strings.Fields("arch centos debian fedora freebsd gentoo mandrake mandriva mes msdos netbsd netware openbsd opensolaris opensuse rocky rhel sled ubuntu windows")

func TestLookupSpeaksGlancesVocabulary(t *testing.T) {
	for _, c := range []struct{ id, distro, version, osType string }{
		{"ubuntu24.04", "ubuntu", "24.04", "linux"},
		{"ubuntu26.04", "ubuntu", "26.04", "linux"},
		{"debian12", "debian", "12", "linux"},
		{"debianbookworm", "debian", "12", "linux"},
		{"debian13", "debian", "13", "linux"},
		{"debiantesting", "debian", "", "linux"},
		{"centos7.0", "centos", "7", "linux"},
		{"centos7", "centos", "7", "linux"},
		{"centos-stream9", "centos", "9", "linux"},
		{"rocky9", "rocky", "9", "linux"},
		{"rocky9.4", "rocky", "9", "linux"},
		{"rocky10", "rocky", "10", "linux"},
		{"rhel9.4", "rhel", "9.4", "linux"},
		{"rhel9-unknown", "rhel", "9", "linux"},
		{"almalinux9", "almalinux", "9", "linux"},
		{"fedora42", "fedora", "42", "linux"},
		{"fedora-coreos-stable", "fedora-coreos", "", "linux"},
		{"archlinux", "arch", "", "linux"},
		{"gentoo", "gentoo", "", "linux"},
		{"manjaro", "manjaro", "", "linux"},
		{"opensuse15.6", "opensuse", "15.6", "linux"},
		{"opensusetumbleweed", "opensuse", "", "linux"},
		{"sle15sp5", "sle", "15-sp5", "linux"},
		{"sles12sp5", "sles", "12-sp5", "linux"},
		{"sled12sp5", "sled", "12-sp5", "linux"},
		{"alpinelinux3.20", "alpinelinux", "3.20", "linux"},
		{"cirros0.6.2", "cirros", "0.6.2", "linux"},
		{"elementary5.0", "elementaryos", "5.0", "linux"},
		{"linux2024", "", "2024", "linux"},
		{"freebsd14.2", "freebsd", "14.2", ""},
		{"openbsd7.6", "openbsd", "7.6", ""},
		{"macosx10.7", "osx", "10.7", ""},
		{"win2k19", "windows", "2019", "windows"},
		{"win2k22", "windows", "2022", "windows"},
		{"win2k25", "windows", "2025", "windows"},
		{"win2k16", "windows", "2016", "windows"},
		{"win2k12r2", "windows", "2012r2", "windows"},
		{"win2k8r2", "windows", "2008r2", "windows"},
		{"win2k3", "windows", "2003", "windows"},
		{"win2k", "windows", "2000", "windows"},
		{"win10", "windows", "10", "windows"},
		{"win11", "windows", "11", "windows"},
		{"win8.1", "windows", "8.1", "windows"},
		{"winxp", "windows", "xp", "windows"},
		{"winnt4.0", "windows", "nt4.0", "windows"},
	} {
		t.Run(c.id, func(t *testing.T) {
			o, ok := Builtin().Lookup(c.id)
			if !ok {
				t.Fatal("not found")
			}
			if o.Distro != c.distro || o.Version != c.version || o.Type != c.osType {
				t.Errorf("got os_distro=%s os_version=%s os_type=%s, want %s %s %s", o.Distro, o.Version, o.Type, c.distro, c.version, c.osType)
			}
		})
	}
}

func TestLookupFindsExactIDsOnly(t *testing.T) {
	for _, id := range []string{"", "Ubuntu24.04", "ubuntu-24.04", "ubuntu", "win2019", "debian12 ", "unknown9"} {
		if o, ok := Builtin().Lookup(id); ok {
			t.Errorf("%q is found as %s", id, o.ShortID)
		}
	}
}

func TestSystems(t *testing.T) {
	var ids, distros []string
	for o := range Builtin().All() {
		ids = append(ids, o.ShortID)
		distros = append(distros, o.Distro)
		if o.Name == "" {
			t.Errorf("%s has no name", o.ShortID)
		}
		if got, ok := Builtin().Lookup(o.ShortID); !ok || !reflect.DeepEqual(got, o) {
			t.Errorf("Lookup(%s) = %v, %v", o.ShortID, got, ok)
		}
		if o.Type != "" && o.Type != "linux" && o.Type != "windows" {
			t.Errorf("%s: os_type %q would be refused by Nova", o.ShortID, o.Type)
		}
		if o.Distro != strings.ToLower(o.Distro) || strings.Contains(o.Version, "unknown") {
			t.Errorf("%s: os_distro=%q os_version=%q", o.ShortID, o.Distro, o.Version)
		}
		for _, day := range []string{o.Released, o.EOL} {
			if _, err := time.Parse(time.DateOnly, day); day != "" && err != nil {
				t.Errorf("%s: %v", o.ShortID, err)
			}
		}
	}
	if !slices.IsSorted(ids) || len(slices.Compact(ids)) != len(ids) {
		t.Error("All is not sorted, or has a system twice")
	}
	if len(ids) < 900 {
		t.Errorf("only %d systems", len(ids))
	}
	for _, d := range glanceDistros {
		if !slices.Contains(distros, d) {
			t.Errorf("no system has Glance's os_distro %s", d)
		}
	}
}

func TestSuggest(t *testing.T) {
	for _, c := range []struct {
		text string
		want string // the first suggestion
	}{
		{"ubuntu-24.04", "ubuntu24.04"},
		{"Ubuntu 24.04 LTS", "ubuntu24.04"},
		{"ubuntu2404", "ubuntu24.04"},
		{"ubunut24.04", "ubuntu24.04"},
		{"noble", "ubuntu24.04"},
		{"win2019", "win2k19"},
		{"Windows Server 2022", "win2k22"},
		{"Windows Server 2012 R2", "win2k12r2"},
		{"windows", "win2k25"},
		{"Windows 11", "win11"},
		{"debian-12", "debian12"},
		{"Debian GNU/Linux 12 (bookworm)", "debian12"},
		{"debian12.5", "debian12"},
		{"debian", "debian13"},
		{"Rocky 9", "rocky9"},
		{"Rocky-9-GenericCloud", "rocky9"},
		{"rockylinux9", "rocky9"},
		{"Red Hat Enterprise Linux 9.4", "rhel9.4"},
		{"rhel8", "rhel8.10"},
		{"centos9", "centos-stream9"},
		{"CentOS-7-x86_64-GenericCloud", "centos7.0"},
		{"almalinux9.4", "almalinux9"},
		{"arch", "archlinux"},
		{"sles15sp5", "sle15sp5"},
		{"opensuse leap 15.6", "opensuse15.6"},
		{"Oracle Linux 9.3", "ol9.3"},
		{"alpine 3.20", "alpinelinux3.20"},
		{"fedroa42", "fedora42"},
		{"cirros-0.6.2-x86_64", "cirros0.6.2"},
		{"freebsd 14.2", "freebsd14.2"},
		{"flatcar", "flatcar"},
		{"Amazon Linux 2023", "amzn2023"},
		{"Kali 2024.1", "kali"},
		{"talos1.7.0", "talos"},
		{"flatcar3815.2.0", "flatcar"},
		{"gentoo2024", "gentoo"},
		{"fortios", ""},
		{"x", ""},
		{"", ""},
		{"\x1b[31m", ""},
		{strings.Repeat("ubuntu", 1000), ""},
	} {
		got := Builtin().Suggest(c.text, 3)
		first := ""
		if len(got) > 0 {
			first = got[0]
		}
		if first != c.want {
			t.Errorf("Suggest(%q) = %q, want %q first", c.text, got, c.want)
		}
	}
}

// Its releases come in three streams, of which the number does not tell one.
func TestSuggestNamesEveryStreamOfFedoraCoreOS(t *testing.T) {
	got := strings.Join(Builtin().Suggest("Fedora CoreOS 40", 3), " ")
	if want := "fedora-coreos-next fedora-coreos-stable fedora-coreos-testing"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestSuggestKeepsToTheMaximum(t *testing.T) {
	for _, max := range []int{-1, 0, 1, 5} {
		got := Builtin().Suggest("ubuntu", max)
		if len(got) > 0 && len(got) != max || len(got) == 0 && max > 0 {
			t.Errorf("Suggest(ubuntu, %d) gives %d", max, len(got))
		}
	}
}

// Short ids, written the ways people write, lead back to themselves. All would
// take half a minute under the race detector, so every ninth is tried.
func TestSuggestLeadsBack(t *testing.T) {
	i := 0
	for o := range Builtin().All() {
		if i++; i%9 != 0 || strings.HasSuffix(o.ShortID, "unknown") {
			continue
		}
		for _, text := range []string{strings.ToUpper(o.ShortID), strings.ReplaceAll(o.ShortID, "-", " ")} {
			if !slices.Contains(Builtin().Suggest(text, 3), o.ShortID) {
				t.Errorf("Suggest(%q) = %q", text, Builtin().Suggest(text, 3))
			}
		}
	}
}

func FuzzSuggest(f *testing.F) {
	for _, s := range []string{"ubuntu-24.04", "Windows Server 2012 R2", "9.4", "sles15sp", "sp1", "....", "é"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, id := range Builtin().Suggest(text, 3) {
			if _, ok := Builtin().Lookup(id); !ok {
				t.Errorf("Suggest(%q) has %q, which is no short id", text, id)
			}
		}
	})
}

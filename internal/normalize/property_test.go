package normalize

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode"

	"glance-profile/internal/image"
	"glance-profile/internal/plan"
	"glance-profile/internal/property"
)

// variants are normalizers with every option that changes what is decided.
func variants(t testing.TB) map[string]*Normalizer {
	t.Helper()
	m, err := ParseMap("map.yaml", []byte("os_distro:\n  our-ubuntu: ubuntu\n  golden: windows 2019\n  SDN: vyatta\n  Server: ~\nos_version:\n  \"22\": \"22.04\"\nhw_disk_bus:\n  nvme: virtio\n"))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]*Normalizer{}
	for name, o := range map[string]Options{
		"glance": {}, "libosinfo": {Vocabulary: Libosinfo}, "infer": {Infer: true}, "libosinfo, infer": {Vocabulary: Libosinfo, Infer: true},
		"map": {Map: m, Infer: true}, "only": {Only: []string{"os_distro", "hw_disk_bus"}, Infer: true}, "except": {Except: []string{"os_version"}},
	} {
		n, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		all[name] = n
	}
	return all
}

// holds checks what holds of every image, whatever it says: a second run
// changes nothing, the order of properties does not matter, and no value that
// Nova accepts is turned into one that it refuses.
func holds(t *testing.T, variant string, n *Normalizer, img image.Image) plan.Image {
	t.Helper()
	before := img.Clone()
	p, reports := n.Image(img)
	if !reflect.DeepEqual(before, img) {
		t.Fatalf("%s: the image was changed: %q", variant, img.Properties)
	}
	after := plan.After(img, p)
	if again, _ := n.Image(after); len(again.Changes) > 0 {
		t.Errorf("%s: %q %q: a second run changes %v, after %v", variant, img.Name, img.Properties, again.Changes, p.Changes)
	}
	other := image.Image{Name: img.Name, Properties: map[string]string{}}
	names := slices.Sorted(maps.Keys(img.Properties))
	slices.Reverse(names)
	for _, name := range names {
		other.Properties[name] = img.Properties[name]
	}
	if q, more := n.Image(other); !reflect.DeepEqual(p.Changes, q.Changes) || !reflect.DeepEqual(reports, more) {
		t.Errorf("%s: %q: decided otherwise the second time: %v %v", variant, img.Properties, p.Changes, q.Changes)
	}
	refused := func(props map[string]string) map[string]bool {
		set := map[string]bool{}
		for _, f := range property.CheckAll(props) {
			if f.Severity == property.Error {
				set[f.Property+" "+f.Rule] = true
			}
		}
		return set
	}
	was := refused(img.Properties)
	for what := range refused(after.Properties) {
		if !was[what] {
			t.Errorf("%s: %q becomes %q, which is refused: %s", variant, img.Properties, after.Properties, what)
		}
	}
	for _, c := range p.Changes {
		if c.Why == "" || !n.mayChange(c.Property) {
			t.Errorf("%s: %q: %+v", variant, img.Properties, c)
		}
	}
	for _, r := range reports {
		if r.Kind == "" || r.Message == "" || strings.ContainsFunc(r.Message, unicode.IsControl) || len(r.Message) > 1500 {
			t.Errorf("%s: %q: %+v", variant, img.Properties, r)
		}
	}
	return p
}

// generator makes images that people might have made.
type generator struct {
	r     *rand.Rand
	names []string // known properties
}

func pick[T any](g *generator, list []T) T { return list[g.r.IntN(len(list))] }

var (
	someDistros = []string{
		"ubuntu", "Ubuntu", "debian", "Debian GNU/Linux", "centos", "CentOS Stream", "rhel", "Red Hat Enterprise Linux", "redhat", "windows", "Windows Server", "win", "Win",
		"microsoft", "fedora", "Fedora CoreOS", "fedora-coreos", "fedora-atomic", "coreos", "alpine", "arch", "archlinux", "rocky", "Rocky Linux", "rockylinux", "almalinux", "AlmaLinux", "oel", "ol",
		"Oracle Linux", "sles", "SUSE Linux Enterprise Server", "suse", "com.suse", "opensuse", "openSUSE Leap", "freebsd", "FreeBSD", "org.debian", "com.microsoft.server", "cirros",
		"gentoo", "linux", "Linux", "Server", "others", "SDN", "our-ubuntu", "golden", "ubuntu64Guest", "kali-linux", "nixos", "novell", "", "mandrakelinux", "ms-dos", "clearlinux",
	}
	someVersions = []string{
		"", "22.04", "22.04.3", "22.04 LTS", "2204", "22", "24.04", "jammy", "Jammy Jellyfish", "bookworm", "12", "12.5", "10.9.1", "9", "9.4", "v9", "7.9.2009", "7u4", "8-stream", "8 Stream",
		"2019", "2012 R2", "2012r2", "2k16", "2k12r2", "10", "11", "10.0.17763", "6.1", "22h2", "2019 Datacenter", "xp", "15-SP5", "15 SP5", "15sp5", "15.5", "15", "11 SP3 64bit", "3.18", "v3.18.4", "14.1", "tumbleweed",
		"0.6.2", "23.05", "99.99", "20180626", "unstable", "1.2.3", "8 1", "noble", "r2", "sp", "release 9",
	}
	someAdditions = []string{"", "", "", " x64", " 64bit", " amd64", "-arm64", " LTS", " Server", " (beta)", "-ppc64le", " en", ".qcow2", " golden", "_x86_64", " \x00", "é"}
	someTypes     = []string{"linux", "windows", "Linux", "WINDOWS", "Ubuntu", "Ubuntu-14-LTS-ppc64le", "CentOS-7.2-ppc64le", "other", "", "freebsd", "Windows Server 2019", "win", "gnu/linux"}
	someArches    = []string{"x86_64", "X86_64", "amd64", "AMD64", "x64", "x86-64", "x86", "arm64", "arm", "aarch64", "armhf", "i386", "ppc64el", "ppc64le", "riscv64", "64bit", "noarch", "", "x86_64, aarch64"}
	someKeys      = []string{
		"mcs_os_distro", "mcs_os_version", "org.openstack__1__os_distro", "org.openstack__1__os_version", "org.openstack__1__architecture", "os_architecture", "com.rackspace__1__os_distro",
		"__os_version", "__os_bit", "distribution", "os-distro", "os_distr", "os_verson", "hw_disk_buss", "hw_vif_modl", "os_typ", "arch", "kube_version", "vmware_ostype",
	}
)

func (g *generator) text() string {
	switch g.r.IntN(4) {
	case 0:
		return pick(g, someDistros)
	case 1:
		return pick(g, someVersions)
	}
	return pick(g, someDistros) + pick(g, []string{" ", "-", "", "_"}) + pick(g, someVersions) + pick(g, someAdditions)
}

// spelling changes how a word is written.
func (g *generator) spelling(word string) string {
	switch g.r.IntN(7) {
	case 0:
		return strings.ToUpper(word)
	case 1:
		return strings.ReplaceAll(word, "-", "_")
	case 2:
		return " " + word
	case 3:
		return strings.ReplaceAll(word, "_", "-")
	case 4:
		if word != "" {
			i := g.r.IntN(len(word))
			return word[:i] + word[i+1:]
		}
	}
	return word
}

func (g *generator) image() image.Image {
	img := image.Image{ID: "1", Properties: map[string]string{}}
	if g.r.IntN(2) == 0 {
		img.Name = g.text()
	}
	maybe := func(name string, value func() string) {
		if g.r.IntN(2) == 0 {
			img.Properties[name] = value()
		}
	}
	maybe("os_distro", g.text)
	maybe("os_version", func() string {
		if g.r.IntN(3) > 0 {
			return pick(g, someVersions) + pick(g, someAdditions)
		}
		return g.text()
	})
	maybe("os_type", func() string { return pick(g, someTypes) })
	maybe("architecture", func() string { return pick(g, someArches) })
	for range g.r.IntN(3) {
		img.Properties[pick(g, someKeys)] = pick(g, [][]string{{g.text()}, someArches, {"64", "32", "virtio", "x"}, someTypes})[0]
	}
	for range g.r.IntN(4) {
		name := pick(g, g.names)
		d, _ := property.Lookup(name)
		words := slices.Concat(d.Values, d.Suggested, []string{"true", "enabled", "4", "", "x", "VirtIO", "virtio_scsi"})
		for _, a := range d.Aliases {
			words = append(words, a.Value)
		}
		if g.r.IntN(6) == 0 {
			name = g.spelling(name)
		}
		img.Properties[name] = g.spelling(pick(g, words))
	}
	return img
}

func TestWhatAlwaysHolds(t *testing.T) {
	seed := rand.Uint64()
	g := &generator{r: rand.New(rand.NewPCG(seed, 0)), names: property.Names()}
	all := variants(t)
	rounds := 3000
	if testing.Short() {
		rounds = 500
	}
	changed := map[string]int{}
	for range rounds {
		img := g.image()
		for name, n := range all {
			if p := holds(t, name, n, img); len(p.Changes) > 0 {
				changed[name]++
			}
		}
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	for name := range all {
		if changed[name] < rounds/10 {
			t.Errorf("%s: only %d of %d images were changed: the generator finds nothing", name, changed[name], rounds)
		}
	}
}

func FuzzImage(f *testing.F) {
	for i, d := range someDistros {
		f.Add(d+" "+someVersions[i%len(someVersions)], d, someVersions[i%len(someVersions)], someTypes[i%len(someTypes)], someKeys[i%len(someKeys)], d)
	}
	for i, v := range someVersions {
		f.Add(v, "ubuntu "+v, v, "Linux", "hw_scsi_model", fmt.Sprint("virtio_scsi", i))
	}
	all := variants(f)
	f.Fuzz(func(t *testing.T, name, distro, version, kind, key, value string) {
		img := image.Image{Name: name, Properties: map[string]string{"os_distro": distro, "os_version": version, "os_type": kind, key: value}}
		for variant, n := range all {
			holds(t, variant, n, img)
			for _, missing := range []string{"os_distro", "os_version", "os_type"} {
				less := img.Clone()
				delete(less.Properties, missing)
				holds(t, variant, n, less)
			}
		}
	})
}

func FuzzParseMap(f *testing.F) {
	f.Add([]byte("os_distro:\n  a: b\n  c: ~\n"))
	f.Add([]byte("os_version: {\"22\": \"22.04\"}\n"))
	f.Add([]byte("- a\n"))
	f.Add([]byte("os_distro:\n  a: [b]\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := ParseMap("map.yaml", data)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "map.yaml:") || strings.ContainsFunc(err.Error(), unicode.IsControl) {
				t.Errorf("the error says not where: %q", err)
			}
			return
		}
		n, err := New(Options{Map: m})
		if err != nil {
			return
		}
		holds(t, "map", n, image.Image{Properties: map[string]string{"os_distro": "a", "os_version": "22"}})
	})
}

package xmldb

import (
	"fmt"
	"io/fs"
	"reflect"
	"strings"
	"testing"
	"testing/fstest"
)

// tree is a small database: a file VERSION, two devices and the files given.
func tree(files map[string]string) fstest.MapFS {
	root := fstest.MapFS{
		"VERSION":                      {Data: []byte("20300101\n")},
		"device/pcisig.com/net.xml":    {Data: []byte(`<libosinfo><device id="pci/net"><name>virtio-net</name><name xml:lang="de">Netz</name></device></libosinfo>`)},
		"device/pcisig.com/block.xml":  {Data: []byte(`<libosinfo><device id="pci/block"><name>virtio-block</name></device><device id="pci/e1000"><name>e1000</name></device></libosinfo>`)},
		"schema/osinfo.rng":            {Data: []byte("this is no XML")},
		"platform/qemu.org/qemu-1.xml": {Data: []byte("nor is this")},
	}
	for name, text := range files {
		root[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return root
}

// osXML is a file with one system, zebra1 for "1".
func osXML(version, inside string) string {
	return fmt.Sprintf(`<libosinfo><os id="http://zebra.org/%[1]s"><short-id>zebra%[1]s</short-id><name>Zebra %[1]s</name>`+
		`<version>%[1]s</version><family>linux</family><distro>zebra</distro>%[2]s</os></libosinfo>`, version, inside)
}

func read(root fs.FS) (map[string]System, error) {
	r := NewReader()
	if err := r.Tree(root); err != nil {
		return nil, err
	}
	list, err := r.Systems()
	if err != nil {
		return nil, err
	}
	systems := map[string]System{}
	for _, s := range list {
		systems[s.ShortID] = s
	}
	return systems, nil
}

func TestSystem(t *testing.T) {
	systems, err := read(tree(map[string]string{
		"os/zebra.org/zebra-1.xml": `<?xml version="1.0"?>
<libosinfo version="0.0.1">
  <!-- a comment -->
  <os id="http://zebra.org/zebra/1">
    <short-id> zebra1 </short-id><short-id>zebrastripe</short-id><short-id>zebra1</short-id>
    <name xml:lang="de">Zebra eins</name><name>Zebra &lt;1&gt; Stra&#xDF;e</name>
    <version>1</version><vendor>Zoo</vendor><family>linux</family><distro>zebra</distro><codename>Striped Sam</codename>
    <release-date>2020-01-02</release-date><eol-date>2030-01-02</eol-date>
    <devices><device id="pci/net"/><device id="pci/e1000"/><device id="pci/none"/><device id="pci/block" supported="false"/></devices>
    <firmware arch="x86_64" type="efi"/><firmware arch="x86_64" type="bios" supported="false"/><firmware arch="x86_64" type="coreboot"/>
    <resources arch="x86_64"><minimum><n-cpus>2</n-cpus><ram>-1</ram><storage>much</storage></minimum></resources>
    <resources arch="all"><minimum><cpu>1000000000</cpu><ram>1024</ram></minimum><recommended><storage>4096</storage></recommended><maximum><ram>9</ram></maximum></resources>
    <variant id="server"><name>Zebra Server</name></variant>
  </os>
</libosinfo>`,
		// More of the same system, and one of which nothing is known.
		"os/zebra.org/zebra-1.d/drivers.xml": `<libosinfo><os id="http://zebra.org/zebra/1"><short-id>zebra1</short-id><driver arch="i686"><device id="pci/block"/></driver></os></libosinfo>`,
		"os/libosinfo.org/unknown.xml":       `<libosinfo><os id="http://libosinfo.org/unknown"><short-id>unknown</short-id><name>Unknown</name></os></libosinfo>`,
		"os/zebra.org/README":                "not a file of the database",
	}))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]System{"zebra1": {
		ShortID: "zebra1", Aliases: []string{"zebrastripe"}, ID: "http://zebra.org/zebra/1", Name: "Zebra <1> Straße", CodeName: "Striped Sam",
		Distro: "zebra", Version: "1", Family: "linux", Released: "2020-01-02", EOL: "2030-01-02",
		Minimum:     []Resources{{Architecture: "all", Memory: 1024}, {Architecture: "x86_64", CPUs: 2}},
		Recommended: []Resources{{Architecture: "all", Disk: 4096}},
		Devices:     []string{"virtio-net"},
		Firmware:    []Firmware{{"x86_64", "bios", false}, {"x86_64", "efi", true}},
	}}
	if !reflect.DeepEqual(systems, want) {
		t.Errorf("got  %+v\nwant %+v", systems, want)
	}
}

func TestInheritance(t *testing.T) {
	for _, c := range []struct {
		name  string
		files map[string]string
		want  System // its devices, firmware and resources: those of zebra1
	}{
		{"what it derives from and what it clones", map[string]string{
			"os/1.xml": osXML("1", `<derives-from id="http://zebra.org/2"/><clones id="http://zebra.org/3"/><upgrades id="http://zebra.org/4"/>`),
			"os/2.xml": osXML("2", `<devices><device id="pci/net"/></devices>`),
			"os/3.xml": osXML("3", `<devices><device id="pci/block"/></devices>`),
			"os/4.xml": osXML("4", `<firmware arch="x86_64" type="efi"/>`),
		}, System{Devices: []string{"virtio-block", "virtio-net"}}},
		{"the nearest decides", map[string]string{
			"os/1.xml": osXML("1", `<derives-from id="http://zebra.org/2"/><devices><device id="pci/net" supported="false"/></devices><firmware arch="x86_64" type="bios" supported="false"/>`),
			"os/2.xml": osXML("2", `<derives-from id="http://zebra.org/3"/><devices><device id="pci/net"/><device id="pci/block" supported="true"/></devices><firmware arch="x86_64" type="bios"/>`),
			"os/3.xml": osXML("3", `<devices><device id="pci/block" supported="false"/></devices><firmware arch="x86_64" type="efi"/>`),
		}, System{Devices: []string{"virtio-block"}, Firmware: []Firmware{{"x86_64", "bios", false}, {"x86_64", "efi", true}}}},
		{"resources are not inherited unasked", map[string]string{
			"os/1.xml": osXML("1", `<derives-from id="http://zebra.org/2"/>`),
			"os/2.xml": osXML("2", `<resources arch="all"><minimum><ram>1</ram></minimum></resources>`),
		}, System{}},
		{"resources, what its own leave open", map[string]string{
			"os/1.xml": osXML("1", `<derives-from id="http://zebra.org/2"/><resources arch="all" inherit="true"><minimum><ram>5</ram></minimum></resources>`),
			"os/2.xml": osXML("2", `<derives-from id="http://zebra.org/3"/><resources arch="all"><minimum><ram>1</ram><storage>2</storage></minimum></resources><resources arch="x86_64"><minimum><ram>1</ram></minimum></resources>`),
			"os/3.xml": osXML("3", `<resources arch="all"><minimum><storage>9</storage><n-cpus>3</n-cpus></minimum><recommended><ram>7</ram></recommended></resources>`),
		}, System{Minimum: []Resources{{"all", 3, 5, 2}}, Recommended: []Resources{{"all", 0, 7, 0}}}},
		{"a circle, and a parent that is missing", map[string]string{
			"os/1.xml": osXML("1", `<derives-from id="http://zebra.org/2"/><derives-from id="http://zebra.org/none"/>`),
			"os/2.xml": osXML("2", `<derives-from id="http://zebra.org/1"/><derives-from id="http://zebra.org/2"/><devices><device id="pci/net"/></devices>`),
		}, System{Devices: []string{"virtio-net"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			systems, err := read(tree(c.files))
			if err != nil {
				t.Fatal(err)
			}
			s := systems["zebra1"]
			got := System{Minimum: s.Minimum, Recommended: s.Recommended, Devices: s.Devices, Firmware: s.Firmware}
			if !reflect.DeepEqual(got, c.want) {
				t.Errorf("got  %+v\nwant %+v", got, c.want)
			}
		})
	}
}

func TestRefuses(t *testing.T) {
	bomb := `<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY lol "lol"><!ENTITY lol2 "` + strings.Repeat("&lol;", 1000) + `">]>` + osXML("1", "<vendor>&lol2;</vendor>")
	for _, c := range []struct {
		name string
		root fstest.MapFS
		want string
	}{
		{"nothing", fstest.MapFS{}, "VERSION is missing"},
		{"no systems", tree(nil), "no operating systems"},
		{"a release that is none", fstest.MapFS{"VERSION": {Data: []byte("\x1b[31m")}}, "VERSION: no release"},
		{"broken XML", tree(map[string]string{"os/z.xml": "<libosinfo>"}), "os/z.xml: XML syntax error"},
		{"an entity bomb", tree(map[string]string{"os/z.xml": bomb}), "os/z.xml: XML syntax error"},
		{"a system without an id", tree(map[string]string{"os/z.xml": "<libosinfo><os><short-id>zebra1</short-id></os></libosinfo>"}), "its id is no URL"},
		{"a short id with an escape", tree(map[string]string{"os/z.xml": strings.Replace(osXML("1", ""), "<short-id>", "<short-id>&#x9b;31m", 1)}), `its short id "\u009b31mzebra1"`},
		{"a distro with a blank", tree(map[string]string{"os/z.xml": strings.Replace(osXML("1", ""), ">zebra<", ">ze bra<", 1)}), `its distro "ze bra"`},
		{"a version with a line break", tree(map[string]string{"os/z.xml": strings.Replace(osXML("1", ""), "<version>1", "<version>1\n2", 1)}), `its version "1\n2"`},
		{"a date that is none", tree(map[string]string{"os/z.xml": osXML("1", "<eol-date>soon</eol-date>")}), `its eol-date "soon" is no date`},
		{"a name with a control character", tree(map[string]string{"os/z.xml": strings.Replace(osXML("1", ""), "Zebra", "Zebra&#x85;", 1)}), "its name"},
		{"a long name", tree(map[string]string{"os/z.xml": strings.Replace(osXML("1", ""), "Zebra", strings.Repeat("Zebra", 100), 1)}), "its name is too long"},
		{"very many short ids", tree(map[string]string{"os/z.xml": osXML("1", strings.Repeat("<short-id>a</short-id>", 300))}), "more than 256 entries"},
		{"a large file", tree(map[string]string{"os/z.xml": osXML("1", strings.Repeat(" ", 1<<20))}), "os/z.xml: too large"},
		{"one short id for two systems", tree(map[string]string{"os/1.xml": osXML("1", "<short-id>zoo</short-id>"), "os/2.xml": osXML("2", "<short-id>zoo</short-id>")}), "the short id zoo stands for"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := read(c.root)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want an error with %q", err, c.want)
			}
			if strings.ContainsFunc(err.Error(), func(r rune) bool { return r < ' ' || r == 0x9b || r == 0x85 }) {
				t.Errorf("the message has control characters: %q", err)
			}
			if len(err.Error()) > 300 {
				t.Errorf("the message has %d bytes", len(err.Error()))
			}
		})
	}
}

func TestBoundsTheTree(t *testing.T) {
	small := bounds{files: 14, systems: 5, devices: 4, file: 2000, total: 6000, visits: 3, said: 50}
	files := func(n int, text func(i int) string) map[string]string {
		files := map[string]string{}
		for i := range n {
			files[fmt.Sprintf("os/%d.xml", i)] = text(i)
		}
		return files
	}
	many := func(i int) string { return fmt.Sprintf("%d.%d", i/10, i%10) }
	for _, c := range []struct {
		name  string
		files map[string]string
		want  string // "" is no error
	}{
		{"within", files(3, func(i int) string { return osXML(many(i), "") }), ""},
		{"files", files(20, func(int) string { return "<libosinfo/>" }), "more than 14 files"},
		{"a file", files(1, func(int) string { return osXML("1", strings.Repeat(" ", 2000)) }), "os/0.xml: too large"},
		{"all files", files(4, func(i int) string { return osXML(many(i), strings.Repeat(" ", 1700)) }), "too large"},
		{"systems", files(6, func(i int) string { return osXML(many(i), "") }), "more than 5 operating systems"},
		{"devices", map[string]string{"device/x.xml": "<libosinfo>" + strings.Repeat(`<device id="x"><name>x</name></device>`, 2) + "</libosinfo>"}, "too many devices"},
		{"what is inherited", files(5, func(i int) string {
			return osXML(many(i), fmt.Sprintf(`<derives-from id="http://zebra.org/%s"/><clones id="http://zebra.org/%s"/><devices>%s</devices>`,
				many((i+1)%5), many((i+2)%5), strings.Repeat(`<device id="pci/net"/>`, 4)))
		}), "inherit too much"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := NewReader()
			r.bounds = small
			err := r.Tree(tree(c.files))
			if err == nil {
				_, err = r.Systems()
			}
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// A pipe in the tree is not waited for.
func TestPassesOverWhatIsNoFile(t *testing.T) {
	root := tree(map[string]string{"os/z.xml": osXML("1", "")})
	root["os/pipe.xml"] = &fstest.MapFile{Mode: fs.ModeNamedPipe, Data: []byte("no XML")}
	if systems, err := read(root); err != nil || len(systems) != 1 {
		t.Errorf("got %v, %v", systems, err)
	}
}

// A long ancestry is walked as far as the bound allows.
func TestLongAncestry(t *testing.T) {
	files := map[string]string{}
	for i := range 9 {
		inside := fmt.Sprintf(`<derives-from id="http://zebra.org/%d"/>`, i+1)
		if i == 2 || i == 5 {
			inside += `<devices><device id="pci/` + map[int]string{2: "net", 5: "block"}[i] + `"/></devices>`
		}
		files[fmt.Sprintf("os/%d.xml", i)] = osXML(fmt.Sprint(i), inside)
	}
	r := NewReader()
	r.bounds.visits = 4
	if err := r.Tree(tree(files)); err != nil {
		t.Fatal(err)
	}
	list, err := r.Systems()
	if err != nil || len(list) != 9 {
		t.Fatalf("%d systems, %v", len(list), err)
	}
	if got := list[0].Devices; !reflect.DeepEqual(got, []string{"virtio-net"}) {
		t.Errorf("got %v", got)
	}
}

func TestWanted(t *testing.T) {
	for name, want := range map[string]bool{
		"VERSION": true, "./usr/share/osinfo/VERSION": true, "os/debian.org/debian-12.xml": true, "./usr/share/osinfo/device/usb.org/x.xml": true,
		"schema/osinfo.rng": false, "platform/os.xml": false, "install-script/x.org/os.xml": false, "os/README": false,
	} {
		if got := Wanted(name); got != want {
			t.Errorf("Wanted(%s) = %v", name, got)
		}
	}
}

func FuzzFile(f *testing.F) {
	f.Add(osXML("1", `<derives-from id="http://zebra.org/1"/><devices><device id="d"/></devices><resources arch="all" inherit="true"/>`))
	f.Add(`<libosinfo><device id="d"><name>virtio-net</name></device></libosinfo>`)
	f.Add(`<!DOCTYPE x [<!ENTITY a "b">]><libosinfo>&a;</libosinfo>`)
	f.Add("<libosinfo><os id='a'><short-id>a</short-id><version>1</version><firmware arch='x' type='efi' supported='false'/></os></libosinfo>")
	f.Fuzz(func(t *testing.T, text string) {
		r := NewReader()
		if err := r.Tree(tree(map[string]string{"os/1.xml": osXML("1", ""), "os/2.xml": text})); err != nil {
			return
		}
		list, err := r.Systems()
		if err != nil {
			return
		}
		for _, s := range list {
			if !word.MatchString(s.ShortID) || s.Distro != "" && !word.MatchString(s.Distro) || !plain(s.Name) || len(s.Devices) > maxList {
				t.Errorf("let through %+v", s)
			}
			for _, n := range append(s.Minimum, s.Recommended...) {
				if n.CPUs < 0 || n.Memory < 0 || n.Disk < 0 {
					t.Errorf("%s needs %+v", s.ShortID, n)
				}
			}
		}
	})
}

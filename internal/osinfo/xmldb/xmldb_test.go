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
		{"a large file", tree(map[string]string{"os/z.xml": osXML("1", strings.Repeat(" ", 1<<20))}), "too large"},
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
	many := tree(map[string]string{"os/z.xml": osXML("1", "")})
	for i := range maxFiles {
		many[fmt.Sprintf("os/x/%d", i)] = &fstest.MapFile{}
	}
	if _, err := read(many); err == nil || !strings.Contains(err.Error(), "more than 50000 files") {
		t.Errorf("got %v for very many files", err)
	}
	large := tree(map[string]string{})
	for i := range maxTotal/maxFile + 2 {
		large[fmt.Sprintf("os/%d.xml", i)] = &fstest.MapFile{Data: []byte(osXML(fmt.Sprint(i), strings.Repeat(" ", maxFile-400)))}
	}
	if _, err := read(large); err == nil || !strings.Contains(err.Error(), "too large") {
		t.Errorf("got %v for very much data", err)
	}
	var b strings.Builder
	b.WriteString("<libosinfo>")
	for i := range 5000 {
		fmt.Fprintf(&b, `<os id="i%d"><short-id>s%d</short-id><version>1</version></os>`, i, i)
	}
	b.WriteString("</libosinfo>")
	systems := tree(map[string]string{"os/1.xml": b.String(), "os/2.xml": strings.ReplaceAll(b.String(), `"i`, `"j`), "os/3.xml": osXML("1", "")})
	if _, err := read(systems); err == nil || !strings.Contains(err.Error(), "more than 10000 operating systems") {
		t.Errorf("got %v for very many systems", err)
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

// A long ancestry is walked as far as the bound allows; many systems that each
// have one are refused instead of keeping the machine busy.
func TestLongAncestry(t *testing.T) {
	for _, c := range []struct {
		systems int
		refused bool
	}{{1200, false}, {9999, true}} {
		files := map[string]string{}
		for from := 0; from < c.systems; from += 3000 {
			var b strings.Builder
			b.WriteString("<libosinfo>")
			for i := from; i < min(from+3000, c.systems); i++ {
				fmt.Fprintf(&b, `<os id="i%d"><short-id>s%d</short-id><version>1</version><derives-from id="i%d"/><clones id="i%d"/>`+
					`<devices><device id="a"/><device id="b"/><device id="c"/></devices></os>`, i, i, i+1, (i+7)%c.systems)
			}
			b.WriteString("</libosinfo>")
			files[fmt.Sprintf("os/%d.xml", from)] = b.String()
		}
		systems, err := read(tree(files))
		switch {
		case c.refused && (err == nil || !strings.Contains(err.Error(), "too much")):
			t.Errorf("%d systems: got %v", c.systems, err)
		case !c.refused && (err != nil || len(systems) != c.systems):
			t.Errorf("%d systems: got %d, %v", c.systems, len(systems), err)
		}
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

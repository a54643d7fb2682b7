package osinfo

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"glance-profile/test/oracle"
)

func file(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }

func TestLoad(t *testing.T) {
	db, err := Load(fstest.MapFS{
		"VERSION":                      file("20300101\n"),
		"device/pcisig.com/net.xml":    file(`<libosinfo><device id="pci/net"><name>virtio-net</name></device></libosinfo>`),
		"os/ubuntu.com/28.04.xml":      file(`<libosinfo><os id="http://ubuntu.com/ubuntu/28.04"><short-id>ubuntu28.04</short-id><short-id>ubuntuyy</short-id><name>Ubuntu 28.04 LTS</name><version>28.04</version><family>linux</family><distro>ubuntu</distro><codename>Yakking Yeti</codename><devices><device id="pci/net"/></devices></os></libosinfo>`),
		"os/microsoft.com/win2k28.xml": file(`<libosinfo><os id="http://microsoft.com/win/2k28"><short-id>win2k28r2</short-id><name>Microsoft Windows Server 2028 R2</name><version>10.0</version><family>winnt</family><distro>win</distro></os></libosinfo>`),
		// One that the built-in supplement has too.
		"os/flatcar.org/flatcar.xml": file(`<libosinfo><os id="http://flatcar.org/flatcar"><short-id>flatcar</short-id><name>Flatcar</name><family>linux</family><distro>flatcar</distro></os></libosinfo>`),
		// And one of the same version under another id.
		"os/vyos.io/vyos.xml": file(`<libosinfo><os id="http://vyos.io/1.4"><short-id>vyos-sagitta</short-id><name>VyOS 1.4</name><version>1.4</version><family>linux</family><distro>vyos</distro></os></libosinfo>`),
	})
	if err != nil {
		t.Fatal(err)
	}
	if db.Release() != "20300101" {
		t.Errorf("release %s", db.Release())
	}
	o, ok := db.Lookup("ubuntuyy")
	if !ok || o.ShortID != "ubuntu28.04" || o.Distro != "ubuntu" || o.Version != "28.04" || o.Type != "linux" || strings.Join(o.Devices, " ") != "virtio-net" || o.Source != "osinfo-db 20300101" {
		t.Errorf("got %+v", o)
	}
	if got := ids(db.WithCodeName("yakking")); got != "ubuntu28.04" {
		t.Errorf("the code name is that of %q", got)
	}
	if o, ok := db.Lookup("win2k28r2"); !ok || o.Distro != "windows" || o.Version != "2028r2" || o.Type != "windows" {
		t.Errorf("got %+v", o)
	}
	if !db.HasVersion("ubuntu", "28.04") || db.HasVersion("ubuntu", "24.04") {
		t.Error("the versions are not those of the database")
	}
	if got := db.Suggest("ubuntu 28.04", 1); len(got) != 1 || got[0] != "ubuntu28.04" {
		t.Errorf("suggests %q", got)
	}
	// What osinfo-db does not know is still there, without a URL of libosinfo.
	if o, ok := db.Lookup("talos"); !ok || o.ID != "" || !strings.HasPrefix(o.Source, "https://") {
		t.Errorf("got %+v", o)
	}
	if o, ok := db.Lookup("ubuntu26.04"); !ok || o.ID != "" {
		t.Errorf("got %+v", o)
	}
	// But what it does know is not there twice.
	if o, _ := db.Lookup("flatcar"); o.Name != "Flatcar" {
		t.Errorf("got %+v", o)
	}
	if o, ok := db.Lookup("vyos1.4"); ok {
		t.Errorf("got %+v", o)
	}
}

func describe(o OS) string { return fmt.Sprintf("%+v", o) }

func TestLoadNamesTheFile(t *testing.T) {
	_, err := Load(fstest.MapFS{"VERSION": file("1"), "os/x/y.xml": file("<libosinfo")})
	if err == nil || !strings.HasPrefix(err.Error(), "read osinfo-db: os/x/y.xml: ") {
		t.Errorf("got %v", err)
	}
}

// A whole release read at run time is what the generator made of it.
func TestLoadAgreesWithTheTable(t *testing.T) {
	dir := oracle.Osinfo(t)
	db, err := Load(os.DirFS(dir))
	if err != nil {
		t.Fatal(err)
	}
	if db.Release() != Release {
		t.Fatalf("%s is osinfo-db %s, the table is made from %s: run OSINFO_DB=%s go generate ./internal/osinfo", dir, db.Release(), Release, dir)
	}
	for want := range Builtin().All() {
		got, ok := db.Lookup(want.ShortID)
		if !ok {
			t.Errorf("%s is missing", want.ShortID)
			continue
		}
		// The table has dates that were announced later, and URLs of later releases.
		got.Released, got.EOL, got.ID, want.Released, want.EOL, want.ID = "", "", "", "", "", ""
		if g, w := describe(got), describe(want); g != w {
			t.Errorf("%s: got %s, want %s", want.ShortID, g, w)
		}
	}
}

func FuzzLoad(f *testing.F) {
	f.Add("20250619", `<libosinfo><os id="a"><short-id>ubuntu24.04</short-id><name>x</name><version>24.04</version><family>linux</family><distro>ubuntu</distro></os></libosinfo>`)
	f.Add("1", `<libosinfo><os id="a"><short-id>win2k</short-id><version>5.0</version><family>winnt</family><distro>win</distro><clones id="a"/></os></libosinfo>`)
	f.Add("\x1b", "")
	f.Fuzz(func(t *testing.T, release, text string) {
		db, err := Load(fstest.MapFS{"VERSION": file(release), "os/a.xml": file(text)})
		if err != nil {
			return
		}
		for o := range db.All() {
			if o.Version != "" && o.Distro != "" && !db.HasVersion(o.Distro, o.Version) {
				t.Errorf("%s has no version %s", o.Distro, o.Version)
			}
			if _, ok := db.Lookup(o.ShortID); !ok {
				t.Errorf("%s is not found", o.ShortID)
			}
		}
		db.Suggest(text, 3)
		db.Find(text)
	})
}

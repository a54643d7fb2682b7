package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"glance-profile/test/oracle"
)

const (
	generated  = "../zz_table.go"
	supplement = "../data/supplement.json"
)

// The release itself is not part of the project; the devcloud has it. From it
// the table is made anew and compared.
func TestGeneratedTableIsCurrent(t *testing.T) {
	db := oracle.Osinfo(t)
	want, err := generate(db, supplement)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(generated)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("zz_table.go is not what %s gives: run OSINFO_DB=%s go generate ./internal/osinfo", db, db)
	}
}

// Without the release, this much can be told: nobody edited the table, and it
// has all of the supplement.
func TestGeneratedTableIsWhole(t *testing.T) {
	code, err := os.ReadFile(generated)
	if err != nil {
		t.Fatal(err)
	}
	i := bytes.Index(code, []byte("package osinfo\n"))
	if i < 0 {
		t.Fatal("no package clause")
	}
	if sum := fmt.Sprintf("// sha256: %x\n", sha256.Sum256(code[i:])); !bytes.Contains(code[:i], []byte(sum)) {
		t.Error("the table was edited after it was generated")
	}
	systems, _, err := readSupplement(supplement)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range systems {
		row := "\t{" + quoted([]string{s.ShortID, strings.Join(s.Aliases, " "), s.ID, s.Name, s.CodeName, s.Distro, s.Version, s.Family, s.Released, s.EOL, s.since, s.source}) + ", "
		if !bytes.Contains(code, []byte(row)) {
			t.Errorf("the table lacks the supplement's %s: run go generate", s.ShortID)
		}
	}
}

// folder writes the files of a small database.
func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

const zebra = `<libosinfo version="0.0.1"><os id="http://zebra.org/zebra/1"><short-id>zebra1</short-id><short-id>zebrastripe</short-id>` +
	`<name>Zebra 1</name><name xml:lang="de">Zebra eins</name><version>1</version><family>linux</family><distro>zebra</distro>` +
	`<codename>Stripe</codename><release-date>2020-01-02</release-date>` +
	`<resources arch="all"><minimum><n-cpus>1</n-cpus><ram>1024</ram></minimum></resources><firmware arch="x86_64" type="efi"/>` +
	`<devices><device id="http://pcisig.com/pci/1af4/1000"/></devices></os></libosinfo>`

const virtioNet = `<libosinfo><device id="http://pcisig.com/pci/1af4/1000"><name>virtio-net</name></device></libosinfo>`

func TestGenerate(t *testing.T) {
	db := folder(t, map[string]string{
		"VERSION":                   "20300101\n",
		"os/zebra.org/zebra-1.xml":  zebra,
		"os/zebra.org/z-1.d/x.xml":  `<libosinfo><os id="http://zebra.org/zebra/1"><short-id>zebra1</short-id><name>Zebra 1</name></os></libosinfo>`,
		"device/pcisig.com/all.xml": virtioNet,
	})
	extra := supplementFile(t, `{"dates": [{"short_id": "zebra1", "eol": "2031-01-01", "source": "https://zebra.org/"}], "systems": [
		{"short_id": "zebra2", "name": "Zebra 2", "distro": "zebra", "version": "2", "family": "linux", "derives_from": "zebrastripe", "source": "https://zebra.org/"},
		{"short_id": "yak", "name": "Yak", "distro": "yak", "versions": ["2", "3"], "family": "linux", "source": "https://yak.org/"},
		{"short_id": "aurochs", "name": "Aurochs", "distro": "aurochs", "since": "1.0", "family": "linux", "source": "https://aurochs.org/",
			"minimum": [{"architecture": "all", "memory": 2048}]}]}`)
	code, err := generate(db, extra)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`const Release = "20300101"`,
		`{"aurochs", "", "", "Aurochs", "", "aurochs", "", "linux", "", "", "1.0", "https://aurochs.org/", 1, 0, 0, 0},
	{"yak2", "", "", "Yak 2", "", "yak", "2", "linux", "", "", "", "https://yak.org/", 0, 0, 0, 0},
	{"yak3", "", "", "Yak 3", "", "yak", "3", "linux", "", "", "", "https://yak.org/", 0, 0, 0, 0},
	{"zebra1", "zebrastripe", "http://zebra.org/zebra/1", "Zebra 1", "Stripe", "zebra", "1", "linux", "2020-01-02", "2031-01-01", "", "", 2, 0, 1, 1},
	{"zebra2", "", "", "Zebra 2", "", "zebra", "2", "linux", "", "", "", "https://zebra.org/", 0, 0, 1, 1},
`,
		`	{{Architecture: "all", Memory: 2048}},
	{{Architecture: "all", CPUs: 1, Memory: 1024}},
`,
		`	{"virtio-net"},
`,
		`	{{Architecture: "x86_64", Type: "efi", Supported: true}},
`,
	} {
		if !strings.Contains(string(code), want) {
			t.Errorf("no %s in\n%s", want, code)
		}
	}
}

func supplementFile(t *testing.T, text string) string {
	t.Helper()
	return filepath.Join(folder(t, map[string]string{"s.json": text}), "s.json")
}

func TestGenerateRefuses(t *testing.T) {
	good := folder(t, map[string]string{"VERSION": "1", "os/z.xml": zebra})
	twice := strings.Replace(zebra, "zebra/1", "zebra/2", 1)
	for _, c := range []struct {
		name, db, supplement, want string
	}{
		{"a folder without a database", folder(t, map[string]string{"x": ""}), `{}`, "no osinfo-db"},
		{"broken XML", folder(t, map[string]string{"VERSION": "1", "os/z.xml": "<libosinfo>"}), `{}`, "z.xml"},
		{"one short id for two systems", folder(t, map[string]string{"VERSION": "1", "os/a.xml": zebra, "os/b.xml": twice}), `{}`, "stands for"},
		{"a date that is none", folder(t, map[string]string{"VERSION": "1", "os/z.xml": strings.Replace(zebra, "2020-01-02", "soon", 1)}), `{}`, "soon"},
		{"a supplement that has become needless", good, `{"systems": [{"short_id": "zebra1", "source": "https://zebra.org/"}]}`, "remove it"},
		{"a supplement with an unknown key", good, `{"system": []}`, "unknown field"},
		{"a supplement without a source", good, `{"systems": [{"short_id": "yak1"}]}`, "yak1 has no source"},
		{"a supplement with a date that is none", good, `{"systems": [{"short_id": "yak1", "eol": "never", "source": "https://yak.org/"}]}`, "never"},
		{"dates that have become needless", good, `{"dates": [{"short_id": "zebra1", "released": "2020-01-03", "source": "https://zebra.org/"}]}`, "remove it"},
		{"dates of an unknown system", good, `{"dates": [{"short_id": "yak1", "source": "https://yak.org/"}]}`, "does not have"},
		{"dates without a source", good, `{"dates": [{"short_id": "zebra1"}]}`, "no source"},
		{"an unknown parent", good, `{"systems": [{"short_id": "yak1", "derives_from": "yak0", "source": "https://yak.org/"}]}`, "yak0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := generate(c.db, supplementFile(t, c.supplement))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
		})
	}
}

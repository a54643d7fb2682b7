package selection_test

import (
	"strings"
	"testing"
	"time"

	"glance-profile/internal/image"
	"glance-profile/internal/selection"
)

func mustParse(t testing.TB, text string) selection.Expr {
	t.Helper()
	e, err := selection.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestMatch(t *testing.T) {
	size := int64(1 << 20)
	img := image.Image{
		ID: "9b2c3c1e-0000-4000-8000-000000000001", Name: "Windows Server 2019", Status: "active", Visibility: "community",
		Owner: "p1", Protected: true, Hidden: true, ContainerFormat: "bare", DiskFormat: "qcow2", MinDisk: 40,
		Size: &size, Checksum: "abc", HashAlgo: "sha512", HashValue: "def", Tags: []string{"gold", "win/2019"},
		CreatedAt: time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC),
		Properties: map[string]string{
			"os_type": "windows", "hw_disk_bus": "ide", "empty": "", "path": "a/b/c", "list": "x,y=z", "lines": "a\nb", "a.b:c": "1",
		},
		Nulls: []string{"kernel_id"},
	}
	plain := image.Image{ID: "2", Unnamed: true, Status: "queued", Visibility: "private"}
	for _, test := range []struct {
		expr       string
		img, plain bool
	}{
		{"os_type=windows", true, false},
		{"os_type=Windows", false, false},
		{"os_type!=windows", false, true},
		{"os_type!=linux", true, true},
		{"os_type", true, false},
		{"not os_type", false, true},
		{"not  os_type", false, true},
		{"os_type~win*", true, false},
		{"os_type~win", false, false},
		{"os_type~*", true, false},
		{"os_type~[uvw]in????", true, false},
		{"os_type~[!a-v]*", true, false},
		{"os_type~[^w]*", false, false},
		{`os_type~\w*`, true, false},
		{"path~a*c", true, false},
		{"path~a/?/c", true, false},
		{"path~a?b?c", true, false},
		{"lines~a*b", true, false},
		{"a.b:c=1", true, false},
		{"list=x,y=z", true, false},
		{"list!=x,y=z", false, true},
		{"list~*=z", true, false},
		{"list~*[],]*", true, false},
		{"empty", true, false},
		{"empty=", true, false},
		{"not empty", false, true},
		{"empty!=", false, true},
		{"kernel_id", false, false},
		{"name=Windows Server 2019", true, false},
		{"name~Windows Server 20[12]*", true, false},
		{"name", true, false},
		{"not name", false, true},
		{"id=2", false, true},
		{"id~9b2c*", true, false},
		{"status=ACTIVE", true, false},
		{"status!=active", false, true},
		{"visibility=community", true, false},
		{"owner=p1", true, false},
		{"owner!=p1", false, true},
		{"tag=gold", true, false},
		{"tags=win/2019", true, false},
		{"tag=silver", false, false},
		{"tag!=gold", false, true},
		{"tag~win*", true, false},
		{"tag", true, false},
		{"not tag", false, true},
		{"hidden=true", true, false},
		{"os_hidden=True", true, false},
		{"hidden!=true", false, true},
		{"hidden=false", false, true},
		{"hidden", true, false},
		{"not hidden", false, true},
		{"protected=true", true, false},
		{"protected", true, false},
		{"not protected", false, true},
		{"container_format=bare", true, false},
		{"disk_format~[qr]*", true, false},
		{"min_disk=040", true, false},
		{"min_disk", true, false},
		{"min_ram=0", true, true},
		{"min_ram", false, false},
		{"size=1048576", true, false},
		{"not size", false, true},
		{"virtual_size", false, false},
		{"checksum=abc", true, false},
		{"not checksum", false, true},
		{"os_hash_algo=sha512", true, false},
		{"os_hash_value=def", true, false},
		{"created_at=2026-01-31T13:00:00+01:00", true, false},
		{"created_at~2026-01-31*", true, false},
		{"not updated_at", true, true},
	} {
		e := mustParse(t, test.expr)
		if got := e.Match(img); got != test.img {
			t.Errorf("%s: %v for the full image", test.expr, got)
		}
		if got := e.Match(plain); got != test.plain {
			t.Errorf("%s: %v for the plain image", test.expr, got)
		}
	}
	if (selection.Expr{}).Match(img) {
		t.Error("the zero condition matches")
	}
}

// What would quietly select nothing, or under != everything, is refused with a
// way to mend it.
func TestParseRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"":                          "no name",
		"=x":                        "no name",
		"!=x":                       "no name",
		"not":                       "no name",
		"not ":                      "no name",
		"not os_type=linux":         "write os_type!=VALUE",
		"not os_type~l*":            "write os_type!=VALUE",
		"not a b":                   "blank",
		"os_type = linux":           "without blanks",
		"os_type linux":             "without blanks",
		" os_type":                  "without blanks",
		"os_type==linux":            "one = too many",
		"os_type!==linux":           "one = too many",
		"os_type=~l*":               "write os_type~GLOB",
		"os_type!~l*":               "no !~",
		"!os_type":                  "write not os_type",
		"!os_type=linux":            "write not os_type",
		"min_disk>=10":              "not known",
		"min_disk>10":               "not known",
		"os_type<>linux":            "not known",
		"hidden=yes":                "true, false",
		"protected!=1":              "true, false",
		"visibility!=publik":        "public, private, shared, community",
		"visibility=":               "public, private, shared, community",
		"status!=aktive":            "queued",
		"min_disk!=10G":             "GiB",
		"min_ram=":                  "MiB",
		"size=1.5":                  "bytes",
		"size=99999999999999999999": "bytes",
		"created_at=yesterday":      "created_at~2026-01-31*",
		"name~[a":                   "not closed",
		"name~[":                    "not closed",
		"name~[]":                   "not closed",
		"name~[!":                   "not closed",
		"name~[a-":                  "not closed",
		`name~[\`:                   "not closed",
		"name~[z-a]":                "backwards",
		"name~[[:digit:]]":          "write [a-zA-Z]",
		`name~a\`:                   `write \\`,
		"a\x00b":                    "control",
		"a\xff=b":                   "UTF-8",
	} {
		e, err := selection.Parse(text)
		switch {
		case err == nil:
			t.Errorf("%q was read as %q", text, e)
		case !strings.Contains(err.Error(), want):
			t.Errorf("%q: %v: does not say %q", text, err, want)
		case strings.ContainsAny(err.Error(), "\n\x00"):
			t.Errorf("%q: %q is not one clean line", text, err)
		}
	}
}

func TestStringIsCanonical(t *testing.T) {
	for text, want := range map[string]string{
		"tags=a": "tag=a", "os_hidden=True": "hidden=true", "not  x": "not x", "min_disk!=007": "min_disk!=7", "a~b=c": "a~b=c",
		"x": "x", "created_at!=2026-01-31T13:00:00+01:00": "created_at!=2026-01-31T12:00:00Z",
	} {
		if got := mustParse(t, text).String(); got != want {
			t.Errorf("%s is written %s, want %s", text, got, want)
		}
	}
}

// A glob of many stars takes no more than time in proportion to the text.
func TestGlobDoesNotExplode(t *testing.T) {
	e := mustParse(t, "name~"+strings.Repeat("*a", 40)+"b")
	done := make(chan bool, 1)
	go func() { done <- e.Match(image.Image{Name: strings.Repeat("a", 8<<10)}) }()
	select {
	case matched := <-done:
		if matched {
			t.Error("matched")
		}
	case <-time.After(time.Minute):
		t.Fatal("still matching after a minute")
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"os_type=linux", "a!=b", "name~Win*[0-9]?\\*", "not hw_disk_bus", "tag", "hidden=true", "x~[!]a-z-]", "x~[&&~~--]", "created_at=2026-01-31T12:00:00Z",
	} {
		f.Add(seed, "linux")
	}
	f.Fuzz(func(t *testing.T, text, value string) {
		e, err := selection.Parse(text)
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n\r\x1b") {
				t.Fatalf("%q: the error is not one clean line: %q", text, err)
			}
			return
		}
		again, err := selection.Parse(e.String())
		if err != nil || again.String() != e.String() {
			t.Fatalf("%q is written %q, which is read as %q, %v", text, e, again, err)
		}
		for _, img := range []image.Image{
			{}, {Name: value, Tags: []string{value}, Hidden: true},
			{Properties: map[string]string{value: value, "a": value, "x": value}},
		} {
			if e.Match(img) != again.Match(img) {
				t.Fatalf("%q and %q differ on %+v", text, e, img)
			}
		}
		// k=v and k!=v, k and not k are opposites.
		if name, v, ok := strings.Cut(e.String(), "="); ok && !strings.ContainsAny(name, "!~") {
			opposite, err := selection.Parse(name + "!=" + v)
			if err != nil {
				t.Fatal(err)
			}
			if img := (image.Image{Name: value, Properties: map[string]string{name: value}}); e.Match(img) == opposite.Match(img) {
				t.Fatalf("%q and %q agree", e, opposite)
			}
		}
	})
}

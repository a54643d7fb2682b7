package profiles

import (
	"errors"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"glance-profile/internal/property"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares text with a golden file.
func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; got:\n%s", path, got)
	}
}

func embeddedSet(t *testing.T) *Set {
	t.Helper()
	s, err := Embedded()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestRefused shows each file of testdata/refused with what is said of it: a
// user sees these lines.
func TestRefused(t *testing.T) {
	set := embeddedSet(t)
	paths, err := filepath.Glob("testdata/refused/*.yaml")
	if err != nil || len(paths) < 40 {
		t.Fatalf("%d files to refuse, %v", len(paths), err)
	}
	var said strings.Builder
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Base(path)
		refused := false
		_, problems := set.Validate(name, data)
		for _, p := range problems {
			if p.Severity == property.Error {
				refused = true
				said.WriteString(p.Error() + "\n")
			}
		}
		if !refused {
			t.Errorf("%s: accepted", name)
		}
		_, _, err = Load(t.Context(), nil, []string{path})
		var p Problem
		if !errors.As(err, &p) || p.File != path || p.Line < 1 {
			t.Errorf("%s: loaded with the error %v", path, err)
		}
	}
	golden(t, "testdata/refused.golden", said.String())
}

// TestScalarsAreText holds that values are taken as they are written, whatever
// YAML would make of them.
func TestScalarsAreText(t *testing.T) {
	d, problems := parse("x.yaml", []byte("\ufeffname: x\r\nsummary: a summary\r\nproperties:\r\n"+strings.Join([]string{
		"  plain_yes: yes", "  plain_true: true", "  os_version: 24.10", "  hex: 0x1F", "  octal: 007", "  underscore: 1_000",
		"  exponent: 1e3", "  negative: -1.50", "  date: 2025-01-02", "  time: 12:30:00", "  infinity: .inf", "  tilde: '~'", "  empty: \"\"",
		"  quoted: 'it''s'", "  escaped: \"a\\tb\"", "  comment: text # not this", "  colon: a:b", "  10: number as a name", "  true: word as a name",
		"  literal: |", "    one", "    two", "  folded: >-", "    one", "    two", "  flow: {value: 24.10, source: somewhere}",
	}, "\r\n")+"\r\n"))
	if d == nil {
		t.Fatal(problems)
	}
	want := map[string]string{
		"plain_yes": "yes", "plain_true": "true", "os_version": "24.10", "hex": "0x1F", "octal": "007", "underscore": "1_000",
		"exponent": "1e3", "negative": "-1.50", "date": "2025-01-02", "time": "12:30:00", "infinity": ".inf", "tilde": "~", "empty": "",
		"quoted": "it's", "escaped": "a\tb", "comment": "text", "colon": "a:b", "10": "number as a name", "true": "word as a name",
		"literal": "one\ntwo\n", "folded": "one two", "flow": "24.10",
	}
	for _, e := range d.properties {
		if want[e.name] != e.value {
			t.Errorf("%s: %q, want %q", e.name, e.value, want[e.name])
		}
		delete(want, e.name)
	}
	if len(want) > 0 {
		t.Errorf("not read: %v", want)
	}
	if e, _ := find(d.properties, "flow"); e.source != "somewhere" || e.line != 29 {
		t.Errorf("long form: source %q, line %d", e.source, e.line)
	}
}

// TestHostileFiles holds that no file keeps the parser busy.
func TestHostileFiles(t *testing.T) {
	for name, text := range map[string]string{
		"brackets": strings.Repeat("[", maxFileBytes), "braces": strings.Repeat("{a: ", maxFileBytes/4), "dashes": strings.Repeat("- ", maxFileBytes/2),
		"questions": strings.Repeat("? ", maxFileBytes/2), "anchors": strings.Repeat("&a ", maxFileBytes/3), "tags": strings.Repeat("!a ", maxFileBytes/3),
		"large": "name: " + strings.Repeat("x", maxFileBytes), "keys": strings.Repeat("k: v\n", maxFileBytes/5), "quotes": `a: "` + strings.Repeat(`\"`, maxFileBytes/3),
	} {
		if d, problems := parse(name, []byte(text)); d != nil || len(problems) == 0 {
			t.Errorf("%s: accepted", name)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, pattern := range []string{"*.yaml", "testdata/refused/*.yaml"} {
		paths, err := filepath.Glob(pattern)
		if err != nil {
			f.Fatal(err)
		}
		for _, path := range paths {
			data, err := os.ReadFile(path)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data)
		}
	}
	set, err := Embedded()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		start := time.Now()
		defer func() {
			if d := time.Since(start); d > time.Second {
				t.Errorf("took %v", d)
			}
		}()
		profile, problems := set.Validate("x.yaml", data)
		refused := false
		for _, p := range problems {
			refused = refused || p.Severity == property.Error
			if p.Line < 1 || p.Line > 1+strings.Count(string(data), "\n")+strings.Count(string(data), "\r") {
				t.Errorf("line %d of %d: %v", p.Line, strings.Count(string(data), "\n"), p)
			}
		}
		if refused {
			return
		}
		if !isName(profile.Name) || profile.Name == None || profile.Summary == "" {
			t.Errorf("accepted with the name %q and the summary %q", profile.Name, profile.Summary)
		}
		// What is accepted can be used.
		d, _ := parse("x.yaml", data)
		with := &Set{byName: maps.Clone(set.byName)}
		with.byName[d.name] = d
		if _, err := with.Details(d.name); err != nil {
			t.Errorf("accepted, and then: %v", err)
		}
	})
}

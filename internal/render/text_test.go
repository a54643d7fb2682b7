package render

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/goccy/go-yaml"

	"glance-profile/internal/audit"
	"glance-profile/internal/image"
	"glance-profile/internal/plan"
)

var update = flag.Bool("update", false, "write the golden files anew")

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

func show(t *testing.T, record Record, o Options) string {
	t.Helper()
	var out bytes.Buffer
	if err := Show(&out, record, o); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func list(t *testing.T, names []string, rows [][]any, o Options) string {
	t.Helper()
	var out bytes.Buffer
	if err := List(&out, names, rows, o); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestSafe(t *testing.T) {
	for text, want := range map[string]string{
		"plain text, 24.04":           "plain text, 24.04",
		"Größe 日本 ✓":                  "Größe 日本 ✓",
		"\x1b]0;title\x07":            `\x1b]0;title\x07`,
		"\x1b[2J":                     `\x1b[2J`,
		"a\nb\tc\rd":                  `a\nb\tc\rd`,
		"\x00\x7f":                    `\x00\x7f`,
		"\u009b31m":                   `\x9b31m`,
		"\u202egpj.exe":               `\u202egpj.exe`,
		"\u2066\u2069":                `\u2066\u2069`,
		"a\u200bb\ufeff":              `a\u200bb\ufeff`,
		"bad\xff\xc3":                 `bad\xff\xc3`,
		"a\u00a0b":                    `a\xa0b`,
		"\U000e0041":                  `\U000e0041`,
		"\u3164":                      `\u3164`,
		`C:\n`:                        `C:\n`,
		"\u2028":                      `\u2028`,
		"e\u0301":                     "e\u0301",
		string(rune(utf8.RuneError)):  string(rune(utf8.RuneError)),
		strings.Repeat("x", 5) + "\v": `xxxxx\x0b`,
	} {
		if got := Safe(text); got != want {
			t.Errorf("Safe(%q) = %q, want %q", text, got, want)
		}
	}
	if got := SafeLines("a\n\tb\x1b"); got != "a\n\tb\\x1b" {
		t.Errorf("SafeLines: %q", got)
	}
}

// hostile is somebody else's image as far as it can be driven.
func hostile() Record {
	return Record{
		{"name", "\x1b[2Jx\u202ey\r\nnext $(touch /tmp/x) `id` \"q\" \\ !"},
		{"tags", []string{"b\x07", "a"}},
		{"properties", map[string]string{"os\x1b_type": "li\nnux\x00", "z": "\xff"}},
	}
}

// TestNothingHostileReachesATerminal holds that in no format a control
// character but newline (and, where the format has them, tab) gets through.
func TestNothingHostileReachesATerminal(t *testing.T) {
	for _, format := range Formats(KindShow) {
		for _, width := range []int{0, 40} {
			got := show(t, hostile(), Options{Format: format, Terminal: true, Width: width})
			for _, r := range got {
				if r != '\n' && !isVisible(r) || r == utf8.RuneError {
					t.Errorf("%s: %q gets through: %q", format, r, got)
				}
			}
		}
	}
	// A file gets what Glance holds, byte for byte.
	if got := show(t, hostile()[:1], Options{Format: FormatValue}); got != hostile()[0].Value.(string)+"\n" {
		t.Errorf("value, not to a terminal: %q", got)
	}
}

// TestShellRunsNothing holds that a value comes back from a shell as it is.
func TestShellRunsNothing(t *testing.T) {
	got := show(t, hostile()[:1], Options{Format: FormatShell, Prefix: "IMG_"})
	want := "IMG_name=\"\x1b[2Jx\u202ey\r\nnext \\$(touch /tmp/x) \\`id\\` \\\"q\\\" \\\\ !\"\n"
	if got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	got = show(t, Record{{"Ünsafe;name: x-y.z", 1}}, Options{Format: FormatShell})
	if got != "_nsafe_name__x_y_z=\"1\"\n" {
		t.Errorf("got %q", got)
	}
}

func TestTableOfHostileText(t *testing.T) {
	golden(t, "testdata/hostile.golden", show(t, hostile(), Options{})+show(t, hostile(), Options{MaxWidth: 40}))
}

func TestColumns(t *testing.T) {
	record := Record{{"Server Name", "a"}, {"id", "b"}, {"size", int64(3)}}
	for _, c := range []struct {
		columns []string
		want    string
	}{
		{nil, "a\nb\n3\n"},
		{[]string{"id"}, "b\n"},
		{[]string{"size", "server_name"}, "a\n3\n"}, // in the record's order
		{[]string{" Server Name "}, "a\n"},
		{[]string{"id", "nonsense"}, "b\n"},
		{[]string{"id", "ID"}, "b\n"},
	} {
		if got := show(t, record, Options{Format: FormatValue, Columns: c.columns}); got != c.want {
			t.Errorf("%q: %q, want %q", c.columns, got, c.want)
		}
	}
	got := list(t, []string{"A", "B"}, [][]any{{1, "x"}, {2, nil}}, Options{Format: FormatCSV, Columns: []string{"b"}})
	if got != "\"B\"\n\"x\"\n\"\"\n" {
		t.Errorf("list: %q", got)
	}
}

func TestWrongOptions(t *testing.T) {
	for _, c := range []struct {
		kind    Kind
		options Options
		want    string
	}{
		{KindShow, Options{Format: "xml"}, `--format: "xml" is not one of csv, json, shell, table, value, yaml`},
		{KindList, Options{Format: FormatShell}, `--format: "shell" is not one of csv, json, table, value, yaml`},
		{KindShow, Options{Quote: "some"}, `--quote: "some" is not one of all, minimal, none, nonnumeric`},
		{KindShow, Options{Columns: []string{"x\x1b", "y"}}, `--column: none of "x\x1b", "y" is a column; the columns are id, name`},
	} {
		err := c.options.Check(c.kind, []string{"id", "name"})
		var option *OptionError
		if !errors.As(err, &option) || err.Error() != c.want {
			t.Errorf("got %v, want %s", err, c.want)
		}
		var out bytes.Buffer
		if c.kind == KindShow {
			err = Show(&out, Record{{"id", 1}, {"name", 2}}, c.options)
		} else {
			err = List(&out, []string{"id", "name"}, nil, c.options)
		}
		if err == nil || out.Len() > 0 {
			t.Errorf("%s: printed %q, %v", c.want, out.String(), err)
		}
	}
	if err := List(&bytes.Buffer{}, []string{"a"}, [][]any{{1, 2}}, Options{}); err == nil {
		t.Error("a row too long is printed")
	}
}

func TestSort(t *testing.T) {
	names := []string{"Name", "Size"}
	rows := [][]any{{"b", int64(9)}, {"a", int64(10)}, {"c", nil}, {"a", int64(9)}}
	for _, c := range []struct {
		options Options
		want    string
	}{
		{Options{SortColumns: []string{"Size"}}, "b 9\na 9\na 10\nc None\n"},
		{Options{SortColumns: []string{"size"}, Descending: true}, "c None\na 10\nb 9\na 9\n"},
		{Options{SortColumns: []string{"Name", "Size"}}, "a 9\na 10\nb 9\nc None\n"},
		{Options{SortColumns: []string{"nonsense"}}, "b 9\na 10\nc None\na 9\n"},
		{Options{SortColumns: []string{"Size"}, Columns: []string{"Name"}}, "b\na\na\nc\n"},
	} {
		c.options.Format = FormatValue
		if got := list(t, names, rows, c.options); got != c.want {
			t.Errorf("%+v: %q, want %q", c.options, got, c.want)
		}
	}
	if rows[0][0] != "b" {
		t.Error("the caller's rows were sorted")
	}
}

// TestTableFits holds that a table is as wide as the terminal at most, and
// that what goes to a file is not cut.
func TestTableFits(t *testing.T) {
	record := Record{{"properties", strings.Repeat("word ", 60)}, {"wide", strings.Repeat("日本", 40)}, {"id", "x"}}
	widest := func(text string) int {
		width := 0
		for line := range strings.SplitSeq(text, "\n") {
			width = max(width, textWidth(line))
		}
		return width
	}
	for _, o := range []Options{{Terminal: true, Width: 60}, {FitWidth: true, Width: 60}, {MaxWidth: 60}, {MaxWidth: 60, Terminal: true, Width: 200}} {
		text := show(t, record, o)
		if got := widest(text); got > 60 {
			t.Errorf("%+v: %d columns", o, got)
		}
		for line := range strings.SplitSeq(strings.TrimSuffix(text, "\n"), "\n") {
			if textWidth(line) != widest(text) {
				t.Errorf("%+v: ragged line %q", o, line)
			}
		}
	}
	for _, o := range []Options{{}, {FitWidth: true}, {Terminal: true}} {
		if got := widest(show(t, record, o)); got < 300 {
			t.Errorf("%+v: %d columns", o, got)
		}
	}
}

// TestYAMLComesBack holds that a YAML reader gets back the very text, whatever
// it looks like.
func TestYAMLComesBack(t *testing.T) {
	for _, text := range yamlTexts {
		yamlComesBack(t, text)
	}
}

var yamlTexts = []string{
	"", " ", "a", "yes", "No", "~", "null", "24.10", "1_000", "0x1f", "1e3", ".inf", "12:30:45", "2025-01-02", "a: b", "a #b", "#a", "- a", "a:", "'", `"`,
	"a'b", "a\nb", "\ta", "a ", "日本", "\x1b", "\x00", "{a", "[a", "&a", "*a", "!a", "|", ">", "%a", "@a", "`a", "=", "<<", "a, b", "?", "a\u2028b", "\u0085", "C:\\x",
	"0b8f1f3a-1111-4222-8333-444455556666", "12345678-1234-1234-1234-123456789012", "/v2/images/x/file", "key='v', k2='v2'", "\U0001f600", "+1", "-", "--- a", "...",
}

func yamlComesBack(t *testing.T, text string) {
	t.Helper()
	out := show(t, Record{{"key", text}, {"map", map[string]string{text: text}}, {"list", []string{text}}}, Options{Format: FormatYAML})
	var back struct {
		Key  string
		Map  map[string]string
		List []string
	}
	if err := yaml.Unmarshal([]byte(out), &back); err != nil {
		t.Fatalf("%q as %q: %v", text, out, err)
	}
	if back.Key != text || back.List[0] != text {
		t.Errorf("%q comes back as %q and %q from %q", text, back.Key, back.List[0], out)
	}
}

func FuzzFormats(f *testing.F) {
	for _, text := range yamlTexts {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if !utf8.ValidString(text) {
			return // JSON and YAML cannot carry it
		}
		var back map[string]string
		if err := json.Unmarshal([]byte(show(t, Record{{"key", text}}, Options{Format: FormatJSON})), &back); err != nil || back["key"] != text {
			t.Errorf("json: %q comes back as %q, %v", text, back["key"], err)
		}
		for _, r := range show(t, Record{{text, text}}, Options{Terminal: true, Width: 30}) {
			if r != '\n' && !isVisible(r) {
				t.Errorf("table: %q gets through", r)
			}
		}
	})
}

func TestImageRecord(t *testing.T) {
	size := int64(2361393152)
	img := image.Image{
		ID: "9d2b7d16-1c1b-4d83-9b5e-0a5f0a0b1c2d", Name: "ubuntu-24.04-virtio", Status: "active", Visibility: "private", Owner: "b3c1",
		ContainerFormat: "bare", DiskFormat: "qcow2", MinDisk: 3, Size: &size, Checksum: "0f1e", HashAlgo: "sha512", HashValue: "ab12",
		Tags: []string{"lts"}, CreatedAt: time.Date(2025, 4, 2, 10, 11, 12, 0, time.UTC), UpdatedAt: time.Date(2025, 4, 2, 10, 12, 0, 0, time.FixedZone("", 3600)),
		Properties: map[string]string{"hw_boot_menu": "false", "hw_video_ram": "64MB", "os_version": "24.04"},
		Nulls:      []string{"kernel_id"},
		Extra: map[string]any{
			"file": "/v2/images/9d2b/file", "schema": "/v2/schemas/image", "self": "/v2/images/9d2b", "stores": "fast",
			"locations": []any{map[string]any{"url": "file:///x", "metadata": map[string]any{"store": "fast"}}},
		},
	}
	var all strings.Builder
	for _, format := range []string{FormatTable, FormatJSON, FormatYAML, FormatValue, FormatShell, FormatCSV} {
		all.WriteString("== " + format + "\n" + show(t, ImageRecord(img), Options{Format: format}))
	}
	all.WriteString("== queued and unnamed\n" + show(t, ImageRecord(image.Image{ID: "1", Unnamed: true, Status: "queued"}), Options{}))
	golden(t, "testdata/image.golden", all.String())
	for _, f := range ImageRecord(img) {
		found := false
		for _, name := range ImageFields() {
			found = found || name == f.Name
		}
		if !found {
			t.Errorf("%s is not among ImageFields", f.Name)
		}
	}
}

func text(s string) *string { return &s }

func samplePlan() plan.Plan {
	return plan.Plan{Version: plan.Version, Command: "normalize --all", Images: []plan.Image{
		{Action: plan.ActionCreate, Cloud: "devcloud", ID: "1f", Name: "ubuntu", Changes: []plan.Change{
			{Property: "hw_disk_bus", After: "virtio", Why: "profile linux-virtio"},
			{Property: "min_disk", After: int64(3), Why: "the virtual size, 2.2 GiB"},
			{Property: "protected", After: true},
			{Property: "tags", After: []string{"b", "a"}, Why: "--tag"},
			{Property: "description", After: " padded ", Why: "--description"},
		}},
		{Action: plan.ActionChange, ID: "2f", Name: "evil\x1b[31m", Changes: []plan.Change{
			{Property: "architecture", Before: "amd64", After: "x86_64", Why: "the name that Nova keeps"},
			{Property: "os_version", Before: "", After: "24.04"},
			{Property: "a_property_with_a_name_that_is_very_long_indeed", Before: "x\ny", Why: "no service reads it"},
		}, Result: text(plan.ResultFailed), Error: text("409: conflict")},
		{Action: plan.ActionChange, ID: "3f"},
		{Action: plan.ActionDelete, ID: "4f", Name: "日本", Result: text(plan.ResultDone)},
	}}
}

var sampleHardware = [][]string{nil, {"root disk: hda on ide → vda on virtio", "NIC: e1000 → virtio"}}

func TestPlanText(t *testing.T) {
	var plain, coloured bytes.Buffer
	if err := PlanText(&plain, samplePlan(), sampleHardware, false); err != nil {
		t.Fatal(err)
	}
	if err := PlanText(&coloured, samplePlan(), sampleHardware, true); err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/plan.golden", plain.String())
	if strings.Contains(plain.String(), "\x1b") {
		t.Error("colour where none was asked for")
	}
	stripped := coloured.String()
	for _, code := range []string{"0", sgrBold, sgrRed, sgrGreen, sgrYellow} {
		stripped = strings.ReplaceAll(stripped, "\x1b["+code+"m", "")
	}
	if stripped != plain.String() || !strings.Contains(coloured.String(), "\x1b["+sgrGreen+"m+ hw_disk_bus") {
		t.Errorf("coloured: %q", coloured.String())
	}
}

// TestPlanComesBack holds that a plan printed as data is the plan format.
func TestPlanComesBack(t *testing.T) {
	for _, o := range []Options{{Format: FormatJSON}, {Format: FormatJSON, NoIndent: true}, {Format: FormatYAML}} {
		var out bytes.Buffer
		if err := PlanData(&out, samplePlan(), o); err != nil {
			t.Fatal(err)
		}
		data := out.Bytes()
		if o.Format == FormatYAML {
			var document any
			err := yaml.Unmarshal(data, &document)
			if err == nil {
				data, err = json.Marshal(document)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		var back plan.Plan
		if err := json.Unmarshal(data, &back); err != nil {
			t.Fatalf("%+v: %v in %s", o, err, data)
		}
		want := samplePlan()
		want.Images[2].Changes, want.Images[3].Changes = []plan.Change{}, []plan.Change{}
		if !reflect.DeepEqual(back, want) {
			t.Errorf("%+v: comes back as %+v", o, back)
		}
	}
	var out bytes.Buffer
	if err := PlanData(&out, samplePlan(), Options{Format: FormatCSV, Columns: []string{"id", "property", "after"}}); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(out.String(), "\"id\",\"property\",\"after\"\n\"1f\",\"hw_disk_bus\",\"virtio\"\n\"1f\",\"min_disk\",3\n") {
		t.Errorf("csv: %s", out.String())
	}
	var option *OptionError
	if err := PlanData(&out, samplePlan(), Options{Format: FormatShell}); !errors.As(err, &option) {
		t.Errorf("shell: %v", err)
	}
}

func TestFindingLine(t *testing.T) {
	for _, c := range []struct {
		f    audit.Finding
		want string
	}{
		{audit.Finding{Property: "hw_disk_bus", Value: "VirtIO", Message: "not accepted", Fix: []audit.Fix{{Property: "hw_disk_bus", Before: "VirtIO", After: "virtio"}}}, `hw_disk_bus="VirtIO": not accepted (use "virtio")`},
		{audit.Finding{Property: "hw_buss", Value: "x", Message: "unknown", Fix: []audit.Fix{{Property: "hw_bus", After: "x"}, {Property: "hw_buss", Before: "x"}}}, `hw_buss="x": unknown (use "hw_bus")`},
		{audit.Finding{Property: "hw_disk_bus", Value: "ide", Message: "no IDE", Fix: []audit.Fix{{Property: "hw_machine_type", Before: "q35", After: "pc"}}}, `hw_disk_bus="ide": no IDE (set hw_machine_type=pc)`},
		{audit.Finding{Property: "vm_mode", Value: "\x1b", Message: "odd", Fix: []audit.Fix{{Property: "vm_mode", Before: "\x1b"}}}, `vm_mode="\x1b": odd (remove vm_mode)`},
		{audit.Finding{Message: "too many"}, "too many"},
	} {
		if got := FindingLine(c.f); got != c.want {
			t.Errorf("got %s, want %s", got, c.want)
		}
	}
}

// stepped is a clock that a test moves.
type stepped struct{ at time.Time }

func (s *stepped) now() time.Time { return s.at }

func TestProgress(t *testing.T) {
	clock := &stepped{time.Unix(1000, 0)}
	var out bytes.Buffer
	p := NewProgress(&out, true, 400<<20, 100, clock.now)
	step := func(n int64, d time.Duration) {
		clock.at = clock.at.Add(d)
		p.Add(n)
		out.WriteString("\n")
	}
	step(0, 0)
	step(100<<20, time.Second)
	step(1<<20, time.Millisecond) // too soon to draw
	step(99<<20, time.Second)
	p.Clear()
	out.WriteString("a note\n")
	step(0, 0)
	step(199<<20, 10*time.Second)
	p.Restart()
	step(400<<20, 4*time.Second)
	p.Done()
	p.Done()
	golden(t, "testdata/progress.golden", strings.ReplaceAll(out.String(), "\r", "<"))

	t.Run("no terminal", func(t *testing.T) {
		var out bytes.Buffer
		p := NewProgress(&out, false, 10, 80, clock.now)
		if n, err := p.Write(make([]byte, 10)); n != 10 || err != nil {
			t.Error(n, err)
		}
		p.Clear()
		p.Done()
		if out.Len() > 0 {
			t.Errorf("wrote %q", out.String())
		}
	})
	t.Run("unknown size", func(t *testing.T) {
		var out bytes.Buffer
		p := NewProgress(&out, true, -1, 80, clock.now)
		clock.at = clock.at.Add(time.Second)
		p.Add(1536)
		if got := strings.TrimSpace(out.String()); got != "1.5 KiB  1.5 KiB/s" {
			t.Errorf("drew %q", got)
		}
	})
	t.Run("narrow", func(t *testing.T) {
		var out bytes.Buffer
		p := NewProgress(&out, true, 100, 20, clock.now)
		for range 5 {
			clock.at = clock.at.Add(time.Second)
			p.Add(50) // more than there should be
		}
		p.Done()
		for line := range strings.SplitSeq(strings.ReplaceAll(out.String(), "\n", "\r"), "\r") {
			if len(line) >= 20 {
				t.Errorf("%d columns: %q", len(line), line)
			}
		}
	})
	t.Run("nothing sent", func(t *testing.T) {
		var out bytes.Buffer
		NewProgress(&out, true, 100, 80, clock.now).Done()
		if out.Len() > 0 {
			t.Errorf("wrote %q", out.String())
		}
	})
}

func TestBytes(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 1536: "1.5 KiB", 1 << 20: "1.0 MiB", 1<<20 - 1: "1.0 MiB", 4 << 30: "4.0 GiB", 1<<63 - 1: "8.0 EiB",
	} {
		if got := Bytes(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}

// TestListStream holds that a list written row by row is the list written at
// once.
func TestListStream(t *testing.T) {
	names := []string{"Name", "size", "fix"}
	all := [][]any{
		{"b\x1b", int64(9), []Record{{{"property", "x"}, {"after", nil}}}},
		{"a, \"q\"", nil, []Record{}},
		{"", int64(10), []Record{{{"property", "y"}}, {{"property", "z"}}}},
	}
	for _, format := range Formats(KindList) {
		for _, o := range []Options{{}, {NoIndent: true}, {Quote: quoteAll}, {Columns: []string{"size"}}, {SortColumns: []string{"size"}, Descending: true}, {Terminal: true}} {
			o.Format = format
			for n := range len(all) + 1 {
				var out bytes.Buffer
				s, err := NewListStream(&out, names, o)
				if err != nil {
					t.Fatal(err)
				}
				for _, row := range all[:n] {
					if err := s.Add(row); err != nil {
						t.Fatal(err)
					}
				}
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				if want := list(t, names, all[:n], o); out.String() != want {
					t.Errorf("%+v, %d rows: %q, want %q", o, n, out.String(), want)
				}
			}
		}
	}
	s, err := NewListStream(&bytes.Buffer{}, names, Options{Format: FormatJSON})
	if err != nil {
		t.Fatal(err)
	}
	if s.Add([]any{1}) == nil {
		t.Error("a row too short is written")
	}
	if _, err := NewListStream(&bytes.Buffer{}, names, Options{Format: "xml"}); err == nil {
		t.Error("an unknown format is begun")
	}
}

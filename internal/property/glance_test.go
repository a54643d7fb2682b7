package property

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"glance-profile/internal/spelling"
	"glance-profile/test/oracle"
)

// glances are the releases of the devcloud and of the Glance in each.
var glances = []struct{ devcloud, glance string }{{"zed", "25.1.0"}, {"2025.1", "30.0.0"}}

// glanceAnswer is what a real Glance did with a case: see
// test/oracle/glance_properties.py.
type glanceAnswer struct {
	Props   props `json:"props"`
	Post    int   `json:"post"`
	Kept    bool  `json:"kept"`
	Replace int   `json:"replace"`
	Changed bool  `json:"changed"`
	Remove  int   `json:"remove"`
}

// glanceCases are names and values at the borders of what Glance takes.
func glanceCases() []props {
	var cases []props
	for _, name := range []string{
		"", " ", " a", "a ", "\ta", "a b", "a\tb", "a/b~c", "~", "/", "a//b", "a.b", "a:b", "é", "\uffff", "😀", "𝟜", "A", "metadata", "properties", "links", "is_public", "copy_from", "os_hash_x", "trait:CUSTOM_A",
		strings.Repeat("a", 249), strings.Repeat("a", 250), strings.Repeat("a", 255), strings.Repeat("a", 256), strings.Repeat("é", 255), strings.Repeat("é", 256),
		"os_glance", "os_glance_x", "os_glancex", "OS_GLANCE", "os_glanc", "location", "Location", "locations", "deleted", "deleted_at",
		"direct_url", "self", "file", "schema", "stores", "created_at", "updated_at", "status", "checksum", "size", "virtual_size", "os_hash_algo", "os_hash_value", "id",
		"name", "visibility", "protected", "os_hidden", "owner", "container_format", "disk_format", "tags", "min_ram", "min_disk", "image_name", "base_image_ref", "members", "values", "get", "save", "data", "purge_props", "marker", "user_id",
	} {
		cases = append(cases, props{name: "x"})
	}
	for _, name := range attributes {
		cases = append(cases, props{name: "x"})
	}
	for _, c := range []struct{ name, value string }{
		{"a", ""}, {"a", " "}, {"a", "\n"}, {"a", "\uffff"}, {"a", "😀"}, {"a", strings.Repeat("x", 65535)}, {"a", strings.Repeat("x", 65536)}, {"a", strings.Repeat("é", 32768)},
		{"hw_disk_bus", "VIRTIO"}, {"os_type", "other"}, {"hw_video_ram", "64MB"},
		{"kernel_id", "nokernel"}, {"kernel_id", ""}, {"kernel_id", "5a1f0a52-7f0b-4b6a-9d3a-0123456789ab"}, {"kernel_id", "5A1F0A52-7F0B-4B6A-9D3A-0123456789AB"}, {"ramdisk_id", "5a1f0a527f0b4b6a9d3a0123456789ab"},
		{"ramdisk_id", "5a1f0a52-7f0b-4b6a-9d3a-0123456789ab"}, {"kernel_id", "5a1f0a52-7f0b-4b6a-9d3a-0123456789ag"}, {"kernel_id", "5a1f0a52-7f0b-4b6a-9d3a-0123456789ab\n"},
		{"cinder_encryption_key_deletion_policy", "on_image_deletion"}, {"cinder_encryption_key_deletion_policy", "do_not_delete"}, {"cinder_encryption_key_deletion_policy", "On_Image_Deletion"}, {"cinder_encryption_key_deletion_policy", ""},
		{"cinder_encryption_key_id", "x"}, {"instance_uuid", "x"}, {"architecture", "x"}, {"description", ""},
	} {
		cases = append(cases, props{c.name: c.value})
	}
	many := props{}
	for i := range maxProperties {
		many[fmt.Sprintf("p%03d", i)] = "x"
	}
	tooMany := maps.Clone(many)
	tooMany["q"] = "x"
	return append(cases, many, tooMany,
		props{"abc": "1", "ABC": "2"}, props{"abc": "1", "abc ": "2"}, props{"abc": "1", "abd": "2"})
}

func TestAgreementWithGlance(t *testing.T) {
	for _, g := range glances {
		t.Run(g.glance, func(t *testing.T) {
			if *record {
				recordGlance(t, g.devcloud, g.glance)
			}
			answers := readLines[glanceAnswer](t, glanceFile(g.glance))
			if len(answers) != len(glanceCases()) {
				t.Fatalf("%d answers to %d cases: record them anew (test/oracle/record)", len(answers), len(glanceCases()))
			}
			refused := 0
			for _, a := range answers {
				if a.Post != 201 {
					refused++
				}
				compareGlance(t, a)
			}
			t.Logf("Glance %s: %d cases, %d refused", g.glance, len(answers), refused)
		})
	}
}

// compareGlance holds our findings to what Glance did.
func compareGlance(t *testing.T, a glanceAnswer) {
	t.Helper()
	says := map[string]bool{}
	for _, f := range CheckAll(a.Props) {
		says[f.Rule] = true
	}
	any := func(rules ...string) bool { return slices.ContainsFunc(rules, func(r string) bool { return says[r] }) }
	what := spelling.Quote(slices.Sorted(maps.Keys(a.Props))[0])
	if says["base-field"] {
		return // Glance takes some of them, though not as properties
	}
	// A name of 250 to 255 characters is Nova's trouble only.
	tooLong := slices.ContainsFunc(slices.Collect(maps.Keys(a.Props)), func(name string) bool { return len([]rune(name)) > maxName })
	refusal := tooLong || any("reserved-name", "read-only-name", "four-byte-unicode", "value-too-long", "glance-schema", "too-many-properties", "name-clash")
	if holds := a.Post == 201 && a.Kept; holds == refusal {
		t.Errorf("%s: POST %d, kept %v, and we say %v", what, a.Post, a.Kept, slices.Sorted(maps.Keys(says)))
	}
	if a.Post != 201 || refusal {
		return
	}
	stuck := any("name-blanks", "name-unchangeable")
	// The schema refuses the text that the oracle writes into these.
	byForm := a.Props["kernel_id"] != "" || a.Props["ramdisk_id"] != "" || a.Props["cinder_encryption_key_deletion_policy"] != ""
	if !byForm && a.Changed == stuck || (a.Remove == 200) == stuck {
		t.Errorf("%s: replace %d, changed %v, remove %d, and we say %v", what, a.Replace, a.Changed, a.Remove, slices.Sorted(maps.Keys(says)))
	}
}

func glanceFile(glance string) string { return fmt.Sprintf("testdata/glance-%s.jsonl.gz", glance) }

func recordGlance(t *testing.T, devcloud, glance string) {
	t.Helper()
	dir, err := filepath.Abs(oracle.Devcloud(t, "the real Glance is not asked"))
	if err != nil {
		t.Fatal(err)
	}
	cases := glanceCases()
	asked := make([]glanceAnswer, len(cases))
	for i, p := range cases {
		asked[i].Props = p
	}
	out := oracle.Ask(t, devcloud, "test/oracle/glance_properties.py", oracle.Lines(t, asked), "OS_CLIENT_CONFIG_FILE="+filepath.Join(dir, devcloud, "clouds.yaml"))
	dec := json.NewDecoder(bytes.NewReader(out))
	var release struct {
		Glance string `json:"glance"`
	}
	if err := dec.Decode(&release); err != nil || release.Glance != glance {
		t.Fatalf("the devcloud %s has Glance %s, want %s (%v)", devcloud, release.Glance, glance, err)
	}
	answers := oracle.Decode[glanceAnswer](t, dec, len(cases))
	for i, p := range cases {
		answers[i].Props = p
	}
	writeLines(t, glanceFile(glance), answers)
}

// readLines reads a compressed file of JSON lines.
func readLines[T any](t *testing.T, name string) []T {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var all []T
	s := bufio.NewScanner(z)
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		var v T
		if err := json.Unmarshal(s.Bytes(), &v); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		all = append(all, v)
	}
	if err := s.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// writeLines is the inverse of readLines.
func writeLines[T any](t *testing.T, name string, all []T) {
	t.Helper()
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	enc := json.NewEncoder(z)
	enc.SetEscapeHTML(false)
	for _, v := range all {
		if err := enc.Encode(v); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

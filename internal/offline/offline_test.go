package offline

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"glance-profile/internal/plan"
)

// readAll reads a listing and returns its records, and the error that ended it.
func readAll(text string) ([]Record, error) {
	var list []Record
	for r, err := range Read(strings.NewReader(text)) {
		if err != nil {
			return list, err
		}
		list = append(list, r)
	}
	return list, nil
}

func TestReadKnowsTheFormsOfAListing(t *testing.T) {
	const a = `{"id":"1","name":"a","os_distro":"ubuntu","min_disk":3,"tags":["y","x"],"file":"/v2/images/1/file","kernel_id":null,"os_hidden":true}`
	const b = `{"id":"2","name":null,"hw_disk_bus":"scsi"}`
	for _, c := range []struct{ name, text string }{
		{"page", `{"schema":"s","images":[` + a + `,` + b + `],"first":"/v2/images"}`},
		{"two pages", `{"images":[` + a + `],"next":"/v2/images?marker=1"}` + "\n" + `{"images":[` + b + `]}`},
		{"list", "[\n  " + a + ",\n  " + b + "\n]\n"},
		{"lines", a + "\n" + b + "\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := readAll(c.text)
			if err != nil || len(got) != 2 {
				t.Fatalf("%v, %v", got, err)
			}
			first, second := got[0].Image, got[1].Image
			if first.ID != "1" || first.Name != "a" || first.MinDisk != 3 || !first.Hidden || !reflect.DeepEqual(first.Tags, []string{"x", "y"}) || !reflect.DeepEqual(first.Nulls, []string{"kernel_id"}) {
				t.Errorf("%+v", first)
			}
			if !maps.Equal(first.Properties, map[string]string{"os_distro": "ubuntu"}) || !maps.Equal(second.Properties, map[string]string{"hw_disk_bus": "scsi"}) || !second.Unnamed {
				t.Errorf("%+v %+v", first, second)
			}
		})
	}
}

// The client's own form has the properties in a member, and some of them
// changed.
func TestReadKnowsWhatTheClientMakesOfProperties(t *testing.T) {
	const shown = `{"id": "1", "name": "a", "min_ram": 0, "tags": [], "properties": {"os_hidden": false, "os_hash_algo": "sha512",
		"os_distro": "Ubuntu", "hw_boot_menu": true, "hw_cpu_cores": 4, "min_ram": "2048", "stores": "fast"}}`
	got, err := readAll(shown)
	if err != nil || len(got) != 1 {
		t.Fatal(got, err)
	}
	if r := got[0]; !maps.Equal(r.Image.Properties, map[string]string{"os_distro": "Ubuntu"}) || !slices.Equal(r.Unknown, []string{"hw_boot_menu", "hw_cpu_cores"}) || r.Image.HashAlgo != "sha512" {
		t.Errorf("%+v", r)
	}
}

func TestReadRefuses(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"a listing without properties", `[{"ID": "1", "Name": "a", "Status": "active"}]`, "image 1: it is as `openstack image list` prints it"},
		{"something else", `{"a": 1}`, "image 1: not an image record"},
		{"a number", `3`, "image 1: found"},
		{"text", `"x"`, "image 1: found"},
		{"broken off", `[{"id":"1"},{"id":`, "image 2: unexpected EOF"},
		{"a wrong type", `[{"id":"1"},{"id":"2","min_disk":"3"}]`, `image 2: "min_disk": a whole number is wanted`},
		{"old clients' tags", `{"id":"1","tags":""}`, `image 1: "tags": a list of texts is wanted`},
		{"a truth value as text", `{"id":"1","protected":"false"}`, `image 1: "protected": true or false is wanted`},
		{"a time as a number", `{"id":"1","created_at":1}`, `image 1: "created_at": a text is wanted`},
		{"nothing", "", "it is empty"},
		{"blanks", " \n", "it is empty"},
		{"UTF-16", "\xff\xfe[\x00]\x00", "it is UTF-16"},
		{"UTF-16 the other way round", "\xfe\xff\x00[\x00]", "it is UTF-16"},
		{"no list of images", `{"images": 3}`, "image 1: not an image record"},
		{"more pages", `{"images":[{"id":"1"}],"next":"/v2/images?marker=1"}`, "next page"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := readAll(c.text); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %s", err, c.want)
			}
		})
	}
	if _, err := readAll(`{"images":[{"id":"1"}],"next":"x"}`); !errors.Is(err, ErrMorePages) {
		t.Error(err)
	}
}

func set(property string, before, after any) plan.Change {
	return plan.Change{Property: property, Before: before, After: after}
}

func TestEditKeepsOrderAndForm(t *testing.T) {
	changes := []plan.Change{set("os_distro", "Ubuntu", "ubuntu"), set("os_distr", "x", nil), set("os_version", nil, "22.04"), set("name", "a", "b")}
	for _, c := range []struct{ name, in, want string }{
		{"list", `[{"os_distr":"x","id":"1","os_distro":"Ubuntu","x":12345678901234567890,"n":1.0}, {"id":"2"}]`,
			"[\n" + `{"id":"1","os_distro":"ubuntu","x":12345678901234567890,"n":1.0,"os_version":"22.04"}` + ",\n" + `{"id":"2","os_distro":"ubuntu","os_version":"22.04"}` + "\n]\n"},
		{"pretty", "[{\n  \"id\": \"1\",\n  \"os_distro\": \"Ubuntu\",\n  \"os_distr\": \"x\"\n}]",
			"[\n{\n  \"id\": \"1\",\n  \"os_distro\": \"ubuntu\",\n  \"os_version\": \"22.04\"\n}\n]\n"},
		{"page", `{"schema":"s","images":[{"id":"1","os_distro":"Ubuntu"}],"first":"f<"}`,
			`{"schema":"s","images":[` + "\n" + `{"id":"1","os_distro":"ubuntu","os_version":"22.04"}` + "\n" + `],"first":"f<"}` + "\n"},
		{"nested", `{"id":"1","properties":{"os_distro":"Ubuntu","hw_boot_menu":true},"tags":[]}`,
			`{"id":"1","properties":{"os_distro":"ubuntu","hw_boot_menu":true,"os_version":"22.04"},"tags":[]}` + "\n"},
		{"lines", `{"id":"1","os_distro":"Ubuntu"}` + "\n" + `{"id":"2","os_distr":"x"}`,
			`{"id":"1","os_distro":"ubuntu","os_version":"22.04"}` + "\n" + `{"id":"2","os_distro":"ubuntu","os_version":"22.04"}` + "\n"},
		{"no property left", `{"name":"a","properties":{ "os_distr":"x" }}`, `{"name":"a","properties":{ "os_distro":"ubuntu", "os_version":"22.04" }}` + "\n"},
		{"nothing", ``, ``},
		{"empty", `[]`, "[\n]\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out bytes.Buffer
			err := Edit(strings.NewReader(c.in), &out, func(r Record) ([]byte, error) { return r.Edited(plan.Image{Changes: changes}), nil })
			if err != nil || out.String() != c.want {
				t.Errorf("%v\ngot  %q\nwant %q", err, out.String(), c.want)
			}
		})
	}
}

// Whatever is read and written back unchanged is the same data.
func FuzzEdit(f *testing.F) {
	f.Add(`[{"id":"1","a":"b"},{"id":"2"}]`, "a", "c")
	f.Add(`{"images":[{"id":"1"}],"next":""}`, "x", "y")
	f.Add(`{"id":"1","properties":{"a":"b" , "c" : true}}`, "a", "<")
	f.Add("{\"id\":\"1\"}\n{\"id\":\"2\", \"\\u0061\":\"é\"}", "é", "")
	f.Fuzz(func(t *testing.T, text, name, value string) {
		var same, changed bytes.Buffer
		n := 0
		err := Edit(strings.NewReader(text), &same, func(r Record) ([]byte, error) { n++; return r.Edited(plan.Image{}), nil })
		if err != nil {
			return
		}
		if before, after := decodeAll(t, text), decodeAll(t, same.String()); !reflect.DeepEqual(before, after) {
			t.Fatalf("%q became %q", text, same.String())
		}
		if plan.IsBase(name) || !json.Valid([]byte(encode(name))) {
			return
		}
		edit := func(r Record) ([]byte, error) {
			return r.Edited(plan.Image{Changes: []plan.Change{set(name, nil, value)}}), nil
		}
		if err := Edit(strings.NewReader(text), &changed, edit); err != nil {
			t.Fatal(err)
		}
		decodeAll(t, changed.String())
	})
}

func decodeAll(t *testing.T, text string) []any {
	t.Helper()
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	var all []any
	for {
		var v any
		if err := dec.Decode(&v); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatalf("%q is no JSON: %v", text, err)
		}
		all = append(all, v)
	}
}

// generated is a listing of n images, made while it is read.
type generated struct {
	n, i int
	rest []byte
}

func (g *generated) Read(p []byte) (int, error) {
	if len(g.rest) == 0 {
		if g.i == g.n {
			return 0, io.EOF
		}
		g.rest = fmt.Appendf(nil, `{"id":"00000000-0000-4000-8000-%012d","name":"image %d","status":"active","os_distro":"Ubuntu","os_version":"22.04.%d LTS","hw_disk_bus":"VirtIO","description":%q}`+"\n",
			g.i, g.i, g.i%5, strings.Repeat("x", 300))
		g.i++
	}
	n := copy(p, g.rest)
	g.rest = g.rest[n:]
	return n, nil
}

func BenchmarkEdit(b *testing.B) {
	err := Edit(&generated{n: b.N}, io.Discard, func(r Record) ([]byte, error) {
		return r.Edited(plan.Image{Changes: []plan.Change{set("os_distro", "Ubuntu", "ubuntu")}}), nil
	})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "images/s")
}

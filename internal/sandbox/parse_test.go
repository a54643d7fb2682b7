package sandbox

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

func TestReadPointer(t *testing.T) {
	for pointer, want := range map[string]string{
		"/a": "a", "/a~1b": "a/b", "/~01": "~1", "/ a ": "a", "//": "refused", "a": "refused", "/a/": "refused",
		"/a//b": "refused", "/a~2": "refused", "/a~": "refused", "/": "", "/a/b": "a,b", "/tags/-": "tags,-",
	} {
		parts, err := readPointer(pointer)
		got := strings.Join(parts, ",")
		if err != nil {
			got = "refused"
		}
		if got != want {
			t.Errorf("%q: got %q, want %q", pointer, got, want)
		}
	}
}

func TestSplitQuoted(t *testing.T) {
	for text, want := range map[string][]string{
		`a,b`: {"a", "b"}, `"a,b",c`: {"a,b", "c"}, `a`: {"a"}, ``: nil, `"a\"b"`: {`a\"b`}, `a,,b`: {"a", "", "b"},
	} {
		if got, err := splitQuoted(text); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: got %q, %v, want %q", text, got, err, want)
		}
	}
	for _, text := range []string{`"a`, `a"b"`, `"a"b`} {
		if got, err := splitQuoted(text); err == nil {
			t.Errorf("%q is taken as %q", text, got)
		}
	}
}

func TestRepr(t *testing.T) {
	for text, want := range map[string]string{
		`null`: "None", `true`: "True", `1.5`: "1.5", `"it's"`: `"it's"`, `"a\nb"`: `'a\nb'`, `"\""`: `'"'`,
		`["a",1]`: "['a', 1]", `{"b":1,"a":null}`: "{'a': None, 'b': 1}", `"\u00e9\u0007"`: `'é\x07'`, `"'\""`: `'\'"'`,
	} {
		decoder := json.NewDecoder(strings.NewReader(text))
		decoder.UseNumber()
		var value any
		if err := decoder.Decode(&value); err != nil {
			t.Fatal(err)
		}
		if got := repr(value); got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
}

func TestAcceptable(t *testing.T) {
	for accept, want := range map[string]string{
		"*/*": "text/html", "application/json": "application/json", "text/plain": "text/plain", "": "text/plain",
		"application/json, */*": "text/html", "application/json, text/html;q=0.5": "application/json",
		"application/*": "application/json", "text/html;q=0": "text/plain", "nonsense;;": "text/plain",
	} {
		if got := acceptable([]string{accept}); got != want {
			t.Errorf("%q: got %s, want %s", accept, got, want)
		}
	}
	if got := acceptable(nil); got != "text/plain" {
		t.Errorf("no header: got %s", got)
	}
}

// A range that is taken lies within the image, whatever the header says.
func FuzzReadRange(f *testing.F) {
	for _, header := range []string{"bytes=0-1", "bytes=-5", "bytes=5-", "bytes=9223372036854775807-", "bytes=-9223372036854775808", "bytes = 1 - 2", "bytes=7-9223372036854775807"} {
		f.Add(header, int64(10))
	}
	f.Fuzz(func(t *testing.T, header string, size int64) {
		if size < 0 {
			return
		}
		from, to, err := readRange(header, size)
		if err == nil && (from < 0 || from > to || to > size) {
			t.Errorf("%q of %d bytes: %d to %d", header, size, from, to)
		}
	})
}

// What a client sends as JSON never makes the service fall over, and what is
// taken can be taken back from the record.
func FuzzCheckNew(f *testing.F) {
	for _, body := range []string{`{"name":"x","tags":["a"]}`, `{"min_disk":1e400}`, `{"min_disk":-0}`, `{"kernel_id":null}`, `{"size":[]}`} {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		decoder := json.NewDecoder(strings.NewReader(body))
		decoder.UseNumber()
		var image map[string]any
		if decoder.Decode(&image) != nil || checkNew(image) != nil {
			return
		}
		r := &record{status: queued, properties: map[string]*string{}}
		for name, value := range image {
			if slices.Contains(readOnlyCreate, name) || name == "id" || name == "locations" {
				continue
			}
			if r.set(name, value) != nil {
				return
			}
		}
		if r.storable(nil) != nil {
			return
		}
		view := r.view(&token{})
		for name, value := range image {
			if custom, isText := value.(string); isText && fieldNamed(name) == nil {
				if got, _ := view[name].(*string); text(got) != custom {
					t.Errorf("%s is %v, not %q", name, view[name], custom)
				}
			}
		}
	})
}

// A patch is taken or refused, and never more than that.
func FuzzPatch(f *testing.F) {
	for _, body := range []string{
		`{"op":"add","path":"/a","value":"b"}`, `{"op":"remove","path":"/a~1b"}`, `{"op":"replace","path":"/tags","value":["x"]}`,
		`{"op":"add","path":"/min_disk","value":5}`, `{"op":"add","path":"/locations/-","value":{}}`, `{"add":"/x","value":null}`,
	} {
		f.Add(body)
	}
	admin := &token{roles: []string{"admin"}, scope: scope{project: "admin"}}
	f.Fuzz(func(t *testing.T, body string) {
		decoder := json.NewDecoder(strings.NewReader(body))
		decoder.UseNumber()
		var raw any
		if decoder.Decode(&raw) != nil {
			return
		}
		for _, kind := range []string{patchDraft4, patchDraft10} {
			step, err := readChange(raw, kind)
			if err != nil {
				continue
			}
			r := &record{status: queued, visibility: "private", properties: map[string]*string{"a": new("b")}}
			if r.apply(admin, step, kind == patchDraft4) == nil && r.storable(r.clone()) == nil {
				r.view(admin)
			}
		}
	})
}

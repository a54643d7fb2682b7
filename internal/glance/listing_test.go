package glance_test

import (
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	"glance-profile/internal/glance"
)

// decoded returns the ids of a saved listing's images, and the error at its end.
func decoded(text string) (ids string, err error) {
	for img, err := range glance.DecodeListing(strings.NewReader(text)) {
		if err != nil {
			return ids, err
		}
		ids += img.ID
	}
	return ids, nil
}

func TestDecodeListing(t *testing.T) {
	for name, text := range map[string]string{
		"Glance's answer":               `{"images":[{"id":"1"},{"id":"2"},{"id":"3"}],"schema":"/v2/schemas/images","first":"/v2/images"}`,
		"its members the other way":     `{"first":"/v2/images","next":null,"schema":"s","images":[{"id":"1"},{"id":"2"},{"id":"3"}]}`,
		"several pages":                 `{"images":[{"id":"1"},{"id":"2"}],"next":"/v2/images?marker=2"}` + "\n" + `{"images":[{"id":"3"}]}`,
		"an array":                      ` [ {"id":"1"}, {"id":"2"}, {"id":"3"} ] `,
		"lines":                         `{"id":"1"}` + "\n" + `{"name":"n","id":"2"}` + "\r\n\n" + `{"id":"3"}`,
		"a property named images":       `{"id":"1","images":"text"}{"images":null,"id":"2"}{"id":"3","next":"text"}`,
		"an array, then a page, a line": `[{"id":"1"}]{"images":[{"id":"2"}]}{"id":"3"}`,
	} {
		if ids, err := decoded(text); ids != "123" || err != nil {
			t.Errorf("%s: %q, %v", name, ids, err)
		}
	}
	for _, text := range []string{"", " \n", "[]", `{"images":[]}`} {
		if ids, err := decoded(text); ids != "" || err != nil {
			t.Errorf("%q: %q, %v", text, ids, err)
		}
	}
}

func TestDecodeListingKeepsWhatOneRecordHolds(t *testing.T) {
	const record = `{"id":"1","name":null,"images":"a \"text\"","metadata":"m","tags":["b","a"],"size":9007199254740993,"kernel_id":null}`
	for _, text := range []string{record, "[" + record + "]", `{"images":[` + record + `]}`} {
		for img, err := range glance.DecodeListing(strings.NewReader(text)) {
			if err != nil {
				t.Fatal(err)
			}
			if !img.Unnamed || img.Properties["images"] != `a "text"` || img.Properties["metadata"] != "m" || *img.Size != 9007199254740993 ||
				strings.Join(img.Tags, "") != "ab" || len(img.Properties) != 2 {
				t.Errorf("%s: %+v", text, img)
			}
		}
	}
}

func TestDecodeListingRefuses(t *testing.T) {
	for text, want := range map[string]string{
		`{"images":[{"id":"1"},{"id":"2"}`: "image 3: unexpected EOF",
		`[{"id":"1"},`:                     "image 2",
		`{"id":"1"`:                        "image 1: unexpected EOF",
		`{"id":"1"}{"name":"x"}`:           "image 2: image record without an id",
		`[{"id":"1","min_disk":"3"}]`:      "min_disk",
		`"text"`:                           "image 1: found",
		`[1]`:                              "image 1",
		`{"images":{"id":"1"}}`:            "images is no list",
		`<html>`:                           "image 1",
		`{"id":"1","properties":{"os_type":"x"}}`:  "GET /v2/images",
		`{"error":{"code":401,"message":"token"}}`: "without an id",
	} {
		if _, err := decoded(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
	ids, err := decoded(`{"images":[{"id":"1"}],"next":"/v2/images?marker=1"}`)
	if ids != "1" || !errors.Is(err, glance.ErrMorePages) {
		t.Errorf("a page that has a next one: %q, %v", ids, err)
	}
}

func TestDecodeListingStops(t *testing.T) {
	n := 0
	for range glance.DecodeListing(strings.NewReader(`{"images":[{"id":"1"},{"id":"2"}],"next":"x"}`)) {
		n++
		break
	}
	if n != 1 {
		t.Errorf("%d images", n)
	}
}

// A listing of 40 MB needs no more memory than a few of its records.
func TestDecodeListingHoldsOneImage(t *testing.T) {
	reader, writer := io.Pipe()
	go func() {
		padding := strings.Repeat("x", 100_000)
		fmt.Fprint(writer, `{"images":[`)
		for i := range 400 {
			fmt.Fprintf(writer, `{"id":"%d","padding":"%s"},`, i, padding)
		}
		fmt.Fprint(writer, `{"id":"last"}]}`)
		writer.Close()
	}()
	var last string
	var peak uint64
	count := 0
	for img, err := range glance.DecodeListing(reader) {
		if err != nil {
			t.Fatal(err)
		}
		last = img.ID
		if count++; count%40 == 0 {
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			peak = max(peak, m.HeapAlloc)
		}
	}
	if count != 401 || last != "last" {
		t.Errorf("%d images, the last %s", count, last)
	}
	if peak > 16<<20 {
		t.Errorf("%d MiB were held", peak>>20)
	}
}

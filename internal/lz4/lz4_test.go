package lz4

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
)

// TestBlock gives blocks as the description of the format lays them out: a
// token, literals, two bytes that say how far back, and lengths that go on.
func TestBlock(t *testing.T) {
	long := "\xf0\xff\x02" + strings.Repeat("a", 15+255+2)
	for name, c := range map[string]struct {
		src  string
		room int
		want string // "-": refused
	}{
		"literals":               {"\x30abc", 3, "abc"},
		"nothing":                {"", 3, ""},
		"a match":                {"\x30abc\x03\x00\x10x", 8, "abcabcax"},
		"one that overlaps":      {"\x10a\x01\x00\x10x", 6, "aaaaax"},
		"long literals":          {long, 272, strings.Repeat("a", 272)},
		"long match":             {"\x1fa\x01\x00\x01\x10x", 22, strings.Repeat("a", 21) + "x"},
		"more than the room":     {"\x30abc", 2, "-"},
		"a match beyond it":      {"\x30abc\x03\x00\x10x", 6, "-"},
		"long beyond it":         {long, 271, "-"},
		"literals cut":           {"\x30ab", 9, "-"},
		"back cut":               {"\x10a\x01", 9, "-"},
		"back to itself":         {"\x10a\x00\x00", 9, "-"},
		"back before its begin":  {"\x10a\x02\x00", 9, "-"},
		"a length without end":   {"\xf0\xff\xff", 9999, "-"},
		"a match without length": {"\x1fa\x01\x00", 9999, "-"},
	} {
		got, err := Block(make([]byte, 0, c.room), []byte(c.src))
		if refused := errors.Is(err, ErrDamaged); refused != (c.want == "-") || !refused && string(got) != c.want {
			t.Errorf("%s: %q, %v; want %q", name, got, err, c.want)
		}
	}
}

func FuzzBlock(f *testing.F) {
	f.Add([]byte("\x30abc\x03\x00\x10x"), 8)
	f.Add([]byte("\x1fa\x01\x00\x01\x10x"), 22)
	f.Fuzz(func(t *testing.T, src []byte, room int) {
		room &= 1<<16 - 1
		dst := make([]byte, 0, room)
		got, err := Block(dst, src)
		if err == nil && (len(got) > room || len(got) > 0 && &got[0] != &dst[:1][0]) {
			t.Errorf("%d bytes, in a room for %d", len(got), room)
		}
	})
}

// TestReader reads frames, one after another, as cat makes them of two.
func TestReader(t *testing.T) {
	const block = "\x08\x00\x00\x00\x30abc\x03\x00\x10x"
	for src, want := range map[string]string{
		block:                              "abcabcax",
		block + block:                      "abcabcaxabcabcax",
		block + "\x02\x21\x4c\x18" + block: "abcabcaxabcabcax",
		block + "\x00\x00\x00\x00":         "abcabcax",
		block + "\x00":                     "abcabcax",
		"":                                 "",
	} {
		got, err := io.ReadAll(NewReader(strings.NewReader(src)))
		if err != nil || string(got) != want {
			t.Errorf("%q: %q, %v", src, got, err)
		}
	}
	for _, src := range []string{block[:6], "\xff\xff\xff\x7f", "\x02\x00\x00\x00\x30a"} {
		if _, err := io.ReadAll(NewReader(bytes.NewReader([]byte(src)))); !errors.Is(err, ErrDamaged) {
			t.Errorf("%q: %v", src, err)
		}
	}
}

package spelling

import (
	"strings"
	"testing"
)

func TestDistance(t *testing.T) {
	for _, test := range []struct {
		a, b        string
		limit, want int
	}{
		{"", "", 0, 0},
		{"debian", "debian", 2, 0},
		{"debian", "debain", 2, 1}, // neighbours swapped
		{"debian", "deban", 2, 1},
		{"debian", "debiaan", 2, 1},
		{"debian", "debjan", 2, 1},
		{"größe", "grösse", 2, 2},
		{"debian", "ubuntu", 2, 3}, // above the limit
		{"a", strings.Repeat("a", 1000), 4, 5},
	} {
		for _, pair := range [][2]string{{test.a, test.b}, {test.b, test.a}} {
			if got := Distance(pair[0], pair[1], test.limit); got != test.want {
				t.Errorf("Distance(%q, %q, %d) = %d, want %d", pair[0], pair[1], test.limit, got, test.want)
			}
		}
	}
}

func TestQuote(t *testing.T) {
	for text, want := range map[string]string{
		"":                         `""`,
		"a\x1b[31m\nb":             `"a\x1b[31m\nb"`,
		strings.Repeat("ä", 60):    `"` + strings.Repeat("ä", 60) + `"`,
		strings.Repeat("ä", 61):    `"` + strings.Repeat("ä", 60) + `"…`,
		strings.Repeat("x", 1<<20): `"` + strings.Repeat("x", 60) + `"…`,
	} {
		if got := Quote(text); got != want {
			t.Errorf("Quote of %d bytes = %s, want %s", len(text), got, want)
		}
	}
}

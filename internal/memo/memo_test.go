package memo

import (
	"strconv"
	"strings"
	"testing"
)

func TestOf(t *testing.T) {
	var m Of[int]
	asked := 0
	find := func() int { asked++; return asked }
	for i, c := range []struct {
		text string
		want int
	}{{"a", 1}, {"a", 1}, {"b", 2}, {"a", 1}, {strings.Repeat("x", maxText+1), 3}, {strings.Repeat("x", maxText+1), 4}} {
		if got := m.Get(c.text, find); got != c.want {
			t.Errorf("%d: %d, want %d", i, got, c.want)
		}
	}
	for i := range 2 * maxEntries {
		m.Get(strconv.Itoa(i), find)
	}
	if n := m.n.Load(); n > maxEntries {
		t.Errorf("%d entries", n)
	}
	if m.Get("a", find) != 1 {
		t.Error("what was there first is forgotten")
	}
}

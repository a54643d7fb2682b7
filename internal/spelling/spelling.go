// Package spelling compares and writes out texts that somebody typed.
package spelling

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Distance is the number of single-character edits (insertion, removal,
// replacement, swap of neighbours) between two texts, or limit+1 once it is
// above limit.
func Distance(a, b string, limit int) int {
	x, y := []rune(a), []rune(b)
	if len(x)-len(y) > limit || len(y)-len(x) > limit {
		return limit + 1
	}
	var before []int
	row := make([]int, len(y)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(x); i++ {
		next := make([]int, len(y)+1)
		next[0] = i
		for j := 1; j <= len(y); j++ {
			cost := 1
			if x[i-1] == y[j-1] {
				cost = 0
			}
			next[j] = min(row[j]+1, next[j-1]+1, row[j-1]+cost)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				next[j] = min(next[j], before[j-2]+1)
			}
		}
		if slices.Min(next) > limit {
			return limit + 1
		}
		before, row = row, next
	}
	return min(row[len(y)], limit+1)
}

// Quote makes text fit for one line of a message: quoted, without control
// characters, and not longer than people read.
func Quote(text string) string {
	const most = 60
	if utf8.RuneCountInString(text) > most {
		cut := 0
		for i := range text {
			if cut++; cut > most {
				return strconv.Quote(text[:i]) + "…"
			}
		}
	}
	return strconv.Quote(text)
}

// Name is a name for a message: as it stands, or as Quote writes it where it is
// not printable, or long.
func Name(name string) string {
	quoted := Quote(name)
	if name != "" && quoted == `"`+name+`"` {
		return name
	}
	return quoted
}

// Hint returns what to add to a message on a name that is not known: the known
// names that are spelled like it, or "".
func Hint(name string, known []string) string {
	var near []string
	for _, k := range known {
		limit := 1 + len(k)/5
		if Distance(strings.ToLower(name), k, limit) <= limit || len(name) > 2 && strings.Contains(k, strings.ToLower(name)) {
			near = append(near, k)
		}
	}
	if len(near) == 0 || len(near) > 5 {
		return ""
	}
	return "; meant is perhaps " + strings.Join(near, " or ")
}

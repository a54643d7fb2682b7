package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/uuid"

	glanceapi "glance-profile/internal/glance"
)

// wild reads the property sets found in the wild, by their numbers.
func wild(t *testing.T) []struct {
	N          int
	Name       string
	Properties map[string]string
} {
	t.Helper()
	var sets []struct {
		N          int
		Name       string
		Properties map[string]string
	}
	eachLine(t, "wild.jsonl", func(line string) {
		sets = append(sets, struct {
			N          int
			Name       string
			Properties map[string]string
		}{})
		if err := json.Unmarshal([]byte(line), &sets[len(sets)-1]); err != nil {
			t.Fatal(err)
		}
	})
	return sets
}

func eachLine(t *testing.T, name string, do func(string)) {
	t.Helper()
	file, err := os.Open(filepath.Join("../../internal/normalize/testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		do(lines.Text())
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
}

// A mixed catalogue of 300 images, with the properties that people have given
// theirs: each value becomes what its label says, all others stay, a second run
// has nothing to do, and a rollback puts everything back.
func TestNormalizeCatalogue(t *testing.T) {
	c := devcloud(t, "2025.1")
	const images = 300
	right := map[string]string{} // by number and property
	eachLine(t, "wild-labels.tsv", func(line string) {
		columns := strings.Split(line, "\t")
		if value, ok := strings.CutPrefix(columns[3], "-> "); ok {
			right[columns[0]+" "+columns[1]] = value
		}
	})
	prefix := fmt.Sprintf("e2e-wild-%s ", uuid.NewString()[:8])
	t.Cleanup(func() {
		for id := range states(c, prefix) {
			_ = c.admin.Delete(context.Background(), id)
		}
	})
	numbers := map[string]int{} // by id
	changes := 0
	for _, set := range wild(t) {
		if len(numbers) == images {
			break
		}
		record := glanceapi.Record{"name": prefix + set.Name, "disk_format": "qcow2", "container_format": "bare"}
		for name, value := range set.Properties {
			record[name] = value
		}
		made, err := c.admin.Create(t.Context(), record)
		if err != nil {
			continue // what today's Glance does not take any more
		}
		numbers[made.ID] = set.N
	}
	if len(numbers) < images {
		t.Fatalf("only %d images could be made", len(numbers))
	}
	before := states(c, prefix)
	journal := filepath.Join(t.TempDir(), "journal.jsonl")
	ok(t, start(t, c, "ADMIN", "-q", "normalize", "--where", "name~"+prefix+"*", "--yes", "--jobs", "8", "--journal", journal))
	for id, img := range states(c, prefix) {
		want := maps.Clone(before[id].Properties)
		for name := range right {
			if property, ok := strings.CutPrefix(name, fmt.Sprint(numbers[id])+" "); ok {
				want[property] = right[name]
				changes++
			}
		}
		for name, value := range want {
			if proper := strings.ReplaceAll(name, "-", "_"); proper != name && want[proper] == value {
				continue // a misspelt name gives way to the right one
			}
			if img.Properties[name] != value {
				t.Errorf("image %d (%s): %s is %q, want %q", numbers[id], img.Name, name, img.Properties[name], value)
			}
		}
	}
	if changes < 50 {
		t.Errorf("only %d values were to change", changes)
	}
	again := start(t, c, "ADMIN", "normalize", "--where", "name~"+prefix+"*", "--check")
	ok(t, again)
	ok(t, start(t, c, "ADMIN", "-q", "rollback", journal, "--yes", "--jobs", "8"))
	for id, img := range states(c, prefix) {
		if !maps.Equal(img.Properties, before[id].Properties) {
			t.Errorf("image %d is not as it was: %v, was %v", numbers[id], img.Properties, before[id].Properties)
		}
	}
}

package normalize

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"glance-profile/internal/image"
	"glance-profile/internal/plan"
)

// labelled is one of the values that people have judged by hand (see
// testdata/README.md).
type labelled struct {
	image           int
	property, value string
	label, reason   string
}

func readLabels(t *testing.T, path string) []labelled {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var all []labelled
	for line := range strings.Lines(string(data)) {
		line = strings.TrimRight(line, "\n")
		columns := strings.Split(line, "\t")
		if line == "" || strings.HasPrefix(line, "#") || columns[0] == "n" {
			continue
		}
		if len(columns) < 4 {
			t.Fatalf("%s: %q has too few columns", path, line)
		}
		l := labelled{property: columns[1], value: columns[2], label: columns[3]}
		if _, err := fmt.Sscan(columns[0], &l.image); err != nil {
			t.Fatalf("%s: %q: %v", path, line, err)
		}
		if len(columns) > 4 {
			l.reason = columns[4]
		}
		all = append(all, l)
	}
	return all
}

// corpus are the images of a file, by their number.
func corpus(t testing.TB, path string) map[int]image.Image {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	images := map[int]image.Image{}
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		var record struct {
			N          int
			Name       *string
			DiskFormat *string `json:"disk_format"`
			Properties map[string]string
		}
		if err := json.Unmarshal(lines.Bytes(), &record); err != nil {
			t.Fatal(err)
		}
		img := image.Image{ID: fmt.Sprint(record.N), Properties: record.Properties}
		if record.Name != nil {
			img.Name = *record.Name
		}
		if record.DiskFormat != nil {
			img.DiskFormat = *record.DiskFormat
		}
		images[record.N] = img
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return images
}

// Of the values of real catalogues that people have judged, none is changed
// otherwise than they say, and of those with one reading nearly all are
// settled.
func TestLabels(t *testing.T) {
	for _, set := range labelledSets {
		t.Run(set.name, func(t *testing.T) { testLabels(t, set.name, set.single) })
	}
}

// labelledSets are the files of testdata, and how many labels of a single
// reading, and of what must be inferred, they have at least.
var labelledSets = []struct {
	name         string
	single, must int
}{{"wild", 100, 300}, {"held-out", 100, 100}, {"held-out-found", 30, 80}}

func testLabels(t *testing.T, set string, least int) {
	images := corpus(t, "testdata/"+set+".jsonl")
	n, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	plans := map[int]plan.Image{}
	reports := map[int][]Report{}
	for number, img := range images {
		plans[number], reports[number] = n.Image(img)
	}
	wrong, single, settled, unreported := 0, 0, 0, 0
	labels := map[string]bool{}
	for _, l := range readLabels(t, "testdata/"+set+"-labels.tsv") {
		labels[fmt.Sprint(l.image, l.property)] = true
		var after any = "(absent)"
		changed := false
		for _, c := range plans[l.image].Changes {
			if c.Property == l.property {
				changed = true
				if c.After != nil {
					after = c.After
				}
			}
		}
		says := fmt.Sprintf("image %d (%s): %s=%s is labelled %q (%s)", l.image, images[l.image].Name, l.property, l.value, l.label, l.reason)
		want, isSingle := strings.CutPrefix(l.label, "-> ")
		if isSingle {
			single++
		}
		switch {
		case changed && after != want:
			wrong++
			t.Errorf("%s, and becomes %v", says, after)
		case isSingle && changed:
			settled++
		case isSingle:
			t.Logf("not settled: %s: %v", says, reports[l.image])
		case l.label[0] == '?' || l.label[0] == '!':
			if !slices.ContainsFunc(reports[l.image], func(r Report) bool { return r.Property == l.property }) {
				unreported++
				t.Logf("%s, and is not reported: %v", says, reports[l.image])
			}
		}
	}
	for number, p := range plans {
		for _, c := range p.Changes {
			if !labels[fmt.Sprint(number, c.Property)] && c.After != nil { // what is removed was a misspelt name
				t.Errorf("image %d (%s): %s becomes %v, and has no label", number, images[number].Name, c.Property, c.After)
			}
		}
	}
	t.Logf("%d values with one reading, %d settled (%.1f %%), %d wrong, %d not reported", single, settled, 100*float64(settled)/float64(single), wrong, unreported)
	if unreported > 5 {
		t.Errorf("%d values that are to be reported are not", unreported)
	}
	if single < least || float64(settled) < 0.97*float64(single) {
		t.Errorf("%d of %d values with one reading are settled", settled, single)
	}
}

// What is inferred from names and properties is what people have found there,
// and nothing else.
func TestInferredLabels(t *testing.T) {
	for _, set := range labelledSets {
		t.Run(set.name, func(t *testing.T) { testInferredLabels(t, set.name, set.must) })
	}
}

func testInferredLabels(t *testing.T, set string, least int) {
	images := corpus(t, "testdata/"+set+".jsonl")
	plain, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	n, err := New(Options{Infer: true})
	if err != nil {
		t.Fatal(err)
	}
	inferred := map[string]any{}
	for number, img := range images {
		without, _ := plain.Image(img)
		with, _ := n.Image(img)
		for _, c := range with.Changes {
			if c.Before == nil && c.After != nil && !slices.ContainsFunc(without.Changes, func(o plan.Change) bool { return o.Property == c.Property }) {
				inferred[fmt.Sprintf("%d %s", number, c.Property)] = c.After
			}
		}
	}
	must, found := 0, 0
	for _, l := range readLabels(t, "testdata/"+set+"-infer.tsv") { // n, property, value, must or may, where it stands
		key := fmt.Sprintf("%d %s", l.image, l.property)
		got, is := inferred[key]
		delete(inferred, key)
		if l.label == "must" {
			must++
		}
		switch {
		case is && got != l.value:
			t.Errorf("image %d (%s): %s is inferred as %v, and labelled %s (%s)", l.image, images[l.image].Name, l.property, got, l.value, l.reason)
		case is && l.label == "must":
			found++
		case l.label == "must":
			t.Logf("not inferred: image %d (%s) %v: %s=%s (%s)", l.image, images[l.image].Name, images[l.image].Properties, l.property, l.value, l.reason)
		}
	}
	for key, value := range inferred {
		number, _, _ := strings.Cut(key, " ")
		var i int
		fmt.Sscan(number, &i)
		t.Errorf("%s=%v is inferred, and not labelled: %q %v", key, value, images[i].Name, images[i].Properties)
	}
	t.Logf("%d of %d values are inferred (%.1f %%)", found, must, 100*float64(found)/float64(must))
	if must < least || float64(found) < 0.95*float64(must) {
		t.Errorf("%d of %d values are inferred", found, must)
	}
}

package commands

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"glance-profile/internal/normalize"
	"glance-profile/internal/offline"
	"glance-profile/internal/plan"
	"glance-profile/internal/render"
)

// A plan that is printed image by image is the plan that is printed whole.
func TestStreamedPlanIsThePlan(t *testing.T) {
	n, err := normalize.New(normalize.Options{})
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.Open("../internal/normalize/testdata/wild.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	whole := plan.Plan{Version: plan.Version, Command: `glance-profile normalize --where 'a="images": ['`, Images: []plan.Image{}}
	var hardware [][]string
	for rec, err := range offline.Read(file) {
		if err != nil {
			t.Fatal(err)
		}
		if p, _ := n.Image(rec.Image); len(p.Changes) > 0 {
			whole.Images, hardware = append(whole.Images, p), append(hardware, machineDiff(rec.Image, p))
		}
	}
	if len(whole.Images) < 50 {
		t.Fatalf("only %d images are changed", len(whole.Images))
	}
	for _, size := range []int{0, 1, 2, len(whole.Images)} {
		some := whole
		some.Images = whole.Images[:size]
		for name, o := range map[string]render.Options{
			"text": {Format: render.FormatTable}, "json": {Format: render.FormatJSON}, "json on one line": {Format: render.FormatJSON, NoIndent: true},
		} {
			var want, got bytes.Buffer
			var err error
			if o.Format == render.FormatTable {
				err = render.PlanText(&want, some, hardware[:size], true)
			} else {
				err = render.PlanData(&want, some, o)
			}
			if err != nil {
				t.Fatal(err)
			}
			s := render.NewPlanStream(&got, whole.Command, o, true)
			for i, p := range some.Images {
				if err := s.Add(p, hardware[i]); err != nil {
					t.Fatal(err)
				}
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			if got.String() != want.String() {
				t.Errorf("%s of %d images: streamed\n%s\nwhole\n%s", name, size, &got, &want)
			}
		}
	}
}

// probe counts the lines that pass, and measures at some of them what memory is
// in use.
type probe struct {
	lines int
	every int
	used  []uint64 // bytes
}

func (p *probe) Write(b []byte) (int, error) {
	before := p.lines / p.every
	p.lines += bytes.Count(b, []byte("\n"))
	if p.lines/p.every != before {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		p.used = append(p.used, m.HeapAlloc)
	}
	return len(b), nil
}

// A listing of any length passes through in the same memory, even where no two
// images say the same; in its order, with every image there.
func TestListingTakesConstantMemory(t *testing.T) {
	images := 100_000
	if raceDetected {
		images = 20_000 // it takes ten times as long, and as much memory
	}
	in, feed, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	go func() {
		defer feed.Close()
		for i := range images {
			_, err := fmt.Fprintf(feed, `{"id":"00000000-0000-4000-8000-%012d","name":"image %d","os_distro":"Ubuntu","os_version":"22.04 build-%d","mcs_os_distro":"x%d","hw_x%d":"y"}`+"\n", i, i, i, i, i)
			if err != nil {
				return
			}
		}
	}()
	out := &probe{every: images / 10}
	var messages probe
	messages.every = 1 << 30
	env := &Env{In: in, Out: out, Err: &messages, LookupEnv: func(string) (string, bool) { return "", false }, Now: time.Now,
		Args: []string{"normalize", "--from", "-", "--emit", "json"}}
	if code := Run(context.Background(), env); code != 0 {
		t.Fatalf("exit %d", code)
	}
	if out.lines != images {
		t.Errorf("%d lines of %d", out.lines, images)
	}
	if messages.lines < images {
		t.Errorf("%d messages on values that nobody can read, of %d", messages.lines, images)
	}
	const growth, most = 4 << 20, 64 << 20
	first, last := out.used[1], out.used[len(out.used)-1]
	if last > first+growth || last > most {
		t.Errorf("memory in use grew from %d to %d KiB: %d", first>>10, last>>10, out.used)
	}
	t.Logf("%d to %d KiB in use", first>>10, last>>10)
}

func TestEmittedListingKeepsItsOrder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "listing.json")
	var b strings.Builder
	for i := range 3000 {
		fmt.Fprintf(&b, `{"id":"%d","os_type":%q}`+"\n", i, []string{"linux", "Linux"}[i%2])
	}
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, messages bytes.Buffer
	env := &Env{Out: &out, Err: &messages, LookupEnv: func(string) (string, bool) { return "", false }, Now: time.Now, Args: []string{"normalize", "--from", path, "--emit", "json"}}
	if code := Run(context.Background(), env); code != 0 {
		t.Fatalf("exit %d: %s", code, &messages)
	}
	dec := json.NewDecoder(&out)
	for i := range 3000 {
		var record map[string]string
		if err := dec.Decode(&record); err != nil {
			t.Fatal(err)
		}
		if record["id"] != fmt.Sprint(i) || record["os_type"] != "linux" {
			t.Fatalf("record %d: %v", i, record)
		}
	}
}

// The figure is that of the whole way: reading, deciding, writing.
func BenchmarkNormalizeListing(b *testing.B) {
	records, err := os.ReadFile("../internal/normalize/testdata/wild.jsonl")
	if err != nil {
		b.Fatal(err)
	}
	count := bytes.Count(records, []byte("\n"))
	path := filepath.Join(b.TempDir(), "listing.jsonl")
	if err := os.WriteFile(path, bytes.Repeat(records, 40), 0o600); err != nil {
		b.Fatal(err)
	}
	images := 0
	for b.Loop() {
		env := &Env{Out: &probe{every: 1 << 30}, Err: &probe{every: 1 << 30}, LookupEnv: func(string) (string, bool) { return "", false }, Now: time.Now,
			Args: []string{"normalize", "--from", path, "--emit", "json"}}
		if code := Run(context.Background(), env); code != 0 {
			b.Fatalf("exit %d", code)
		}
		images += 40 * count
	}
	b.ReportMetric(float64(images)/b.Elapsed().Seconds(), "images/s")
}

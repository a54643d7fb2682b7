package journal_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"glance-profile/internal/journal"
	"glance-profile/internal/plan"
)

// write makes a journal in dir as a command does.
func write(t *testing.T, dir, verb string, at time.Time, images ...plan.Image) string {
	t.Helper()
	j, err := journal.Create(dir+string(filepath.Separator), verb, "glance-profile "+verb, func() time.Time { return at })
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	for _, img := range images {
		if err := j.Record(img); err != nil {
			t.Fatal(err)
		}
	}
	return j.Path()
}

func at(endpoint, project, id string) plan.Image {
	return plan.Image{Action: plan.ActionChange, Cloud: "c", Endpoint: endpoint, Project: project, ID: id}
}

func TestListAndLast(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "journal")
	if list, err := journal.List(dir); err != nil || len(list) != 0 {
		t.Errorf("a directory that is not there: %v, %v", list, err)
	}
	if _, _, err := journal.Last(dir, "https://a", "p"); !errors.Is(err, journal.ErrNone) {
		t.Errorf("error %v", err)
	}
	ours := write(t, dir, "migrate-virtio", clock().Add(time.Hour), at("https://a/", "p", "1"), at("https://a/", "p", "1"), at("https://a/", "p", "2"))
	write(t, dir, "apply", clock(), at("https://a/", "p", "1"))
	write(t, dir, "apply", clock().Add(2*time.Hour), at("https://a/", "other", "1"))
	write(t, dir, "apply", clock().Add(3*time.Hour), at("https://b/", "p", "1"))
	write(t, dir, "apply", clock().Add(4*time.Hour)) // nothing was begun
	if err := os.WriteFile(filepath.Join(dir, "notes.txt"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}

	list, err := journal.List(dir)
	if err != nil || len(list) != 4 {
		t.Fatalf("%d journals, %v", len(list), err)
	}
	s := list[1]
	if s.Path != ours || s.Verb != "migrate-virtio" || s.Images != 2 || s.Command != "glance-profile migrate-virtio" ||
		!s.Time.Equal(clock().Add(time.Hour)) || len(s.Places) != 1 || s.Places[0].Project != "p" {
		t.Errorf("%+v", s)
	}
	if last, rolledBack, err := journal.Last(dir, "https://a", "p"); err != nil || last.Path != ours || rolledBack {
		t.Errorf("last: %s, rolled back %t, %v", last.Path, rolledBack, err)
	}
	// Taking a run back twice does not bring it about again.
	write(t, dir, "rollback", clock().Add(90*time.Minute), at("https://a/", "other", "1"))
	if last, rolledBack, err := journal.Last(dir, "https://a", "p"); err != nil || last.Path != ours || rolledBack {
		t.Errorf("last: %s, rolled back %t, %v", last.Path, rolledBack, err)
	}
	write(t, dir, "rollback", clock().Add(90*time.Minute), at("https://a/", "p", "1"))
	if last, rolledBack, err := journal.Last(dir, "https://a", "p"); err != nil || last.Path != ours || !rolledBack {
		t.Errorf("last: %s, rolled back %t, %v", last.Path, rolledBack, err)
	}

	// A broken journal does not hide the others, but it is not passed over
	// where it may be the one that is asked for.
	broken := filepath.Join(dir, "20300101T000000Z-apply-0.jsonl")
	if err := os.WriteFile(broken, []byte("{\"version\":9}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if list, err := journal.List(dir); err != nil || len(list) != 7 || list[6].Path != broken || list[6].Err == nil {
		t.Errorf("%+v, %v", list, err)
	}
	if _, _, err := journal.Last(dir, "https://a", "p"); err == nil || !strings.Contains(err.Error(), broken) {
		t.Errorf("error %v", err)
	}
}

func TestImages(t *testing.T) {
	word := func(img plan.Image, result string) plan.Image { img.Result = &result; return img }
	path := write(t, t.TempDir(), "apply", clock(),
		at("e", "p", "1"), at("e", "p", "2"), word(at("e", "p", "2"), plan.ResultDone), at("e", "p", "3"),
		word(at("e", "p", "1"), plan.ResultFailed), at("e", "p", "2"), at("f", "p", "2"),
		word(at("e", "p", "2"), plan.ResultDone), word(at("e", "p", "2"), plan.ResultFailed))
	// The run was cut off while it wrote.
	file, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.WriteString(`{"version":1,"ti`); err != nil {
		t.Fatal(err)
	}
	file.Close()
	entries, err := journal.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, img := range journal.Images(entries) {
		result := "begun"
		if img.Result != nil {
			result = *img.Result
		}
		got = append(got, img.Endpoint+img.ID+" "+result)
	}
	if text := strings.Join(got, ", "); text != "e1 failed, e2 done, e3 begun, e2 failed, f2 begun" {
		t.Errorf("%s", text)
	}
	if _, err := journal.Load(path + "x"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v", err)
	}
}

func TestManyAtOnce(t *testing.T) {
	j, err := journal.Create(t.TempDir()+string(filepath.Separator), "apply", "", clock)
	if err != nil {
		t.Fatal(err)
	}
	var workers sync.WaitGroup
	for w := range 8 {
		workers.Go(func() {
			for n := range 25 {
				if err := j.Record(entry(fmt.Sprint(w, ".", n))); err != nil {
					t.Error(err)
				}
				// What Record has taken is in the file already.
				if data, err := os.ReadFile(j.Path()); err != nil || !strings.Contains(string(data), fmt.Sprintf("%q", fmt.Sprint(w, ".", n))) {
					t.Errorf("line %d of %d is not there (%v)", n, w, err)
				}
			}
		})
	}
	workers.Wait()
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	entries, err := journal.Load(j.Path())
	if err != nil || len(entries) != 200 {
		t.Errorf("%d entries, %v", len(entries), err)
	}
	if err := j.Record(entry("late")); err == nil {
		t.Error("a closed journal took a line")
	}
}

// What a run still does could not be taken back.
func TestLoadEnded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "run.jsonl")
	run, err := journal.Create(path, "apply", "glance-profile apply", clock)
	if err != nil {
		t.Fatal(err)
	}
	if err := run.Record(at("e", "p", "1")); err != nil {
		t.Fatal(err)
	}
	if _, err := journal.LoadEnded(path); runtime.GOOS != "windows" && (err == nil || !strings.Contains(err.Error(), "still going on")) {
		t.Errorf("a journal that is written to: %v", err)
	}
	run.Close()
	if entries, err := journal.LoadEnded(path); err != nil || len(entries) != 1 {
		t.Errorf("%d entries, %v", len(entries), err)
	}
	// A listing without an end of line is no torn journal.
	if err := os.WriteFile(path, []byte(`[{"id":"1"}]`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := journal.LoadEnded(path); err == nil || !strings.Contains(err.Error(), "no line of a journal") {
		t.Errorf("no journal: %v", err)
	}
}

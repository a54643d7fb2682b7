package journal_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"glance-profile/internal/journal"
	"glance-profile/internal/plan"
)

func clock() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }

func entry(id string) plan.Image {
	return plan.Image{Action: plan.ActionChange, ID: id, Changes: []plan.Change{
		{Property: "hw_disk_bus", Before: "ide", After: "virtio", Why: "profile"},
		{Property: "min_disk", Before: int64(0), After: int64(3)},
		{Property: "protected", Before: false, After: true},
		{Property: "tags", Before: nil, After: []string{"a"}},
	}}
}

func TestRecordThenRead(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state", "journal")
	j, err := journal.Create(dir+string(filepath.Separator), "create", "glance-profile create x", clock)
	if err != nil {
		t.Fatal(err)
	}
	if base := filepath.Base(j.Path()); !strings.HasPrefix(base, "20260102T030405Z-create-") || !strings.HasSuffix(base, ".jsonl") {
		t.Errorf("name of the journal: %s", base)
	}
	for _, id := range []string{"1", "2"} {
		if err := j.Record(entry(id)); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(j.Path())
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("mode %v, %v; want 0600", info.Mode(), err)
	}
	file, err := os.Open(j.Path())
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	got, err := journal.Read(file)
	if err != nil || len(got) != 2 {
		t.Fatalf("%d entries, %v", len(got), err)
	}
	changes := got[1].Image.Changes
	if changes[1].After != int64(3) || changes[2].After != true || changes[3].After.([]string)[0] != "a" || changes[3].Before != nil {
		t.Errorf("types were not kept: %#v", changes)
	}
}

func TestTornLastLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "j.jsonl")
	write := func(id string) {
		j, err := journal.Create(path, "create", "", clock)
		if err != nil {
			t.Fatal(err)
		}
		defer j.Close()
		if err := j.Record(entry(id)); err != nil {
			t.Fatal(err)
		}
	}
	read := func() int {
		file, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		got, err := journal.Read(file)
		if err != nil {
			t.Fatal(err)
		}
		return len(got)
	}
	write("1")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	// Cut off at every byte of a second line, the first stays readable, and
	// what is appended afterwards does not run into the remains.
	for cut := range whole {
		if err := os.WriteFile(path, append(whole[:len(whole):len(whole)], whole[:cut]...), 0o600); err != nil {
			t.Fatal(err)
		}
		if n := read(); n != 1 {
			t.Fatalf("cut at %d: %d entries", cut, n)
		}
	}
	write("2")
	if n := read(); n != 2 {
		t.Errorf("%d entries after appending to a torn journal", n)
	}
}

// A slip of the pen must not cost a file.
func TestOtherFilesAreLeftAlone(t *testing.T) {
	for _, text := range []string{"notes without an end", "line\nrest", "{\"version\":1}\nrest", "QFI\xfb"} {
		path := filepath.Join(t.TempDir(), "notes.txt")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := journal.Create(path, "create", "", clock); err == nil {
			t.Errorf("%q was taken for a journal", text)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != text {
			t.Errorf("%q became %q (%v)", text, got, err)
		}
	}
}

func TestOneRunAtATime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "j.jsonl")
	first, err := journal.Create(path, "create", "", clock)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := journal.Create(path, "create", "", clock); err == nil || !strings.Contains(err.Error(), "another run") {
		t.Errorf("a second run got the journal: %v", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	second, err := journal.Create(path, "create", "", clock)
	if err != nil {
		t.Fatal(err)
	}
	second.Close()
}

func TestReadRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"garbage":       "{\"version\":1}\nnonsense\n",
		"other version": "{\"version\":9}\n",
		"bad value":     `{"version":1,"image":{"changes":[{"property":"x","before":1.5}]}}` + "\n",
	} {
		if _, err := journal.Read(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), "line ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

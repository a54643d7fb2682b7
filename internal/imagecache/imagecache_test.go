package imagecache

import (
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

var now = time.Unix(1_700_000_000, 0)

func TestCache(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	c := At(dir, "login")
	if images, at := c.Read(); images != nil || !at.IsZero() {
		t.Errorf("%v %v", images, at)
	}
	want := []Image{{"1", "Ubuntu 24.04: noble"}, {"2", ""}, {"3", "$(id)"}}
	if err := c.Write(append(slices.Clone(want), Image{"4", "two\nlines"}), now); err != nil {
		t.Fatal(err)
	}
	images, at := c.Read()
	if !slices.Equal(images, want) || !at.Equal(now) {
		t.Errorf("%v %v", images, at)
	}
	if images, _ := At(dir, "other").Read(); images != nil {
		t.Errorf("another login's: %v", images)
	}
	if runtime.GOOS != "windows" {
		for path, mode := range map[string]fs.FileMode{dir: 0o700 | fs.ModeDir, c.file(): 0o600} {
			if info, err := os.Stat(path); err != nil || info.Mode() != mode {
				t.Errorf("%s: %v %v", path, info.Mode(), err)
			}
		}
	}
	for _, damaged := range []string{"", "x", version, version + " 1\nno tab\n", "other 1\n1\ta\n"} {
		if err := os.WriteFile(c.file(), []byte(damaged), 0o600); err != nil {
			t.Fatal(err)
		}
		if images, _ := c.Read(); images != nil {
			t.Errorf("%q: %v", damaged, images)
		}
	}
}

func TestBounds(t *testing.T) {
	c := At(t.TempDir(), "login")
	images := make([]Image, MaxImages+5)
	for i := range images {
		images[i] = Image{"id", strings.Repeat("n", maxName)}
	}
	if err := c.Write(images, now); err != nil {
		t.Fatal(err)
	}
	if got, _ := c.Read(); len(got) != MaxImages {
		t.Errorf("%d", len(got))
	}
}

func TestBegin(t *testing.T) {
	c := At(filepath.Join(t.TempDir(), "new"), "login")
	for _, step := range []struct {
		after time.Duration
		want  bool
	}{{0, true}, {time.Second, false}, {29 * time.Second, false}, {31 * time.Second, true}, {32 * time.Second, false}, {-48 * time.Hour, true}} {
		if got := c.Begin(now.Add(step.after), 30*time.Second); got != step.want {
			t.Errorf("after %v: %v", step.after, got)
		}
	}
	if err := c.Hold(now, time.Minute); err != nil || c.Begin(now.Add(59*time.Second), 0) || !c.Begin(now.Add(61*time.Second), 0) {
		t.Error("Hold is not kept")
	}
}

func TestForgetsOldOnes(t *testing.T) {
	dir := t.TempDir()
	old, other := At(dir, "old"), filepath.Join(dir, "notes")
	if err := old.Write(nil, now); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(other, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{old.file(), other} {
		if err := os.Chtimes(path, now, now.Add(-2*keep)); err != nil {
			t.Fatal(err)
		}
	}
	if err := At(dir, "new").Write(nil, now); err != nil {
		t.Fatal(err)
	}
	files, _ := os.ReadDir(dir)
	if len(files) != 2 || files[1].Name() != "notes" {
		t.Errorf("%v", files)
	}
}

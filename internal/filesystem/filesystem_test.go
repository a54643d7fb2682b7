package filesystem

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// counting counts what is read.
type counting struct {
	io.ReaderAt
	bytes, reads int64
}

func (c *counting) ReadAt(p []byte, off int64) (int, error) {
	c.bytes += int64(len(p))
	c.reads++
	return c.ReaderAt.ReadAt(p, off)
}

// compare holds a file system against the tree that it was made of.
func compare(t *testing.T, fsys FS, tree string, noSpaces bool) {
	t.Helper()
	listed := 0
	err := filepath.WalkDir(tree, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(tree, file)
		if name == "." {
			name = ""
		}
		if noSpaces && strings.Contains(name, " ") {
			return nil
		}
		want, err := os.Lstat(file)
		if err != nil {
			return err
		}
		got, err := fsys.Lstat(name)
		if err != nil {
			t.Errorf("Lstat: %v", err)
			return nil
		}
		if got.Mode.Type() != want.Mode().Type() || name != "" && got.Name != path.Base(name) {
			t.Errorf("%s: is %v", name, got)
		}
		switch {
		case entry.IsDir():
			entries, err := os.ReadDir(file)
			if err != nil {
				return err
			}
			if noSpaces {
				entries = slices.DeleteFunc(entries, func(e fs.DirEntry) bool { return strings.Contains(e.Name(), " ") })
			}
			compareDir(t, fsys, name, entries)
			listed++
		case want.Mode()&fs.ModeSymlink != 0:
			target, _ := os.Readlink(file)
			if got, err := fsys.Readlink(name); got != target || err != nil {
				t.Errorf("%s: leads to %q, %v, not %q", name, got, err, target)
			}
		default:
			data, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			compareFile(t, fsys, name, got.Size, data)
		}
		return nil
	})
	if err != nil || listed < 5 {
		t.Fatal(listed, err)
	}
}

func compareDir(t *testing.T, fsys FS, name string, entries []fs.DirEntry) {
	t.Helper()
	want := map[string]fs.FileMode{}
	for _, e := range entries {
		want[e.Name()] = e.Type()
	}
	got, err := fsys.ReadDir(name, 10000)
	if err != nil {
		t.Errorf("ReadDir: %v", err)
	}
	for _, e := range got {
		mode, ok := want[e.Name]
		// What the tools add to the root.
		added := name == "" && (e.Name == "lost+found" || strings.HasPrefix(e.Name, "$") || e.Name == "rr_moved" || e.Name == "System Volume Information")
		switch {
		case !ok && !added:
			t.Errorf("%s: %q is listed", name, e.Name)
		case ok && mode != e.Mode:
			t.Errorf("%s/%s: listed as %v, not %v", name, e.Name, e.Mode, mode)
		}
		delete(want, e.Name)
	}
	for missing := range want {
		t.Errorf("%s: %q is not listed", name, missing)
	}
	if len(entries) > 10 {
		few, err := fsys.ReadDir(name, 10)
		if len(few) != 10 || !errors.Is(err, ErrTooLarge) {
			t.Errorf("%s: %d listed of 10 asked for, %v", name, len(few), err)
		}
	}
}

func compareFile(t *testing.T, fsys FS, name string, size int64, want []byte) {
	t.Helper()
	if size != int64(len(want)) {
		t.Errorf("%s: %d bytes, not %d", name, size, len(want))
		return
	}
	file, err := fsys.Open(name)
	if err != nil {
		t.Errorf("Open: %v", err)
		return
	}
	got := make([]byte, size+5)
	n, err := file.ReadAt(got, 0)
	if err != io.EOF || n != len(want) || !bytes.Equal(got[:n], want) {
		t.Errorf("%s: the contents differ (%d bytes of %d, %v)", name, n, len(want), err)
		return
	}
	// In pieces, in no order.
	random := rand.New(rand.NewPCG(1, uint64(size)))
	for range min(20, len(want)) {
		off := random.IntN(len(want))
		piece := make([]byte, random.IntN(10000)+1)
		n, err := file.ReadAt(piece, int64(off))
		end := min(len(want), off+len(piece))
		if n != end-off || !bytes.Equal(piece[:n], want[off:end]) || (err == nil) != (n == len(piece)) {
			t.Errorf("%s: %d bytes at %d: %d, %v", name, len(piece), off, n, err)
			return
		}
	}
}

// used is what any reader does with an image.
func used(t *testing.T, volume io.ReaderAt, size int64, m maker) FS {
	t.Helper()
	c := &counting{ReaderAt: volume}
	fsys, err := Open(c, size)
	if err != nil {
		t.Fatal(err)
	}
	if fsys.Type() != m.kind {
		t.Errorf("it is %s", fsys.Type())
	}
	data, err := Root{fsys}.ReadFile("etc/os-release", 1000)
	if string(data) != release || err != nil {
		t.Errorf("etc/os-release: %q, %v", data, err)
	}
	t.Logf("opened and etc/os-release read: %d bytes in %d reads", c.bytes, c.reads)
	if c.bytes > 256<<10 || c.reads > 64 {
		t.Errorf("it took %d bytes in %d reads", c.bytes, c.reads)
	}
	before := *c
	if _, err := fsys.Lstat("many/0299-an-entry-with-a-long-name.txt"); err != nil {
		t.Error(err)
	}
	t.Logf("a name in a large directory: %d bytes in %d reads", c.bytes-before.bytes, c.reads-before.reads)
	for _, name := range []string{"etc/none", "none/none", "one/none", "many/none", strings.Repeat("x", 300), strings.Repeat("x/", 3000)} {
		if _, err := fsys.Lstat(name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%.20s: %v", name, err)
		}
	}
	if _, err := fsys.Open("etc"); err == nil {
		t.Error("a directory is opened as a file")
	}
	if _, err := fsys.ReadDir("one", 10); err == nil {
		t.Error("a file is listed as a directory")
	}
	if _, err := fsys.Readlink("one"); err == nil {
		t.Error("a file is taken for a link")
	}
	if !m.noLinks {
		root := Root{fsys}
		if name, _, err := root.Resolve("long/b/../../../absolute/os-release"); name != "usr/lib/os-release" || err != nil {
			t.Errorf("resolved to %q, %v", name, err)
		}
		if _, _, err := root.Resolve("loop"); err == nil {
			t.Error("a loop is resolved")
		}
	}
	if data, err := (Root{Sub(fsys, "usr")}).ReadFile("../lib/os-release", 1000); string(data) != release || err != nil {
		t.Errorf("in usr: %q, %v", data, err)
	}
	return fsys
}

// Each type as its own tools make it, against the tree that it was made of.
func TestMade(t *testing.T) {
	for _, m := range makers {
		t.Run(m.name, func(t *testing.T) {
			m.need(t)
			size := full
			if *record || m.small {
				size = small
			}
			tree := plant(t, size, !m.noLinks)
			image := filepath.Join(t.TempDir(), "image")
			m.make(t, tree, image)
			if *record {
				if err := os.WriteFile(filepath.Join("testdata", m.name+".xz"), pack(t, image), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			file, err := os.Open(image)
			if err != nil {
				t.Fatal(err)
			}
			defer file.Close()
			info, _ := file.Stat()
			fsys := used(t, file, info.Size(), m)
			compare(t, fsys, tree, m.noSpaces)
			if notes := fsys.Notes(); len(notes) > 0 {
				t.Errorf("notes: %q", notes)
			}
		})
	}
}

// The same without the tools, on images that were recorded.
func TestRecorded(t *testing.T) {
	for _, m := range makers {
		t.Run(m.name, func(t *testing.T) {
			tree := plant(t, small, !m.noLinks)
			image := recorded(t, m.name)
			fsys := used(t, image, image.size, m)
			compare(t, fsys, tree, m.noSpaces)
			if label := fsys.Label(); m.kind != "squashfs" && label != "label" && label != "LABEL" {
				t.Errorf("the label is %q", fsys.Label())
			}
			if fsys.UUID() == "" && m.kind != "squashfs" {
				t.Error("no UUID")
			}
		})
	}
}

// explore does to a file system, whatever it is, what inspection does.
func explore(volume io.ReaderAt, size int64) (bytes int64) {
	fsys, err := Open(volume, size)
	if err != nil {
		return 0
	}
	fsys.Notes()
	buffer := make([]byte, 64<<10)
	var walk func(dir string, depth int)
	seen := 0
	walk = func(dir string, depth int) {
		entries, _ := fsys.ReadDir(dir, 20)
		for _, e := range entries {
			if seen++; seen > 60 {
				return
			}
			name := path.Join(dir, e.Name)
			info, err := fsys.Lstat(name)
			if err != nil {
				continue
			}
			switch {
			case info.Mode.IsDir() && depth < 4:
				walk(name, depth+1)
			case info.Mode&fs.ModeSymlink != 0:
				fsys.Readlink(name)
			case info.Mode.IsRegular():
				if file, err := fsys.Open(name); err == nil {
					n, _ := file.ReadAt(buffer, 0)
					file.ReadAt(buffer[:100], info.Size/2)
					bytes += int64(n)
				}
			}
		}
	}
	walk("", 0)
	root := Root{fsys}
	data, _ := root.ReadFile("etc/os-release", 1<<16)
	root.Exists("many/0299-an-entry-with-a-long-name.txt")
	root.Exists("many/none")
	return bytes + int64(len(data))
}

// overlaid is an image with some bytes changed.
type overlaid struct {
	*packed
	changed map[int64]byte
}

func (o overlaid) ReadAt(p []byte, off int64) (int, error) {
	n, err := o.packed.ReadAt(p, off)
	for at, b := range o.changed {
		if at >= off && at < off+int64(n) {
			p[at-off] = b
		}
	}
	return n, err
}

// Damage costs an error and nothing else: 1,000 damaged images of each type.
func TestDamage(t *testing.T) {
	rounds := 100
	if soak() {
		rounds = 1000
	}
	for _, m := range makers {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			image := recorded(t, m.name)
			var pages []int64
			for number := range image.pages {
				pages = append(pages, number)
			}
			if len(pages) == 0 {
				t.Fatal("empty")
			}
			intact := explore(image, image.size)
			if intact == 0 {
				t.Fatal("nothing was read of the image as it was recorded")
			}
			slices.Sort(pages)
			random := rand.New(rand.NewPCG(7, uint64(len(m.name))))
			var slowest time.Duration
			for round := range rounds {
				o := overlaid{image, map[int64]byte{}}
				for range 1 + random.IntN(30) {
					// Structure is looked for where pages begin and at the front.
					page := pages[random.IntN(len(pages))]
					if random.IntN(3) == 0 {
						page = pages[random.IntN(min(8, len(pages)))]
					}
					at := page*4096 + int64(random.IntN(4096))
					if random.IntN(2) == 0 {
						at = page*4096 + int64(random.IntN(256))
					}
					value := byte(random.Uint32())
					switch random.IntN(4) {
					case 0:
						value = 0xFF
					case 1:
						value = 0
					}
					for i := range int64(1 << random.IntN(4)) {
						o.changed[at+i] = value
					}
				}
				start := time.Now()
				done := make(chan any, 1)
				go func() {
					defer func() { done <- recover() }()
					explore(o, image.size)
				}()
				select {
				case p := <-done:
					if p != nil {
						t.Fatalf("round %d: panic: %v", round, p)
					}
				case <-time.After(60 * time.Second):
					t.Fatalf("round %d: hangs", round)
				}
				slowest = max(slowest, time.Since(start))
			}
			if slowest > 10*time.Second {
				t.Errorf("the slowest round took %v", slowest)
			}
			t.Logf("%d rounds, the slowest took %v", rounds, slowest)
		})
	}
}

// FuzzFilesystem changes recorded images of all types, five bytes a change: page,
// place in it, and what is put there. Of a type that there is not, the bytes are
// an image themselves.
func FuzzFilesystem(f *testing.F) {
	type sorted struct {
		*packed
		pages []int64
	}
	var images []sorted
	for k, m := range makers {
		image := recorded(f, m.name)
		s := sorted{image, nil}
		for number := range image.pages {
			s.pages = append(s.pages, number)
		}
		slices.Sort(s.pages)
		images = append(images, s)
		f.Add(byte(k), []byte{})
		f.Add(byte(k), []byte{0, 0, 0, 40, 0xFF, 0, 1, 1, 0, 0x80, 0, 2, 0, 24, 0xFF})
	}
	f.Fuzz(func(t *testing.T, kind byte, data []byte) {
		start := time.Now()
		if int(kind) >= len(images) {
			explore(bytes.NewReader(data), int64(len(data)))
		} else {
			image := images[kind]
			o := overlaid{image.packed, map[int64]byte{}}
			for ; len(data) >= 5 && len(o.changed) < 200; data = data[5:] {
				page := image.pages[(int(data[0])<<8|int(data[1]))%len(image.pages)]
				o.changed[page*4096+int64(data[2]&15)<<8+int64(data[3])] = data[4]
			}
			explore(o, image.size)
		}
		if took := time.Since(start); took > tooLong() {
			t.Errorf("it took %v", took)
		}
	})
}

// soak reports make soak, which runs all rounds and holds times: elsewhere
// machines are shared, and the race detector makes everything many times slower.
func soak() bool { return os.Getenv("GLANCE_PROFILE_SOAK") == "1" }

// tooLong is when one image counts as a hang.
func tooLong() time.Duration {
	if soak() {
		return 5 * time.Second
	}
	return time.Minute
}

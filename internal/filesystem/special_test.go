package filesystem

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// The parts of btrfs that can be mounted alone, as openSUSE lays them out.
func TestSubvolumes(t *testing.T) {
	image := recorded(t, "btrfs-subvolume")
	fsys, err := Open(image, image.size)
	if err != nil {
		t.Fatal(err)
	}
	volumes, ok := fsys.(Subvolumes)
	if !ok {
		t.Fatal("btrfs has no subvolumes")
	}
	names, err := volumes.Subvolumes(100)
	if want := []string{"@", "@/.snapshots/1/snapshot", "home"}; !slices.Equal(names, want) || err != nil {
		t.Errorf("%q, %v", names, err)
	}
	for name, file := range map[string]string{"": "home/one", "home": "one", "@/.snapshots/1/snapshot": "etc/os-release"} {
		volume, err := volumes.Subvolume(name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if data, err := (Root{volume}).ReadFile(file, 1000); err != nil || len(data) == 0 {
			t.Errorf("%s in %q: %q, %v", file, name, data, err)
		}
	}
	if _, err := volumes.Subvolume("none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("none: %v", err)
	}
}

// set returns an image with bytes changed at one place.
func set(image *packed, at int64, b ...byte) overlaid {
	o := overlaid{image, map[int64]byte{}}
	for i, c := range b {
		o.changed[at+int64(i)] = c
	}
	return o
}

func TestNotes(t *testing.T) {
	for _, c := range []struct {
		name  string
		at    int64
		bytes []byte
		want  string
	}{
		{"ext4", 1024 + 96, []byte{0x46}, "needs recovery"},
		{"ext4", 1024 + 58, []byte{3}, "errors"},
		{"fat16", 0x25, []byte{1}, "not unmounted"},
		{"fat32", 0x41, []byte{1}, "not unmounted"},
		{"btrfs", 0x10000 + 96, []byte{1}, "synced"},
	} {
		image := recorded(t, c.name)
		fsys, err := Open(set(image, c.at, c.bytes...), image.size)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if notes := fsys.Notes(); len(notes) != 1 || !strings.Contains(notes[0], c.want) {
			t.Errorf("%s: %q", c.name, notes)
		}
	}
}

// What only newer or other systems can read is said to be so.
func TestUnsupported(t *testing.T) {
	for name, c := range map[string]overlaid{
		"ext4 with compression":     set(recorded(t, "ext4"), 1024+96, 0x43),
		"xfs with features to come": set(recorded(t, "xfs"), 216, 0x80),
		"btrfs on two devices":      set(recorded(t, "btrfs"), 0x10000+136, 2),
		"squashfs 3":                set(recorded(t, "squashfs-gzip"), 28, 3),
	} {
		if _, err := Open(c, c.size); !errors.Is(err, ErrUnsupported) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, data := range [][]byte{nil, {1}, make([]byte, 1<<20), []byte(strings.Repeat("text ", 100000))} {
		if _, err := Open(bytes.NewReader(data), int64(len(data))); !errors.Is(err, ErrUnknown) {
			t.Errorf("%d bytes: %v", len(data), err)
		}
	}
}

// What Windows and ntfs-3g put in NTFS beside files: links, files compressed by
// CompactOS, hibernation, names whatever their case, files in many parts.
func TestNTFSSpecial(t *testing.T) {
	if *record {
		image := filepath.Join(t.TempDir(), "image")
		tree := plant(t, scale{}, true)
		makeNTFS(func(t *testing.T, dir string) {
			write := func(name, data string) {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(data), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			write("hiberfil.sys", "HIBR"+strings.Repeat("\x00", 8000))
			write("wof", "")
			write("link", "")
			os.Mkdir(filepath.Join(dir, "junction"), 0o755)
			path := "\\\x00?\x00?\x00\\\x00C\x00:\x00\\\x00u\x00s\x00r\x00\\\x00l\x00i\x00b\x00"
			reparse := func(name, data string) {
				run(t, dir, "setfattr", "-n", "system.ntfs_reparse_data", "-v", "0s"+base64.StdEncoding.EncodeToString([]byte(data)), name)
			}
			size := string([]byte{byte(len(path)), 0})
			reparse("junction", "\x03\x00\x00\xA0"+string([]byte{byte(len(path) + 12), 0})+"\x00\x00\x00\x00"+size+string([]byte{byte(len(path) + 2), 0})+"\x00\x00"+path+"\x00\x00\x00\x00")
			target := "u\x00s\x00r\x00\\\x00l\x00i\x00b\x00"
			size = string([]byte{byte(len(target)), 0})
			reparse("link", "\x0C\x00\x00\xA0"+string([]byte{byte(len(target) + 12), 0})+"\x00\x00\x00\x00"+size+"\x00\x00\x00\x00\x01\x00\x00\x00"+target)
			reparse("wof", "\x17\x00\x00\x80\x10\x00\x00\x00\x01\x00\x00\x00\x02\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00")
			parts, err := os.Create(filepath.Join(dir, "parts"))
			if err != nil {
				t.Fatal(err)
			}
			for i := range int64(700) {
				parts.WriteAt([]byte{byte(i), byte(i >> 8)}, i*i*512)
			}
			parts.Close()
		}, "-c", "512")(t, tree, image)
		if err := os.WriteFile("testdata/ntfs-special.xz", pack(t, image), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	image := recorded(t, "ntfs-special")
	fsys, err := Open(image, image.size)
	if err != nil {
		t.Fatal(err)
	}
	root := Root{fsys}
	for link, want := range map[string]string{"junction": "/usr/lib", "link": "usr/lib", "LINK": "usr/lib", "absolute": "/usr/lib"} {
		if target, err := fsys.Readlink(link); target != want || err != nil {
			t.Errorf("%s leads to %q, %v", link, target, err)
		}
		if data, err := root.ReadFile(link+"/OS-Release", 1000); string(data) != release || err != nil {
			t.Errorf("through %s: %q, %v", link, data, err)
		}
	}
	if _, err := fsys.Open("wof"); !errors.Is(err, ErrUnsupported) {
		t.Errorf("wof: %v", err)
	}
	if _, err := fsys.Lstat("GRÖSSE-日本.TXT"); err == nil {
		t.Error("ß is no SS in NTFS")
	}
	if info, err := fsys.Lstat("GRÖßE-日本.TXT"); err != nil || info.Size != 2 {
		t.Errorf("%v, %v", info, err)
	}
	if notes := strings.Join(fsys.Notes(), "; "); !strings.Contains(notes, "hibernated") {
		t.Errorf("notes: %q", notes)
	}
	file, err := fsys.Open("parts")
	if err != nil {
		t.Fatal(err)
	}
	for i := range int64(700) {
		got := make([]byte, 2)
		if _, err := file.ReadAt(got, i*i*512); (err != nil && i < 699) || got[0] != byte(i) || got[1] != byte(i>>8) {
			t.Fatalf("part %d: %v, %v", i, got, err)
		}
	}
}

// Damaged images do not make it take more memory than it may. What is counted is
// all that was asked for by a whole exploration, given back or not, which is more
// than was ever held at once.
func TestMemory(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for _, m := range makers {
		image := recorded(t, m.name)
		var pages []int64
		for number := range image.pages {
			pages = append(pages, number)
		}
		slices.Sort(pages)
		var most uint64
		for range 60 {
			o := overlaid{image, map[int64]byte{}}
			for range 1 + random.IntN(4) { // few, so that most of them open
				page := pages[random.IntN(len(pages))]
				o.changed[page*4096+int64(random.IntN(4096))] = byte(random.Uint32())
				o.changed[page*4096+int64(random.IntN(256))] = 0xFF
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			explore(o, image.size)
			runtime.ReadMemStats(&after)
			most = max(most, after.TotalAlloc-before.TotalAlloc)
		}
		t.Logf("%s: %d MiB at most", m.name, most>>20)
		if most > 256<<20 {
			t.Errorf("%s: %d MiB", m.name, most>>20)
		}
	}
}

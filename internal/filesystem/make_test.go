package filesystem

import (
	"bytes"
	"context"
	"encoding/binary"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ulikunitz/xz"
)

var record = flag.Bool("record", false, "make the images in testdata anew")

// A maker makes a file system of a tree, with the tools of its kind.
type maker struct {
	name, kind string
	tools      []string
	noLinks    bool // it has no symbolic links
	noSpaces   bool // its tool knows no names with spaces
	small      bool // it has no room for the full tree
	mounts     bool // needs to mount, which not every machine lets one do
	make       func(t *testing.T, tree, image string)
}

// sized makes an empty image of so many MiB.
func sized(t *testing.T, image string, mib int64) {
	t.Helper()
	file, err := os.Create(image)
	if err == nil {
		err = file.Truncate(mib << 20)
		file.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
}

func run(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	limit, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(limit, name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "PATH="+os.Getenv("PATH")+":/usr/sbin:/sbin", "LC_ALL=C.UTF-8", "MTOOLS_SKIP_CHECK=1", "SOURCE_DATE_EPOCH=1700000000")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// mib is a size that the tree fits in with room for structure.
func mib(t *testing.T, tree string) int64 {
	var total int64
	err := filepath.Walk(tree, func(_ string, info fs.FileInfo, err error) error {
		if err == nil {
			total += (info.Size() + 16383) &^ 16383
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return total>>20*5/4 + 4
}

func makeExt(kind string, after []string, options ...string) func(*testing.T, string, string) {
	return func(t *testing.T, tree, image string) {
		sized(t, image, mib(t, tree)+4)
		args := append([]string{"-q", "-F", "-L", "label", "-U", "01234567-89ab-cdef-0123-456789abcdef", "-N", "6000", "-d", tree}, options...)
		run(t, "", "mkfs."+kind, append(args, image)...)
		if after != nil {
			// It says 1 when it changed something, which here is its work.
			cmd := exec.Command(after[0], append(after[1:], image)...)
			cmd.Env = append(os.Environ(), "PATH="+os.Getenv("PATH")+":/usr/sbin:/sbin")
			if out, err := cmd.CombinedOutput(); err != nil && cmd.ProcessState.ExitCode() != 1 {
				t.Fatalf("%s: %v\n%s", after[0], err, out)
			}
		}
	}
}

var makers = []maker{
	{name: "ext2", kind: "ext2", tools: []string{"mkfs.ext2"}, make: makeExt("ext2", nil, "-b", "1024")},
	{name: "ext3", kind: "ext3", tools: []string{"mkfs.ext3"}, make: makeExt("ext3", nil, "-b", "4096", "-J", "size=4")},
	{name: "ext4", kind: "ext4", tools: []string{"mkfs.ext4"}, make: makeExt("ext4", nil, "-b", "1024")},
	{name: "ext4-inline", kind: "ext4", tools: []string{"mkfs.ext4"}, make: makeExt("ext4", nil, "-O", "inline_data", "-I", "256")},
	{name: "ext4-htree", kind: "ext4", tools: []string{"mkfs.ext4", "e2fsck"},
		make: makeExt("ext4", []string{"e2fsck", "-f", "-y", "-D"}, "-b", "1024", "-O", "64bit,metadata_csum")},
	{name: "ext4-bigalloc", kind: "ext4", tools: []string{"mkfs.ext4"}, make: makeExt("ext4", nil, "-O", "bigalloc,meta_bg,^resize_inode", "-C", "16384")},
	{name: "xfs", kind: "xfs", tools: []string{"mkfs.xfs"}, noSpaces: true, make: makeXFS()},
	{name: "xfs-v4", kind: "xfs", tools: []string{"mkfs.xfs"}, noSpaces: true, make: makeXFS("-m", "crc=0", "-n", "ftype=0")},
	{name: "xfs-large-dir-blocks", kind: "xfs", tools: []string{"mkfs.xfs"}, noSpaces: true, make: makeXFS("-b", "size=1024", "-n", "size=8192")},
	{name: "xfs-mounted", kind: "xfs", tools: []string{"mkfs.xfs"}, mounts: true, make: makeMounted(320, "discard", nil, "mkfs.xfs", "-q", "-L", "label", "-b", "size=1024")},
	{name: "iso-rock-ridge", kind: "iso9660", tools: []string{"xorriso"}, make: makeISO("-R")},
	{name: "iso-joliet", kind: "iso9660", tools: []string{"xorriso"}, noLinks: true, make: makeISO("-J", "-joliet-long", "-U")},
	{name: "squashfs-gzip", kind: "squashfs", tools: []string{"mksquashfs"}, make: makeSquash("gzip")},
	{name: "squashfs-xz", kind: "squashfs", tools: []string{"mksquashfs"}, make: makeSquash("xz", "-b", "16K")},
	{name: "squashfs-zstd", kind: "squashfs", tools: []string{"mksquashfs"}, make: makeSquash("zstd", "-no-fragments")},
	{name: "squashfs-lz4", kind: "squashfs", tools: []string{"mksquashfs"}, make: makeSquash("lz4")},
	{name: "squashfs-lzo", kind: "squashfs", tools: []string{"mksquashfs"}, make: makeSquash("lzo")},
	{name: "btrfs", kind: "btrfs", tools: []string{"mkfs.btrfs"}, make: makeBtrfs},
	{name: "btrfs-zlib", kind: "btrfs", tools: []string{"mkfs.btrfs"}, mounts: true, make: makeMounted(200, "compress-force=zlib", nil, "mkfs.btrfs", "-q", "-L", "label")},
	{name: "btrfs-lzo", kind: "btrfs", tools: []string{"mkfs.btrfs"}, mounts: true, make: makeMounted(200, "compress-force=lzo", nil, "mkfs.btrfs", "-q", "-L", "label")},
	{name: "btrfs-zstd", kind: "btrfs", tools: []string{"mkfs.btrfs"}, mounts: true, make: makeMounted(200, "compress-force=zstd", nil, "mkfs.btrfs", "-q", "-L", "label")},
	{name: "btrfs-subvolume", kind: "btrfs", tools: []string{"mkfs.btrfs", "btrfs"}, mounts: true, make: makeMounted(200, "defaults", fillSubvolume, "mkfs.btrfs", "-q", "-L", "label")},
	{name: "fat12", kind: "vfat", tools: []string{"mkfs.vfat", "mcopy"}, noLinks: true, small: true, make: makeFAT("12", 30, "-s", "64")},
	{name: "fat16", kind: "vfat", tools: []string{"mkfs.vfat", "mcopy"}, noLinks: true, make: makeFAT("16", 60, "-s", "4")},
	{name: "fat32", kind: "vfat", tools: []string{"mkfs.vfat", "mcopy"}, noLinks: true, make: makeFAT("32", 60, "-s", "1")},
	{name: "ntfs", kind: "ntfs", tools: []string{"mkntfs", "ntfs-3g"}, mounts: true, make: makeNTFS(nil)},
	{name: "ntfs-compressed", kind: "ntfs", tools: []string{"mkntfs", "ntfs-3g", "setfattr"}, mounts: true, make: makeNTFS(func(t *testing.T, dir string) {
		// Files below a directory that is marked as compressed are.
		run(t, "", "setfattr", "-n", "system.ntfs_attrib_be", "-v", "0x00000800", dir)
	}, "-c", "1024")},
}

// makeNTFS fills a volume through ntfs-3g, which mounts without a loop device.
func makeNTFS(prepare func(t *testing.T, dir string), options ...string) func(*testing.T, string, string) {
	return func(t *testing.T, tree, image string) {
		if _, err := os.Stat("/dev/fuse"); err != nil {
			t.Skip("left out: there is no FUSE")
		}
		sized(t, image, mib(t, tree)+8)
		run(t, "", "mkntfs", append([]string{"-Q", "-F", "-q", "-L", "label", "-p", "0", "-H", "1", "-S", "1", "-s", "512"}, append(options, image)...)...)
		dir := t.TempDir()
		// In front, as it goes on writing after umount has returned.
		server := exec.Command("ntfs-3g", "-o", "compression,no_detach", image, dir)
		if err := server.Start(); err != nil {
			t.Fatal(err)
		}
		defer server.Wait()
		defer exec.Command("umount", dir).Run()
		for deadline := time.Now().Add(20 * time.Second); exec.Command("mountpoint", "-q", dir).Run() != nil; {
			if time.Sleep(20 * time.Millisecond); time.Now().After(deadline) {
				server.Process.Kill()
				t.Fatal("ntfs-3g does not mount")
			}
		}
		if prepare != nil {
			prepare(t, dir)
		}
		run(t, tree, "cp", "-r", ".", dir)
	}
}

func makeFAT(bits string, mib int64, options ...string) func(*testing.T, string, string) {
	return func(t *testing.T, tree, image string) {
		sized(t, image, mib)
		run(t, "", "mkfs.vfat", append([]string{"-F", bits, "-n", "LABEL", "-i", "12345678"}, append(options, image)...)...)
		entries, err := os.ReadDir(tree)
		if err != nil {
			t.Fatal(err)
		}
		args := []string{"-i", image, "-s", "-Q", "-p"}
		for _, e := range entries {
			args = append(args, filepath.Join(tree, e.Name()))
		}
		run(t, "", "mcopy", append(args, "::/")...)
	}
}

// makeXFS fills a file system by a prototype, which lists the tree (mkfs.xfs(8)).
func makeXFS(options ...string) func(*testing.T, string, string) {
	return func(t *testing.T, tree, image string) {
		var proto strings.Builder
		var list func(dir string)
		list = func(dir string) {
			entries, err := os.ReadDir(dir)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range entries {
				full, name := filepath.Join(dir, e.Name()), e.Name()
				switch {
				case strings.Contains(name, " "): // cannot be said
				case e.IsDir():
					fmt.Fprintf(&proto, "%s d--755 0 0\n", name)
					list(full)
					fmt.Fprintln(&proto, "$")
				case e.Type() == fs.ModeSymlink:
					target, _ := os.Readlink(full)
					fmt.Fprintf(&proto, "%s l--777 0 0 %s\n", name, target)
				default:
					fmt.Fprintf(&proto, "%s ---644 0 0 %s\n", name, full)
				}
			}
		}
		fmt.Fprintf(&proto, "/dev/null\n0 0\nd--755 0 0\n")
		list(tree)
		fmt.Fprintln(&proto, "$")
		file := filepath.Join(t.TempDir(), "proto")
		if err := os.WriteFile(file, []byte(proto.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		sized(t, image, 320) // the least that mkfs.xfs makes is 300
		run(t, "", "mkfs.xfs", append([]string{"-q", "-f", "-L", "label", "-p", file}, append(options, image)...)...)
	}
}

// makeMounted fills a file system as Linux itself does.
func makeMounted(mib int64, options string, fill func(t *testing.T, tree, dir string), mkfs ...string) func(*testing.T, string, string) {
	return func(t *testing.T, tree, image string) {
		sized(t, image, mib)
		run(t, "", mkfs[0], append(mkfs[1:], image)...)
		dir := t.TempDir()
		if out, err := exec.Command("mount", "-o", "loop,"+options, image, dir).CombinedOutput(); err != nil {
			t.Skipf("left out: cannot mount here: %s", out)
		}
		defer run(t, "", "umount", dir)
		if fill != nil {
			fill(t, tree, dir)
			return
		}
		run(t, tree, "cp", "-a", ".", dir)
	}
}

func makeISO(options ...string) func(*testing.T, string, string) {
	return func(t *testing.T, tree, image string) {
		run(t, "", "xorriso", append(append([]string{"-as", "mkisofs", "-quiet", "-V", "LABEL", "-o", image}, options...), tree)...)
	}
}

func makeSquash(method string, options ...string) func(*testing.T, string, string) {
	return func(t *testing.T, tree, image string) {
		run(t, "", "mksquashfs", append([]string{tree, image, "-comp", method, "-quiet", "-no-progress", "-all-root"}, options...)...)
	}
}

func makeBtrfs(t *testing.T, tree, image string) {
	sized(t, image, mib(t, tree)+200)
	run(t, "", "mkfs.btrfs", "-q", "-L", "label", "-r", tree, image)
}

// fillSubvolume is what openSUSE does: the default subvolume is a snapshot deep in
// the file system.
func fillSubvolume(t *testing.T, tree, dir string) {
	run(t, dir, "btrfs", "subvolume", "create", "@")
	run(t, dir, "mkdir", "-p", "@/.snapshots/1", "plain")
	run(t, dir, "btrfs", "subvolume", "create", "@/.snapshots/1/snapshot")
	run(t, dir, "btrfs", "subvolume", "create", "home")
	run(t, tree, "cp", "-a", ".", dir+"/@/.snapshots/1/snapshot")
	run(t, dir, "cp", "-a", tree+"/one", "home/one")
	run(t, dir, "btrfs", "subvolume", "set-default", "@/.snapshots/1/snapshot")
}

// scale says how large the parts of a tree are.
type scale struct{ many, large, random, sparse, pieces int }

var (
	full  = scale{3200, 3 << 20, 1 << 20, 8 << 20, 600}
	small = scale{300, 64 << 10, 3000, 1 << 20, 150}
)

const release = "NAME=\"Some Linux\"\nID=some\nVERSION_ID=\"12\"\n"

// planted are the trees that there are already; TestMain removes them.
var planted = map[string]string{}

func TestMain(m *testing.M) {
	flag.Parse()
	status := m.Run()
	for _, dir := range planted {
		os.RemoveAll(dir)
	}
	os.Exit(status)
}

// plant writes a tree that has what file systems differ in.
func plant(t *testing.T, size scale, links bool) string {
	t.Helper()
	key := fmt.Sprint(size, links)
	if dir, ok := planted[key]; ok {
		return dir
	}
	dir, err := os.MkdirTemp("", "filesystem-")
	if err != nil {
		t.Fatal(err)
	}
	planted[key] = dir
	os.Chmod(dir, 0o755)
	write := func(name string, data []byte) {
		full := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(full, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("usr/lib/os-release", []byte(release))
	write("empty", nil)
	write("one", []byte("1"))
	write("page", bytes.Repeat([]byte("0123456789abcdef"), 256))
	write("large", numbered(size.large))
	write("hundred-and-twenty.txt", numbered(120))
	random := make([]byte, size.random)
	source := rand.NewChaCha8([32]byte{1})
	source.Read(random)
	write("random", random)
	write("größe-日本.txt", []byte("ü"))
	write("Mixed Case.TXT", []byte("mixed"))
	write("deep/a/b/c/d/e/f/g/h/i/j", []byte("deep"))
	for i := range size.many {
		write(fmt.Sprintf("many/%04d-an-entry-with-a-long-name.txt", i), []byte(fmt.Sprint(i)))
	}
	if err := os.Mkdir(filepath.Join(dir, "nothing"), 0o755); err != nil {
		t.Fatal(err)
	}
	sparse, err := os.Create(filepath.Join(dir, "sparse"))
	if err != nil {
		t.Fatal(err)
	}
	sparse.WriteAt([]byte("middle"), int64(size.sparse/2)+123)
	sparse.WriteAt([]byte("end"), int64(size.sparse)-3)
	sparse.Close()
	scattered, err := os.Create(filepath.Join(dir, "scattered"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range size.pieces {
		fmt.Fprintf(io.NewOffsetWriter(scattered, int64(i)*20000), "piece %d", i)
	}
	scattered.Close()
	if links {
		os.Mkdir(filepath.Join(dir, "etc"), 0o755)
		long := "/" + strings.Repeat("./", 80) + "deep/a"
		for name, target := range map[string]string{
			"etc/os-release": "../usr/lib/os-release", "long": long, "absolute": "/usr/lib", "loop": "loop",
		} {
			if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
	} else {
		write("etc/os-release", []byte(release))
	}
	return dir
}

// numbered is a text of which no two pages are the same.
func numbered(size int) []byte {
	var b bytes.Buffer
	for i := 0; b.Len() < size; i++ {
		fmt.Fprintf(&b, "line %d\n", i)
	}
	return b.Bytes()[:size]
}

// need leaves a test out where tools are missing, unless all have to be there, and
// but for make soak: making file systems takes minutes, and the recorded ones are
// looked at everywhere.
func (m maker) need(t *testing.T) {
	t.Helper()
	if !soak() && !*record {
		t.Skip("file systems are made in make soak only")
	}
	for _, tool := range m.tools {
		found := false
		for _, dir := range append(filepath.SplitList(os.Getenv("PATH")), "/usr/sbin", "/sbin") {
			if _, err := os.Stat(filepath.Join(dir, tool)); err == nil {
				found = true
			}
		}
		if !found {
			if os.Getenv("GLANCE_PROFILE_REQUIRE_ALL") == "1" {
				t.Fatalf("%s is missing", tool)
			}
			t.Skipf("left out: %s is not installed", tool)
		}
	}
	if m.mounts && os.Getuid() != 0 {
		t.Skip("left out: only root mounts")
	}
}

// The images in testdata hold only the pages that are not all zeros: their size
// is said by the first eight bytes, and each page has its number in front.
func pack(t *testing.T, image string) []byte {
	t.Helper()
	data, err := os.ReadFile(image)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	z, err := xz.NewWriter(&out)
	if err != nil {
		t.Fatal(err)
	}
	binary.Write(z, binary.LittleEndian, int64(len(data)))
	zeros := make([]byte, 4096)
	for i := 0; i < len(data); i += 4096 {
		page := append(bytes.Clone(data[i:min(i+4096, len(data))]), zeros...)[:4096]
		if !bytes.Equal(page, zeros) {
			binary.Write(z, binary.LittleEndian, int64(i/4096))
			z.Write(page)
		}
	}
	z.Close()
	return out.Bytes()
}

// packed is a recorded image, and an io.ReaderAt.
type packed struct {
	size  int64
	pages map[int64][]byte
}

func unpack(data []byte) (*packed, error) {
	z, err := xz.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	p := &packed{pages: map[int64][]byte{}}
	if err := binary.Read(z, binary.LittleEndian, &p.size); err != nil {
		return nil, err
	}
	for {
		var number int64
		if err := binary.Read(z, binary.LittleEndian, &number); err == io.EOF {
			return p, nil
		} else if err != nil {
			return nil, err
		}
		page := make([]byte, 4096)
		if _, err := io.ReadFull(z, page); err != nil {
			return nil, err
		}
		p.pages[number] = page
	}
}

func (p *packed) ReadAt(b []byte, off int64) (n int, err error) {
	for n < len(b) && off < p.size {
		chunk := int(min(int64(len(b)-n), 4096-off%4096, p.size-off))
		if page, ok := p.pages[off/4096]; ok {
			copy(b[n:n+chunk], page[off%4096:])
		} else {
			clear(b[n : n+chunk])
		}
		n += chunk
		off += int64(chunk)
	}
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func recorded(t testing.TB, name string) *packed {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name+".xz"))
	if err != nil {
		t.Fatal(err)
	}
	p, err := unpack(data)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

package diskimage

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"glance-profile/test/oracle"
)

var update = flag.Bool("update", false, "write testdata/verdicts.txt anew, with the help of the 2025.1 devcloud")

const verdictsFile = "testdata/verdicts.txt"

// osloVerdict is what oslo.utils' format inspector says of a file: what Glance,
// Nova and Cinder say.
type osloVerdict struct {
	Format  string
	Size    json.Number
	Refused string
}

func (o osloVerdict) String() string {
	if o.Refused == "" {
		return o.Format
	}
	return strings.TrimSpace(o.Format + " refused, " + o.Refused)
}

// row is a line of testdata/verdicts.txt.
type row struct{ name, content, ours, oslo string }

func (r row) String() string { return strings.Join([]string{r.name, r.content, r.ours, r.oslo}, " | ") }

// content is our word for what a file is.
func content(i Info) string {
	return strings.Join(strings.Fields(fmt.Sprint(i.Format, " ", i.Variant, " ", i.Partitions)), " ")
}

// Of every made file, testdata/verdicts.txt holds what we say and what
// oslo.utils said. We are never milder.
func TestVerdictsAgainstRecordedOslo(t *testing.T) {
	recorded := readVerdicts(t)
	stricter := 0
	for _, f := range made(t) {
		info, got, rules := judged(t, f)
		r, ok := recorded[f.name]
		if !ok {
			t.Errorf("%s: no recorded verdict; run the test with -update where the devcloud is up", f.name)
			continue
		}
		if ours := ourVerdict(got, rules); r.ours != ours || r.content != content(info) {
			t.Errorf("%s is %s, %s; recorded: %s, %s", f.name, content(info), ours, r.content, r.ours)
		}
		osloRefuses := strings.Contains(r.oslo, "refused, ")
		if osloRefuses && !harsh(got) && !excused(f, rules) {
			t.Errorf("%s: milder than oslo.utils: %s, %s", f.name, got, r.oslo)
		}
		if !osloRefuses && harsh(got) {
			stricter++
		}
	}
	t.Logf("%d files that oslo.utils takes are refused here", stricter)
}

func ourVerdict(v verdict, rules []string) string {
	if len(rules) == 0 {
		return string(v)
	}
	return string(v) + ", " + strings.Join(rules, ", ")
}

func harsh(v verdict) bool { return v == asks || v == refused }

// excused are the cases in which Glance and Nova do not go by the verdict of
// the inspector: content of a container that is not bare (glance/location.py,
// set_data), and ISOs with a partition table, which Nova takes for an ISO
// (nova/virt/images.py, get_image_format).
func excused(f madeFile, rules []string) bool {
	return !f.upload.bare() || slices.Contains(rules, "hybrid-iso")
}

func readVerdicts(t *testing.T) map[string]row {
	t.Helper()
	data, err := os.ReadFile(verdictsFile)
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]row{}
	for line := range strings.Lines(string(data)) {
		if f := strings.SplitN(strings.TrimSpace(line), " | ", 4); len(f) == 4 {
			rows[f[0]] = row{f[0], f[1], f[2], f[3]}
		}
	}
	return rows
}

// The recorded verdicts are still those of the real oslo.utils.
func TestVerdictsAgainstLiveOslo(t *testing.T) {
	ask := liveOslo(t)
	files := made(t)
	dir := t.TempDir()
	names := make([]string, len(files))
	for i, f := range files {
		names[i] = filepath.Join(dir, f.name)
		writeSparse(t, names[i], f.data)
	}
	version, verdicts := ask(names)
	rows := []string{
		"# What is said of the files of the tests: name | content | our verdict | verdict of oslo.utils " + version,
		"# Written by: go test ./internal/diskimage -run LiveOslo -update",
	}
	recorded := map[string]row{}
	if !*update {
		recorded = readVerdicts(t)
	}
	for i, f := range files {
		info, got, rules := judged(t, f)
		r := row{f.name, content(info), ourVerdict(got, rules), verdicts[i].String()}
		rows = append(rows, r.String())
		sized := slices.Contains([]Format{QCOW2, VMDK, VDI, VHDX}, info.Format)
		if sized && !harsh(got) && verdicts[i].Size.String() != fmt.Sprint(info.VirtualSize) {
			t.Errorf("%s: a disk of %d bytes, oslo.utils says %s", f.name, info.VirtualSize, verdicts[i].Size)
		}
		if !*update && recorded[f.name].oslo != r.oslo {
			t.Errorf("%s: oslo.utils says %s; recorded: %s", f.name, r.oslo, recorded[f.name].oslo)
		}
	}
	if *update {
		slices.Sort(rows[2:])
		if err := os.WriteFile(verdictsFile, []byte(strings.Join(rows, "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// Images damaged at random are never taken by us and refused by oslo.utils.
func TestDamagedImagesAgainstLiveOslo(t *testing.T) {
	ask := liveOslo(t)
	const each = 12
	random := rand.New(rand.NewPCG(1, 2))
	dir := t.TempDir()
	var names []string
	var ours []Info
	for _, f := range made(t) {
		if len(f.data) < 512 || len(f.data) > 2<<20 {
			continue
		}
		for n := range each {
			data := damage(random, f.data)
			info, err := Inspect(bytes.NewReader(data), int64(len(data)))
			if err != nil {
				t.Fatal(err)
			}
			name := filepath.Join(dir, fmt.Sprintf("%d-%s", n, f.name))
			writeSparse(t, name, data)
			names, ours = append(names, name), append(ours, info)
		}
	}
	_, verdicts := ask(names)
	takenByBoth, strict := 0, 0
	for i, o := range verdicts {
		got, rules := verdictOf(ours[i].Judge(Upload{}))
		switch {
		case o.Refused != "" && !harsh(got) && !slices.Contains(rules, "hybrid-iso") && ours[i].Format != Packed: // Packed is judged unpacked
			t.Errorf("%s is %s, %s for %v; oslo.utils says %s", filepath.Base(names[i]), content(ours[i]), got, rules, o)
		case o.Refused == "" && !harsh(got):
			takenByBoth++
		case o.Refused == "":
			strict++
		}
	}
	t.Logf("%d damaged images: %d taken by both, %d refused by us alone", len(names), takenByBoth, strict)
}

// damage changes up to four places where headers are: bytes at random, bits, or
// the ends of numbers.
func damage(random *rand.Rand, data []byte) []byte {
	data = bytes.Clone(data)
	limits := []int{8, 64, 128, 512, 2048, 66 << 10, len(data)}
	for range 1 + random.IntN(4) {
		at := random.IntN(min(limits[random.IntN(len(limits))], len(data)))
		if random.IntN(8) == 0 {
			at = 446 + random.IntN(66)
		}
		switch random.IntN(4) {
		case 0:
			data[at] = byte(random.Uint32())
		case 1:
			data[at] ^= 1 << random.IntN(8)
		case 2:
			data[at] = 0xff
		case 3:
			data[at] = 0
		}
	}
	if random.IntN(6) == 0 {
		data[510], data[511] = 0x55, 0xaa
	}
	return data
}

// liveOslo returns a function that asks oslo.utils in the 2025.1 devcloud.
func liveOslo(t *testing.T) func(names []string) (version string, verdicts []osloVerdict) {
	t.Helper()
	oracle.Devcloud(t, "what oslo.utils says today")
	return func(names []string) (string, []osloVerdict) {
		t.Helper()
		out := oracle.Ask(t, "2025.1", "test/oracle/format_inspector.py", strings.NewReader(strings.Join(names, "\n")+"\n"))
		lines := bufio.NewScanner(bytes.NewReader(out))
		lines.Scan()
		var head map[string]string
		if err := json.Unmarshal(lines.Bytes(), &head); err != nil {
			t.Fatal(err)
		}
		var verdicts []osloVerdict
		for lines.Scan() {
			var v osloVerdict
			if err := json.Unmarshal(lines.Bytes(), &v); err != nil {
				t.Fatal(err)
			}
			verdicts = append(verdicts, v)
		}
		if len(verdicts) != len(names) {
			t.Fatalf("oslo.utils answered for %d of %d files", len(verdicts), len(names))
		}
		return head["oslo.utils"], verdicts
	}
}

// writeSparse writes a file with holes where there are only zeros.
func writeSparse(t *testing.T, name string, data []byte) {
	t.Helper()
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	const block = 4096
	zero := make([]byte, block)
	for off := 0; off < len(data); off += block {
		part := data[off:min(off+block, len(data))]
		if bytes.Equal(part, zero[:len(part)]) {
			continue
		}
		if _, err := f.WriteAt(part, int64(off)); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Truncate(int64(len(data))); err != nil {
		t.Fatal(err)
	}
}

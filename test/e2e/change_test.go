package e2e

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	glanceapi "glance-profile/internal/glance"
	"glance-profile/internal/image"
	"glance-profile/test/faults"
)

// catalog makes n records with properties of their own and returns the prefix
// of their names.
func catalog(t *testing.T, c target, n int) string {
	t.Helper()
	prefix := fmt.Sprintf("e2e-catalog-%s-", uuid.NewString()[:8])
	t.Cleanup(func() {
		eachImage(c, prefix, func(img image.Image) { _ = c.admin.Delete(context.Background(), img.ID) })
	})
	work := make(chan int)
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for i := range work {
				_, err := c.admin.Create(t.Context(), glanceapi.Record{
					"name": fmt.Sprintf("%s%04d", prefix, i), "disk_format": "qcow2", "container_format": "bare", "min_disk": i % 7,
					"hw_disk_bus": []string{"ide", "sata", "scsi"}[i%3], "own": fmt.Sprint("value ", i), "odd/na~me": strings.Repeat("ä", i%5),
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	for i := range n {
		work <- i
	}
	close(work)
	group.Wait()
	return prefix
}

// eachImage calls do for each image whose name has the prefix.
func eachImage(c target, prefix string, do func(image.Image)) {
	for img, err := range c.admin.List(context.Background(), url.Values{"limit": {"1000"}, "visibility": {"all"}}) {
		if err != nil {
			return
		}
		if strings.HasPrefix(img.Name, prefix) {
			do(img)
		}
	}
}

func states(c target, prefix string) map[string]image.Image {
	all := map[string]image.Image{}
	eachImage(c, prefix, func(img image.Image) { all[img.ID] = img })
	return all
}

// Killed at any moment, a run can be taken back whole: every image is as it
// was, byte for byte, and none is ever seen half changed.
func TestKilledChangeIsTakenBack(t *testing.T) {
	c := devcloud(t, "2025.1")
	rounds, images := 2, 100
	if os.Getenv("GLANCE_PROFILE_SOAK") == "1" {
		rounds, images = 20, 1000
	}
	prefix := catalog(t, c, images)
	before := states(c, prefix)
	if len(before) != images {
		t.Fatalf("%d images, want %d", len(before), images)
	}
	home := t.TempDir()
	for round := range rounds {
		state := filepath.Join(home, fmt.Sprint(round)) + string(filepath.Separator)
		if err := os.MkdirAll(state, 0o700); err != nil {
			t.Fatal(err)
		}
		r := start(t, c, "ADMIN", "apply", "--where", "name~"+prefix+"*", "--property", "hw_disk_bus=virtio",
			"--property", "hw_vif_model=virtio", "--unset", "own", "--unset", "odd/na~me", "--min-disk", "9", "--yes", "--journal", state)
		journals := func() []string { found, _ := filepath.Glob(state + "*.jsonl"); return found }
		until(t, "the run has begun", func() bool { return len(journals()) == 1 })
		time.Sleep(time.Duration(rand.IntN(images*25)) * time.Millisecond) // a random moment is what is tested
		_ = r.cmd.Process.Kill()
		_ = r.cmd.Wait()
		changed := 0
		for id, img := range states(c, prefix) {
			switch {
			case img.Properties["hw_disk_bus"] == before[id].Properties["hw_disk_bus"] && maps.Equal(img.Properties, before[id].Properties) && img.MinDisk == before[id].MinDisk:
			case img.MinDisk == 9 && maps.Equal(img.Properties, map[string]string{"hw_disk_bus": "virtio", "hw_vif_model": "virtio"}):
				changed++
			default:
				t.Fatalf("round %d: image %s is half changed: %+v", round, id, img)
			}
		}
		t.Logf("round %d: killed after %d of %d images", round, changed, images)
		back := start(t, c, "ADMIN", "rollback", journals()[0], "--yes", "--journal", filepath.Join(home, fmt.Sprint("back-", round, ".jsonl")))
		if code := back.wait(t); code != 0 {
			t.Fatalf("round %d: rollback: exit %d, %s", round, code, back.stderr.String())
		}
		for id, img := range states(c, prefix) {
			if !maps.Equal(img.Properties, before[id].Properties) || img.MinDisk != before[id].MinDisk || img.Name != before[id].Name {
				t.Fatalf("round %d: image %s is not as it was: %+v, was %+v", round, id, img, before[id])
			}
		}
	}
}

// A member who touches another project's image, a reserved and a read-only
// name: one clear line each, the rest is done.
func TestOthersImages(t *testing.T) {
	c := devcloud(t, "2025.1")
	theirs, ours := uniqueName(t, c, "theirs"), uniqueName(t, c, "ours")
	for role, name := range map[string]string{"OTHER": theirs, "MEMBER": ours} {
		ok(t, start(t, c, role, "create", name, "--profile", "none", "--community", "--file", qcow2File(t)))
	}
	r := start(t, c, "MEMBER", "apply", theirs, ours, "--property", "hw_disk_bus=virtio", "--yes")
	fails(t, r, 4, `image `+theirs+` \([0-9a-f-]{36}\): change the image: Glance answered 403`)
	for _, property := range []string{"os_glance_x", "size"} {
		fails(t, start(t, c, "MEMBER", "apply", ours, "--property", property+"=1", "--yes"), 2, `^glance-profile: error: property `+property)
	}
	// Where a plan made elsewhere asks for them, Glance refuses that image.
	for _, property := range []string{"os_glance_x", "checksum"} {
		other := uniqueName(t, c, "plan")
		ok(t, start(t, c, "MEMBER", "create", other, "--profile", "none", "--file", qcow2File(t)))
		path := filepath.Join(t.TempDir(), "plan.json")
		ok(t, start(t, c, "MEMBER", "apply", ours, other, "--property", "wanted="+property, "--out", path))
		edit(t, path, `"property": "wanted"`, `"property": "`+property+`"`, `"before": "checksum"`, `"before": null`)
		r := start(t, c, "MEMBER", "apply", "--plan", path, "--yes")
		fails(t, r, 4, `change the image: Glance answered 403: .*`+property)
		if held := record(t, c, other); held.Properties["wanted"] != property {
			t.Errorf("%s: the other image was not changed: %v", property, held.Properties)
		}
	}
}

// edit replaces the first of each pair of texts in a file, once.
func edit(t *testing.T, path string, pairs ...string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	edited := string(text)
	for i := 0; i < len(pairs); i += 2 {
		edited = strings.Replace(edited, pairs[i], pairs[i+1], 1)
	}
	if err := os.WriteFile(path, []byte(edited), 0o600); err != nil {
		t.Fatal(err)
	}
}

// A property that only administrators may write: Glance's refusal is told of
// the image that has it, and the other is done.
func TestProtectedProperty(t *testing.T) {
	c := devcloud(t, "2025.1")
	up := func(options ...string) {
		t.Helper()
		args := append([]string{"--release", "2025.1", "--convert"}, options...)
		if out, err := exec.Command(filepath.Join(c.root, "up"), args...).CombinedOutput(); err != nil {
			t.Fatalf("up %v: %v\n%s", options, err, out)
		}
	}
	up("--protections")
	t.Cleanup(func() { up() })
	guarded, free := uniqueName(t, c, "guarded"), uniqueName(t, c, "free")
	for _, name := range []string{guarded, free} {
		ok(t, start(t, c, "MEMBER", "create", name, "--profile", "none", "--file", qcow2File(t)))
	}
	id := record(t, c, guarded).ID
	if _, err := c.admin.Patch(t.Context(), id, []glanceapi.Operation{{Op: "add", Name: "x_owner_a", Value: "1"}}); err != nil {
		t.Fatal(err)
	}
	r := start(t, c, "MEMBER", "apply", guarded, free, "--unset", "x_owner_a", "--property", "hw_disk_bus=virtio", "--yes")
	fails(t, r, 4, `image `+guarded+` \(`+id+`\): change the image: Glance answered 403: .*x_owner_a`)
	if held := record(t, c, guarded); held.Properties["x_owner_a"] != "1" || held.Properties["hw_disk_bus"] != "" {
		t.Errorf("half changed: %v", held.Properties)
	}
	if held := record(t, c, free); held.Properties["hw_disk_bus"] != "virtio" {
		t.Errorf("not done: %v", held.Properties)
	}
}

// Through a network that fails a third of all requests, all images end right
// and none is lost.
func TestABadNetwork(t *testing.T) {
	c := devcloud(t, "2025.1")
	const images, jobs = 300, 16
	prefix := catalog(t, c, images)
	before := states(c, prefix)
	network := &faults.Network{Seed: "seed 1"}
	proxied := override(t, c, "ADMIN", through(t, c, network.Serve))
	r := start(t, proxied, "PROXIED", "apply", "--where", "name~"+prefix+"*", "--property", "hw_disk_bus=virtio", "--unset", "own",
		"--jobs", fmt.Sprint(jobs), "--yes")
	ok(t, r)
	after := states(c, prefix)
	if len(after) != images {
		t.Errorf("%d images, want %d", len(after), images)
	}
	for id, img := range after {
		want := maps.Clone(before[id].Properties)
		want["hw_disk_bus"] = "virtio"
		delete(want, "own")
		if !maps.Equal(img.Properties, want) {
			t.Errorf("image %s: %v, want %v", id, img.Properties, want)
		}
	}
	seen := network.Count()
	t.Logf("%+v: %d PATCHes beyond the needed %d", seen, seen.Patches-images, images)
	if seen.Patches > 2*images || seen.Changed != images || seen.SameAtOnce > 0 || seen.MostAtOnce > jobs {
		t.Errorf("%+v for %d images", seen, images)
	}
	if seen.Hit < seen.Requests/5 {
		t.Errorf("only %d of %d requests were hit", seen.Hit, seen.Requests)
	}
}

// An image that is deleted while a run goes on is named, and the rest is done.
func TestDeletedUnderWay(t *testing.T) {
	c := devcloud(t, "2025.1")
	doomed, other := uniqueName(t, c, "doomed"), uniqueName(t, c, "other")
	for _, name := range []string{doomed, other} {
		ok(t, start(t, c, "MEMBER", "create", name, "--profile", "none", "--file", qcow2File(t)))
	}
	id := record(t, c, doomed).ID
	endpoint := proxy(t, c, func(req *http.Request) {
		if req.Method == http.MethodPatch && strings.HasSuffix(req.URL.Path, id) {
			if err := c.admin.Delete(context.Background(), id); err != nil {
				t.Error(err)
			}
		}
	})
	r := start(t, override(t, c, "MEMBER", endpoint), "PROXIED", "apply", doomed, other, "--property", "hw_disk_bus=virtio", "--yes")
	fails(t, r, 4, `image `+doomed+` \(`+id+`\): .*deleted`)
	if held := record(t, c, other); held.Properties["hw_disk_bus"] != "virtio" {
		t.Errorf("not done: %v", held.Properties)
	}
}

// Ctrl-C lets the requests under way end, records them and says how far it
// came; what it names takes that back.
func TestInterruptedChange(t *testing.T) {
	c := devcloud(t, "2025.1")
	const images = 40
	prefix := catalog(t, c, images)
	before := states(c, prefix)
	var r *programRun
	patches := 0
	var mu sync.Mutex
	endpoint := proxy(t, c, func(req *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if req.Method != http.MethodPatch {
			return
		}
		if patches++; patches == 10 {
			_ = r.cmd.Process.Signal(os.Interrupt)
		}
	})
	journal := filepath.Join(t.TempDir(), "run.jsonl")
	proxied := override(t, c, "ADMIN", endpoint)
	mu.Lock()
	r = start(t, proxied, "PROXIED", "apply", "--where", "name~"+prefix+"*", "--property", "hw_disk_bus=virtio", "--yes", "--journal", journal)
	mu.Unlock()
	fails(t, r, 130, `interrupted: \d+ images? changed, \d+ not begun; glance-profile rollback `+journal+` takes them back`)
	var said int
	if _, err := fmt.Sscanf(r.stderr.String()[strings.Index(r.stderr.String(), "interrupted: "):], "interrupted: %d images", &said); err != nil {
		t.Fatal(err)
	}
	changed := 0
	for _, img := range states(c, prefix) {
		if img.Properties["hw_disk_bus"] == "virtio" {
			changed++
		}
	}
	if changed != said || changed < 9 || changed == images {
		t.Errorf("%d images were changed, and it says %d", changed, said)
	}
	ok(t, start(t, proxied, "PROXIED", "rollback", journal, "--yes"))
	for id, img := range states(c, prefix) {
		if !maps.Equal(img.Properties, before[id].Properties) {
			t.Errorf("image %s is %v, was %v", id, img.Properties, before[id].Properties)
		}
	}
}

// The data of a copy pass through a connection that breaks, and are found out
// where they are not those of the image.
func TestCopyOfDataThatBreakOrChange(t *testing.T) {
	c := devcloud(t, "2025.1")
	old, copied := uniqueName(t, c, "published"), uniqueName(t, c, "copy")
	ok(t, start(t, c, "MEMBER", "create", old, "--osinfo", "win2k19", "--file", sparse(t, 20<<20)))
	var reads []string
	lie := false
	endpoint := through(t, c, func(w http.ResponseWriter, req *http.Request, next http.Handler) {
		if req.Method != http.MethodGet || !strings.HasSuffix(req.URL.Path, "/file") {
			next.ServeHTTP(w, req)
			return
		}
		reads = append(reads, req.Header.Get("Range"))
		answer := httptest.NewRecorder()
		next.ServeHTTP(answer, req)
		maps.Copy(w.Header(), answer.Header())
		w.WriteHeader(answer.Code)
		data := answer.Body.Bytes()
		if lie {
			data[len(data)/2] ^= 1
		} else if len(reads) < 3 {
			data = data[:7<<20]
		}
		_, _ = w.Write(data)
	})
	proxied := override(t, c, "MEMBER", endpoint)
	ok(t, start(t, proxied, "PROXIED", "migrate-virtio", old, "--drivers-installed", "--to-new", copied))
	if want := []string{"", "bytes=7340032-", "bytes=14680064-"}; !slices.Equal(reads, want) {
		t.Errorf("read %q, want %q", reads, want)
	}
	a, b := record(t, c, old), record(t, c, copied)
	if a.HashValue != b.HashValue || *a.Size != *b.Size || b.Properties["hw_disk_bus"] != "virtio" || a.Properties["hw_disk_bus"] != "ide" {
		t.Errorf("old %+v, new %+v", a, b)
	}
	lie = true
	bad := uniqueName(t, c, "bad")
	fails(t, start(t, proxied, "PROXIED", "migrate-virtio", old, "--drivers-installed", "--to-new", bad), 1, `not the data of image .*sha512.*was deleted`)
	if status := statusOf(t, c, bad); status != "" {
		t.Errorf("an image is left behind: %s", status)
	}
}

func qcow2File(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "disk.qcow2")
	if err := os.WriteFile(path, emptyQcow2(1<<30), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

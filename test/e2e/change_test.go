package e2e

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	glanceapi "glance-profile/internal/glance"
	"glance-profile/internal/image"
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
		r := start(t, c, role, "create", name, "--profile", "none", "--community", "--file", qcow2File(t))
		if code := r.wait(t); code != 0 {
			t.Fatalf("create %s: %s", name, r.stderr.String())
		}
	}
	r := start(t, c, "MEMBER", "apply", theirs, ours, "--property", "hw_disk_bus=virtio", "--yes")
	if code := r.wait(t); code != 4 || !strings.Contains(r.stderr.String(), theirs) || !strings.Contains(r.stderr.String(), "403") {
		t.Errorf("exit %d, stderr %s", code, r.stderr.String())
	}
	for _, property := range []string{"os_glance_x=1", "size=1"} {
		r := start(t, c, "MEMBER", "apply", ours, "--property", property, "--yes")
		if code := r.wait(t); code != 2 || strings.Count(r.stderr.String(), "\n") != 1 {
			t.Errorf("%s: exit %d, stderr %s", property, code, r.stderr.String())
		}
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

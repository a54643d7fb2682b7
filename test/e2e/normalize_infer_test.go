package e2e

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	glanceapi "glance-profile/internal/glance"
	"glance-profile/internal/image"
	"glance-profile/internal/normalize"
	"glance-profile/internal/plan"
	"glance-profile/internal/property"
)

// mixed makes n records of the property sets of real catalogues, as far as
// Glance takes them, and returns the prefix of their names.
func mixed(t *testing.T, c target, n int) string {
	t.Helper()
	sets := wild(t)
	prefix := fmt.Sprintf("e2e-mixed-%s-", uuid.NewString()[:8])
	t.Cleanup(func() {
		eachImage(c, prefix, func(img image.Image) { _ = c.admin.Delete(context.Background(), img.ID) })
	})
	var group errgroup.Group
	group.SetLimit(4)
	for i := range n {
		set := sets[i%len(sets)]
		record := glanceapi.Record{"name": fmt.Sprintf("%s%04d", prefix, i), "disk_format": "qcow2", "container_format": "bare"}
		if set.Name != "" {
			record["name"] = fmt.Sprintf("%s%04d %s", prefix, i, set.Name)
		}
		for name, value := range set.Properties {
			if !slices.ContainsFunc(property.Check(name, value), property.Finding.RefusedByGlance) {
				record[name] = value
			}
		}
		group.Go(func() error {
			_, err := c.admin.Create(t.Context(), record)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	return prefix
}

// With --infer, a mixed catalogue becomes what the decision says, and nothing
// else of its records is changed; a second run has nothing to do; a rollback
// puts all of it back.
func TestInferredCatalogue(t *testing.T) {
	c := startSandbox(t)
	const images = 300
	prefix := mixed(t, c, images)
	before := states(c, prefix)
	if len(before) != images {
		t.Fatalf("%d images, want %d", len(before), images)
	}
	n, err := normalize.New(normalize.Options{Infer: true})
	if err != nil {
		t.Fatal(err)
	}
	want, changed := map[string]image.Image{}, 0
	for id, img := range before {
		p, _ := n.Image(img)
		if len(p.Changes) > 0 {
			changed++
		}
		want[id] = plan.After(img, p)
	}
	if changed < images/2 {
		t.Fatalf("only %d of %d images are to be changed", changed, images)
	}
	journal := filepath.Join(t.TempDir(), "journal.jsonl")
	line := []string{"normalize", "--where", "name~" + prefix + "*", "--infer"}
	r := start(t, c, "ADMIN", append(line, "--yes", "--journal", journal)...)
	if code := r.wait(t); code != 0 || !strings.Contains(r.stderr.String(), fmt.Sprintf("%d images done", changed)) {
		t.Fatalf("exit %d, want %d images done: %s", code, changed, r.stderr.String())
	}
	same(t, states(c, prefix), want)
	r = start(t, c, "ADMIN", append(line, "--check")...)
	if code := r.wait(t); code != 0 {
		t.Errorf("a second run would change: exit %d, %s", code, r.stdout.String())
	}
	r = start(t, c, "ADMIN", "rollback", journal, "--yes", "--journal", journal+".back")
	if code := r.wait(t); code != 0 {
		t.Fatalf("rollback: exit %d, %s", code, r.stderr.String())
	}
	same(t, states(c, prefix), before)
}

// same compares all of the images but when they were changed.
func same(t *testing.T, got, want map[string]image.Image) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d images, want %d", len(got), len(want))
	}
	for id, w := range want {
		g := got[id]
		g.UpdatedAt = w.UpdatedAt
		if !maps.Equal(g.Properties, w.Properties) {
			t.Errorf("image %s (%s): %v, want %v", w.Name, id, g.Properties, w.Properties)
		}
		g.Properties = w.Properties
		if !reflect.DeepEqual(g, w) {
			t.Errorf("image %s (%s): %+v, want %+v", w.Name, id, g, w)
		}
	}
}

package audit

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"glance-profile/internal/image"
)

func TestCatalogRules(t *testing.T) {
	same := func(more ...string) []string {
		return append([]string{"name=a", "status=active", "visibility=public"}, more...)
	}
	cases := []struct {
		rule          string
		broken, fine_ []image.Image
		ids           string // of the images with the finding
	}{
		{
			rule: "name-not-unique", ids: "1 2 4",
			broken: []image.Image{
				props(same("id=1", "owner=x")...), props(same("id=2", "owner=y")...), props(same("id=3", "owner=z", "name=b")...), props(same("id=4", "owner=z", "visibility=private")...),
			},
			fine_: []image.Image{
				props(same("id=1", "owner=x")...), props(same("id=2", "owner=x", "os_hidden=true")...), props(same("id=3", "owner=x", "status=queued")...),
				props(same("id=4", "owner=y", "visibility=community")...),
				props("id=5", "name=p", "visibility=private", "owner=x"), props("id=6", "name=p", "visibility=private", "owner=y"), props("id=7"), props("id=8"),
			},
		},
		{
			rule: "generic-not-unique", ids: "1 2",
			broken: []image.Image{
				props("id=1", "name=a", "visibility=public", "os_purpose=generic", "os_distro=ubuntu", "os_version=24.04"),
				props("id=2", "name=b", "visibility=public", "os_purpose=generic", "os_distro=ubuntu", "os_version=24.04"),
			},
			fine_: []image.Image{
				props("id=1", "visibility=public", "os_purpose=generic", "os_distro=ubuntu", "os_version=24.04"),
				props("id=2", "visibility=public", "os_purpose=generic", "os_distro=ubuntu", "os_version=24.04", "architecture=aarch64"),
				props("id=3", "visibility=public", "os_purpose=minimal", "os_distro=ubuntu", "os_version=24.04"),
				props("id=4", "visibility=private", "os_purpose=generic", "os_distro=ubuntu", "os_version=24.04"),
				props("id=5", "visibility=public", "os_hidden=true", "os_purpose=generic", "os_distro=ubuntu", "os_version=24.04"),
			},
		},
		{
			rule: "superseded-visible", ids: "1",
			broken: []image.Image{props(same("id=1", "created_at=2025-01-01")...), props(same("id=2", "created_at=2026-01-01")...)},
			fine_: []image.Image{
				props(same("id=1", "created_at=2025-01-01", "os_version=1")...), props(same("id=2", "created_at=2026-01-01", "os_version=2")...),
				props("id=3", "name=c", "created_at=2025-01-01", "os_hidden=true"), props("id=4", "name=c", "created_at=2026-01-01"),
			},
		},
		{
			rule: "duplicate-data", ids: "1 3",
			broken: []image.Image{props("id=1", "size=1", "os_hash_algo=sha512", "os_hash_value=a"), props("id=2", "size=1", "os_hash_value=b"), props("id=3", "size=1", "os_hash_algo=sha512", "os_hash_value=a")},
			fine_:  []image.Image{props("id=1", "size=0", "os_hash_value=a"), props("id=2", "size=0", "os_hash_value=a"), props("id=3"), props("id=4")},
		},
	}
	for _, r := range catalogRules {
		if !slices.ContainsFunc(cases, func(c struct {
			rule          string
			broken, fine_ []image.Image
			ids           string
		}) bool {
			return c.rule == r.ID
		}) {
			t.Errorf("%s: no case", r.ID)
		}
	}
	for _, c := range cases {
		if got := idsWith(c.rule, c.broken); got != c.ids {
			t.Errorf("%s: found for %q, want %q", c.rule, got, c.ids)
		}
		if got := idsWith(c.rule, c.fine_); got != "" {
			t.Errorf("%s: found for %q", c.rule, got)
		}
	}
}

func idsWith(rule string, images []image.Image) string {
	var c Catalog
	for _, img := range images {
		c.Add(img)
		c.Add(img) // a second time is not another image
	}
	var ids []string
	for f := range c.Findings() {
		if f.Rule == rule {
			ids = append(ids, f.ID)
		}
	}
	return strings.Join(ids, " ")
}

// A catalog of one name is judged in a time that does not grow with the square
// of it.
func TestManyOfOneName(t *testing.T) {
	var c Catalog
	const n = 50000
	for i := range n {
		c.Add(props(fmt.Sprintf("id=%d", i), "name=a", "visibility=public", "os_hash_value=a", "size=1", fmt.Sprintf("owner=%d", i%7)))
	}
	found := 0
	for range c.Findings() {
		found++
	}
	if found != 2*n {
		t.Errorf("%d findings", found)
	}
}

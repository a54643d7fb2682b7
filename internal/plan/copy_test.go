package plan_test

import (
	"testing"

	"glance-profile/internal/image"
	"glance-profile/internal/plan"
)

func TestCopy(t *testing.T) {
	img := image.Image{ID: "1", Name: "old", Status: "active", Owner: "o", DiskFormat: "qcow2", ContainerFormat: "bare", Visibility: "private",
		MinDisk: 40, Tags: []string{"a"}, Hidden: true, Nulls: []string{"kernel_id"},
		Properties: map[string]string{"hw_disk_bus": "ide", "gone": "x", "empty": ""}}
	changed := plan.Set(img, []plan.Wanted{{Property: "hw_disk_bus", After: "virtio", Why: "w"}, {Property: "gone"}, {Property: "min_ram", After: int64(7)}}, false)
	p := plan.Copy(img, changed, "2", "new")
	const want = "container_format <nil> \"bare\"\ndisk_format <nil> \"qcow2\"\nempty <nil> \"\"\nhw_disk_bus <nil> \"virtio\"\n" +
		"min_disk <nil> 40\nmin_ram <nil> 7\nname <nil> \"new\"\ntags <nil> []string{\"a\"}\nvisibility <nil> \"private\"\n"
	if got := norm(lines(p)); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if p.Action != plan.ActionCreate || p.ID != "2" || p.Name != "new" {
		t.Errorf("%+v", p)
	}
	if img.Properties["hw_disk_bus"] != "ide" || len(img.Properties) != 3 {
		t.Error("the original was changed")
	}
}

func TestAfter(t *testing.T) {
	img := image.Image{Name: "n", Properties: map[string]string{"k": "1"}}
	wanted := []plan.Wanted{
		{Property: "name", After: nil}, {Property: "visibility", After: "public"}, {Property: "protected", After: true}, {Property: "os_hidden", After: true},
		{Property: "min_disk", After: int64(3)}, {Property: "min_ram", After: int64(4)}, {Property: "tags", After: []string{"t"}}, {Property: "owner", After: "o"},
		{Property: "disk_format", After: "raw"}, {Property: "container_format", After: "ovf"}, {Property: "k", After: nil}, {Property: "new", After: "v"},
	}
	p := plan.Set(img, wanted, false)
	if len(p.Changes) != len(wanted) {
		t.Fatalf("%d changes", len(p.Changes))
	}
	after := plan.After(img, p)
	for _, w := range wanted {
		if got := after.Value(w.Property); !plan.Equal(got, w.After) {
			t.Errorf("%s is %v, want %v", w.Property, got, w.After)
		}
	}
	if img.Properties["k"] != "1" {
		t.Error("the image was changed itself")
	}
}

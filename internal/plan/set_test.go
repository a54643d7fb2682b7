package plan_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"glance-profile/internal/image"
	"glance-profile/internal/plan"
)

// lines writes changes for comparison.
func lines(p plan.Image) string {
	var b strings.Builder
	for _, c := range p.Changes {
		fmt.Fprintf(&b, "%s %#v %#v\n", c.Property, c.Before, c.After)
	}
	return b.String()
}

func TestSet(t *testing.T) {
	img := image.Image{
		ID: "1", Name: "n", Unnamed: false, Visibility: "shared", MinDisk: 3, Tags: []string{"a", "b"},
		Properties: map[string]string{"set": "old", "empty": "", "same": "v"},
	}
	unnamed := image.Image{ID: "2", Unnamed: true, Properties: map[string]string{}}
	for name, test := range map[string]struct {
		img         image.Image
		wanted      []plan.Wanted
		onlyMissing bool
		want        string
	}{
		"sorted, and only what differs": {img, []plan.Wanted{
			{"set", "new", ""}, {"same", "v", ""}, {"added", "1", ""}, {"tags", []string{"b", "a"}, ""}, {"min_disk", int64(3), ""},
		}, false, "added <nil> \"1\"\nset \"old\" \"new\"\n"},
		"the last value counts": {img, []plan.Wanted{{"set", "x", ""}, {"set", "old", ""}}, false, ""},
		"an empty text is a value": {img, []plan.Wanted{{"empty", "x", ""}, {"set", "", ""}}, false,
			"empty \"\" \"x\"\nset \"old\" \"\"\n"},
		"removal": {img, []plan.Wanted{{"empty", nil, ""}, {"none", nil, ""}, {"name", nil, ""}}, false,
			"empty \"\" interface {}(nil)\nname \"n\" interface {}(nil)\n"},
		"types": {img, []plan.Wanted{{"min_disk", int64(0), ""}, {"protected", true, ""}, {"tags", []string(nil), ""}}, false,
			"min_disk 3 0\nprotected false true\ntags []string{\"a\", \"b\"} []string(nil)\n"},
		"no name is not an empty one": {unnamed, []plan.Wanted{{"name", "", ""}}, false, "name <nil> \"\"\n"},
		"only missing": {img, []plan.Wanted{
			{"set", "x", ""}, {"empty", "x", ""}, {"added", "1", ""}, {"min_disk", int64(9), ""}, {"min_ram", int64(9), ""},
			{"protected", true, ""}, {"tags", []string{"a", "b", "c"}, ""}, {"same", nil, ""}, {"visibility", "public", ""},
		}, true, "added <nil> \"1\"\nmin_ram 0 9\nprotected false true\nsame \"v\" interface {}(nil)\ntags []string{\"a\", \"b\"} []string{\"a\", \"b\", \"c\"}\n"},
	} {
		got := lines(plan.Set(test.img, test.wanted, test.onlyMissing))
		if norm(got) != norm(test.want) {
			t.Errorf("%s:\n%swant\n%s", name, got, test.want)
		}
	}
}

// norm evens out how a nil is written.
func norm(s string) string { return strings.ReplaceAll(s, "interface {}(nil)", "<nil>") }

func result(word string) *string { return &word }

func TestInvert(t *testing.T) {
	change := func(id, r string, from, to any) plan.Image {
		img := plan.Image{Action: plan.ActionChange, ID: id, Project: "p", Changes: []plan.Change{{Property: "k", Before: from, After: to, Why: "w"}, {Property: "a", Before: "same", After: "same"}}}
		if r != "" {
			img.Result = result(r)
		}
		return img
	}
	made := plan.Image{Action: plan.ActionCreate, ID: "new", Changes: []plan.Change{{Property: "name", After: "n"}}}
	images := []plan.Image{
		made, change("1", plan.ResultDone, nil, "x"), change("2", "", int64(1), int64(2)), change("3", plan.ResultFailed, "a", nil),
		change("4", plan.ResultUndone, "a", "b"), change("5", plan.ResultSkipped, "a", "b"),
		{Action: plan.ActionDelete, ID: "gone"}, change("1", plan.ResultDone, "x", []string{"t"}), change("6", "", "e", "e"),
	}
	back, lost := plan.Invert(images)
	var got strings.Builder
	for _, img := range back {
		if img.Result != nil || img.Error != nil {
			t.Errorf("image %s has a result already", img.ID)
		}
		fmt.Fprintf(&got, "%s %s: %s", img.Action, img.ID, lines(img))
	}
	want := "change 1: k []string{\"t\"} \"x\"\nchange 3: k <nil> \"a\"\nchange 2: k 2 1\nchange 1: k \"x\" <nil>\ndelete new: name \"n\" <nil>\n"
	if norm(got.String()) != want {
		t.Errorf("got\n%swant\n%s", got.String(), want)
	}
	if len(lost) != 1 || lost[0].ID != "gone" {
		t.Errorf("lost: %v", lost)
	}
	if images[1].Result == nil || images[1].Changes[0].After != "x" {
		t.Error("what was given was changed")
	}
	// Twice inverted is what it was, through JSON too.
	data, err := json.Marshal(back[1:3])
	if err != nil {
		t.Fatal(err)
	}
	var again []plan.Image
	if err := json.Unmarshal(data, &again); err != nil {
		t.Fatal(err)
	}
	again, _ = plan.Invert(again)
	if norm(lines(again[0])) != "k 1 2\n" || norm(lines(again[1])) != "k \"a\" <nil>\n" {
		t.Errorf("twice inverted: %v", again)
	}
}

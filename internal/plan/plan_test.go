package plan_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"glance-profile/internal/plan"
)

// The format is stored in journals and saved plans, so it must not drift.
func TestFormat(t *testing.T) {
	done := plan.ResultDone
	p := plan.Plan{Version: plan.Version, Command: "glance-profile create x", Images: []plan.Image{{
		Action: plan.ActionCreate, Cloud: "c", Endpoint: "http://h/image", Region: "r", Project: "p", ID: "i", Name: "x",
		Changes: []plan.Change{
			{Property: "hw_disk_bus", Before: nil, After: "virtio", Why: "profile"},
			{Property: "min_disk", Before: int64(0), After: int64(1<<63 - 1)},
			{Property: "protected", Before: true, After: false},
			{Property: "tags", Before: []string{}, After: []string{"b", "a"}},
		},
		Result: &done,
	}}}
	want := `{"version":1,"command":"glance-profile create x","images":[{"action":"create","cloud":"c","endpoint":"http://h/image",` +
		`"region":"r","project":"p","id":"i","name":"x","changes":[` +
		`{"property":"hw_disk_bus","before":null,"after":"virtio","why":"profile"},` +
		`{"property":"min_disk","before":0,"after":9223372036854775807,"why":""},` +
		`{"property":"protected","before":true,"after":false,"why":""},` +
		`{"property":"tags","before":[],"after":["b","a"],"why":""}],"result":"done","error":null}]}`
	data, err := json.Marshal(p)
	if err != nil || string(data) != want {
		t.Errorf("written\n got %s\nwant %s (%v)", data, want, err)
	}
	var back plan.Plan
	if err := json.Unmarshal(data, &back); err != nil || !reflect.DeepEqual(back, p) {
		t.Errorf("read back\n got %#v\nwant %#v (%v)", back, p, err)
	}
}

func TestChangeRefuses(t *testing.T) {
	for text, want := range map[string]string{
		`{"property":"x","before":1.5}`:                 "whole number",
		`{"property":"x","after":{"a":1}}`:              "neither text",
		`{"property":"x","after":["a",1]}`:              "other than text",
		`{"before":"a"}`:                                "without a property name",
		`{"property":"x","befor":"a"}`:                  "befor",
		`{"property":"x","after":99999999999999999999}`: "whole number",
	} {
		var c plan.Change
		if err := json.Unmarshal([]byte(text), &c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

func TestEqual(t *testing.T) {
	for _, tt := range []struct {
		a, b any
		want bool
	}{
		{"a", "a", true}, {"a", "b", false}, {"3", int64(3), false}, {nil, nil, true}, {nil, "", false},
		{[]string{"a", "b"}, []string{"b", "a"}, true}, {[]string{"a"}, []string{}, false},
		{[]string{}, nil, true}, {"abc", []string{}, false}, {true, true, true}, {int64(1), int64(1), true},
	} {
		if got := plan.Equal(tt.a, tt.b); got != tt.want {
			t.Errorf("%#v and %#v: %v", tt.a, tt.b, got)
		}
		if got := plan.Equal(tt.b, tt.a); got != tt.want {
			t.Errorf("%#v and %#v: %v", tt.b, tt.a, got)
		}
	}
}

// A plan that was edited by hand into something that no planner makes is
// refused.
func TestCheck(t *testing.T) {
	const id = "11111111-1111-4111-8111-111111111111"
	change := []plan.Change{{Property: "k", After: "1"}}
	for want, img := range map[string]plan.Image{
		"":                     {Action: plan.ActionChange, ID: id, Changes: change},
		"none of create":       {Action: "", ID: id, Changes: change},
		"no image's id":        {Action: plan.ActionChange, ID: "..", Changes: change},
		"it has no changes":    {Action: plan.ActionChange, ID: id},
		`"k" is changed twice`: {Action: plan.ActionChange, ID: id, Changes: append(change, change...)},
	} {
		err := plan.Plan{Images: []plan.Image{img}}.Check()
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

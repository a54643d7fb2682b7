package profiles

import (
	"context"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"glance-profile/internal/audit"
	"glance-profile/internal/image"
	"glance-profile/internal/osinfo"
	"glance-profile/internal/property"
)

func guest(t *testing.T, shortID string) *Guest {
	t.Helper()
	system, ok := osinfo.Builtin().Lookup(shortID)
	if !ok {
		t.Fatalf("libosinfo does not know %s", shortID)
	}
	return GuestOf(system, "--osinfo")
}

func resolve(t *testing.T, q Request) Resolution {
	t.Helper()
	r, err := embeddedSet(t).Resolve(q)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestPromisedOutcomes holds the two outcomes that the project promises to the
// letter: no property more, none less.
func TestPromisedOutcomes(t *testing.T) {
	for _, c := range []struct {
		guest   string
		profile string
		want    map[string]string
	}{
		{"ubuntu24.04", "linux-virtio", map[string]string{
			"os_distro": "ubuntu", "os_version": "24.04", "os_type": "linux", "architecture": "x86_64", "hw_disk_bus": "virtio",
			"hw_scsi_model": "virtio-scsi", "hw_vif_model": "virtio", "hw_rng_model": "virtio", "hw_qemu_guest_agent": "yes",
		}},
		{"win2k19", "windows-compat", map[string]string{
			"os_distro": "windows", "os_version": "2019", "os_type": "windows", "architecture": "x86_64", "hw_disk_bus": "ide", "hw_vif_model": "e1000",
		}},
	} {
		g := guest(t, c.guest)
		if name := embeddedSet(t).DefaultFor(g.Type); name != c.profile {
			t.Errorf("%s: default profile %q, want %s", c.guest, name, c.profile)
		}
		got := resolve(t, Request{Guest: g, Profiles: []string{c.profile}}).Properties()
		if !maps.Equal(got, c.want) {
			t.Errorf("%s with %s: got %v, want %v", c.guest, c.profile, got, c.want)
		}
	}
}

// purposeful are the findings that the embedded profiles have on purpose. All
// of them are information.
var purposeful = []string{
	"hw_scsi_model scsi-model-beside-virtio",  // for volumes on the SCSI bus
	"hw_rng_model no-effect",                  // what the comparison of Linux and Windows demands
	"hw_disk_bus windows-on-emulated-devices", // until the drivers are in
	"hw_tpm_version tpm-binds",
	"architecture aarch64-may-be-emulated", // as the comparison of Linux and Windows has it
}

// embeddedUses are the embedded profiles, alone and as they are meant to be
// used, each for its guest.
func embeddedUses(t *testing.T) []Request {
	linux, windows, arm := guest(t, "ubuntu24.04"), guest(t, "win2k22"), guest(t, "debian12")
	key := []Property{{"cinder_encryption_key_id", "3f4b6a52-52a5-4d37-9d0c-7c6cbd0b2d11"}}
	uses := []Request{
		{Guest: linux, Profiles: []string{"linux-virtio"}},
		{Guest: linux, Profiles: []string{"linux-virtio"}, With: []string{"hw_vif_multiqueue_enabled", "os_require_quiesce", "img_config_drive"}},
		{Guest: linux, Profiles: []string{"linux-virtio-scsi"}},
		{Guest: linux, Profiles: []string{"linux-uefi"}},
		{Guest: linux, Profiles: []string{"linux-uefi"}, With: []string{"os_secure_boot"}},
		{Guest: linux, Profiles: []string{"linux-secure-boot"}},
		{Guest: linux, Profiles: []string{"linux-virtio-scsi", "linux-secure-boot", "tpm"}},
		{Guest: linux, Profiles: []string{"linux-virtio", "encrypted-volume"}, Properties: key},
		{Guest: windows, Profiles: []string{"windows-compat"}},
		{Guest: windows, Profiles: []string{"windows-compat"}, With: []string{"hw_qemu_guest_agent"}},
		{Guest: windows, Profiles: []string{"windows-virtio"}},
		{Guest: windows, Profiles: []string{"windows-virtio"}, With: []string{"hw_qemu_guest_agent", "hw_rng_model", "os_require_quiesce"}},
		{Guest: windows, Profiles: []string{"windows-sata-compat"}},
		{Guest: windows, Profiles: []string{"windows-uefi-compat"}},
		{Guest: windows, Profiles: []string{"windows-secure-boot"}},
		{Guest: guest(t, "win11"), Profiles: []string{"windows-secure-boot", "tpm"}},
		{Guest: guest(t, "win11"), Profiles: []string{"windows-secure-boot", "windows-virtio", "tpm"}},
		{Guest: arm, Profiles: []string{"aarch64-virtio"}},
		{Guest: linux, Profiles: []string{"linux-virtio"}, Architecture: "aarch64"},
		{Guest: linux, Profiles: []string{"baremetal"}},
		{Guest: linux, Profiles: []string{"baremetal"}, With: []string{"hypervisor_type"}},
	}
	for _, p := range embeddedSet(t).List() {
		q := Request{Profiles: []string{p.Name}}
		if p.Name == "encrypted-volume" {
			q.Properties = key
		}
		uses = append(uses, q)
	}
	return uses
}

// TestEmbeddedProfilesAreSound holds that no embedded profile leads to an
// error or a warning, and records the outcome of each: what
// testdata/resolved.jsonl holds is also what Nova's own code is to judge.
func TestEmbeddedProfilesAreSound(t *testing.T) {
	var lines strings.Builder
	covered := map[string]bool{}
	auditor := audit.New(audit.Options{})
	for _, q := range embeddedUses(t) {
		outcome := resolve(t, q).Properties()
		given := map[string]string{}
		for _, p := range q.Properties {
			given[p.Name] = p.Value
		}
		findings := auditor.Image(image.Image{Properties: outcome, DiskFormat: "qcow2", MinRAM: 1})
		for _, f := range findings {
			if given[f.Property] != "" {
				continue // what the user gives is the user's
			}
			if f.Severity != property.Info || !slices.Contains(purposeful, f.Property+" "+f.Rule) {
				t.Errorf("%v: %s %s %s: %s", q.Profiles, f.Severity, f.Property, f.Rule, f.Message)
			}
		}
		line := struct {
			Profiles   []string          `json:"profiles"`
			Guest      string            `json:"guest,omitempty"`
			With       []string          `json:"with,omitempty"`
			Properties map[string]string `json:"properties"`
		}{Profiles: q.Profiles, With: q.With, Properties: outcome}
		if q.Guest != nil {
			line.Guest = q.Guest.Layer
		}
		text, err := json.Marshal(line)
		if err != nil {
			t.Fatal(err)
		}
		lines.WriteString(string(text) + "\n")
		for _, name := range q.Profiles {
			covered[name] = true
		}
	}
	for _, p := range embeddedSet(t).List() {
		if !covered[p.Name] {
			t.Errorf("%s is in no use", p.Name)
		}
	}
	golden(t, "testdata/resolved.jsonl", lines.String())
}

// TestEmbeddedProfilesSayWhy holds that each value has its source, and each
// profile what a person needs to choose it.
func TestEmbeddedProfilesSayWhy(t *testing.T) {
	set := embeddedSet(t)
	for _, p := range set.List() {
		d, err := set.Details(p.Name)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range slices.Concat(d.Properties, d.Optional) {
			if v.Source == "" || strings.HasPrefix(v.Source, embeddedOrigin) {
				t.Errorf("%s: %s has no source", p.Name, v.Property)
			}
			if !strings.HasPrefix(v.Layer, "profile ") {
				t.Errorf("%s: %s comes from %q", p.Name, v.Property, v.Layer)
			}
		}
		if d.Notes == "" || d.Origin != embeddedOrigin {
			t.Errorf("%s: notes %q, origin %q", p.Name, d.Notes, d.Origin)
		}
	}
	want := []string{
		"aarch64-virtio", "baremetal", "encrypted-volume", "linux-secure-boot", "linux-uefi", "linux-virtio", "linux-virtio-scsi", "tpm",
		"windows-compat", "windows-sata-compat", "windows-secure-boot", "windows-uefi-compat", "windows-virtio",
	}
	var names []string
	for _, p := range set.List() {
		names = append(names, p.Name)
	}
	if !slices.Equal(names, want) {
		t.Errorf("the embedded profiles are %v", names)
	}
}

func TestLayers(t *testing.T) {
	r := resolve(t, Request{
		Guest:        &Guest{Layer: "--osinfo debian12", Source: "libosinfo", Distro: "debian", Version: "12", Type: "linux"},
		Profiles:     []string{"linux-virtio", "linux-virtio-scsi"},
		With:         []string{"hw_vif_multiqueue_enabled"},
		Architecture: "aarch64",
		Properties:   []Property{{"os_version", "12.5"}, {"hw_vif_model", "e1000"}, {"hw_vif_model", "e1000e"}, {"cpu", "many"}},
	})
	want := map[string]struct {
		value, layer string
		overridden   []Overridden
	}{
		"os_distro":                 {"debian", "--osinfo debian12", nil},
		"os_version":                {"12.5", "--property", []Overridden{{"12", "--osinfo debian12"}}},
		"os_type":                   {"linux", "profile linux-virtio", []Overridden{{"linux", "--osinfo debian12"}}},
		"architecture":              {"aarch64", "--architecture", []Overridden{{"x86_64", "default"}, {"x86_64", "profile linux-virtio"}}},
		"hw_disk_bus":               {"scsi", "profile linux-virtio-scsi", []Overridden{{"virtio", "profile linux-virtio"}}},
		"hw_scsi_model":             {"virtio-scsi", "profile linux-virtio-scsi", []Overridden{{"virtio-scsi", "profile linux-virtio"}}},
		"hw_vif_model":              {"e1000e", "--property", []Overridden{{"virtio", "profile linux-virtio"}, {"e1000", "--property"}}},
		"hw_rng_model":              {"virtio", "profile linux-virtio", nil},
		"hw_qemu_guest_agent":       {"yes", "profile linux-virtio", nil},
		"hw_vif_multiqueue_enabled": {"true", "profile linux-virtio (--with hw_vif_multiqueue_enabled)", nil},
		"cpu":                       {"many", "--property", nil},
	}
	if len(r.Values) != len(want) || len(r.Notes) != 0 {
		t.Errorf("%d values, want %d; notes %q", len(r.Values), len(want), r.Notes)
	}
	for i, v := range r.Values {
		w := want[v.Property]
		if v.Value != w.value || v.Layer != w.layer || !slices.Equal(v.Overridden, w.overridden) {
			t.Errorf("%s: %q from %q over %v; want %q from %q over %v", v.Property, v.Value, v.Layer, v.Overridden, w.value, w.layer, w.overridden)
		}
		if i > 0 && r.Values[i-1].Property >= v.Property {
			t.Errorf("not sorted at %s", v.Property)
		}
	}
}

// TestSiblings holds that a parent shared by two profiles is not laid over
// what the first of them sets.
func TestSiblings(t *testing.T) {
	for _, c := range []struct {
		profiles []string
		bus      string
	}{
		{[]string{"linux-virtio-scsi", "linux-uefi"}, "scsi"},
		{[]string{"linux-uefi", "linux-virtio-scsi"}, "scsi"},
		{[]string{"linux-virtio-scsi", "linux-virtio"}, "virtio"}, // asked for by name
		{[]string{"windows-secure-boot", "windows-virtio"}, "virtio"},
		{[]string{"windows-virtio", "windows-secure-boot"}, "sata"},
	} {
		got := resolve(t, Request{Profiles: c.profiles}).Properties()["hw_disk_bus"]
		if got != c.bus {
			t.Errorf("%v: hw_disk_bus=%s, want %s", c.profiles, got, c.bus)
		}
	}
}

func TestOtherSystems(t *testing.T) {
	bsd := guest(t, "freebsd14.0")
	set := embeddedSet(t)
	if name := set.DefaultFor(bsd.Type); name != "" {
		t.Errorf("FreeBSD gets the profile %s by itself", name)
	}
	r := resolve(t, Request{Guest: bsd, Profiles: []string{"linux-virtio"}})
	got := r.Properties()
	if _, ok := got["os_type"]; ok || got["os_distro"] != "freebsd" || got["hw_disk_bus"] != "virtio" || len(r.Notes) != 1 {
		t.Errorf("got %v, notes %q", got, r.Notes)
	}
	if got := resolve(t, Request{Guest: bsd, Profiles: []string{None}}).Properties(); !maps.Equal(got, map[string]string{"os_distro": "freebsd", "os_version": "14.0"}) {
		t.Errorf("without a profile: %v", got)
	}
	if got := resolve(t, Request{}).Values; len(got) != 0 {
		t.Errorf("out of nothing: %v", got)
	}
}

func TestDefaultFor(t *testing.T) {
	for osType, want := range map[string]string{"linux": "linux-virtio", "windows": "windows-compat", "": "", "bsd": ""} {
		if got := embeddedSet(t).DefaultFor(osType); got != want {
			t.Errorf("%q: %q, want %q", osType, got, want)
		}
	}
}

func TestRefusedRequests(t *testing.T) {
	windows := guest(t, "win2k19")
	var said strings.Builder
	for _, c := range []struct {
		name string
		q    Request
	}{
		{"unknown", Request{Profiles: []string{"linux-virto"}}},
		{"unknown, nothing like it", Request{Profiles: []string{"solaris"}}},
		{"none and another", Request{Profiles: []string{"none", "tpm"}}},
		{"key missing", Request{Profiles: []string{"encrypted-volume"}}},
		{"key empty", Request{Profiles: []string{"encrypted-volume"}, Properties: []Property{{"cinder_encryption_key_id", ""}}}},
		{"wrong guest", Request{Guest: windows, Profiles: []string{"linux-virtio"}}},
		{"wrong guest by hand", Request{Profiles: []string{"windows-virtio"}, Properties: []Property{{"os_type", "linux"}}}},
		{"profiles for two guests", Request{Profiles: []string{"linux-virtio", "windows-virtio"}}},
		{"wrong architecture", Request{Profiles: []string{"aarch64-virtio"}, Architecture: "x86_64"}},
		{"not optional", Request{Profiles: []string{"linux-virtio"}, With: []string{"os_secure_boot"}}},
		{"nothing optional", Request{Profiles: []string{"tpm"}, With: []string{"os_secure_boot"}}},
		{"optional of none", Request{With: []string{"os_secure_boot"}}},
	} {
		r, err := embeddedSet(t).Resolve(c.q)
		if err == nil {
			t.Errorf("%s: %v", c.name, r.Values)
			continue
		}
		said.WriteString(c.name + ": " + err.Error() + "\n")
	}
	golden(t, "testdata/requests.golden", said.String())
}

func TestForcedContradiction(t *testing.T) {
	r := resolve(t, Request{Guest: guest(t, "win2k19"), Profiles: []string{"linux-virtio"}, Force: true})
	if len(r.Notes) != 1 || !strings.HasPrefix(r.Notes[0], "profile linux-virtio is for os_type=linux, but --osinfo win2k19 says") {
		t.Errorf("notes %q", r.Notes)
	}
	if got := r.Properties(); got["os_type"] != "linux" || got["hw_disk_bus"] != "virtio" || got["os_distro"] != "windows" {
		t.Errorf("got %v", got)
	}
}

func write(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestUsersProfiles(t *testing.T) {
	dir, other := t.TempDir(), t.TempDir()
	write(t, filepath.Join(dir, "a.yaml"), "name: linux-virtio\nsummary: ours\nmatch: {os_type: linux}\nproperties:\n  hw_disk_bus: scsi\n  hw_scsi_model: virtio-scsi\n")
	write(t, filepath.Join(dir, "b.yml"), "name: mine\nsummary: mine\nextends: [linux-uefi]\nproperties:\n  hw_video_model: virtio\n")
	write(t, filepath.Join(dir, "notes.txt"), "not a profile")
	write(t, filepath.Join(dir, ".hidden.yaml"), "not a profile")
	file := write(t, filepath.Join(other, "c.yml"), "name: mine\nsummary: mine\nproperties:\n  hw_video_model: {value: vga, source: our old console}\n")

	set, notices, err := Load(t.Context(), []string{filepath.Join(dir, "missing"), dir}, []string{file})
	if err != nil {
		t.Fatal(err)
	}
	want := []Notice{
		Notice("profile linux-virtio of " + filepath.Join(dir, "a.yaml") + " replaces the one of the program"),
		Notice("profile mine of " + file + " replaces the one of " + filepath.Join(dir, "b.yml")),
	}
	if !slices.Equal(notices, want) {
		t.Errorf("notices %q, want %q", notices, want)
	}
	d, err := set.Details("mine")
	if err != nil || len(d.Properties) != 1 || d.Properties[0].Source != "our old console" || d.Origin != file {
		t.Errorf("%+v, %v", d, err)
	}
	// A child of the embedded set stands on the profile that took its parent's place.
	d, err = set.Details("linux-uefi")
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]Value{}
	for _, v := range d.Properties {
		values[v.Property] = v
	}
	if v := values["hw_disk_bus"]; v.Value != "scsi" || v.Source != filepath.Join(dir, "a.yaml")+":5" {
		t.Errorf("linux-uefi over the user's linux-virtio: %+v", v)
	}
	if _, ok := values["hw_rng_model"]; ok {
		t.Error("linux-uefi still has what the replaced profile set")
	}
}

func TestUsersProfilesRefused(t *testing.T) {
	t.Run("same name twice in a folder", func(t *testing.T) {
		dir := t.TempDir()
		write(t, filepath.Join(dir, "a.yaml"), "name: mine\nsummary: x\nproperties: {hw_disk_bus: virtio}\n")
		write(t, filepath.Join(dir, "b.yml"), "name: mine\nsummary: x\nproperties: {hw_disk_bus: scsi}\n")
		_, _, err := Load(t.Context(), []string{dir}, nil)
		if err == nil || err.Error() != filepath.Join(dir, "b.yml")+":1: name: mine is the name of "+filepath.Join(dir, "a.yaml")+" too" {
			t.Error(err)
		}
	})
	t.Run("all errors at once", func(t *testing.T) {
		dir := t.TempDir()
		write(t, filepath.Join(dir, "a.yaml"), "name: mine\n")
		write(t, filepath.Join(dir, "b.yml"), "nome: mine\n")
		_, _, err := Load(t.Context(), []string{dir}, []string{filepath.Join(dir, "missing.yaml")})
		if err == nil || strings.Count(err.Error(), "\n") < 4 || !strings.Contains(err.Error(), "missing.yaml: no such file") {
			t.Error(err)
		}
	})
	t.Run("a circle of two", func(t *testing.T) {
		dir := t.TempDir()
		write(t, filepath.Join(dir, "a.yaml"), "name: one\nsummary: x\nextends: [two]\n")
		write(t, filepath.Join(dir, "b.yml"), "name: two\nsummary: x\nextends:\n- one\n")
		_, _, err := Load(t.Context(), []string{dir}, nil)
		if err == nil || err.Error() != filepath.Join(dir, "a.yaml")+":3: extends: a circle: one extends two extends one" {
			t.Error(err)
		}
	})
	t.Run("a file too large", func(t *testing.T) {
		path := write(t, filepath.Join(t.TempDir(), "a.yaml"), "name: one\nsummary: x\nnotes: "+strings.Repeat("x", maxFileBytes))
		_, _, err := Load(t.Context(), nil, []string{path})
		if err == nil || err.Error() != path+":1: larger than 64 KiB, which no profile is" {
			t.Error(err)
		}
	})
	t.Run("interrupted", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, _, err := Load(ctx, []string{t.TempDir()}, nil); err != ctx.Err() {
			t.Error(err)
		}
	})
}

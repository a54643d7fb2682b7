package hardware_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"glance-profile/internal/hardware"
	"glance-profile/profiles"
)

// TestProfiles has both Novas build the machine of every embedded profile for
// x86, and Debian 13's libvirt start it.
func TestProfiles(t *testing.T) {
	requireDevcloud(t)
	set, err := profiles.Embedded()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	var cases []testCase
	for _, p := range set.List() {
		switch p.Name {
		case "baremetal", "encrypted-volume", "aarch64-virtio": // no KVM, no boot from the image, no x86
			continue
		}
		resolved, err := set.Resolve(profiles.Request{Profiles: []string{p.Name}})
		if err != nil {
			t.Fatalf("%s: %v", p.Name, err)
		}
		names = append(names, p.Name)
		cases = append(cases, testCase{Props: resolved.Properties(), XML: true})
	}
	if len(cases) < 8 {
		t.Fatalf("only the profiles %q", names)
	}
	var newest []answer
	for _, j := range judges {
		newest = askNova(t, j.devcloud, j.nova, cases)
		for i, theirs := range newest {
			if !theirs.Builds {
				t.Errorf("%s: Nova %s refuses it: %s", names[i], j.nova, theirs.Refusal.Message)
			}
			ours, result := model(t, cases[i], j.release)
			if difference := differs(ours, theirs, result); difference != "" {
				t.Errorf("%s on Nova %s: %s", names[i], j.nova, difference)
			}
		}
	}
	var domains bytes.Buffer
	enc := json.NewEncoder(&domains)
	var started []string
	for i, theirs := range newest {
		if ours := build(cases[i], hardware.Newest); ours.Starts == nil || !*ours.Starts {
			t.Errorf("%s: we say that it does not start: %+v", names[i], ours.Refusal)
		}
		// A TPM wants a key manager and swtpm, which the root does not have.
		if theirs.Builds && theirs.Machine["tpm"] == nil {
			started = append(started, names[i])
			if err := enc.Encode(map[string]string{"xml": theirs.XML}); err != nil {
				t.Fatal(err)
			}
		}
	}
	for i, v := range askLibvirt(t, &domains, len(started)) {
		if !v.Starts {
			t.Errorf("%s: libvirt does not start it: %s", started[i], *v.Message)
		}
	}
	t.Logf("built: %q; started: %q", names, started)
}

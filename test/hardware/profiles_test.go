package hardware_test

import (
	"bufio"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"glance-profile/internal/hardware"
	"glance-profile/internal/qemu"
	"glance-profile/profiles"
)

// notStarted are the profiles that a bare host does not start, with the reason.
var notStarted = map[string]string{
	"tpm":              "a layer, whose TPM wants a key manager",
	"baremetal":        "for Ironic, which makes no virtual machine",
	"encrypted-volume": "a layer; the key is Cinder's",
	"aarch64-virtio":   "not x86",
}

// Every embedded x86 profile's machine is built by both Novas and started by
// libvirt, and QEMU starts the line that hardware --qemu prints of it, with the
// devices of the machine.
func TestEmbeddedProfiles(t *testing.T) {
	requireDevcloud(t)
	set, _, err := profiles.Load(t.Context(), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	image := filepath.Join(t.TempDir(), "disk.raw")
	if err := os.WriteFile(image, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	var names []string
	var cases, domains, lines strings.Builder
	var commands []qemu.Line
	for _, p := range set.List() {
		if notStarted[p.Name] != "" {
			continue
		}
		resolved, err := set.Resolve(profiles.Request{Profiles: []string{p.Name}})
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, p.Name)
		write(t, &cases, map[string]any{"props": resolved.Properties(), "xml": true})
		made := hardware.BuildProperties(resolved.Properties(), hardware.Options{})
		if made.Machine == nil || made.Starts == nil || !*made.Starts {
			t.Errorf("%s: %+v", p.Name, made.Refusal)
			continue
		}
		line, err := qemu.Command(made.Machine, qemu.Options{Image: image, Format: "raw", VCPUs: 2, MemoryMB: 256})
		if err != nil {
			t.Errorf("%s: %v", p.Name, err)
		}
		commands = append(commands, line)
		write(t, &lines, map[string]any{"args": line.Args})
	}
	if len(names) < 8 {
		t.Fatalf("only %d profiles", len(names))
	}
	for _, release := range []string{"zed", "2025.1"} {
		answers := ask(t, release, "nova_machine.py", cases.String())[1:] // after the release's name
		for i, name := range names {
			var answer struct {
				Builds bool
				XML    string
			}
			if err := json.Unmarshal(answers[i], &answer); err != nil {
				t.Fatal(err)
			}
			if !answer.Builds {
				t.Errorf("%s: Nova of %s does not build it: %s", name, release, answers[i])
			}
			if release == "2025.1" {
				write(t, &domains, map[string]string{"xml": answer.XML})
			}
		}
	}
	for i, text := range ask(t, "2025.1", "start_machine.py", domains.String()) {
		if !strings.Contains(string(text), `"starts": true`) {
			t.Errorf("%s: libvirt: %s", names[i], text)
		}
	}
	for i, text := range ask(t, "2025.1", "qemu_devices.py", lines.String()) {
		var answer struct {
			Devices map[string]string
			Error   string
		}
		if err := json.Unmarshal(text, &answer); err != nil {
			t.Fatal(err)
		}
		for id, driver := range commands[i].Devices() {
			if answer.Devices[id] != driver {
				t.Errorf("%s: device %s is %q, want %q (%s)", names[i], id, answer.Devices[id], driver, answer.Error)
			}
		}
	}
}

func write(t *testing.T, to *strings.Builder, v any) {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	to.Write(append(data, '\n'))
}

// ask runs a judge in a release's root and returns the lines of its answer.
func ask(t *testing.T, release, script, input string) [][]byte {
	t.Helper()
	cmd := exec.Command("../devcloud/exec", release, "python3", script)
	cmd.Stdin = strings.NewReader(input)
	var complaint strings.Builder
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", script, err, complaint.String())
	}
	var answers [][]byte
	lines := bufio.NewScanner(strings.NewReader(string(out)))
	lines.Buffer(nil, 4<<20)
	for lines.Scan() {
		answers = append(answers, []byte(lines.Text()))
	}
	if want := strings.Count(input, "\n"); len(answers) < want {
		t.Fatalf("%s: %d answers to %d questions", script, len(answers), want)
	}
	return answers
}

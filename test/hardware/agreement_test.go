// Package hardware_test holds internal/hardware to Nova's own code, which runs
// in the roots of the devcloud (nova_machine.py).
package hardware_test

import (
	"encoding/json"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"glance-profile/internal/hardware"
	"glance-profile/internal/image"
	"glance-profile/test/oracle"
)

// judges are the releases of the devcloud and the Nova in each.
var judges = []struct {
	devcloud string
	nova     string
	release  hardware.Release
}{{"zed", "26.2.2", "zed"}, {"2025.1", "31.0.0", "2025.1"}}

// answer is what Nova says, and as far as it can be compared, what we say.
type answer struct {
	Builds  bool `json:"builds"`
	Refusal *struct {
		By      string `json:"by"`
		Class   string `json:"class"`
		Message string `json:"message"`
	} `json:"refusal"`
	Machine map[string]any `json:"machine"`
	Traits  map[string]any `json:"traits"`
	Filter  map[string]any `json:"filter"`
	XML     string         `json:"xml"`
}

// hostFacts are what depends on the host alone, so that Nova's answer on the
// fake host of its tests is not to be had from the image. Nothing else may
// differ.
var hostFacts = []struct {
	reason  string
	applies func(testCase, answer) bool
}{
	{
		"the fake host knows the machine types of its own capability list only; hosts have others with a version, of their own QEMU",
		func(c testCase, theirs answer) bool {
			return theirs.Refusal != nil && theirs.Refusal.Class == "InvalidMachineType" &&
				strings.HasPrefix(theirs.Refusal.Message, "'"+machineType(c)+"' is not valid") && strings.Contains(machineType(c), "-")
		},
	},
}

// machineType is the versioned type that a case asks for, or "".
func machineType(c testCase) string {
	if t := c.Props["hw_machine_type"]; t == "pc-q35-9.2" {
		return t
	}
	return ""
}

func TestAgreement(t *testing.T) {
	requireDevcloud(t)
	n, flavors := 200, 60
	if soak() {
		n, flavors = 5000, 2000
	}
	r := oracle.Random(t)
	cases := slices.Concat(corners(), generate(r, n), withFlavor(r, generate(r, flavors)), wildCases(t))
	if soak() {
		cases = slices.Concat(cases, singles(), pairs(r, 2000))
	}
	for _, j := range judges {
		t.Run(j.nova, func(t *testing.T) {
			answers := askNova(t, j.devcloud, j.nova, cases)
			compare(t, cases, answers, j.release)
			compareAudit(t, cases, answers, j.release)
		})
	}
}

// compare fails for every case on which we differ from Nova.
func compare(t *testing.T, cases []testCase, answers []answer, release hardware.Release) {
	t.Helper()
	skipped, builds, shown := map[string]int{}, 0, 0
	refused := map[string]int{}
	for i, c := range cases {
		theirs := answers[i]
		if theirs.Builds {
			builds++
		} else {
			refused[theirs.Refusal.By]++
		}
		ours, result := model(t, c, release)
		if reason := hostFact(c, theirs); reason != "" {
			skipped[reason]++
			continue
		}
		difference := differs(ours, theirs, result)
		if difference == "" {
			continue
		}
		if shown++; shown > 30 {
			t.Fatal("more differences are not shown")
		}
		t.Errorf("%v:\n  %s", c, difference)
	}
	t.Logf("%d cases: %d built, refused %v; left to the host: %v", len(cases), builds, refused, skipped)
	if builds < len(cases)/4 {
		t.Errorf("only %d of %d cases are built: the generator has gone wrong", builds, len(cases))
	}
}

func hostFact(c testCase, theirs answer) string {
	for _, f := range hostFacts {
		if f.applies(c, theirs) {
			return f.reason
		}
	}
	return ""
}

// differs names the first thing in which two answers differ.
func differs(ours, theirs answer, result hardware.Result) string {
	text := func(v any) string { out, _ := json.Marshal(v); return string(out) }
	switch {
	case (ours.Refusal == nil) != (theirs.Refusal == nil) || ours.Refusal != nil && ours.Refusal.By != theirs.Refusal.By,
		ours.Refusal != nil && result.Refusal.Exception != "" && result.Refusal.Exception != theirs.Refusal.Class:
		class := ""
		if result.Refusal != nil {
			class = result.Refusal.Exception
		}
		return "refusal: we " + text(ours.Refusal) + " " + class + ", Nova " + text(theirs.Refusal)
	case ours.Builds != theirs.Builds:
		return "builds"
	case !reflect.DeepEqual(ours.Machine, theirs.Machine):
		for field, value := range theirs.Machine {
			if !reflect.DeepEqual(ours.Machine[field], value) {
				return field + ": we " + text(ours.Machine[field]) + ", Nova " + text(value)
			}
		}
		return "fields that Nova does not have: " + text(ours.Machine)
	case !reflect.DeepEqual(ours.Traits, theirs.Traits):
		return "traits: we " + text(ours.Traits) + ", Nova " + text(theirs.Traits)
	case !reflect.DeepEqual(ours.Filter, theirs.Filter):
		return "filter: we " + text(ours.Filter) + ", Nova " + text(theirs.Filter)
	}
	return ""
}

// model asks our model, and returns its JSON as an answer. A refusal of libvirt
// is none of Nova's.
func model(t *testing.T, c testCase, release hardware.Release) (answer, hardware.Result) {
	t.Helper()
	r := build(c, release)
	if r.Refusal != nil && r.Refusal.By == hardware.ByStart {
		r.Refusal = nil
	}
	data, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var a answer
	if err := json.Unmarshal(data, &a); err != nil {
		t.Fatal(err)
	}
	return a, r
}

func build(c testCase, release hardware.Release) hardware.Result {
	o := hardware.Options{Nova: release, VirtType: c.VirtType, VCPUs: c.VCPUs, ExtraSpecs: c.ExtraSpecs, SEV: c.SEV, MachineTypes: map[string]string{}}
	for _, pair := range c.MachineTypes {
		arch, machine, _ := strings.Cut(pair, "=")
		o.MachineTypes[arch] = machine
	}
	return hardware.Build(image.Image{DiskFormat: c.DiskFormat, Properties: c.Props}, o)
}

// askNova puts cases to the Nova of a devcloud.
func askNova(t *testing.T, devcloud, nova string, cases []testCase) []answer {
	t.Helper()
	return oracle.Nova[answer](t, devcloud, nova, "test/hardware/nova_machine.py", cases)
}

func soak() bool { return os.Getenv("GLANCE_PROFILE_SOAK") == "1" }

// requireDevcloud leaves the test out where there is no devcloud.
func requireDevcloud(t *testing.T) {
	t.Helper()
	oracle.Devcloud(t, "Nova's driver, libvirt and QEMU are not asked")
}

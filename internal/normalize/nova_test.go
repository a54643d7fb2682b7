package normalize

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"glance-profile/internal/image"
	"glance-profile/internal/plan"
	"glance-profile/internal/property"
)

// The judge is Nova's own code, in both releases of the devcloud: what it takes
// before, alone and with the image's other properties, it takes afterwards.
func TestNovaTakesWhatItTook(t *testing.T) {
	requireDevcloud(t)
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("GLANCE_PROFILE_SEED"); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatalf("GLANCE_PROFILE_SEED: %v", err)
		}
	}
	t.Logf("GLANCE_PROFILE_SEED=%d repeats this", seed)
	pairs := changedBy(t, rand.New(rand.NewPCG(seed, 0)))
	if len(pairs) < 20000 { // before and after
		t.Fatalf("only %d sets of properties", len(pairs))
	}
	for _, judge := range []struct{ devcloud, nova string }{{"zed", "26.2.2"}, {"2025.1", "31.0.0"}} {
		t.Run(judge.nova, func(t *testing.T) {
			answers := askNova(t, judge.devcloud, judge.nova, pairs)
			mended, wrong := 0, 0
			for i := 0; i < len(answers); i += 2 {
				before, after := answers[i], answers[i+1]
				switch {
				case before == "" && after != "":
					if wrong++; wrong <= 20 {
						t.Errorf("%q became %q, which Nova refuses: %s", pairs[i], pairs[i+1], after)
					}
				case before != "" && after == "":
					mended++
				}
			}
			t.Logf("Nova %s: %d sets of properties and single values before and after, %d refused before and taken now, %d the other way", judge.nova, len(answers)/2, mended, wrong)
			if mended < 100 {
				t.Errorf("only %d were mended: the cases ask for nothing", mended)
			}
		})
	}
}

// changedBy returns what was changed in real and made-up images: sets of
// properties and single values, each before and after.
func changedBy(t *testing.T, r *rand.Rand) []map[string]string {
	t.Helper()
	g := &generator{r: r, names: property.Names()}
	var images []image.Image
	for _, set := range labelledSets {
		for _, img := range corpus(t, "testdata/"+set.name+".jsonl") {
			images = append(images, img)
		}
	}
	for range 6000 {
		images = append(images, g.image())
	}
	// Each word of each list, in other spellings.
	for _, name := range g.names {
		d, _ := property.Lookup(name)
		for _, v := range d.Values {
			for range 6 {
				images = append(images, image.Image{Properties: map[string]string{name: g.spelling(v)}})
			}
		}
	}
	var pairs []map[string]string
	for _, n := range variants(t) {
		for _, img := range images {
			p, _ := n.Image(img)
			if len(p.Changes) == 0 {
				continue
			}
			pairs = append(pairs, img.Properties, plan.After(img, p).Properties)
			for _, c := range p.Changes {
				single := func(v any) map[string]string {
					if text, ok := v.(string); ok {
						return map[string]string{c.Property: text}
					}
					return map[string]string{}
				}
				pairs = append(pairs, single(c.Before), single(c.After))
			}
		}
	}
	return pairs
}

// requireDevcloud skips the test where there is no devcloud, unless all that
// can be tested must be.
func requireDevcloud(t *testing.T) {
	t.Helper()
	if os.Getenv("GLANCE_PROFILE_DEVCLOUD") != "" {
		return
	}
	const message = "GLANCE_PROFILE_DEVCLOUD is not set: Nova's own code is not asked (make devcloud-up)"
	if os.Getenv("CI") == "true" || os.Getenv("GLANCE_PROFILE_REQUIRE_ALL") == "1" {
		t.Fatal(message)
	}
	t.Skip(message)
}

// askNova puts cases to the Nova of a devcloud, and returns the class of its
// exception for each, or "".
func askNova(t *testing.T, devcloud, nova string, cases []map[string]string) []string {
	t.Helper()
	var in bytes.Buffer
	enc := json.NewEncoder(&in)
	for _, p := range cases {
		if err := enc.Encode(map[string]any{"props": p}); err != nil {
			t.Fatal(err)
		}
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(filepath.Join(root, "test/devcloud/exec"), devcloud, "python3", filepath.Join(root, "test/oracle/nova_values.py"))
	var stderr bytes.Buffer
	cmd.Stdin, cmd.Stderr = &in, &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("nova_values.py in the devcloud %s: %v\n%s", devcloud, err, &stderr)
	}
	dec := json.NewDecoder(bytes.NewReader(out))
	var release struct {
		Nova string `json:"nova"`
	}
	if err := dec.Decode(&release); err != nil {
		t.Fatal(err)
	}
	if release.Nova != nova {
		t.Fatalf("the devcloud %s has Nova %s, want %s", devcloud, release.Nova, nova)
	}
	answers := make([]string, len(cases))
	for i := range answers {
		var answer struct {
			Error string `json:"error"`
		}
		if err := dec.Decode(&answer); err != nil {
			t.Fatalf("answer %d: %v", i, err)
		}
		answers[i] = answer.Error
	}
	return answers
}

package normalize

import (
	"math/rand/v2"
	"testing"

	"glance-profile/internal/image"
	"glance-profile/internal/plan"
	"glance-profile/internal/property"
	"glance-profile/test/oracle"
)

// The judge is Nova's own code, in both releases of the devcloud: what it takes
// before, alone and with the image's other properties, it takes afterwards.
func TestNovaTakesWhatItTook(t *testing.T) {
	oracle.Devcloud(t, "Nova's own code is not asked")
	pairs := changedBy(t, oracle.Random(t))
	if len(pairs) < 20000 { // before and after
		t.Fatalf("only %d sets of properties", len(pairs))
	}
	for _, judge := range []struct{ devcloud, nova string }{{"zed", "26.2.2"}, {"2025.1", "31.0.0"}} {
		t.Run(judge.nova, func(t *testing.T) {
			answers := oracle.Nova[verdict](t, judge.devcloud, judge.nova, "test/oracle/nova_values.py", asCases(pairs))
			mended, wrong := 0, 0
			for i := 0; i < len(answers); i += 2 {
				before, after := answers[i].Error, answers[i+1].Error
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

// verdict is what Nova says of a set of properties: the class of its exception,
// or "".
type verdict struct {
	Error string `json:"error"`
}

// asCases are sets of properties as the script reads them.
func asCases(sets []map[string]string) []map[string]any {
	cases := make([]map[string]any, len(sets))
	for i, props := range sets {
		cases[i] = map[string]any{"props": props}
	}
	return cases
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

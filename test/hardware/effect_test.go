package hardware_test

import (
	"maps"
	"reflect"
	"testing"

	"glance-profile/test/oracle"
)

// TestNoEffect takes the properties away that we call without effect: Nova must
// not notice.
func TestNoEffect(t *testing.T) {
	requireDevcloud(t)
	n := 100
	if soak() {
		n = 1500
	}
	for _, j := range judges {
		t.Run(j.nova, func(t *testing.T) {
			r := oracle.Random(t)
			var cases []testCase
			taken := 0
			for _, c := range generate(r, n) {
				ours := build(c, j.release)
				if len(ours.NoEffect) == 0 {
					continue
				}
				taken += len(ours.NoEffect)
				less := c
				less.Props = maps.Clone(c.Props)
				for _, name := range ours.NoEffect {
					delete(less.Props, name)
				}
				cases = append(cases, c, less)
			}
			answers := askNova(t, j.devcloud, j.nova, cases)
			for i := 0; i < len(cases); i += 2 {
				if !reflect.DeepEqual(answers[i], answers[i+1]) {
					t.Errorf("%v:\n  without %q Nova's answer is another one", cases[i], build(cases[i], j.release).NoEffect)
				}
			}
			t.Logf("%d properties taken from %d cases", taken, len(cases)/2)
			if taken < n/4 {
				t.Errorf("only %d properties were to be taken away", taken)
			}
		})
	}
}

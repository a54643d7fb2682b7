package property

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"glance-profile/test/oracle"
)

// The judge is Nova's own code, in both releases of the devcloud. Its answers
// to the systematic cases are kept in testdata, so that they judge anywhere;
// with a devcloud at hand it is asked about random ones as well.

var record = flag.Bool("record", false, "ask Nova and Glance anew and write their answers to testdata (see test/oracle/record)")

// judges are the releases of the devcloud and of the Nova in each.
var judges = []struct {
	devcloud, nova string
	major          Nova
}{{"zed", "26.2.2", 26}, {"2025.1", "31.0.0", 31}}

// answer is what Nova says to one case: Error is the class of its exception,
// or "".
type answer struct {
	Props props  `json:"props"`
	Error string `json:"error"`
}

// disagreement tells what is wrong with our verdict on a case, or "".
func disagreement(nova Nova, p props, refused bool) string {
	ours := slices.ContainsFunc(nova.CheckAll(p), Finding.RefusedByNova)
	switch {
	case refused && !ours:
		return "Nova refuses it and we report no error"
	case !refused && ours:
		return "Nova takes it and we report an error"
	}
	return ""
}

func TestAgreementWithNova(t *testing.T) {
	for _, j := range judges {
		t.Run(j.nova, func(t *testing.T) {
			if *record {
				recordAnswers(t, j.devcloud, j.nova)
			}
			answers := readAnswers(t, j.nova)
			if len(answers) < 5000 {
				t.Fatalf("only %d answers", len(answers))
			}
			compare(t, j.major, answers)
		})
	}
}

// Where both releases take all values, no rule about acceptance may warn, but
// of names that only newer releases know.
func TestNoFalseAlarm(t *testing.T) {
	old, today := readAnswers(t, "26.2.2"), readAnswers(t, "31.0.0")
	if len(old) != len(today) {
		t.Fatalf("%d and %d answers: record both anew", len(old), len(today))
	}
	for i, a := range today {
		if a.Error != "" || old[i].Error != "" {
			continue
		}
		for _, f := range CheckAll(a.Props) {
			d := find(f.Property)
			if (f.Rule == "value-not-accepted" || f.Rule == "newer-than") && f.Severity >= Warning && major(d.Since) <= newestNova {
				t.Errorf("%q: both releases take it, and we say: %s", a.Props, f.Message)
			}
		}
	}
}

func TestAgreementWithNovaLive(t *testing.T) {
	oracle.Devcloud(t, "Nova's own code is not asked")
	cases := randomCases(oracle.Random(t), 20000)
	for _, j := range judges {
		t.Run(j.nova, func(t *testing.T) {
			compare(t, j.major, askNova(t, j.devcloud, j.nova, cases))
		})
	}
}

func compare(t *testing.T, nova Nova, answers []answer) {
	t.Helper()
	refused, wrong := 0, 0
	for _, a := range answers {
		if a.Error != "" {
			refused++
		}
		if what := disagreement(nova, a.Props, a.Error != ""); what != "" {
			if wrong++; wrong <= 20 {
				t.Errorf("%s (%s): %q", what, a.Error, a.Props)
			}
		}
	}
	t.Logf("Nova %d: %d cases, %d refused, %d disagreements", nova, len(answers), refused, wrong)
}

// askNova puts cases to the Nova of a devcloud.
func askNova(t *testing.T, devcloud, nova string, cases []props) []answer {
	t.Helper()
	asked := make([]answer, len(cases))
	for i, p := range cases {
		asked[i].Props = p
	}
	answers := oracle.Nova[answer](t, devcloud, nova, "test/oracle/nova_values.py", asked)
	for i, p := range cases {
		answers[i].Props = p
	}
	return answers
}

func answersFile(nova string) string { return fmt.Sprintf("testdata/nova-%s.jsonl.gz", nova) }

func recordAnswers(t *testing.T, devcloud, nova string) {
	t.Helper()
	oracle.Devcloud(t, "Nova's own code is not asked")
	// The seed is fixed, so that both releases are asked the same.
	cases := append(systematicCases(t), randomCases(rand.New(rand.NewPCG(1, 1)), 5000)...)
	writeLines(t, answersFile(nova), askNova(t, devcloud, nova, cases))
}

func readAnswers(t *testing.T, nova string) []answer {
	t.Helper()
	return readLines[answer](t, answersFile(nova))
}

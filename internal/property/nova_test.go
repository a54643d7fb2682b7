package property

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"

	"glance-profile/test/oracle"
)

// The judge is Nova's own code, in both releases of the devcloud. Its answers
// to the systematic cases are kept in testdata, so that they judge anywhere;
// with a devcloud at hand it is asked about random ones as well.

var record = flag.Bool("record", false, "ask Nova and Glance anew and write their answers to testdata (see test/oracle/record)")

// judges are the releases of the devcloud and of the Nova in each.
var judges = []struct{ devcloud, nova string }{{"zed", "26.2.2"}, {"2025.1", "31.0.0"}}

// answer is what Nova says to one case: Error is the class of its exception,
// or "".
type answer struct {
	Props props  `json:"props"`
	Error string `json:"error"`
}

// verdict is what our rules say of a case that Nova's parser decides too.
type verdict struct {
	refused bool // an error: Nova 31 refuses it
	warned  bool // at least a warning that a release refuses the value
}

func judge(p props) verdict {
	var v verdict
	for _, f := range CheckAll(p) {
		switch f.Rule {
		case "value-not-accepted", "current-name-unread", "newer-than":
			v.refused = v.refused || f.Severity == Error
			v.warned = v.warned || f.Severity >= Warning && f.Rule != "current-name-unread" || f.Severity == Error
		}
	}
	return v
}

// disagreement tells what is wrong with our verdict on a case, or "".
func disagreement(nova string, p props, refused bool) string {
	v := judge(p)
	switch {
	case nova == "31.0.0" && refused && !v.refused:
		return "Nova refuses it and we report no error"
	case nova == "31.0.0" && !refused && v.refused:
		return "Nova takes it and we report an error"
	case nova == "26.2.2" && refused && !v.warned:
		return "Nova refuses it and we do not even warn"
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
			compare(t, j.nova, answers)
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
			compare(t, j.nova, askNova(t, j.devcloud, j.nova, cases))
		})
	}
}

func compare(t *testing.T, nova string, answers []answer) {
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
	t.Logf("Nova %s: %d cases, %d refused, %d disagreements", nova, len(answers), refused, wrong)
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

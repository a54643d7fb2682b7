package hardware_test

import (
	"compress/gzip"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
)

var record = flag.Bool("record", false, "ask Nova anew and write its answers to testdata")

// recordedCase is a case with Nova's answer to it.
type recordedCase struct {
	Case   testCase `json:"case"`
	Answer answer   `json:"answer"`
}

// TestRecorded compares with answers of Nova's that were kept, where there is no
// devcloud to ask. They are made anew by: go test ./test/hardware -run Recorded -record
func TestRecorded(t *testing.T) {
	for _, j := range judges {
		t.Run(j.nova, func(t *testing.T) {
			file := "testdata/nova-" + j.nova + ".jsonl.gz"
			if *record {
				requireDevcloud(t)
				// The seed is fixed, so that both releases are asked the same.
				r := rand.New(rand.NewPCG(1, 13))
				cases := slices.Concat(generate(r, 800), withFlavor(r, generate(r, 400)), singles())
				writeRecorded(t, file, cases, askNova(t, j.devcloud, j.nova, cases))
			}
			cases, answers := readRecorded(t, file)
			if len(cases) < 2000 {
				t.Fatalf("only %d answers", len(cases))
			}
			compare(t, cases, answers, j.release)
		})
	}
}

func writeRecorded(t *testing.T, name string, cases []testCase, answers []answer) {
	t.Helper()
	if err := os.MkdirAll("testdata", 0o755); err != nil {
		t.Fatal(err)
	}
	file, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	zip, err := gzip.NewWriterLevel(file, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	enc := json.NewEncoder(zip)
	for i, c := range cases {
		a := answers[i]
		if a.Refusal != nil && len(a.Refusal.Message) > 120 {
			a.Refusal.Message = a.Refusal.Message[:120] // the list of machine types
		}
		if err := enc.Encode(recordedCase{c, a}); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(zip.Close(), file.Close()); err != nil {
		t.Fatal(err)
	}
}

func readRecorded(t *testing.T, name string) (cases []testCase, answers []answer) {
	t.Helper()
	file, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	zip, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	dec := json.NewDecoder(zip)
	for {
		var r recordedCase
		err := dec.Decode(&r)
		if errors.Is(err, io.EOF) {
			return cases, answers
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		cases, answers = append(cases, r.Case), append(answers, r.Answer)
	}
}

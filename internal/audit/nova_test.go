package audit

import (
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"os"
	"slices"
	"testing"

	"glance-profile/internal/hardware"
	"glance-profile/internal/image"
)

// TestRejectedByNova holds what audit calls rejected by Nova to the answers of
// Nova's own parser, in both releases, on every property that it knows and on
// values that are valid, in another case, padded, empty, huge or nearly right.
// Package property keeps the answers, and asks anew where there is a devcloud.
func TestRejectedByNova(t *testing.T) {
	for nova, release := range map[string]hardware.Release{"26.2.2": "zed", "31.0.0": "2025.1"} {
		t.Run(nova, func(t *testing.T) {
			file, err := os.Open("../property/testdata/nova-" + nova + ".jsonl.gz")
			if err != nil {
				t.Fatal(err)
			}
			defer file.Close()
			z, err := gzip.NewReader(file)
			if err != nil {
				t.Fatal(err)
			}
			a := New(Options{Nova: release})
			dec := json.NewDecoder(z)
			pairs, refused := 0, 0
			for {
				var answer struct {
					Props map[string]string `json:"props"`
					Error string            `json:"error"`
				}
				if err := dec.Decode(&answer); errors.Is(err, io.EOF) {
					break
				} else if err != nil {
					t.Fatal(err)
				}
				pairs += len(answer.Props)
				if answer.Error != "" {
					refused++
				}
				rejected := slices.ContainsFunc(a.valuesOf(a.subject(image.Image{Properties: answer.Props})), func(f Finding) bool { return f.RejectedBy == "nova" })
				if rejected != (answer.Error != "") {
					t.Errorf("%q: Nova says %q, and we that it rejects: %t", answer.Props, answer.Error, rejected)
				}
			}
			t.Logf("%d pairs, %d sets refused", pairs, refused)
			if pairs < 10000 || refused < 1000 {
				t.Errorf("only %d pairs, %d sets refused", pairs, refused)
			}
		})
	}
}

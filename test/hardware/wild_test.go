package hardware_test

import (
	"encoding/json"
	"os"
	"testing"
)

// wildCases returns property sets as people have published them.
func wildCases(t *testing.T) []testCase {
	t.Helper()
	file, err := os.Open("../../internal/normalize/testdata/wild.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var cases []testCase
	for dec := json.NewDecoder(file); dec.More(); {
		var record struct {
			DiskFormat string            `json:"disk_format"`
			Properties map[string]string `json:"properties"`
		}
		if err := dec.Decode(&record); err != nil {
			t.Fatal(err)
		}
		cases = append(cases, testCase{Props: record.Properties, DiskFormat: record.DiskFormat})
	}
	return cases
}

package main

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

func TestGeneratedTableIsCurrent(t *testing.T) {
	data, err := os.ReadFile("../data/properties.json")
	if err != nil {
		t.Fatal(err)
	}
	want, err := generate(data)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../zz_table.go")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("zz_table.go is not what data/properties.json gives: run go generate ./internal/property")
	}
}

func TestGenerateRefusesAFaultyTable(t *testing.T) {
	for _, c := range []struct{ name, data, want string }{
		{"twice", `{"properties":[{"name":"a","type":"int"},{"name":"a","type":"int"}]}`, "twice"},
		{"type", `{"properties":[{"name":"a","type":"number"}]}`, `unknown type "number"`},
		{"effect", `{"properties":[{"name":"a","type":"int","effect":"some"}]}`, `unknown effect "some"`},
		{"current", `{"properties":[{"name":"a","type":"int","current":"b"}]}`, `current name "b"`},
		{"catalogue", `{"properties":[{"name":"a","type":"int"}],"catalogue":["a"]}`, "catalogue"},
		{"pitfall", `{"properties":[{"name":"a","type":"int","pitfalls":[{"text":"x"}]}]}`, "a text and a source"},
		{"key", `{"properties":[{"name":"a","type":"int","value":["x"]}]}`, "unknown field"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := generate([]byte(c.data))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
		})
	}
}

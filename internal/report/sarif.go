package report

import (
	"bufio"
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"time"

	"glance-profile/internal/audit"
	"glance-profile/internal/property"
)

// sarif is the Static Analysis Results Interchange Format 2.1.0 of OASIS, with
// what GitHub's code scanning demands beyond the standard (docs.github.com,
// «SARIF support for code scanning»): a file for each result, with a region,
// and the fingerprint primaryLocationLineHash, by which a result is known
// again. Each result is a line, written as it comes.
type sarif struct {
	out     *bufio.Writer
	o       Options
	rules   map[string]int // index in tool.driver.rules
	results int
}

type sarifText struct {
	Text string `json:"text"`
}

type sarifLevel struct {
	Level string `json:"level"`
}

type sarifRule struct {
	ID      string         `json:"id"`
	Short   sarifText      `json:"shortDescription"`
	Full    sarifText      `json:"fullDescription"`
	Help    sarifText      `json:"help"`
	Default sarifLevel     `json:"defaultConfiguration"`
	More    map[string]any `json:"properties"`
}

type sarifDriver struct {
	Name    string      `json:"name"`
	Version string      `json:"version,omitempty"`
	Home    string      `json:"informationUri,omitempty"`
	Rules   []sarifRule `json:"rules"`
}

type sarifTool struct {
	Driver sarifDriver `json:"driver"`
}

type sarifResult struct {
	RuleID       string            `json:"ruleId"`
	RuleIndex    *int              `json:"ruleIndex,omitempty"`
	Level        string            `json:"level"`
	Message      sarifText         `json:"message"`
	Locations    []sarifLocation   `json:"locations"`
	Fingerprints map[string]string `json:"partialFingerprints"`
}

type sarifLocation struct {
	Physical sarifPhysical  `json:"physicalLocation"`
	Logical  []sarifLogical `json:"logicalLocations"`
}

type sarifPhysical struct {
	Artifact sarifArtifact  `json:"artifactLocation"`
	Region   map[string]int `json:"region"`
}

type sarifArtifact struct {
	URI string `json:"uri"`
}

type sarifLogical struct {
	Name      string `json:"name"`
	Qualified string `json:"fullyQualifiedName"`
	Kind      string `json:"kind"`
}

type sarifInvocation struct {
	Successful    bool                `json:"executionSuccessful"`
	End           string              `json:"endTimeUtc,omitempty"`
	Notifications []sarifNotification `json:"toolExecutionNotifications,omitempty"`
}

type sarifNotification struct {
	Level   string    `json:"level"`
	Message sarifText `json:"message"`
}

func newSARIF(out *bufio.Writer, o Options) *sarif {
	s := &sarif{out: out, o: o, rules: map[string]int{}}
	driver := sarifDriver{Name: "glance-profile", Version: o.Version, Home: o.Home, Rules: []sarifRule{}}
	for _, r := range o.Rules {
		if _, twice := s.rules[r.ID]; twice {
			continue
		}
		s.rules[r.ID] = len(driver.Rules)
		driver.Rules = append(driver.Rules, sarifRuleOf(r))
	}
	out.WriteString("{\"$schema\": \"https://json.schemastore.org/sarif-2.1.0.json\", \"version\": \"2.1.0\", \"runs\": [{\n\"tool\": ")
	s.value(sarifTool{driver})
	out.WriteString(",\n\"results\": [")
	return s
}

// sarifRuleOf describes a rule. Empty descriptions are not allowed.
func sarifRuleOf(r audit.Rule) sarifRule {
	id := short(r.ID, maxName)
	help := cmp.Or(short(r.Why, maxMessage), short(r.Title, maxMessage), id)
	if r.Reference != "" {
		help += "\n\nShown by " + short(r.Reference, maxMessage)
	}
	problem := sarifLevelOf(r.Severity)
	if problem == "note" {
		problem = "recommendation"
	}
	return sarifRule{
		ID: id, Short: sarifText{cmp.Or(short(r.Title, maxMessage), id)},
		Full: sarifText{cmp.Or(short(r.Why, maxMessage), short(r.Title, maxMessage), id)}, Help: sarifText{help},
		Default: sarifLevel{sarifLevelOf(r.Severity)},
		More:    map[string]any{"problem.severity": problem, "tags": []string{"openstack", "glance"}},
	}
}

func sarifLevelOf(s property.Severity) string {
	switch known(s) {
	case property.Error:
		return "error"
	case property.Warning:
		return "warning"
	}
	return "note"
}

func (s *sarif) add(r audit.Result) error {
	for _, f := range r.Findings {
		if s.results > 0 {
			s.out.WriteByte(',')
		}
		s.out.WriteByte('\n')
		s.results++
		s.value(s.result(r, f))
	}
	return nil
}

func (s *sarif) result(r audit.Result, f audit.Finding) sarifResult {
	view := shown(f)
	name := title(short(r.Name, maxName), short(r.ID, maxName))
	message := "image " + name + ": " + view.line()
	if view.fix != "" {
		message += ". To mend it: " + view.fix
	}
	qualified := name
	if p := place(r.Location); p != "" {
		qualified = p + "/" + name
	}
	result := sarifResult{
		RuleID: view.rule, Level: sarifLevelOf(f.Severity), Message: sarifText{message},
		Locations: []sarifLocation{{
			Physical: sarifPhysical{
				Artifact: sarifArtifact{imageURI(r)},
				Region:   map[string]int{"startLine": 1, "startColumn": 1, "endLine": 1, "endColumn": 1},
			},
			Logical: []sarifLogical{{name, qualified, "resource"}},
		}},
	}
	if i, ok := s.rules[f.Rule]; ok {
		result.RuleIndex = &i
	}
	mark := fingerprint(f.Rule, r.Cloud, r.Region, keyOf(r.ID, r.Name), f.Property)
	result.Fingerprints = map[string]string{"glanceProfileFinding/v1": mark, "primaryLocationLineHash": mark[:16] + ":1"}
	return result
}

func (s *sarif) close(sum Summary, _ counts) error {
	invocation := sarifInvocation{Successful: true}
	if !s.o.Now.IsZero() {
		invocation.End = s.o.Now.UTC().Format(time.RFC3339)
	}
	for _, c := range sum.Clouds {
		invocation.Successful = invocation.Successful && c.Error == ""
	}
	for i, note := range sum.notes() {
		level := "warning"
		if i < sum.failed() {
			level = "error"
		}
		invocation.Notifications = append(invocation.Notifications, sarifNotification{level, sarifText{note}})
	}
	s.out.WriteString("\n],\n\"invocations\": ")
	s.value([]sarifInvocation{invocation})
	s.out.WriteString("\n}]}\n")
	return nil
}

// value writes a value on one line. The writer keeps its first error.
func (s *sarif) value(v any) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err) // unreachable: there is nothing but text and numbers
	}
	s.out.Write(bytes.TrimRight(b.Bytes(), "\n"))
}

// imageURI is the file that a result is shown in. It is relative: code scanning
// refuses a whole upload with a scheme other than file (github/codeql-action
// issue 754), so that openstack:// would not do.
func imageURI(r audit.Result) string {
	parts := []string{"openstack"}
	for _, part := range []string{r.Cloud, r.Region} {
		if part != "" {
			parts = append(parts, segment(part))
		}
	}
	return strings.Join(append(parts, "images", segment(cmp.Or(r.ID, r.Name, "unnamed"))), "/")
}

// segment is text as one part of a path.
func segment(text string) string {
	text = short(text, maxName)
	if strings.Trim(text, ".") == "" {
		text = "_" + text // . and .. would lead elsewhere
	}
	return url.PathEscape(text)
}

// fingerprint is the same for the same parts in every run.
func fingerprint(parts ...string) string {
	h := sha256.New()
	for _, part := range parts {
		sum := sha256.Sum256([]byte(part)) // hashed first, so that "a", "bc" is not "ab", "c"
		h.Write(sum[:])
	}
	return hex.EncodeToString(h.Sum(nil))
}

// failed counts the clouds that were not judged whole.
func (s Summary) failed() int {
	return len(slices.DeleteFunc(slices.Clone(s.Clouds), func(c Cloud) bool { return c.Error == "" }))
}

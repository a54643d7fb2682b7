package policy

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"glance-profile/internal/audit"
	"glance-profile/internal/image"
)

var knownRules = []string{"vmware-leftover", "no-effect", "vmpvscsi-one-device", "secure-boot-needs-uefi", "unknown-property"}

// TestParseSaysWhatIsWrong shows each mistake with the line and the words that
// a user reads. The head of each file is its first line.
func TestParseSaysWhatIsWrong(t *testing.T) {
	const ignore = "ignore:\n  - {rule: no-effect, image: a, reason: b, expires: 2027-01-31, "
	for text, want := range map[string]string{
		"selects: [a]\n":                                              `p.yaml:2: unknown key "selects"; meant is perhaps select; the keys here are name, summary, notes, extends, where, select, deselect, levels, severity, ignore, require, forbid, unique, fresh`,
		"select: [vmware-leftovr]\n":                                  `p.yaml:2: no rule is named "vmware-leftovr"; meant is perhaps vmware-leftover`,
		"select:\n  - no-effect\n  - \"*-q53\"\n":                     `p.yaml:4: no rule matches "*-q53"`,
		"deselect: [nothing]\n":                                       `p.yaml:2: no rule is named "nothing"`,
		"select: []\n":                                                `p.yaml:2: select: the list is empty`,
		"select: [no-effect, no-effect]\n":                            `p.yaml:2: select: "no-effect" is there twice`,
		"select: [*-q35]\n":                                           `p.yaml:2: select: anchors, aliases and tags are not read here: write the text`,
		"select: [!x no-effect]\n":                                    `p.yaml:2: select: anchors, aliases and tags are not read here: write the text`,
		"select: [\"[a\"]\n":                                          `p.yaml:2: select: "[a": the [ of the glob is not closed; write \[ for the character itself`,
		"select: {a: b}\n":                                            `p.yaml:2: select: a text is wanted, not a list or map`,
		"severity: {no-effect: of}\n":                                 `p.yaml:2: no-effect: "of" is none of info, warning, error`,
		"severity: {no-effect: off}\n":                                `p.yaml:2: no-effect: there is no severity off; name the rule in deselect`,
		"severity: {no-efect: info}\n":                                `p.yaml:2: no rule is named "no-efect"; meant is perhaps no-effect`,
		"severity: [info]\n":                                          `p.yaml:2: severity: a map is wanted: {no-effect: error}`,
		"levels: {warn: error}\n":                                     `p.yaml:2: unknown key "warn"; meant is perhaps warning; the keys here are info, warning, error`,
		"levels: {warning: fatal}\n":                                  `p.yaml:2: warning: "fatal" is none of info, warning, error`,
		"extends: defualt\n":                                          `p.yaml:2: extends: no policy is named "defualt"; meant is perhaps default; there are default, ironic, scs-0102, strict`,
		"extends: [default]\n":                                        `p.yaml:2: extends: a text is wanted, not a list or map`,
		"where: [visibility=publik]\n":                                `p.yaml:2: where: condition "visibility=publik": visibility is one of public, private, shared, community`,
		"where:\n  - a=b\n  - not\n":                                  `p.yaml:4: where: condition "not": has no name; write NAME=VALUE, NAME!=VALUE, NAME~GLOB, NAME or not NAME`,
		ignore + "image: b}\n":                                        `p.yaml:3: mapping key "image" already defined at [3:23]`,
		ignore + "until: never}\n":                                    `p.yaml:3: unknown key "until"; the keys here are rule, image, property, reason, expires`,
		"ignore:\n  - {rule: no-effect, image: a, expires: never}\n":  `p.yaml:3: reason is missing`,
		"ignore:\n  - rule: no-effect\n    image: a\n    reason: b\n": `p.yaml:3: expires is missing`,
		"ignore:\n  - rule: no-effect\n    image: a\n    reason: b\n    expires: 31.1.2027\n": `p.yaml:6: expires: "31.1.2027" is no date such as 2027-01-31, nor never`,
		"ignore:\n  - {rule: no-effect, image: a, reason: b, expires: 2027-02-30}\n":          `p.yaml:3: expires: "2027-02-30" is no date such as 2027-01-31, nor never`,
		"ignore:\n  - {rule: no-efect, image: a, reason: b, expires: never}\n":                `p.yaml:3: no rule is named "no-efect"; meant is perhaps no-effect`,
		"ignore:\n  - {rule: no-effect, image: \"[b-a]\", reason: b, expires: never}\n":       `p.yaml:3: image: "[b-a]": the glob has a range of characters that runs backwards`,
		"ignore: {rule: a}\n":                          `p.yaml:2: ignore: a list of maps is wanted`,
		"ignore: [a]\n":                                `p.yaml:2: ignore: a map is wanted, of rule, image, property, reason, expires`,
		"require:\n  - property: a\n":                  `p.yaml:3: id is missing`,
		"require:\n  - id: a\n":                        `p.yaml:3: property is missing`,
		"require:\n  - {id: no-effect, property: a}\n": `p.yaml:3: id: no-effect is the id of a rule; a demand needs its own`,
		"require:\n  - {id: a, property: a}\n  - {id: a, property: b}\n": `p.yaml:4: id: a is that of line 3 already`,
		"require:\n  - {id: a b, property: a}\n":                         `p.yaml:3: id: "a b" is not made of letters, digits, dots, dashes and underscores (64 at most)`,
		"require:\n  - {id: a, property: a, patern: b}\n":                `p.yaml:3: unknown key "patern"; meant is perhaps pattern; the keys here are id, when, severity, title, why, example, mend, reference, property, optional, values, pattern, type, at-least, at-most, not-after, holds-image, fix`,
		"require:\n  - id: a\n    property: a\n    pattern: (a\n":        `p.yaml:5: pattern: "(a": missing closing ): ` + "`(a`",
		"require:\n  - {id: a, property: a, pattern: \"a)|(b\"}\n":       `p.yaml:3: pattern: "a)|(b": unexpected ): ` + "`a)|(b`",
		"require:\n  - {id: a, property: a, pattern: \"(?!a)\"}\n":       `p.yaml:3: pattern: "(?!a)": invalid or unsupported Perl syntax: ` + "`(?!`",
		"require:\n  - {id: a, property: a, type: [date, time]}\n":       `p.yaml:3: type: "time" is none of boolean, integer, number, date, date-time, url, uri, uuid; meant is perhaps date-time`,
		"require:\n  - {id: a, property: a, at-least: one}\n":            `p.yaml:3: at-least: "one" is no number`,
		"require:\n  - {id: a, property: a, at-least: 2, at-most: 1}\n":  `p.yaml:3: at-most is below at-least: no value is fine`,
		"require:\n  - {id: a, property: a, optional: yes}\n":            `p.yaml:3: optional: "yes" is none of true, false`,
		"require:\n  - {id: a, property: a, title: \"a\\nb\"}\n":         `p.yaml:3: title: more than one line, or a tab; longer text belongs in why`,
		"require:\n  - {id: a, property: \"a\\eb\"}\n":                   `p.yaml:3: property: holds the control character U+001B`,
		"forbid:\n  - {id: a}\n":                                         `p.yaml:3: property is missing`,
		"unique:\n  - {id: a}\n":                                         `p.yaml:3: property is missing`,
		"fresh:\n  - {id: a}\n":                                          `p.yaml:3: within is missing`,
		"fresh:\n  - {id: a, within: 1h}\n":                              `p.yaml:3: within: "1h" is no span of time such as 3d, 2w, 1m or 1y`,
		"fresh:\n  - {id: a, within: 99999d}\n":                          `p.yaml:3: within: "99999d" is no span of time such as 3d, 2w, 1m or 1y`,
		"fresh:\n  - {id: a, within: {b: 1d}}\n":                         `p.yaml:3: within: a map needs a property whose values stand on the left`,
		"fresh:\n  - {id: a, property: b, within: 1d}\n":                 `p.yaml:3: within: a map is wanted, of values of the property: {monthly: 1m}`,
		"summary: a\nname: b\n":                                          `p.yaml:3: mapping key "name" already defined at [1:1]`,
		"summary: ~\n":                                                   `p.yaml:2: summary: no value (an empty text is written "")`,
		"notes: [\n":                                                     `p.yaml:2: `,
		"---\nname: b\n":                                                 `p.yaml:2: a second document: one policy a file`,
		"notes: &a b\n":                                                  `p.yaml:2: notes: anchors, aliases and tags are not read here: write the text`,
		"a: &a [x]\nb: &b [*a, *a]\nselect: *b\n":                        `p.yaml:2: unknown key "a"`,
		"notes: [[[[[[[[[[a]]]]]]]]]]\n":                                 `p.yaml:2: nested deeper than a policy is`,
		"notes: " + strings.Repeat("[", 65000) + "\n":                    `p.yaml:2: nested deeper than a policy is`,
		"notes: " + strings.Repeat("a", MaxBytes) + "\n":                 `p.yaml:1: larger than 256 KiB, which no policy is`,
		"notes: " + strings.Repeat("a", maxText+1) + "\n":                `p.yaml:2: notes: longer than 4096 bytes`,
		"select: [" + strings.Repeat("a", maxExpr+1) + "]\n":             `p.yaml:2: select: longer than 1024 bytes`,
		"select: [" + strings.Repeat("a,", 2) + numbered(1001) + "]\n":   `p.yaml:2: no rule is named "a"`,
		"where: [" + numbered(1001) + "]\n":                              `p.yaml:2: where: more than 1000 entries`,
		"notes: \xff\n":                                                  `p.yaml:1: not UTF-8 text`,
	} {
		_, err := Parse("p.yaml", []byte("name: mine\n"+text), knownRules)
		if err == nil {
			t.Errorf("%.80q: no error", text)
			continue
		}
		lines := strings.Split(err.Error(), "\n")
		found := false
		for _, line := range lines {
			found = found || strings.HasPrefix(line, want)
		}
		if !found {
			t.Errorf("%.80q: %q\nwant %s", text, lines[:min(len(lines), 3)], want)
		}
	}
	for text, want := range map[string]string{
		"":             "p.yaml:1: the file is empty",
		"# nothing\n":  "p.yaml:1: the file is empty",
		"[a]\n":        "p.yaml:1: not a policy: want name: …, ",
		"summary: a\n": "p.yaml:1: name is missing",
		"name: ''\n":   "p.yaml:1: name: empty text",
	} {
		if _, err := Parse("p.yaml", []byte(text), knownRules); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
	// All mistakes at once, in the order of lines.
	_, err := Parse("p.yaml", []byte("name: mine\nselect: [nothing]\nwhere: ['=']\nlevels: {info: x}\n"), knownRules)
	if err == nil || strings.Count(err.Error(), "\n") != 2 || strings.Index(err.Error(), "p.yaml:2") > strings.Index(err.Error(), "p.yaml:3") {
		t.Errorf("%v", err)
	}
}

// numbered returns a list of n names.
func numbered(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "a%d,", i)
	}
	return b.String()
}

func mustParse(t testing.TB, text string) *Policy {
	t.Helper()
	p, err := Parse("p.yaml", []byte(text), knownRules)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestDocumentedPolicy holds the example of the package's comment.
func TestDocumentedPolicy(t *testing.T) {
	p := mustParse(t, documented(t))
	if len(p.requires) != 1 || len(p.forbids) != 1 || len(p.uniques) != 1 || len(p.renewals) != 1 || len(p.ignores) != 1 || len(p.Rules()) != 4 {
		t.Errorf("%+v, rules %v", p, p.Rules())
	}
	for _, r := range p.Rules() {
		if r.ID == "our-distro" && (r.Example != "os_distro=mint" || r.Mend != "Build the image anew from one of the two.") {
			t.Errorf("%+v", r)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, name := range Embedded() {
		data, err := files.ReadFile(name + ".yaml")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte("name: a\nrequire:\n  - id: a\n    property: a\n    pattern: |\n      (a\n      b\n"))
	f.Add([]byte("name: a\nextends: strict\nignore:\n  - {rule: no-effect, image: '*', reason: b, expires: 2027-01-31}\n"))
	f.Add([]byte("name: a\nrequire:\n  - {id: a, property: [a, tags], pattern: 'a|b', type: date, at-least: 1, not-after: created_at}\n"))
	img := image.Image{ID: "1", Name: "a b", Visibility: "public", Tags: []string{"a"}, Properties: map[string]string{"a": "2024-01-01", "hw_x": ""}}
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := Parse("p.yaml", data, knownRules)
		if err != nil {
			for _, line := range strings.Split(err.Error(), "\n") {
				if !strings.HasPrefix(line, "p.yaml:") {
					t.Errorf("%q", line)
				}
			}
			return
		}
		run := p.Run(time.Date(2026, 6, 15, 0, 0, 0, 0, time.UTC))
		for _, finding := range run.Judge(audit.Location{}, img, []audit.Finding{{Rule: "no-effect", Property: "a"}}) {
			if finding.Rule == "" || strings.ContainsAny(finding.Message, "\n\x1b") {
				t.Errorf("%+v", finding)
			}
		}
		run.Finish()
		p.Weigh(audit.Rules())
	})
}

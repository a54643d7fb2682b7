package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"glance-profile/internal/audit"
	"glance-profile/internal/policy"
)

func TestPagesAreCurrent(t *testing.T) {
	pages, err := generate()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range pages {
		got, err := os.ReadFile(filepath.Join("..", name))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not what the program and pages/%s.md give: run go generate ./man (%v)", name, name, err)
		}
	}
	there, _ := filepath.Glob("../*.[1-9]")
	for _, file := range there {
		if _, ok := pages[filepath.Base(file)]; !ok {
			t.Errorf("%s has no source below pages", file)
		}
	}
}

// mandoc finds what is wrong with a page, down to questions of style.
func TestMandoc(t *testing.T) {
	if _, err := exec.LookPath("mandoc"); err != nil {
		t.Skip("mandoc is not installed")
	}
	files, _ := filepath.Glob("../*.[1-9]")
	out, err := exec.Command("mandoc", append([]string{"-Tlint"}, files...)...).CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Errorf("%v\n%s", err, out)
	}
}

// ruleIDs are the rules that a policy can name.
func ruleIDs() []string {
	var ids []string
	for _, r := range audit.Rules() {
		ids = append(ids, r.ID)
	}
	return ids
}

// policiesOf are the policies that a page shows.
func policiesOf(t *testing.T, file string) []string {
	t.Helper()
	text, err := expand(file)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for i, block := range strings.Split(text, "```\n") {
		if i%2 == 1 && strings.HasPrefix(block, "name: ") {
			found = append(found, block)
		}
	}
	return found
}

func TestPoliciesInPagesAreRead(t *testing.T) {
	examples := policiesOf(t, "glance-profile-policy.5.md")
	if len(examples) != 4 {
		t.Fatalf("%d policies", len(examples))
	}
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(readme), "```yaml\nname: our-cloud\n")
	text, _, _ = strings.Cut(text, "```")
	examples = append(examples, "name: our-cloud\n"+text)
	for _, text := range examples {
		if _, err := policy.Parse("example.yaml", []byte(text), ruleIDs()); err != nil {
			t.Errorf("%v\n%s", err, text)
		}
	}
}

var keyList = regexp.MustCompile(`the keys here are (.*)`)

// The reader of policies says which keys there are: each is described, and
// stands in the example that has them all.
func TestPolicyPageHasEveryKey(t *testing.T) {
	page, err := expand("glance-profile-policy.5.md")
	if err != nil {
		t.Fatal(err)
	}
	whole := policiesOf(t, "glance-profile-policy.5.md")[0]
	parts := strings.Split(page, "\n## ")
	part := func(name string) string {
		i := slices.IndexFunc(parts, func(p string) bool { return strings.HasPrefix(p, name+"\n") })
		if i < 0 {
			t.Fatalf("no part %s", name)
		}
		return parts[i]
	}
	for list, described := range map[string]string{
		"": parts[0], "ignore": part("ignore"), "require": part("All demands") + part("require"), "forbid": part("All demands") + part("forbid"),
		"unique": part("All demands") + part("unique"), "fresh": part("All demands") + part("fresh"),
	} {
		text := "name: a\nnone: b\n"
		if list != "" {
			text = "name: a\n" + list + ":\n  - none: b\n"
		}
		_, err := policy.Parse("a.yaml", []byte(text), nil)
		if err == nil {
			t.Fatalf("%q is read", text)
		}
		m := keyList.FindStringSubmatch(err.Error())
		if m == nil {
			t.Fatalf("%v names no keys", err)
		}
		for _, key := range strings.Split(strings.TrimSpace(m[1]), ", ") {
			if !strings.Contains(described, "`"+key+"`") {
				t.Errorf("%s: the key %s is not described", list, key)
			}
			if !strings.Contains(whole, key+":") {
				t.Errorf("%s: the key %s is not in the example", list, key)
			}
		}
	}
}

// Whatever the program says of itself stays text.
func TestRoff(t *testing.T) {
	for text, want := range map[string]string{
		"# A \"b\"":                       ".SH \"A \\(dqb\\(dq\"\n",
		".a\n'b":                          "\\&.a 'b\n",
		"a `--b-c` *D-E* f-g":             "a \\fB\\-\\-b\\-c\\fR \\fID\\-E\\fR f-g\n",
		plain(`a * b* \ ~/x --os-cloud.`): "a * b* \\e \\(ti/x \\fB\\-\\-os\\-cloud\\fR.\n",
		"`-a` *B*\n: c\n  d":              ".TP\n\\fB\\-a\\fR \\fIB\\fR\nc d\n",
		"a → b":                           "a \\[u2192] b\n",
		"a\n\nb. c":                       "a\n.PP\nb. c\n",
		"# A\n\n```\n.b -c '\\n'\n```":    ".SH \"A\"\n.RS 4\n.EX\n\\&.b \\-c \\(aq\\en\\(aq\n.EE\n.RE\n",
	} {
		page, err := roff("x", "1", text)
		if err != nil {
			t.Fatal(err)
		}
		_, body, _ := strings.Cut(string(page), ".nh\n")
		if body != want {
			t.Errorf("%q: %q, want %q", text, body, want)
		}
	}
	if _, err := roff("x", "1", "```\na"); err == nil {
		t.Error("a block without an end is taken")
	}
}

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// recipes are those of the README, each with who runs it, and what is there
// before it begins.
var recipes = map[string]struct {
	role  string
	setUp string
}{
	"session": {"MEMBER", "disk 3 noble.img"},
	"ubuntu":  {"MEMBER", ""},
	"windows": {"MEMBER", "disk 40 windows-server-2019.qcow2"},
	"nightly": {"MEMBER", `disk 3 d.qcow2
glance-profile -q create --file d.qcow2 --profile none --force --property os_secure_boot=required windows-2022
glance-profile -q create --file d.qcow2 --osinfo debian10 legacy-debian`},
	"normalize": {"MEMBER", `disk 3 d.qcow2
glance-profile -q create --file d.qcow2 --profile none --property os_distro=Ubuntu --property 'os_version=22.04.3 LTS' --property architecture=amd64 'Ubuntu 22.04'
glance-profile -q create --file d.qcow2 --profile none --property os_distro=our-ubuntu --property os_version=24.04 golden`},
	"scs": {"ADMIN", `disk 3 d.qcow2
glance-profile -q create --file d.qcow2 --osinfo ubuntu24.04 --public ubuntu-24.04`},
}

// standIns are programs that recipes call and that are not there: what they do in
// Nova and on the network is replaced by what it leaves behind for Glance.
var standIns = map[string]string{
	"disk": "", // disk GIB FILE: makeDisk, in this binary
	// wget -q URL
	"wget": `for url; do :; done
disk 3 "${url##*/}"`,
	// What Nova marks the image of a server with, beside the properties of the image
	// that the server was made of.
	"openstack": `case "$*" in
"server image create --wait --name "*)
  disk 40 snapshot.qcow2
  glance-profile -q create --file snapshot.qcow2 --osinfo win2k19 --property image_type=snapshot --property image_location=snapshot \
    --property image_state=available --property instance_uuid=7b6d9f0a-53f4-4c52-8a3e-7a5d1f0c2b11 \
    --property base_image_ref=5fb891ec-c1d8-4817-a8d0-18fe568ff57a --property user_id=c0ffee --property boot_roles=member "$6" ;;
"server create "* | "server delete "*) ;;
*) echo "openstack $*: no stand-in for this" >&2; exit 1 ;;
esac`,
}

// block is a fenced block of a recipe: lines to run, or a file.
type block struct {
	line         int
	recipe, file string
	text         string
}

var fence = regexp.MustCompile("^```[a-z]+ recipe ([a-z]+)(?: ([a-z./]+))?$")

func recipeBlocks(t *testing.T) []block {
	t.Helper()
	data, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	var blocks []block
	lines := strings.Split(string(data), "\n")
	for i := 0; i < len(lines); i++ {
		m := fence.FindStringSubmatch(lines[i])
		if m == nil {
			continue
		}
		b := block{line: i + 2, recipe: m[1], file: m[2]}
		for i++; lines[i] != "```"; i++ {
			b.text += lines[i] + "\n"
		}
		blocks = append(blocks, b)
	}
	return blocks
}

// The recipes of the README do what it says: each line that begins with $ is run
// as it stands, exits with 0 or what a comment says, and prints the lines that
// follow it, in that order, "…" standing for anything.
func TestReadme(t *testing.T) {
	blocks := recipeBlocks(t)
	for name := range recipes {
		if !slices.ContainsFunc(blocks, func(b block) bool { return b.recipe == name && b.file == "" }) {
			t.Errorf("the README has no recipe %s", name)
		}
	}
	shells := map[string]*prompt{}
	for _, b := range blocks {
		recipe, known := recipes[b.recipe]
		if !known {
			t.Errorf("README.md:%d: the recipe %s is not known", b.line, b.recipe)
			continue
		}
		s := shells[b.recipe]
		if s == nil {
			s = newPrompt(t, recipe.role)
			shells[b.recipe] = s
			if out, code := s.run("set -e\n" + recipe.setUp); code != 0 {
				t.Fatalf("%s: what is there before: exit %d\n%s", b.recipe, code, out)
			}
		}
		if b.file != "" {
			s.write(b.file, b.text, 0o600)
			continue
		}
		for _, c := range commandsOf(b) {
			out, code := s.run(c.text)
			if code != c.exit {
				t.Errorf("README.md:%d: %s\nexit %d, and %d is promised\n%s", c.line, c.text, code, c.exit, out)
			}
			rest := out
			for _, line := range c.promised {
				at := promise(line).FindStringIndex(rest)
				if at == nil {
					t.Errorf("README.md:%d: %s\nprints no line %q (after those before it):\n%s", c.line, c.text, line, out)
					break
				}
				rest = rest[at[1]:]
			}
		}
	}
}

// What CI runs every night is what the recipe shows the outcome of.
func TestReadmeJobsRunWhatRecipesShow(t *testing.T) {
	var shown, jobs string
	for _, b := range recipeBlocks(t) {
		if b.recipe != "nightly" {
			continue
		}
		if strings.HasPrefix(b.file, ".github/") {
			jobs += b.text
		} else if b.file == "" {
			shown += b.text
		}
	}
	found := 0
	for line := range strings.Lines(jobs) {
		if _, command, ok := strings.Cut(strings.TrimSpace(line), "run: "); ok {
			found++
			if !strings.Contains(shown, "$ "+command) {
				t.Errorf("the recipe does not show what %q does", command)
			}
		}
	}
	if found == 0 {
		t.Error("the recipe has no job")
	}
}

type readmeCommand struct {
	line     int
	text     string
	exit     int
	promised []string
}

var exits = regexp.MustCompile(`\s+# exits with (\d+)$`)

func commandsOf(b block) []readmeCommand {
	var list []readmeCommand
	open := false
	for i, line := range strings.Split(strings.TrimSuffix(b.text, "\n"), "\n") {
		text, starts := strings.CutPrefix(line, "$ ")
		switch {
		case starts:
			list = append(list, readmeCommand{line: b.line + i, text: text})
		case open:
			list[len(list)-1].text += "\n" + line
		case strings.TrimSpace(line) != "" && strings.TrimSpace(line) != "…":
			list[len(list)-1].promised = append(list[len(list)-1].promised, line)
		}
		open = (starts || open) && strings.HasSuffix(line, "\\")
		last := &list[len(list)-1]
		if m := exits.FindStringSubmatch(last.text); m != nil {
			last.exit, _ = strconv.Atoi(m[1])
		}
	}
	return list
}

// promise is a line of the README as what it matches: blanks are alike.
func promise(line string) *regexp.Regexp {
	var b strings.Builder
	for i, word := range strings.Fields(line) {
		if i > 0 {
			b.WriteString(`[ \t]+`)
		}
		b.WriteString(strings.ReplaceAll(regexp.QuoteMeta(word), "…", `.*`))
	}
	return regexp.MustCompile(`(?m)^[ \t]*` + b.String() + `[ \t]*$`)
}

// prompt is where the lines of a recipe are run.
type prompt struct {
	t   *testing.T
	dir string
	env []string
}

func newPrompt(t *testing.T, role string) *prompt {
	t.Helper()
	c := startSandbox(t)
	s := &prompt{t: t, dir: t.TempDir()}
	bin := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range standIns {
		if name == "disk" {
			text = "GLANCE_PROFILE_TEST_DISK=\"$1 $2\" exec '" + self + "'"
		}
		if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n"+text+"\n"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	home := t.TempDir()
	s.env = []string{
		"PATH=" + strings.Join([]string{bin, filepath.Dir(program), os.Getenv("PATH")}, string(os.PathListSeparator)),
		"HOME=" + home, "XDG_STATE_HOME=" + home + "/state", "XDG_CONFIG_HOME=" + home + "/config", "XDG_CACHE_HOME=" + home + "/cache",
		"OS_CLIENT_CONFIG_FILE=" + c.config, "OS_CLOUD=" + c.names[role], "LC_ALL=C.UTF-8",
	}
	return s
}

func (s *prompt) write(name, text string, mode os.FileMode) {
	s.t.Helper()
	path := filepath.Join(s.dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		s.t.Fatal(err)
	}
}

// run runs lines and returns what they print and the exit code.
func (s *prompt) run(text string) (string, int) {
	s.t.Helper()
	cmd := exec.Command("sh", "-c", text)
	cmd.Dir, cmd.Env = s.dir, s.env
	out, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState == nil {
		s.t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// makeDisk is the stand-in disk: "GIB FILE".
func makeDisk(text string) error {
	size, path, _ := strings.Cut(text, " ")
	gib, err := strconv.ParseUint(size, 10, 32)
	if err != nil {
		return fmt.Errorf("disk GIB FILE: %w", err)
	}
	return os.WriteFile(path, emptyQcow2(gib<<30), 0o600)
}

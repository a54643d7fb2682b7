// Package completion types TAB in real shells, at a pseudo-terminal, and looks
// at what the program is then called with.
package completion

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// program is the program under test, built once.
var program string

func TestMain(m *testing.M) {
	if dir := os.Getenv(placeVariable); dir != "" {
		os.Exit(standIn(dir))
	}
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "glance-profile-completion")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		program = filepath.Join(dir, "glance-profile")
		build := exec.Command("go", "build", "-o", program, "../..")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build: %v\n%s", err, out)
			return 1
		}
		return m.Run()
	}())
}

// names are those of the images in the sandbox. Some want to be carried out by a
// shell, or to write on the screen; none may.
var names = []string{
	"debian-12", "Ubuntu 24.04 LTS", "rocky:9:latest", "it's $(touch pwned) \"x\" `touch pwned`; touch pwned", "weird!*?[a]{b,c}~#&|<>\\end",
	"ümlaut ß", "twin 1", "twin 2", "-dash", "screen\x1b]0;owned\x07", "two\nlines",
}

// place is where a shell runs: a home, an installed program, a cloud.
type place struct {
	dir, home, share string
	env              []string
}

// placeVariable names the folder of a place to what stands for the program there.
const placeVariable = "GLANCE_PROFILE_TEST_PLACE"

// standIn is the program in PATH: this test itself. Questions of a shell go on to
// the real one, whose errors are kept; all other calls are written down, one
// JSON list a line.
func standIn(dir string) int {
	note := func(name string, text []byte) {
		file, err := os.OpenFile(filepath.Join(dir, name), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err == nil {
			_, _ = file.Write(append(text, '\n'))
			file.Close()
		}
	}
	if len(os.Args) < 2 || os.Args[1] != "__complete" {
		text, _ := json.Marshal(os.Args[1:])
		note("calls", text)
		return 0
	}
	var stderr bytes.Buffer
	real := exec.Command(filepath.Join(dir, "root/usr/bin/glance-profile"), os.Args[1:]...)
	real.Stdin, real.Stdout, real.Stderr = os.Stdin, os.Stdout, &stderr
	if err := real.Run(); err != nil || stderr.Len() > 0 {
		note("stderr", fmt.Appendf(nil, "%v %s", err, stderr.Bytes()))
	}
	note("answers", nil)
	return 0
}

// newPlace installs the program by make install, and fills a sandbox.
func newPlace(t *testing.T) *place {
	t.Helper()
	dir := t.TempDir()
	p := &place{dir: dir, home: filepath.Join(dir, "home"), share: filepath.Join(dir, "root/usr/share")}
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	source, err := filepath.Abs("../..")
	check(err)
	for _, sub := range []string{"home", "bin", "work/folder of disks"} {
		check(os.MkdirAll(filepath.Join(dir, sub), 0o700))
	}
	install := exec.Command("make", "-C", source, "install", "BIN="+program, "DESTDIR="+filepath.Join(dir, "root"), "PREFIX=/usr")
	if out, err := install.CombinedOutput(); err != nil {
		t.Fatalf("make install: %v\n%s", err, out)
	}
	self, err := os.Executable()
	check(err)
	check(os.Symlink(self, filepath.Join(dir, "bin/glance-profile")))
	check(os.WriteFile(filepath.Join(dir, "work/noble image.qcow2"), nil, 0o600))

	var seed []map[string]string
	for _, name := range names {
		seed = append(seed, map[string]string{"name": name, "visibility": "public"})
	}
	text, err := json.Marshal(seed)
	check(err)
	check(os.WriteFile(filepath.Join(dir, "seed.json"), text, 0o600))
	clouds := filepath.Join(dir, "clouds.yaml")
	startSandbox(t, clouds, filepath.Join(dir, "seed.json"))
	p.env = []string{
		"PATH=" + filepath.Join(dir, "bin") + ":" + os.Getenv("PATH"), "HOME=" + p.home, "TERM=xterm", "LANG=C.UTF-8", "LC_ALL=C.UTF-8",
		"XDG_DATA_DIRS=" + p.share + ":/usr/local/share:/usr/share", "OS_CLIENT_CONFIG_FILE=" + clouds, "OS_CLOUD=sandbox-member",
		"XDG_CACHE_HOME=" + filepath.Join(p.home, "cache"), "HISTFILE=/dev/null", placeVariable + "=" + dir,
		"GORACE=atexit_sleep_ms=0", // this test, which stands in for the program, would end a second late
	}
	return p
}

func startSandbox(t *testing.T, clouds, seed string) {
	t.Helper()
	cmd := exec.Command(program, "sandbox", "--clouds-file", clouds, "--seed", seed)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
	})
	lines := bufio.NewScanner(stderr)
	for lines.Scan() {
		if strings.Contains(lines.Text(), "ready") {
			go func() {
				for lines.Scan() {
				}
			}()
			return
		}
	}
	t.Fatal("the sandbox did not start")
}

// needs leaves a test out where a program is missing, unless all that can be
// tested must be.
func needs(t *testing.T, program, untested string) {
	t.Helper()
	if _, err := exec.LookPath(program); err == nil {
		return
	}
	if _, err := os.Stat(program); filepath.IsAbs(program) && err == nil {
		return // a part of one
	}
	if os.Getenv("CI") == "true" || os.Getenv("GLANCE_PROFILE_REQUIRE_ALL") == "1" {
		t.Fatalf("there is no %s, and all tests are demanded: %s", program, untested)
	}
	t.Skipf("left out: %s (there is no %s)", untested, program)
}

// called are the calls of the program so far.
func (p *place) called(t *testing.T) [][]string {
	t.Helper()
	data, _ := os.ReadFile(filepath.Join(p.dir, "calls"))
	var calls [][]string
	for line := range strings.Lines(string(data)) {
		var args []string
		if err := json.Unmarshal([]byte(line), &args); err != nil {
			return calls // it is being written
		}
		calls = append(calls, args)
	}
	return calls
}

// tab presses the key, and waits for the program's answer and for the shell to
// make something of it.
func (p *place) tab(t *testing.T, term *terminal, attempt int) {
	t.Helper()
	answers := func() int {
		data, _ := os.ReadFile(filepath.Join(p.dir, "answers"))
		return len(data)
	}
	before := answers()
	term.rest(30 * time.Millisecond)
	term.key("\t")
	term.until("answer", func() bool { return answers() > before })
	term.rest(time.Duration(80*(attempt+1)) * time.Millisecond)
}

// typed is what is typed, <TAB> for the key, and what the program is called with.
type typed struct {
	line string
	want []string
}

// everywhere is what all shells have to make of what is typed.
var everywhere = []typed{
	{"migr<TAB>", []string{"migrate-virtio"}},
	{"prof<TAB>sh<TAB>windows-sec<TAB>", []string{"profile", "show", "windows-secure-boot"}},
	{"create --osinf<TAB>", []string{"create", "--osinfo"}},
	{"create --osinfo ubuntu24.0<TAB>NAME", []string{"create", "--osinfo", "ubuntu24.04", "NAME"}},
	{"create --property hw_disk_b<TAB>virti<TAB>NAME", []string{"create", "--property", "hw_disk_bus=virtio", "NAME"}},
	{"create --property=hw_disk_b<TAB>virti<TAB>NAME", []string{"create", "--property=hw_disk_bus=virtio", "NAME"}},
	{"create --format=js<TAB>NAME", []string{"create", "--format=json", "NAME"}},
	{"create -f js<TAB>NAME", []string{"create", "-f", "json", "NAME"}},
	{"--os-cloud sandbox-o<TAB>os li<TAB>", []string{"--os-cloud", "sandbox-other", "os", "list"}},
	{"create --file nob<TAB>NAME", []string{"create", "--file", "noble image.qcow2", "NAME"}},
	{"create --file=nob<TAB>NAME", []string{"create", "--file=noble image.qcow2", "NAME"}},
	{"hardware nob<TAB>", []string{"hardware", "noble image.qcow2"}},
	{"apply deb<TAB>--yes", []string{"apply", "debian-12", "--yes"}},
	{"apply Ubu<TAB>--yes", []string{"apply", "Ubuntu 24.04 LTS", "--yes"}},
	{"apply Ubuntu\\ 24<TAB>--yes", []string{"apply", "Ubuntu 24.04 LTS", "--yes"}},
	{"apply 'Ubuntu 24<TAB> --yes", []string{"apply", "Ubuntu 24.04 LTS", "--yes"}},
	{"apply \"Ubuntu 24<TAB> --yes", []string{"apply", "Ubuntu 24.04 LTS", "--yes"}},
	{"apply rock<TAB>--yes", []string{"apply", "rocky:9:latest", "--yes"}},
	{"apply rocky:9:l<TAB>--yes", []string{"apply", "rocky:9:latest", "--yes"}},
	{"apply it<TAB>--yes", []string{"apply", names[3], "--yes"}},
	{"apply weird<TAB>--yes", []string{"apply", names[4], "--yes"}},
	{"apply üml<TAB>--yes", []string{"apply", "ümlaut ß", "--yes"}},
	{"apply twi<TAB>2<TAB>--yes", []string{"apply", "twin 2", "--yes"}},
	{"apply 'twin 1' twi<TAB>--yes", []string{"apply", "twin 1", "twin 2", "--yes"}}, // given already
	{"apply --where visib<TAB>publ<TAB>--yes", []string{"apply", "--where", "visibility=public", "--yes"}},
	{"apply -- -d<TAB>", []string{"apply", "--", "-dash"}},
	{"apply scre<TAB>x", []string{"apply", "screx"}},
	{"nonsense x<TAB>", []string{"nonsense", "x"}},
}

// shellTest types all lines in one shell.
func shellTest(t *testing.T, p *place, cmd *exec.Cmd, lines []typed) {
	t.Helper()
	cmd.Dir = filepath.Join(p.dir, "work")
	cmd.Env = append(slices.Clone(p.env), cmd.Env...)
	term := atTerminal(t, cmd)
	term.until("prompt", func() bool { return strings.Contains(term.shown(0), "ready> ") })
	term.rest(200 * time.Millisecond)
	// The first TAB at an image knows none, and has them listed.
	term.key("glance-profile apply ")
	p.tab(t, term, 1)
	term.until("cache", func() bool {
		found, _ := filepath.Glob(filepath.Join(p.home, "cache/glance-profile/images-*.list"))
		return len(found) > 0
	})
	term.key("\x03")
	term.rest(200 * time.Millisecond)
	for _, line := range lines {
		var got []string
		for attempt := range 4 { // a machine that is busy may be late, and late answers are none
			before := len(p.called(t))
			place := term.here()
			parts := strings.Split("glance-profile "+line.line, "<TAB>")
			for i, part := range parts {
				term.key(part)
				if i < len(parts)-1 {
					p.tab(t, term, attempt)
				}
			}
			term.key("\r")
			term.until("call for "+line.line, func() bool { return len(p.called(t)) > before })
			got = p.called(t)[before]
			term.rest(100 * time.Millisecond)
			if slices.Equal(got, line.want) {
				break
			}
			t.Logf("%s: %q on the screen", line.line, term.shown(place))
		}
		if !slices.Equal(got, line.want) {
			t.Errorf("%s\n got %q\nwant %q", line.line, got, line.want)
		}
	}
	// A list shows what there is, but for names that would write on the screen.
	place := term.here()
	term.key("glance-profile apply ")
	p.tab(t, term, 1)
	term.key("\t")
	term.rest(300 * time.Millisecond)
	if list := term.shown(place); !strings.Contains(list, "debian-12") || !strings.Contains(list, "twin") || strings.Contains(list, "screen") {
		t.Errorf("the list of images: %q", list)
	}
	term.key("\x03")
	term.rest(100 * time.Millisecond)
	term.key("\x03")
	term.rest(100 * time.Millisecond)
	// What only the shell can find out is not found out, and then it is not known
	// whose images are meant.
	place = term.here()
	term.key("glance-profile apply --os-password $(touch pwned) deb")
	p.tab(t, term, 1)
	if strings.Contains(term.shown(place), "debian") {
		t.Errorf("%q", term.shown(place))
	}
	term.key("\x03")
	term.rest(100 * time.Millisecond)
	if _, err := os.Stat(filepath.Join(p.dir, "work/pwned")); err == nil {
		t.Error("a part of a line or of a name was carried out")
	}
	if text, _ := os.ReadFile(filepath.Join(p.dir, "stderr")); len(text) > 0 {
		t.Errorf("stderr: %s", text)
	}
	if screen := term.shown(0); strings.Contains(screen, "owned\x07") {
		t.Errorf("a name wrote on the screen: %q", screen)
	}
}

func (p *place) file(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(p.home, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const bashSettings = "PS1='ready> '\nbind 'set enable-bracketed-paste off'\nbind 'set bell-style none'\nbind 'set completion-query-items 0'\nbind 'set page-completions off'\n"

func TestBash(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	rc := p.file(t, "rc", bashSettings+"source <("+program+" completion bash)\n")
	shellTest(t, p, exec.Command("bash", "--noprofile", "--rcfile", rc, "-i"), everywhere)
}

// With bash-completion the installed file is found by itself.
func TestBashWithBashCompletion(t *testing.T) {
	t.Parallel()
	const library = "/usr/share/bash-completion/bash_completion"
	needs(t, library, "completion in bash with the package bash-completion")
	p := newPlace(t)
	rc := p.file(t, "rc", bashSettings+". "+library+"\n")
	shellTest(t, p, exec.Command("bash", "--noprofile", "--rcfile", rc, "-i"), everywhere)
}

const zshSettings = "PS1='ready> '\nunsetopt beep prompt_sp prompt_cr\nautoload -U compinit && compinit -u\nbindkey -e\nunsetopt list_beep\n"

func TestZsh(t *testing.T) {
	t.Parallel()
	needs(t, "zsh", "completion in zsh")
	p := newPlace(t)
	p.file(t, ".zshrc", "fpath=("+p.share+"/zsh/site-functions $fpath)\n"+zshSettings)
	shellTest(t, p, exec.Command("zsh", "-d", "-i"), everywhere)
}

func TestZshSourced(t *testing.T) {
	t.Parallel()
	needs(t, "zsh", "completion in zsh")
	p := newPlace(t)
	p.file(t, ".zshrc", zshSettings+"source <("+program+" completion zsh)\n")
	shellTest(t, p, exec.Command("zsh", "-d", "-i"), everywhere[:8])
}

func TestFish(t *testing.T) {
	t.Parallel()
	needs(t, "fish", "completion in fish")
	p := newPlace(t)
	p.file(t, ".config/fish/config.fish", "function fish_prompt; echo -n 'ready> '; end\nset -g fish_autosuggestion_enabled 0\nset -g fish_greeting\n")
	shellTest(t, p, exec.Command("fish", "-i"), everywhere)
}

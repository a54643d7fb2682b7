package commands

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/urfave/cli/v2"

	"glance-profile/internal/cloud"
	"glance-profile/internal/complete"
	"glance-profile/internal/imagecache"
	"glance-profile/internal/osinfo"
	"glance-profile/internal/sandbox"
	"glance-profile/profiles"
)

// fakeWorld is a world that a table can be written for.
type fakeWorld struct{}

func (fakeWorld) clouds() []string          { return []string{"prod", "test lab"} }
func (fakeWorld) systems(string) *osinfo.DB { return osinfo.Builtin() }
func (fakeWorld) journals() []string {
	return []string{"/state/2-apply.jsonl", "/state/1-create.jsonl"}
}
func (fakeWorld) files() []string { return []string{"disks/", "noble.img"} }
func (fakeWorld) profiles([]string) *profiles.Set {
	set, _ := profiles.Embedded()
	return set
}

func (fakeWorld) images(*complete.Context) []imagecache.Image {
	return []imagecache.Image{
		{ID: "0a000000-0000-4000-8000-000000000001", Name: "Ubuntu 24.04"},
		{ID: "0a000000-0000-4000-8000-000000000002", Name: "debian:12"},
		{ID: "0b000000-0000-4000-8000-000000000003", Name: "twice"},
		{ID: "0b000000-0000-4000-8000-000000000004", Name: "twice"},
		{ID: "0c000000-0000-4000-8000-000000000005", Name: ""},
		{ID: "0d000000-0000-4000-8000-000000000006", Name: "evil\x1b]0;x\a"},
	}
}

// lineOf is a line as bash would read it; | is the cursor.
func lineOf(t *testing.T, text string) complete.Line {
	t.Helper()
	before, after, _ := strings.Cut(text, "|")
	line, ok := complete.Read(complete.Bash, "\x00glance-profile "+before+"\x00"+after+"\x00")
	if !ok {
		t.Fatalf("%s: not a line", text)
	}
	return line
}

func TestCompletions(t *testing.T) {
	for _, tt := range []struct {
		line string
		want string // all of the candidates, or with … these among others
	}{
		{"|", "create apply migrate-virtio normalize audit rollback hardware inspect profile property os sandbox completion"},
		{"__|", ""},
		{"completion |", "bash zsh fish powershell"},
		{"audit e|", "explain"},
		{"--os-cloud |", "prod,test lab"},
		{"audit --os-cloud prod,|", "prod,test lab"},
		{"--os-interface |", "public internal admin"},
		{"create --os-auth-type v3a|", "v3applicationcredential"},
		{"create -f |", "csv json shell table value yaml"},
		{"apply -f |", "csv json table value yaml"},
		{"audit --format=s|", "--format=sarif"},
		{"create --fo|", "--format --force"},
		{"create --volume|", ""},
		{"create --file |", "files"},
		{"--os-cacert |", "files"},
		{"os list --osinfo-db |", "dirs"},
		{"create --profile |", "linux-virtio windows-compat none …"},
		{"create --profile linux-virtio --profile linux-virtio|", "linux-virtio-scsi …"},
		{"create --profile linux-virtio --with |", "hw_vif_multiqueue_enabled …"},
		{"create --osinfo ubuntu24.0|", "ubuntu24.04"},
		{"os show jam|", "jammy,jammy jellyfish"},
		{"create --property hw_disk_b|", "hw_disk_bus=~"},
		{"create --property hw_disk_bus=v|", "hw_disk_bus=virtio"},
		{"create --property=hw_disk_bus=virt|", "--property=hw_disk_bus=virtio"},
		{"create --property hw_disk_bus=xen|", ""}, // no host runs it any more
		{"create --property hw_disk_bus=ide --property hw_disk_b|", ""},
		{"create --property hw_vif_multiqueue_enabled=|", "hw_vif_multiqueue_enabled=true hw_vif_multiqueue_enabled=false"},
		{"create --property trait:|", "trait:~"},
		{"create --property trait:HW_CPU_X86_AVX2=|", "trait:HW_CPU_X86_AVX2=required"},
		{"create --property hw_numa_cpus|", "hw_numa_cpus.~"},
		{"create --property os_distro=ub|", "os_distro=ubuntu"},
		{"create --property os_distro=debian --property os_version=12|", "os_version=12"},
		{"create --property unknown=|", ""},
		{"create --disk-format q|", "qcow2"},
		{"create --architecture x|", "x86_64 xtensa xtensaeb"},
		{"create NAME |", ""},
		{"apply |", "0c000000-0000-4000-8000-000000000005,Ubuntu 24.04,debian:12,twice,0d000000-0000-4000-8000-000000000006"},
		{"apply ub|", "Ubuntu 24.04,"},
		{`apply 'Ubuntu 24.04' u|`, ""},
		{"apply 0a000000-0000-4000-8000-000000000001 u|", ""},
		{"apply u| 'Ubuntu 24.04'", ""},
		{"apply 0a|", "0a000000-0000-4000-8000-000000000001 0a000000-0000-4000-8000-000000000002"},
		{"apply evil|", ""},
		{"apply -- u|", "Ubuntu 24.04,"},
		{"apply --from x.json |", ""},
		{"apply --unset hw_disk_b|", "hw_disk_bus"},
		{"apply --where vis|", "visibility=~"},
		{"apply --where visibility=|", "visibility=public visibility=private visibility=community visibility=shared"},
		{"apply --where hw_disk_bus!=vi|", "hw_disk_bus!=virtio"},
		{`apply --where "not hw_disk_b|`, "not hw_disk_bus,"},
		{"apply --where name=deb|", "name=debian:12"},
		{"apply --where name~|", ""},
		{"apply --column a|", "action after"},
		{"apply -c action -c a|", "after"},
		{"rollback --list -c J|", "Journal"},
		{"rollback |", "/state/2-apply.jsonl /state/1-create.jsonl"},
		{"rollback ./|", "files"},
		{"audit --policy |", "disks/~ …"},
		{"audit --policy ./|", "files"},
		{"audit --policy scs|", "scs-0102 …"},
		{"audit --fail-on |", "error warning info never"},
		{"audit --fix flavor-sp|", "flavor-spelling"},
		{"audit explain value-not-a|", "value-not-accepted"},
		{"hardware n|", "noble.img"},
		{"hardware --osinfo debian12 |", "files"},
		{"hardware --machine-type x86|", "x86_64=~"},
		{"hardware --machine-type x86_64=q|", "x86_64=q35"},
		{"property show hw_disk_b|", "hw_disk_bus"},
		{"normalize --emit |", "json"},
	} {
		answer := completeLine(newApp(&Env{}), fakeWorld{}, lineOf(t, tt.line))
		var got []string
		for _, c := range answer.Candidates {
			if c.Open {
				c.Value += "~"
			}
			got = append(got, c.Value)
		}
		if answer.Files {
			got = append(got, "files")
		}
		if answer.Dirs {
			got = append(got, "dirs")
		}
		wanted, some := strings.CutSuffix(tt.want, " …")
		want := strings.Fields(wanted)
		if strings.Contains(wanted, ",") { // some hold blanks
			want = strings.Split(strings.TrimSuffix(wanted, ","), ",")
		}
		if tt.line == "audit --os-cloud prod,|" {
			want = []string{"prod,test lab"}
		}
		if some {
			for _, w := range want {
				if !slices.Contains(got, w) {
					t.Errorf("%s\n got %q\nwant %q among them", tt.line, got, w)
				}
			}
			continue
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%s\n got %q\nwant %q", tt.line, got, want)
		}
	}
}

// eachOption calls do for every option of every command; path is "" for the
// global ones.
func eachOption(app *cli.App, do func(path string, flag cli.Flag)) {
	var walk func(parent string, commands []*cli.Command)
	walk = func(parent string, commands []*cli.Command) {
		for _, command := range commands {
			path := strings.TrimSpace(parent + " " + command.Name)
			for _, flag := range command.Flags {
				do(path, flag)
			}
			walk(path, command.Subcommands)
		}
	}
	for _, flag := range app.Flags {
		do("", flag)
	}
	walk("", app.Commands)
}

// What an option may be is said for every one, once: in optionValues or freeText.
func TestEveryOptionHasValuesOrTakesFreeText(t *testing.T) {
	seen := map[string]bool{}
	eachOption(testApp(), func(path string, flag cli.Flag) {
		name := flag.Names()[0]
		seen[name], seen[strings.TrimSpace(path+" "+name)] = true, true
		_, list := flag.(*listFlag)
		_, has := optionValues[name]
		switch free := slices.Contains(freeText, name); {
		case !takesValue(flag) && !list:
			if has || free {
				t.Errorf("%s --%s takes no value", path, name)
			}
		case has == free:
			t.Errorf("%s --%s: in optionValues %v, in freeText %v; it has to be in one of them", path, name, has, free)
		}
		if name == "column" || name == "sort-column" {
			if columns[path] == nil {
				t.Errorf("%s --%s: no columns", path, name)
			}
		}
	})
	for name := range optionValues {
		path, option, own := strings.Cut(name, " ")
		if own && (path != "audit" || !seen[option]) || !own && !seen[name] {
			t.Errorf("optionValues: there is no option %s", name)
		}
	}
	for _, name := range freeText {
		if !seen[name] {
			t.Errorf("freeText: there is no option --%s", name)
		}
	}
}

// Where the help lists values, completion offers the same.
func TestCompletionsAreThoseOfTheHelp(t *testing.T) {
	app := testApp()
	checked := 0
	eachOption(app, func(path string, flag cli.Flag) {
		doc, ok := flag.(cli.DocGenerationFlag)
		if !ok || !takesValue(flag) || path == "" {
			return
		}
		name := flag.Names()[0]
		switch name {
		case "format", "quote", "nova", "disk-format", "container-format", "policy":
		default:
			return
		}
		var offered []string
		for _, c := range completeLine(app, fakeWorld{}, lineOf(t, path+" --"+name+" |")).Candidates {
			if !slices.Contains(fakeWorld{}.files(), c.Value) {
				offered = append(offered, c.Value)
			}
		}
		checked++
		if usage := doc.GetUsage(); !strings.Contains(usage, ": "+list(offered)) {
			t.Errorf("%s --%s: offers %q, and the help says %s", path, name, offered, usage)
		}
	})
	if checked < 20 {
		t.Errorf("%d options compared", checked)
	}
}

func TestArgumentsAreOfCommands(t *testing.T) {
	for path := range argumentValues {
		commands := testApp().Commands
		var found *cli.Command
		for _, name := range strings.Fields(path) {
			i := slices.IndexFunc(commands, func(c *cli.Command) bool { return c.Name == name })
			if i < 0 {
				t.Fatalf("no command %s", path)
			}
			found, commands = commands[i], commands[i].Subcommands
		}
		if found.ArgsUsage == "" {
			t.Errorf("%s takes no arguments", path)
		}
	}
}

// completionEnv is an environment with a home and a clouds.yaml of its own.
func completionEnv(t *testing.T, clouds string) *Env {
	t.Helper()
	home := t.TempDir()
	file := filepath.Join(home, "clouds.yaml")
	if err := os.WriteFile(file, []byte(clouds), 0o600); err != nil {
		t.Fatal(err)
	}
	variables := map[string]string{"OS_CLIENT_CONFIG_FILE": file, "XDG_CACHE_HOME": filepath.Join(home, "cache")}
	env := &Env{Out: io.Discard, Err: io.Discard, Now: time.Now, Version: "test"}
	env.LookupEnv = func(name string) (string, bool) { value, ok := variables[name]; return value, ok }
	env.Cloud = cloud.Env{LookupEnv: env.LookupEnv, Environ: func() []string { return nil }, ReadFile: os.ReadFile, HomeDir: home, WorkDir: home}
	return env
}

// withInput makes a job or question standard input.
func withInput(t *testing.T, env *Env, text string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "in")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	in, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close() })
	env.In = in
}

func refresh(t *testing.T, env *Env, j job) {
	t.Helper()
	text, err := json.Marshal(j)
	if err != nil {
		t.Fatal(err)
	}
	withInput(t, env, string(text))
	if cache, _ := cacheOf(t, env, j); !cache.Begin(time.Now(), time.Minute) {
		t.Fatal("held by another")
	}
	env.Args = []string{refreshWord}
	if code := Run(context.Background(), env); code != 0 {
		t.Errorf("exit %d", code)
	}
}

func cacheOf(t *testing.T, env *Env, j job) (imagecache.Cache, []imagecache.Image) {
	t.Helper()
	config, err := cloud.Load(j.Options, assigned(env.Cloud, j.Assigned))
	if err != nil {
		t.Fatal(err)
	}
	cache, _ := imageCache(env, config)
	images, _ := cache.Read()
	return cache, images
}

func TestRefresh(t *testing.T) {
	sb, err := sandbox.New(sandbox.Options{Now: time.Now, Seed: strings.NewReader(`[{"name": "a", "visibility": "public"}, {"name": "tab\there", "visibility": "public"}]`)})
	if err != nil {
		t.Fatal(err)
	}
	defer sb.Close()
	server := httptest.NewServer(sb.Handler())
	defer server.Close()
	env := completionEnv(t, string(sb.CloudsYAML(server.URL)))
	j := job{Options: cloud.Options{Cloud: "sandbox-member"}}
	refresh(t, env, j)
	cache, images := cacheOf(t, env, j)
	if len(images) != 2 || images[0].Name != "" || images[1].Name != "a" {
		t.Fatalf("%v", images)
	}
	if cache.Begin(time.Now(), 0) {
		t.Error("may be renewed at once")
	}
	if !cache.Begin(time.Now().Add(afterSuccess+time.Second), 0) {
		t.Error("may not be renewed after a while")
	}
	// The cache holds nothing but names and ids.
	dir := filepath.Join(env.Cloud.HomeDir, "cache", "glance-profile")
	files, _ := os.ReadDir(dir)
	for _, file := range files {
		data, _ := os.ReadFile(filepath.Join(dir, file.Name()))
		if bytes.Contains(bytes.ToLower(data), []byte("password")) || bytes.Contains(data, []byte("sandbox-member")) {
			t.Errorf("%s: %s", file.Name(), data)
		}
	}
	// As a variable of the line, it is the same login.
	if _, again := cacheOf(t, env, job{Assigned: []string{"OS_CLOUD=sandbox-member"}}); len(again) != len(images) {
		t.Error("OS_CLOUD=… before the command is another login")
	}
	if _, other := cacheOf(t, env, job{Options: cloud.Options{Cloud: "sandbox-other"}}); other != nil {
		t.Error("another project has the same images")
	}
}

// A rejected login is not tried again soon: it may lock the account.
func TestRefreshAfterRejection(t *testing.T) {
	keystone := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.Method == http.MethodPost {
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = io.WriteString(w, `{"error": {"code": 401, "title": "Unauthorized", "message": "no"}}`)
			return
		}
		_, _ = io.WriteString(w, `{"version": {"id": "v3.14", "status": "stable", "links": []}}`)
	}))
	defer keystone.Close()
	env := completionEnv(t, "clouds: {c: {auth: {auth_url: "+keystone.URL+"/v3, username: u, password: wrong, project_name: p, user_domain_id: d, project_domain_id: d}}}")
	j := job{Options: cloud.Options{Cloud: "c"}}
	refresh(t, env, j)
	cache, _ := cacheOf(t, env, j)
	if now := time.Now(); cache.Begin(now.Add(afterRejection-time.Minute), 0) || !cache.Begin(now.Add(afterRejection+time.Minute), 0) {
		t.Error("a rejected login is tried again at the wrong time")
	}
}

// Where it cannot be known which cloud the line is for, none is asked.
func TestImagesOfAnUnsureLine(t *testing.T) {
	env := completionEnv(t, "clouds: {c: {auth: {auth_url: 'http://127.0.0.1:9/v3', username: u, password: p, project_name: p}}, ask: {auth: {auth_url: 'http://127.0.0.1:9/v3', username: u, project_name: p}}}")
	j := job{Options: cloud.Options{Cloud: "c"}}
	cache, _ := cacheOf(t, env, j)
	if err := cache.Write([]imagecache.Image{{ID: "1", Name: "known"}}, time.Now()); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]bool{
		"--os-cloud c apply |":                              true,
		"apply | --os-cloud c":                              true,
		"apply --os-clo c |":                                true,
		"--os-cloud $C apply |":                             false,
		"--os-cloud c apply --os-password $(pass show x) |": false,
		"--os-cloud c apply $IMAGE |":                       true,
		"--os-cloud ask apply |":                            false,
		"--os-cloud unknown apply |":                        false,
		"apply |":                                           false,
	} {
		line := lineOf(t, text)
		w := &realWorld{env: env, line: line}
		answer := completeLine(newApp(env), w, line)
		if got := len(answer.Candidates) == 1; got != want {
			t.Errorf("%s: %v", text, answer.Candidates)
		}
	}
}

// What waits for something that never comes is left behind.
func TestAnswersInTimeOrNotAtAll(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close() // until here nothing ends the question
	var out, stderr bytes.Buffer
	env := completionEnv(t, "")
	env.In, env.Out, env.Err, env.Args = r, &out, &stderr, []string{completeWord, "bash"}
	begun := time.Now()
	code := Run(context.Background(), env)
	if took := time.Since(begun); code != 0 || took > 5*time.Second || out.Len()+stderr.Len() > 0 {
		t.Errorf("exit %d after %v: %q %q", code, took, out.String(), stderr.String())
	}
}

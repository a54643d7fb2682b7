// Package auth holds configurations of clouds as files, the openstack client's
// answers to them, and what is needed to ask it. The cases of internal/cloud
// and of the end-to-end tests are read by it.
package auth

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"golang.org/x/tools/txtar"
)

// Case is one configuration: a file of the txtar format. Its comment says what
// it is about; the section env holds variables, args options, and each section
// with another name than those below is a configuration file. A name that
// begins with home/ is below HOME, any other below the working directory.
// $WORK and $HOME stand for these two wherever they occur.
type Case struct {
	Name  string            `json:"-"`
	Files map[string]string `json:"files"`
	Env   map[string]string `json:"env"`
	Args  []string          `json:"args"`
	// Notes are the sections that are no files: answer.json (what the client
	// made of it), differs (why and how this program means to do otherwise) and
	// expect (of a case that is tried on a cloud).
	Notes map[string]string `json:"-"`

	path    string
	archive *txtar.Archive
}

var notes = []string{"answer.json", "differs", "expect"}

// ReadCases reads the *.txtar files of a folder, with replace applied to all
// that they hold but their comments.
func ReadCases(dir string, replace func(string) string) ([]*Case, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.txtar"))
	if err != nil {
		return nil, err
	}
	if len(paths) == 0 {
		return nil, fmt.Errorf("%s: no cases", dir)
	}
	if replace == nil {
		replace = func(text string) string { return text }
	}
	var cases []*Case
	for _, path := range paths {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			return nil, err
		}
		c := &Case{
			Name: strings.TrimSuffix(filepath.Base(path), ".txtar"), path: path, archive: archive,
			Files: map[string]string{}, Env: map[string]string{}, Args: []string{}, Notes: map[string]string{},
		}
		for _, file := range archive.Files {
			text := replace(string(file.Data))
			switch {
			case file.Name == "env":
				for line := range strings.Lines(text) {
					name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
					c.Env[name] = value
				}
			case file.Name == "args":
				c.Args = strings.Fields(text)
			case slices.Contains(notes, file.Name):
				c.Notes[file.Name] = text
			default:
				c.Files[file.Name] = text
			}
		}
		cases = append(cases, c)
	}
	return cases, nil
}

// Placed is a case whose files are written, with $WORK and $HOME replaced.
type Placed struct {
	Work, Home string
	Env        map[string]string
	Args       []string
}

// Place writes a case's files below root.
func (c *Case) Place(root string) (Placed, error) {
	p := Placed{Work: filepath.Join(root, "work"), Home: filepath.Join(root, "home"), Env: map[string]string{}}
	real := strings.NewReplacer("$WORK", p.Work, "$HOME", p.Home)
	for _, dir := range []string{p.Work, p.Home} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return p, err
		}
	}
	for name, text := range c.Files {
		path := filepath.Join(p.Work, name)
		if strings.HasPrefix(name, "home/") {
			path = filepath.Join(root, name)
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return p, err
		}
		if err := os.WriteFile(path, []byte(real.Replace(text)), 0o600); err != nil {
			return p, err
		}
	}
	for name, value := range c.Env {
		p.Env[name] = real.Replace(value)
	}
	for _, arg := range c.Args {
		p.Args = append(p.Args, real.Replace(arg))
	}
	return p, nil
}

// Record writes a note of the case into its file.
func (c *Case) Record(note, text string) error {
	c.Notes[note] = text
	files := slices.DeleteFunc(c.archive.Files, func(f txtar.File) bool { return f.Name == note })
	c.archive.Files = append(files, txtar.File{Name: note, Data: []byte(text)})
	return os.WriteFile(c.path, txtar.Format(c.archive), 0o644)
}

// Ask has openstack_answers.py answer the cases: a shell command runs it, with
// the cases on its standard input. The result maps names to answers.
func Ask(command string, cases []*Case) (map[string]json.RawMessage, error) {
	byName := map[string]*Case{}
	for _, c := range cases {
		byName[c.Name] = c
	}
	input, err := json.Marshal(byName)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command("sh", "-c", command)
	cmd.Stdin = bytes.NewReader(input)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	output, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %s", command, err, stderr.Bytes())
	}
	var answers map[string]json.RawMessage
	if err := json.Unmarshal(output, &answers); err != nil {
		return nil, fmt.Errorf("%s: %w: %s", command, err, output)
	}
	for name := range byName {
		if answers[name] == nil {
			return nil, fmt.Errorf("%s: no answer to %s", command, name)
		}
	}
	return answers, nil
}

// Values gives what the cases in cases/ leave open, from a devcloud's
// clouds.yaml and by a login as its member.
func Values(cloudsFile string) (map[string]string, error) {
	data, err := os.ReadFile(cloudsFile)
	if err != nil {
		return nil, err
	}
	var file struct {
		Clouds map[string]struct {
			Auth   map[string]string `yaml:"auth"`
			CACert string            `yaml:"cacert"`
		} `yaml:"clouds"`
	}
	if err := yaml.Unmarshal(data, &file); err != nil {
		return nil, fmt.Errorf("%s: %w", cloudsFile, err)
	}
	member, appcred, tls := file.Clouds["devcloud-member"], file.Clouds["devcloud-appcred"], file.Clouds["devcloud-tls"]
	values := map[string]string{
		"AUTH_URL": member.Auth["auth_url"], "PASSWORD": member.Auth["password"], "PROJECT": member.Auth["project_name"],
		"APPCRED_ID": appcred.Auth["application_credential_id"], "APPCRED_SECRET": appcred.Auth["application_credential_secret"],
		"TLS_AUTH_URL": tls.Auth["auth_url"], "CA": tls.CACert,
	}
	values["AUTH_BASE"] = strings.TrimSuffix(values["AUTH_URL"], "/v3")
	values["AUTH_URL_AS_HTTPS"] = strings.Replace(values["AUTH_URL"], "http:", "https:", 1)
	if err := logIn(values); err != nil {
		return nil, fmt.Errorf("log in at %s: %w", values["AUTH_URL"], err)
	}
	for name, value := range values {
		if value == "" {
			return nil, fmt.Errorf("%s: no value for %s", cloudsFile, name)
		}
	}
	return values, nil
}

// logIn adds TOKEN, PROJECT_ID, USER_ID and IMAGE_URL. It does not stand on the
// code under test.
func logIn(values map[string]string) error {
	domain := map[string]string{"name": "Default"}
	body, err := json.Marshal(map[string]any{"auth": map[string]any{
		"identity": map[string]any{"methods": []string{"password"}, "password": map[string]any{
			"user": map[string]any{"name": "devcloud-member", "password": values["PASSWORD"], "domain": domain},
		}},
		"scope": map[string]any{"project": map[string]any{"name": values["PROJECT"], "domain": domain}},
	}})
	if err != nil {
		return err
	}
	resp, err := http.Post(values["AUTH_URL"]+"/auth/tokens", "application/json", bytes.NewReader(body))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusCreated {
		return errors.New(resp.Status)
	}
	type record struct{ ID string }
	var answer struct {
		Token struct {
			User, Project record
			Catalog       []struct {
				Type      string
				Endpoints []struct{ Interface, URL string }
			}
		}
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return err
	}
	values["TOKEN"] = resp.Header.Get("X-Subject-Token")
	values["PROJECT_ID"], values["USER_ID"] = answer.Token.Project.ID, answer.Token.User.ID
	for _, service := range answer.Token.Catalog {
		for _, endpoint := range service.Endpoints {
			if service.Type == "image" && endpoint.Interface == "public" {
				values["IMAGE_URL"] = strings.TrimRight(endpoint.URL, "/")
			}
		}
	}
	return nil
}

// Fill replaces ${NAME} by its value.
func Fill(values map[string]string) func(string) string {
	var pairs []string
	for _, name := range slices.Sorted(maps.Keys(values)) {
		pairs = append(pairs, "${"+name+"}", values[name])
	}
	return strings.NewReplacer(pairs...).Replace
}

// outcomes tells from the client's message what kind of failure it was; the
// first that fits counts. The words are those of internal/cloud's Kind.
var outcomes = []struct {
	kind    string
	message *regexp.Regexp
}{
	{"unknown cloud", regexp.MustCompile(`Cloud .* was not found`)},
	{"endpoint", regexp.MustCompile(`is not a valid region name|endpoint for image service|service catalog is empty`)},
	{"certificate", regexp.MustCompile(`SSL|CERTIFICATE|TLS|certificate`)},
	{"unreachable", regexp.MustCompile(`Unable to establish connection|Connection refused|Name or service not known|Failed to contact the endpoint`)},
	{"credentials", regexp.MustCompile(`HTTP 401|Fernet token \(HTTP 404\)|401: Client Error`)},
	{"forbidden", regexp.MustCompile(`403: Client Error`)},
	{"crash", regexp.MustCompile(`'NoneType' object has no attribute`)},
	{"server", regexp.MustCompile(`Could not find versioned identity endpoints`)},
	{"configuration", regexp.MustCompile(`Missing value|Missing parameter|No password entered|unexpected keyword argument|could not be found|You have provided|while parsing|scoped to multiple targets|Cannot use v2|HTTP 400|Could not find requested endpoint`)},
}

// Outcome is how a command of the openstack client ended, in one or two words:
// "works", or the kind of its error.
func Outcome(success bool, message string) string {
	if success {
		return "works"
	}
	for _, o := range outcomes {
		if o.message.MatchString(message) {
			return o.kind
		}
	}
	return "not known: " + message
}

// SetOption sets the field of options that an argument of the client's names:
// --os-user-domain-id=default is UserDomainID. options points to a struct.
func SetOption(options any, arg string) error {
	name, value, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(arg, "--"), "os-"), "=")
	name = strings.ReplaceAll(name, "-", "")
	field := reflect.ValueOf(options).Elem().FieldByNameFunc(func(field string) bool { return strings.EqualFold(field, name) })
	switch {
	case !field.IsValid():
		return fmt.Errorf("no option %s", arg)
	case field.Kind() == reflect.Bool:
		field.SetBool(true)
	default:
		field.SetString(value)
	}
	return nil
}

package main

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"text/template"

	"glance-profile/commands"
	"glance-profile/internal/audit"
	"glance-profile/internal/policy"
	"glance-profile/internal/report"
	"glance-profile/profiles"
)

// functions are what the templates of pages can ask for.
var functions = template.FuncMap{
	"usage": usage, "synopsis": synopsis, "description": description, "options": options, "globals": globals,
	"rules": rules, "formats": formats, "members": members, "policies": policies,
	"examples": exampleLines, "statuses": statuses, "commands": commandList, "suboptions": suboptions, "environment": environment, "files": files,
	"profiles": profileNames, "road": func() string { return road },
}

// find returns a command by its path, such as "audit rules".
func find(path string) (commands.Doc, error) {
	doc := commands.Documentation()
	for _, word := range strings.Fields(path) {
		i := slices.IndexFunc(doc.Commands, func(d commands.Doc) bool { return d.Name == word })
		if i < 0 {
			return doc, fmt.Errorf("there is no command %s", path)
		}
		doc = doc.Commands[i]
	}
	return doc, nil
}

// usage is what a command does, in one line.
func usage(path string) (string, error) {
	doc, err := find(path)
	return plain(doc.Usage), err
}

// synopsis is the lines that a command and those below it are called by.
func synopsis(path string) (string, error) {
	doc, err := find(path)
	if err != nil {
		return "", err
	}
	text := ""
	if doc.Arguments != "" || len(doc.Commands) == 0 { // what only holds others is no command
		text = strings.TrimSpace("`glance-profile "+path+"` [*options*] "+arguments(doc.Arguments)) + "\n\n"
	}
	for _, sub := range doc.Commands {
		more, err := synopsis(path + " " + sub.Name)
		if err != nil {
			return "", err
		}
		text += more
	}
	return text, nil
}

var argument = regexp.MustCompile(`[A-Z]+`)

func arguments(text string) string { return argument.ReplaceAllString(text, "*$0*") }

// description is what the help says of a command.
func description(path string) (string, error) {
	doc, err := find(path)
	return plain(doc.Description), err
}

// options lists a command's own options by category.
func options(path string) (string, error) {
	doc, err := find(path)
	if err != nil {
		return "", err
	}
	return optionList(doc.Options, "## "), nil
}

// optionList lists options by category, each below a heading of its own.
func optionList(all []commands.OptionDoc, heading string) string {
	var b strings.Builder
	var categories []string
	for _, o := range all {
		if !slices.Contains(categories, o.Category) {
			categories = append(categories, o.Category)
		}
	}
	slices.Sort(categories)
	for _, category := range categories {
		if category != "" {
			fmt.Fprintf(&b, "%s%s\n\n", heading, category)
		}
		list := slices.Clone(all)
		slices.SortStableFunc(list, func(a, b commands.OptionDoc) int { return strings.Compare(a.Names[0], b.Names[0]) })
		for _, o := range list {
			if o.Category == category {
				b.WriteString(option(o))
			}
		}
	}
	return b.String()
}

// suboptions lists the options of the commands below one: their own, and then
// those that choose how an answer is printed, which are the same for all but for
// the texts that say so.
func suboptions(path string) (string, error) {
	doc, err := find(path)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	var shared []commands.OptionDoc
	for _, sub := range doc.Commands {
		var own []commands.OptionDoc
		for _, o := range sub.Options {
			switch {
			case o.Category == "":
				own = append(own, o)
			case !slices.ContainsFunc(shared, func(s commands.OptionDoc) bool { return s.Names[0] == o.Names[0] && s.Usage == o.Usage }):
				shared = append(shared, o)
			}
		}
		if len(own) > 0 {
			fmt.Fprintf(&b, "## %s %s\n\n%s", path, sub.Name, optionList(own, "## "))
		}
	}
	for i, o := range shared {
		if slices.ContainsFunc(shared, func(s commands.OptionDoc) bool { return s.Names[0] == o.Names[0] && s.Usage != o.Usage }) {
			shared[i].Usage += " (" + takers(doc, o) + ")"
		}
	}
	return b.String() + optionList(shared, "## "), nil
}

// takers names the commands that have an option with that text.
func takers(doc commands.Doc, o commands.OptionDoc) string {
	var names []string
	for _, sub := range doc.Commands {
		if slices.ContainsFunc(sub.Options, func(s commands.OptionDoc) bool { return s.Names[0] == o.Names[0] && s.Usage == o.Usage }) {
			names = append(names, sub.Name)
		}
	}
	return strings.Join(names, ", ")
}

// exampleLines are the examples of a command, as its help has them.
func exampleLines(path string) (string, error) {
	doc, err := find(path)
	var b strings.Builder
	for _, e := range doc.Examples {
		fmt.Fprintf(&b, "%s:\n\n```\n$ %s\n```\n\n", plain(strings.ToUpper(e.What[:1])+e.What[1:]), e.Line)
	}
	return b.String(), err
}

// statuses lists the exit codes; of some only, where they are given.
func statuses(codes ...int) string {
	var b strings.Builder
	for _, s := range commands.ExitStatuses() {
		if len(codes) == 0 || slices.Contains(codes, s.Code) {
			fmt.Fprintf(&b, "`%d`\n: %s\n\n", s.Code, plain(s.Text))
		}
	}
	return b.String()
}

// commandList lists the commands with the pages that describe them.
func commandList() string {
	var b strings.Builder
	for _, c := range commands.Documentation().Commands {
		fmt.Fprintf(&b, "`%s`\n: %s See `glance-profile-%s`(1).\n\n", c.Name, plain(sentence(c.Usage)), c.Name)
	}
	return b.String()
}

// profileNames lists the embedded profiles.
func profileNames() (string, error) {
	set, err := profiles.Embedded()
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, p := range set.List() {
		fmt.Fprintf(&b, "`%s`\n: %s\n\n", p.Name, plain(sentence(p.Summary)))
	}
	return b.String(), nil
}

// The variables and files that pages have in common, each told once.
var (
	environmentTexts = map[string]string{
		"cloud":   "`OS_CLIENT_CONFIG_FILE`, `OS_CLOUD`, other `OS_*` variables\n: Cloud and credentials, as with the `openstack` client.",
		"journal": "`XDG_STATE_HOME`\n: Where the journals are, instead of *~/.local/state*.",
		"profile": "`XDG_CONFIG_HOME`\n: Where profiles of your own and *clouds.yaml* are, instead of *~/.config*.",
		"osinfo":  "`OSINFO_SYSTEM_DIR`\n: The osinfo-db to use instead of the built-in one; see `--osinfo-db`.",
		"cache":   "`XDG_CACHE_HOME`\n: Where names and ids of images are kept for completion, instead of *~/.cache*.",
		"colour":  "`NO_COLOR`\n: If set, nothing has a colour.",
	}
	fileTexts = map[string]string{
		"cloud":   "*clouds.yaml*, *secure.yaml*, *clouds-public.yaml*\n: In the working directory, *~/.config/openstack* or */etc/openstack*.",
		"journal": "*~/.local/state/glance-profile/journal/*\n: A journal for each run that changed something: JSON lines, mode 0600, without credentials.",
		"profile": "*~/.config/glance-profile/profiles/*\n: Profiles of your own, `.yaml` or `.yml`; see `glance-profile-profiles`(5).",
		"cache":   "*~/.cache/glance-profile/*\n: Names and ids of images as last listed, mode 0600.",
	}
)

func environment(names ...string) (string, error) { return told(environmentTexts, names) }

func files(names ...string) (string, error) { return told(fileTexts, names) }

func told(texts map[string]string, names []string) (string, error) {
	var b strings.Builder
	for _, name := range names {
		text, ok := texts[name]
		if !ok {
			return "", fmt.Errorf("%s is not described", name)
		}
		b.WriteString(text + "\n\n")
	}
	return b.String(), nil
}

// road is the output of the commands that change existing images.
const road = "Standard output carries only what is asked for. With `--dry-run` or `--check` that is the plan: for people,\n" +
	"or in the format of `--format`. Otherwise the plan is shown on standard error, and standard output stays empty\n" +
	"unless a format other than `table` is asked for; then it has the plan with the result for each image.\n" +
	"\n" +
	"`json` and `yaml` are one object with `version` (1), `command` and `images`. An image has `action` (change,\n" +
	"create or delete), `cloud`, `endpoint`, `region`, `project`, `id`, `name`, `changes`, `result` and `error`.\n" +
	"A change has `property`, `before`, `after` and `why`; `null` stands for absent, and fields of the image keep\n" +
	"their JSON type. `result` and `error` are `null` until the plan is carried out. It is also what `--out` saves.\n" +
	"`csv` and `value` have a line for each change, with the columns `action`, `id`, `name`, `property`, `before`,\n" +
	"`after` and `why`.\n"

func option(o commands.OptionDoc) string {
	var names []string
	for _, name := range o.Names {
		text := "`" + name + "`"
		if o.Value != "" {
			text += " *" + o.Value + "*"
		}
		names = append(names, text)
	}
	text := plain(sentence(o.Usage))
	if o.Default != "" {
		text += " Default: `" + o.Default + "`."
	}
	if o.Repeated && !strings.Contains(o.Usage, "repeated") {
		text += " May be repeated."
	}
	return strings.Join(names, ", ") + "\n: " + text + "\n\n"
}

// globals lists the options of every command, those for the cloud by name only.
func globals() string {
	var b strings.Builder
	var cloud []string
	for _, o := range commands.Documentation().Options {
		if o.Category == "" {
			b.WriteString(option(o))
		} else {
			cloud = append(cloud, "`"+o.Names[0]+"`")
		}
	}
	return b.String() + "The cloud and the credentials are chosen as with the `openstack` client: " + strings.Join(cloud, ", ") + ".\n"
}

// rules lists all rules of audit.
func rules() string {
	var b strings.Builder
	for _, r := range audit.Rules() {
		fmt.Fprintf(&b, "`%s` (%s, %s)\n: %s\n\n", r.ID, r.Severity, r.Kind, plain(sentence(r.Title)))
	}
	return b.String()
}

// formatTexts say what each format is for.
var formatTexts = map[string]string{
	"table":      "For people: images with findings, worst first, and a summary. With `--column` or `--sort-column` a flat list of findings.",
	"json":       "An array of findings, for scripts; see below.",
	"yaml":       "The same as YAML.",
	"csv":        "A line for each finding, with a header; a fix is text.",
	"value":      "A line for each finding, the columns separated by blanks; a fix is text.",
	"sarif":      "SARIF 2.1.0, for code scanning such as that of GitHub. A result keeps its fingerprint from run to run, so that a finding is recognized.",
	"junit":      "JUnit's XML, for CI servers: a suite for each region of a cloud, a test for each image. A test fails if it has a finding of `--fail-on` or worse; milder findings are its output.",
	"github":     "Workflow commands of GitHub Actions: an annotation for each finding.",
	"prometheus": "Metrics for the textfile collector of Prometheus' node exporter. A cloud that could not be judged as a whole has no numbers except `glance_profile_audit_cloud_up` 0.",
	"html":       "One page for a browser, without references to other files, for sending around.",
}

// formats lists the formats of a report.
func formats() (string, error) {
	var b strings.Builder
	for _, format := range report.Formats() {
		text, ok := formatTexts[format]
		if !ok {
			return "", fmt.Errorf("the format %s is not described", format)
		}
		fmt.Fprintf(&b, "`%s`\n: %s\n\n", format, text)
	}
	return b.String(), nil
}

// memberTexts say what the members of a finding are.
var memberTexts = map[string]string{
	"cloud":       "Name of the cloud in clouds.yaml; `null` for a saved listing, and where only variables or options describe the cloud.",
	"region":      "Region of the image service; `null` where none is named.",
	"image_id":    "Id of the image; `null` if a saved listing has none.",
	"image_name":  "Name of the image; `null` if it has none.",
	"rule":        "Id of the rule, see *RULES*; a policy's own demands have the ids that the policy gives them.",
	"severity":    "`error`, `warning` or `info`, as the policy weighs it.",
	"property":    "The property or field of the image that the finding is about; `null` for the image as a whole.",
	"value":       "What the image has there, as text and in full; `null` if it has nothing.",
	"message":     "One line: what is wrong, and what happens. It is written for people, and may change from version to version.",
	"reference":   "The place in a service's source, or the document, that shows it.",
	"rejected_by": "Who refuses the value or the server: `glance`, `nova`, `nova-api`, `nova-libvirt` or `libvirt`; `null` if nobody does.",
	"fix": "What `--fix` would change: an array of objects with `property`, `before` and `after`, where `null` stands for absent. " +
		"Empty if there is no single right change. Fields of the image keep their type, so min_disk is a number.",
}

// members lists the members of a finding.
func members() (string, error) {
	var b strings.Builder
	for _, name := range report.Columns() {
		text, ok := memberTexts[name]
		if !ok {
			return "", fmt.Errorf("the member %s is not described", name)
		}
		fmt.Fprintf(&b, "`%s`\n: %s\n\n", name, text)
	}
	return b.String(), nil
}

// policies lists the embedded policies.
func policies() (string, error) {
	var b strings.Builder
	for _, name := range policy.Embedded() {
		p, err := policy.Get(name)
		if err != nil {
			return "", err
		}
		text := sentence(p.Summary)
		if p.Notes != "" {
			text += " " + p.Notes
		}
		fmt.Fprintf(&b, "`%s`\n: %s\n\n", name, plain(strings.Join(strings.Fields(text), " ")))
	}
	return b.String(), nil
}

// typed finds in a text what a user would type.
var typed = regexp.MustCompile(`--[a-z][a-z-]*|\$[A-Z_]+`)

// plain makes a text of the program fit to stand in a page.
func plain(text string) string {
	text = strings.NewReplacer(`\`, `\\`, "`", "\\`", "*", `\*`).Replace(text)
	return typed.ReplaceAllString(text, "`$0`")
}

// sentence ends a text as one, and begins it so unless it begins with a name.
func sentence(text string) string {
	text = strings.TrimSuffix(strings.TrimSpace(text), ".")
	first, _, _ := strings.Cut(text, " ")
	if text != "" && strings.Trim(first, "abcdefghijklmnopqrstuvwxyz") == "" && !slices.Contains(names, first) {
		text = strings.ToUpper(text[:1]) + text[1:]
	}
	return cmp.Or(text, "?") + "."
}

// names begin no sentence in capitals.
var names = []string{"libvirt", "json", "openstack"}

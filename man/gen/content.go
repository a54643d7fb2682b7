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
)

// functions are what the templates of pages can ask for.
var functions = template.FuncMap{
	"usage": usage, "synopsis": synopsis, "description": description, "options": options, "globals": globals,
	"rules": rules, "formats": formats, "members": members, "policies": policies,
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
	text := "`glance-profile " + path + "` [*options*] " + arguments(doc.Arguments) + "\n\n"
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
	var b strings.Builder
	var categories []string
	for _, o := range doc.Options {
		if !slices.Contains(categories, o.Category) {
			categories = append(categories, o.Category)
		}
	}
	slices.Sort(categories)
	for _, category := range categories {
		if category != "" {
			fmt.Fprintf(&b, "## %s\n\n", category)
		}
		list := slices.Clone(doc.Options)
		slices.SortStableFunc(list, func(a, b commands.OptionDoc) int { return strings.Compare(a.Names[0], b.Names[0]) })
		for _, o := range list {
			if o.Category == category {
				b.WriteString(option(o))
			}
		}
	}
	return b.String(), nil
}

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

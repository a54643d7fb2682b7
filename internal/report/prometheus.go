package report

import (
	"bufio"
	"cmp"
	"fmt"
	"slices"
	"strings"

	"glance-profile/internal/audit"
	"glance-profile/internal/property"
)

// prometheus is a text file for the node exporter's textfile collector. No
// label holds what an image says of itself: rules, severities and the clouds
// that were asked are few. A cloud that was not judged whole has no numbers but
// that it failed, since a part of them would look like an improvement.
type prometheus struct {
	out    *bufio.Writer
	o      Options
	rules  map[string]bool
	others map[string]bool
	clouds map[audit.Location]*cloudCount
}

// cloudCount is what is counted in one region of a cloud.
type cloudCount struct {
	findings map[ruleKey]int
	images   map[string]uint8 // the severities found, a bit each, by image
	nameless int              // images that cannot be told apart
	with     counts           // images with a finding of that severity
}

type ruleKey struct {
	rule     string
	severity property.Severity
}

// maxOtherRules bounds the rules that the report was not told of; more are
// counted as one.
const maxOtherRules = 200

func newPrometheus(out *bufio.Writer, o Options) *prometheus {
	p := &prometheus{out: out, o: o, rules: map[string]bool{}, others: map[string]bool{}, clouds: map[audit.Location]*cloudCount{}}
	for _, r := range o.Rules {
		p.rules[r.ID] = true
	}
	return p
}

func (p *prometheus) cloud(l audit.Location) *cloudCount {
	// By the labels, so that no two lines are about the same.
	l = audit.Location{Cloud: short(l.Cloud, maxName), Region: short(l.Region, maxName)}
	c := p.clouds[l]
	if c == nil {
		c = &cloudCount{findings: map[ruleKey]int{}, images: map[string]uint8{}}
		p.clouds[l] = c
	}
	return c
}

// rule is the label of a rule.
func (p *prometheus) rule(id string) string {
	if !p.rules[id] && !p.others[id] {
		if len(p.others) >= maxOtherRules {
			return "other"
		}
		p.others[id] = true
	}
	return short(id, maxName)
}

func (p *prometheus) add(r audit.Result) error {
	c := p.cloud(r.Location)
	key := keyOf(r.ID, r.Name)
	seen := c.images[key]
	if key == "" {
		c.nameless++
		seen = 0
	}
	for _, f := range r.Findings {
		s := known(f.Severity)
		c.findings[ruleKey{p.rule(f.Rule), s}]++
		if seen&(1<<s) == 0 {
			seen |= 1 << s
			c.with[s]++
		}
	}
	if key != "" {
		c.images[key] = seen
	}
	return nil
}

func (p *prometheus) close(s Summary, _ counts) error {
	up := map[audit.Location]int{}
	for _, c := range s.Clouds {
		p.cloud(c.Location)
		l := audit.Location{Cloud: short(c.Cloud, maxName), Region: short(c.Region, maxName)}
		if c.Error != "" {
			up[l] = 0
		} else if _, twice := up[l]; !twice {
			up[l] = 1
		}
	}
	var all, whole []audit.Location
	for l := range p.clouds {
		all = append(all, l)
		if n, asked := up[l]; !asked || n == 1 {
			whole = append(whole, l)
		}
	}
	slices.SortFunc(all, byPlace)
	slices.SortFunc(whole, byPlace)

	p.head("findings", "Findings of the last audit by rule; a cloud that was not judged whole has none.")
	for _, l := range whole {
		c := p.clouds[l]
		keys := make([]ruleKey, 0, len(c.findings))
		for key := range c.findings {
			keys = append(keys, key)
		}
		slices.SortFunc(keys, func(a, b ruleKey) int {
			return cmp.Or(strings.Compare(a.rule, b.rule), cmp.Compare(b.severity, a.severity))
		})
		for _, key := range keys {
			p.sample("findings", c.findings[key], labels(l, "rule", key.rule, "severity", key.severity.String()))
		}
	}
	p.head("images", "Images that were judged.")
	for _, l := range whole {
		p.sample("images", len(p.clouds[l].images)+p.clouds[l].nameless, labels(l))
	}
	p.head("images_with_findings", "Images with at least one finding of the severity.")
	for _, l := range whole {
		for s := property.Error; s >= property.Info; s-- {
			p.sample("images_with_findings", p.clouds[l].with[s], labels(l, "severity", s.String()))
		}
	}
	if len(up) > 0 { // a saved listing is of no cloud
		p.head("cloud_up", "Whether all images of the cloud were judged.")
	}
	for _, l := range all {
		if n, asked := up[l]; asked {
			p.sample("cloud_up", n, labels(l))
		}
	}
	p.head("last_run_timestamp_seconds", "When the audit was made.")
	fmt.Fprintf(p.out, "%slast_run_timestamp_seconds %d\n", prometheusPrefix, p.o.Now.Unix())
	return nil
}

func byPlace(a, b audit.Location) int {
	return cmp.Or(strings.Compare(a.Cloud, b.Cloud), strings.Compare(a.Region, b.Region))
}

const prometheusPrefix = "glance_profile_audit_"

func (p *prometheus) head(name, help string) {
	fmt.Fprintf(p.out, "# HELP %s%s %s\n# TYPE %s%s gauge\n", prometheusPrefix, name, help, prometheusPrefix, name)
}

func (p *prometheus) sample(name string, n int, labels string) {
	fmt.Fprintf(p.out, "%s%s{%s} %d\n", prometheusPrefix, name, labels, n)
}

// prometheusLabel escapes a value of a label (prometheus/docs, «Exposition
// formats»).
var prometheusLabel = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

// labels are cloud and region, and pairs of more.
func labels(l audit.Location, more ...string) string {
	text := `cloud="` + prometheusLabel.Replace(l.Cloud) + `",region="` + prometheusLabel.Replace(l.Region) + `"`
	for i := 0; i < len(more); i += 2 {
		text += "," + more[i] + `="` + prometheusLabel.Replace(more[i+1]) + `"`
	}
	return text
}

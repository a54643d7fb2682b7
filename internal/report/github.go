package report

import (
	"bufio"
	"fmt"
	"strings"

	"glance-profile/internal/audit"
	"glance-profile/internal/property"
)

// github is workflow commands of GitHub Actions, which make an annotation of
// each finding. Every line begins with such a command and holds no line break,
// so that no text of an image can be a command itself.
type github struct {
	out *bufio.Writer
}

// How actions/toolkit escapes a message and a property (packages/core,
// command.ts).
var (
	githubData     = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	githubProperty = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
)

func githubLevel(s property.Severity) string {
	if level := sarifLevelOf(s); level != "note" {
		return level
	}
	return "notice"
}

func (g *github) add(r audit.Result) error {
	name := title(short(r.Name, maxName), short(r.ID, maxName))
	if p := place(r.Location); p != "" {
		name += " in " + p
	}
	for _, f := range r.Findings {
		view := shown(f)
		text := "image " + name + ": " + view.line()
		if view.fix != "" {
			text += " → " + view.fix
		}
		g.command(githubLevel(f.Severity), view.rule, text)
	}
	return nil
}

func (g *github) close(s Summary, all counts) error {
	for i, note := range s.notes() {
		level := "warning"
		if i < s.failed() {
			level = "error"
		}
		g.command(level, "", note)
	}
	// Only so many annotations of a level are shown, so their number is told.
	text := "no findings"
	if all.total() > 0 {
		text = all.text()
	}
	g.command("notice", "glance-profile audit", fmt.Sprintf("%s in %s", text, plural(s.Images, "image")))
	return nil
}

func (g *github) command(level, title, text string) {
	g.out.WriteString("::" + level)
	if title != "" {
		g.out.WriteString(" title=" + githubProperty.Replace(title))
	}
	g.out.WriteString("::" + githubData.Replace(text) + "\n")
}

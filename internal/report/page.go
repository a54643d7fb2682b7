package report

import (
	"bufio"
	"cmp"
	"crypto/sha256"
	_ "embed" // the parts of the page
	"encoding/base64"
	"fmt"
	"html/template"
	"slices"
	"strconv"
	"strings"

	"glance-profile/internal/audit"
	"glance-profile/internal/property"
)

// page is one HTML page that needs nothing else: no network, and no script to
// be read. It holds the findings of the worst images in full, as many as a
// browser shows without effort, and counts the rest.
type page struct {
	out    *bufio.Writer
	o      Options
	images *collection
}

// How much the page shows.
const (
	maxShownFindings = 5000
	maxShownOfImage  = 500 // so that one image cannot take all of the page
	maxShownRules    = 300
)

var (
	//go:embed page.html
	pageHTML string
	//go:embed page.css
	pageCSS string
	//go:embed page.js
	pageJS string

	pageTemplate = template.Must(template.New("page").Funcs(template.FuncMap{"digits": digits}).Parse(pageHTML))
)

// digits writes a number in groups of three.
func digits(n int) string {
	text := strconv.Itoa(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// pageHead allows the page its own style and script, by their hashes, and
// nothing else: should text of an image ever pass for markup, it could still
// neither run nor load anything.
func pageHead() string {
	hash := func(text string) string {
		sum := sha256.Sum256([]byte(text))
		return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
	}
	policy := "default-src 'none'; style-src " + hash(pageCSS) + "; script-src " + hash(pageJS) + "; base-uri 'none'; form-action 'none'"
	return "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n" +
		"<meta http-equiv=\"Content-Security-Policy\" content=\"" + policy + "\">\n" +
		"<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta name=\"referrer\" content=\"no-referrer\">\n" +
		"<title>Image audit</title>\n<style>" + pageCSS + "</style>\n</head>\n<body>\n<main>\n"
}

type pageData struct {
	When, Version, Where                   string
	Images, Found, Errors, Warnings, Infos int
	Notes                                  []string
	Rules                                  []*pageRule
	OtherRules, Shown, Left, LeftImages    int
}

type pageRule struct {
	Severity, ID, Title string
	Findings, Images    int
}

type pageImage struct {
	Name, ID, Where string
	Findings        []pageFinding
	More            int // findings that are counted only
}

type pageFinding struct {
	Severity, Rule, Set, Message, RejectedBy, Fix, Reference string
}

func newPage(out *bufio.Writer, o Options) *page {
	return &page{out: out, o: o, images: newCollection(false)}
}

func (p *page) add(r audit.Result) error {
	p.images.add(r)
	return nil
}

func (p *page) close(s Summary, all counts) error {
	images := p.images.worst()
	data := pageData{
		Version: short(p.o.Version, maxName), Images: max(s.Images, len(images)), Found: len(images),
		Errors: all[property.Error], Warnings: all[property.Warning], Infos: all[property.Info], Notes: s.notes(),
	}
	if !p.o.Now.IsZero() {
		data.When = p.o.Now.UTC().Format("2006-01-02 15:04 UTC")
	}
	if data.Where = "a saved listing"; len(s.Clouds) > 0 {
		places := make([]string, len(s.Clouds))
		for i, c := range s.Clouds {
			places[i] = placeOrListing(c.Location)
		}
		data.Where = strings.Join(places, ", ")
	}
	shownImages, inPart := 0, 0
	for _, img := range images {
		n := int(img.counts[0] + img.counts[1] + img.counts[2])
		few := min(n, maxShownOfImage)
		if data.Shown+few > maxShownFindings {
			break
		}
		if few < n {
			inPart++
		}
		data.Shown += few
		shownImages++
	}
	data.Left, data.LeftImages = all.total()-data.Shown, len(images)-shownImages+inPart
	data.Rules, data.OtherRules = p.rules(images)

	p.out.WriteString(pageHead())
	if err := pageTemplate.Execute(p.out, data); err != nil {
		return err
	}
	for _, img := range images[:shownImages] {
		if err := pageTemplate.ExecuteTemplate(p.out, "image", p.image(img)); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(p.out, "</main>\n<script>%s</script>\n</body>\n</html>\n", pageJS)
	return err
}

// rules counts findings and images by rule, the worst rules first.
func (p *page) rules(images []picture) (rules []*pageRule, more int) {
	titles := map[string]string{}
	for _, r := range p.o.Rules {
		titles[short(r.ID, maxName)] = short(r.Title, maxMessage)
	}
	type key struct {
		rule     string
		severity property.Severity
	}
	counted := map[key]*pageRule{}
	last := map[key]int{}
	var keys []key
	for i, img := range images {
		for _, f := range p.images.findings(img) {
			k := key{f.rule, f.severity}
			r := counted[k]
			if r == nil {
				if len(keys) >= maxShownRules {
					more++
					continue
				}
				r = &pageRule{Severity: f.severity.String(), ID: f.rule, Title: titles[f.rule]}
				counted[k], last[k] = r, -1
				keys = append(keys, k)
			}
			r.Findings++
			if last[k] != i {
				r.Images++
				last[k] = i
			}
		}
	}
	slices.SortFunc(keys, func(a, b key) int {
		return cmp.Or(cmp.Compare(b.severity, a.severity), cmp.Compare(counted[b].Findings, counted[a].Findings), strings.Compare(a.rule, b.rule))
	})
	for _, k := range keys {
		rules = append(rules, counted[k])
	}
	return rules, more
}

func (p *page) image(img picture) pageImage {
	view := pageImage{Name: img.name, ID: img.id}
	if view.Name == "" {
		view.Name, view.ID = title("", img.id), ""
	}
	if len(p.images.locations) > 1 {
		view.Where = place(p.images.locations[img.location])
	}
	findings := p.images.findings(img)
	if view.More = len(findings) - maxShownOfImage; view.More > 0 {
		findings = findings[:maxShownOfImage]
	}
	for _, f := range findings {
		set := f.property
		if f.property != "" && f.value != "" {
			set += "=" + f.value
		}
		view.Findings = append(view.Findings, pageFinding{f.severity.String(), f.rule, set, f.message, f.rejectedBy, f.fix, f.reference})
	}
	return view
}

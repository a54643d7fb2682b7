package report

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"glance-profile/internal/audit"
)

var (
	// No attribute holds a >: html/template escapes it.
	htmlTag     = regexp.MustCompile(`<[^>]*>`)
	pageHandler = regexp.MustCompile(`(^| )(on[a-z]+|style|src)=`)
	pageTags    = strings.Fields("main header h1 h2 h3 p ul li b div table thead tbody tr th td span a input label output article code")
	htmlRule    = regexp.MustCompile(`data-rule="[^"]*"`)
)

// checkPage holds that every tag is one that the page has by itself, and closed
// in its turn.
func checkPage(t *testing.T, text string, _ []audit.Result) {
	checkVisible(t, text, nil)
	_, body, _ := strings.Cut(text, "<body>")
	body, _, _ = strings.Cut(body, "<script>")
	var open []string
	for _, tag := range tagsOf(body) {
		name, attributes, _ := strings.Cut(strings.Trim(tag, "</>"), " ")
		switch {
		case !slices.Contains(pageTags, name) || pageHandler.MatchString(attributes):
			t.Fatalf("tag %s", tag)
		case name == "input":
		case !strings.HasPrefix(tag, "</"):
			open = append(open, name)
		case len(open) == 0 || open[len(open)-1] != name:
			t.Fatalf("%s closes %q", tag, open)
		default:
			open = open[:len(open)-1]
		}
	}
	if len(open) > 0 {
		t.Errorf("left open: %q", open)
	}
}

// tagsOf are the tags of a page with their attributes, less the one that names
// a rule: its structure.
func tagsOf(text string) []string {
	tags := htmlTag.FindAllString(text, -1)
	for i, tag := range tags {
		tags[i] = htmlRule.ReplaceAllString(tag, "")
	}
	return tags
}

// TestPageKeepsItsStructure holds that text of an image is never markup.
func TestPageKeepsItsStructure(t *testing.T) {
	plainPage, _ := writeOne(t, FormatHTML, "x")
	evilPage, _ := writeOne(t, FormatHTML, evil)
	if a, b := tagsOf(plainPage), tagsOf(evilPage); !slices.Equal(a, b) {
		t.Errorf("%q\nbecomes\n%q", a, b)
	}
	if !strings.Contains(plainPage, "default-src 'none'; style-src 'sha256-") || strings.Contains(plainPage, "unsafe-inline") {
		t.Error("no strict policy")
	}
	for _, wrong := range []string{"http:", "https:", " style=", " onclick=", "@import", "url("} {
		if strings.Contains(plainPage, wrong) {
			t.Errorf("the page has %s", wrong)
		}
	}
}

// TestPageHasRoomForAll holds that an image with very many findings leaves the
// others their place.
func TestPageHasRoomForAll(t *testing.T) {
	var many []audit.Finding
	for range 6000 {
		many = append(many, secureBoot)
	}
	results := []audit.Result{{Location: east, ID: "loud", Findings: many}, {Location: east, ID: "quiet", Findings: []audit.Finding{smallDisk}}}
	text := write(t, options(FormatHTML), results, Summary{Images: 2})
	checkPage(t, text, nil)
	for _, want := range []string{"<h3>loud</h3>", "<h3>quiet</h3>", "and 5,500 more", "shows 501 findings in full", "5,500 more, in 1 images"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s", want)
		}
	}
}

// TestPageIsBounded holds that a page shows so many findings in full, says so,
// and counts all.
func TestPageIsBounded(t *testing.T) {
	var results []audit.Result
	for i := range 4000 {
		results = append(results, audit.Result{Location: east, ID: strconv.Itoa(i), Findings: []audit.Finding{smallDisk, unread}})
	}
	results = append(results, audit.Result{Location: east, ID: "worst", Findings: []audit.Finding{secureBoot}})
	text := write(t, options(FormatHTML), results, Summary{Images: 5000})
	checkPage(t, text, nil)
	if n := strings.Count(text, "<li data-severity"); n != 4999 {
		t.Errorf("%d findings in full", n)
	}
	for _, want := range []string{"<b>5,000</b>images judged", "<b>4,001</b>with findings", "shows 4,999 findings in full", "3,002 more, in 1,501 images", `<h3>worst</h3>`,
		`min-disk-too-small</a></td><td class="number">4,000</td>`} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s", want)
		}
	}
}

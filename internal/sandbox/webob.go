package sandbox

import (
	"encoding/json"
	"fmt"
	"html"
	"mime"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// refusal is an answer of Glance's that is no success. Glance leaves its
// rendering to WebOb (webob/exc.py, WSGIHTTPException), which asks the Accept
// header whether it shall be HTML, JSON or plain text.
type refusal struct {
	status      int
	explanation string // empty: WebOb's own for the status
	detail      string
	header      http.Header
}

func (r *refusal) Error() string {
	if message := r.explanation + r.detail; message != "" {
		// jsonschema's account of the schema is not for one line.
		first, _, _ := strings.Cut(message, "\n")
		return first
	}
	return title(r.status)
}

func refuse(status int, format string, args ...any) *refusal {
	return &refusal{status: status, explanation: fmt.Sprintf(format, args...)}
}

// titles are WebOb's where they are not those of net/http.
var titles = map[int]string{
	http.StatusRequestedRangeNotSatisfiable: "Request Range Not Satisfiable",
}

// explanations are WebOb's own.
var explanations = map[int]string{
	http.StatusBadRequest: "The server could not comply with the request since it is either malformed or otherwise incorrect.",
	http.StatusUnauthorized: "This server could not verify that you are authorized to access the document you requested. " +
		"Either you supplied the wrong credentials (e.g., bad password), or your browser does not understand how to " +
		"supply the credentials required.",
	http.StatusForbidden:                    "Access was denied to this resource.",
	http.StatusNotFound:                     "The resource could not be found.",
	http.StatusConflict:                     "There was a conflict when trying to complete your request.",
	http.StatusRequestedRangeNotSatisfiable: "The Range requested is not available.",
	http.StatusInternalServerError:          "The server has either erred or is incapable of performing the requested operation.",
}

func title(status int) string {
	if t, ok := titles[status]; ok {
		return t
	}
	return http.StatusText(status)
}

// write renders r for the client that sent q.
func (r *refusal) write(w http.ResponseWriter, q *http.Request) {
	for name, values := range r.header {
		w.Header()[name] = values
	}
	kind, escape := acceptable(q.Header.Values("Accept")), func(s string) string { return s }
	if kind == "text/html" {
		escape = escapeHTML
	}
	body := r.body(q, escape)
	status := strconv.Itoa(r.status) + " " + title(r.status)
	var page string
	switch kind {
	case "text/html":
		page = "<html>\n <head>\n  <title>" + status + "</title>\n </head>\n <body>\n  <h1>" +
			status + "</h1>\n  " + body + "\n </body>\n</html>"
	case "application/json":
		// A map of strings cannot fail to be encoded.
		data, _ := json.Marshal(map[string]string{"message": body, "code": status, "title": title(r.status)})
		page = string(data)
	default:
		page = status + "\n\n" + stripTags(body)
	}
	w.Header().Set("Content-Type", kind+"; charset=UTF-8")
	if kind == "application/json" {
		w.Header().Set("Content-Type", kind)
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(page)))
	w.WriteHeader(r.status)
	if q.Method != http.MethodHead {
		_, _ = w.Write([]byte(page))
	}
}

func (r *refusal) body(q *http.Request, escape func(string) string) string {
	switch r.status {
	case http.StatusMethodNotAllowed:
		return "The method " + escape(q.Method) + " is not allowed for this resource. <br /><br />\n" + escape(r.detail)
	case http.StatusNotImplemented:
		return "\nThe request method " + escape(q.Method) + " is not implemented for this server. <br /><br />\n" + escape(r.detail)
	case http.StatusUnsupportedMediaType:
		return "The request media type " + escape(contentType(q)) +
			" is not supported by this server.\n<br /><br />\n" + escape(r.detail)
	}
	explanation := r.explanation
	if explanation == "" {
		explanation = explanations[r.status]
	}
	return escape(explanation) + "<br /><br />\n" + escape(r.detail) + "\n\n"
}

// escapeHTML writes text as WebOb does: all but ASCII becomes a number.
func escapeHTML(s string) string {
	s = strings.NewReplacer("&#39;", "&#x27;", "&#34;", "&quot;").Replace(html.EscapeString(s))
	var b strings.Builder
	for _, c := range s {
		if c < 0x80 {
			b.WriteRune(c)
		} else {
			fmt.Fprintf(&b, "&#%d;", c)
		}
	}
	return b.String()
}

// stripTags makes plain text as WebOb does.
func stripTags(s string) string {
	s = strings.NewReplacer("\n", " ", "\r", "").Replace(s)
	return htmlTag.ReplaceAllString(lineBreak.ReplaceAllString(s, "\n"), "")
}

var (
	lineBreak = regexp.MustCompile(`(?i)<br[^>]*>`)
	htmlTag   = regexp.MustCompile(`<[^>]*>`)
)

// acceptable chooses between HTML and JSON as WebOb does: the better quality
// wins, HTML where they are equal, and plain text where neither is wanted or no
// header was sent.
func acceptable(accept []string) string {
	quality := func(kind string) float64 {
		main, _, _ := strings.Cut(kind, "/")
		best, exact := 0.0, -1
		for part := range strings.SplitSeq(strings.Join(accept, ","), ",") {
			name, params, err := mime.ParseMediaType(part)
			if err != nil {
				continue
			}
			match := slices.Index([]string{"*/*", main + "/*", kind}, name)
			if match < exact || match < 0 {
				continue
			}
			q := 1.0
			if text, ok := params["q"]; ok {
				if q, err = strconv.ParseFloat(text, 64); err != nil {
					continue
				}
			}
			best, exact = q, match
		}
		return best
	}
	asHTML, asJSON := quality("text/html"), quality("application/json")
	switch {
	case asHTML == 0 && asJSON == 0:
		return "text/plain"
	case asHTML >= asJSON:
		return "text/html"
	}
	return "application/json"
}

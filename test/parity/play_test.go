// Package parity holds the sandbox against the real Keystone and Glance: one
// long script of requests is played to both, and what they answer is compared.
//
// The answers of the real services are kept in testdata, one file per release,
// so that the comparison needs no cloud; where a devcloud runs, the files are
// held against it first. `go test ./test/parity -record` writes them anew.
package parity

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// step is one request of the script. Text in braces is replaced: {image} and
// {identity} by the services' addresses, {run} by what marks this run, {id.x}
// by an image id that is the same for the same x, {token.x} by the token of an
// actor, and whatever an earlier step has saved.
type step struct {
	name    string
	as      string // admin, member, reader, other; empty: nobody
	method  string
	url     string
	header  []string // pairs
	body    string   // @name stands for one of the payloads
	chunked bool     // no Content-Length
	breaks  bool     // the connection ends before the body does
	// save names values of the answer: a path into the JSON body, or header:X.
	save map[string]string
	// until repeats the request until a field of the JSON body has that value
	// or, after a bar, another.
	until string
	// tick lets a second of the clock pass before.
	tick bool
}

// reply is what a service answered, with all that differs from run to run
// masked.
type reply struct {
	Step   string            `json:"step"`
	Status int               `json:"status"`
	Header map[string]string `json:"header,omitempty"`
	Body   any               `json:"body,omitempty"`
}

// player plays the script to one cloud.
type player struct {
	client *http.Client
	vars   map[string]string
	alias  map[string]string // values that are shown under another's name
	tick   func(context.Context) error
	made   []string // ids of the images that there are because of the script
}

// shown are the headers that are compared.
var shown = []string{
	"Accept-Patch", "Allow", "Content-Md5", "Content-Range", "Content-Type", "Location", "Openstack-Image-Import-Methods",
	"Openstack-Image-Store-Ids", "Www-Authenticate", "X-Openstack-Request-Id", "X-Subject-Token",
}

func (p *player) play(ctx context.Context, s step) (reply, error) {
	if s.tick {
		if err := p.tick(ctx); err != nil {
			return reply{}, err
		}
	}
	if s.breaks {
		return reply{Step: s.name}, p.breakOff(ctx, s)
	}
	for deadline := time.Now().Add(30 * time.Second); ; {
		answer, body, err := p.send(ctx, s)
		if err != nil {
			return reply{}, fmt.Errorf("%s: %w", s.name, err)
		}
		var decoded any
		isJSON := json.Unmarshal(body, &decoded) == nil
		if s.until != "" {
			field, want, _ := strings.Cut(s.until, "=")
			if got := lookUp(decoded, field); !slices.Contains(strings.Split(want, "|"), fmt.Sprint(got)) {
				if time.Now().After(deadline) {
					return reply{}, fmt.Errorf("%s: %s is %v after half a minute, not %s", s.name, field, got, want)
				}
				select {
				case <-ctx.Done():
					return reply{}, ctx.Err()
				case <-time.After(50 * time.Millisecond):
				}
				continue
			}
		}
		for name, where := range s.save {
			header, fromHeader := strings.CutPrefix(where, "header:")
			switch {
			case fromHeader:
				p.vars[name] = answer.Header.Get(header)
			default:
				p.vars[name], _ = lookUp(decoded, where).(string)
			}
			if p.vars[name] == "" {
				return reply{}, fmt.Errorf("%s: the answer has no %s: %d %s", s.name, where, answer.StatusCode, body)
			}
		}
		r := reply{Step: s.name, Status: answer.StatusCode, Header: map[string]string{}}
		if answer.StatusCode == http.StatusCreated && strings.HasSuffix(s.url, "/v2/images") {
			p.made = append(p.made, path.Base(answer.Header.Get("Location")))
		}
		mask := p.masker()
		for _, name := range shown {
			if v := answer.Header.Get(name); v != "" {
				r.Header[name] = mask(v)
				if name == "Openstack-Image-Store-Ids" {
					// A Glance worker lists its own stores from its first import on.
					list := slices.DeleteFunc(strings.Split(v, ","), func(id string) bool { return strings.HasPrefix(id, "os_glance_") })
					r.Header[name] = strings.Join(list, ",")
				}
				if name == "Allow" {
					list := strings.Split(v, ", ")
					slices.Sort(list)
					r.Header[name] = strings.Join(list, ", ")
				}
			}
		}
		switch {
		case isJSON:
			each := mask
			if strings.HasPrefix(s.url, "{identity}") {
				each = func(text string) string { return maskKeystone(mask(text)) }
			}
			r.Body = maskJSON(decoded, each)
			if strings.Contains(s.url, "/schemas/") {
				dropWords(r.Body)
			}
		case len(body) > 0:
			r.Body = mask(string(body))
		}
		return r, nil
	}
}

// breakOff sends half of what it has announced, and ends the connection once
// the image is in status saving.
func (p *player) breakOff(ctx context.Context, s step) error {
	address, err := url.Parse(p.fill(s.url))
	if err != nil {
		return err
	}
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address.Host)
	if err != nil {
		return err
	}
	data := payloads[strings.TrimPrefix(s.body, "@")]()
	_, err = fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: %s\r\nX-Auth-Token: %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s",
		s.method, address.RequestURI(), address.Host, p.fill("{token."+s.as+"}"), octets, 2*len(data), data)
	if err != nil {
		return errors.Join(err, conn.Close())
	}
	_, err = p.play(ctx, step{
		name: s.name, as: s.as, method: "GET", url: strings.TrimSuffix(s.url, "/file"), until: "status=saving",
	})
	return errors.Join(err, conn.Close())
}

func (p *player) send(ctx context.Context, s step) (*http.Response, []byte, error) {
	var body io.Reader = http.NoBody
	if s.body != "" {
		data := []byte(p.fill(s.body))
		if name, isPayload := strings.CutPrefix(s.body, "@"); isPayload {
			make, known := payloads[name]
			if !known {
				return nil, nil, fmt.Errorf("no payload %q", name)
			}
			if data = make(); bytes.HasPrefix(data, []byte("{")) {
				data = []byte(p.fill(string(data)))
			}
		}
		body = bytes.NewReader(data)
		if s.chunked {
			body = struct{ io.Reader }{body}
		}
	}
	q, err := http.NewRequestWithContext(ctx, s.method, strings.NewReplacer(" ", "%20", `"`, "%22").Replace(p.fill(s.url)), body)
	if err != nil {
		return nil, nil, err
	}
	q.Header.Set("Accept", "*/*") // as the standard client
	if s.body != "" {
		q.Header.Set("Content-Type", "application/json")
	}
	if s.as != "" {
		q.Header.Set("X-Auth-Token", p.fill("{token."+s.as+"}"))
	}
	for i := 0; i+1 < len(s.header); i += 2 {
		q.Header.Del(s.header[i])
		if s.header[i+1] != "" {
			q.Header.Set(s.header[i], p.fill(s.header[i+1]))
		}
	}
	answer, err := p.client.Do(q)
	if err != nil {
		return nil, nil, err
	}
	defer answer.Body.Close()
	data, err := io.ReadAll(answer.Body)
	return answer, data, err
}

// cleanUp deletes what the script has made and not deleted itself.
func (p *player) cleanUp(ctx context.Context) error {
	var all error
	for _, id := range p.made {
		for _, s := range []step{
			{as: "admin", method: "PATCH", body: `[{"op":"replace","path":"/protected","value":false}]`, header: []string{"Content-Type", patchType}},
			{as: "admin", method: "DELETE"},
		} {
			s.url = "{image}/v2/images/" + id
			answer, body, err := p.send(ctx, s)
			switch {
			case err != nil:
				return errors.Join(all, err)
			case answer.StatusCode == http.StatusNotFound:
			case answer.StatusCode >= 300:
				all = errors.Join(all, fmt.Errorf("clean up %s: %d %s", id, answer.StatusCode, body))
			}
		}
	}
	return all
}

// lookUp follows a path such as "images.0.id".
func lookUp(value any, path string) any {
	for part := range strings.SplitSeq(path, ".") {
		switch v := value.(type) {
		case map[string]any:
			value = v[part]
		case []any:
			i, err := strconv.Atoi(part)
			if err != nil || i >= len(v) {
				return nil
			}
			value = v[i]
		default:
			return nil
		}
	}
	return value
}

var braces = regexp.MustCompile(`\{[a-z]+(?:\.[a-z0-9-]+)?\}`)

func (p *player) fill(text string) string {
	return braces.ReplaceAllStringFunc(text, func(name string) string {
		name = name[1 : len(name)-1]
		if v, ok := p.vars[name]; ok {
			return v
		}
		if label, ok := strings.CutPrefix(name, "id."); ok {
			// Ids of one run sort by their labels.
			id := fmt.Sprintf("%s-0000-4000-8000-%012x", p.vars["run"], []byte(fmt.Sprintf("%6.6s", label)))
			p.vars[name] = id
			return id
		}
		return "{" + name + "}"
	})
}

var masks = []struct {
	what *regexp.Regexp
	with string
}{
	{regexp.MustCompile(`req-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`), "{request-id}"},
	{regexp.MustCompile(`\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b`), "{uuid}"},
	{regexp.MustCompile(`\b[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?Z?\b`), "{time}"},
	{schemaDump, "$1$2"},
	{regexp.MustCompile(`gAAAA[-_0-9A-Za-z=]+`), "{token}"},
}

// masker returns what replaces all that differs between runs and clouds by
// names, as far as it is known by now.
func (p *player) masker() func(string) string {
	names := maps.Clone(p.alias)
	for _, name := range slices.Sorted(maps.Keys(p.vars)) {
		// Names such as admin are words of the services, too.
		if v := p.vars[name]; len(v) > 5 {
			names[v] = name
		}
	}
	var pairs []string
	for _, v := range slices.SortedFunc(maps.Keys(names), func(a, b string) int { return len(b) - len(a) }) {
		pairs = append(pairs, v, "{"+names[v]+"}")
	}
	known := strings.NewReplacer(pairs...)
	return func(text string) string {
		text = known.Replace(text)
		for _, m := range masks {
			text = m.what.ReplaceAllString(text, m.with)
		}
		return text
	}
}

// schemaDump is jsonschema's account of the part of a schema that was offended
// against, which the sandbox words in its own way.
var schemaDump = regexp.MustCompile(`(?s)(Failed validating [^\n]*\n).*?(<br /><br />|$)`)

var keystoneID = regexp.MustCompile(`^([0-9a-f]{32}|[-_0-9A-Za-z]{22})$`)

// maskKeystone hides the ids of things that no step names, which only
// Keystone's answers have, and its account of a JSON schema.
func maskKeystone(text string) string {
	if keystoneID.MatchString(text) {
		return "{id}"
	}
	text, _, _ = strings.Cut(text, "\n\nFailed validating")
	return text
}

// unordered are the lists in which Glance and Keystone keep no order.
var unordered = []string{"tags", "roles", "catalog", "endpoints", "methods", "members", "tasks", "projects"}

func maskJSON(value any, mask func(string) string) any {
	switch v := value.(type) {
	case string:
		return mask(v)
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = maskJSON(v[i], mask)
		}
		return list
	case map[string]any:
		object := map[string]any{}
		for name, item := range v {
			item = maskJSON(item, mask)
			if list, isList := item.([]any); isList && slices.Contains(unordered, name) {
				slices.SortFunc(list, func(a, b any) int { return strings.Compare(compact(a), compact(b)) })
			}
			object[mask(name)] = item
		}
		return object
	}
	return value
}

// dropWords takes the explanations out of a schema, which the sandbox does not
// have.
func dropWords(value any) {
	switch v := value.(type) {
	case []any:
		for _, item := range v {
			dropWords(item)
		}
	case map[string]any:
		for name, item := range v {
			if _, isText := item.(string); isText && name == "description" {
				delete(v, name)
			}
			dropWords(item)
		}
	}
}

func compact(value any) string {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return err.Error()
	}
	return strings.TrimSpace(b.String())
}

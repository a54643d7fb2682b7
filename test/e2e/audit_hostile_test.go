package e2e

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
)

// evilTexts mean something to a terminal, to XML, HTML, YAML, a workflow, a
// label or a spreadsheet.
var evilTexts = []string{
	"\x1b[2J\x1b]0;title\x07\x1b[31mred", "\u202egnp.exe\u200b\u2066x\u2069", "a\r\n::error::b\n- c: d\n\t# e", "\x00\x01\x7f\u0085\u009b31m",
	`</script><script>alert(1)</script><b a='">`, "]]>&amp;<!--", `=cmd|'/c calc'!A1`, "a,b;\"c\"'d'", "{{.}}${jndi:x}%0A%25", "null", "yes", "- x", "*a", "&a !!b",
	"\ufeff\u2028\u2029\ufffe\U000e0041", "../../../etc/passwd", " \u3164 ", "\\", "\"", "日本語 é \U0001f600",
}

// evilCatalogue is a page of images that hold such texts wherever an image can
// hold text.
func evilCatalogue() string {
	var images []string
	for i, text := range evilTexts {
		images = append(images, img(i, map[string]any{
			"name": text, "owner": text, "hw_disk_bus": text, "hw_" + text: text, text: "scsi", "os_distro": text, "os_version": text,
			"tags": []string{text}, "architecture": text, "hw_machine_type": text, "id": id(i) + text,
		}))
	}
	return listing("", images...)
}

// Whatever an image says of itself, each format is well-formed, holds all
// findings, and moves no terminal.
func TestAuditHostileTexts(t *testing.T) {
	c := alone(t, pages(evilCatalogue()))
	want := len(findings(t, runAudit(t, c, "--os-cloud", "lab", "-f", "json", "--policy", "strict").stdout))
	if want < 5*len(evilTexts) {
		t.Fatalf("only %d findings", want)
	}
	for _, format := range auditFormats {
		t.Run(format, func(t *testing.T) {
			a := runAudit(t, c, "--os-cloud", "lab", "-f", format, "--policy", "strict")
			if n := parse(t, format, a.stdout); a.code != 3 || n != want && n != -1 {
				t.Errorf("exit %d, %d findings, want %d, stderr %s", a.code, n, want, abridged(a.stderr))
			}
		})
	}
}

// Texts come back as they are where a format is data.
func TestAuditHostileTextsComeBack(t *testing.T) {
	c := alone(t, pages(evilCatalogue()))
	values := map[string]bool{}
	for _, f := range findings(t, runAudit(t, c, "--os-cloud", "lab", "-f", "json").stdout) {
		if f.Property != nil && *f.Property == "hw_disk_bus" && f.Value != nil {
			values[*f.Value] = true
		}
	}
	for _, text := range evilTexts {
		if !values[text] {
			t.Errorf("%q is not told", text)
		}
	}
}

// Large, odd and wrong records neither break a format nor vanish.
func TestAuditHostileRecords(t *testing.T) {
	many := map[string]any{}
	for i := range 5000 {
		many[fmt.Sprintf("hw_made_up_%d", i)] = strconv.Itoa(i)
	}
	long := strings.Repeat("\x1b[31m\u202eä", 64<<10/10)
	for _, tt := range []struct {
		name, record string
		refused      string // what the error says; "" where the image is judged
	}{
		{"a value of 64 KiB", img(2, map[string]any{"hw_disk_bus": long, "description": long}), ""},
		{"a name of 64 KiB", img(2, map[string]any{"name": long, long: long}), ""},
		{"5,000 properties", img(2, many), ""},
		{"numbers, truth values and lists for properties", img(2, map[string]any{"hw_disk_bus": 7, "hw_vif_model": true, "hw_a": []any{1, "x"}, "hw_b": map[string]any{"c": []any{}}, "os_distro": nil}), ""},
		{"nulls for fields", img(2, map[string]any{"name": nil, "owner": nil, "size": nil, "tags": nil, "min_disk": nil, "protected": nil, "created_at": nil, "status": nil}), ""},
		{"duplicate members", strings.Replace(img(2, nil), "{", `{"hw_disk_bus":"virtio","hw_disk_bus":null,"id":"x",`, 1), ""},
		{"invalid UTF-8", strings.Replace(img(2, nil), "no-such-bus", "no-\xff\xfe\xc0\x80-bus", 1), ""},
		{"lone surrogates", strings.Replace(img(2, nil), "no-such-bus", `\ud800 \udfff`, 1), ""},
		{"a huge number for a property", strings.Replace(img(2, nil), `"no-such-bus"`, "1e400", 1), ""},
		{"deep nesting", strings.Replace(img(2, nil), `"no-such-bus"`, strings.Repeat("[", 5000)+strings.Repeat("]", 5000), 1), ""},
		{"a date that is none", img(2, map[string]any{"created_at": "yesterday", "updated_at": ""}), ""},
		{"no id", strings.Replace(img(2, nil), `"id"`, `"ident"`, 1), "image record without an id"},
		{"an id that is a number", img(2, map[string]any{"id": 7}), `id: .*text`},
		{"a name that is an object", img(2, map[string]any{"name": map[string]any{"a": 1}}), id(2) + `.*name: .*text`},
		{"a size that is a text", img(2, map[string]any{"size": "large"}), id(2) + `.*size: .*whole number`},
		{"a huge size", strings.Replace(img(2, nil), "1048576", "1e400", 1), id(2) + `.*size: .*whole number`},
		{"a size with a fraction", img(2, map[string]any{"size": 1.5}), id(2) + `.*size: .*whole number`},
		{"tags that are a text", img(2, map[string]any{"tags": "a"}), id(2) + `.*tags: .*list of texts`},
		{"protected that is a text", img(2, map[string]any{"protected": "false"}), id(2) + `.*protected: .*true or false`},
		{"a text instead of a record", `"image"`, "image record: .*object"},
		{"a null instead of a record", `null`, "image record"},
		{"endless nesting", strings.Replace(img(2, nil), `"no-such-bus"`, strings.Repeat("[", 20000)+strings.Repeat("]", 20000), 1), "depth"},
		{"no JSON in the middle", `{"id":}`, "not JSON"},
		{"a long name of a field that is wrong", img(2, map[string]any{"size": []string{long}}), id(2) + `.*size: .*whole number`},
		{"a long id", img(2, map[string]any{"id": []string{long}}), "id: .*text"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := alone(t, pages(listing("", img(1, nil), tt.record, img(3, nil))))
			formats := auditFormats
			if tt.refused != "" || strings.Count(tt.record, ",") > 1000 {
				formats = []string{"table", "json", "junit", "html"}
			}
			for _, format := range formats {
				a := runAudit(t, c, "--os-cloud", "lab", "-f", format, "--policy", "strict")
				parse(t, format, a.stdout)
				judged := []string{"image-1", "image-3"}
				if tt.refused == "" {
					if a.code != 3 || len(a.errorLines()) > 0 {
						t.Errorf("%s: exit %d, stderr %s", format, a.code, abridged(a.stderr))
					}
				} else {
					a.fails(t, 1, tt.refused)
					judged = judged[:1]
				}
				for _, name := range judged {
					if format != "prometheus" && !strings.Contains(a.stdout, name) {
						t.Errorf("%s: %s is not told", format, name)
					}
				}
			}
		})
	}
}

// A header that is none is told in one tame line, too.
func TestAuditHostileHeader(t *testing.T) {
	c := alone(t, func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		_, _ = fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nX-\x1b[2J: %s\x1b\r\n\r\n", strings.Repeat("\u202e", 64<<10))
	})
	runAudit(t, c, "--os-cloud", "lab").fails(t, 1, "malformed")
}

// A refusal of the server's is told in one tame line.
func TestAuditHostileRefusal(t *testing.T) {
	for _, text := range append(evilTexts, strings.Repeat("\x1b[2J", 100<<10)) {
		c := alone(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusForbidden)
			_, _ = w.Write([]byte(text))
		})
		for _, format := range []string{"table", "junit", "github", "html"} {
			a := runAudit(t, c, "--os-cloud", "lab", "-f", format)
			a.fails(t, 1, "Glance answered 403: ")
			parse(t, format, a.stdout)
		}
	}
}

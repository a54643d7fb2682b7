// Gen writes the manual pages of the folder above: each NAME.SECTION of
// pages/NAME.SECTION.md, a template whose functions ask the program for what it
// knows. A page for another command is another file there.
package main

import (
	"bytes"
	"embed"
	"fmt"
	"os"
	"path"
	"strings"
	"text/template"
)

//go:embed pages/*.md
var sources embed.FS

func main() {
	pages, err := generate()
	for name, page := range pages {
		if err == nil {
			err = os.WriteFile(name, page, 0o644)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

// generate returns the pages by file name.
func generate() (map[string][]byte, error) {
	entries, err := sources.ReadDir("pages")
	if err != nil {
		return nil, err
	}
	pages := map[string][]byte{}
	for _, e := range entries {
		name := strings.TrimSuffix(e.Name(), ".md")
		text, err := expand(e.Name())
		if err != nil {
			return nil, err
		}
		dot := strings.LastIndexByte(name, '.')
		page, err := roff(name[:dot], name[dot+1:], text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", e.Name(), err)
		}
		pages[name] = page
	}
	return pages, nil
}

// expand fills the template of a page in.
func expand(file string) (string, error) {
	data, err := sources.ReadFile(path.Join("pages", file))
	if err != nil {
		return "", err
	}
	t, err := template.New(file).Delims("{%", "%}").Funcs(functions).Parse(string(data))
	if err != nil {
		return "", err
	}
	var b bytes.Buffer
	err = t.Execute(&b, nil)
	return b.String(), err
}

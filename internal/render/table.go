package render

import (
	"slices"
	"strings"
	"unicode"

	"github.com/olekukonko/tablewriter"
	"github.com/olekukonko/tablewriter/pkg/twwidth"
	"github.com/olekukonko/tablewriter/renderer"
	"github.com/olekukonko/tablewriter/tw"
)

// Below these widths a column is not narrowed: the table rather overflows
// (cliff/formatters/table.py, emit_one and emit_list).
const (
	minWidthShow = 16
	minWidthList = 8
)

func tableRecord(record Record, o Options) (string, error) {
	cells := make([][]string, len(record))
	for i, f := range record {
		cells[i] = []string{cellText(f.Name), cellText(humanText(f.Value))}
	}
	o.PrintEmpty = false // cliff's is for lists
	return drawTable([]string{"Field", "Value"}, cells, make([]bool, 2), minWidthShow, o)
}

func tableRows(names []string, rows [][]any, o Options) (string, error) {
	head := make([]string, len(names))
	for i, name := range names {
		head[i] = cellText(name)
	}
	cells := make([][]string, len(rows))
	for i, row := range rows {
		cells[i] = make([]string, len(row))
		for j, v := range row {
			cells[i][j] = cellText(humanText(v))
		}
	}
	// Numbers stand to the right, judged by the first row as cliff does.
	right := make([]bool, len(names))
	if len(rows) > 0 {
		for i, v := range rows[0] {
			switch v.(type) {
			case int, int64, float64:
				right[i] = true
			}
		}
	}
	return drawTable(head, cells, right, minWidthList, o)
}

// cellText makes text safe for a cell, in which lines may follow each other.
func cellText(text string) string {
	if isPlain(text) {
		return text
	}
	lines := strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n")
	for i, line := range lines {
		lines[i] = Safe(line)
	}
	return strings.Join(lines, "\n")
}

// drawTable draws rows between borders of + - and |. A table without rows is
// an empty line, unless an empty one was asked for, as in cliff.
func drawTable(head []string, rows [][]string, right []bool, minWidth int, o Options) (string, error) {
	if len(rows) == 0 && !o.PrintEmpty || len(head) == 0 {
		return "\n", nil
	}
	head = slices.Clone(head)
	narrow(head, rows, minWidth, right, o)
	align := make([]tw.Align, len(head))
	for i := range align {
		align[i] = tw.AlignLeft
		if right[i] {
			align[i] = tw.AlignRight
		}
	}
	cell := tw.CellConfig{
		Formatting: tw.CellFormatting{AutoWrap: tw.WrapNone, AutoFormat: tw.Off},
		Alignment:  tw.CellAlignment{Global: tw.AlignLeft, PerColumn: align},
	}
	var b strings.Builder
	table := tablewriter.NewTable(&b,
		tablewriter.WithRenderer(renderer.NewBlueprint(tw.Rendition{Symbols: tw.NewSymbols(tw.StyleASCII)})),
		tablewriter.WithConfig(tablewriter.Config{
			Header:   cell,
			Row:      cell,
			Behavior: tw.Behavior{TrimSpace: tw.Off, TrimLine: tw.Off, TrimTab: tw.Off, AutoHide: tw.Off},
		}),
		// Without this the width of some letters would depend on LANG.
		tablewriter.WithEastAsian(tw.Off),
	)
	table.Header(head)
	for _, row := range rows {
		if err := table.Append(row); err != nil {
			return "", err
		}
	}
	if err := table.Render(); err != nil {
		return "", err
	}
	text := b.String()
	if len(rows) == 0 { // prettytable draws the rule below the rows that are not there
		lines := strings.SplitAfter(strings.TrimSuffix(text, "\n"), "\n")
		text = strings.Join(lines, "") + "\n" + lines[len(lines)-1] + "\n"
	}
	return text, nil
}

// narrow wraps cells so that the table fits the width asked for, or the
// terminal's: columns wider than an equal share are cut to what the narrower
// ones leave (cliff/formatters/table.py, _assign_max_widths).
func narrow(head []string, rows [][]string, minWidth int, right []bool, o Options) {
	limit := o.TableWidth()
	if limit < 1 {
		return
	}
	widths := make([]int, len(head))
	total := 1
	for i := range head {
		widths[i] = cellWidth(head[i])
		for _, row := range rows {
			widths[i] = max(widths[i], cellWidth(row[i]))
		}
		total += widths[i] + 3
	}
	if total <= limit {
		return
	}
	left := max(0, limit-1-3*len(head))
	share := left / len(head)
	var wide []int
	for i, w := range widths {
		if w <= share {
			left -= w
		} else {
			wide = append(wide, i)
		}
	}
	to := left / len(wide)
	for n, i := range wide {
		if n == len(wide)-1 {
			to = left // the last one gets what is left over by the division
		}
		left -= to
		width := max(minWidth, to)
		for _, row := range rows {
			row[i] = wrapCell(row[i], width)
		}
		// prettytable keeps the width given even where no line fills it.
		if pad := min(width, widths[i]) - cellWidth(head[i]); pad > 0 {
			blanks := strings.Repeat(" ", pad)
			if right[i] {
				head[i] = blanks + head[i]
			} else {
				head[i] += blanks
			}
		}
	}
}

// cellWidth is the width of a cell's longest line in columns of a terminal.
func cellWidth(cell string) int {
	width := 0
	for line := range strings.SplitSeq(cell, "\n") {
		width = max(width, textWidth(line))
	}
	return width
}

// textWidth is the width of one line in columns of a terminal: two for wide
// East Asian characters and emoji, none for combining ones.
func textWidth(line string) int {
	if isPlain(line) {
		return len(line)
	}
	return twwidth.WidthWithOptions(line, twwidth.Options{})
}

// Width is how many columns of a terminal one line takes.
func Width(line string) int { return textWidth(line) }

// Wrap breaks one line into lines of at most that many columns; below 1 there
// is no limit. An empty line stays one.
func Wrap(line string, width int) []string {
	if width < 1 || textWidth(line) <= width {
		return []string{line}
	}
	return wrapLine(line, width)
}

// TableWidth is the width that a table is to keep to, 0 where there is none.
func (o Options) TableWidth() int {
	switch {
	case o.MaxWidth > 0:
		return o.MaxWidth
	case o.Terminal || o.FitWidth:
		return max(o.Width, 0)
	}
	return 0
}

func wrapCell(cell string, width int) string {
	var lines []string
	for line := range strings.SplitSeq(cell, "\n") {
		if textWidth(line) <= width {
			lines = append(lines, line)
		} else {
			lines = append(lines, wrapLine(line, width)...)
		}
	}
	return strings.Join(lines, "\n")
}

// wrapLine breaks a line at blanks and after hyphens within words, and inside
// a word that is longer than a whole line, as Python's textwrap does.
func wrapLine(line string, width int) []string {
	var lines []string
	chunks := splitChunks(line)
	slices.Reverse(chunks) // a stack: the next one last
	for len(chunks) > 0 {
		if len(lines) > 0 && isBlank(chunks[len(chunks)-1]) {
			chunks = chunks[:len(chunks)-1]
			if len(chunks) == 0 {
				break
			}
		}
		var current []string
		used := 0
		for len(chunks) > 0 {
			next := chunks[len(chunks)-1]
			w := textWidth(next)
			if used+w > width {
				break
			}
			current = append(current, next)
			used += w
			chunks = chunks[:len(chunks)-1]
		}
		if len(chunks) > 0 && textWidth(chunks[len(chunks)-1]) > width {
			head, rest := cut(chunks[len(chunks)-1], width-used, len(current) == 0)
			if head != "" {
				current = append(current, head)
				chunks[len(chunks)-1] = rest
				if rest == "" {
					chunks = chunks[:len(chunks)-1]
				}
			}
		}
		if n := len(current); n > 0 && isBlank(current[n-1]) {
			current = current[:n-1]
		}
		if len(current) > 0 {
			lines = append(lines, strings.Join(current, ""))
		}
	}
	return lines
}

// cut splits a word after the last hyphen that fits into width columns, or else
// after the last character that does. With force at least one character is
// taken, so that wrapping always ends.
func cut(word string, width int, force bool) (head, rest string) {
	used, end := 0, len(word)
	for i, r := range word {
		used += textWidth(string(r))
		if used > width && (i > 0 || !force) {
			end = i
			break
		}
	}
	if hyphen := strings.LastIndexByte(word[:end], '-'); hyphen > 0 && strings.Trim(word[:hyphen], "-") != "" {
		end = hyphen + 1
	}
	return word[:end], word[end:]
}

func isBlank(s string) bool { return strings.Trim(s, " ") == "" }

// splitChunks divides a line into runs of blanks, words, and the parts of
// words that end in a hyphen between letters.
func splitChunks(line string) []string {
	var chunks []string
	runes := []rune(line)
	start := 0
	flush := func(end int) {
		if end > start {
			chunks = append(chunks, string(runes[start:end]))
		}
		start = end
	}
	for i, r := range runes {
		if i > 0 && (r == ' ') != (runes[i-1] == ' ') {
			flush(i)
		}
		if r == '-' && hyphenates(runes, i) {
			flush(i + 1)
		}
	}
	flush(len(runes))
	return chunks
}

// hyphenates reports that a line may end after the hyphen at i: two letters
// before it and one and a letter, or a hyphen and a letter, behind.
func hyphenates(runes []rune, i int) bool {
	letter := func(n int) bool {
		return n >= 0 && n < len(runes) && (unicode.IsLetter(runes[n]) || runes[n] == '_')
	}
	behind := letter(i+1) && (letter(i+2) || i+2 < len(runes) && runes[i+2] == '-' && letter(i+3))
	return behind && letter(i-1) && (letter(i-2) || i >= 2 && runes[i-2] == '-' && letter(i-3))
}

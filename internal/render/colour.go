package render

import "glance-profile/internal/property"

// colours writes text in colour, or not at all differently. Whether there is
// to be colour is for the caller to know: only on a terminal, and never with
// NO_COLOR.
type colours struct{ on bool }

func palette(on bool) colours { return colours{on} }

// The codes of ECMA-48, «select graphic rendition».
const (
	sgrBold   = "1"
	sgrRed    = "31"
	sgrGreen  = "32"
	sgrYellow = "33"
)

func (c colours) paint(code, text string) string {
	if !c.on || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (c colours) bold(text string) string { return c.paint(sgrBold, text) }

// change paints the line of a plan by its sign.
func (c colours) change(sign, text string) string {
	return c.paint(map[string]string{"+": sgrGreen, "-": sgrRed, "~": sgrYellow}[sign], text)
}

func (c colours) severity(s property.Severity, text string) string {
	switch s {
	case property.Error:
		return c.paint(sgrRed, text)
	case property.Warning:
		return c.paint(sgrYellow, text)
	}
	return text
}

// Bold writes text in bold where there is to be colour.
func Bold(text string, colour bool) string { return palette(colour).bold(text) }

// SeverityText writes text in the colour of a severity where there is to be
// colour.
func SeverityText(s property.Severity, text string, colour bool) string {
	return palette(colour).severity(s, text)
}

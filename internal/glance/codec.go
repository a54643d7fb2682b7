package glance

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"glance-profile/internal/image"
)

// maxImageBytes bounds one image record. The largest that Glance lets in with
// its default limits (128 properties of a 64 KiB TEXT column, 128 tags) is
// about 9 MiB.
const maxImageBytes = 32 << 20

// maxOtherBytes bounds what stands before the images of a page, and behind them.
const maxOtherBytes = 1 << 20

const besideImages = "what stands beside the images of a page"

// serverFields are the members of an image record that the server makes and
// that are neither base fields of image.Image nor custom properties. Source:
// glance/api/v2/images.py, ResponseSerializer._format_image.
var serverFields = map[string]bool{
	"file": true, "self": true, "schema": true, "stores": true,
	"direct_url": true, "locations": true,
}

// decodeImage turns one JSON image record into an image.Image. It is lenient
// where a server may add members and strict where a wrong type would make a
// later change wrong: an unknown member that is text is a custom property,
// whatever its name.
func decodeImage(data []byte) (image.Image, error) {
	var members map[string]json.RawMessage
	if err := as("an object", data, &members); err != nil {
		return image.Image{}, fmt.Errorf("image record: %w", err)
	}
	img := image.Image{Properties: map[string]string{}}
	var wrong string // the first of the members that cannot be read, by name
	var failure error
	for name, value := range members {
		if err := setMember(&img, name, value); err != nil && (failure == nil || name < wrong) {
			wrong, failure = name, err
		}
	}
	switch {
	case failure != nil && img.ID != "":
		return image.Image{}, fmt.Errorf("image record %s: %s: %w", beginning(img.ID), beginning(wrong), failure)
	case failure != nil:
		return image.Image{}, fmt.Errorf("image record: %s: %w", beginning(wrong), failure)
	case img.ID == "":
		return image.Image{}, errors.New("image record without an id")
	}
	slices.Sort(img.Tags)
	slices.Sort(img.Nulls)
	return img, nil
}

func setMember(img *image.Image, name string, value json.RawMessage) error {
	isNull := string(value) == "null"
	if field := img.TextField(name); field != nil {
		if isNull {
			img.Unnamed = img.Unnamed || name == "name"
			return nil
		}
		if text, ok := plainText(value); ok {
			*field = text
			return nil
		}
		return as("a text", value, field)
	}
	switch name {
	case "protected":
		return as("true or false", value, &img.Protected)
	case "os_hidden":
		return as("true or false", value, &img.Hidden)
	case "min_disk":
		return as("a whole number", value, &img.MinDisk)
	case "min_ram":
		return as("a whole number", value, &img.MinRAM)
	case "size":
		return as("a whole number", value, &img.Size)
	case "virtual_size":
		return as("a whole number", value, &img.VirtualSize)
	case "tags":
		return as("a list of texts", value, &img.Tags)
	case "created_at":
		return setTime(&img.CreatedAt, value)
	case "updated_at":
		return setTime(&img.UpdatedAt, value)
	}
	var v any
	s, isText := plainText(value)
	if isText {
		v = s
	} else {
		if err := json.Unmarshal(value, &v); err != nil {
			v = string(value) // a number larger than any that there is
			setExtra(img, name, v)
			return nil
		}
		s, isText = v.(string)
	}
	switch {
	case serverFields[name] || strings.HasPrefix(name, "os_glance"):
		setExtra(img, name, v)
	case isText:
		img.Properties[name] = s
	case v == nil:
		img.Nulls = append(img.Nulls, name)
	default:
		// Glance stores text only, so another type is the server's own.
		setExtra(img, name, v)
	}
	return nil
}

// plainText is a JSON string that stands for itself, as nearly all do.
func plainText(value json.RawMessage) (string, bool) {
	if len(value) < 2 || value[0] != '"' {
		return "", false
	}
	inner := value[1 : len(value)-1]
	for _, c := range inner {
		if c == '\\' || c >= 0x80 {
			return "", false
		}
	}
	return string(inner), true
}

// as decodes a value, and says what is wanted where it is something else.
func as(what string, value []byte, to any) error {
	err := json.Unmarshal(value, to)
	var syntax *json.SyntaxError
	if err != nil && !errors.As(err, &syntax) {
		return errors.New(what + " is wanted")
	}
	return readable(err)
}

// readable says of an error of the decoder's what is wrong with the answer.
func readable(err error) error {
	var syntax *json.SyntaxError
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("the answer breaks off")
	case errors.As(err, &syntax):
		return fmt.Errorf("the answer is not JSON: %w", err)
	}
	return err
}

// maxShown bounds what an error repeats of a text of the server's, in bytes.
const maxShown = 80

// beginning is a text, or its beginning where it is long.
func beginning(text string) string {
	if len(text) > maxShown {
		text = strings.ToValidUTF8(text[:maxShown], "") + "…"
	}
	return text
}

func setExtra(img *image.Image, name string, v any) {
	if img.Extra == nil {
		img.Extra = map[string]any{}
	}
	img.Extra[name] = v
}

// setTime reads a time as Glance writes it. A time that cannot be read is left
// zero: no decision rests on it.
func setTime(t *time.Time, value json.RawMessage) error {
	var s *string
	if err := as("a text", value, &s); err != nil || s == nil {
		return err
	}
	if parsed, err := time.Parse(time.RFC3339, *s); err == nil {
		*t = parsed
	}
	return nil
}

// decodePage reads a listing one image at a time and hands each to yield, so
// that a page of a thousand large records is never held whole. It returns the
// path of the next page ("" at the end) and whether yield asked for more.
func decodePage(body io.Reader, yield func(image.Image) bool) (next string, more bool, err error) {
	p := &pageReader{limited: newBudgetReader(body), yield: yield}
	p.dec = json.NewDecoder(p.limited)
	switch err := p.read(); {
	case errors.Is(err, errStop):
		return "", false, nil
	case err != nil:
		return "", false, readable(err)
	case !p.images:
		return "", false, errors.New("the answer is no list of images: is the endpoint that of an image service?")
	}
	return p.next, true, nil
}

// errStop ends the reading because no more images are asked for.
var errStop = errors.New("no more images wanted")

type pageReader struct {
	limited *budgetReader
	dec     *json.Decoder
	yield   func(image.Image) bool

	images bool // there is a list of them
	next   string
}

func (p *pageReader) read() error {
	if err := p.expect('{'); err != nil {
		return err
	}
	for p.dec.More() {
		key, err := p.dec.Token()
		if err != nil {
			return err
		}
		switch key {
		case "images":
			err = p.readImages()
		case "next":
			err = p.readNext()
		default:
			var skipped json.RawMessage
			err = p.dec.Decode(&skipped)
		}
		if err != nil {
			return err
		}
	}
	return p.expect('}')
}

func (p *pageReader) readImages() error {
	p.images = true
	if err := p.expect('['); err != nil {
		return err
	}
	defer func() { p.limited.renew(maxOtherBytes, besideImages) }()
	for {
		p.limited.renew(maxImageBytes, "one image record")
		if !p.dec.More() {
			break
		}
		var raw json.RawMessage
		if err := p.dec.Decode(&raw); err != nil {
			return err
		}
		img, err := decodeImage(raw)
		if err != nil {
			return err
		}
		if !p.yield(img) {
			return errStop
		}
	}
	return p.expect(']')
}

func (p *pageReader) readNext() error {
	var raw json.RawMessage
	if err := p.dec.Decode(&raw); err != nil {
		return err
	}
	if err := as("a text", raw, &p.next); err != nil {
		return fmt.Errorf("link to the next page: %w", err)
	}
	return nil
}

func (p *pageReader) expect(want json.Delim) error {
	tok, err := p.dec.Token()
	if err != nil {
		return err
	}
	if tok != want {
		return fmt.Errorf("the answer is no list of images: found %s where %q was expected", beginning(fmt.Sprint(tok)), want)
	}
	return nil
}

// budgetReader fails once more bytes have been read than its budget, which is
// renewed for each image.
type budgetReader struct {
	r     io.Reader
	left  int64
	limit int64
	what  string // is bounded
}

func newBudgetReader(r io.Reader) *budgetReader {
	b := &budgetReader{r: r}
	b.renew(maxOtherBytes, besideImages)
	return b
}

func (b *budgetReader) renew(limit int64, what string) { b.left, b.limit, b.what = limit, limit, what }

func (b *budgetReader) Read(p []byte) (int, error) {
	if b.left < 0 {
		return 0, fmt.Errorf("%s is larger than %d MiB", b.what, b.limit>>20)
	}
	n, err := b.r.Read(p)
	b.left -= int64(n)
	return n, err
}

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
	if err := json.Unmarshal(data, &members); err != nil {
		return image.Image{}, fmt.Errorf("image record: %w", err)
	}
	img := image.Image{Properties: map[string]string{}}
	for name, value := range members {
		if err := setMember(&img, name, value); err != nil {
			return image.Image{}, fmt.Errorf("image record: %s: %w", name, err)
		}
	}
	if img.ID == "" {
		return image.Image{}, errors.New("image record without an id")
	}
	slices.Sort(img.Tags)
	slices.Sort(img.Nulls)
	return img, nil
}

func setMember(img *image.Image, name string, value json.RawMessage) error {
	isNull := string(value) == "null"
	if field := textField(img, name); field != nil {
		if isNull {
			img.Unnamed = img.Unnamed || name == "name"
			return nil
		}
		if text, ok := plainText(value); ok {
			*field = text
			return nil
		}
		return json.Unmarshal(value, field)
	}
	switch name {
	case "protected":
		return json.Unmarshal(value, &img.Protected)
	case "os_hidden":
		return json.Unmarshal(value, &img.Hidden)
	case "min_disk":
		return json.Unmarshal(value, &img.MinDisk)
	case "min_ram":
		return json.Unmarshal(value, &img.MinRAM)
	case "size":
		return json.Unmarshal(value, &img.Size)
	case "virtual_size":
		return json.Unmarshal(value, &img.VirtualSize)
	case "tags":
		return json.Unmarshal(value, &img.Tags)
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
			return err
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

// textField is the field of an image that a member of the name fills with text.
func textField(img *image.Image, name string) *string {
	switch name {
	case "id":
		return &img.ID
	case "name":
		return &img.Name
	case "status":
		return &img.Status
	case "visibility":
		return &img.Visibility
	case "owner":
		return &img.Owner
	case "container_format":
		return &img.ContainerFormat
	case "disk_format":
		return &img.DiskFormat
	case "checksum":
		return &img.Checksum
	case "os_hash_algo":
		return &img.HashAlgo
	case "os_hash_value":
		return &img.HashValue
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
	if err := json.Unmarshal(value, &s); err != nil || s == nil {
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
	limited := &budgetReader{r: body}
	dec := json.NewDecoder(limited)
	if err := expectDelim(dec, '{'); err != nil {
		return "", false, err
	}
	for dec.More() {
		limited.left = maxImageBytes
		key, err := dec.Token()
		if err != nil {
			return "", false, err
		}
		switch key {
		case "images":
			if err := expectDelim(dec, '['); err != nil {
				return "", false, err
			}
			for dec.More() {
				limited.left = maxImageBytes
				var raw json.RawMessage
				if err := dec.Decode(&raw); err != nil {
					return "", false, err
				}
				img, err := decodeImage(raw)
				if err != nil {
					return "", false, err
				}
				if !yield(img) {
					return "", false, nil
				}
			}
			if err := expectDelim(dec, ']'); err != nil {
				return "", false, err
			}
		case "next":
			if err := dec.Decode(&next); err != nil {
				return "", false, fmt.Errorf("next: %w", err)
			}
		default:
			var skipped json.RawMessage
			if err := dec.Decode(&skipped); err != nil {
				return "", false, err
			}
		}
	}
	if err := expectDelim(dec, '}'); err != nil {
		return "", false, err
	}
	return next, true, nil
}

func expectDelim(dec *json.Decoder, want json.Delim) error {
	tok, err := dec.Token()
	if err != nil {
		return err
	}
	if tok != want {
		return fmt.Errorf("found %v where %q was expected", tok, want)
	}
	return nil
}

// budgetReader fails once more bytes have been read than its budget, which the
// decoder's loop renews for each image.
type budgetReader struct {
	r    io.Reader
	left int64
}

func (b *budgetReader) Read(p []byte) (int, error) {
	if b.left < 0 {
		return 0, fmt.Errorf("one image record is larger than %d MiB", maxImageBytes>>20)
	}
	n, err := b.r.Read(p)
	b.left -= int64(n)
	return n, err
}

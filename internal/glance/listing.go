package glance

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"

	"glance-profile/internal/image"
)

// ErrMorePages ends a saved listing whose last page leads to another one that
// is not there: images are missing.
var ErrMorePages = errors.New("the listing breaks off where Glance has a next page; save all pages, one after another")

// DecodeListing reads image records that were saved earlier: the answer to
// GET /v2/images or several of them in a row, a JSON array of records, or one
// record after another (JSON lines). One record is held at a time, bounded like
// those of a server. An error names the place of the image, from 1, and ends
// the sequence; ErrMorePages comes last.
func DecodeListing(r io.Reader) iter.Seq2[image.Image, error] {
	return decodeListing(r, maxImageBytes)
}

func decodeListing(r io.Reader, limit int64) iter.Seq2[image.Image, error] {
	return func(yield func(image.Image, error) bool) {
		budget := &budgetReader{r: r}
		l := &listing{budget: budget, limit: limit, dec: json.NewDecoder(budget), yield: yield}
		err := l.read()
		if err == nil && l.more {
			err = ErrMorePages
		} else if err != nil && !errors.Is(err, errStop) {
			err = fmt.Errorf("image %d: %w", l.count+1, err)
		}
		if err != nil && !errors.Is(err, errStop) {
			yield(image.Image{}, err)
		}
	}
}

// errStop ends the reading because no more images are asked for.
var errStop = errors.New("no more images wanted")

// listing is a saved listing while it is read.
type listing struct {
	budget *budgetReader
	limit  int64 // of one record, in bytes
	dec    *json.Decoder
	yield  func(image.Image, error) bool
	count  int  // images that were handed on
	more   bool // the page that was read last has a next one
}

func (l *listing) read() error {
	for {
		l.budget.left = l.limit
		start, err := l.dec.Token()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case start == json.Delim('['):
			err = l.array()
		case start == json.Delim('{'):
			err = l.object()
		default:
			err = fmt.Errorf("found %.40q where an image record, a list of them or Glance's answer was expected", fmt.Sprint(start))
		}
		if errors.Is(err, io.EOF) {
			return io.ErrUnexpectedEOF
		}
		if err != nil {
			return err
		}
	}
}

// array reads the records of a list whose bracket was read.
func (l *listing) array() error {
	for l.dec.More() {
		l.budget.left = l.limit
		var raw json.RawMessage
		if err := l.dec.Decode(&raw); err != nil {
			return err
		}
		if err := l.record(raw); err != nil {
			return err
		}
	}
	return expectDelim(l.dec, ']')
}

// object reads an object whose brace was read: a page of Glance's if it has a
// list named images, or else one record. Which of the two shows only on the
// way, since members come in any order.
func (l *listing) object() error {
	members := map[string]json.RawMessage{}
	isPage := false
	for l.dec.More() {
		key, err := l.dec.Token()
		if err != nil {
			return err
		}
		name, isText := key.(string)
		if !isText {
			return fmt.Errorf("found %v where a name was expected", key)
		}
		var raw json.RawMessage
		if name == "images" {
			start, err := l.dec.Token()
			if err != nil {
				return err
			}
			if start == json.Delim('[') {
				isPage = true
				if err := l.array(); err != nil {
					return err
				}
				l.budget.left = l.limit
				continue
			}
			if _, isDelim := start.(json.Delim); isDelim {
				return errors.New("images is no list")
			}
			// A custom property may have the name.
			if raw, err = json.Marshal(start); err != nil {
				return err
			}
		} else if err := l.dec.Decode(&raw); err != nil {
			return err
		}
		members[name] = raw
	}
	if err := expectDelim(l.dec, '}'); err != nil {
		return err
	}
	if isPage {
		var next string
		if raw, ok := members["next"]; ok {
			if err := json.Unmarshal(raw, &next); err != nil {
				return fmt.Errorf("next: %w", err)
			}
		}
		l.more = next != ""
		return nil
	}
	raw, err := json.Marshal(members)
	if err != nil {
		return err
	}
	return l.record(raw)
}

func (l *listing) record(raw json.RawMessage) error {
	img, err := decodeImage(raw)
	if err != nil {
		return err
	}
	// openstack image show -f json gathers the custom properties in one
	// member; taken as it is, the image would seem to have none.
	if _, nested := img.Extra["properties"].(map[string]any); nested {
		return errors.New("its properties stand in a member of their own, as the openstack client prints them; save Glance's own answer to GET /v2/images")
	}
	if !l.yield(img, nil) {
		return errStop
	}
	l.count++
	return nil
}

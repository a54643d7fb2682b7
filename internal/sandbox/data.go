package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

func (s *imageService) storeIDs() []string {
	ids := make([]string, len(s.stores))
	for i, store := range s.stores {
		ids[i] = store.ID
	}
	return ids
}

// room is how many bytes a store can still take; -1 is no bound. The lock must
// be held.
func (s *imageService) room(store string) int64 {
	i := slices.IndexFunc(s.stores, func(o Store) bool { return o.ID == store })
	if i < 0 || s.stores[i].Capacity == 0 {
		return -1
	}
	return max(0, s.stores[i].Capacity-s.used[store])
}

// put adds a copy of the data to a store, drop takes one away. The lock must be
// held.
func (s *imageService) put(r *record, store string, data *blob) {
	r.locations = append(r.locations, location{store, data})
	data.users++
	s.used[store] += data.size
}

func (s *imageService) drop(l location) {
	if l.data == nil {
		return
	}
	s.used[l.store] -= l.data.size
	if l.data.users--; l.data.users == 0 {
		l.data.remove()
	}
}

// octets refuses a body that is not said to be plain bytes.
func octets(q *request) error {
	name, _, err := mime.ParseMediaType(contentType(q.Request))
	if err != nil || name != "application/octet-stream" {
		return &refusal{status: http.StatusUnsupportedMediaType}
	}
	return nil
}

// begin moves an image into the state in which data comes in. The record as it
// then is stays the same until end, as long as nobody deletes the image.
func (s *imageService) begin(q *request, id, rule, status string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.find(q, id)
	if err != nil {
		return err
	}
	if err := permit(q.caller, rule, r); err != nil {
		return err
	}
	r = r.clone()
	if err := r.setStatus(status); err != nil {
		return err
	}
	r.updated = s.second()
	s.all[id] = r
	return nil
}

// restore makes an image wait for data again, if it is still there.
func (s *imageService) restore(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.all[id]; r != nil && (r.status == saving || r.status == uploading) {
		r.status, r.size, r.virtualSize, r.updated = queued, nil, nil, s.second()
	}
}

// upload takes the data of an image (glance/api/v2/image_data.py, upload).
func (s *imageService) upload(q *request, id string) error {
	if err := octets(q); err != nil {
		return err
	}
	store := s.stores[0].ID
	if named := q.Header.Values("X-Image-Meta-Store"); len(named) > 0 {
		if store = named[0]; !slices.Contains(s.storeIDs(), store) {
			return unknownStore(http.StatusBadRequest, store)
		}
	}
	if err := s.begin(q, id, "upload_image", saving); err != nil {
		return err
	}
	data, err := s.receive(q.Context(), q.Body, store)
	if err != nil {
		s.restore(id)
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.all[id]
	if r != nil && slices.Contains(r.stores(), store) {
		// The file of data that were refused is in the way.
		data.remove()
		r.status, r.size, r.virtualSize = queued, nil, nil
		return &refusal{status: http.StatusInternalServerError}
	}
	if r == nil {
		data.remove()
		return refuse(410, "Image %s could not be found after upload. The image may have been deleted during the upload, cleaning up the chunks uploaded.", id)
	}
	s.keep(r, data, store)
	virtual, err := s.virtualSize(r, data)
	if err != nil {
		// The data stay where they are, though the image waits for new ones.
		r.status, r.size, r.virtualSize = queued, nil, nil
		return err
	}
	r.virtualSize = virtual
	r.status = active
	return q.send(http.StatusNoContent, nil)
}

func unknownStore(status int, store string) error {
	return refuse(status, "Store for identifier %s not found", store)
}

// receive keeps a stream of data, as far as the store has room.
func (s *imageService) receive(ctx context.Context, body io.Reader, store string) (*blob, error) {
	s.mu.Lock()
	room := s.room(store)
	s.mu.Unlock()
	data, err := newBlob(s.dir, body, room)
	switch {
	case errors.Is(err, errFull):
		return nil, refuse(413, "Image storage media is full: There is not enough disk space on the image storage media.")
	case err != nil:
		return nil, errors.Join(err, context.Cause(ctx))
	}
	return data, nil
}

// keep puts data into a store, and sets what they say of the image. The lock
// must be held.
func (s *imageService) keep(r *record, data *blob, store string) {
	s.put(r, store, data)
	r.size, r.checksum, r.hashValue = &data.size, &data.md5, &data.sha512
	r.hashAlgo = new("sha512")
	r.updated = s.second()
}

// virtualSize is the size of the disk in an image, nil where it is not known,
// unless the data is not what the image's disk_format says or is not safe: that
// is refused, without the reason (glance/location.py, set_data;
// glance/api/v2/image_data.py, upload).
func (s *imageService) virtualSize(r *record, data *blob) (*int64, error) {
	if text(r.containerFormat) != "bare" {
		return nil, nil
	}
	f, err := data.open()
	if err != nil {
		return nil, err
	}
	defer f.Close()
	found, diskFormat := s.inspect(f, data.size), text(r.diskFormat)
	if !found.Several && !found.Unsafe {
		switch {
		case found.Format == diskFormat && found.VirtualSize > 0:
			return &found.VirtualSize, nil
		case diskFormat == "raw" && data.size > 0:
			return &data.size, nil
		case found.Format == diskFormat, diskFormat == "raw", found.Format == "raw" && !slices.Contains(inspected, diskFormat):
			return nil, nil
		}
	}
	return nil, &refusal{status: http.StatusUnsupportedMediaType}
}

// stage takes data into the staging area, from where an import brings it on.
func (s *imageService) stage(q *request, id string) error {
	if err := octets(q); err != nil {
		return err
	}
	if err := s.begin(q, id, "modify_image", uploading); err != nil {
		return err
	}
	data, err := s.receive(q.Context(), q.Body, "")
	if err != nil {
		s.restore(id)
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.all[id]
	if r == nil {
		data.remove()
		return refuse(404, "No image found with ID %s", id)
	}
	r.staged, r.size, r.updated = data, &data.size, s.second()
	return q.send(http.StatusNoContent, nil)
}

// download sends the data of an image, or a range of it.
func (s *imageService) download(q *request, id string) error {
	if err := noBody(q); err != nil {
		return err
	}
	data, err := s.open(q, id)
	if err != nil {
		return err
	}
	if data == nil {
		q.w.WriteHeader(http.StatusNoContent)
		return nil
	}
	defer data.Close()
	from, to, status := int64(0), data.size, http.StatusOK
	if header := q.Header.Get("Range"); header != "" {
		status = http.StatusPartialContent
		if from, to, err = readRange(header, data.size); err != nil {
			return err
		}
		q.w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, to-1, data.size))
	}
	if data.checksum != "" {
		q.w.Header().Set("Content-Md5", data.checksum)
	}
	q.w.Header().Set("Content-Type", "application/octet-stream")
	q.w.Header().Set("Content-Length", strconv.FormatInt(to-from, 10))
	q.w.WriteHeader(status)
	// A client that goes away in the middle is its own affair.
	_, _ = io.Copy(q.w, io.NewSectionReader(data, from, to-from))
	return nil
}

// opened is the data of an image, open for reading.
type opened struct {
	io.ReaderAt
	io.Closer
	size     int64
	checksum string
}

// open returns nil where there is no data.
func (s *imageService) open(q *request, id string) (*opened, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.find(q, id)
	if err != nil {
		return nil, err
	}
	if r.status == deactivated && !q.caller.has("admin") {
		return nil, refuse(403, "The requested image has been deactivated. Image data download is forbidden.")
	}
	if err := permit(q.caller, "download_image", r); err != nil {
		return nil, err
	}
	if len(r.locations) == 0 {
		return nil, nil
	}
	if r.size == nil {
		// Data that were refused are still there, but nothing says how many:
		// Glance sends "Content-Length: None", which is no HTTP.
		panic(http.ErrAbortHandler)
	}
	o := &opened{size: value(r.size), checksum: text(r.checksum)}
	if r.locations[0].data == nil {
		o.ReaderAt, o.Closer = zeroReader{}, io.NopCloser(nil)
		return o, nil
	}
	f, err := r.locations[0].data.open()
	if err != nil {
		return nil, err
	}
	o.ReaderAt, o.Closer = f, f
	return o, nil
}

var byteRange = regexp.MustCompile(`(?i)^bytes *= *([0-9]*) *- *([0-9]*)`)

// readRange returns the bytes from–to that a Range header asks for
// (glance/common/wsgi.py, get_range_from_request; webob/byterange.py).
func readRange(header string, size int64) (from, to int64, err error) {
	if strings.Contains(header, ",") {
		return 0, 0, refuse(400, "Requests with multiple ranges are not supported in Glance. You may make multiple single-range requests instead.")
	}
	invalid := &refusal{status: http.StatusRequestedRangeNotSatisfiable, detail: "Invalid Range header."}
	m := byteRange.FindStringSubmatch(header)
	if m == nil || m[1] == "" && m[2] == "" {
		return 0, 0, invalid
	}
	if m[1] == "" {
		last, err := strconv.ParseInt(m[2], 10, 64)
		if err != nil {
			return 0, 0, invalid
		}
		return max(0, size-last), size, nil
	}
	if from, err = strconv.ParseInt(m[1], 10, 64); err != nil {
		return 0, 0, invalid
	}
	to = size
	if m[2] != "" {
		last, err := strconv.ParseInt(m[2], 10, 64)
		if err != nil || last < from {
			return 0, 0, invalid
		}
		to = min(size-1, last) + 1 // not last+1, which can overflow
	}
	if from >= size {
		return 0, 0, &refusal{status: http.StatusRequestedRangeNotSatisfiable, detail: fmt.Sprintf(
			"Invalid start position in Range header. Start position MUST be in the inclusive range [0, %d].", size-1)}
	}
	return from, to, nil
}

// ReadAt fills p with zeros, whatever the place.
func (zeroReader) ReadAt(p []byte, _ int64) (int, error) {
	clear(p)
	return len(p), nil
}

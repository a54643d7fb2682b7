package commands

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"path"
	"path/filepath"
	"strings"

	"glance-profile/internal/apply"
	"glance-profile/internal/diskimage"
	"glance-profile/internal/image"
	"glance-profile/internal/render"
	"glance-profile/internal/source"
)

// input is where the data of the new image come from, and what was seen of
// them. source is nil for a record without data and for --uri.
type input struct {
	source source.Source
	info   diskimage.Info
	upload diskimage.Upload
	uri    string
	file   bool // source is a file, not a pipe
	// unpack is how the data are decompressed on their way, "" if not.
	unpack diskimage.Compression
}

// openInput opens the file or pipe and looks at it. What is found wrong is
// judged later, by checkCreate; the error is one of reading.
func openInput(ctx context.Context, env *Env, o createOptions) (*input, error) {
	in := &input{uri: o.uri, upload: diskimage.Upload{DiskFormat: o.diskFormat, ContainerFormat: o.containerFormat}}
	if o.uri != "" {
		return in, in.checkURI()
	}
	src, err := openSource(env, o.file)
	if err != nil || src == nil {
		return in, err
	}
	if _, isFile := src.(*source.File); !isFile && o.file == "" {
		// A pipe that was not asked for and holds nothing is no data, as a
		// terminal is; one that was asked for by --file - is a mistake.
		if head, err := src.Head(ctx, 1); err != nil {
			src.Close()
			return nil, err
		} else if len(head) == 0 {
			env.warn("standard input is empty, so a record without data is made")
			return in, src.Close()
		}
	}
	in.source = src
	if _, isFile := src.(*source.File); isFile {
		in.file = src.Name() == o.file
		in.upload.FileName = filepath.Base(src.Name())
	}
	if err := in.look(ctx); err != nil {
		in.close()
		return nil, err
	}
	return in, nil
}

// openSource opens --file, or standard input where that is a pipe or a file.
// nil is no data at all.
func openSource(env *Env, file string) (source.Source, error) {
	if file != "" && file != "-" {
		src, err := source.OpenPath(file)
		if err != nil {
			return nil, usagef("--file: %v", err)
		}
		return src, nil
	}
	kind, err := source.StdinKind(env.In)
	switch {
	case err != nil:
		return nil, fmt.Errorf("standard input: %w", err)
	case kind == source.Data:
		if file == "" {
			env.note("reading the image from standard input")
		}
		return source.FromFile(env.In, "standard input")
	case file == "-" && kind == source.Terminal:
		return nil, usagef("--file -: standard input is the terminal; pipe an image into it, or name a file")
	case file == "-":
		return nil, usagef("--file -: standard input is empty or closed; pipe an image into it, or name a file")
	}
	return nil, nil
}

// look reads what the head of the data tells, and puts a decompressor in where
// a disk image comes compressed.
func (in *input) look(ctx context.Context) error {
	var err error
	if in.info, err = inspectHead(ctx, in.source); err != nil {
		return err
	}
	if !in.info.Unpack(in.upload) {
		return nil
	}
	in.unpack = in.info.Compression
	in.source, err = source.Decompress(in.source, source.Compression(in.unpack))
	if err != nil {
		return err
	}
	in.upload.FileName = strings.TrimSuffix(in.upload.FileName, path.Ext(in.upload.FileName))
	if in.info, err = inspectHead(ctx, in.source); err == nil && in.info.Format == diskimage.Packed {
		err = fmt.Errorf("%s is compressed twice; decompress it once before", in.name())
	}
	return err
}

func inspectHead(ctx context.Context, src source.Source) (diskimage.Info, error) {
	if file, ok := src.(*source.File); ok {
		size, _ := file.Size()
		info, err := diskimage.Inspect(file, size)
		if err != nil {
			return info, fmt.Errorf("%s: %w", src.Name(), err)
		}
		return info, nil
	}
	head, err := src.Head(ctx, diskimage.HeadSize)
	if err != nil {
		return diskimage.Info{}, err
	}
	return diskimage.InspectHead(head), nil
}

// checkURI refuses an address that Glance could not fetch.
func (in *input) checkURI() error {
	u, err := url.Parse(in.uri)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return usagef("--uri %s: an address such as https://example.org/image.qcow2 is needed", render.Quoted(in.uri))
	}
	in.upload.FileName = path.Base(u.Path)
	if in.upload.DiskFormat == "" && formatOfName(in.upload.FileName) == "" {
		return usagef("--uri %s: the name does not tell the format of the data, and Glance does not look; add --disk-format (a .img of a distributor is most often qcow2)", render.Quoted(withoutCredentials(in.uri)))
	}
	return nil
}

// given reports whether this program sends data itself.
func (in *input) given() bool { return in.source != nil }

func (in *input) close() {
	if in.source != nil {
		in.source.Close()
	}
}

// name is what messages call the input.
func (in *input) name() string {
	if in.source != nil {
		return in.source.Name()
	}
	return in.uri
}

// size is the number of bytes to send, -1 where it is not known.
func (in *input) size() int64 {
	if in.source != nil {
		if n, ok := in.source.Size(); ok {
			return n
		}
	}
	return -1
}

// status is what Glance calls an image that came from this input.
func (in *input) status() string {
	if in.source == nil && in.uri == "" {
		return "queued"
	}
	return "active"
}

// diskFormat returns the disk format to send, and why.
func (in *input) diskFormat(o createOptions) (format, why string) {
	switch {
	case o.diskFormat != "":
		return o.diskFormat, "--disk-format"
	case in.given():
		if format := in.info.Format.DiskFormat(); format != "" {
			return format, "the content of " + in.name()
		}
	case in.uri != "":
		if format := formatOfName(in.upload.FileName); format != "" {
			return format, "the name in --uri"
		}
	}
	return "raw", "default"
}

// formatOfName guesses a disk format from a file's name.
func formatOfName(name string) string {
	switch ext := strings.TrimPrefix(strings.ToLower(path.Ext(name)), "."); ext {
	case "qcow2", "raw", "vmdk", "vdi", "vhd", "vhdx", "iso":
		return ext
	}
	return ""
}

// minDisk is the smallest root disk for the data in GiB, 0 where it is not
// known or means nothing: kernels and containers are no disks.
func (in *input) minDisk(o createOptions) int64 {
	switch o.diskFormat {
	case "ami", "ari", "aki":
		return 0
	}
	if !in.given() || o.containerFormat != "" && o.containerFormat != "bare" {
		return 0
	}
	return diskimage.MinDiskGiB(in.info.VirtualSize)
}

// judge returns what is wrong with the data as an upload of this kind.
func (in *input) judge() []diskimage.Problem {
	if !in.given() {
		return nil
	}
	return in.info.Judge(in.upload)
}

// data is what apply sends, nil where there is nothing to send. Each reading
// begins with a fresh progress counter. What can be told of a pipe only at its
// end breaks the upload off there.
func (in *input) data(progress func() io.Writer, forced bool) *apply.Data {
	if !in.given() {
		return nil
	}
	return &apply.Data{Source: in.source, Begin: func() ([]io.Writer, func() error) {
		watch := []io.Writer{progress()}
		if _, whole := in.source.(*source.File); whole {
			return watch, nil // its end has been seen already
		}
		stream := new(diskimage.Stream)
		return append(watch, stream), func() error {
			for _, p := range stream.Finish().Judge(in.upload) {
				if p.Severity == diskimage.Fatal || p.Severity == diskimage.Forceable && !forced {
					return fmt.Errorf("%s: %s", in.name(), p.Message)
				}
			}
			return nil
		}
	}}
}

// sameData compares the input with the data of an image. It reads the whole
// input, which has to be one that can be read again.
func (in *input) sameData(ctx context.Context, img image.Image) (bool, error) {
	if size, ok := in.source.Size(); ok && img.Size != nil && size != *img.Size {
		return false, nil
	}
	if !in.source.Repeatable() {
		return false, usagef("--if-exists skip has to read %s twice to compare it with image %s, and a pipe can be read once; name a file", in.name(), img.ID)
	}
	stream, err := in.source.Open(ctx)
	if err != nil {
		return false, err
	}
	defer stream.Close()
	return sameReader(stream, img)
}
